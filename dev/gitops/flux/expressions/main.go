// Flux's verdict on the health of objects by spec.healthCheckExprs of a Kustomization, by its own library: a
// stream of JSON objects comes in, one line for each goes out. The argument is the Kustomization as JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type evaluators map[schema.GroupKind]*cel.StatusEvaluator

func main() {
	if err := judge(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(kustomization string, in io.Reader, out io.Writer) error {
	checks, err := expressions(kustomization)
	if err != nil {
		return err
	}
	objects, verdicts := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var body json.RawMessage
		if err := objects.Decode(&body); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(body); err != nil { // as client-go does: integers stay integers
			return err
		}
		answer := verdict{Status: "none"}
		if check, ok := checks[object.GroupVersionKind().GroupKind()]; ok {
			seen, err := check.Evaluate(context.Background(), object)
			if err != nil {
				return err
			}
			answer = verdict{string(seen.Status), seen.Message}
		}
		if err := verdicts.Encode(answer); err != nil {
			return err
		}
	}
}

func expressions(kustomization string) (evaluators, error) {
	var body struct {
		Spec struct {
			HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
		} `json:"spec"`
	}
	if err := json.Unmarshal([]byte(kustomization), &body); err != nil {
		return nil, err
	}
	checks := evaluators{}
	for _, check := range body.Spec.HealthCheckExprs {
		evaluator, err := cel.NewStatusEvaluator(&check.HealthCheckExpressions)
		if err != nil {
			return nil, err
		}
		checks[schema.FromAPIVersionAndKind(check.APIVersion, check.Kind).GroupKind()] = evaluator
	}
	return checks, nil
}
