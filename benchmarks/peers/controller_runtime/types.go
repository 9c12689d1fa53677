package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var groupVersion = schema.GroupVersion{Group: "moorcheh.ai", Version: "v1alpha1"}

// NamespaceDeletion has the fields of crds/namespacedeletions.yaml that this operator reads or writes.
type NamespaceDeletion struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   Spec   `json:"spec"`
	Status Status `json:"status,omitempty"`
}

type Spec struct {
	NamespaceName string `json:"namespaceName"`
	Suspend       bool   `json:"suspend,omitempty"`
}

type Phase string

const (
	Submitting Phase = "Submitting"
	Running    Phase = "Running"
	Succeeded  Phase = "Succeeded"
	Failed     Phase = "Failed"
)

type Status struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Phase              Phase              `json:"phase,omitempty"`
	Reason             string             `json:"reason,omitempty"`
	Message            string             `json:"message,omitempty"`
	Attempt            *Attempt           `json:"attempt,omitempty"`
	Job                *Job               `json:"job,omitempty"`
	StartTime          *metav1.Time       `json:"startTime,omitempty"`
	CompletionTime     *metav1.Time       `json:"completionTime,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

// Attempt is written before the DELETE is sent.
type Attempt struct {
	Number    int64       `json:"number"`
	ID        string      `json:"id"`
	StartTime metav1.Time `json:"startTime"`
}

type Job struct {
	ID           string `json:"id"`
	Status       string `json:"status,omitempty"`
	TotalItems   int64  `json:"totalItems"`
	DeletedItems int64  `json:"deletedItems"`
	LastError    string `json:"lastError,omitempty"`
	StartTime    string `json:"startTime,omitempty"`
	UpdateTime   string `json:"updateTime,omitempty"`
	FinishTime   string `json:"finishTime,omitempty"`
}

type NamespaceDeletionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []NamespaceDeletion `json:"items"`
}

func addToScheme(scheme *runtime.Scheme) {
	scheme.AddKnownTypes(groupVersion, &NamespaceDeletion{}, &NamespaceDeletionList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
}

func (in *NamespaceDeletion) DeepCopyObject() runtime.Object { return in.DeepCopy() }

func (in *NamespaceDeletion) DeepCopy() *NamespaceDeletion {
	out := *in
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	if in.Status.Attempt != nil {
		attempt := *in.Status.Attempt
		out.Status.Attempt = &attempt
	}
	if in.Status.Job != nil {
		job := *in.Status.Job
		out.Status.Job = &job
	}
	out.Status.StartTime = in.Status.StartTime.DeepCopy()
	out.Status.CompletionTime = in.Status.CompletionTime.DeepCopy()
	out.Status.Conditions = append([]metav1.Condition(nil), in.Status.Conditions...)
	return &out
}

func (in *NamespaceDeletionList) DeepCopyObject() runtime.Object {
	out := *in
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = make([]NamespaceDeletion, len(in.Items))
	for i := range in.Items {
		out.Items[i] = *in.Items[i].DeepCopy()
	}
	return &out
}
