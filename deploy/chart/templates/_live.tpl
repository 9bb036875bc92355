{{/*
Owns: what the cluster has now, by `lookup`. Ways that only render (helm template, Argo CD) have
nothing here: docs/operations/changes.md says what a person does there.
*/}}

{{/* The workload of this release, or an empty map. */}}
{{- define "holdfast.live" -}}
{{ include "holdfast.found" (dict "root" . "kind" .Values.kind "name" (include "holdfast.fullname" .)) }}
{{- end }}

{{/* What the cluster has of a kind. Arguments: root, kind, name (empty: a list). A kind that it does not know is no error. */}}
{{- define "holdfast.found" -}}
{{- $version := include "holdfast.workloadVersion" .kind -}}
{{- if or (eq $version "apps/v1") (.root.Capabilities.APIVersions.Has (printf "%s/%s" $version .kind)) -}}
{{ lookup $version .kind .root.Release.Namespace .name | default dict | toJson }}
{{- else -}}
{}
{{- end -}}
{{- end }}

{{/*
Workloads of this release that its next manifest does not have: another kind, or another name.
JSON: kind, name, replicas, kept, receives (its pods are ready for the operator), adopted and
handedOver (a person ordered that its pods go to the other kind).
*/}}
{{- define "holdfast.otherWorkloads" -}}
{{- $root := . -}}
{{- $name := include "holdfast.fullname" . -}}
{{- $found := list -}}
{{- range $kind := list "Deployment" "StatefulSet" "RealtimeSet" -}}
{{- range (include "holdfast.found" (dict "root" $root "kind" $kind "name" "") | fromJson).items -}}
{{- $labels := default dict .metadata.labels -}}
{{- $ours := and (eq (get $labels "app.kubernetes.io/part-of") "holdfast") (eq (get $labels "app.kubernetes.io/instance") $root.Release.Name) (eq (get $labels "app.kubernetes.io/component") "node") -}}
{{- if and $ours (not (and (eq $kind $root.Values.kind) (eq .metadata.name $name))) -}}
{{- $found = append $found (dict "kind" $kind "name" .metadata.name "replicas" (int64 (default 0 (default (dig "status" "replicas" 0 .) .spec.replicas))) "receives" (eq (dig "spec" "template" "metadata" "labels" "holdfast.dev/receives" "" .) "true") "kept" (eq (get (default dict .metadata.annotations) "helm.sh/resource-policy") "keep") "adopted" (eq (get (default dict .metadata.annotations) "holdfast.dev/adopt") "true") "handedOver" (eq (get (default dict .metadata.annotations) "holdfast.dev/hand-over") "true")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ $found | toJson }}
{{- end }}

{{/*
Number of pods in the workload's manifest. Empty if the manifest leaves it out, because an autoscaler owns it.
If the last manifest stated a number and the next one does not, Kubernetes sets 1: both Helm's
merge and server-side apply remove the field. So the number of the cluster is repeated.
*/}}
{{- define "holdfast.replicas" -}}
{{- if eq .Values.autoscaling.mode "none" -}}
{{ int64 .Values.replicas }}
{{- else if eq .Values.autoscaling.mode "operator" -}}
{{- /* Nothing reads it, and the API server refuses another number than the one that stands there. */ -}}
{{- else -}}
{{- $live := include "holdfast.live" . | fromJson -}}
{{- if $live -}}
{{- if include "holdfast.statesReplicas" $live }}{{ int64 (default 1 $live.spec.replicas) }}{{ end -}}
{{- else -}}
{{- /* Of another kind now, or of another name: the new one begins with as many pods. */ -}}
{{- $most := 0 -}}
{{- range include "holdfast.otherWorkloads" . | fromJsonArray }}{{ $most = max $most (int64 .replicas) }}{{ end -}}
{{- /* Not even the smallest: who renders without a cluster, as Argo CD does, would set it at each sync. */ -}}
{{- if $most }}{{ $most }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
"true" if the number of pods goes when a manifest without it comes. Argument: the live workload.
*/}}
{{- define "holdfast.statesReplicas" -}}
{{- $applied := false -}}
{{- $updated := false -}}
{{- $owned := false -}}
{{- range .metadata.managedFields -}}
{{- $spec := dig "f:spec" dict (default dict .fieldsV1) -}}
{{- $applies := eq (default "" .operation) "Apply" -}}
{{- if hasKey $spec "f:selector" }}{{ if $applies }}{{ $applied = true }}{{ else }}{{ $updated = true }}{{ end }}{{ end -}}
{{- if and $applies (hasKey $spec "f:replicas") }}{{ $owned = true }}{{ end -}}
{{- end -}}
{{- /*
Server-side apply removes what the applier owned alone. A client's merge removes what its last
manifest had: the annotation remembers it.
*/ -}}
{{- if and $applied (not $updated) -}}
{{- if $owned }}true{{ end -}}
{{- else if ne (get (default dict .metadata.annotations) "holdfast.dev/replicas") "left" -}}
true
{{- end -}}
{{- end }}

{{/* Annotations of the workload. They roll nothing: the pods' template lacks them. */}}
{{- define "holdfast.workloadAnnotations" -}}
# Whether this manifest states the number of pods, or leaves it to an autoscaler.
holdfast.dev/replicas: {{ ternary "stated" "left" (ne (include "holdfast.replicas" .) "") }}
# What the next upgrade compares itself with.
holdfast.dev/remembers: {{ include "holdfast.remembers" . | quote }}
{{- end }}

{{/* Values whose change can hurt the clients of old pods. No secrets: names of them. */}}
{{- define "holdfast.remembers" -}}
{{- $b := .Values.broker -}}
{{- $a := .Values.auth -}}
{{- $e := .Values.expose -}}
{{- $key := dict "resume" "" "resumeOther" "" "hmac" "" "hmacOther" "" -}}
{{- range $name, $value := dict "resume" $a.resumeSecretKey "resumeOther" $a.resumeSecretOtherKey "hmac" $a.hmacSecretKey "hmacOther" $a.hmacSecretOtherKey -}}
{{- if and $a.existingSecret $value }}{{ $_ := set $key $name (printf "%s/%s" $a.existingSecret $value) }}{{ end -}}
{{- end -}}
{{- $broker := $b.mode -}}
{{- if eq $b.mode "external" }}{{ $broker = default (printf "secret %s/%s" $b.existingSecret.name $b.existingSecret.key) $b.url }}{{ end -}}
{{- $volume := "" -}}
{{- if eq $b.mode "valkey" }}{{ $volume = ternary (printf "%s %s" $b.valkey.persistence.size $b.valkey.persistence.storageClassName | trim) "none" $b.valkey.persistence.enabled }}{{ end -}}
{{- $port := ternary (printf ":%d" (int64 $e.loadBalancer.port)) "" (eq $e.mode "loadBalancer") -}}
{{ dict "broker" $broker "valkeyVolume" $volume "keys" $key "expose" (printf "%s%s" $e.mode $port) "connect" (printf "%s %s/connect" (ternary "wss" "ws" (ne .Values.tls.existingSecret "")) (include "holdfast.base" .)) | toJson }}
{{- end }}
