{{/* Owns: names and labels. */}}

{{- define "holdfast.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* 40 characters leave room for what controllers append: a pod's name becomes the node's id, which has 64 at most. */}}
{{- define "holdfast.fullname" -}}
{{- $name := include "holdfast.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Labels by which Services and policies find the nodes; they never change within a release. */}}
{{- define "holdfast.selector" -}}
app.kubernetes.io/name: {{ include "holdfast.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: node
{{- end }}

{{/* Arguments: a dict of `root` and `component`. */}}
{{- define "holdfast.labels" -}}
app.kubernetes.io/name: {{ include "holdfast.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: holdfast
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The head of an object: arguments root, component, name. */}}
{{- define "holdfast.metadata" -}}
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "holdfast.labels" . | nindent 4 }}
{{- end }}

{{/* Arguments: a dict of `repository`, `tag`, `digest`. */}}
{{- define "holdfast.image" -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end }}

{{- define "holdfast.nodeImage" -}}
{{ include "holdfast.image" (dict "repository" .Values.image.repository "tag" (default .Chart.AppVersion .Values.image.tag) "digest" .Values.image.digest) }}
{{- end }}

{{- define "holdfast.serviceAccount" -}}
{{ default (ternary (include "holdfast.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{/* What a container may do: nothing that it does not need. */}}
{{- define "holdfast.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "holdfast.configData" -}}
# Made by the chart from config. Options that it derives come in the environment.
{{ toYaml .Values.config }}
{{- end }}

{{/* The name tells the contents: a change is a rollout, and what older pods read stays as it was. */}}
{{- define "holdfast.configName" -}}
{{ include "holdfast.fullname" . }}-config-{{ include "holdfast.configData" . | sha256sum | trunc 8 }}
{{- end }}

{{/* Name of the configuration that the cluster's pods have, if it is another one. */}}
{{- define "holdfast.configBefore" -}}
{{- $name := include "holdfast.configName" . -}}
{{- $live := include "holdfast.live" . | fromJson -}}
{{- if not $live -}}
{{- /* Pods of a workload that is kept, or that another kind takes over. */ -}}
{{- range include "holdfast.otherWorkloads" . | fromJsonArray -}}
{{- if .kept }}{{ $live = include "holdfast.found" (dict "root" $ "kind" .kind "name" .name) | fromJson }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range (dig "spec" "template" "spec" "volumes" list $live) -}}
{{- if and (eq .name "config") .configMap -}}
{{- if ne .configMap.name $name }}{{ .configMap.name }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* "true" if the operator looks after the pods. */}}
{{- define "holdfast.isOperated" -}}
{{- if eq .Values.kind "RealtimeSet" }}true{{ end -}}
{{- end }}

{{/* Version of the API that the workload is of. Argument: its kind. */}}
{{- define "holdfast.workloadVersion" -}}
{{ ternary "holdfast.dev/v1alpha1" "apps/v1" (eq . "RealtimeSet") }}
{{- end }}

{{/* What Services select: the operator says which of its pods take newcomers. */}}
{{- define "holdfast.receivers" -}}
{{ include "holdfast.selector" . }}
{{- if include "holdfast.isOperated" . }}
holdfast.dev/receives: "true"
{{- end }}
{{- end }}

{{/* Ports of the MQTT door beside the public one, as JSON: name to number. Empty if the configuration wants none. */}}
{{- define "holdfast.mqttPorts" -}}
{{- $mqtt := default (dict) .Values.config.mqtt -}}
{{- $ports := dict -}}
{{- if has "tcp" (default (list) $mqtt.transports) -}}
{{- $_ := set $ports "mqtt" (int64 (default 1883 $mqtt.port)) -}}
{{- end -}}
{{- if has "tls" (default (list) $mqtt.transports) -}}
{{- $_ := set $ports "mqtts" (int64 (default 8883 $mqtt.tlsPort)) -}}
{{- end -}}
{{- $ports | toJson -}}
{{- end }}

{{/* The same as ports of a Service. */}}
{{- define "holdfast.mqttServicePorts" -}}
{{- range $name, $port := include "holdfast.mqttPorts" . | fromJson }}
- name: {{ $name }}
  port: {{ int64 $port }}
  targetPort: {{ $name }}
  appProtocol: {{ ternary "secure-mqtt" "mqtt" (eq $name "mqtts") }}
{{- end }}
{{- end }}
