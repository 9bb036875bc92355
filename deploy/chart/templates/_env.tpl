{{/* Owns: the variables of a node: what the chart derives, and references to secrets. They win over the ConfigMap. */}}

{{- define "holdfast.env" -}}
{{- $d := include "holdfast.drain" . | fromJson -}}
{{- $max := include "holdfast.connectionsMax" . | int64 -}}
- { name: HOLDFAST_CONFIG, value: /etc/holdfast/config/holdfast.yaml }
- name: HOLDFAST_NODE_ID
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
# A roll is a new revision, whatever changed: moving sessions go to the newest one, so each moves once.
- name: HOLDFAST_REVISION
  valueFrom: { fieldRef: { fieldPath: "metadata.labels['{{ ternary "pod-template-hash" "controller-revision-hash" (ne .Values.kind "StatefulSet") }}']" } }
- { name: HOLDFAST_DRAIN_PRE_DELAY_MS, value: {{ printf "%ds" (int64 $d.P) }} }
- { name: HOLDFAST_DRAIN_WINDOW_MS, value: {{ printf "%ds" (int64 $d.W) }} }
- { name: HOLDFAST_DRAIN_PER_SECOND_MAX, value: {{ $d.A | toString | quote }} }
- { name: HOLDFAST_ADMISSION_HANDSHAKES_PER_SECOND, value: {{ $d.A | toString | quote }} }
- { name: HOLDFAST_LIMITS_CONNECTIONS_MAX, value: {{ $max | quote }} }
{{- if include "holdfast.addressesHidden" . }}
# Every client has the proxy's address: see config.trustedProxies.
- { name: HOLDFAST_LIMITS_CONNECTIONS_PER_ADDRESS_MAX, value: {{ $max | quote }} }
{{- else if and (lt $max 5000) (kindIs "invalid" (dig "limits" "connectionsPerAddressMax" nil .Values.config)) }}
- { name: HOLDFAST_LIMITS_CONNECTIONS_PER_ADDRESS_MAX, value: {{ $max | quote }} }
{{- end }}
{{- if and (lt $max 100) (kindIs "invalid" (dig "limits" "connectionsPerUserMax" nil .Values.config)) }}
- { name: HOLDFAST_LIMITS_CONNECTIONS_PER_USER_MAX, value: {{ $max | quote }} }
{{- end }}
{{- with .Values.operator.keySecret }}
{{- if .name }}
# The operator's key beside those of config.apiKeys. The variable replaces the file's list.
- name: OPERATOR_KEY_HASH
  valueFrom: { secretKeyRef: { name: {{ .name }}, key: {{ .hashKey }} } }
- name: HOLDFAST_API_KEYS
  value: {{ prepend (default list $.Values.config.apiKeys) (dict "name" "operator" "keyHash" "$(OPERATOR_KEY_HASH)" "scopes" (list "info" "drain")) | toJson | squote }}
{{- if kindIs "invalid" (dig "fleet" "rebalance" nil $.Values.config) }}
# The operator evens pods out. With kind: Deployment the template is the same, so that it can be taken over.
- { name: HOLDFAST_FLEET_REBALANCE, value: "false" }
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.contract.existingConfigMap }}
- { name: HOLDFAST_CONTRACT, value: {{ printf "/etc/holdfast/contract/%s" .Values.contract.file | quote }} }
{{- end }}
{{- if .Values.tls.existingSecret }}
- { name: HOLDFAST_TLS_CERT_FILE, value: /etc/holdfast/tls/tls.crt }
- { name: HOLDFAST_TLS_KEY_FILE, value: /etc/holdfast/tls/tls.key }
{{- end }}
{{- include "holdfast.brokerEnv" . }}
{{- with .Values.auth.existingSecret }}
- name: HOLDFAST_AUTH_RESUME_SECRET
  valueFrom: { secretKeyRef: { name: {{ . }}, key: {{ $.Values.auth.resumeSecretKey }} } }
{{- with $.Values.auth.resumeSecretOtherKey }}
- name: HOLDFAST_AUTH_RESUME_SECRET_OTHER
  valueFrom: { secretKeyRef: { name: {{ $.Values.auth.existingSecret }}, key: {{ . }} } }
{{- end }}
{{- with $.Values.auth.hmacSecretKey }}
- name: HOLDFAST_AUTH_JWT_HMAC_SECRET
  valueFrom: { secretKeyRef: { name: {{ $.Values.auth.existingSecret }}, key: {{ . }} } }
{{- end }}
{{- with $.Values.auth.hmacSecretOtherKey }}
- name: HOLDFAST_AUTH_JWT_HMAC_SECRET_OTHER
  valueFrom: { secretKeyRef: { name: {{ $.Values.auth.existingSecret }}, key: {{ . }} } }
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "holdfast.brokerEnv" }}
{{- $b := .Values.broker }}
{{- if ne $b.mode "memory" }}
- { name: HOLDFAST_BROKER_START_WAIT_MS, value: {{ printf "%ds" (int64 $b.startWaitSeconds) }} }
{{- end }}
{{- if eq $b.mode "valkey" }}
- name: VALKEY_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ $b.valkey.existingSecret.name }}, key: {{ $b.valkey.existingSecret.key }} } }
- { name: HOLDFAST_BROKER_URL, value: "redis://:$(VALKEY_PASSWORD)@{{ include "holdfast.fullname" . }}-valkey:6379/0" }
{{- else if $b.existingSecret.name }}
- name: HOLDFAST_BROKER_URL
  valueFrom: { secretKeyRef: { name: {{ $b.existingSecret.name }}, key: {{ $b.existingSecret.key }} } }
{{- else if $b.url }}
- { name: HOLDFAST_BROKER_URL, value: {{ $b.url | quote }} }
{{- end }}
{{- end }}

{{/* What stands before every path of the public listener: nothing, or config.basePath. */}}
{{- define "holdfast.base" -}}
{{- default "/" .Values.config.basePath | trimSuffix "/" -}}
{{- end }}

{{/* "true" where a proxy or a machine's address stands before the clients' and nobody is trusted to name them. */}}
{{- define "holdfast.addressesHidden" -}}
{{- $e := .Values.expose -}}
{{- $proxied := or (eq $e.mode "gateway") (eq $e.mode "ingress") (and (eq $e.mode "loadBalancer") (eq $e.loadBalancer.externalTrafficPolicy "Cluster")) .Values.mesh.istio.enabled .Values.mesh.linkerd.enabled -}}
{{- if and $proxied (not .Values.config.trustedProxies) (kindIs "invalid" (dig "limits" "connectionsPerAddressMax" nil .Values.config)) -}}true{{- end -}}
{{- end }}
