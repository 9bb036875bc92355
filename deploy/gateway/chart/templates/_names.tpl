{{/* Owns: names, labels, the configuration file and the times of a drain. */}}

{{- define "gateway.name" -}}
{{- $own := ternary .Release.Name (printf "%s-gateway" .Release.Name) (contains "gateway" .Release.Name) -}}
{{ default $own .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "gateway.serviceAccount" -}}
{{ default (include "gateway.name" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: holdfast-gateway
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "gateway.labels" -}}
app.kubernetes.io/name: holdfast-gateway
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

{{/* Of an object: name, namespace, labels. */}}
{{- define "gateway.metadata" -}}
metadata:
  name: {{ default (include "gateway.name" .root) .name }}
  namespace: {{ default .root.Release.Namespace .namespace }}
  labels:
    {{- include "gateway.labels" (dict "root" .root "component" (default "gateway" .component)) | nindent 4 }}
{{- end }}

{{- define "gateway.image" -}}
{{- $i := .Values.image -}}
{{- $tag := default .Chart.AppVersion $i.tag -}}
{{- if and (eq $tag "latest") (not $i.digest) }}{{ fail "image.tag latest cannot be rolled back; use a version or image.digest" }}{{ end -}}
{{ $i.repository }}{{ if $i.digest }}@{{ $i.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{- define "gateway.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* The routes, whose Services have a namespace each. */}}
{{- define "gateway.routes" -}}
{{- $routes := list -}}
{{- range .Values.routes -}}
{{- $route := deepCopy . -}}
{{- with $route.service.kubernetes -}}
{{- if not .namespace }}{{ $_ := set . "namespace" $.Release.Namespace }}{{ end -}}
{{- end -}}
{{- $routes = append $routes $route -}}
{{- end -}}
{{ $routes | toJson }}
{{- end }}

{{/* Namespaces of the Services, sorted. */}}
{{- define "gateway.namespaces" -}}
{{- $all := list -}}
{{- range include "gateway.routes" . | fromJsonArray -}}
{{- with .service.kubernetes }}{{ $all = append $all .namespace }}{{ end -}}
{{- end -}}
{{ $all | uniq | sortAlpha | toJson }}
{{- end }}

{{/* Namespaces whose pods are watched for their revisions. */}}
{{- define "gateway.revisionNamespaces" -}}
{{- $all := list -}}
{{- range include "gateway.routes" . | fromJsonArray -}}
{{- with .service.kubernetes }}{{ if .revisionLabel }}{{ $all = append $all .namespace }}{{ end }}{{ end -}}
{{- end -}}
{{ $all | uniq | sortAlpha | toJson }}
{{- end }}

{{/* Options that have a value of their own in the chart, and which. */}}
{{- define "gateway.derivedOptions" -}}
routes: routes
host: nothing
port: nothing
admin: nothing
tls: tls.existingSecret
zone: nothing
watchFile: nothing
drain: drain.preDelaySeconds and drain.windowSeconds
limits.clientsMax: clients.perPod
limits.idleMs: clients.idleSeconds
admission.handshakesPerSecond: clients.handshakesPerSecond
{{- end }}

{{- define "gateway.checks" -}}
{{- if not .Values.routes }}{{ fail "routes: expected at least one (docs/operations/gateway.md)" }}{{ end -}}
{{- $config := .Values.config -}}
{{- range $name, $instead := include "gateway.derivedOptions" . | fromYaml -}}
{{- $path := splitList "." $name -}}
{{- $at := $config -}}
{{- range initial $path }}{{ $at = default dict (get $at .) }}{{ end -}}
{{- if hasKey $at (last $path) }}{{ fail (printf "config.%s is set by the chart; use %s" $name $instead) }}{{ end -}}
{{- end -}}
{{- $d := include "gateway.drain" . | fromJson -}}
{{- if lt (int64 $d.G) (int64 $d.needed) }}{{ fail (printf "drain.graceSeconds %d is shorter than the drain: preDelaySeconds + windowSeconds + 5 = %d" (int64 $d.G) (int64 $d.needed)) }}{{ end -}}
{{- if and (eq .Values.autoscaling.mode "keda") (not .Values.autoscaling.keda.serverAddress) }}{{ fail "autoscaling.mode keda: autoscaling.keda.serverAddress says where Prometheus is" }}{{ end -}}
{{- if gt (int64 .Values.autoscaling.minReplicas) (int64 .Values.autoscaling.maxReplicas) }}{{ fail "autoscaling.minReplicas is greater than maxReplicas" }}{{ end -}}
{{- end }}

{{/* The file. Gateways that run read it again when it changes. */}}
{{- define "gateway.file" -}}
{{- $c := .Values.clients -}}
{{- $limits := mergeOverwrite (dict) (default dict .Values.config.limits) (dict "clientsMax" (int64 $c.perPod) "idleMs" (mul 1000 (int64 $c.idleSeconds))) -}}
{{- $admission := mergeOverwrite (dict) (default dict .Values.config.admission) (dict "handshakesPerSecond" (int64 $c.handshakesPerSecond)) -}}
{{- mergeOverwrite (deepCopy .Values.config) (dict "limits" $limits "admission" $admission "routes" (include "gateway.routes" . | fromJsonArray)) | toYaml -}}
{{- end }}

{{/* What a gateway reads at its start alone: a change replaces the pods. */}}
{{- define "gateway.fixed" -}}
{{- $limits := default dict .Values.config.limits -}}
{{- dict "idleSeconds" .Values.clients.idleSeconds "log" .Values.config.log "limits" (pick $limits "messageBytesMax" "requestBytesMax" "handshakeMs") | toJson -}}
{{- end }}

{{/*
Times in seconds: P (pre-delay) and W (window) of the drain, G (grace period). After the window the gateway has 5 s for closing handshakes; 10 s more are to spare.
*/}}
{{- define "gateway.drain" -}}
{{- $d := .Values.drain -}}
{{- $needed := add (int64 $d.preDelaySeconds) (int64 $d.windowSeconds) 5 -}}
{{- $G := add $needed 10 -}}
{{- if not (kindIs "invalid" $d.graceSeconds) }}{{ $G = int64 $d.graceSeconds }}{{ end -}}
{{- dict "P" (int64 $d.preDelaySeconds) "W" (int64 $d.windowSeconds) "G" $G "needed" $needed | toJson -}}
{{- end }}
