"""watchNamespaces: rights in some namespaces, none in the cluster, and nothing seen of the others."""
import json

import pytest

from kube_rig import LONG, Controller, Pair, chart
from support import manifests
from support.backends import Backend, serve_json
from support.wait import eventually
from support.wire import fetch

HOME, CLASS, LOAD_BALANCER = "scoped", "scoped", "192.0.2.44"
IN, OUT = ("scoped-a", "scoped-b"), "scoped-c"


def values(*namespaces):
    return ("--set", "watchNamespaces={%s},ingressClass.name=%s,crds.install=false" % (",".join(namespaces), CLASS))


def install(cluster, *namespaces):
    """What the chart makes for the controller, and the flags that it gives to it."""
    for name in (HOME, *IN, OUT):
        cluster.api("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    objects = chart(HOME, *values(*namespaces))
    assert not [o for o in objects if o["kind"].startswith("ClusterRole")]
    kinds = ("ServiceAccount", "Role", "RoleBinding", "Lease", "Service", "IngressClass")
    cluster.kubectl("apply", "-f", "-", objects=[o for o in objects if o["kind"] in kinds])
    deployment = next(o for o in objects if o["kind"] == "Deployment")
    places = ("--source", "--snapshot-dir", "--admin-address", "--metrics-address", "--log-format")
    (controller,) = deployment["spec"]["template"]["spec"]["initContainers"]
    return [flag for flag in controller["args"] if not flag.startswith(places)]


@pytest.fixture(scope="module")
def scoped(cluster, tmp_path_factory):
    flags = install(cluster, *IN)
    answered = cluster.api("PATCH", "/api/v1/namespaces/%s/services/toyou/status" % HOME,
                           {"status": {"loadBalancer": {"ingress": [{"ip": LOAD_BALANCER}]}}}, "application/merge-patch+json")
    assert answered[0] == 200
    pair = Pair(tmp_path_factory.mktemp("scoped"), cluster.ctl("kubeconfig", HOME, "toyou"))
    pair.start_controller(*flags)
    pair.start_dataplane()
    yield pair
    pair.stop()


@pytest.fixture(scope="module")
def backend():
    with Backend(serve_json("scoped"), addresses=(("198.18.200.1", 0),)) as made:
        yield made


def objects_in(namespace, backend):
    web = manifests.ingress("web", "web.%s.test" % namespace, "web", namespace)
    chat = manifests.websocket_route("chat", "chat.%s.test" % namespace, "web", namespace, protocols=["HTTP"])
    web["spec"]["ingressClassName"] = chat["spec"]["ingressClassName"] = CLASS
    return [*manifests.service("web", [(backend.address, backend.port)], namespace), web, chat]


def status_of(cluster, namespace, plural, name, group):
    found = cluster.api("GET", "/apis/%s/namespaces/%s/%s/%s" % (group, namespace, plural, name))
    assert found[0] == 200, found
    return found[1].get("status", {})


def addresses(cluster, namespace):
    status = status_of(cluster, namespace, "ingresses", "web", "networking.k8s.io/v1")
    return [entry.get("ip") for entry in status["loadBalancer"].get("ingress", [])]


def programmed(cluster, namespace):
    status = status_of(cluster, namespace, "websocketroutes", "chat", "toyou.dev/v1alpha1")
    return [c["status"] for c in status.get("conditions", []) if c["type"] == "Programmed"]


def test_what_is_in_the_namespaces_is_served_and_nothing_else(cluster, scoped, backend):
    # Those that must not be seen come first: when the others are served, they would be, too.
    cluster.kubectl("apply", "-f", "-", objects=objects_in(OUT, backend))
    for namespace in IN:
        cluster.kubectl("apply", "-f", "-", objects=objects_in(namespace, backend))
    http = scoped.dataplane.http
    for namespace in IN:
        for name in ("web", "chat"):
            eventually(lambda: fetch(http, host="%s.%s.test" % (name, namespace)).status == 200, LONG)  # noqa: B023
        eventually(lambda: addresses(cluster, namespace) == [LOAD_BALANCER], LONG)  # noqa: B023
        eventually(lambda: programmed(cluster, namespace) == ["True"], LONG)  # noqa: B023
    for name in ("web", "chat"):
        assert fetch(http, host="%s.%s.test" % (name, OUT)).status == 404
    assert addresses(cluster, OUT) == [] and programmed(cluster, OUT) == []
    with open(scoped.snapshots + "/status.json", encoding="utf-8") as file:
        seen = {entry["namespace"] for entry in json.load(file)["objects"]}
    assert seen == set(IN)
    metrics = scoped.controller.metrics()
    assert metrics['toyou_controller_objects{kind="Ingress"}'] == 2
    watched = {name for name in metrics if name.startswith("toyou_controller_watch_connected{")}
    kinds = ("Ingress", "WebSocketRoute", "Service", "EndpointSlice", "Secret", "AuthoritySecret")
    assert watched == {'toyou_controller_watch_connected{kind="%s",namespace="%s"}' % (kind, namespace)
                       for namespace in IN for kind in kinds} | {
                           'toyou_controller_watch_connected{kind="%s",namespace="%s"}' % (kind, HOME)
                           for kind in ("Service", "TicketKeySecret")}


def test_the_account_can_do_nothing_elsewhere(cluster, scoped):
    del scoped
    account = "--as=system:serviceaccount:%s:toyou" % HOME

    def may(verb, what, *where):
        return cluster.kubectl("auth", "can-i", verb, what, account, *where, check=False).stdout.strip() == "yes"

    assert may("list", "ingresses", "-n", IN[0]) and may("list", "services/toyou", "-n", HOME)
    for resource in ("ingresses", "services", "secrets", "websocketroutes.toyou.dev", "endpointslices"):
        assert not may("list", resource, "-A") and not may("list", resource, "-n", OUT), resource
    assert not may("list", "ingressclasses") and not may("list", "services", "-n", HOME)
    assert not may("list", "secrets", "-n", HOME)


def test_a_namespace_without_rights_is_named(cluster, tmp_path):
    """The controller is not ready, and says for which namespace; once it has the rights, it is."""
    flags = install(cluster, *IN)
    given = [flag if not flag.startswith("--watch-namespaces") else "--watch-namespaces=%s,%s" % (IN[0], OUT) for flag in flags]
    controller = Controller(str(tmp_path / "snapshots"), cluster.ctl("kubeconfig", HOME, "toyou"), *given)
    try:
        controller.await_admin()
        words = "Ingress in %s: list: 403 Forbidden" % OUT
        answer = eventually(lambda: (a := controller.get("/readyz")).status == 503 and words in a.text and a, LONG)
        assert answer.text.startswith("not ready: ") and " in %s" % IN[0] not in answer.text
        controller.await_log("403 Forbidden: ingresses.networking.k8s.io is forbidden")
        metrics = controller.metrics()
        assert metrics['toyou_controller_watch_connected{kind="Ingress",namespace="%s"}' % OUT] == 0
        assert metrics["toyou_controller_input_problems"] >= 1
        install(cluster, IN[0], OUT)
        answer = eventually(lambda: (a := controller.get("/readyz")).status == 200 and a, LONG)
        eventually(lambda: "problem" not in controller.get("/readyz").text, LONG)
    finally:
        controller.stop()
        cluster.kubectl("delete", "role,rolebinding", "-n", OUT, "--all")
