// The operator that an engineer would write with controller-runtime, as a peer in the benchmarks.
//
// It does the same work for a request as ours: a claim in the status before the DELETE, polls, three status
// writes and two Events. It looks nothing up, knows no preconditions and tries nothing again.
package main

import (
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

const workers = 16

func main() {
	ctrl.SetLogger(zap.New())
	if err := run(); err != nil {
		ctrl.Log.Error(err, "the operator can't go on")
		os.Exit(1)
	}
}

func run() error {
	scheme := runtime.NewScheme()
	addToScheme(scheme)
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	configuration, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	configuration.QPS = -1 // no limit of the client's own: the API server has its own
	manager, err := ctrl.NewManager(configuration, ctrl.Options{
		Scheme:  scheme,
		Metrics: server.Options{BindAddress: "0"}, // several run at once on the machine that measures
	})
	if err != nil {
		return err
	}
	reconciler := &reconciler{
		Client:   manager.GetClient(),
		events:   manager.GetEventRecorder("controller-runtime-peer"),
		moorcheh: newMoorcheh(os.Getenv("MOORCHEH_BASE_URL"), workers),
	}
	err = ctrl.NewControllerManagedBy(manager).
		// Its own status writes wake it for nothing.
		For(&NamespaceDeletion{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(reconciler)
	if err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}
