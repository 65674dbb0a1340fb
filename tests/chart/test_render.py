"""What the chart renders to, and what it refuses. Needs helm, no cluster."""
import glob
import json
import os
import re
import shlex
import subprocess

import pytest
import yaml

from chart_rig import CHART, SETS, TOP, container, helm, of_set, one, render, template, workload
from support import documents


def test_lint():
    done = helm("lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SETS)
def test_every_value_set_renders(name):
    objects = render(*of_set(name))
    assert workload(objects)
    names = [(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects]
    assert len(names) == len(set(names))
    done = helm("lint", "--strict", CHART, *of_set(name))
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_that_follow_from_others_are_in_step():
    """CRD, table of values and deploy/, which is also the golden render of the default values."""
    done = subprocess.run([os.path.join(TOP, "scripts", "render-deploy"), "--check"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_deploy_is_one_piece():
    done = subprocess.run(["kubectl", "kustomize", os.path.join(TOP, "deploy")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    objects = list(yaml.safe_load_all(done.stdout))
    assert {o["metadata"]["namespace"] for o in objects if "namespace" in o["metadata"]} == {"toyou"}
    assert one(objects, "Namespace")["metadata"]["name"] == "toyou"
    assert not [o for o in objects if "helm.sh/hook" in o["metadata"].get("annotations", {})]


REFUSED = [
    ("drain.delay=60,terminationGracePeriodSeconds=50", "an ending pod needs 100: drain.delay 60 + drain.period 30"),
    ("servce.type=ClusterIP", "additional properties 'servce' not allowed"),
    ("service.typ=ClusterIP", "additional properties 'typ' not allowed"),
    ("service.type=External", "/service/type"),
    ("kind=StatefulSet", "/kind"),
    ("replicas=two", "/replicas"),
    ("replicas=-1", "/replicas"),
    ("dataplane.trustedProxies={example.com}", "/dataplane/trustedProxies"),
    ("dataplane.headTimeout=10", "/dataplane/headTimeout"),
    ("dataplane.resources.limits.memory=512MB", "/dataplane/resources/limits/memory"),
    ("log.level=verbose", "/log/level"),
    ("image.digest=sha256:abc", "/image/digest"),
    ("drain.period=30s", "/drain/period"),
    ("ingressClass.name=Toyou", "/ingressClass/name"),
    ("controller.defaultBackendService=fallback", "/controller/defaultBackendService"),
    ("controller.extraArgs={log-level=debug}", "/controller/extraArgs"),
    ("metrics.prometheusRule.maxErrorRatio=5", "/metrics/prometheusRule/maxErrorRatio"),
    ("kind=DaemonSet,autoscaling.enabled=true", "needs kind Deployment"),
    ("autoscaling.enabled=true,autoscaling.minReplicas=11", "is above autoscaling.maxReplicas"),
    ("autoscaling.enabled=true,autoscaling.targetCPUUtilizationPercentage=0", "needs targetCPUUtilizationPercentage or"),
    ("metrics.serviceMonitor.enabled=true,metrics.podMonitor.enabled=true", "would count everything twice"),
    ("metrics.serviceMonitor.enabled=true,metrics.enabled=false", "needs the Service of metrics.enabled"),
    ("podDisruptionBudget.minAvailable=1", "exclude each other"),
    ("serviceAccount.create=false", "serviceAccount.name is needed"),
    ("proxyProtocol.mode=required", "needs proxyProtocol.from"),
    ("proxyProtocol.mode=yes", "/proxyProtocol/mode"),
    ("proxyProtocol.from={lb.example.com}", "/proxyProtocol/from/0"),
    ("tls.secrets=false,tls.defaultCertificate=a/b", "needs tls.secrets"),
    ("tls.defaultCertificate=only-a-name", "/tls/defaultCertificate"),
    ("tls.minVersion=1.1", "/tls/minVersion"),
    ("watchNamespaces={Shop}", "/watchNamespaces/0"),
    ("watchNamespaces={shop\\,shop}", "/watchNamespaces/0"),
    ("watchNamespaces={shop,shop}", "/watchNamespaces"),
    ("watchNamespaces={shop},tls.defaultCertificate=infra/wildcard", "tls.defaultCertificate is in namespace infra, which watchNamespaces"),
    ("watchNamespaces={shop},controller.defaultBackendService=infra/f:80", "controller.defaultBackendService is in namespace infra"),
    ("dataplane.seccompLocalhostProfile=/etc/profile.json", "/dataplane/seccompLocalhostProfile"),
    ("dataplane.seccompLocalhostProfile=../profile.json", "/dataplane/seccompLocalhostProfile"),
    ("ports.http=9901", "two of the ports are the same"),
    ("service.http.enabled=false,service.https.enabled=false", "are both disabled"),
]


@pytest.mark.parametrize("given,words", REFUSED, ids=[given.split(",")[0] for given, _ in REFUSED])
def test_wrong_values_are_refused_in_words(given, words):
    done = template("--set", given)
    assert done.returncode != 0
    assert words in done.stderr.replace("'/", "/"), done.stderr


@pytest.mark.parametrize("delay,period,seconds", [(15, 30, 55), (0, 0, 10), (30, 600, 640)])
def test_grace_is_as_long_as_the_drain(delay, period, seconds):
    objects = render("--set", "drain.delay=%d,drain.period=%d" % (delay, period))
    assert workload(objects)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == seconds
    arguments = container(objects, "dataplane")["args"]
    assert "--drain-delay=%ds" % delay in arguments and "--drain-period=%ds" % period in arguments


POD = "spec.template.spec."
# (values, kind of the object, where in it, what stands there)
CONSEQUENCES = [
    ("replicas=4", "Deployment", "spec.replicas", 4),
    ("kind=DaemonSet", "DaemonSet", "spec.updateStrategy.rollingUpdate", {"maxSurge": 0, "maxUnavailable": 1}),
    ("", "Deployment", "spec.strategy.rollingUpdate", {"maxSurge": 1, "maxUnavailable": 0}),
    ("updateStrategy.type=Recreate", "Deployment", "spec.strategy", {"type": "Recreate"}),
    ("autoscaling.enabled=true", "Deployment", "spec.replicas", None),
    ("autoscaling.enabled=true,autoscaling.minReplicas=3,autoscaling.maxReplicas=7", "HorizontalPodAutoscaler", "spec.maxReplicas", 7),
    ("autoscaling.enabled=true", "HorizontalPodAutoscaler", "spec.metrics.0.containerResource.target.averageUtilization", 70),
    ("autoscaling.enabled=true,autoscaling.targetWebSocketsPerPod=5000", "HorizontalPodAutoscaler", "spec.metrics.1.pods",
     {"metric": {"name": "toyou_websocket_active"}, "target": {"type": "AverageValue", "averageValue": "5000"}}),
    ("autoscaling.enabled=true,autoscaling.targetWebSocketsPerPod=9,autoscaling.targetCPUUtilizationPercentage=0",
     "HorizontalPodAutoscaler", "spec.metrics.1", None),
    # One pod in the time that a pod takes to drain.
    ("autoscaling.enabled=true,drain.period=300", "HorizontalPodAutoscaler", "spec.behavior.scaleDown.policies",
     [{"type": "Pods", "value": 1, "periodSeconds": 325}]),
    ("autoscaling.enabled=true,drain.period=3600", "HorizontalPodAutoscaler", "spec.behavior.scaleDown.policies.0.periodSeconds", 1800),
    ("autoscaling.enabled=true,drain.period=900", "HorizontalPodAutoscaler", "spec.behavior.scaleDown.stabilizationWindowSeconds", 925),
    ("podDisruptionBudget.maxUnavailable=30%", "PodDisruptionBudget", "spec.maxUnavailable", "30%"),
    ("podDisruptionBudget.maxUnavailable=null,podDisruptionBudget.minAvailable=2", "PodDisruptionBudget", "spec.minAvailable", 2),
    ("podDisruptionBudget.enabled=false", "PodDisruptionBudget", "", None),
    ("", "Deployment", POD + "topologySpreadConstraints.0.topologyKey", "topology.kubernetes.io/zone"),
    ("topologySpreadConstraints[0].topologyKey=rack", "Deployment", POD + "topologySpreadConstraints", [{"topologyKey": "rack"}]),
    ("affinity.nodeAffinity.x=y", "Deployment", POD + "affinity", {"nodeAffinity": {"x": "y"}}),
    ("tolerations[0].key=edge", "Deployment", POD + "tolerations", [{"key": "edge"}]),
    ("nodeSelector.disk=ssd", "Deployment", POD + "nodeSelector", {"disk": "ssd"}),
    ("priorityClassName=high", "Deployment", POD + "priorityClassName", "high"),
    ("runtimeClassName=gvisor", "Deployment", POD + "runtimeClassName", "gvisor"),
    ("imagePullSecrets[0].name=pull", "Deployment", POD + "imagePullSecrets", [{"name": "pull"}]),
    ("", "Deployment", POD + "containers.0.resources", {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}),
    ("", "Deployment", POD + "securityContext.runAsUser", 65532),
    ("", "Deployment", POD + "securityContext.seccompProfile", {"type": "RuntimeDefault"}),
    ("", "Deployment", POD + "containers.0.securityContext",
     {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}),
    ("", "Deployment", POD + "volumes.0.emptyDir", {"medium": "Memory", "sizeLimit": "64Mi"}),
    ("snapshot.sizeLimit=1Gi", "Deployment", POD + "volumes.0.emptyDir.sizeLimit", "1Gi"),
    ("terminationGracePeriodSeconds=500", "Deployment", POD + "terminationGracePeriodSeconds", 500),
    ("hostNetwork=true", "Deployment", POD + "dnsPolicy", "ClusterFirstWithHostNet"),
    ("hostPorts.enabled=true,hostPorts.http=8081", "Deployment", POD + "containers.0.ports.0.hostPort", 8081),
    ("podLabels.team=web", "Deployment", "spec.template.metadata.labels.team", "web"),
    ("podAnnotations.note=x", "Deployment", "spec.template.metadata.annotations.note", "x"),
    ("image.digest=sha256:%s" % ("a" * 64), "Deployment", POD + "containers.0.image", "toyou.dev/toyou@sha256:" + "a" * 64),
    ("", "Service", "spec.externalTrafficPolicy", "Local"), ("service.type=ClusterIP", "Service", "spec.externalTrafficPolicy", None),
    ("service.externalTrafficPolicy=Cluster", "Service", "spec.externalTrafficPolicy", "Cluster"),
    ("service.loadBalancerClass=example.com/lb", "Service", "spec.loadBalancerClass", "example.com/lb"),
    ("service.annotations.a=b", "Service", "metadata.annotations", {"a": "b"}),
    ("service.http.port=8080,service.https.enabled=false", "Service", "spec.ports",
     [{"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP"}]),
    ("ingressClass.default=true", "IngressClass", "metadata.annotations", {"ingressclass.kubernetes.io/is-default-class": "true"}),
    ("networkPolicy.enabled=true", "NetworkPolicy", "spec.policyTypes", ["Ingress"]),
    ("metrics.serviceMonitor.enabled=true", "ServiceMonitor", "spec.endpoints.0.honorLabels", True),
    ("metrics.podMonitor.enabled=true", "PodMonitor", "spec.podMetricsEndpoints.1.port", "controller"),
    ("metrics.dashboard.enabled=true", "ConfigMap", "metadata.labels.grafana_dashboard", "1"),
]


def at(node, path):
    """What stands at "a.0.b"; None: nothing."""
    for word in filter(None, path.split(".")):
        if isinstance(node, list):
            node = node[int(word)] if int(word) < len(node) else None
        else:
            node = (node or {}).get(word)
    return node


@pytest.mark.parametrize("values,kind,path,expected", CONSEQUENCES, ids=["%s %s" % (values or "default", kind) for values, kind, *_ in CONSEQUENCES])
def test_a_value_stands_where_it_belongs(values, kind, path, expected):
    objects = [o for o in render("--set", values) if o["kind"] == kind and not o["metadata"]["name"].endswith(("-metrics", "-test"))]
    assert len(objects) == (0 if path == "" else 1)
    assert at(objects[0], path) == expected if objects else expected is None


ARGUMENTS = [
    ("log.level=debug,log.format=text", "controller", ["--log-level=debug", "--log-format=text"]),
    ("log.level=debug,log.format=text", "dataplane", ["--log-level=debug", "--log-format=text"]),
    ("dataplane.trustedProxies={10.0.0.0/8,192.0.2.0/24}", "dataplane", ["--trusted-proxies=10.0.0.0/8,192.0.2.0/24"]),
    ("proxyProtocol.mode=optional,proxyProtocol.from={10.0.0.0/8}", "dataplane", ["--proxy-protocol=optional", "--proxy-protocol-from=10.0.0.0/8"]),
    ("tls.defaultCertificate=a/b", "controller", ["--default-certificate=a/b"]), ("tls.secrets=false", "controller", ["--without-secrets"]),
    ("dataplane.maxConnections=5000000", "dataplane", ["--max-connections=5000000"]), ("dataplane.workers=3", "dataplane", ["--workers=3"]),
    ("controller.publishAddresses={192.0.2.1,lb.example.com}", "controller", ["--publish-address=192.0.2.1", "--publish-address=lb.example.com"]),
    ("", "controller", ["--publish-service=toyou/toyou", "--lease-name=toyou-status", "--admin-address=127.0.0.1:9904", "--metrics-address=:9902"]),
    ("", "dataplane", ["--admin-address=127.0.0.1:9901", "--metrics-address=:9903"]),
    ("dataplane.extraArgs={--head-timeout=3s}", "dataplane", ["--head-timeout=3s"]), ("controller.hostOwnership=shared", "controller", ["--host-ownership=shared"]),
]


@pytest.mark.parametrize("values,name,expected", ARGUMENTS, ids=["%s %s" % (values or "default", name) for values, name, _ in ARGUMENTS])
def test_a_value_becomes_a_flag(values, name, expected):
    arguments = container(render("--set", values), name)["args"]
    assert sorted(set(arguments) & set(expected)) == sorted(expected)


def test_only_the_controller_gets_a_token():
    objects = render()
    assert workload(objects)["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    mounts = {name: {m["name"] for m in container(objects, name)["volumeMounts"]} for name in ("controller", "dataplane")}
    assert mounts == {"controller": {"snapshot", "token"}, "dataplane": {"snapshot"}}


def test_a_seccomp_profile_is_for_the_dataplane_alone():
    objects = render(*of_set("io-uring"))
    profiles = {name: container(objects, name)["securityContext"].get("seccompProfile") for name in ("controller", "dataplane")}
    assert profiles == {"controller": None, "dataplane": {"type": "Localhost", "localhostProfile": "toyou-io-uring.json"}}
    assert container(objects, "dataplane")["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert workload(objects)["spec"]["template"]["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def rights_on(objects, resource):
    return {(o["kind"], o["metadata"].get("namespace")) for o in objects if o["kind"] in ("Role", "ClusterRole")
            for rule in o["rules"] if resource in rule["resources"] and "resourceNames" not in rule}


@pytest.mark.parametrize("secrets", [True, False])
def test_namespaces_have_roles_of_their_own(secrets):
    values = "watchNamespaces={shop,chat},tls.secrets=" + str(secrets).lower()
    objects = render("--set", values)
    assert not [o for o in objects if o["kind"] in ("ClusterRole", "ClusterRoleBinding")]
    there = {("Role", "shop"), ("Role", "chat")}
    assert rights_on(objects, "ingresses") == there
    assert rights_on(objects, "secrets") == (there if secrets else set())
    assert rights_on(objects, "ingressclasses") == set()
    bound = {o["metadata"]["namespace"]: o["subjects"] for o in objects if o["kind"] == "RoleBinding"}
    account = {"kind": "ServiceAccount", "name": "toyou", "namespace": "toyou"}
    assert bound == {"shop": [account], "chat": [account], "toyou": [account]}
    assert "--watch-namespaces=shop,chat" in container(objects, "controller")["args"]
    assert "--legacy-class=toyou" in container(objects, "controller")["args"]


@pytest.mark.parametrize("values,own", [
    ("watchNamespaces={shop}", True), ("watchNamespaces={shop,toyou}", False), ("watchNamespaces={shop},service.enabled=false", False),
    ("watchNamespaces={shop},controller.publishAddresses={192.0.2.1}", False), ("replicas=1", False)])
def test_its_own_service_is_watched_by_name_where_nothing_else_shows_it(values, own):
    lease = one(render("--set", values), "Role", "-lease")
    named = [rule for rule in lease["rules"] if rule["resources"] == ["services"]]
    assert [rule["resourceNames"] for rule in named] == ([["toyou"]] if own else [])


def test_a_default_class_needs_no_ingress_class_to_be_read():
    for values, expected in (("watchNamespaces={a},ingressClass.default=true", True), ("ingressClass.default=true", False)):
        assert ("--watch-without-class" in container(render("--set", values), "controller")["args"]) is expected


def hooks(objects):
    return {o["kind"]: o for o in objects if "helm.sh/hook" in o["metadata"].get("annotations", {})}


@pytest.mark.parametrize("values,kinds,namespace", [
    ((), {"Service", "Ingress", "Pod"}, "toyou"), (("--set", "watchNamespaces={a,b}"), {"Service", "Ingress", "Pod"}, "a"),
    (("--set", "watchNamespaces={a,toyou}"), {"Service", "Ingress", "Pod"}, "toyou"),
    (("--set", "service.enabled=false"), {"Pod"}, "toyou"), (("--set", "service.http.enabled=false"), {"Pod"}, "toyou"),
    (("--set", "service.enabled=false,metrics.enabled=false"), set(), None)])
def test_helm_test_cleans_up(values, kinds, namespace):
    found = hooks(render(*values))
    assert set(found) == kinds
    for o in found.values():
        assert o["metadata"]["annotations"]["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded,hook-failed"
        assert o["metadata"]["namespace"] == namespace
    if "Ingress" in kinds:
        host = found["Ingress"]["spec"]["rules"][0]["host"]
        assert "--host=" + host in found["Pod"]["spec"]["containers"][0]["args"]
        selector = found["Service"]["spec"]["selector"]
        assert selector.items() <= found["Pod"]["metadata"]["labels"].items()
        # The release's own Service must not take it for one of its pods.
        assert not one(render(*values, "--skip-tests"), "Service", "toyou")["spec"]["selector"].items() <= found["Pod"]["metadata"]["labels"].items()


def test_two_installations_share_no_name():
    """Side by side: in one namespace, and with one name in two namespaces."""
    def names(objects):
        return {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects}

    first = render("--set", "ingressClass.name=a", "--skip-tests")
    for other in (render("--set", "ingressClass.name=b,crds.install=false", "--skip-tests", release="other"),
                  render("--set", "ingressClass.name=b,crds.install=false", "--skip-tests", namespace="elsewhere")):
        assert not names(first) & names(other)
        classes = {one(objects, "IngressClass")["spec"]["controller"] for objects in (first, other)}
        assert len(classes) == 2
        for objects in (first, other):
            controller = one(objects, "IngressClass")["spec"]["controller"]
            assert "--controller-name=" + controller in container(objects, "controller")["args"]


def test_the_default_class_keeps_its_controller_name():
    assert one(render(), "IngressClass")["spec"]["controller"] == "toyou.dev/ingress-controller"


def test_a_new_chart_version_restarts_no_pod():
    """Nothing in the pod names the chart's version, so an upgrade without a new image rolls nothing."""
    assert "helm.sh/chart" not in json.dumps(workload(render())["spec"]["template"])


def values_paths(node, path=()):
    if not isinstance(node, dict) or not node:
        yield path
        return
    for key, value in node.items():
        yield from values_paths(value, path + (key,))


def test_schema_and_values_name_the_same():
    with open(os.path.join(CHART, "values.yaml"), encoding="utf-8") as file:
        values = yaml.safe_load(file)
    with open(os.path.join(CHART, "values.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)

    def schema_paths(node, path=()):
        properties = node.get("properties")
        if not properties:
            yield path
            return
        for key, value in properties.items():
            yield from schema_paths(value, path + (key,))

    def reaches(path, paths):
        return any(other[:len(path)] == path or path[:len(other)] == other for other in paths)

    in_values, in_schema = set(values_paths(values)), set(schema_paths(schema)) - {("global",)}
    assert not [".".join(p) for p in in_schema if not reaches(p, in_values)]
    assert not [".".join(p) for p in in_values if not reaches(p, in_schema)]


def test_every_value_is_used_and_described():
    with open(os.path.join(CHART, "values.yaml"), encoding="utf-8") as file:
        values = yaml.safe_load(file)
    with open(os.path.join(CHART, "README.md"), encoding="utf-8") as file:
        described = set(re.findall(r"^\| `([A-Za-z.]+)` \|", file.read(), re.MULTILINE))
    templates = ""
    for folder, _, files in os.walk(os.path.join(CHART, "templates")):
        for name in files:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                templates += file.read()
    for path in values_paths(values):
        text = ".".join(path)
        above = [".".join(path[:n]) for n in range(1, len(path) + 1)]
        assert any(part in described for part in above), text + " has no comment"
        # What is below a documented map (resources, securityContext) is copied whole.
        last = [part for part, name in zip(path, above) if name in described][-1]
        assert re.search(r"\.%s\b" % last, templates), text + " is used nowhere"


HELM_COMMANDS = sorted({(name, command) for name, command in documents.commands() if " charts/toyou" in command})


@pytest.mark.parametrize("name,command", HELM_COMMANDS, ids=[command[:60] for _, command in HELM_COMMANDS])
def test_helm_commands_of_the_documents(name, command):
    """Each is rendered instead of installed."""
    words = shlex.split(command)
    words = [word for word in words[1:] if word not in ("install", "upgrade", "template", "--install", "--create-namespace", "--reuse-values",
                                                    "--force-conflicts")]
    words[words.index("charts/toyou")] = CHART
    done = helm("template", *words)
    assert done.returncode == 0, (name, done.stderr)


FLAGS = sorted({flags for name in documents.DOCUMENTS for flags in re.findall(r"`(--set[^`]*)`", documents.read(name))})


@pytest.mark.parametrize("flags", FLAGS)
def test_flags_in_sentences_of_the_documents(flags):
    render("--set", "metrics.serviceMonitor.enabled=true", *shlex.split(flags))


def test_every_command_of_the_documents_is_run_by_a_test():
    """Whoever runs some gets them from documents.matching()."""
    patterns = []
    for folder in ("chart", "node"):
        for name in glob.glob(os.path.join(TOP, "tests", folder, "*.py")):
            with open(name, encoding="utf-8") as file:
                patterns += re.findall(r'documents\.matching\(r"(.*?)"\)', file.read())
    assert len(patterns) > 5
    assert not [command for _, command in documents.commands() if not any(re.match(pattern, command) for pattern in patterns)]


def test_the_overlay_of_the_documents(tmp_path):
    """docs/install.md, "Without Helm": the image is replaced in all containers."""
    (overlay,) = re.findall(r"```yaml\n(.*?)```", documents.read("docs/install.md"), re.DOTALL)
    overlay = overlay.replace("https://…/deploy", os.path.relpath(os.path.join(TOP, "deploy"), tmp_path)).replace("REGISTRY", "registry.example.com")
    (tmp_path / "kustomization.yaml").write_text(overlay)
    done = subprocess.run(["kubectl", "kustomize", str(tmp_path)], check=True, capture_output=True, text=True)
    objects = list(yaml.safe_load_all(done.stdout))
    assert {container(objects, name)["image"] for name in ("controller", "dataplane")} == {"registry.example.com/toyou:0.1.0"}


def shared_libraries(program):
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"=> (/\S+)", listed))


def test_the_image_has_the_libraries_of_the_programs():
    """scripts/packages, group "image": with what it depends on, it has every shared library, and nothing else."""
    from support.toyou import program
    with open(os.path.join(TOP, "scripts", "packages"), encoding="utf-8") as file:
        named = {line.split()[1] for line in file if line.startswith("image ")}
    libraries = set()
    for name in ("toyou", "toyou-controller", "toyou-dataplane"):
        libraries |= shared_libraries(program(name))
    needed = set()
    for library in libraries:
        # Packages name files below /lib, where /lib is a link to /usr/lib today.
        owners = subprocess.run(["dpkg", "-S", library, os.path.realpath(library), "/usr" + library], capture_output=True,
                                text=True, check=False).stdout
        needed.add(owners.split(":")[0])
    closure, todo = set(), list(named)
    while todo:
        package = todo.pop()
        if package in closure:
            continue
        closure.add(package)
        depends = subprocess.run(["dpkg-query", "-W", "-f", "${Depends}", package], capture_output=True, text=True,
                                 check=False).stdout
        todo += re.findall(r"(?:^|, )([a-z0-9.+-]+)", depends)
    assert needed <= closure
    assert named <= needed
