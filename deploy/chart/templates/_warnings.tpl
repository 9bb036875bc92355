{{/* Owns: what works and still deserves a look; NOTES.txt prints it. */}}

{{- define "holdfast.warnings" -}}
{{- $d := include "holdfast.drain" . | fromJson -}}
{{- $e := .Values.expose -}}
{{- $w := list -}}
{{- if not $d.paced -}}
{{- $w = append $w (printf "The deadline raises the pace above 0.7 A: N / (0.7 A) = %.1f s, and there are %.4g s. drain.maxSeconds %d would keep it." $d.need $d.slots (int64 $d.mPaced)) -}}
{{- end -}}
{{- if eq .Values.broker.mode "valkey" -}}
{{- $w = append $w (printf "THE BUNDLED VALKEY IS FOR TRIALS: one server without a replica%s. Run your own and set broker.mode: external." (ternary "" ", and its data ends with its pod" .Values.broker.valkey.persistence.enabled)) -}}
{{- end -}}
{{- if eq .Values.broker.mode "memory" -}}
{{- $w = append $w "The broker is in the pod's memory: histories end with it. In a rolling deploy no other pod can receive its sessions." -}}
{{- end -}}
{{- if eq (toString (dig "auth" "insecure" false .Values.config)) "true" -}}
{{- $w = append $w "config.auth.insecure: everyone who can reach the pods may do everything." -}}
{{- end -}}
{{- if not .Values.config.allowedOrigins -}}
{{- $w = append $w "Browsers may connect only from pages of the same host. Name other origins in config.allowedOrigins." -}}
{{- end -}}
{{- if include "holdfast.addressesHidden" . -}}
{{- $w = append $w "Every client has the address of a proxy, so the limit of connections for each address is off. Name the proxy's network in config.trustedProxies to have it." -}}
{{- end -}}
{{- if and (eq $e.mode "loadBalancer") (not .Values.tls.existingSecret) -}}
{{- $w = append $w "The pods speak plain ws://: use tls.existingSecret, unless the balancer ends TLS." -}}
{{- end -}}
{{- if and (eq .Values.kind "StatefulSet") (eq .Values.autoscaling.mode "none") (eq (int64 .Values.replicas) 1) -}}
{{- $w = append $w "A StatefulSet of one has no surge: in a rolling deploy no pod receives its sessions. Use two, or kind: Deployment." -}}
{{- end -}}
{{- if and (eq $e.mode "ingress") (eq $e.ingress.controller "nginx") -}}
{{- $w = append $w "ingress-nginx is retired, and each reload of it cuts every connection after its worker-shutdown-timeout (240 s). Prefer a Gateway, or raise worker-shutdown-timeout." -}}
{{- end -}}
{{- if and (eq $e.mode "ingress") (hasPrefix "haproxy" $e.ingress.controller) -}}
{{- $w = append $w (printf "In the controller's own configuration set %s to at least M + 5 = %d s, or a reload cuts connections before they moved%s." (ternary "hard-stop-after" "timeout-stop" (eq $e.ingress.controller "haproxytech")) (int64 $d.gateway) (ternary "" "; close-sessions-duration spreads what is cut at its end" (eq $e.ingress.controller "haproxytech"))) -}}
{{- end -}}
{{- if and (eq $e.mode "ingress") (eq $e.ingress.controller "traefik") -}}
{{- $w = append $w (printf "In Traefik's static configuration set entryPoints.*.transport.lifeCycle.graceTimeOut to at least M + 5 = %d s; its 10 s cut connections when it restarts." (int64 $d.gateway)) -}}
{{- end -}}
{{- if and (eq $e.mode "ingress") (eq $e.ingress.controller "alb") .Values.networkPolicy.enabled (not .Values.networkPolicy.monitoring) -}}
{{- $w = append $w "The balancer checks the internal port from the subnets of the VPC: name them in networkPolicy.monitoring, beside Prometheus." -}}
{{- end -}}
{{- if and (eq $e.mode "gateway") .Values.mesh.envoyGateway.enabled (not $e.gateway.create.enabled) -}}
{{- $w = append $w (printf "Name EnvoyProxy %s in infrastructure.parametersRef of your Gateway; until then its proxies drain for 60 s." (include "holdfast.fullname" .)) -}}
{{- end -}}
{{- if and .Values.podDisruptionBudget.enabled (not (include "holdfast.isOperated" .)) (has (toString .Values.podDisruptionBudget.maxUnavailable) (list "0" "0%")) -}}
{{- $w = append $w "podDisruptionBudget.maxUnavailable 0 lets nobody drain a machine, by hand or for an upgrade of the cluster." -}}
{{- end -}}
{{- if and (eq .Values.autoscaling.mode "keda") (not .Values.monitoring.rules) (not .Values.autoscaling.keda.query) -}}
{{- $w = append $w "The autoscaler asks for the recording rule holdfast:connections:sum: set monitoring.rules, or load deploy/alerts/holdfast-recording.yaml into Prometheus." -}}
{{- end -}}
{{- if hasPrefix "hpa-" .Values.autoscaling.mode -}}
{{- $w = append $w (printf "The HPA needs an adapter that serves metric %s by %s." (ternary .Values.autoscaling.external.metricName .Values.autoscaling.pods.metricName (eq .Values.autoscaling.mode "hpa-external")) (ternary "external.metrics.k8s.io" "custom.metrics.k8s.io" (eq .Values.autoscaling.mode "hpa-external"))) -}}
{{- end -}}
{{- if and (ne .Values.autoscaling.mode "none") (include "holdfast.replicas" .) -}}
{{- $w = append $w (printf "The manifest states the %s pods that run now. helm rollback to this revision would set that number again. Roll back by an upgrade with the old values instead: docs/operations/changes.md." (include "holdfast.replicas" .)) -}}
{{- end -}}
{{- if and .Values.broker.valkey.keep (ne .Values.broker.mode "valkey") -}}
{{- $w = append $w "The trial Valkey stays for pods that still use it. When they have ended, upgrade without broker.valkey.keep." -}}
{{- end -}}
{{- range include "holdfast.otherWorkloads" . | fromJsonArray -}}
{{- if and (eq $.Values.kind "RealtimeSet") (eq .kind "Deployment") (eq .name (include "holdfast.fullname" $)) -}}
{{- $w = append $w (printf "Deployment %s is kept until the operator takes its %d pods over and deletes it without them. See it: kubectl get rts,deployments." .name (int64 .replicas)) -}}
{{- else if eq .kind "RealtimeSet" -}}
{{- $w = append $w (printf "RealtimeSet %s has let go of its pods and is kept. Delete it when they belong to the %s: kubectl delete realtimeset/%s." .name $.Values.kind .name) -}}
{{- else -}}
{{- $w = append $w (printf "%s %s of this release is kept with %d pods. Take them away one at a time, and then delete it; Helm will not." .kind .name (int64 .replicas)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.mesh.istio.enabled (eq .Values.mesh.istio.mode "ambient") (not .Values.mesh.istio.waypoint) -}}
{{- $w = append $w "Ambient without a waypoint balances connections, not requests: DestinationRule and VirtualService apply from mesh.istio.waypoint on. An upgrade of ztunnel resets every connection on its machine: drain the machine first." -}}
{{- end -}}
{{- if gt (int64 $d.G) 15 -}}
{{- $w = append $w (printf "Machines that are taken back in less than %d s (GKE spot: 15 s, Azure spot: 30 s) cut the sessions that have not moved by then." (int64 $d.G)) -}}
{{- end -}}
{{- $w | toJson -}}
{{- end }}
