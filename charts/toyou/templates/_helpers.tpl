{{/* Names: of the chart, of this release's objects, of its ServiceAccount. */}}
{{- define "toyou.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "toyou.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- /* 48: the longest suffix of ours still fits into 63. */ -}}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "toyou.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "toyou.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Roles that are not in a namespace carry the release's, so that two releases of one name do not meet. */}}
{{- define "toyou.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "toyou.fullname" .) }}
{{- end }}

{{- define "toyou.selectorLabels" -}}
app.kubernetes.io/name: {{ include "toyou.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "toyou.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "toyou.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: toyou
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "toyou.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* spec.controller of our classes. A second installation has another one without being told. */}}
{{- define "toyou.controllerName" -}}
{{- if .Values.ingressClass.controllerName }}
{{- .Values.ingressClass.controllerName }}
{{- else if eq .Values.ingressClass.name "toyou" }}
{{- print "toyou.dev/ingress-controller" }}
{{- else }}
{{- printf "toyou.dev/ingress-controller-%s" .Values.ingressClass.name }}
{{- end }}
{{- end }}

{{- define "toyou.leaseName" -}}
{{- printf "%s-status" (include "toyou.fullname" .) }}
{{- end }}

{{/* What the controller may do: read the objects that it translates, write their status, send Events. No
Nodes, no Pods. In the whole cluster, or in each of watchNamespaces. */}}
{{- define "toyou.rights" -}}
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [list, watch]
- apiGroups: [toyou.dev]
  resources: [websocketroutes]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
{{- if .Values.tls.secrets }}
# Certificates and authorities. Secrets of type kubernetes.io/tls or labelled toyou.dev/authority=true
# alone are asked for; RBAC cannot say that.
- apiGroups: [""]
  resources: [secrets]
  verbs: [list, watch]
{{- end }}
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [patch]
- apiGroups: [toyou.dev]
  resources: [websocketroutes/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{/* Is the addresses' Service outside of what is watched? */}}
{{- define "toyou.watchesOwnService" -}}
{{- if and .Values.watchNamespaces .Values.service.enabled (not .Values.controller.publishAddresses) (not (has .Release.Namespace .Values.watchNamespaces)) }}true{{ end }}
{{- end }}

{{/* Of the Secret with the keys of session tickets; empty: each process has its own. */}}
{{- define "toyou.ticketKeys" -}}
{{- if and .Values.tls.secrets .Values.tls.shareTickets }}
{{- printf "%s-session-ticket-keys" (include "toyou.fullname" .) }}
{{- end }}
{{- end }}

{{/* Seconds from SIGTERM to the end: both parts of the drain, 5 s in which the dataplane finishes answers
and close handshakes, 5 s for the end of the processes. */}}
{{- define "toyou.shortestGrace" -}}
{{- add .Values.drain.delay .Values.drain.period 5 5 }}
{{- end }}

{{- define "toyou.gracePeriod" -}}
{{- $shortest := include "toyou.shortestGrace" . | int }}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds }}
{{- $shortest }}
{{- else }}
{{- $given := .Values.terminationGracePeriodSeconds | int }}
{{- if lt $given $shortest }}
{{- fail (printf "terminationGracePeriodSeconds is %d, but an ending pod needs %d: drain.delay %v + drain.period %v + 5 for last answers + 5. Pods would be killed with WebSockets alive; leave it unset, or shorten the drain." $given $shortest .Values.drain.delay .Values.drain.period) }}
{{- end }}
{{- $given }}
{{- end }}
{{- end }}

{{- define "toyou.job" -}}
{{- default (include "toyou.fullname" .) .Values.metrics.job }}
{{- end }}

{{/* Ports of the node are taken: two pods do not fit on one. */}}
{{- define "toyou.bindsNodePorts" -}}
{{- if or .Values.hostNetwork .Values.hostPorts.enabled }}true{{ end }}
{{- end }}

{{- define "toyou.updateStrategy" -}}
{{- if .Values.updateStrategy }}
{{- toYaml .Values.updateStrategy }}
{{- else if or (eq .Values.kind "DaemonSet") (include "toyou.bindsNodePorts" .) -}}
type: RollingUpdate
rollingUpdate: {maxSurge: 0, maxUnavailable: 1}
{{- else -}}
type: RollingUpdate
rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
{{- end }}
{{- end }}

{{/* What no schema can say. */}}
{{- define "toyou.check" -}}
{{- if and .Values.autoscaling.enabled (ne .Values.kind "Deployment") }}
{{- fail "autoscaling.enabled needs kind Deployment: a DaemonSet has one pod on each node." }}
{{- end }}
{{- if .Values.autoscaling.enabled }}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) }}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas." }}
{{- end }}
{{- if and (not .Values.autoscaling.targetCPUUtilizationPercentage) (not .Values.autoscaling.targetWebSocketsPerPod) }}
{{- fail "autoscaling needs targetCPUUtilizationPercentage or targetWebSocketsPerPod." }}
{{- end }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled }}
{{- fail "metrics.serviceMonitor and metrics.podMonitor together would count everything twice: enable one." }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.enabled) }}
{{- fail "metrics.serviceMonitor needs the Service of metrics.enabled; metrics.podMonitor does not." }}
{{- end }}
{{- with .Values.podDisruptionBudget }}
{{- if and .enabled (not (kindIs "invalid" .minAvailable)) (not (kindIs "invalid" .maxUnavailable)) }}
{{- fail "podDisruptionBudget.minAvailable and .maxUnavailable exclude each other: set one of them to null." }}
{{- end }}
{{- end }}
{{- if and .Values.service.enabled (not .Values.service.http.enabled) (not .Values.service.https.enabled) }}
{{- fail "service.http and service.https are both disabled: set service.enabled to false for no Service." }}
{{- end }}
{{- $ports := list }}
{{- range .Values.ports }}
{{- $ports = append $ports (int .) }}
{{- end }}
{{- if ne (len (uniq $ports)) (len $ports) }}
{{- fail "two of the ports are the same." }}
{{- end }}
{{- if and (ne .Values.proxyProtocol.mode "off") (not .Values.proxyProtocol.from) }}
{{- fail "proxyProtocol.mode needs proxyProtocol.from, the networks of the load balancers: anybody else could claim to be anybody." }}
{{- end }}
{{- with .Values.watchNamespaces }}
{{- range $value, $given := dict "tls.defaultCertificate" $.Values.tls.defaultCertificate "controller.defaultBackendService" $.Values.controller.defaultBackendService }}
{{- $namespace := splitList "/" $given | first }}
{{- if and $given (not (has $namespace $.Values.watchNamespaces)) }}
{{- fail (printf "%s is in namespace %s, which watchNamespaces leaves out." $value $namespace) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.tls.defaultCertificate (not .Values.tls.secrets) }}
{{- fail "tls.defaultCertificate needs tls.secrets: the certificate is in a Secret." }}
{{- end }}
{{- end }}
