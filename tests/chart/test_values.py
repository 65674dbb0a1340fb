"""Every value of the chart has an effect: what is given comes out, and without it something else does."""
import collections
import functools
import json
import os

import pytest
import yaml

from chart_rig import CHART, template

DIGEST = "sha256:" + "d" * 64
MANY = {"autoscaling.enabled": True}
RULES = {"metrics.prometheusRule.enabled": True}
SERVICES, PODS = {"metrics.serviceMonitor.enabled": True}, {"metrics.podMonitor.enabled": True}
BOARD, POLICY, HOSTS = {"metrics.dashboard.enabled": True}, {"networkPolicy.enabled": True}, {"hostPorts.enabled": True}
RELABEL = [{"action": "labeldrop", "regex": "seen-here"}]
PEER = [{"ipBlock": {"cidr": "203.0.113.0/24"}}]

# value -> (what it is set to, what then stands in a line that is new ("-": of one that is gone), values that it needs)
EFFECTS = {
    "nameOverride": ("other", "app.kubernetes.io/name: other"), "fullnameOverride": ("other", "name: other"),
    "commonLabels": ({"team": "seen"}, "team: seen"),
    "image.repository": ("registry.example.com/t", "image: registry.example.com/t:"), "image.tag": ("9.9", "toyou:9.9"),
    "image.digest": (DIGEST, "@" + DIGEST), "image.pullPolicy": ("Always", "imagePullPolicy: Always"),
    "imagePullSecrets": ([{"name": "pull"}], "name: pull"),
    "kind": ("DaemonSet", "kind: DaemonSet"), "replicas": (7, "replicas: 7"), "updateStrategy": ({"type": "Recreate"}, "type: Recreate"),
    "revisionHistoryLimit": (9, "revisionHistoryLimit: 9"), "annotations": ({"note": "seen"}, "note: seen"),
    "autoscaling.enabled": (True, "kind: HorizontalPodAutoscaler"), "autoscaling.minReplicas": (3, "minReplicas: 3", MANY),
    "autoscaling.maxReplicas": (33, "maxReplicas: 33", MANY),
    "autoscaling.targetCPUUtilizationPercentage": (55, "averageUtilization: 55", MANY),
    "autoscaling.targetWebSocketsPerPod": (5000, 'averageValue: "5000"', MANY),
    "autoscaling.scaleDownStabilizationSeconds": (77, "stabilizationWindowSeconds: 77", MANY),
    "podDisruptionBudget.enabled": (False, "-kind: PodDisruptionBudget"),
    "podDisruptionBudget.maxUnavailable": (3, "maxUnavailable: 3"),
    "podDisruptionBudget.minAvailable": (4, "minAvailable: 4", {"podDisruptionBudget.maxUnavailable": None}),
    "ingressClass.create": (False, "-kind: IngressClass"), "ingressClass.name": ("edge", "--legacy-class=edge"),
    "ingressClass.default": (True, "is-default-class"), "ingressClass.controllerName": ("example.com/c", "--controller-name=example.com/c"),
    "ingressClass.annotations": ({"note": "seen"}, "note: seen"),
    "crds.install": (False, "-kind: CustomResourceDefinition"),
    "drain.delay": (17, "--drain-delay=17s"), "drain.period": (333, "--drain-period=333s"),
    "terminationGracePeriodSeconds": (444, "terminationGracePeriodSeconds: 444"),
    "tls.secrets": (False, "--without-secrets"), "tls.shareTickets": (False, "---ticket-key-secret"),
    "tls.defaultCertificate": ("infra/all", "--default-certificate=infra/all"), "tls.minVersion": ("1.3", "--tls-min-version=1.3"),
    "tls.ciphers": ("ECDHE-RSA-AES128-GCM-SHA256", "--tls-ciphers=ECDHE"), "tls.redirectPort": (8444, "--tls-redirect-port=8444"),
    "proxyProtocol.mode": ("optional", "--proxy-protocol=optional", {"proxyProtocol.from": ["203.0.113.0/24"]}),
    "proxyProtocol.from": (["203.0.113.0/24"], "--proxy-protocol-from=203.0.113.0/24",
                           {"proxyProtocol.mode": "required", "proxyProtocol.from": ["198.51.100.0/24"]}),
    "log.level": ("trace", "--log-level=trace"), "log.format": ("text", "--log-format=text"),
    "watchNamespaces": (["shop"], "--watch-namespaces=shop"),
    "controller.watchWithoutClass": (True, "--watch-without-class"), "controller.hostOwnership": ("shared", "--host-ownership=shared"),
    "controller.defaultBackendService": ("infra/sorry:80", "--default-backend-service=infra/sorry:80"),
    "controller.publishAddresses": (["203.0.113.1"], "--publish-address=203.0.113.1"),
    "controller.extraArgs": (["--status-interval=9s"], "--status-interval=9s"),
    "controller.extraEnv": ([{"name": "SEEN", "value": "x"}], "name: SEEN"),
    "controller.extraVolumeMounts": ([{"name": "seen", "mountPath": "/seen"}], "mountPath: /seen"),
    "controller.resources": ({"requests": {"cpu": "777m"}}, "cpu: 777m"),
    "dataplane.workers": (5, "--workers=5"), "dataplane.maxConnections": (12345678, "--max-connections=12345678"),
    "dataplane.trustedProxies": (["203.0.113.0/24"], "--trusted-proxies=203.0.113.0/24"),
    "dataplane.headTimeout": ("7s", "--head-timeout=7s"),
    "dataplane.seccompLocalhostProfile": ("seen.json", "localhostProfile: seen.json"),
    "dataplane.extraArgs": (["--access-log=off"], "--access-log=off"), "dataplane.extraEnv": ([{"name": "SEEN", "value": "x"}], "name: SEEN"),
    "dataplane.extraVolumeMounts": ([{"name": "seen", "mountPath": "/seen"}], "mountPath: /seen"),
    "dataplane.resources": ({"requests": {"cpu": "777m"}}, "cpu: 777m"),
    "ports.http": (18080, "containerPort: 18080"), "ports.https": (18443, "--https-port=18443"),
    "ports.admin": (19901, "--admin-address=127.0.0.1:19901"), "ports.controllerAdmin": (19904, "--admin-address=127.0.0.1:19904"),
    "ports.controller": (19902, "--metrics-address=:19902"), "ports.dataplane": (19903, "--metrics-address=:19903"),
    "snapshot.sizeLimit": ("1Gi", "sizeLimit: 1Gi"), "extraVolumes": ([{"name": "seen", "emptyDir": {}}], "name: seen"),
    "podLabels": ({"team": "seen"}, "team: seen"), "podAnnotations": ({"note": "seen"}, "note: seen"),
    "hostNetwork": (True, "hostNetwork: true"), "hostPorts.enabled": (True, "hostPort: 80"), "hostPorts.http": (8081, "hostPort: 8081", HOSTS),
    "hostPorts.https": (8082, "hostPort: 8082", HOSTS), "dnsPolicy": ("Default", "dnsPolicy: Default"),
    "nodeSelector": ({"disk": "seen"}, "disk: seen"), "tolerations": ([{"key": "seen"}], "key: seen"),
    "affinity": ({"nodeAffinity": {"seen": "x"}}, "seen: x"), "topologySpreadConstraints": ([{"topologyKey": "rack"}], "topologyKey: rack"),
    "priorityClassName": ("high", "priorityClassName: high"), "runtimeClassName": ("gvisor", "runtimeClassName: gvisor"),
    "podSecurityContext": ({"fsGroup": 777}, "fsGroup: 777"), "securityContext": ({"privileged": False}, "privileged: false"),
    "serviceAccount.create": (False, "-kind: ServiceAccount", {"serviceAccount.name": "own"}),
    "serviceAccount.name": ("own", "serviceAccountName: own"), "serviceAccount.annotations": ({"note": "seen"}, "note: seen"),
    "rbac.create": (False, "-kind: ClusterRole"),
    "service.enabled": (False, "---publish-service"), "service.type": ("NodePort", "type: NodePort"),
    "service.annotations": ({"note": "seen"}, "note: seen"), "service.labels": ({"team": "seen"}, "team: seen"),
    "service.loadBalancerClass": ("example.com/lb", "loadBalancerClass: example.com/lb"),
    "service.loadBalancerSourceRanges": (["203.0.113.0/24"], "203.0.113.0/24"),
    "service.externalTrafficPolicy": ("Cluster", "externalTrafficPolicy: Cluster"), "service.clusterIP": ("203.0.113.9", "clusterIP: 203.0.113.9"),
    "service.ipFamilyPolicy": ("PreferDualStack", "ipFamilyPolicy: PreferDualStack"), "service.ipFamilies": (["IPv6"], 'ipFamilies: ["IPv6"]'),
    "service.http.enabled": (False, "-targetPort: http"), "service.http.port": (8000, "port: 8000"),
    "service.http.nodePort": (30080, "nodePort: 30080"), "service.https.enabled": (False, "-targetPort: https"),
    "service.https.port": (8001, "port: 8001"), "service.https.nodePort": (30443, "nodePort: 30443"),
    "metrics.enabled": (False, "-name: toyou-metrics"), "metrics.annotations": ({"note": "seen"}, "note: seen"),
    "metrics.labels": ({"team": "seen"}, "team: seen"), "metrics.job": ("edge", 'job="edge"', RULES),
    "metrics.serviceMonitor.enabled": (True, "kind: ServiceMonitor"), "metrics.podMonitor.enabled": (True, "kind: PodMonitor"),
    "metrics.prometheusRule.enabled": (True, "kind: PrometheusRule"), "metrics.dashboard.enabled": (True, "toyou.json"),
    "metrics.prometheusRule.alertLabels": ({"team": "seen"}, "team: seen", RULES),
    "metrics.prometheusRule.runbooks": ("https://wiki.example.com/t", "https://wiki.example.com/t#toyoudown", RULES),
    "metrics.prometheusRule.disabled": (["ToyouDown"], "-alert: ToyouDown", RULES),
    "metrics.prometheusRule.maxWebSocketsPerPod": (31000, "> 31000", RULES), "metrics.prometheusRule.maxErrorRatio": (0.31, "> 0.31", RULES),
    "metrics.prometheusRule.maxRefusedRatio": (0.32, "> 0.32", RULES), "metrics.prometheusRule.maxHandshakeSeconds": (3.3, "> 3.3", RULES),
    "metrics.prometheusRule.maxForwardSeconds": (0.34, "> 0.34", RULES), "metrics.prometheusRule.maxAbnormalCloseRatio": (0.35, "> 0.35", RULES),
    "metrics.prometheusRule.reconnectStormFactor": (36, "> 36 *", RULES), "metrics.prometheusRule.reconnectStormPerSecond": (37, "> 37", RULES),
    "metrics.dashboard.annotations": ({"folder": "seen"}, "folder: seen", BOARD),
    **{"metrics.%s.namespace" % part: ("seen", "namespace: seen", needs) for part, needs in
       (("serviceMonitor", SERVICES), ("podMonitor", PODS), ("prometheusRule", RULES), ("dashboard", BOARD))},
    **{"metrics.%s.labels" % part: ({"release": "seen"}, "release: seen", needs) for part, needs in
       (("serviceMonitor", SERVICES), ("podMonitor", PODS), ("prometheusRule", RULES), ("dashboard", BOARD))},
    **{"metrics.%s.%s" % (part, name): (value, words, needs) for part, needs in (("serviceMonitor", SERVICES), ("podMonitor", PODS))
       for name, value, words in (("interval", "77s", "interval: 77s"), ("scrapeTimeout", "6s", "scrapeTimeout: 6s"),
                                  ("relabelings", RELABEL, "regex: seen-here"), ("metricRelabelings", RELABEL, "metricRelabelings:"))},
    "networkPolicy.enabled": (True, "kind: NetworkPolicy"), "networkPolicy.trafficFrom": (PEER, "cidr: 203.0.113.0/24", POLICY),
    "networkPolicy.metricsFrom": (PEER, "cidr: 203.0.113.0/24", POLICY), "networkPolicy.egress": ([{"to": PEER}], "policyTypes: [Ingress, Egress]", POLICY),
    "helmTest.wait": ("77s", "--wait=77s"),
}
# Copied whole: what is below them is Kubernetes', not the chart's.
WHOLE = ("resources", "podSecurityContext", "securityContext", "metrics.dashboard.labels")


def paths(node, path=""):
    if isinstance(node, dict) and node and not path.endswith(WHOLE):
        for key, value in node.items():
            yield from paths(value, path + "." + key if path else key)
    else:
        yield path


@functools.lru_cache(None)
def lines(needed):
    # --set-json takes a value as it is; a dot in a name does not occur.
    arguments = [word for path, value in needed for word in ("--set-json", "%s=%s" % (path, value))]
    done = template(*arguments)
    assert done.returncode == 0, done.stderr
    return tuple(done.stdout.splitlines())


def test_every_value_stands_in_the_table():
    with open(os.path.join(CHART, "values.yaml"), encoding="utf-8") as file:
        assert sorted(paths(yaml.safe_load(file))) == sorted(EFFECTS)


@pytest.mark.parametrize("path", sorted(EFFECTS))
def test_a_value_has_its_effect(path):
    value, words, *needs = EFFECTS[path]
    needed = {other: json.dumps(given) for other, given in (needs[0] if needs else {}).items()}
    without = lines(tuple(needed.items()))
    given = lines((*needed.items(), (path, json.dumps(value))))
    gone = words.startswith("-") and not words.startswith("--") or words.startswith("---")
    new = collections.Counter(without) - collections.Counter(given) if gone else collections.Counter(given) - collections.Counter(without)
    assert [line for line in new if words.removeprefix("-" if gone else "") in line], sorted(new)
