{{- /* What the container of klaxond and those of `helm test` have in common. */}}
{{- define "klaxon.environment" -}}
{{- if .Values.settingsSecret }}
- name: KLAXON_SECRETS_DIR
  value: /etc/klaxon/settings
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "klaxon.mounts" -}}
- name: config
  mountPath: /etc/klaxon/config
  readOnly: true
{{- if .Values.settingsSecret }}
- name: settings
  mountPath: /etc/klaxon/settings
  readOnly: true
{{- end }}
{{- range $folder, $_ := .Values.secretFolders }}
- name: secret-{{ $folder }}
  mountPath: /etc/klaxon/secrets/{{ $folder }}
  readOnly: true
{{- end }}
{{- if include "klaxon.webSecret" . }}
- name: web
  mountPath: /etc/klaxon/web
  readOnly: true
{{- end }}
- name: tmp
  mountPath: /tmp
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Whole folders, no subPath: Kubernetes then replaces the files when the Secret changes. */}}
{{- define "klaxon.volumes" -}}
- name: config
  configMap:
    name: {{ include "klaxon.fullname" . }}-config
{{- with .Values.settingsSecret }}
- name: settings
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- range $folder, $secret := .Values.secretFolders }}
- name: secret-{{ $folder }}
  secret:
    secretName: {{ $secret }}
    defaultMode: 0440
{{- end }}
{{- with include "klaxon.webSecret" . }}
- name: web
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "klaxon.topologySpread" -}}
{{- $selector := dict "matchLabels" (fromYaml (include "klaxon.selectorLabels" .)) }}
{{- $default := dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway" }}
{{- $constraints := list }}
{{- range .Values.topologySpread.constraints | default (list $default) }}
{{- $own := hasKey . "labelSelector" | ternary . (set (deepCopy .) "labelSelector" $selector) }}
{{- $constraints = append $constraints $own }}
{{- end }}
{{- toYaml $constraints }}
{{- end }}
