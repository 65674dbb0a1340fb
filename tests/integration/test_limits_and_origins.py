"""Limits on live WebSockets (total, route, client) and the origins that may open them."""
import threading

import pytest

from support.backends import echo_websocket, serve_json
from support.wait import eventually
from support.websocket import Refused, WebSocket

pytestmark = pytest.mark.tsan


def refusal(place, **options):
    with pytest.raises(Refused) as refused:
        place.websocket(**options)
    return refused.value.response


def test_limit_of_the_route(site):
    place = site(echo_websocket, {"limits": {"maxConnections": 3}})
    live = [place.websocket() for _ in range(3)]
    answer = refusal(place)
    assert answer.status == 503 and int(answer.headers.get("Retry-After")) > 0
    assert answer.headers.get("Content-Type") and "limit_route" in answer.text
    assert place.backend.accepted == 3, "the backend was not touched"
    live.pop().close()
    eventually(lambda: connects(place))
    for ws in live:
        assert ws.echo("x") == "x"
        ws.close()


def connects(place, **options):
    try:
        place.websocket(**options).close()
        return True
    except Refused:
        return False


def test_limit_per_client(site):
    place = site(echo_websocket, {"limits": {"maxConnectionsPerClient": 2}})
    live = [place.websocket(source="127.0.0.5") for _ in range(2)]
    answer = refusal(place, source="127.0.0.5")
    assert answer.status == 429 and answer.headers.get("Retry-After")
    assert "limit_client" in answer.text
    live.append(place.websocket(source="127.0.0.6"))  # another client
    for ws in live:
        ws.close()


def test_a_refused_handshake_gives_its_slot_back(site):
    def backend(peer):
        while True:
            peer.request()
            peer.respond(403, b"no")
    place = site(backend, {"limits": {"maxConnections": 2}})
    for _ in range(10):
        assert refusal(place).status == 403


def test_limit_over_all_routes(dataplane_alone, tmp_path):
    dataplane = dataplane_alone("--max-connections", "2", handler=echo_websocket)
    live = [WebSocket(dataplane.http, host=dataplane.host) for _ in range(2)]
    with pytest.raises(Refused) as refused:
        WebSocket(dataplane.http, host=dataplane.host)
    assert refused.value.response.status == 503 and "limit_total" in refused.value.response.text
    for ws in live:
        ws.close()


def test_limits_hold_under_a_rush(site):
    place = site(echo_websocket, {"limits": {"maxConnections": 10}})
    results, gate = [], threading.Barrier(40)

    def client():
        gate.wait()
        try:
            results.append(place.websocket())
        except Refused as refused:
            results.append(refused.response.status)
    threads = [threading.Thread(target=client) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    live = [r for r in results if not isinstance(r, int)]
    assert len(live) == 10 and results.count(503) == 30, results
    for ws in live:
        ws.close()


def test_a_tightened_limit_holds_for_new_ones_only(site, gateway):
    place = site(echo_websocket, {"limits": {"maxConnections": 5}})
    live = [place.websocket() for _ in range(4)]
    place.update({"limits": {"maxConnections": 2}})
    eventually(lambda: not connects(place))
    assert [ws.echo("x") for ws in live] == ["x"] * 4
    for ws in live:
        ws.close()


ALLOW = ["self", "https://*.example.com", "https://exact.org:8443"]


@pytest.mark.parametrize("origin, allowed", [
    ("http://{host}", True), ("HTTP://{host}", True), ("https://{host}", False), ("http://{host}:81", False),
    ("https://a.example.com", True), ("https://A.Example.Com", True), ("https://a.b.example.com", False),
    ("https://example.com", False), ("http://a.example.com", False), ("https://a.example.com:444", False),
    ("https://a.example.com.evil.org", False), ("https://evil-example.com", False), ("https://exact.org:8443", True),
    ("https://exact.org", False), ("null", False), ("", False), ("file://", False),
    ("https://a.example.com, https://evil.org", False),
])
def test_origins(site, origin, allowed):
    place = site(echo_websocket, {"origins": {"allow": ALLOW}})
    headers = [("Origin", origin.format(host=place.host))]
    if allowed:
        with place.websocket(headers=headers) as ws:
            assert ws.echo("x") == "x"
    else:
        answer = refusal(place, headers=headers)
        assert answer.status == 403 and "origin" in answer.text
        assert place.backend.accepted == 0


def test_two_origins_are_refused(site):
    place = site(echo_websocket, {"origins": {"allow": ALLOW}})
    assert refusal(place, headers=[("Origin", "https://a.example.com"), ("Origin", "https://evil.org")]).status in (400, 403)


@pytest.mark.parametrize("missing, opens", [("Allow", True), ("Deny", False)])
def test_missing_origin(site, missing, opens):
    place = site(echo_websocket, {"origins": {"allow": ["self"], "missing": missing}})
    if opens:
        place.websocket().close()
    else:
        assert refusal(place).status == 403


def test_origins_concern_websocket_only(site):
    place = site(serve_json("b"), {"origins": {"allow": ["self"], "missing": "Deny"}})
    assert place.fetch(headers=[("Origin", "https://evil.org")]).status == 200
