{{/*
Owns: changes of an installation that can hurt the people on it: each is refused, and the words
say what to do instead. `acknowledge` lets one through.
Without a cluster to look at there is nothing to compare with, and nothing is refused.
*/}}

{{- define "holdfast.checks.changes" -}}
{{- $problems := list -}}
{{- $live := include "holdfast.live" . | fromJson -}}
{{- $others := include "holdfast.otherWorkloads" . | fromJsonArray -}}
{{- $problems = concat $problems (include "holdfast.changes.workload" (dict "root" . "live" $live "others" $others) | fromJsonArray) -}}
{{- $text := get (default dict (dig "metadata" "annotations" dict $live)) "holdfast.dev/remembers" -}}
{{- range $others }}{{ if not $text }}{{ $text = get (default dict (include "holdfast.found" (dict "root" $ "kind" .kind "name" .name) | fromJson).metadata.annotations) "holdfast.dev/remembers" }}{{ end }}{{ end -}}
{{- if $text -}}
{{- $pair := dict "root" . "was" (fromJson $text) "is" (include "holdfast.remembers" . | fromJson) -}}
{{- $problems = concat $problems (include "holdfast.changes.broker" $pair | fromJsonArray) (include "holdfast.changes.secrets" $pair | fromJsonArray) (include "holdfast.changes.address" $pair | fromJsonArray) -}}
{{- end -}}
{{- $problems = concat $problems (include "holdfast.changes.valkey" . | fromJsonArray) -}}
{{- $problems | toJson -}}
{{- end }}

{{/* Arguments: root, live, others. */}}
{{- define "holdfast.changes.workload" -}}
{{- $root := .root -}}
{{- $problems := list -}}
{{- $ns := $root.Release.Namespace -}}
{{- if .live -}}
{{- $was := dig "spec" "selector" "matchLabels" dict .live -}}
{{- $is := include "holdfast.selector" $root | fromYaml -}}
{{- if ne (toJson $was) (toJson $is) -}}
{{- $problems = append $problems (printf "the selector of %s %s is %s, and Kubernetes never changes it to %s: give nameOverride its old value" (lower $root.Values.kind) .live.metadata.name (toJson $was) (toJson $is)) -}}
{{- end -}}
{{- $count := int64 (default 0 .live.spec.replicas) -}}
{{- $target := int64 $root.Values.replicas -}}
{{- $value := printf "replicas %d" $target -}}
{{- if ne $root.Values.autoscaling.mode "none" -}}
{{- $target = min $count (int64 $root.Values.autoscaling.maxReplicas) -}}
{{- $value = printf "autoscaling.maxReplicas %d" $target -}}
{{- end -}}
{{- /* The operator takes one pod after the other, and none whose connections have no place. */ -}}
{{- if and (lt $target $count) (not (include "holdfast.isOperated" $root)) (not (has "scaleDown" $root.Values.acknowledge)) -}}
{{- $d := include "holdfast.drain" $root | fromJson -}}
{{- $max := include "holdfast.connectionsMax" $root | float64 -}}
{{- $all := mulf (float64 $count) $d.N -}}
{{- $least := ceil (maxf (divf $all $max) (divf $all (addf $d.N (mulf $d.A $d.slots)))) | int64 -}}
{{- if lt $target $least -}}
{{- $problems = append $problems (printf "%s takes %d of %d pods away at once: the %d that stay have room for %d x %d of the planned %d x %d connections, and the moves need %d x %d / (%d x %.4g) = %.1f s of %.4g s. At most down to %d at once: state that number, wait until the pods have ended, and go on. Or set acknowledge: [scaleDown] if fewer clients are connected" $value (sub $count $target) $count $target $target (int64 $max) $count (int64 $d.N) (sub $count $target) (int64 $d.N) $target $d.A (divf (mulf (float64 (sub $count $target)) $d.N) (mulf (float64 $target) $d.A)) $d.slots $least) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $setName := include "holdfast.fullname" $root -}}
{{- range .others -}}
{{- if not (has "workload" $root.Values.acknowledge) -}}
{{- if and (eq $root.Values.kind "RealtimeSet") (eq .kind "Deployment") (eq .name $setName) -}}
{{- if not .receives -}}
{{- $problems = append $problems (printf "the pods of deployment %s do not know the operator yet: it could not empty them, and Services would select none of them. Upgrade with kind: Deployment and operator.keySecret first, and wait for the end of that rollout" .name) -}}
{{- else if not (and .kept .adopted) -}}
{{- $problems = append $problems (printf "this deletes deployment %s, and its %d pods would all drain at once. The RealtimeSet takes its pods over instead, in two steps: kubectl -n %s annotate deployment/%s helm.sh/resource-policy=keep holdfast.dev/adopt=true; then upgrade. The operator deletes the Deployment without its pods. Or set acknowledge: [workload]" .name (int64 .replicas) $ns .name) -}}
{{- end -}}
{{- else if eq .kind "RealtimeSet" -}}
{{- if not (and .kept .handedOver) -}}
{{- $problems = append $problems (printf "this deletes realtimeset %s, and its %d pods would all drain at once. Let go of them instead, in two steps: kubectl -n %s annotate realtimeset/%s helm.sh/resource-policy=keep holdfast.dev/hand-over=true; then upgrade at once. A Deployment takes its pods over. Delete the RealtimeSet when that is done. Or set acknowledge: [workload]" .name (int64 .replicas) $ns .name) -}}
{{- end -}}
{{- else if not .kept -}}
{{- $problems = append $problems (printf "this deletes %s %s, and its %d pods would all drain at once. Keep it: kubectl -n %s annotate %s/%s helm.sh/resource-policy=keep; then upgrade, and when the new pods are ready take the old ones away one at a time and delete it. Or set acknowledge: [workload]" (lower .kind) .name (int64 .replicas) $ns (lower .kind) .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $problems | toJson -}}
{{- end }}

{{/* Arguments: root, was, is: what holdfast.remembers said and says. */}}
{{- define "holdfast.changes.broker" -}}
{{- $problems := list -}}
{{- if and (ne .was.broker .is.broker) (ne .was.broker "memory") (not (has "broker" .root.Values.acknowledge)) -}}
{{- $problems = append $problems (printf "the broker changes from %s to %s: until the last old pod has ended, clients of old and new pods do not hear each other, and every channel begins a new epoch with a gap (docs/operations/changes.md). Set acknowledge: [broker] if both lead to the same server, or if that may be" .was.broker .is.broker) -}}
{{- end -}}
{{- if and .was.valkeyVolume .is.valkeyVolume (ne .was.valkeyVolume .is.valkeyVolume) -}}
{{- $problems = append $problems (printf "broker.valkey.persistence changes the volume of a StatefulSet from %q to %q, which Kubernetes refuses in the middle of the upgrade: give it its old value" .was.valkeyVolume .is.valkeyVolume) -}}
{{- end -}}
{{- $problems | toJson -}}
{{- end }}

{{/*
A secret is replaced in three steps, in which old and new pods accept what the others made.
*/}}
{{- define "holdfast.changes.secrets" -}}
{{- $problems := list -}}
{{- $was := .was.keys -}}
{{- $is := .is.keys -}}
{{- if not (has "secrets" .root.Values.acknowledge) -}}
{{- range $name, $what := dict "resume" "resumeSecretKey" "hmac" "hmacSecretKey" -}}
{{- $old := get $was $name -}}
{{- $new := get $is $name -}}
{{- if and $old (ne $old $new) -}}
{{- $other := printf "%sOther" $name -}}
{{- $hurts := ternary "sessions cannot move between old and new pods" "tokens that are signed with it are refused" (eq $name "resume") -}}
{{- if not $new -}}
{{- $problems = append $problems (printf "auth.%s %s is no longer used: %s. Set acknowledge: [secrets] if nobody has such a token any more" $what $old $hurts) -}}
{{- else if not (and (eq (get $was $other) $new) (eq (get $is $other) $old)) -}}
{{- $problems = append $problems (printf "auth.%s changes from %s to %s in one step: %s. Three steps: name the new key as the other one (auth.%s), swap both, remove the old one; wait for the end of each rollout. Or set acknowledge: [secrets] if both hold the same value" $what $old $new $hurts (replace "Key" "OtherKey" $what)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $problems | toJson -}}
{{- end }}

{{/* Clients know one address. When their pod drains they ask for it again. */}}
{{- define "holdfast.changes.address" -}}
{{- $problems := list -}}
{{- if not (has "address" .root.Values.acknowledge) -}}
{{- if ne .was.connect .is.connect -}}
{{- $problems = append $problems (printf "clients connect by %s, and new pods would answer %s alone: whoever is connected finds no pod to move to and is cut when its pod ends. Install a second release for the new address, move the clients, and remove this one. Or set acknowledge: [address]" .was.connect .is.connect) -}}
{{- end -}}
{{- if and (ne .was.expose .is.expose) (ne .was.expose "none") -}}
{{- $kind := get (dict "gateway" "httproute" "ingress" "ingress" "loadBalancer" "service") (splitList ":" .was.expose | first) -}}
{{- $name := include "holdfast.fullname" .root -}}
{{- if eq $kind "service" }}{{ $name = printf "%s-public" $name }}{{ end -}}
{{- $problems = append $problems (printf "expose changes from %s to %s and so removes the way by which clients come. To keep it meanwhile: kubectl -n %s annotate %s/%s helm.sh/resource-policy=keep (and the Gateway, if the chart made it). Then set acknowledge: [address], and delete it when nobody uses it" .was.expose .is.expose .root.Release.Namespace $kind $name) -}}
{{- end -}}
{{- end -}}
{{- $problems | toJson -}}
{{- end }}

{{/* The trial Valkey goes only when no pod uses it, those that drain included. */}}
{{- define "holdfast.changes.valkey" -}}
{{- $problems := list -}}
{{- if not (or (include "holdfast.valkeyRendered" .) (has "valkey" .Values.acknowledge)) -}}
{{- $name := printf "%s-valkey" (include "holdfast.fullname" .) -}}
{{- if lookup "apps/v1" "StatefulSet" .Release.Namespace $name -}}
{{- $users := 0 -}}
{{- range (lookup "v1" "Pod" .Release.Namespace "" | default dict).items -}}
{{- if contains (printf "@%s:6379" $name) (.spec | toJson) }}{{ $users = add1 $users }}{{ end -}}
{{- end -}}
{{- if $users -}}
{{- $problems = append $problems (printf "this deletes the trial Valkey %s, and %d pods use it: their publishes would fail, and histories and members would be gone. Set broker.valkey.keep: true now, and remove it with the next upgrade, when the old pods have ended. Or set acknowledge: [valkey]" $name (int64 $users)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $problems | toJson -}}
{{- end }}

{{/* "true" if the release has the trial Valkey. */}}
{{- define "holdfast.valkeyRendered" -}}
{{- if or (eq .Values.broker.mode "valkey") .Values.broker.valkey.keep }}true{{ end -}}
{{- end }}
