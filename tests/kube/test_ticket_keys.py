"""The keys of session tickets in their Secret: who fills it, and who shares it."""
import base64

from kube_rig import LONG, TICKET_KEYS
from support.tls import client_context, over_tls
from support.wait import eventually
from support.wire import Connection
from test_certificates import secret_of, secure

PATH = "/api/v1/namespaces/%s/secrets/%s" % TICKET_KEYS


def keys(cluster):
    """{name: bytes}, once they are there."""
    def whole():
        data = cluster.api("GET", PATH)[1].get("data") or {}
        found = {name: base64.b64decode(data[name]) for name in ("previous", "current", "next") if name in data}
        return len(found) == 3 and {len(key) for key in found.values()} == {80} and found
    return eventually(whole, LONG)


def test_the_leader_fills_the_secret_and_replicas_share_it(space, cluster, proxy, make_pair, authority):
    first = keys(cluster)
    assert len(set(first.values())) == 3
    host = space.host()
    space.apply(*space.service("web", space.backend()), secret_of(space, "web", authority.issue(host)),
                secure(space.ingress("web", host, "web"), "web"))
    second = make_pair()
    second.start_controller()
    second.start_dataplane()
    context = client_context()

    def visit(pair, session=None):
        with Connection(pair.dataplane.https, tls=over_tls(host, context, session=session)) as connection:
            assert connection.ask(host=host).status in (200, 404)
            return connection.sock.tls.session_reused, connection.sock.tls.session

    def resumed():
        try:
            return visit(second, visit(proxy)[1])[0]
        except AssertionError:  # no certificate yet
            return False
    eventually(resumed, LONG)
    assert keys(cluster) == first, "nobody else has written"


def test_keys_that_somebody_spoils_are_not_used(space, cluster, proxy):
    before = keys(cluster)
    start = len(proxy.controller.err)
    cluster.api("PATCH", PATH, {"data": {"current": base64.b64encode(b"short").decode()}}, "application/merge-patch+json")
    proxy.controller.await_log("ticket-key-secret: Secret .*: current is not 80 bytes; its last good keys stay in use", LONG, start=start)
    cluster.api("PATCH", PATH, {"data": {"current": base64.b64encode(before["current"]).decode()}}, "application/merge-patch+json")
    assert keys(cluster) == before


def test_the_keys_are_in_no_log(cluster, proxy):
    found = keys(cluster)
    words = [form for key in found.values() for form in (key.hex()[:40], base64.b64encode(key).decode()[:40])]
    lines = [*proxy.controller.err, *proxy.dataplane.err]
    assert not [line for line in lines if any(word in line for word in words)]
