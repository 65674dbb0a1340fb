"""Objects in, traffic and status out: real objects at a real API server, real clients, real backends."""
import json
import signal
import statistics
import time

import pytest

from kube_rig import ADDRESS, LONG
from support.backends import is_upgrade, serve_json
from support.wait import eventually
from support.websocket import Refused
from support.wire import Connection, chunked


def backend_name(answer):
    return answer.json["backend"]


def streams_events(peer):
    """SSE: one event at once, the next when a second request asks for it."""
    request = peer.request()
    assert not is_upgrade(request)
    peer.respond(200, b"", [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
    peer.send(chunked(b"data: one\n\n")[:-5])  # without the last chunk
    peer.wait_for_end()


def opened_stream(space, host, target):
    """A connection with a stream of events open on it; None while something else answers."""
    client = Connection(space.http)
    client.send_request(target, host=host, headers=[("Accept", "text/event-stream")])
    head = client.head()
    if head.status == 200 and head.headers.get("Content-Type") == "text/event-stream":
        return client
    client.close()
    return None


def test_an_ingress_serves_http_sse_and_websocket_and_shows_its_address(space):
    backend, events = space.backend(), space.backend(streams_events)
    host = space.host()
    space.apply(*space.service("web", backend), *space.service("events", events), space.ingress("web", host, "web"),
                space.ingress("events", host, "events", path="/events"))
    space.serves(host)
    answer = space.fetch(host, "/a/b?c")
    assert answer.json["path"] == "/a/b?c" and answer.json["host"] == host
    # Ingress by Ingress, and each kind on a watch of its own: the second one may come after the first one serves.
    with eventually(lambda: opened_stream(space, host, "/events"), LONG) as client:
        assert b"data: one" in client.stream.exactly(15)
    ws = space.websocket(host, "/chat")
    ws.message()  # the backend tells what it received
    assert ws.echo("hello") == "hello"
    ws.close()
    assert eventually(lambda: space.addresses("web"), LONG) == [
        {"ip": ADDRESS, "ports": [{"port": 80, "protocol": "TCP"}]}]


def test_a_route_is_accepted_resolved_and_programmed(space):
    backend = space.backend()
    space.apply(*space.service("chat", backend), space.route("chat", space.host(), "chat"))
    assert eventually(lambda: space.conditions("chat").get("Programmed") == ("True", "Programmed"), LONG)
    conditions = space.conditions("chat")
    assert conditions == {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs"),
                          "Programmed": ("True", "Programmed")}
    route = space.get("wsr", "chat")
    assert route["status"]["addresses"] == [{"type": "IPAddress", "value": ADDRESS}]
    assert route["status"]["observedGeneration"] == route["metadata"]["generation"] == 1
    assert {c["observedGeneration"] for c in route["status"]["conditions"]} == {1}
    line = space.cluster.kubectl("get", "wsr", "-n", space.name, "chat").splitlines()[1].split()
    assert line[2:4] == ["True", "True"]
    ws = space.websocket(space.host())
    ws.message()
    assert ws.echo("over the route") == "over the route"
    ws.close()


def test_status_settles(space):
    """A patch is an event of the watch: it must not lead to another patch."""
    space.apply(*space.service("a", space.backend()), space.route("a", space.host(), "a"),
                space.ingress("b", space.host("b"), "a"))
    eventually(lambda: space.conditions("a").get("Programmed") == ("True", "Programmed"), LONG)
    eventually(lambda: space.addresses("b"), LONG)

    def versions():
        return [space.get(kind, name)["metadata"]["resourceVersion"] for kind, name in (("wsr", "a"), ("ing", "b"))]
    before = versions()
    time.sleep(3)
    assert versions() == before


def test_programmed_waits_for_the_dataplane(space, proxy):
    space.apply(*space.service("a", space.backend()))
    proxy.dataplane.send_signal(signal.SIGSTOP)
    try:
        space.apply(space.route("late", space.host(), "a"))
        eventually(lambda: space.conditions("late").get("Programmed") == ("False", "Pending"), LONG)
        assert space.conditions("late")["Accepted"] == ("True", "Accepted")
    finally:
        proxy.dataplane.send_signal(signal.SIGCONT)
    eventually(lambda: space.conditions("late").get("Programmed") == ("True", "Programmed"), LONG)


def test_changes_and_deletion_arrive(space):
    one, two = space.backend(serve_json("one")), space.backend(serve_json("two"))
    host = space.host()
    space.apply(*space.service("one", one), *space.service("two", two), space.route("r", host, "one"))
    space.serves(host)
    assert backend_name(space.fetch(host)) == "one"
    ws = space.websocket(host)
    ws.message()
    space.apply(space.route("r", host, "two"))
    eventually(lambda: backend_name(space.fetch(host)) == "two", LONG)
    eventually(lambda: space.get("wsr", "r")["status"]["observedGeneration"] == 2, LONG)
    assert ws.echo("still the old pair") == "still the old pair"
    # The endpoints move, the route does not.
    moved = space.service("two", one)
    space.cluster.kubectl("delete", "endpointslice", "-n", space.name, "-l", "kubernetes.io/service-name=two")
    space.apply(*moved)
    eventually(lambda: backend_name(space.fetch(host)) == "one", LONG)
    space.delete("wsr", "r")
    space.serves(host, status=404)
    assert ws.echo("outlives its route") == "outlives its route"
    ws.close()


def test_no_endpoints_is_said_and_answered(space):
    host = space.host()
    space.apply(*space.service("empty"), space.route("r", host, "empty"), space.route("m", space.host("m"), "missing"))
    eventually(lambda: space.conditions("r").get("Degraded") == ("True", "NoEndpoints"), LONG)
    eventually(lambda: space.conditions("m").get("ResolvedRefs") == ("False", "BackendNotFound"), LONG)
    space.serves(host, status=503)
    space.serves(space.host("m"), status=503)
    space.apply(*space.service("missing", space.backend()))
    eventually(lambda: space.conditions("m").get("ResolvedRefs") == ("True", "ResolvedRefs"), LONG)
    space.serves(space.host("m"))


def test_an_unsupported_field_fails_closed(space):
    host = space.host()
    # An Ingress at the same path must not take over what the route protects.
    space.apply(*space.service("a", space.backend()), space.ingress("open", host, "a"))
    space.serves(host)
    space.apply(space.route("guarded", host, "a", auth={"basic": {"secretName": "users"}}))
    eventually(lambda: space.conditions("guarded").get("Accepted") == ("False", "Unsupported"), LONG)
    space.serves(host, status=503)
    with pytest.raises(Refused):
        space.websocket(host)
    accepted = [c for c in space.get("wsr", "guarded")["status"]["conditions"] if c["type"] == "Accepted"][0]
    assert "spec.auth" in accepted["message"]
    assert "addresses" not in space.get("wsr", "guarded")["status"]
    found = eventually(lambda: space.events("guarded"), LONG)
    assert [(e["type"], e["reason"], e["reportingController"]) for e in found] == [
        ("Warning", "Unsupported", "toyou.dev/ingress-controller")]
    assert found[0]["regarding"]["uid"] == space.get("wsr", "guarded")["metadata"]["uid"]
    space.apply(space.route("guarded", host, "a"))
    eventually(lambda: space.conditions("guarded").get("Accepted") == ("True", "Accepted"), LONG)
    space.serves(host)


def test_what_stops_being_ours_loses_route_and_status(space):
    space.apply(*space.service("a", space.backend()), space.ingress("i", space.host("i"), "a"),
                space.route("r", space.host("r"), "a"))
    eventually(lambda: space.addresses("i") and space.conditions("r"), LONG)
    foreign = space.ingress("i", space.host("i"), "a")
    foreign["spec"]["ingressClassName"] = "other"
    space.apply(foreign, space.route("r", space.host("r"), "a", ingressClassName="other"))
    eventually(lambda: space.addresses("i") == [] and space.conditions("r") == {}, LONG)
    assert "addresses" not in space.get("wsr", "r")["status"]
    space.serves(space.host("i"), status=404)
    space.serves(space.host("r"), status=404)


def test_what_never_was_ours_is_not_written(space):
    foreign = space.ingress("i", space.host("i"), "a")
    foreign["spec"]["ingressClassName"] = "other"
    space.apply(foreign)
    path = "/apis/networking.k8s.io/v1/namespaces/%s/ingresses/i/status" % space.name
    theirs = {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}  # even if it looks like ours
    assert space.cluster.api("PATCH", path, {"status": theirs}, "application/merge-patch+json")[0] == 200
    version = space.get("ingress", "i")["metadata"]["resourceVersion"]
    space.apply(*space.service("a", space.backend()), space.route("marker", space.host(), "a"))
    eventually(lambda: space.conditions("marker").get("Programmed") == ("True", "Programmed"), LONG)
    assert space.get("ingress", "i")["metadata"]["resourceVersion"] == version


def test_addresses_come_from_a_service(space, make_pair):
    """--publish-service: its load balancer's addresses, and their changes."""
    front = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front", "namespace": space.name},
             "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
    own_class = "front-" + space.name
    controller = own_class + ".example.com/c"
    space.apply(front, {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": own_class},
                        "spec": {"controller": controller}})
    ingress = space.ingress("i", space.host(), "a")
    ingress["spec"]["ingressClassName"] = own_class
    space.apply(*space.service("a", space.backend()), ingress)
    # The shared controller holds the Lease: this one has its own, by another account's namespace.
    path = "/api/v1/namespaces/%s/services/front/status" % space.name

    def publish(*entries):
        patch = {"status": {"loadBalancer": {"ingress": list(entries)}}}
        assert space.cluster.api("PATCH", path, patch, "application/merge-patch+json")[0] == 200
    publish({"ip": "192.0.2.77"})
    pair = make_pair(kubeconfig=lease_account(space))
    pair.start_controller("--controller-name", controller, "--publish-service", space.name + "/front")
    eventually(lambda: [a.get("ip") for a in space.addresses("i")] == ["192.0.2.77"], LONG)
    publish({"hostname": "lb.example.com"})
    eventually(lambda: [a.get("hostname") for a in space.addresses("i")] == ["lb.example.com"], LONG)
    space.cluster.kubectl("delete", "ingressclass", own_class)


def lease_account(space):
    """A kubeconfig whose namespace, and so whose Lease, is the test's own; rights as in the chart."""
    path = space.cluster.ctl("kubeconfig", space.name, "toyou")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["contexts"][0]["context"]["namespace"] = space.name
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    subject = {"kind": "ServiceAccount", "name": "toyou", "namespace": space.name}
    group = "rbac.authorization.k8s.io"
    role = space.cluster.api("GET", "/apis/%s/v1/namespaces/default/roles/toyou-lease" % group)[1]
    space.apply(
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "toyou-status", "namespace": space.name}},
        {"apiVersion": group + "/v1", "kind": "Role", "metadata": {"name": "toyou-lease", "namespace": space.name},
         "rules": role["rules"]},
        {"apiVersion": group + "/v1", "kind": "RoleBinding",
         "metadata": {"name": "toyou-lease", "namespace": space.name},
         "roleRef": {"apiGroup": group, "kind": "Role", "name": "toyou-lease"}, "subjects": [subject]},
        {"apiVersion": group + "/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "toyou-" + space.name},
         "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "default-toyou"}, "subjects": [subject]})
    return path


def test_from_apply_to_the_first_response(space, capsys):
    """How long a new route takes, from the moment that kubectl returns."""
    space.apply(*space.service("a", space.backend()))
    whole, after = [], []
    for number in range(12):
        host = space.host("h%d" % number)
        begin = time.monotonic()
        space.apply(space.route("r%d" % number, host, "a"))
        applied = time.monotonic()
        eventually(lambda: space.fetch(host).status == 200, LONG, every=0.002)  # noqa: B023
        whole.append(time.monotonic() - begin)
        after.append(time.monotonic() - applied)
    with capsys.disabled():
        print("\nkubectl apply to first response: median %.0f ms, worst %.0f ms; after kubectl returned: median "
              "%.0f ms, worst %.0f ms" % tuple(1000 * f(v) for v in (whole, after) for f in (statistics.median, max)))
    assert statistics.median(after) < 2
