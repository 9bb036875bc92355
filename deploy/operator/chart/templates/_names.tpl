{{/* Owns: names, labels, and the rights of the operator as lists that two templates bind. */}}

{{- define "operator.name" -}}
{{ default "holdfast-operator" .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "operator.serviceAccount" -}}
{{ default (include "operator.name" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "operator.selector" -}}
app.kubernetes.io/name: holdfast-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "operator.labels" -}}
{{ include "operator.selector" . }}
app.kubernetes.io/part-of: holdfast
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "operator.image" -}}
{{- $i := .Values.image -}}
{{- $tag := default .Chart.AppVersion $i.tag -}}
{{- if and (eq $tag "latest") (not $i.digest) }}{{ fail "image.tag latest cannot be rolled back; use a version or image.digest" }}{{ end -}}
{{ $i.repository }}{{ if $i.digest }}@{{ $i.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{/* What it does in each namespace whose RealtimeSets it looks after. */}}
{{- define "operator.rules" -}}
# Finds sets. The right to patch is for the number of pods of a set that states none.
- apiGroups: [holdfast.dev]
  resources: [realtimesets]
  verbs: [get, list, watch, patch]
# Its memory and what people read. Only one of two operators can write it.
- apiGroups: [holdfast.dev]
  resources: [realtimesets/status]
  verbs: [get, patch, update]
# An object that owns others must be finalizable by whoever sets the owner (OwnerReferencesPermissionEnforcement).
- apiGroups: [holdfast.dev]
  resources: [realtimesets/finalizers]
  verbs: [update]
# The record of each release. Old ones are deleted.
- apiGroups: [holdfast.dev]
  resources: [realtimereleases, realtimereleases/status]
  verbs: [get, list, watch, create, patch, update, delete]
# One for each revision. Old ones without pods are deleted.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get, list, watch, create, patch, update, delete]
{{- if .Values.adoption }}
# A Deployment whose pods a set takes over: it is deleted without its pods.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, patch, delete]
{{- end }}
# Marks of drains, labels and costs. An emptied pod is deleted. Pods are made by ReplicaSets: no create.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch, delete]
# Pods with people on them are not evicted: one budget for each set.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, update, delete]
# Tells people what it does.
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# No secrets. The holdfast chart grants the key of each set: one Secret by its name, to read.
{{- end }}

{{/* What is not in any namespace. */}}
{{- define "operator.clusterRules" -}}
# Machines that are cordoned, tainted or about to be maintained, and their zones.
- apiGroups: [""]
  resources: [nodes]
  verbs: [get, list, watch]
# Whether its own resources are there, and which fields they have.
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [realtimesets.holdfast.dev, realtimereleases.holdfast.dev]
  verbs: [get]
{{- end }}
