{{/* The release's name, if it says what it is. */}}
{{- define "name" -}}
{{- ternary .Release.Name (printf "%s-moorcheh-operator" .Release.Name) (contains "moorcheh-operator" .Release.Name) | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{/* What finds the Pods. The same as in manifests/base; it can't be changed later. */}}
{{- define "selector" -}}
app.kubernetes.io/name: moorcheh-operator
{{- end }}

{{- define "labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" "moorcheh-operator"
  "app.kubernetes.io/part-of" "moorcheh-operator"
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
{{- merge $own .Values.commonLabels | toYaml }}
{{- end }}

{{/* Of an object in the release's namespace: (list $ NAME). */}}
{{- define "metadata" -}}
name: {{ last . }}
namespace: {{ (first .).Release.Namespace }}
{{ include "marks" (first .) }}
{{- end }}

{{- define "marks" -}}
labels:
  {{- include "labels" . | nindent 2 }}
{{- with .Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "subjects" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "serviceAccount" . }}
    namespace: {{ .Release.Namespace }}
{{- end }}

{{/* A role and its binding: (list $ NAME RULES), a namespace, without which it is for the cluster, and a name of the
     binding's own. */}}
{{- define "role" }}
{{- $root := first . }}
{{- $kind := ternary "Role" "ClusterRole" (gt (len .) 3) }}
{{- $where := slice . 3 (min 4 (len .)) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ index . 1 }}
  {{- range $where }}
  namespace: {{ . }}
  {{- end }}
  {{- include "marks" $root | nindent 2 }}
rules:
  {{- index . 2 | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ ternary (last .) (index . 1) (gt (len .) 4) }}
  {{- range $where }}
  namespace: {{ . }}
  {{- end }}
  {{- include "marks" $root | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ index . 1 }}
{{ include "subjects" $root }}
{{- end }}

{{/* Objects of a file that the manifests have, too: (list $ FILE ANNOTATIONS LABELS NAME). As they are, but for
     marks, and a name and namespace where one is given. */}}
{{- define "file" }}
{{- $root := first . }}
{{- $annotations := index . 2 }}
{{- $labels := index . 3 }}
{{- $name := index . 4 }}
{{- $text := $root.Files.Get (printf "files/%s" (index . 1)) | required (printf "files/%s is missing: the chart was packaged without the files that it shares with the manifests" (index . 1)) }}
{{- range regexSplit "(?m)^---$" $text -1 }}
{{- $object := fromYaml . }}
{{- $mutating := hasPrefix "MutatingAdmissionPolicy" $object.kind }}
{{- if and $mutating (not ($root.Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy")) }}
{{- $_ := set $object "apiVersion" "admissionregistration.k8s.io/v1beta1" }}
{{- end }}
{{- if or (not $mutating) ($root.Capabilities.APIVersions.Has (printf "%s/MutatingAdmissionPolicy" $object.apiVersion)) }}
{{- $metadata := $object.metadata }}
{{- if $name }}
{{- $_ := set $metadata "name" $name }}
{{- $_ := set $metadata "namespace" $root.Release.Namespace }}
{{- end }}
{{- $_ := set $metadata "labels" (merge dict ($metadata.labels | default dict) (include "labels" $root | fromYaml) $labels) }}
{{- with merge dict ($metadata.annotations | default dict) $annotations $root.Values.commonAnnotations }}
{{- $_ := set $metadata "annotations" . }}
{{- end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end }}

{{/* A JSON list of the servers: baseUrl's, or those of `servers`. What the schema can't refuse, or not without
     repeating a value that may be a secret, is refused here. */}}
{{- define "servers" -}}
{{- if and .Values.servers .Values.baseUrl }}
{{- fail "baseUrl and servers: set one of the two (a server called `default` in servers is what baseUrl would be)" }}
{{- end }}
{{- if contains "@" .Values.baseUrl }}
{{- fail "baseUrl: must hold no user and no password; keys are files, which only `servers` can name (apiKeyFile, secretMounts)" }}
{{- end }}
{{- $names := list }}
{{- range $number, $server := .Values.servers }}
{{- if contains "@" $server.url }}
{{- fail (printf "servers[%d].url: must hold no user and no password; keys are files (apiKeyFile, secretMounts)" $number) }}
{{- end }}
{{- if and $server.apiKeyFile $server.bearerTokenFile }}
{{- fail (printf "servers[%d].bearerTokenFile: can't be there together with apiKeyFile" $number) }}
{{- end }}
{{- if and $server.caFile (not (hasPrefix "https://" $server.url)) }}
{{- fail (printf "servers[%d].caFile: has no use without https in the url" $number) }}
{{- end }}
{{- if has $server.name $names }}
{{- fail (printf "servers[%d].name: %s is there twice" $number $server.name) }}
{{- end }}
{{- $names = append $names $server.name }}
{{- end }}
{{- if and .Values.servedElsewhere (not .Values.servers) }}
{{- fail "servedElsewhere: has no use without servers" }}
{{- end }}
{{- range $number, $name := .Values.servedElsewhere }}
{{- if has $name $names }}
{{- fail (printf "servedElsewhere[%d]: is the name of one of the servers here" $number) }}
{{- end }}
{{- end }}
{{- if .Values.servers }}
{{- toJson .Values.servers }}
{{- else }}
{{- list (dict "name" "default" "url" (.Values.baseUrl | default "http://moorcheh.moorcheh.svc:8080")) | toJson }}
{{- end }}
{{- end }}
