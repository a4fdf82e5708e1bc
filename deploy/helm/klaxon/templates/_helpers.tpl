{{- /* Names and labels. */}}
{{- define "klaxon.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "klaxon.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "klaxon.selectorLabels" -}}
app.kubernetes.io/name: {{ include "klaxon.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "klaxon.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "klaxon.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/component: monitor
app.kubernetes.io/part-of: {{ include "klaxon.name" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "klaxon.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "klaxon.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "klaxon.image" -}}
{{- $name := .Values.image.repository }}
{{- with .Values.image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $name .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $name (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- /* klaxond's configuration: what is written under config, and the group's name where it is not written. */}}
{{- define "klaxon.config" -}}
{{- $config := deepCopy .Values.config }}
{{- if not $config.kafka.group_id }}
{{- $_ := set $config.kafka "group_id" (printf "%s-%s" .Release.Namespace (include "klaxon.fullname" .)) }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- define "klaxon.webPort" -}}
{{- $address := dig "web" "listen_address" "" .Values.config }}
{{- if regexMatch "^(127\\.|localhost:|\\[::1\\])" $address }}
{{- fail (printf "config.web.listen_address: nobody outside the pod reaches %s; write such as 0.0.0.0:9752" $address) }}
{{- end }}
{{- regexFind "[0-9]+$" $address | default 9752 }}
{{- end }}

{{- /* Whether the web side is there in a file, and what that makes of probes and scrapes. */}}
{{- define "klaxon.webSecret" -}}
{{- if .Values.web.existingSecret }}
{{- .Values.web.existingSecret }}
{{- else if .Values.web.file }}
{{- include "klaxon.fullname" . }}-web
{{- end }}
{{- end }}

{{- define "klaxon.webScheme" -}}
{{- if .Values.web.scheme }}
{{- .Values.web.scheme }}
{{- else }}
{{- ternary "https" "http" (not (empty (dig "tls_server_config" dict .Values.web.file))) }}
{{- end }}
{{- end }}

{{- define "klaxon.clientCertificates" -}}
{{- $asked := dig "tls_server_config" "client_auth_type" "" .Values.web.file }}
{{- if or .Values.web.clientCertificates (eq $asked "RequireAndVerifyClientCert") }}true{{ end }}
{{- end }}

{{- /* A probe: (dict "root" $ "path" "/livez" "probe" .Values.livenessProbe). */}}
{{- define "klaxon.probe" -}}
{{- if include "klaxon.clientCertificates" .root }}
tcpSocket:
  port: http
{{- else }}
httpGet:
  path: {{ .path }}
  port: http
  scheme: {{ include "klaxon.webScheme" .root | upper }}
{{- end }}
{{ toYaml .probe }}
{{- end }}

{{- /* Whether to make an object of a foreign kind: (dict "root" $ "enabled" true|false|"auto" "kind" "group/version/Kind"). */}}
{{- define "klaxon.wanted" -}}
{{- if eq (toString .enabled) "auto" }}
{{- if .root.Capabilities.APIVersions.Has .kind }}true{{ end }}
{{- else if .enabled }}true{{ end }}
{{- end }}

{{- define "klaxon.serviceMonitorWanted" -}}
{{- $wanted := include "klaxon.wanted" (dict "root" . "enabled" .Values.serviceMonitor.enabled "kind" "monitoring.coreos.com/v1/ServiceMonitor") }}
{{- if and .Values.podMonitor.enabled (eq (toString .Values.serviceMonitor.enabled) "true") }}
{{- fail "serviceMonitor.enabled and podMonitor.enabled are both true: each pod would be scraped twice, and counted twice; leave one" }}
{{- end }}
{{- if and $wanted (not .Values.podMonitor.enabled) }}true{{ end }}
{{- end }}

{{- define "klaxon.ruleWanted" -}}
{{- include "klaxon.wanted" (dict "root" . "enabled" .Values.prometheusRule.enabled "kind" "monitoring.coreos.com/v1/PrometheusRule") }}
{{- end }}

{{- /* Labels of an object of the Prometheus Operator: (dict "root" $ "own" .Values.serviceMonitor). */}}
{{- define "klaxon.monitoringLabels" -}}
{{- $common := fromYaml (include "klaxon.labels" .root) }}
{{- toYaml (merge (dict) .own.additionalLabels .root.Values.monitoring.labels $common) }}
{{- end }}

{{- /* What ServiceMonitor and PodMonitor say of one endpoint. */}}
{{- define "klaxon.endpoint" -}}
port: http
path: /metrics
scheme: {{ include "klaxon.webScheme" .root }}
honorLabels: {{ .own.honorLabels }}
{{- with .own.interval }}
interval: {{ . }}
{{- end }}
{{- with .own.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .own.tlsConfig }}
tlsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.basicAuth }}
basicAuth:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Topics and brokers of the configuration, as JSON, for KEDA, Strimzi and the network policy. */}}
{{- define "klaxon.bootstrapServers" -}}
{{- $servers := .Values.config.kafka.bootstrap_servers }}
{{- if kindIs "slice" $servers }}{{ join "," $servers }}{{ else }}{{ $servers | replace " " "" }}{{ end }}
{{- end }}

{{- define "klaxon.topics" -}}
{{- $topics := list }}
{{- range .Values.config.streams }}{{ $topics = append $topics .topic }}{{ end }}
{{- uniq $topics | toJson }}
{{- end }}

{{- define "klaxon.changelogTopic" -}}
{{- $config := fromYaml (include "klaxon.config" .) }}
{{- if eq (dig "snapshot" "kind" "none" $config) "changelog" }}
{{- dig "snapshot" "topic" "" $config | default (printf "%s-changelog" $config.kafka.group_id) }}
{{- end }}
{{- end }}
