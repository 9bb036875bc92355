{{/* Owns: what a pod needs for its connections. The figures are measured: docs/operations/sizing.md. */}}

{{/* Connections at which a pod says that it is full. */}}
{{- define "holdfast.connectionsMax" -}}
{{ ceil (mulf (float64 .Values.connections.perPod) (float64 .Values.connections.headroom)) | int64 }}
{{- end }}

{{/* Connections that a proxy may have to all pods together. Argument `pinned`: what the values say, or nil. */}}
{{- define "holdfast.proxyConnectionsMax" -}}
{{- $pods := ternary .root.Values.replicas .root.Values.autoscaling.maxReplicas (eq .root.Values.autoscaling.mode "none") | int64 -}}
{{- if kindIs "invalid" .pinned -}}
{{ min 2147483647 (max 1000000 (mul $pods (include "holdfast.connectionsMax" .root | int64))) }}
{{- else -}}
{{ int64 .pinned }}
{{- end -}}
{{- end }}

{{/* A size as options state it, 65536 or 64KiB, in MiB. */}}
{{- define "holdfast.mebibytes" -}}
{{- $text := toString . -}}
{{- $units := dict "KiB" 1024.0 "MiB" 1048576.0 "GiB" 1073741824.0 "kB" 1000.0 "MB" 1000000.0 "GB" 1000000000.0 -}}
{{- $unit := regexFind "[kKMG]i?B$" $text -}}
{{- $number := regexFind "^[0-9.]+(e[+][0-9]+)?" $text | float64 -}}
{{ divf (mulf $number (get $units $unit | default 1.0)) 1048576.0 }}
{{- end }}

{{/* MiB of memory for a number of connections: base + rings + connections x (process + kernel); the memory broker keeps up to 256 MiB. Arguments: root, connections. */}}
{{- define "holdfast.memoryMebibytes" -}}
{{- $r := .root.Values.resources -}}
{{- $each := mulf 1000.0 (addf (float64 $r.connectionKilobytes) (float64 $r.kernelKilobytes)) -}}
{{- $broker := ternary 256.0 0.0 (eq .root.Values.broker.mode "memory") -}}
{{ addf (float64 $r.baseMebibytes) (float64 $r.ringMebibytes) $broker (divf (mulf (float64 .connections) $each) 1048576.0) }}
{{- end }}

{{/* The limit: the cap of connections, room for queues of clients that do not read, a quarter to spare. */}}
{{- define "holdfast.memoryLimitMebibytes" -}}
{{- $max := include "holdfast.connectionsMax" . | float64 -}}
{{- $queueMebibytes := include "holdfast.mebibytes" (dig "flow" "queueBytesMax" "1MiB" .Values.config) | float64 -}}
{{- $queues := mulf $max (float64 .Values.resources.slowShare) $queueMebibytes -}}
{{ ceil (mulf 1.25 (addf (include "holdfast.memoryMebibytes" (dict "root" . "connections" $max) | float64) $queues)) | int64 }}
{{- end }}

{{/* CPU in thousandths of a core: 200 for itself, and deliveries. */}}
{{- define "holdfast.cpuMillis" -}}
{{ ceil (addf 200.0 (divf (mulf (float64 .Values.connections.deliveriesPerSecond) (float64 .Values.resources.deliveryMicroseconds)) 1000.0)) | int64 }}
{{- end }}

{{/* The limit for CPU leaves a second core to the runtime's own threads: a node that is throttled is late for everyone. */}}
{{- define "holdfast.resources" -}}
{{- if .Values.resources.override -}}
{{ toYaml .Values.resources.override }}
{{- else -}}
requests:
  cpu: {{ include "holdfast.cpuMillis" . }}m
  memory: {{ ceil (include "holdfast.memoryMebibytes" (dict "root" . "connections" .Values.connections.perPod) | float64) | int64 }}Mi
limits:
  cpu: "2"
  memory: {{ include "holdfast.memoryLimitMebibytes" . }}Mi
{{- end -}}
{{- end }}

{{/* Memory of one pod, in MiB, above which the autoscaler adds pods. Nothing where the limit was overridden: its unit is the operator's. */}}
{{- define "holdfast.memoryGuard" -}}
{{- if not .Values.resources.override -}}
{{ floor (mulf (float64 .Values.autoscaling.memoryUtilization) (include "holdfast.memoryLimitMebibytes" . | float64)) | int64 }}Mi
{{- end -}}
{{- end }}

{{/* Connections of one pod that the autoscaler aims at. */}}
{{- define "holdfast.connectionsTarget" -}}
{{ floor (mulf (float64 .Values.connections.perPod) (float64 .Values.autoscaling.targetUtilization)) | int64 }}
{{- end }}

{{/*
Share of a pod's places that the operator keeps free, in percent: what is above N, or with its own
autoscaling above the target.
*/}}
{{- define "holdfast.headroomPercent" -}}
{{- $used := ternary (float64 .Values.autoscaling.targetUtilization) 1.0 (eq .Values.autoscaling.mode "operator") -}}
{{ min 90 (max 0 (floor (mulf 100.0 (subf 1.0 (divf (mulf $used (float64 .Values.connections.perPod)) (include "holdfast.connectionsMax" . | float64)))) | int64)) }}
{{- end }}
