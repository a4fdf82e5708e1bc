{{- /* Durations as klaxond writes them: 1h30m. */}}
{{- define "klaxon.milliseconds" -}}
{{- $sizes := dict "w" 604800000 "d" 86400000 "h" 3600000 "m" 60000 "s" 1000 "ms" 1 }}
{{- $sum := 0 }}
{{- range regexFindAll "[0-9]+(ms|[wdhms])" . -1 }}
{{- $sum = add $sum (mul (regexFind "^[0-9]+" . | int64) (get $sizes (regexFind "[a-z]+$" .))) }}
{{- end }}
{{- $sum }}
{{- end }}

{{- define "klaxon.duration" -}}
{{- $rest := int64 . }}
{{- $text := "" }}
{{- range list (list "w" 604800000) (list "d" 86400000) (list "h" 3600000) (list "m" 60000) (list "s" 1000) (list "ms" 1) }}
{{- $count := div $rest (index . 1) }}
{{- $rest = mod $rest (index . 1) }}
{{- if $count }}{{ $text = printf "%s%d%s" $text $count (index . 0) }}{{ end }}
{{- end }}
{{- $text }}
{{- end }}

{{- /* Rules of `klaxond rules` for this configuration, by the arithmetic of daemon/commands/rules.py. */}}
{{- define "klaxon.rules" -}}
{{- $own := .Values.prometheusRule }}
{{- $settings := merge (dict) (deepCopy .Values.config) (.Files.Get "files/defaults.json" | fromJson) }}
{{- $windows := $settings.windows }}
{{- $short := first $windows }}
{{- $long := index $windows (min 1 (sub (len $windows) 1) | int) }}
{{- $hold := include "klaxon.milliseconds" $own.for | int64 }}
{{- $length := include "klaxon.milliseconds" $short | int64 }}
{{- $stale := add 120000 (mul 3 (include "klaxon.milliseconds" $settings.publish_interval | int64)) }}
{{- $overdue := mul 10 (include "klaxon.milliseconds" $settings.snapshot.interval | int64) }}
{{- $names := dict
  "__short__" $short
  "__long__" $long
  "__short_seconds__" (divf $length 1000)
  "__for__" (include "klaxon.duration" $hold)
  "__patience__" (include "klaxon.duration" (mul 3 $hold))
  "__rate__" (include "klaxon.duration" (max $length 300000))
  "__min_messages__" (int64 $settings.min_messages)
  "__stale_seconds__" (divf $stale 1000)
  "__snapshot_seconds__" (divf $overdue 1000)
  "__runbooks__" $own.runbookUrl
  "__grafana__" (trimSuffix "/" $own.grafanaUrl) }}
{{- $text := .Files.Get "files/rules.yaml" }}
{{- range $name, $value := $names }}
{{- $text = replace $name (toString $value) $text }}
{{- end }}
{{- $rules := list }}
{{- range (first (fromYaml $text).groups).rules }}
{{- if and .alert (not $own.grafanaUrl) }}{{ $_ := unset .annotations "dashboard_url" }}{{ end }}
{{- if .alert }}{{ $_ := set . "labels" (merge (dict) (.labels | default dict) $own.ruleLabels) }}{{ end }}
{{- if and .alert (not .labels) }}{{ $_ := unset . "labels" }}{{ end }}
{{- if not (and .alert (get $own.disabled .alert)) }}{{ $rules = append $rules . }}{{ end }}
{{- end }}
{{- toYaml (dict "groups" (list (dict "name" "klaxon" "rules" $rules))) }}
{{- end }}
