"""The chart against a real API server: schemas, admission, Helm's whole life, and the rights of the controller."""
import contextlib
import json
import math
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse

import pytest
import yaml

from chart_rig import CHART, HELM, SETS, TOP, container, helm, namespace_of, of_set, one, render, rules, workload
from kube.kube_rig import LONG, Pair
from support import documents, manifests
from support.backends import Backend, serve_json
from support.toyou import Process
from support.wait import eventually
from support.websocket import Refused, WebSocket
from support.wire import fetch

CRD = "websocketroutes.toyou.dev"


def dry_run(cluster, objects):
    return cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", objects=objects, check=False)


def pod_of(objects):
    """The pod that the workload makes: Pod Security only warns about workloads, it refuses pods."""
    it = workload(objects)
    template = it["spec"]["template"]
    return {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
            "metadata": {**template["metadata"], "name": "pod", "namespace": it["metadata"]["namespace"]}}


@pytest.mark.parametrize("name", SETS)
def test_the_api_server_takes_every_value_set(cluster, name):
    namespace = namespace_of(name)
    objects = render(*of_set(name), namespace=namespace)
    done = dry_run(cluster, [*objects, pod_of(objects)])
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr  # of deprecated fields


@pytest.mark.parametrize("name", [name for name in SETS if namespace_of(name) == "privileged"])
def test_what_is_not_restricted_is_said_rightly(cluster, name):
    """Value sets that are marked so are really refused where pods are restricted."""
    done = dry_run(cluster, [pod_of(render(*of_set(name), namespace="restricted"))])
    assert done.returncode != 0 and "violates PodSecurity" in done.stderr


@pytest.mark.parametrize("folder", ["deploy", "deploy/demo"])
def test_kustomizations_apply(cluster, folder):
    cluster.kubectl("apply", "--server-side", "-f", os.path.join(TOP, "deploy", "crds.yaml"))
    cluster.await_crds("crd/" + CRD)
    text = subprocess.run(["kubectl", "kustomize", os.path.join(TOP, folder)], check=True, capture_output=True, text=True).stdout
    objects = list(yaml.safe_load_all(text))
    cluster.kubectl("apply", "-f", "-", objects=[o for o in objects if o["kind"] == "Namespace"])
    done = dry_run(cluster, [*objects, pod_of(objects)])
    assert done.returncode == 0, done.stderr
    cluster.kubectl("delete", "crd", CRD)


def objects_of(cluster, instance):
    """What there is of a release, in all kinds that the chart makes."""
    kinds = "deploy,ds,svc,sa,pdb,hpa,netpol,cm,lease,role,rolebinding,clusterrole,clusterrolebinding,ingressclass,crd"
    listed = json.loads(cluster.kubectl("get", kinds, "-A", "-o", "json", "-l", "app.kubernetes.io/instance=" + instance))
    return sorted("%s/%s" % (o["kind"], o["metadata"]["name"]) for o in listed["items"])


def run(*arguments):
    done = helm(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_install_upgrade_rollback_uninstall(cluster):
    assert cluster.kubectl("get", "crd", CRD, check=False).returncode != 0
    notes = run("install", "toyou", CHART, "-n", "life", "--create-namespace")
    for command in ("kubectl -n life rollout status deployment/toyou", "kubectl -n life get service toyou",
                    "kubectl create ingress hello --class=toyou"):
        assert command in notes
    assert "Deployment/toyou" in objects_of(cluster, "toyou")

    # A second one beside it, in its own namespace: the CRD stays the first one's.
    notes = run("install", "edge", CHART, "-n", "life2", "--create-namespace", "--set", "ingressClass.name=edge")
    assert "belongs to the release toyou in life" in notes
    before = objects_of(cluster, "edge")

    run("upgrade", "toyou", CHART, "-n", "life", "--set", "log.level=debug")
    deployment = json.loads(cluster.kubectl("get", "-n", "life", "deploy", "toyou", "-o", "json"))
    assert "--log-level=debug" in container([deployment], "dataplane")["args"]
    run("rollback", "toyou", "1", "-n", "life")
    deployment = json.loads(cluster.kubectl("get", "-n", "life", "deploy", "toyou", "-o", "json"))
    assert "--log-level=info" in container([deployment], "dataplane")["args"]

    run("uninstall", "toyou", "-n", "life")
    assert objects_of(cluster, "toyou") == ["CustomResourceDefinition/" + CRD]
    assert objects_of(cluster, "edge") == before
    # It comes back to its CRD.
    run("install", "toyou", CHART, "-n", "life")
    run("uninstall", "toyou", "-n", "life")
    run("uninstall", "edge", "-n", "life2")
    assert objects_of(cluster, "edge") == []
    cluster.kubectl("delete", "crd", CRD)


def test_an_upgrade_reaches_the_crd(cluster, tmp_path):
    newer = str(tmp_path / "toyou")
    shutil.copytree(CHART, newer)
    path = os.path.join(newer, "files", "crds", CRD + ".yaml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("shortNames: [wsr]", "shortNames: [wsr, wsroute]"))
    run("install", "toyou", CHART, "-n", "up", "--create-namespace")
    cluster.await_crds("crd/" + CRD)
    cluster.kubectl("apply", "-f", "-", objects=[manifests.websocket_route("kept", "kept.example.com", "a", "up")])
    run("upgrade", "toyou", newer, "-n", "up")
    crd = json.loads(cluster.kubectl("get", "crd", CRD, "-o", "json"))
    assert crd["spec"]["names"]["shortNames"] == ["wsr", "wsroute"]
    run("uninstall", "toyou", "-n", "up")
    assert cluster.kubectl("get", "-n", "up", "websocketroutes.toyou.dev", "-o", "name").strip().endswith("/kept")
    cluster.kubectl("delete", "-n", "up", "websocketroutes.toyou.dev", "kept")
    cluster.kubectl("delete", "crd", CRD)


def test_an_autoscaler_keeps_its_number_of_pods(cluster):
    """Switched on, and at each upgrade: no moment with one pod, and no quarrel about who sets the number."""
    def replicas():
        return json.loads(cluster.kubectl("get", "-n", "scaled", "deploy", "toyou", "-o", "json"))["spec"]["replicas"]

    run("install", "toyou", CHART, "-n", "scaled", "--create-namespace", "--set", "replicas=4")
    run("upgrade", "toyou", CHART, "-n", "scaled", "--set", "autoscaling.enabled=true")
    assert replicas() == 4
    cluster.kubectl("scale", "-n", "scaled", "deploy/toyou", "--replicas=7")  # as an autoscaler does
    run("upgrade", "toyou", CHART, "-n", "scaled", "--set", "autoscaling.enabled=true,log.level=debug")
    assert replicas() == 7
    run("uninstall", "toyou", "-n", "scaled")
    cluster.kubectl("delete", "crd", CRD)


def names_in(words):
    """What it does, to which release, in which namespace."""
    return words[1], next(word for word in words[2:] if word[0] != "-"), words[words.index("-n" if "-n" in words else "--namespace") + 1]


def ready_for(words):
    """Makes of the releases what somebody has who types this command."""
    order, release, namespace = names_in(words)
    there = helm("status", release, "-n", namespace).returncode == 0
    if order == "install" and there:
        run("uninstall", release, "-n", namespace)
    elif order in ("upgrade", "rollback", "uninstall") and not there and "--install" not in words:
        run("install", release, CHART, "-n", namespace, "--create-namespace")
    if order == "rollback":
        run("upgrade", release, CHART, "-n", namespace)


def applied_alone(cluster, command, release=("toyou", "toyou")):
    """`kubectl apply -k` of the plain manifests, where there is no release of the same name."""
    if helm("status", release[0], "-n", release[1]).returncode == 0:
        run("uninstall", release[0], "-n", release[1])
    words = shlex.split(command)
    subprocess.run(words, cwd=TOP, check=True)
    cluster.await_crds("crd/" + CRD)
    text = subprocess.run(["kubectl", "kustomize", os.path.join(TOP, words[-1])], check=True, capture_output=True, text=True).stdout
    # Nothing finishes the removal of a namespace here.
    gone = [o for o in yaml.safe_load_all(text) if o["kind"] not in ("Namespace", "CustomResourceDefinition")]
    cluster.kubectl("delete", "--wait=false", "-f", "-", objects=gone)


def test_commands_of_the_documents(cluster):
    """Each is run as it stands there, in the order of the documents. tests/node has those that need pods."""
    for namespace in ("shop", "chat"):
        cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("apply", "-f", "-", objects=[certificate_for("shop")])
    last = {}
    for command in documents.matching(r"helm (?!test)|kubectl (apply|annotate|label|delete|auth|get wsr|-n NAMESPACE get certificate)"):
        command = command.replace("REGISTRY", "registry.example.com").replace("NEW", "0.1.1").replace("NAMESPACE", "shop")
        if command == "kubectl apply -k deploy/":
            applied_alone(cluster, command)
            continue
        words = shlex.split(command)
        if words[0] == "helm" and words[1] != "template":
            ready_for(words)
        if HELM == "helm3" and words[0] == "helm":
            words = [HELM, *(word for word in words[1:] if word != "--force-conflicts")]
        done = subprocess.run(words, cwd=TOP, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stdout.strip(), (command, done.stderr)
        if "install" in words[:2] or "--install" in words:
            last.update([names_in(words)[1:]])
            cluster.await_crds("crd/" + CRD)
    for release, namespace in last.items():
        run("uninstall", release, "-n", namespace)
    cluster.kubectl("delete", "crd", CRD)


def certificate_for(namespace):
    return {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "web", "namespace": namespace},
            "spec": {"secretName": "web", "dnsNames": ["web.example.com"], "issuerRef": {"name": "letsencrypt", "kind": "ClusterIssuer"}}}


def test_objects_of_the_documents_for_cert_manager(cluster):
    """The API server takes them, with cert-manager's own schemas."""
    section = documents.read("docs/tls.md").split("## With cert-manager")[1]
    objects = list(yaml.safe_load_all(re.search(r"```yaml\n(.*?)```", section, re.DOTALL)[1]))
    assert [o["kind"] for o in objects] == ["ClusterIssuer", "Ingress"]
    done = dry_run(cluster, objects)
    assert done.returncode == 0, done.stderr
    objects[0]["spec"]["acme"]["solver"] = []  # a word that is not theirs
    assert 'unknown field "spec.acme.solver"' in dry_run(cluster, objects).stderr


# --- the controller with the rights, and the flags, that the chart gives it ---------------------------------

NAMESPACE, ADDRESS = "life3", "192.0.2.10"


def controller_flags(objects):
    """The chart's own, less what names places in a container."""
    ours = ("--source", "--snapshot-dir", "--admin-address", "--metrics-address", "--log-format")
    return [flag for flag in container(objects, "controller")["args"] if not flag.startswith(ours)]


def everything(namespace, backend, authority, class_name="toyou", domain="example.com"):
    """Objects that make the controller do all that it can do."""
    certificate = authority.issue("web." + domain)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web", "namespace": namespace},
              "type": "kubernetes.io/tls", "stringData": {"tls.crt": certificate.chain, "tls.key": certificate.key}}
    web = manifests.ingress("web", "web." + domain, "web", namespace)
    web["spec"]["tls"] = [{"hosts": ["web." + domain], "secretName": "web"}]
    ours = [web, manifests.ingress("lost", "lost." + domain, "nothing", namespace),
            manifests.websocket_route("chat", "chat." + domain, "web", namespace, origins={"allow": ["self"], "missing": "Deny"},
                                      limits={"maxConnections": 50})]
    for one_of_ours in ours:
        one_of_ours["spec"]["ingressClassName"] = class_name
    return [*manifests.service("web", [(backend.address, backend.port)], namespace), secret, *ours]


@contextlib.contextmanager
def installed(cluster, folder, namespace, *values):
    """The two programs with the account of an installed release, and with its flags."""
    run("install", "toyou", CHART, "-n", namespace, "--create-namespace", *values)
    cluster.await_crds("crd/" + CRD)
    cluster.api("PATCH", "/api/v1/namespaces/%s/services/toyou/status" % namespace,
                {"status": {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}}, "application/merge-patch+json")
    it = Pair(folder, cluster.ctl("kubeconfig", namespace, "toyou"))
    try:
        it.start_controller(*controller_flags(render(*values, namespace=namespace)))
        it.start_dataplane()
        yield it
    finally:
        it.stop()
        run("uninstall", "toyou", "-n", namespace)


@pytest.fixture(scope="module")
def web_backend():
    with Backend(serve_json("web"), addresses=(("198.18.1.1", 0),)) as made:
        yield made


@pytest.fixture(scope="module")
def pair(cluster, tmp_path_factory, authority, web_backend):
    with installed(cluster, tmp_path_factory.mktemp("pair"), NAMESPACE) as it:
        cluster.kubectl("apply", "-f", "-", objects=everything(NAMESPACE, web_backend, authority))
        yield it


def granted(objects):
    """(namespace, group, resource, verb); namespace "": in all of them, and what is in none."""
    return {(o["metadata"].get("namespace", ""), group, resource, verb)
            for o in objects if o["kind"] in ("ClusterRole", "Role") for rule in o["rules"]
            for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]}


def used(account, rights):
    """(allowed, refused) sets of the same that the audit log has of an account. What is done in a namespace counts as such where there
    is a right for it in this namespace, else as done with a right in all of them."""
    sets = ({}, {})
    with open(os.environ["CLUSTER_AUDIT"], encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            if event["user"]["username"] != account or "objectRef" not in event:
                continue
            ref = event["objectRef"]
            resource = "/".join(filter(None, (ref["resource"], ref.get("subresource"))))
            decision = event["annotations"].get("authorization.k8s.io/decision")
            action = (ref.get("apiGroup", ""), resource, event["verb"])
            here = (ref.get("namespace", ""), *action)
            sets[decision != "allow"][here if here in rights else ("", *action)] = True
    return set(sets[0]), set(sets[1])


def all_is_done(cluster, namespace):
    """Waits until the status of everything() is written."""
    def address():
        _, found = cluster.api("GET", "/apis/networking.k8s.io/v1/namespaces/%s/ingresses/web" % namespace)
        return [entry.get("ip") for entry in found["status"]["loadBalancer"].get("ingress", [])]

    def programmed():
        _, found = cluster.api("GET", "/apis/toyou.dev/v1alpha1/namespaces/%s/websocketroutes/chat" % namespace)
        return [c["status"] for c in found.get("status", {}).get("conditions", []) if c["type"] == "Programmed"]

    def events():
        return cluster.api("GET", "/apis/events.k8s.io/v1/namespaces/%s/events" % namespace)[1]["items"]

    eventually(lambda: address() == [ADDRESS], LONG)
    eventually(lambda: programmed() == ["True"], LONG)
    eventually(events, LONG)


def check_rights(account, rights):
    eventually(lambda: rights <= used(account, rights)[0], LONG)
    allowed, refused = used(account, rights)
    assert allowed == rights
    assert not refused
    assert not [verb for *_, verb in rights if verb in ("*", "delete", "deletecollection")]


def test_the_rights_are_those_that_are_used(cluster, pair):
    del pair
    all_is_done(cluster, NAMESPACE)
    check_rights("system:serviceaccount:%s:toyou" % NAMESPACE, granted(render(namespace=NAMESPACE)))


def test_no_deprecated_api_is_asked_for(cluster, pair):
    """By the controller, nor by Helm for the chart: the API server counts the requests for what will be gone."""
    del pair
    all_is_done(cluster, NAMESPACE)
    counted = re.findall(r'^apiserver_requested_deprecated_apis\{group="(.*?)",.*,resource="(.*?)",.*version="(.*?)"\}',
                         cluster.kubectl("get", "--raw", "/metrics"), re.MULTILINE)
    # Its own: it keeps the addresses of the Service "kubernetes". The controller has no right on them.
    assert counted == [("", "endpoints", "v1")]


def test_the_rights_in_namespaces_are_those_that_are_used(cluster, tmp_path, authority, web_backend):
    """watchNamespaces: nothing in the cluster, all of it in each of the namespaces."""
    home, watched = "life4", ("life4-a", "life4-b")
    values = ("--set", "watchNamespaces={%s},ingressClass.name=team" % ",".join(watched))
    for namespace in watched:
        cluster.kubectl("create", "namespace", namespace)
    with installed(cluster, tmp_path, home, *values):
        for namespace in watched:
            cluster.kubectl("apply", "-f", "-", objects=everything(namespace, web_backend, authority, "team", namespace + ".example.com"))
        for namespace in watched:
            all_is_done(cluster, namespace)
        rights = granted(render(*values, namespace=home))
        assert {namespace for namespace, *_ in rights} == {home, *watched}
        check_rights("system:serviceaccount:%s:toyou" % home, rights)
    left = json.loads(cluster.kubectl("get", "role,rolebinding", "-A", "-o", "json"))["items"]
    assert not [o["metadata"] for o in left if o["metadata"]["namespace"] in watched]


# Labels that Prometheus adds, or that a rule's own functions make.
OF_THE_TARGET = {"job", "pod", "pod_namespace", "instance", "container", "le"}


def expressions():
    for group in rules()["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    with open(os.path.join(CHART, "files", "dashboard.json"), encoding="utf-8") as file:
        board = json.load(file)
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]


def scrape(*texts):
    """metric -> the names of labels that its series have."""
    found = {}
    for text in texts:
        for line in text.splitlines():
            match = re.match(r"([a-z_]+)(?:\{(.*)\})? ", line)
            if match and not line.startswith("#"):
                found.setdefault(match.group(1), set()).update(re.findall(r'([a-z_]+)="', match.group(2) or ""))
    return found


def some_of_everything(pair):
    """Traffic of each kind that a metric counts."""
    http = pair.dataplane.http
    eventually(lambda: fetch(http, "/", host="web.example.com").status == 200, LONG)
    socket = WebSocket(http, "/", host="web.example.com")
    socket.echo("hello")
    socket.send_close()
    assert fetch(http, "/", host="nobody.example.com").status == 404
    with pytest.raises(Refused):  # no Origin
        WebSocket(http, "/", host="chat.example.com")


def test_metrics_of_alerts_and_dashboard_exist(pair):
    some_of_everything(pair)

    def missing():
        there = scrape(pair.dataplane.get("/metrics").text, pair.controller.get("/metrics").text)
        words = []
        for place, expression in expressions():
            for metric, matchers in re.findall(r"\b((?:toyou|process)_[a-z_]+)\b(?:\{([^}]*)\})?", expression):
                if metric not in there:
                    words.append("%s: no metric %s" % (place, metric))
                    continue
                asked = set(re.findall(r'([a-z_]+)\s*[=!]', matchers)) - OF_THE_TARGET
                words += ["%s: %s has no label %s" % (place, metric, label) for label in sorted(asked - there[metric])]
            grouped = {label for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in re.findall(r"\w+", labels)}
            known = set().union(*there.values()) | OF_THE_TARGET
            words += ["%s: nothing has a label %s" % (place, label) for label in sorted(grouped - known)]
        return words

    eventually(lambda: not missing(), 20)
    assert not missing()


@pytest.fixture
def prometheus(pair, tmp_path):
    """Debian's Prometheus with the chart's rules; it scrapes the pair as docs/monitoring.md says. Its API as a function."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules()))
    targets = [{"targets": ["127.0.0.1:%d" % process.admin], "labels": {"pod": "pod-1", "pod_namespace": NAMESPACE, "container": name}}
               for name, process in (("dataplane", pair.dataplane), ("controller", pair.controller))]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "toyou", "honor_labels": True, "static_configs": targets}]}))
    port = 9090  # the network is this test's own
    process = Process(["prometheus", "--config.file=%s" % (tmp_path / "config.yaml"), "--storage.tsdb.path=%s" % (tmp_path / "data"),
                       "--web.listen-address=127.0.0.1:%d" % port])
    process.await_log("Server is ready", LONG)
    yield lambda path, **query: fetch(port, path + "?" + urllib.parse.urlencode(query), host="127.0.0.1").json["data"]
    process.send_signal(signal.SIGTERM)
    process.wait()


def test_prometheus_has_data_for_the_whole_dashboard(pair, prometheus):
    def empty():
        some_of_everything(pair)
        words = []
        for place, expression in expressions():
            if place in names_of_alerts or expression.startswith("label_values"):
                continue
            query = re.sub(r"\$(namespace|route)", ".*", expression.replace("$job", "toyou").replace("$__rate_interval", "10s"))
            if not prometheus("/api/v1/query", query=query)["result"]:
                words.append("%s: %s" % (place, query))
        return words

    names_of_alerts = {rule["alert"] for group in rules()["groups"] for rule in group["rules"]}
    eventually(lambda: not empty(), LONG, every=2)
    evaluated = [rule for group in prometheus("/api/v1/rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in evaluated} == names_of_alerts
    eventually(lambda: all(rule["health"] == "ok" for group in prometheus("/api/v1/rules")["groups"] for rule in group["rules"]), LONG)


def adapter(prometheus, rule, metric, namespace, pods):
    """pod -> value, as prometheus-adapter gets them with a rule: of the series that seriesQuery finds, those called `metric`, with the
    labels that `resources` names, by the template metricsQuery."""
    label = {what["resource"]: name for name, what in rule["resources"]["overrides"].items()}
    found = {series["__name__"] for series in prometheus("/api/v1/series", **{"match[]": rule["seriesQuery"]})
             if {label["namespace"], label["pod"]} <= set(series)}
    assert metric in found
    filled = {"Series": metric, "GroupBy": label["pod"],
              "LabelMatchers": '%s="%s",%s=~"%s"' % (label["namespace"], namespace, label["pod"], "|".join(pods))}
    query = re.sub(r"<<\.(\w+)>>", lambda match: filled[match[1]], rule["metricsQuery"])
    return {one["metric"][label["pod"]]: float(one["value"][1]) for one in prometheus("/api/v1/query", query=query)["result"]}


def test_the_rule_for_prometheus_adapter(pair, prometheus):
    """docs/monitoring.md: it finds the live WebSockets of each pod, over all routes, and nobody else's."""
    section = documents.read("docs/monitoring.md").split("## Scaling on WebSockets")[1]
    (rule,) = yaml.safe_load(re.search(r"```yaml\n(.*?)```", section, re.DOTALL)[1])["rules"]
    metric = "toyou_websocket_active"
    origin = {"Origin": "http://chat.example.com"}
    live = [WebSocket(pair.dataplane.http, "/", host="web.example.com") for _ in range(2)]
    live.append(WebSocket(pair.dataplane.http, "/", host="chat.example.com", headers=origin))
    eventually(lambda: adapter(prometheus, rule, metric, NAMESPACE, ["pod-1", "pod-2"]) == {"pod-1": len(live)}, LONG, every=0.5)
    assert not adapter(prometheus, rule, metric, "default", ["pod-1"])
    for socket in live:
        socket.close()


def test_queries_in_sentences_of_the_documents(pair, prometheus):
    """Prometheus understands them, and has data for them; for any cause where one is named, because not all occur here."""
    some_of_everything(pair)
    queries = [query for name in documents.DOCUMENTS for query in re.findall(r"`((?:sum|up)\b[^`]*[({][^`]*)`", documents.read(name))]
    assert len(queries) >= 3
    for query in queries:
        eventually(lambda q=query: prometheus("/api/v1/query", query=re.sub(r"\[\dm\]", "[10s]", q.replace('{cause="drain"}', "")))["result"], LONG, every=0.5)


@pytest.mark.skipif("TOYOU_DRAW" not in os.environ, reason="TOYOU_DRAW=FILE.svg draws docs/dashboard.svg anew, in five minutes")
def test_draw_the_dashboard(pair, prometheus):
    """Clients that come and go, one of them refused now and then; then what the dashboard would show of it."""
    http, begin, live = pair.dataplane.http, time.monotonic(), []
    rng = random.Random(1)
    while (passed := time.monotonic() - begin) < 270:
        wanted = 40 + 30 * math.sin(passed / 40)
        if len(live) < wanted:
            host = "%s.example.com" % rng.choice(["web", "web", "chat"])
            live.append(WebSocket(http, "/", host=host, headers={"Origin": "http://" + host}))
        elif live:
            live.pop(rng.randrange(len(live))).close()
        for socket in rng.sample(live, min(5, len(live))):
            socket.echo("x" * rng.randrange(2000))
        fetch(http, "/page", host=rng.choice(["web.example.com"] * 9 + ["nobody.example.com"]))
        if rng.random() < 0.05:
            some_of_everything(pair)
        time.sleep(0.05)  # the pace of the clients
    assert prometheus("/api/v1/query", query="toyou_build_info")["result"]
    subprocess.run([sys.executable, os.path.join(TOP, "tests", "chart", "draw_dashboard.py"), "--minutes", "4.2", os.environ["TOYOU_DRAW"]],
                   check=True)
    for socket in live:
        socket.close()
