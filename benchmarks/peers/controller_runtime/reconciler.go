package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// What Moorcheh's own example does.
	pollFirst = 500 * time.Millisecond
	pollMost  = 10 * time.Second
)

type reconciler struct {
	client.Client
	events   events.EventRecorder
	moorcheh *moorcheh
}

func (r *reconciler) Reconcile(ctx context.Context, key ctrl.Request) (ctrl.Result, error) {
	var deletion NamespaceDeletion
	if err := r.Get(ctx, key.NamespacedName, &deletion); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	switch {
	case deletion.DeletionTimestamp != nil:
		return ctrl.Result{}, nil
	case deletion.Status.Phase == Succeeded || deletion.Status.Phase == Failed:
		return ctrl.Result{}, nil
	case deletion.Status.Job != nil:
		return r.poll(ctx, &deletion)
	case deletion.Status.Phase == Submitting:
		// Found by another process than the one that claimed it: whether its DELETE was sent is not known.
		return ctrl.Result{}, r.end(ctx, &deletion, Failed, "OutcomeUnknown", "the operator was restarted while it deleted")
	case deletion.Spec.Suspend:
		return ctrl.Result{}, nil
	}
	return r.submit(ctx, &deletion)
}

// submit claims the request, which only one can do as the write carries the resourceVersion, and deletes.
func (r *reconciler) submit(ctx context.Context, deletion *NamespaceDeletion) (ctrl.Result, error) {
	now := metav1.Now()
	deletion.Status.StartTime = &now
	deletion.Status.Attempt = &Attempt{Number: 1, ID: string(uuid.NewUUID()), StartTime: now}
	if err := r.write(ctx, deletion, Submitting, "Submitting", "the DELETE is being sent"); err != nil {
		return ctrl.Result{}, err
	}
	name := deletion.Spec.NamespaceName
	id, err := r.moorcheh.startDeletion(ctx, name)
	if err != nil {
		return ctrl.Result{}, r.end(ctx, deletion, Failed, "Rejected", err.Error())
	}
	deletion.Status.Job = &Job{ID: id, Status: "running"}
	message := fmt.Sprintf("Deletion of %q submitted, job %s.", name, id)
	if err := r.write(ctx, deletion, Running, "JobRunning", message); err != nil {
		return ctrl.Result{}, err
	}
	log.FromContext(ctx).Info("submitted", "target", name, "job", id)
	r.events.Eventf(deletion, nil, corev1.EventTypeNormal, "Submitted", "Delete", "%s", message)
	return ctrl.Result{RequeueAfter: pollFirst}, nil
}

func (r *reconciler) poll(ctx context.Context, deletion *NamespaceDeletion) (ctrl.Result, error) {
	status := &deletion.Status
	job, err := r.moorcheh.job(ctx, deletion.Spec.NamespaceName, status.Job.ID)
	if errors.Is(err, errUnknownJob) {
		return ctrl.Result{}, r.end(ctx, deletion, Failed, "JobUnknown", err.Error())
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	status.Job = &Job{
		ID: job.JobID, Status: job.Status, TotalItems: job.TotalItems, DeletedItems: job.DeletedItems,
		StartTime: job.StartedAt, UpdateTime: job.UpdatedAt,
		LastError: value(job.LastError), FinishTime: value(job.FinishedAt),
	}
	switch job.Status {
	case "completed":
		message := fmt.Sprintf("%d of %d items deleted.", job.DeletedItems, job.TotalItems)
		return ctrl.Result{}, r.end(ctx, deletion, Succeeded, "DeletionCompleted", message)
	case "failed":
		return ctrl.Result{}, r.end(ctx, deletion, Failed, "JobFailed", status.Job.LastError)
	}
	elapsed := time.Since(status.Attempt.StartTime.Time)
	return ctrl.Result{RequeueAfter: min(max(elapsed/10, pollFirst), pollMost)}, nil
}

func (r *reconciler) end(ctx context.Context, deletion *NamespaceDeletion, phase Phase, reason, message string) error {
	now := metav1.Now()
	deletion.Status.CompletionTime = &now
	if err := r.write(ctx, deletion, phase, reason, message); err != nil {
		return err
	}
	kind := corev1.EventTypeNormal
	if phase == Failed {
		kind = corev1.EventTypeWarning
	}
	log.FromContext(ctx).Info("ended", "target", deletion.Spec.NamespaceName, "reason", reason)
	r.events.Eventf(deletion, nil, kind, reason, "Delete", "%s", message)
	return nil
}

// write is one status write: an update carries the resourceVersion, so a stale one is refused.
func (r *reconciler) write(ctx context.Context, deletion *NamespaceDeletion, phase Phase, reason, message string) error {
	status := &deletion.Status
	status.Phase, status.Reason, status.Message = phase, reason, message
	status.ObservedGeneration = deletion.Generation
	ready, finished := metav1.ConditionUnknown, metav1.ConditionFalse
	switch phase {
	case Succeeded:
		ready, finished = metav1.ConditionTrue, metav1.ConditionTrue
	case Failed:
		ready, finished = metav1.ConditionFalse, metav1.ConditionTrue
	}
	for name, verdict := range map[string]metav1.ConditionStatus{"Ready": ready, "Finished": finished} {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: name, Status: verdict, Reason: reason, Message: message, ObservedGeneration: deletion.Generation,
		})
	}
	return r.Status().Update(ctx, deletion)
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
