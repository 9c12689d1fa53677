"""The Kubernetes that the tests are written on. `go/go.mod` says it too; a test compares them."""

VERSION = "v1.36.2"
COMMIT = "24e2b02af5543d7910c2bb074c7264df5a8f0467"
