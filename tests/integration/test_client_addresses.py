"""Who may send requests to a route, by the client's address."""
import pytest

from support.backends import Backend, is_upgrade
from support.proxy_protocol import behind, binary, line
from support.wait import eventually
from support.websocket import Refused, WebSocket
from support.wire import fetch

pytestmark = pytest.mark.tsan

HOST = "addresses.test"


def any_protocol(peer):
    """200 for HTTP and SSE, an echo for WebSocket."""
    while True:
        request = peer.request()
        if is_upgrade(request):
            peer.accept_websocket(request)
            return peer.echo_frames()
        peer.respond(200, b"served")


def lists(allow=(), deny=()):
    return {"clientAddresses": {"allow": list(allow), "deny": list(deny)}}


def served(port, host, headers=(), **how):
    """Whether a client is served by HTTP, SSE and WebSocket: by all of them, or by none."""
    answers = [fetch(port, host=host, headers=headers, **how),
               fetch(port, host=host, headers=[("Accept", "text/event-stream"), *headers], **how)]
    try:
        with WebSocket(port, host=host, headers=headers, **how) as ws:
            assert ws.echo("x") == "x"
            answers.append(ws.answer)
    except Refused as refused:
        answers.append(refused.response)
    if answers[0].status == 200:
        assert [answer.status for answer in answers] == [200, 200, 101]
        return True
    for answer in answers:
        assert answer.status == 403
        assert (answer.json["cause"], answer.json["title"]) == ("client_address", "client address not allowed")
    return False


@pytest.mark.parametrize("allow, deny, source, wanted", [
    (["127.0.0.2"], [], "127.0.0.2", True),
    (["127.0.0.2"], [], "127.0.0.3", False),
    (["127.0.0.0/31", "127.0.1.0/24"], [], "127.0.1.9", True),
    (["::/0"], [], "127.0.0.1", False),
    ([], ["127.0.0.2/31"], "127.0.0.3", False),
    ([], ["127.0.0.2/31"], "127.0.0.4", True),
    ([], ["::/0"], "127.0.0.1", True),
    (["127.0.0.0/8"], ["127.1.0.0/16"], "127.1.0.1", False),
    (["127.0.0.0/8"], ["127.1.0.0/16"], "127.2.0.1", True),
    (["127.1.0.1"], ["127.0.0.0/8"], "127.1.0.1", False),
    ([], [], "127.0.0.1", True),
])
def test_lists(site, allow, deny, source, wanted):
    place = site(any_protocol, lists(allow, deny))
    assert served(place.port, place.host, source=source) == wanted
    assert (place.backend.accepted > 0) == wanted, "the backend of a refused client is not touched"


def test_each_request_of_a_connection_is_asked_anew(site):
    place = site(any_protocol, lists(["127.0.0.1"]))
    with place.connect() as connection:
        assert connection.ask(host=place.host).status == 200
        place.update(lists(deny=["127.0.0.1"]))
        refused = eventually(lambda: (answer := connection.ask(host=place.host)).status == 403 and answer)
        assert refused.json["cause"] == "client_address"
        place.update(lists())
        assert eventually(lambda: connection.ask(host=place.host).status == 200)


def test_a_refusal_is_logged_and_counted(world):
    place = world()
    with Backend(any_protocol) as backend:
        place.route("site", HOST, backend, **lists(deny=["127.0.0.9"]))
        place.start()
        assert not served(place.http, HOST, source="127.0.0.9")
        for protocol in ("http", "sse", "websocket"):
            place.dataplane.await_log("client=127.0.0.9 protocol=%s .*status=403 cause=client_address "
                                      "route=Ingress/default/site" % protocol)
        route = 'kind="Ingress",namespace="default",route="site"'
        wanted = {'toyou_websocket_refused_total{%s,cause="client_address"}' % route: 1,
                  'toyou_request_failures_total{cause="client_address"}': 3,
                  **{'toyou_http_requests_total{%s,code="403",protocol="%s"}' % (route, protocol): 1
                     for protocol in ("http", "sse", "websocket")}}
        counted = eventually(lambda: (found := place.dataplane.metrics()).keys() >= wanted.keys() and found)
        assert {name: counted[name] for name in wanted} == wanted


def test_a_live_websocket_stays_where_a_list_is_tightened(site):
    place = site(any_protocol, lists(["127.0.0.0/8"]))
    with place.websocket() as ws:
        assert ws.echo("before") == "before"
        place.update(lists(["127.0.0.2"]))

        def refused():
            try:
                place.websocket().close()
                return False
            except Refused as answer:
                return answer.response.status == 403
        eventually(refused)
        assert ws.echo("after") == "after"
    assert served(place.port, place.host, source="127.0.0.2")


def test_ipv6_and_ipv4_on_a_socket_of_ipv6(world):
    place = world()
    with Backend(any_protocol) as backend:
        for name, (allow, deny) in {"six": (["::1"], []), "four": (["127.0.0.1"], []), "all-of-six": (["::/0"], []),
                                    "not-six": ([], ["::/64"]), "not-four": ([], ["127.0.0.0/8"])}.items():
            place.route(name, name + ".test", backend, **lists(allow, deny))
        place.start(listen=None)

        def who(name):
            return [address for address in ("::1", "127.0.0.1", "::ffff:127.0.0.1")
                    if served(place.http, name + ".test", address=address)]
        four = ["127.0.0.1", "::ffff:127.0.0.1"]
        assert who("six") == ["::1"]
        assert who("four") == four
        assert who("all-of-six") == ["::1"]
        assert who("not-six") == four
        assert who("not-four") == ["::1"]


def test_the_client_that_a_proxy_header_names(world):
    place = world()
    with Backend(any_protocol) as backend:
        place.route("site", HOST, backend, **lists(["203.0.113.0/24", "2001:db8::/32"], ["203.0.113.9"]))
        place.start("--proxy-protocol", "required", "--proxy-protocol-from", "127.0.0.1")
        for client, wanted in (("203.0.113.7", True), ("203.0.113.9", False), ("198.51.100.1", False),
                               ("2001:db8::7", True), ("2001:db9::7", False), ("::ffff:203.0.113.7", True),
                               ("::ffff:203.0.113.9", False)):
            assert served(place.http, HOST, tls=behind(binary(client))) == wanted, client
        assert served(place.http, HOST, tls=behind(line("203.0.113.7")))
        assert not served(place.http, HOST, tls=behind(line("203.0.113.9")))


def forwarded(*values):
    return [("X-Forwarded-For", value) for value in values]


def test_the_client_behind_a_trusted_proxy(world):
    place = world()
    with Backend(any_protocol) as backend:
        place.route("allow", "allow.test", backend, **lists(["203.0.113.7"]))
        place.route("deny", "deny.test", backend, **lists([], ["203.0.113.7"]))
        place.start("--trusted-proxies", "127.0.0.1")

        def both(headers, source="127.0.0.1"):
            return [served(place.http, host, headers, source=source) for host in ("allow.test", "deny.test")]
        named, other = [True, False], [False, True]
        assert both(forwarded("203.0.113.7")) == named
        assert both(forwarded("::ffff:203.0.113.7")) == named
        assert both(forwarded("203.0.113.7:4711")) == named
        assert both(forwarded("203.0.113.8")) == other
        assert both([]) == other, "the proxy itself"
        assert both(forwarded("203.0.113.7, 198.51.100.1")) == other, "what a client wrote before its proxy did"
        assert both(forwarded("203.0.113.7", "198.51.100.1")) == other
        assert both(forwarded("198.51.100.1, 203.0.113.7")) == named
        assert both(forwarded("203.0.113.7, 127.0.0.1")) == named
        assert both(forwarded("203.0.113.7"), source="127.0.0.2") == other, "nobody trusts this one"
        assert both([("X-Real-IP", "203.0.113.7"), ("Forwarded", "for=203.0.113.7")]) == other


ALLOW, DENY = "toyou.dev/allow-client-addresses", "toyou.dev/deny-client-addresses"


def test_annotations_of_an_ingress(gateway, site):
    place = site(any_protocol)
    place.update(None, {ALLOW: "127.0.0.0/8, ::1", DENY: "127.0.0.9"})
    eventually(lambda: place.fetch(source="127.0.0.9").status == 403)
    assert not served(place.port, place.host, source="127.0.0.9")
    assert served(place.port, place.host, source="127.0.0.8")
    place.update(None, {ALLOW: "127.0.0.0/8, ::1", DENY: "127.0.0.9,127.0.0.9/8"})
    refused = eventually(lambda: (answer := place.fetch()).status == 503 and answer)
    assert refused.json["cause"] == "refused"
    message = gateway.message("Ingress", place.name, "Accepted")
    assert DENY + "][1] has bits set after its prefix: the range is 127.0.0.0/8" in message


def test_a_list_that_cannot_be_read_refuses_the_route(gateway, site):
    place = site(any_protocol, lists(["127.0.0.0/8"]))
    place.update(lists(["127.0.0.0/8", "localhost"]))
    refused = eventually(lambda: (answer := place.fetch()).status == 503 and answer)
    assert refused.json["cause"] == "refused"
    assert "spec.clientAddresses.allow[1] is not an IP address" in gateway.message("WebSocketRoute", place.name, "Accepted")


def test_the_dataplane_refuses_a_snapshot_with_a_bad_list(world):
    place = world()
    with Backend(any_protocol) as backend:
        place.route("site", HOST, backend, **lists(["127.0.0.1"]))
        place.start()
        place.route("site", HOST, backend, **lists(["127.0.0.1", "127.0.0.2/8"]))
        report = place.publish()
        assert report["state"] == "Refused"
        (problem,) = report["errors"]
        assert problem["pointer"] == "/clientAddresses/allow/1" and "127.0.0.0/8" in problem["message"]
        assert served(place.http, HOST) and not served(place.http, HOST, source="127.0.0.3"), "the last one stays"
