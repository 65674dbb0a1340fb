{{/* The pod of the Deployment or DaemonSet. */}}
{{- define "toyou.podTemplate" -}}
metadata:
  # Without the chart's version: an upgrade that changes nothing of the pod restarts none.
  labels:
    {{- include "toyou.selectorLabels" . | nindent 4 }}
    {{- range list .Values.commonLabels .Values.podLabels }}
    {{- with . }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: dataplane
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "toyou.serviceAccountName" . }}
  # Only the controller speaks to the API server: its token is mounted there by hand.
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "toyou.gracePeriod" . }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.hostNetwork }}
  hostNetwork: true
  {{- end }}
  dnsPolicy: {{ .Values.dnsPolicy | default (ternary "ClusterFirstWithHostNet" "ClusterFirst" .Values.hostNetwork) }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
  {{- else if eq .Values.kind "Deployment" }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "toyou.selectorLabels" $ | nindent 10 }}
      # Of one revision: during a rollout the old pods do not count.
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
  # The controller is a container that outlives the others (restartPolicy Always among the init
  # containers): while the dataplane drains, endpoints that come and go still reach it, and it is told
  # to end only when the dataplane has ended.
  initContainers:
    {{- include "toyou.controller" . | nindent 4 }}
  containers:
    {{- include "toyou.dataplane" . | nindent 4 }}
  volumes:
    # Between the two containers. In memory: written at each change of endpoints, and worthless later.
    - name: snapshot
      emptyDir:
        medium: Memory
        sizeLimit: {{ .Values.snapshot.sizeLimit }}
    - name: token
      projected:
        sources:
          - serviceAccountToken: {path: token, expirationSeconds: 3607}
          - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
          - downwardAPI: {items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "toyou.controller" -}}
- name: controller
  image: {{ include "toyou.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  restartPolicy: Always
  command: [toyou-controller]
  args:
    - --source=kubernetes
    - --snapshot-dir=/run/toyou/snapshot
    - --admin-address=127.0.0.1:{{ .Values.ports.controllerAdmin }}
    - --metrics-address=:{{ .Values.ports.controller }}
    - --controller-name={{ include "toyou.controllerName" . }}
    - --legacy-class={{ .Values.ingressClass.name }}
    - --lease-namespace={{ .Release.Namespace }}
    - --lease-name={{ include "toyou.leaseName" . }}
    {{- with .Values.watchNamespaces }}
    - --watch-namespaces={{ join "," . }}
    {{- end }}
    {{- if or .Values.controller.watchWithoutClass (and .Values.watchNamespaces .Values.ingressClass.default) }}
    - --watch-without-class
    {{- end }}
    - --host-ownership={{ .Values.controller.hostOwnership }}
    {{- with .Values.controller.defaultBackendService }}
    - --default-backend-service={{ . }}
    {{- end }}
    {{- if not .Values.tls.secrets }}
    - --without-secrets
    {{- end }}
    {{- with include "toyou.ticketKeys" . }}
    - --ticket-key-secret={{ $.Release.Namespace }}/{{ . }}
    {{- end }}
    {{- with .Values.tls.defaultCertificate }}
    - --default-certificate={{ . }}
    {{- end }}
    {{- if .Values.controller.publishAddresses }}
    {{- range .Values.controller.publishAddresses }}
    - --publish-address={{ . }}
    {{- end }}
    {{- else if .Values.service.enabled }}
    - --publish-service={{ .Release.Namespace }}/{{ include "toyou.fullname" . }}
    {{- end }}
    - --log-level={{ .Values.log.level }}
    - --log-format={{ .Values.log.format }}
    {{- with .Values.controller.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.controller.extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - {name: controller, containerPort: {{ .Values.ports.controller }}, protocol: TCP}
  # No readiness probe: a controller that cannot reach the API server must not take its dataplane out
  # of service. The dataplane is ready when it has routes.
  livenessProbe:
    httpGet: {path: /healthz, port: controller}
    periodSeconds: 10
    failureThreshold: 6
  {{- with .Values.securityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.controller.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - {name: snapshot, mountPath: /run/toyou}
    - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
    {{- with .Values.controller.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "toyou.dataplane" -}}
- name: dataplane
  image: {{ include "toyou.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [toyou-dataplane]
  args:
    - --snapshot-dir=/run/toyou/snapshot
    - --http-port={{ .Values.ports.http }}
    - --https-port={{ .Values.ports.https }}
    - --admin-address=127.0.0.1:{{ .Values.ports.admin }}
    - --metrics-address=:{{ .Values.ports.dataplane }}
    - --workers={{ .Values.dataplane.workers }}
    - --max-connections={{ .Values.dataplane.maxConnections | int64 }}
    {{- with .Values.dataplane.trustedProxies }}
    - --trusted-proxies={{ join "," . }}
    {{- end }}
    {{- if ne .Values.proxyProtocol.mode "off" }}
    - --proxy-protocol={{ .Values.proxyProtocol.mode }}
    - --proxy-protocol-from={{ join "," .Values.proxyProtocol.from }}
    {{- end }}
    - --tls-min-version={{ .Values.tls.minVersion }}
    {{- with .Values.tls.ciphers }}
    - --tls-ciphers={{ . }}
    {{- end }}
    - --tls-redirect-port={{ .Values.tls.redirectPort }}
    - --head-timeout={{ .Values.dataplane.headTimeout }}
    - --drain-delay={{ .Values.drain.delay }}s
    - --drain-period={{ .Values.drain.period }}s
    - --log-level={{ .Values.log.level }}
    - --log-format={{ .Values.log.format }}
    {{- with .Values.dataplane.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.dataplane.extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    {{- $hosts := .Values.hostPorts }}
    - {name: http, containerPort: {{ .Values.ports.http }}, protocol: TCP{{ if $hosts.enabled }}, hostPort: {{ $hosts.http }}{{ end }}}
    - {name: https, containerPort: {{ .Values.ports.https }}, protocol: TCP{{ if $hosts.enabled }}, hostPort: {{ $hosts.https }}{{ end }}}
    - {name: metrics, containerPort: {{ .Values.ports.dataplane }}, protocol: TCP}
  # Ready: the first whole snapshot is loaded, the listeners are open, and no drain has begun.
  readinessProbe:
    httpGet: {path: /readyz, port: metrics}
    periodSeconds: 2
    failureThreshold: 2
  livenessProbe:
    httpGet: {path: /healthz, port: metrics}
    periodSeconds: 10
    failureThreshold: 6
  {{- $security := deepCopy (.Values.securityContext | default dict) }}
  {{- with .Values.dataplane.seccompLocalhostProfile }}
  {{- $_ := set $security "seccompProfile" (dict "type" "Localhost" "localhostProfile" .) }}
  {{- end }}
  {{- with $security }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.dataplane.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - {name: snapshot, mountPath: /run/toyou}
    {{- with .Values.dataplane.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
