{{- define "jina-reranker.name" -}}
{{- .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "jina-reranker.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "jina-reranker.selector" -}}
app.kubernetes.io/name: {{ include "jina-reranker.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "jina-reranker.labels" -}}
{{ include "jina-reranker.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "jina-reranker.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "jina-reranker.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "jina-reranker.image" -}}
{{- $tag := default (printf "%s%s" .Chart.AppVersion (ternary "-cuda" "" .Values.gpu.enabled)) .Values.image.tag }}
{{- printf "%s:%s" .Values.image.repository $tag }}
{{- end }}

{{- define "jina-reranker.claim" -}}
{{- if eq .Values.cache.type "existingClaim" }}
{{- required "cache.existingClaim: expected the name of a claim, because cache.type is existingClaim" .Values.cache.existingClaim }}
{{- else }}
{{- printf "%s-models" (include "jina-reranker.fullname" .) }}
{{- end }}
{{- end }}

{{- /* Whether the init container fetches the model. A local file, the demo and an offline cache need no fetch. */ -}}
{{- define "jina-reranker.downloads" -}}
{{- $given := or (get .Values.settings "MODEL_PATH") (include "jina-reranker.on" (get .Values.settings "DEMO")) (include "jina-reranker.on" (get .Values.settings "HF_HUB_OFFLINE")) }}
{{- if and .Values.download.enabled (not $given) }}true{{ end }}
{{- end }}

{{- /* Whether an init container makes the vision tower, too. */ -}}
{{- define "jina-reranker.makesTower" -}}
{{- if and (include "jina-reranker.on" (get .Values.settings "IMAGES")) (not (get .Values.settings "MMPROJ_PATH")) }}true{{ end }}
{{- end }}

{{- define "jina-reranker.environment" -}}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  {{- /* Helm reads numbers as floats, and would print a large one with an exponent. */}}
  value: {{ ternary (int64 $value) $value (kindIs "float64" $value) | toString | quote }}
{{- end }}
{{- with .Values.secrets.huggingFace }}
- name: HF_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: HF_TOKEN
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "jina-reranker.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end }}
