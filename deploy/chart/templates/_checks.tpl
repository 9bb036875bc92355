{{/*
Owns: what cannot work is refused, all at once. Each check adds a sentence to a list; `holdfast.checks` fails with all of them.
*/}}

{{- define "holdfast.checks" -}}
{{- $problems := concat (include "holdfast.checks.drain" . | fromJsonArray) (include "holdfast.checks.config" . | fromJsonArray) (include "holdfast.checks.broker" . | fromJsonArray) (include "holdfast.checks.ways" . | fromJsonArray) (include "holdfast.checks.capacity" . | fromJsonArray) (include "holdfast.checks.operator" . | fromJsonArray) (include "holdfast.checks.changes" . | fromJsonArray) -}}
{{- if $problems -}}
{{- fail (printf "\n\nCannot render %s, because of %s:\n  - %s\n" (include "holdfast.fullname" .) (ternary "one thing" (printf "%d things" (len $problems)) (eq (len $problems) 1)) (join "\n  - " $problems)) -}}
{{- end -}}
{{- end }}

{{- define "holdfast.checks.drain" -}}
{{- $d := include "holdfast.drain" . | fromJson -}}
{{- $v := .Values.drain -}}
{{- $problems := list -}}
{{- if lt (int64 $d.W) 1 -}}
{{- $problems = append $problems (printf "drain.maxSeconds %d is too short: the window W = M - P - T = %d - %d - %d = %d s, expected at least 1 s; %d s would do for %d connections" (int64 $d.M) (int64 $d.M) (int64 $d.P) (int64 $d.T) (int64 $d.W) (int64 $d.mPossible) (int64 $d.N)) -}}
{{- else if not $d.possible -}}
{{- $problems = append $problems (printf "connections.perPod %d cannot leave a pod in time: N / A = %d / %.4g = %.1f s, and the window has room for W - L = %d - %.4g = %.4g s (M %d - P %d - T %d = W %d); drain.maxSeconds %d would do, %d keeps the pace of 0.7 A" (int64 $d.N) (int64 $d.N) $d.A $d.least (int64 $d.W) $d.L $d.slots (int64 $d.M) (int64 $d.P) (int64 $d.T) (int64 $d.W) (int64 $d.mPossible) (int64 $d.mPaced)) -}}
{{- end -}}
{{- if gt (add (int64 $d.P) (int64 $d.W) (int64 $d.T)) (int64 $d.M) -}}
{{- if ge (int64 $d.W) 1 -}}
{{- $problems = append $problems (printf "drain.windowSeconds %d does not fit: P + W + T = %d + %d + %d = %d s, expected at most drain.maxSeconds %d" (int64 $d.W) (int64 $d.P) (int64 $d.W) (int64 $d.T) (add (int64 $d.P) (int64 $d.W) (int64 $d.T)) (int64 $d.M)) -}}
{{- end -}}
{{- end -}}
{{- if lt (int64 $d.P) (int64 .Values.expose.deregistrationSeconds) -}}
{{- $problems = append $problems (printf "drain.preDelaySeconds %d is shorter than the balancer's expose.deregistrationSeconds %d: new clients would be sent to a closed port" (int64 $d.P) (int64 .Values.expose.deregistrationSeconds)) -}}
{{- end -}}
{{- if lt (int64 $d.G) (add (int64 $d.S) (int64 $d.M) 10) -}}
{{- $problems = append $problems (printf "drain.graceSeconds %d is too short: S + M + 10 = %d + %d + 10 = %d s" (int64 $d.G) (int64 $d.S) (int64 $d.M) (add (int64 $d.S) (int64 $d.M) 10)) -}}
{{- end -}}
{{- if and $v.clusterAutoscaler (not $v.acknowledgeLongGrace) (gt (int64 $d.G) 600) -}}
{{- $problems = append $problems (printf "the grace period S + M + 10 = %d + %d + 10 = %d s is above the 600 s that cluster-autoscaler waits by default; drain.maxSeconds %d would do, or drain.acknowledgeLongGrace: true if --max-graceful-termination-sec was raised, or drain.clusterAutoscaler: false" (int64 $d.S) (int64 $d.M) (int64 $d.G) (sub 590 (int64 $d.S))) -}}
{{- end -}}
{{- if and .Values.mesh.istio.enabled (not .Values.mesh.istio.nativeSidecar) (lt (int64 $d.istio) (int64 $d.sidecar)) -}}
{{- $problems = append $problems (printf "mesh.istio.drainSeconds %d ends the proxy before the node: S + M + 5 = %d + %d + 5 = %d s" (int64 $d.istio) (int64 $d.S) (int64 $d.M) (int64 $d.sidecar)) -}}
{{- end -}}
{{- if and .Values.mesh.envoyGateway.enabled (lt (int64 $d.envoy) (int64 $d.gateway)) -}}
{{- $problems = append $problems (printf "mesh.envoyGateway.drainSeconds %d is too short: M + 5 = %d + 5 = %d s" (int64 $d.envoy) (int64 $d.M) (int64 $d.gateway)) -}}
{{- end -}}
{{- $problems | toJson -}}
{{- end }}

{{- define "holdfast.checks.config" -}}
{{- $problems := list -}}
{{- $config := .Values.config -}}
{{- range $path, $use := fromYaml (include "holdfast.derivedOptions" .) -}}
{{- $found := $config -}}
{{- range splitList "." $path }}{{ if kindIs "map" $found }}{{ $found = get $found . }}{{ else }}{{ $found = "" }}{{ end }}{{ end -}}
{{- if not (or (kindIs "invalid" $found) (eq (toString $found) "")) -}}
{{- $problems = append $problems (printf "config.%s is set by the chart; use %s" $path $use) -}}
{{- end -}}
{{- end -}}
{{- $mqtt := default (dict) $config.mqtt -}}
{{- range $transport, $option := dict "tcp" "port" "tls" "tlsPort" -}}
{{- if has $transport (default (list) $mqtt.transports) -}}
{{- $port := toString (dig $option "" $mqtt) -}}
{{- if has $port (list "0" "8000" "9000") -}}
{{- $problems = append $problems (printf "config.mqtt.%s %s cannot be had: found 0, or a port of the node's own listeners; expected another one, such as %s" $option $port (ternary "1883" "8883" (eq $transport "tcp"))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (has "tls" (default (list) $mqtt.transports)) (not .Values.tls.existingSecret) (not (dig "tls" "certFile" "" $mqtt)) -}}
{{- $problems = append $problems "MQTT over TLS has no certificate; expected tls.existingSecret, or config.mqtt.tls.certFile and keyFile with extraVolumes" -}}
{{- end -}}
{{- range (default list $config.apiKeys) -}}
{{- if .key -}}
{{- $problems = append $problems (printf "config.apiKeys %q has its key in values, where everyone can read it; use keyHash (holdfast keygen prints both)" (toString .name)) -}}
{{- end -}}
{{- end -}}
{{- $jwt := dig "auth" "jwt" (dict) $config -}}
{{- $hmac := and .Values.auth.existingSecret .Values.auth.hmacSecretKey -}}
{{- if not (or $hmac $jwt.publicKey $jwt.publicKeyFile $jwt.jwksUrl (eq (toString (dig "auth" "insecure" false $config)) "true")) -}}
{{- $problems = append $problems "no client could connect: there is no way to check tokens. Use config.auth.jwt.jwksUrl or publicKey, or auth.existingSecret with auth.hmacSecretKey, or set config.auth.insecure: true if everyone who can reach the pods may do everything" -}}
{{- end -}}
{{- if and .Values.auth.hmacSecretKey (not .Values.auth.existingSecret) -}}
{{- $problems = append $problems "auth.hmacSecretKey names a key, and auth.existingSecret no secret" -}}
{{- end -}}
{{- range $value, $labels := dict "labels" .Values.labels "podLabels" .Values.podLabels "monitoring.labels" .Values.monitoring.labels -}}
{{- range $name, $_ := $labels -}}
{{- if regexMatch "^(app[.]kubernetes[.]io/(name|instance|component|part-of|version|managed-by)|helm[.]sh/chart)$" $name -}}
{{- $problems = append $problems (printf "%s has %s, which is the chart's own label: selectors need its value" $value $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq (default .Chart.AppVersion .Values.image.tag) "latest" -}}
{{- $problems = append $problems "image.tag latest cannot be rolled back; use a version or image.digest" -}}
{{- end -}}
{{- $problems | toJson -}}
{{- end }}

{{/* Options that the chart sets itself or that are secrets, and what to use instead. */}}
{{- define "holdfast.derivedOptions" -}}
nodeId: nothing, because it is the pod's name
revision: nothing, because it is the hash of the pod's template
host: nothing, because pods listen on all addresses
internalHost: nothing, because probes come from the machine's address
port: nothing, because it is 8000
internalPort: nothing, because it is 9000
reusePort: nothing, because each pod has its own ports
contract: contract.existingConfigMap and contract.file
metrics: nothing, because they are on; monitoring.scrape says who reads them
broker.url: broker.url or broker.existingSecret
broker.startWaitMs: broker.startWaitSeconds
auth.jwt.hmacSecret: auth.existingSecret with auth.hmacSecretKey
auth.jwt.hmacSecretOther: auth.existingSecret with auth.hmacSecretOtherKey
auth.resumeSecret: auth.existingSecret with auth.resumeSecretKey
auth.resumeSecretOther: auth.existingSecret with auth.resumeSecretOtherKey
tls.certFile: tls.existingSecret
tls.keyFile: tls.existingSecret
limits.connectionsMax: connections.perPod and connections.headroom
admission.handshakesPerSecond: connections.handshakesPerSecond
drain.preDelayMs: drain.preDelaySeconds
drain.windowMs: drain.maxSeconds, or drain.windowSeconds
drain.perSecondMax: connections.handshakesPerSecond
{{- end }}

{{- define "holdfast.checks.broker" -}}
{{- $b := .Values.broker -}}
{{- $problems := list -}}
{{- $many := or (gt (int64 .Values.replicas) 1) (ne .Values.autoscaling.mode "none") -}}
{{- if eq $b.mode "external" -}}
{{- if not (or $b.url $b.existingSecret.name) -}}
{{- $problems = append $problems "broker.mode external needs the address of Redis or Valkey: broker.url, or broker.existingSecret if it has a password. For a trial: broker.mode: valkey" -}}
{{- end -}}
{{- if and $b.url $b.existingSecret.name -}}
{{- $problems = append $problems "broker.url and broker.existingSecret.name are both set; use one" -}}
{{- end -}}
{{- if regexMatch "@|[pP]assword=" $b.url -}}
{{- $problems = append $problems "broker.url has credentials, which everyone who may read the Deployment could read; use broker.existingSecret" -}}
{{- end -}}
{{- else if $b.url -}}
{{- $problems = append $problems (printf "broker.url is set, and broker.mode %s does not use it; expected broker.mode: external" $b.mode) -}}
{{- end -}}
{{- if and (include "holdfast.valkeyRendered" .) (not $b.valkey.existingSecret.name) -}}
{{- $problems = append $problems "broker.valkey.existingSecret.name is empty: the trial Valkey has a password, from a secret of yours" -}}
{{- end -}}
{{- if and (eq $b.mode "memory") $many -}}
{{- $problems = append $problems "broker.mode memory is one pod alone, and there may be several; expected replicas: 1 without autoscaling, or a shared broker" -}}
{{- end -}}
{{- if and $many (not .Values.auth.existingSecret) -}}
{{- $problems = append $problems (printf "auth.existingSecret is empty: with several pods sessions move between them, which needs the same resume secret on all (key %s)" .Values.auth.resumeSecretKey) -}}
{{- end -}}
{{- $problems | toJson -}}
{{- end }}

{{- define "holdfast.checks.ways" -}}
{{- $e := .Values.expose -}}
{{- $problems := list -}}
{{- if and (eq $e.mode "gateway") (not $e.gateway.parentRefs) (not $e.gateway.create.enabled) -}}
{{- $problems = append $problems "expose.mode gateway has no Gateway: name it in expose.gateway.parentRefs, make one with expose.gateway.create, or use expose.mode ingress, loadBalancer or none" -}}
{{- end -}}
{{- if and $e.gateway.create.enabled (ne $e.mode "gateway") -}}
{{- $problems = append $problems (printf "expose.gateway.create.enabled needs expose.mode gateway, found %s" $e.mode) -}}
{{- end -}}
{{- if and $e.gateway.create.enabled (not $e.gateway.create.className) -}}
{{- $problems = append $problems "expose.gateway.create.className is empty: expected the name of a GatewayClass" -}}
{{- end -}}
{{- if and (eq $e.mode "ingress") (not $e.hosts) -}}
{{- $problems = append $problems "expose.mode ingress needs expose.hosts" -}}
{{- end -}}
{{- if and .Values.mesh.envoyGateway.enabled (ne $e.mode "gateway") -}}
{{- $problems = append $problems (printf "mesh.envoyGateway.enabled needs expose.mode gateway, found %s" $e.mode) -}}
{{- end -}}
{{- if and .Values.mesh.istio.virtualService.enabled (not .Values.mesh.istio.enabled) -}}
{{- $problems = append $problems "mesh.istio.virtualService.enabled needs mesh.istio.enabled" -}}
{{- end -}}
{{- if and .Values.mesh.istio.enabled .Values.mesh.linkerd.enabled -}}
{{- $problems = append $problems "mesh.istio.enabled and mesh.linkerd.enabled are both on: a pod has one mesh" -}}
{{- end -}}
{{- $problems | toJson -}}
{{- end }}

{{- define "holdfast.checks.operator" -}}
{{- $problems := list -}}
{{- if include "holdfast.isOperated" . -}}
{{- if not .Values.operator.keySecret.name -}}
{{- $problems = append $problems "kind RealtimeSet needs operator.keySecret.name, a secret with the operator's API key and its hash (docs/operations/operator.md)" -}}
{{- end -}}
{{- if hasKey .Values.operator.release "paused" -}}
{{- $problems = append $problems "operator.release.paused would stay in the values; pause a release by the annotation holdfast.dev/pause" -}}
{{- end -}}
{{- else -}}
{{- if eq .Values.autoscaling.mode "operator" -}}
{{- $problems = append $problems (printf "autoscaling.mode operator is the operator's own loop, and kind %s has no operator; expected kind: RealtimeSet" .Values.kind) -}}
{{- end -}}
{{- if .Values.operator.release -}}
{{- $problems = append $problems (printf "operator.release is for kind RealtimeSet, and kind is %s" .Values.kind) -}}
{{- end -}}
{{- end -}}
{{- range (default list .Values.config.apiKeys) -}}
{{- if and $.Values.operator.keySecret.name (eq (toString .name) "operator") -}}
{{- $problems = append $problems "config.apiKeys has a key of the name operator, which operator.keySecret gives already" -}}
{{- end -}}
{{- end -}}
{{- $problems | toJson -}}
{{- end }}

{{- define "holdfast.checks.capacity" -}}
{{- $problems := list -}}
{{- $max := include "holdfast.connectionsMax" . | int64 -}}
{{- $files := int64 .Values.connections.descriptorsMax -}}
{{- if gt (add $max 256) $files -}}
{{- $problems = append $problems (printf "connections.perPod x connections.headroom + 256 = %d x %.4g + 256 = %d is above the %d open files that a pod may have (connections.descriptorsMax)" (int64 .Values.connections.perPod) (float64 .Values.connections.headroom) (add $max 256) $files) -}}
{{- end -}}
{{- $millis := include "holdfast.cpuMillis" . | int64 -}}
{{- if and (gt $millis 1000) (not .Values.resources.override) -}}
{{- $problems = append $problems (printf "connections.deliveriesPerSecond %d needs 200 + %d x %.4g / 1000 = %d thousandths of a core, and a node is one event loop: at most 1000. Plan more pods with fewer connections each" (int64 .Values.connections.deliveriesPerSecond) (int64 .Values.connections.deliveriesPerSecond) (float64 .Values.resources.deliveryMicroseconds) $millis) -}}
{{- end -}}
{{- $a := .Values.autoscaling -}}
{{- if and (ne $a.mode "none") (gt (int64 $a.minReplicas) (int64 $a.maxReplicas)) -}}
{{- $problems = append $problems (printf "autoscaling.minReplicas %d is above autoscaling.maxReplicas %d" (int64 $a.minReplicas) (int64 $a.maxReplicas)) -}}
{{- end -}}
{{- if and (eq $a.mode "keda") (not $a.keda.serverAddress) -}}
{{- $problems = append $problems "autoscaling.mode keda needs autoscaling.keda.serverAddress, the address of Prometheus" -}}
{{- end -}}
{{- $problems | toJson -}}
{{- end }}
