"""What is missing is said in one sentence: in the log, at /readyz and in a metric; traffic goes on."""
import json
import os

from kube_rig import LONG
from support import manifests
from support.toyou import TOP
from support.wait import eventually

CRD = os.path.join(TOP, "crds")


def connected(controller, kind):
    return controller.watch_count("connected", kind) == 1


def test_a_class_that_is_nobodys_is_said(space, make_pair):
    pair = make_pair()
    pair.start_controller("--controller-name", "nobody.example.com/c", "--lease-name", "none")
    words = 'no IngressClass has spec.controller "nobody.example.com/c"'
    eventually(lambda: "problem: " + words in pair.controller.get("/readyz").text, LONG)
    eventually(lambda: pair.controller.get("/readyz").status == 200, LONG)  # the first snapshot may still be under way
    assert words in pair.controller.get("/readyz").text
    assert pair.controller.metrics()["toyou_controller_warnings"] == 1
    pair.controller.await_log("no IngressClass has spec.controller", LONG)
    own_class = {**manifests.ingress_class("nobody-" + space.name), "spec": {"controller": "nobody.example.com/c"}}
    space.apply(own_class)
    eventually(lambda: "problem" not in pair.controller.get("/readyz").text, LONG)
    assert pair.controller.metrics()["toyou_controller_warnings"] == 0
    space.cluster.kubectl("delete", "ingressclass", own_class["metadata"]["name"])


def test_a_missing_crd_is_said_and_ingresses_are_served(space, make_pair):
    host, cluster = space.host(), space.cluster
    space.apply(*space.service("web", space.backend()), space.ingress("web", host, "web"))
    cluster.kubectl("delete", "-f", CRD)
    pair = make_pair()
    try:
        pair.start_controller("--publish-address", "192.0.2.10", "--lease-name", "none")
        pair.start_dataplane()
        space.http = pair.dataplane.http
        space.serves(host)
        words = "WebSocketRoute: not defined in this cluster: install the CustomResourceDefinition of this release"
        eventually(lambda: words in pair.controller.get("/readyz").text, LONG)
        assert pair.controller.get("/readyz").status == 200 and pair.dataplane.get("/readyz").status == 200
        eventually(lambda: connected(pair.controller, "Ingress"), LONG)  # the watch may begin after what its list gave is served
        assert not connected(pair.controller, "WebSocketRoute")
        pair.controller.await_log("not defined in this cluster", LONG)
    finally:
        cluster.kubectl("apply", "-f", CRD)
        cluster.await_crds("crd/websocketroutes.toyou.dev")
    eventually(lambda: connected(pair.controller, "WebSocketRoute"), LONG)
    eventually(lambda: "problem" not in pair.controller.get("/readyz").text, LONG)
    later = space.host("later")
    space.apply(space.route("later", later, "web", protocols=["HTTP"]))
    space.serves(later)


def test_a_crd_that_is_older_is_said(space, make_pair):
    """A field that this release reads, and the API server drops: what asks for it would be served without it."""
    cluster = space.cluster
    crd = json.loads(cluster.kubectl("get", "crd", "websocketroutes.toyou.dev", "-o", "json"))
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["origins"]
    crd["metadata"] = {"name": crd["metadata"]["name"]}
    pair = make_pair()
    try:
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", objects=[{
            "apiVersion": crd["apiVersion"], "kind": crd["kind"], "metadata": crd["metadata"], "spec": crd["spec"]}])
        pair.start_controller("--publish-address", "192.0.2.10", "--lease-name", "none")
        words = "WebSocketRoute: the CustomResourceDefinition is older than this release: it has no spec.origins.allow and 1 more"
        eventually(lambda: words in pair.controller.get("/readyz").text, LONG)
        eventually(lambda: connected(pair.controller, "WebSocketRoute"), LONG)
        assert pair.controller.metrics()["toyou_controller_input_problems"] == 1
    finally:
        cluster.kubectl("replace", "-f", CRD)
    eventually(lambda: "problem" not in pair.controller.get("/readyz").text, LONG)
    assert [line for line in pair.controller.err if "older than this release" in line]


def test_without_an_api_server_a_restarted_controller_says_so_and_its_dataplane_serves(space, make_pair):
    host = space.host()
    space.apply(*space.service("web", space.backend()), space.ingress("web", host, "web"))
    pair = make_pair()
    pair.start_controller("--publish-address", "192.0.2.10", "--lease-name", "none")
    pair.start_dataplane()
    space.http = pair.dataplane.http
    space.serves(host)
    pair.controller.stop()
    space.cluster.ctl("kill", "apiserver")
    try:
        pair.launch_controller("--publish-address", "192.0.2.10", "--lease-name", "none")
        eventually(lambda: pair.controller.get("/readyz").text.count("problem: ") == 8, LONG)  # one a watch
        answer = pair.controller.get("/readyz")
        assert answer.status == 503 and "Ingress: list: " in answer.text
        assert pair.controller.metrics()["toyou_controller_input_problems"] == 8
        assert space.fetch(host).status == 200 and pair.dataplane.get("/readyz").status == 200
    finally:
        space.cluster.ctl("start", "apiserver")
    eventually(lambda: pair.controller.get("/readyz").status == 200, LONG)
    assert space.fetch(host).status == 200
