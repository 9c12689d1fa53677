// kstatus, the library that Flux (and other tools) ask for the health of an object: a stream of JSON objects
// comes in, one line for each goes out.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if err := judge(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(in io.Reader, out io.Writer) error {
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
		seen, err := status.Compute(object)
		if err != nil {
			return err
		}
		if err := verdicts.Encode(verdict{string(seen.Status), seen.Message}); err != nil {
			return err
		}
	}
}
