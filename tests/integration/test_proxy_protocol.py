"""Clients behind a load balancer that speaks the PROXY protocol."""
import subprocess

import pytest

from support.backends import Backend, echo_websocket, serve_json
from support.proxy_protocol import LOCAL, behind, binary, line
from support.tls import Alert, over_tls
from support.toyou import program
from support.wait import eventually
from support.websocket import Refused, WebSocket
from support.wire import Connection, request_bytes

HOST = "a.tls.test"


class World:
    """A dataplane with one route to one backend, and the ways to it."""

    def __init__(self, world, backend, certificate, *flags, **route):
        self.backend = backend
        world.route("a", HOST, backend, **route)
        world.certificate("wildcard", certificate, ["*.tls.test"])
        self.world = world.start(*flags)

    def connect(self, header=b"", source=None, tls=False):
        then = over_tls(HOST) if tls else None
        return Connection(self.world.https if tls else self.world.http, source=source, tls=behind(header, then))

    def seen(self, header=b"", source=None, tls=False):
        """(X-Real-IP, X-Forwarded-For, X-Forwarded-Proto) that the backend gets."""
        with self.connect(header, source, tls) as connection:
            answer = connection.ask(host=HOST)
        assert answer.status == 200, answer
        headers = {name.lower(): value for name, value in answer.json["headers"]}
        return headers["x-real-ip"], headers["x-forwarded-for"], headers["x-forwarded-proto"]

    def results(self):
        return {key.split('"')[1]: int(value) for key, value in self.world.dataplane.metrics().items()
                if key.startswith("toyou_proxy_headers_total{")}


@pytest.fixture
def make(world, authority):
    backends = []

    def maker(handler, *flags, **route):
        backends.append(Backend(handler))
        return World(world(), backends[-1], authority.issue("*.tls.test"), *flags, **route)

    yield maker
    for backend in backends:
        backend.close()


REQUIRED = ("--proxy-protocol", "required", "--proxy-protocol-from", "127.0.0.1")
OPTIONAL = ("--proxy-protocol", "optional", "--proxy-protocol-from", "127.0.0.1")


def test_the_client_is_who_the_header_says(make):
    place = make(serve_json("b"), *REQUIRED)
    v6 = "2001:db8::7"
    assert place.seen(line("203.0.113.7")) == ("203.0.113.7", "203.0.113.7", "http")
    assert place.seen(line(v6, server="2001:db8::1")) == (v6, v6, "http")
    assert place.seen(binary("203.0.113.8")) == ("203.0.113.8", "203.0.113.8", "http")
    assert place.seen(binary(v6)) == (v6, v6, "http")
    assert place.seen(binary("203.0.113.9", tls=True)) == ("203.0.113.9", "203.0.113.9", "https")
    assert place.seen(line("203.0.113.7"), tls=True) == ("203.0.113.7", "203.0.113.7", "https")
    assert place.seen(binary("203.0.113.8", extras=b"\x04\x00\x64" + bytes(100)), tls=True)[0] == "203.0.113.8"
    assert place.seen(LOCAL) == ("127.0.0.1", "127.0.0.1", "http")
    assert place.results() == {"proxied": 7, "local": 1}
    place.world.dataplane.await_log("client=203.0.113.7")


@pytest.mark.parametrize("header", [line("203.0.113.7"), binary("203.0.113.7")], ids=["v1", "v2"])
def test_however_the_bytes_are_cut(make, header):
    place = make(serve_json("b"), *REQUIRED)
    request = request_bytes("/", HOST, "GET", (), None, "1.1")
    with Connection(place.world.http) as connection:
        for at in range(len(header)):
            connection.send(header[at:at + 1])
        connection.send(request)
        assert ["X-Real-IP", "203.0.113.7"] in connection.response().json["headers"]
    with Connection(place.world.http) as connection:
        connection.send(header + request + request)
        assert [connection.response().status for _ in range(2)] == [200, 200]


def test_a_websocket_and_its_limit_per_client(make):
    place = make(echo_websocket, *REQUIRED, limits={"maxConnectionsPerClient": 1})

    def connect(client, tls=False):
        return WebSocket(place.world.https if tls else place.world.http, host=HOST,
                         tls=behind(binary(client), over_tls(HOST) if tls else None))
    with connect("203.0.113.7") as one, connect("203.0.113.8", tls=True) as two:
        assert (one.echo("plain"), two.echo("over TLS")) == ("plain", "over TLS")
        with pytest.raises(Refused) as refused:
            connect("203.0.113.7", tls=True)
        assert (refused.value.response.status, refused.value.response.json["cause"]) == (429, "limit_client")


@pytest.mark.parametrize("first", [
    b"GET / HTTP/1.1\r\nHost: a.tls.test\r\n\r\n", b"PROXY TCP4 localhost 192.0.2.1 1 2\r\n",
    b"PROXY " + b"x" * 200,
    binary("203.0.113.7").replace(b"\x21\x11", b"\x31\x11", 1)], ids=["none", "malformed", "too long", "version 3"])
def test_without_a_header_nothing_is_said(make, first):
    place = make(serve_json("b"), *REQUIRED)
    for port in (place.world.http, place.world.https):
        with Connection(port) as connection:
            connection.send(first)
            assert connection.ends_within(10)
    assert eventually(lambda: place.results() == {"invalid": 2})
    assert place.backend.accepted == 0
    place.world.dataplane.await_log("proxy header refused")


@pytest.mark.parametrize("header", [line("203.0.113.7"), binary("203.0.113.7")], ids=["v1", "v2"])
def test_a_second_header_is_garbage(make, header):
    place = make(serve_json("b"), *REQUIRED)
    with place.connect(header + header.replace(b"203.0.113.7", b"203.0.113.8")) as connection:
        connection.send_request(host=HOST)
        assert connection.response().status == 400
    with pytest.raises((Alert, AssertionError, ConnectionError)):
        place.connect(header + header, tls=True)
    assert place.backend.accepted == 0


def test_who_leaves_or_lies_in_the_header_leaves_nothing_behind(make):
    place = make(serve_json("b"), *REQUIRED)
    for cut in (0, 1, 13, len(binary("203.0.113.7")) - 1):
        place.connect(binary("203.0.113.7")[:cut]).close()
    place.connect(binary("203.0.113.7")[:14] + b"\x03\xe8" + bytes(20)).close()  # says 1,000 bytes
    with place.connect(binary("203.0.113.7")[:14] + b"\xff\xff") as connection:
        assert connection.ends_within(10)
    assert eventually(lambda: place.results() == {"client_gone": 5, "invalid": 1})
    assert eventually(lambda: place.world.dataplane.metrics()["toyou_client_connections"] == 0)
    assert place.seen(line("203.0.113.7"))[0] == "203.0.113.7"


def test_nobody_else_is_believed(make):
    place = make(serve_json("b"), *REQUIRED)
    with place.connect(line("203.0.113.7"), source="127.0.0.2") as connection:
        assert connection.ends_within(10)
    assert eventually(lambda: place.results() == {"untrusted": 1})


def test_a_header_that_does_not_come_ends_the_wait(make):
    place = make(serve_json("b"), *REQUIRED, "--head-timeout", "200ms")
    with place.connect(line("203.0.113.7")[:-1]) as slow, place.connect() as silent:
        assert slow.ends_within(10) and silent.ends_within(10)
    assert eventually(lambda: place.results() == {"timeout": 2})


def test_where_it_is_optional(make):
    place = make(serve_json("b"), *OPTIONAL)
    assert place.seen() == ("127.0.0.1", "127.0.0.1", "http")
    assert place.seen(line("203.0.113.7")) == ("203.0.113.7", "203.0.113.7", "http")
    assert place.seen(tls=True) == ("127.0.0.1", "127.0.0.1", "https")
    assert place.seen(binary("203.0.113.7"), tls=True) == ("203.0.113.7", "203.0.113.7", "https")
    assert place.seen(source="127.0.0.2") == ("127.0.0.2", "127.0.0.2", "http")
    with Connection(place.world.http) as connection:  # begins like a header
        connection.send(b"P")
        connection.send(b"RO")
        connection.send(b"PFIND / HTTP/1.1\r\nHost: a.tls.test\r\n\r\n")
        assert connection.response().status == 200
    with place.connect(line("203.0.113.7"), source="127.0.0.2") as connection:  # no request line
        connection.send_request(host=HOST)
        assert connection.response().status == 400
    with pytest.raises((Alert, AssertionError, ConnectionError)):
        place.connect(line("203.0.113.7"), source="127.0.0.2", tls=True)


def test_a_drain_does_not_wait_for_headers(make):
    place = make(serve_json("b"), *REQUIRED)
    with place.connect(b"PROXY ") as connection:
        assert eventually(lambda: place.world.dataplane.metrics()["toyou_client_connections"] == 1)
        place.world.dataplane.stop()
        assert connection.ends_within(10)


@pytest.mark.parametrize("flags,words", [
    (["--proxy-protocol", "yes"], "--proxy-protocol: 'yes' is not off, optional or required"),
    (["--proxy-protocol", "required"], "--proxy-protocol: needs --proxy-protocol-from"),
    (["--proxy-protocol-from", "10.0.0.0/8"], "--proxy-protocol-from: does nothing without --proxy-protocol"),
    (["--proxy-protocol", "optional", "--proxy-protocol-from", "10.0.0.0/33"], "--proxy-protocol-from: ")])
def test_flags_are_checked(tmp_path, flags, words):
    done = subprocess.run([program("toyou-dataplane"), "--snapshot-dir", str(tmp_path), *flags], capture_output=True,
                          text=True, check=False, timeout=30)
    assert done.returncode == 2 and words in done.stderr, done.stderr
