{{- /*
Checks of values that are allowed one by one but cannot work together. Each stops the install with one line that names the
values. deployment.yaml includes this template.
*/ -}}

{{- define "jina-reranker.on" -}}
{{- if has (. | toString | lower) (list "true" "1" "yes" "on") }}true{{ end }}
{{- end }}

{{- define "jina-reranker.checks" -}}
{{- $replicas := ternary .Values.autoscaling.maxReplicas .Values.replicas .Values.autoscaling.enabled | int }}
{{- $several := ternary "autoscaling.maxReplicas" "replicas" .Values.autoscaling.enabled }}

{{- if and (ne .Values.cache.type "emptyDir") (ne .Values.cache.accessMode "ReadWriteMany") (gt $replicas 1) }}
{{- fail (printf "%s: %d pods cannot share a claim that is %s: set cache.accessMode to ReadWriteMany (with a storage class that supports it), cache.type to emptyDir, or %s to 1" $several $replicas .Values.cache.accessMode $several) }}
{{- end }}

{{- if .Values.autoscaling.enabled }}
{{- if ge (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) }}
{{- fail (printf "autoscaling.maxReplicas: expected more than autoscaling.minReplicas, which is %d, got %d" (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- end }}
{{- if not (or .Values.serviceMonitor.enabled .Values.autoscaling.metricsScraped) }}
{{- fail "autoscaling.enabled: nothing scrapes rerank_queue_pairs, which it scales by: set serviceMonitor.enabled, or set autoscaling.metricsScraped if Prometheus scrapes the pods' /metrics in another way, with the labels namespace, pod and service" }}
{{- end }}
{{- $most := int (toString (default 2000 (get .Values.settings "MAX_QUEUED_PAIRS"))) }}
{{- if ge (int .Values.autoscaling.queuedPairs) $most }}
{{- fail (printf "autoscaling.queuedPairs: expected less than MAX_QUEUED_PAIRS, which is %d, got %d: a pod refuses requests before that many wait" $most (int .Values.autoscaling.queuedPairs)) }}
{{- end }}
{{- end }}

{{- if and .Values.serviceMonitor.enabled .Values.secrets.apiKeys (not .Values.serviceMonitor.keySecret) }}
{{- fail "serviceMonitor.keySecret: expected a secret with a key API_KEY, because with secrets.apiKeys the route /metrics wants a key" }}
{{- end }}

{{- $timeout := int64 (toString (default 60000 (get .Values.settings "REQUEST_TIMEOUT_MS"))) }}
{{- $needed := add 5 (div (add $timeout 999) 1000) }}
{{- if lt (int64 .Values.terminationGracePeriodSeconds) $needed }}
{{- fail (printf "terminationGracePeriodSeconds: expected at least %d, which is REQUEST_TIMEOUT_MS and 5 seconds, got %d: running requests would be cut off" $needed (int64 .Values.terminationGracePeriodSeconds)) }}
{{- end }}

{{- $path := toString (default "" (get .Values.settings "MODEL_PATH")) }}
{{- if eq .Values.cache.type "emptyDir" }}
{{- if hasPrefix "/models/" $path }}
{{- fail (printf "settings.MODEL_PATH: %s cannot exist, because cache.type emptyDir makes an empty /models: set cache.type to existingClaim, or mount the file elsewhere with extraVolumes" $path) }}
{{- end }}
{{- if and (include "jina-reranker.on" (get .Values.settings "HF_HUB_OFFLINE")) (not $path) (not (include "jina-reranker.on" (get .Values.settings "DEMO"))) }}
{{- fail "settings.HF_HUB_OFFLINE: cache.type emptyDir starts empty, and offline nothing is fetched: set cache.type to existingClaim" }}
{{- end }}
{{- end }}

{{- if and (eq (toString (get .Values.settings "BACKEND")) "cuda") (not .Values.gpu.enabled) }}
{{- fail "settings.BACKEND: cuda needs gpu.enabled" }}
{{- end }}

{{- $names := list }}
{{- range .Values.extraEnv }}
{{- if or (has .name $names) (hasKey $.Values.settings .name) (and (eq .name "HF_TOKEN") $.Values.secrets.huggingFace) (and (eq .name "API_KEYS") $.Values.secrets.apiKeys) }}
{{- fail (printf "extraEnv: %s is set twice" .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}
