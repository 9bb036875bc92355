{{/* Owns: the pod of a node, the same for each kind: a RealtimeSet takes the pods of a Deployment over. */}}

{{- define "holdfast.podAnnotations" -}}
{{- $d := include "holdfast.drain" . | fromJson -}}
{{- with .Values.auth.secretsVersion }}
checksum/secrets: {{ . | sha256sum }}
{{- end }}
# What the doctor judges by.
holdfast.dev/connections-per-pod: {{ .Values.connections.perPod | int64 | quote }}
kubectl.kubernetes.io/default-container: holdfast
{{- if and .Values.mesh.istio.enabled (eq .Values.mesh.istio.mode "sidecar") }}
{{- if .Values.mesh.istio.nativeSidecar }}
sidecar.istio.io/nativeSidecar: "true"
# A native sidecar gets its SIGTERM when the node is gone: it has nothing left to drain, and changes of its listeners leave connections the time of a drain.
proxy.istio.io/config: {{ dict "holdApplicationUntilProxyStarts" true "drainDuration" (printf "%ds" (int64 $d.istio)) "terminationDrainDuration" "5s" | toJson | quote }}
{{- else }}
sidecar.istio.io/nativeSidecar: "false"
proxy.istio.io/config: {{ dict "holdApplicationUntilProxyStarts" true "drainDuration" (printf "%ds" (int64 $d.istio)) "terminationDrainDuration" (printf "%ds" (int64 $d.istio)) | toJson | quote }}
{{- end }}
{{- end }}
{{- if .Values.mesh.linkerd.enabled }}
linkerd.io/inject: enabled
config.linkerd.io/proxy-enable-native-sidecar: "true"
config.linkerd.io/shutdown-grace-period: {{ printf "%ds" (int64 $d.sidecar) }}
{{- end }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "holdfast.podLabels" -}}
{{- /* Without the chart's version: a new chart that changes nothing else rolls nothing. */ -}}
{{ include "holdfast.selector" . }}
app.kubernetes.io/part-of: holdfast
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- if .Values.operator.keySecret.name }}
# The operator takes it from pods that should get nobody new.
holdfast.dev/receives: "true"
{{- end }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- if .Values.mesh.istio.enabled }}
{{- if eq .Values.mesh.istio.mode "ambient" }}
istio.io/dataplane-mode: ambient
{{- else }}
sidecar.istio.io/inject: "true"
{{- end }}
{{- end }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "holdfast.podSpec" -}}
{{- $d := include "holdfast.drain" . | fromJson -}}
serviceAccountName: {{ include "holdfast.serviceAccount" . }}
automountServiceAccountToken: false
# Variables of Services would look like options.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ int64 $d.G }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- include "holdfast.scheduling" . }}
containers:
  - name: holdfast
    image: {{ include "holdfast.nodeImage" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args: [serve]
    securityContext:
      {{- include "holdfast.containerSecurity" . | nindent 6 }}
    ports:
      - { name: ws, containerPort: 8000 }
      - { name: internal, containerPort: 9000 }
      {{- range $name, $port := include "holdfast.mqttPorts" . | fromJson }}
      - { name: {{ $name }}, containerPort: {{ int64 $port }} }
      {{- end }}
    env:
      {{- include "holdfast.env" . | nindent 6 }}
    {{- if gt (int64 $d.S) 0 }}
    lifecycle:
      preStop:
        sleep:
          seconds: {{ int64 $d.S }}
    {{- end }}
    startupProbe:
      httpGet: { path: /livez, port: internal }
      periodSeconds: 2
      failureThreshold: {{ max 1 (div (int64 .Values.probes.startupSeconds) 2) }}
    readinessProbe:
      httpGet: { path: /readyz, port: internal }
      periodSeconds: {{ .Values.probes.readinessPeriodSeconds }}
      timeoutSeconds: 2
      failureThreshold: 2
    # Not /readyz: a node that drains or lost its broker must not be killed for it.
    livenessProbe:
      httpGet: { path: /livez, port: internal }
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: {{ max 1 (div (int64 .Values.probes.livenessSeconds) 10) }}
    resources:
      {{- include "holdfast.resources" . | nindent 6 }}
    volumeMounts:
      - { name: config, mountPath: /etc/holdfast/config, readOnly: true }
      {{- if .Values.contract.existingConfigMap }}
      - { name: contract, mountPath: /etc/holdfast/contract, readOnly: true }
      {{- end }}
      {{- if .Values.broker.tlsSecret }}
      - { name: broker-tls, mountPath: /etc/holdfast/broker-tls, readOnly: true }
      {{- end }}
      {{- if .Values.tls.existingSecret }}
      - { name: tls, mountPath: /etc/holdfast/tls, readOnly: true }
      {{- end }}
      {{- with .Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: config
    configMap: { name: {{ include "holdfast.configName" . }} }
  {{- with .Values.contract.existingConfigMap }}
  - name: contract
    configMap: { name: {{ . }} }
  {{- end }}
  {{- with .Values.broker.tlsSecret }}
  - name: broker-tls
    secret: { secretName: {{ . }}, defaultMode: 288 } # 0440
  {{- end }}
  {{- with .Values.tls.existingSecret }}
  - name: tls
    secret: { secretName: {{ . }}, defaultMode: 288 } # 0440
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "holdfast.scheduling" }}
{{- $s := .Values.scheduling }}
{{- if $s.spread }}
topologySpreadConstraints:
  {{- range $key, $unsatisfiable := dict "topology.kubernetes.io/zone" $s.zoneUnsatisfiable "kubernetes.io/hostname" "ScheduleAnyway" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $unsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "holdfast.selector" $ | nindent 8 }}
    {{- if ne $.Values.kind "StatefulSet" }}
    # The pods of each revision are spread by themselves; otherwise those that leave would push the new ones together.
    matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
{{- end }}
{{- with $s.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $s.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "holdfast.tolerations" . | fromYamlArray }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $s.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Those of the values, and how long a machine may be away, unless the values say that themselves. */}}
{{- define "holdfast.tolerations" -}}
{{- $s := .Values.scheduling -}}
{{- $tolerations := $s.tolerations -}}
{{- if and (ne .Values.kind "StatefulSet") (not (kindIs "invalid" $s.unreachableSeconds)) -}}
{{- range $taint := list "not-ready" "unreachable" -}}
{{- $key := printf "node.kubernetes.io/%s" $taint -}}
{{- $said := false -}}
{{- range $s.tolerations -}}
{{- if and (has (default "" .key) (list "" $key)) (has (default "" .effect) (list "" "NoExecute")) }}{{ $said = true }}{{ end -}}
{{- end -}}
{{- if not $said -}}
{{- $tolerations = append $tolerations (dict "key" $key "operator" "Exists" "effect" "NoExecute" "tolerationSeconds" (int64 $s.unreachableSeconds)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ $tolerations | toYaml }}
{{- end }}
