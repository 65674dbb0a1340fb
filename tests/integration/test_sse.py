"""Server-Sent Events: never buffered, under no response timeout, given up when the client leaves."""
import threading

import pytest

from support.toyou import SLOW
from support.wait import eventually
from support.wire import read_chunks, request_bytes

pytestmark = pytest.mark.tsan
ACCEPT = [("Accept", "text/event-stream")]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def event_stream(go, chunked=True):
    """Sends event N only after `go` was released N times, so that a buffer would stop it."""
    def handler(peer):
        peer.request()
        peer.send(HEAD + (b"Transfer-Encoding: chunked\r\n" if chunked else b"") + b"\r\n")
        number = 0
        while go.acquire(timeout=20):
            number += 1
            data = b"data: %d\n\n" % number
            peer.send(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
    return handler


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "until-close"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_events_are_passed_on_at_once(site, chunked, version):
    go = threading.Semaphore(0)
    place = site(event_stream(go, chunked))
    with place.connect() as connection:
        connection.send_request("/events", host=place.host, headers=ACCEPT, version=version)
        head = connection.head()
        assert head.headers.get("Content-Type") == "text/event-stream"
        framed = head.headers.get("Transfer-Encoding") == "chunked"
        assert version == "1.1" or not framed
        pieces = read_chunks(connection.stream, head) if framed else None
        for number in range(1, 6):
            go.release()
            wanted, got = b"data: %d\n\n" % number, b""
            while len(got) < len(wanted):
                if pieces is None:
                    assert connection.stream.buffer or connection.stream.fill()
                    got += connection.stream.take(len(wanted) - len(got))
                else:
                    got += next(pieces)
            assert got == wanted


def silent_stream(peer):
    peer.request()
    peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\ndata:\r\n")
    peer.wait_for_end()


def test_a_silent_stream_is_not_cut_by_the_response_timeout(site):
    place = site(silent_stream, {"timeouts": {"response": "200ms"}})
    with place.connect() as connection:
        connection.send_request(host=place.host, headers=ACCEPT)
        head = connection.head()
        assert next(read_chunks(connection.stream, head)) == b"data:"
        assert not connection.ends_within(1.5)
        assert place.backend.live == 1


def test_a_head_that_never_comes_is_504(site):
    place = site(lambda peer: (peer.request(), peer.wait_for_end()), {"timeouts": {"response": "200ms"}})
    assert place.fetch(headers=ACCEPT).status == 504


def test_a_client_that_leaves_a_silent_stream_frees_the_backend(site):
    place = site(silent_stream)
    for leave in ("close", "reset"):
        connection = place.connect()
        connection.send_request(host=place.host, headers=ACCEPT)
        assert connection.head().status == 200
        assert place.backend.live == 1
        getattr(connection, leave)()
        eventually(lambda: place.backend.live == 0, seconds=2 * SLOW)


@pytest.mark.parametrize("unread", [4096, 100_000])
def test_a_client_that_leaves_behind_unread_bytes_frees_the_backend(site, unread):
    place = site(silent_stream)
    connection = place.connect()
    connection.send(request_bytes(host=place.host, headers=ACCEPT) + b"x" * unread)
    assert connection.head().status == 200
    assert place.backend.live == 1
    connection.close()
    eventually(lambda: place.backend.live == 0, seconds=5 * SLOW)


def test_idle_ends_a_silent_stream(site):
    place = site(silent_stream, {"timeouts": {"idle": "500ms"}})
    with place.connect() as connection:
        connection.send_request(host=place.host, headers=ACCEPT)
        assert connection.head().status == 200
        connection.stream.buffer = b""
        with pytest.raises((EOFError, ConnectionError)):
            while True:
                connection.stream.exactly(1)
    eventually(lambda: place.backend.live == 0)


def test_the_backend_ends_the_stream(site):
    def backend(peer):
        peer.request()
        peer.send(HEAD + b"\r\ndata: last\n\n")
    place = site(backend)
    answer = place.fetch(headers=ACCEPT)
    assert answer.body == b"data: last\n\n"


def test_the_backend_dies_in_the_stream(site):
    def backend(peer):
        peer.request()
        peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\ndata:\r\n")
    place = site(backend)
    with place.connect() as connection:
        connection.send_request(host=place.host, headers=ACCEPT)
        head = connection.head()
        with pytest.raises(EOFError):
            list(read_chunks(connection.stream, head))


@pytest.mark.parametrize("asks", [{"headers": ACCEPT}, {"method": "POST", "body": b"{}"}], ids=["asked for", "posted"])
def test_sse_active_is_counted(site, gateway, asks):
    """By the type of the response: whether it was asked for or not."""
    place = site(silent_stream)

    def active():
        return sum(value for key, value in gateway.metrics().items()
                   if key.startswith("toyou_sse_active") and place.name in key)
    with place.connect() as connection:
        connection.send_request(host=place.host, **asks)
        assert connection.head().status == 200
        eventually(lambda: active() == 1)
    eventually(lambda: active() == 0)
