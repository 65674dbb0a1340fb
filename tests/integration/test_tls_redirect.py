"""Routes that are served over TLS only, and what answers over TLS say about it."""
import pytest

from support.backends import Backend, chunks, echo_websocket, serve_json
from support.tls import over_tls
from support.websocket import Refused, WebSocket
from support.wire import Connection, fetch

YEAR_MS = 365 * 86400 * 1000


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_plain_text_is_sent_to_https(secure_site, method):
    place = secure_site(serve_json("b"), tlsRedirect=True)
    answer = fetch(place.world.http, "/a/../b%7Ec?x=1&y=%20", host=place.host + ":8080", method=method,
                   body=b"secret" if method == "POST" else None)
    assert (answer.status, answer.headers.get("Location")) == (308, "https://%s/b~c?x=1&y=%%20" % place.host)
    assert place.backend.accepted == 0, "nothing of it has reached the backend"
    assert place.fetch("/b", method="POST", body=b"secret").json["body"] == "secret"


def test_events_are_redirected(secure_site):
    place = secure_site(serve_json("b"), tlsRedirect=True)
    assert fetch(place.world.http, host=place.host, headers=[("Accept", "text/event-stream")]).status == 308


def test_a_websocket_is_refused_with_its_cause(secure_site):
    place = secure_site(echo_websocket, tlsRedirect=True)
    with pytest.raises(Refused) as refused:
        WebSocket(place.world.http, host=place.host)
    answer = refused.value.response
    assert (answer.status, answer.json["cause"], answer.headers.get("Location")) == (403, "tls_required", None)
    with place.websocket() as ws:
        assert ws.echo("over TLS") == "over TLS"


def test_a_request_without_host_cannot_be_sent_anywhere(secure_site):
    place = secure_site(serve_json("b"))
    place.world.route(place.name, "*", place.backend, tlsRedirect=True)
    place.world.publish()
    try:
        with Connection(place.world.http) as connection:
            connection.send(b"GET / HTTP/1.0\r\n\r\n")
            answer = connection.response()
        assert (answer.status, answer.json["cause"]) == (403, "tls_required")
        assert place.backend.accepted == 0
    finally:
        place.update()


def test_the_connection_stays_usable(secure_site):
    place = secure_site(serve_json("b"), tlsRedirect=True)
    with Connection(place.world.http) as connection:
        assert [connection.ask("/%d" % n, host=place.host).status for n in range(3)] == [308] * 3


def test_without_being_asked_nothing_is_redirected(secure_site):
    place = secure_site(serve_json("b"))
    answer = fetch(place.world.http, host=place.host)
    assert answer.status == 200 and not answer.headers.get("Strict-Transport-Security")
    assert not place.fetch().headers.get("Strict-Transport-Security")


def test_the_port_of_redirects_is_a_flag(world, authority):
    for flag, wanted in (("8443", ":8443"), ("443", ""), ("0", None)):
        place = world()
        with Backend(serve_json("b")) as backend:
            place.route("site", "port.test", backend, tlsRedirect=True)
            place.certificate("one", authority.issue("port.test"), ["port.test"])
            place.start("--tls-redirect-port", flag)
            wanted = ":%d" % place.https if wanted is None else wanted
            assert fetch(place.http, "/x", host="port.test").headers.get("Location") == "https://port.test%s/x" % wanted


def test_a_trusted_proxy_that_ended_tls_counts(world, authority):
    place = world()
    with Backend(serve_json("b")) as backend:
        place.route("site", "edge.test", backend, tlsRedirect=True, hstsMs=YEAR_MS)
        place.start("--trusted-proxies", "127.0.0.1/32")
        answer = fetch(place.http, host="edge.test", headers=[("X-Forwarded-Proto", "https")])
        assert (answer.status, answer.headers.get("Strict-Transport-Security")) == (200, "max-age=31536000")
        assert fetch(place.http, host="edge.test", headers=[("X-Forwarded-Proto", "http")]).status == 308


def test_a_client_cannot_say_that_it_came_by_https(secure_site):
    place = secure_site(serve_json("b"), tlsRedirect=True)
    assert fetch(place.world.http, host=place.host, headers=[("X-Forwarded-Proto", "https")]).status == 308


def test_hsts_on_every_answer_over_tls(secure_site):
    place = secure_site(chunks(b"x", headers=[("Strict-Transport-Security", "max-age=1"), ("X-Own", "kept")]), hstsMs=YEAR_MS)
    answer = place.fetch()
    assert answer.headers.all("Strict-Transport-Security") == ["max-age=31536000"], "ours, once"
    assert answer.headers.get("X-Own") == "kept"
    plain = fetch(place.world.http, host=place.host)
    assert plain.headers.all("Strict-Transport-Security") == ["max-age=1"], "over plain text it is not ours to say"
    refusing = secure_site(hstsMs=YEAR_MS, backends=[{"weight": 1}])
    answer = refusing.fetch()
    assert (answer.status, answer.headers.get("Strict-Transport-Security")) == (503, "max-age=31536000")


def test_hsts_on_the_101(secure_site):
    place = secure_site(echo_websocket, hstsMs=YEAR_MS)
    with WebSocket(place.world.https, host=place.host, tls=over_tls(place.host)) as ws:
        assert ws.answer.headers.get("Strict-Transport-Security") == "max-age=31536000"
