{{/*
Owns: the arithmetic of a drain, all in seconds: from M (drain.maxSeconds), N (connections.perPod) and A (connections.handshakesPerSecond).

  M = P + W + T        SIGTERM to the end of the process: pre-delay, window, tail (T = 5: 1.5 s of closing handshakes, bytes, stragglers)
  L = min(5, W / 4)    last part of the window without new notices (packages/core/src/pacing/drain-pacer.ts)
  paced                N / (0.7 A) <= W - L. One pod takes all: with surge 1 that is the new one alone
  possible             N / A <= W - L
  G = S + M + 10       grace period: preStop, M, 5 s until the node cuts by itself, 5 s to spare
  sidecars             S + M + 5
  gateways             M + 5

JSON: fromJson gives numbers as floats.
*/}}
{{- define "holdfast.drain" -}}
{{- $v := .Values.drain -}}
{{- $tail := 5 -}}
{{- $M := int64 $v.maxSeconds -}}
{{- $S := int64 $v.preStopSeconds -}}
{{- $P := max 15 (int64 .Values.expose.deregistrationSeconds) -}}
{{- if not (kindIs "invalid" $v.preDelaySeconds) }}{{ $P = int64 $v.preDelaySeconds }}{{ end -}}
{{- $W := sub (sub $M $P) $tail -}}
{{- if not (kindIs "invalid" $v.windowSeconds) }}{{ $W = int64 $v.windowSeconds }}{{ end -}}
{{- $L := minf 5.0 (divf (float64 $W) 4.0) -}}
{{- $N := float64 .Values.connections.perPod -}}
{{- $A := float64 .Values.connections.handshakesPerSecond -}}
{{- $slots := maxf 0.0 (subf (float64 $W) $L) -}}
{{- $least := divf $N $A -}}
{{- $need := divf $N (mulf 0.7 $A) -}}
{{- $G := add $S $M 10 -}}
{{- if not (kindIs "invalid" $v.graceSeconds) }}{{ $G = int64 $v.graceSeconds }}{{ end -}}
{{- $sidecar := add $S $M 5 -}}
{{- $istio := $sidecar -}}
{{- with .Values.mesh.istio.drainSeconds }}{{ $istio = int64 . }}{{ end -}}
{{- $gateway := add $M 5 -}}
{{- $envoy := $gateway -}}
{{- with .Values.mesh.envoyGateway.drainSeconds }}{{ $envoy = int64 . }}{{ end -}}
{{- $mPossible := add $P $tail (include "holdfast.drain.window" $least | int64) -}}
{{- $mPaced := add $P $tail (include "holdfast.drain.window" $need | int64) -}}
{{- dict "M" $M "P" $P "S" $S "T" $tail "W" $W "L" $L "N" $N "A" $A "slots" $slots "least" $least "need" $need "paced" (le $need $slots) "possible" (le $least $slots) "G" $G "sidecar" $sidecar "istio" $istio "gateway" $gateway "envoy" $envoy "mPossible" $mPossible "mPaced" $mPaced | toJson -}}
{{- end }}

{{/* The least whole window whose slots hold x seconds: W - min(5, W / 4) >= x. */}}
{{- define "holdfast.drain.window" -}}
{{- if ge (float64 .) 15.0 -}}{{ ceil (addf . 5.0) | int64 }}{{- else -}}{{ ceil (divf . 0.75) | int64 }}{{- end -}}
{{- end }}
