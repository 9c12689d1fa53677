// Argo CD's verdict on the health of objects, by its own Lua engine: a stream of JSON objects comes in, one
// line for each goes out. The argument is an argocd-cm ConfigMap as JSON, with the health check to be used.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/gitops-engine/pkg/health"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const prefix = "resource.customizations.health."

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if err := judge(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(configMap string, in io.Reader, out io.Writer) error {
	checks, err := customizations(configMap)
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
		// What the controller asks for each resource of an Application; none: there is no check for it.
		seen, err := health.GetResourceHealth(object, checks)
		if err != nil {
			return err
		}
		answer := verdict{Status: "none"}
		if seen != nil {
			answer = verdict{string(seen.Status), seen.Message}
		}
		if err := verdicts.Encode(answer); err != nil {
			return err
		}
	}
}

// customizations reads the keys that Argo CD's settings manager reads: group_kind after the prefix.
func customizations(configMap string) (lua.ResourceHealthOverrides, error) {
	var body struct {
		Data map[string]string `json:"data"`
	}
	if err := json.Unmarshal([]byte(configMap), &body); err != nil {
		return nil, err
	}
	checks := lua.ResourceHealthOverrides{}
	for key, script := range body.Data {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			checks[strings.Replace(name, "_", "/", 1)] = v1alpha1.ResourceOverride{HealthLua: script}
		}
	}
	return checks, nil
}
