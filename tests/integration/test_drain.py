"""SIGTERM and SIGINT: not ready, live WebSockets closed with 1012, exit 0, ports free."""
import fcntl
import json
import os
import selectors
import signal
import threading
import time

import pytest

from support import manifests
from support.backends import Backend, echo_websocket, serve_json
from support.toyou import SLOW, children, is_running
from support.wait import eventually
from support.websocket import WebSocket
from support.wire import Connection, chunked, fetch, read_chunks

pytestmark = pytest.mark.tsan


@pytest.fixture
def backend():
    with Backend(echo_websocket) as made:
        yield made


@pytest.fixture
def drained(launch, backend):
    return launch(objects=[*manifests.service("echo", [(backend.address, backend.port)]),
                           manifests.websocket_route("echo", "echo.test", "echo")])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_drain_closes_websockets_with_1012(drained, backend, number):
    sockets = [WebSocket(drained.http, host="echo.test", timeout=40) for _ in range(10)]
    ended = []

    def client(ws):
        ended.append((ws.closed(), time.monotonic()))
    threads = [threading.Thread(target=client, args=(ws,)) for ws in sockets]
    for thread in threads:
        thread.start()
    below = children(drained.pid)
    drained.stop(number, seconds=40 * SLOW)
    for thread in threads:
        thread.join(10)
    assert [code for (code, _), _ in ended] == [1012] * 10
    assert not any(is_running(pid) for pid in below)
    eventually(lambda: backend.live == 0)
    for port in (drained.http, drained.https, drained.admin):
        with pytest.raises(ConnectionRefusedError):
            Connection(port)


def test_drain_without_connections_is_quick(launch):
    toyou = launch()
    started = time.monotonic()
    toyou.stop()
    assert time.monotonic() - started < 3 * SLOW


def test_a_request_under_way_is_finished(launch):
    go = threading.Event()

    def slow(peer):
        peer.request()
        go.wait(20)
        peer.respond(200, b"finished")
    with Backend(slow) as backend:
        toyou = launch(objects=[*manifests.service("slow", [(backend.address, backend.port)]),
                                manifests.ingress("slow", "slow.test", "slow")])
        with Connection(toyou.http) as connection:
            connection.send_request(host="slow.test")
            eventually(lambda: backend.requests)
            toyou.send_signal(signal.SIGTERM)
            eventually(lambda: not ready(toyou))
            go.set()
            answer = connection.response()
            assert answer.body == b"finished"
        assert toyou.wait(40 * SLOW) == 0
        toyou.check_reports()


def ready(toyou):
    try:
        return toyou.get("/readyz").status == 200
    except OSError:
        return False


def test_a_second_signal_ends_at_once(drained):
    with WebSocket(drained.http, host="echo.test") as ws:
        assert ws.echo("x") == "x"
        drained.send_signal(signal.SIGTERM)
        eventually(lambda: not ready(drained))
        started = time.monotonic()
        try:
            drained.send_signal(signal.SIGTERM)
        except ProcessLookupError:
            pass
        drained.wait(5 * SLOW)
        assert time.monotonic() - started < 3 * SLOW


@pytest.mark.parametrize("how", ["second signal", "killed"])
def test_what_a_drain_leaves_is_recorded(dataplane_alone, how):
    """drain.json in the snapshot directory outlives the process, and nobody locks it then."""
    dataplane = dataplane_alone("--drain-delay", "60s", handler=echo_websocket)
    record = os.path.join(dataplane.pair.state_dir, "drain.json")
    sockets = [WebSocket(dataplane.http, host=dataplane.host) for _ in range(3)]
    assert not os.path.exists(record)
    dataplane.send_signal(signal.SIGTERM)
    eventually(lambda: written(record) == {"websockets": 3, "http": 0})
    with open(record, encoding="utf-8") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    sockets.pop().close()
    eventually(lambda: written(record) == {"websockets": 2, "http": 0})
    dataplane.send_signal(signal.SIGKILL if how == "killed" else signal.SIGTERM)
    dataplane.process.wait(20 * SLOW)
    assert written(record) == {"websockets": 2, "http": 0}
    with open(record, encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def written(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def test_a_whole_drain_leaves_no_record(dataplane_alone):
    dataplane = dataplane_alone(handler=echo_websocket)
    with WebSocket(dataplane.http, host=dataplane.host) as ws:
        ws.echo("x")
        dataplane.send_signal(signal.SIGTERM)
        assert ws.closed()[0] == 1012
    assert dataplane.wait(20 * SLOW) == 0
    assert not os.path.exists(os.path.join(dataplane.pair.state_dir, "drain.json"))


EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def in_chunks(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


ASKED = {"headers": [("Accept", "text/event-stream")]}
# The type of the response makes the stream, whatever was asked for.
REQUESTS = {"asked for": ASKED, "not asked for": {}, "any": {"headers": [("Accept", "*/*")]},
            "posted": {"method": "POST", "body": b'{"stream":true}'},
            "posted in chunks": {"method": "POST", "headers": [("Transfer-Encoding", "chunked")], "body": chunked(b"x")}}


@pytest.mark.parametrize("framing, asks", [("chunked", name) for name in REQUESTS] + [("until-close", "asked for"),
                                                                                         ("until-close", "posted")])
def test_a_stream_ends_between_two_events(dataplane_alone, framing, asks):
    """The half of an event that has gone out is followed by its other half, whenever the drain's moment came."""
    rest = threading.Event()

    def backend(peer):
        peer.request()
        put = in_chunks if framing == "chunked" else bytes
        peer.send(EVENTS + (b"Transfer-Encoding: chunked\r\n" if framing == "chunked" else b"") + b"\r\n")
        peer.send(put(b"data: 1\n\ndata: half"))
        rest.wait(20)
        peer.send(put(b" and half\n\n"))
        peer.wait_for_end()

    dataplane = dataplane_alone(handler=backend)
    with Connection(dataplane.http, timeout=20) as connection:
        connection.send_request(host=dataplane.host, **REQUESTS[asks])
        chunks, body = read_chunks(connection.stream, connection.head()), b""
        while not body.endswith(b"half"):
            body += next(chunks)
        dataplane.send_signal(signal.SIGTERM)
        eventually(lambda: stopped_listening(dataplane.http))
        assert not connection.ends_within(1.2)  # than the drain's period
        connection.sock.settimeout(20)
        rest.set()
        body += b"".join(chunks)  # to the last chunk: nothing was cut
        assert body == b"data: 1\n\ndata: half and half\n\n"
    assert dataplane.wait(20 * SLOW) == 0


def test_an_event_that_never_ends_does_not_hold_the_drain(dataplane_alone):
    def backend(peer):
        peer.request()
        peer.send(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n" + in_chunks(b"data: half"))
        peer.wait_for_end()

    dataplane = dataplane_alone(handler=backend)
    with Connection(dataplane.http, timeout=30) as connection:
        connection.send_request(host=dataplane.host, headers=[("Accept", "text/event-stream")])
        head = connection.head()
        dataplane.send_signal(signal.SIGTERM)
        with pytest.raises(EOFError):  # cut: no last chunk
            list(read_chunks(connection.stream, head))
    assert dataplane.wait(20 * SLOW) == 0


def test_the_answer_to_a_post_has_the_whole_period_for_its_end(dataplane_alone):
    """Nobody asks for it again; streams of GET end all over the period."""
    finish = threading.Event()

    def backend(peer):
        request = peer.request()
        peer.send(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n" + in_chunks(b"data: 1\n\n"))
        if request.method == "POST":
            assert finish.wait(20)
            peer.send(in_chunks(b"data: end\n\n") + b"0\r\n\r\n")
        peer.wait_for_end()

    dataplane = dataplane_alone("--drain-period", "8s", handler=backend)
    ends = selectors.DefaultSelector()

    def stream(**asks):
        connection = Connection(dataplane.http, timeout=20)
        connection.send_request(host=dataplane.host, **asks)
        chunks = read_chunks(connection.stream, connection.head())
        assert next(chunks) == b"data: 1\n\n"
        return connection, chunks
    posted = [stream(method="POST", body=b"{}") for _ in range(8)]
    others = [stream(**ASKED) for _ in range(10)]
    for connection, _ in others:
        ends.register(connection.sock, selectors.EVENT_READ)
    dataplane.send_signal(signal.SIGTERM)
    eventually(lambda: len(ends.select(0)) >= 5)  # half of the period has gone by, more or less
    finish.set()
    assert [list(chunks) for _, chunks in posted] == [[b"data: end\n\n"]] * 8
    for connection, _ in [*posted, *others]:
        connection.close()
    assert dataplane.wait(20 * SLOW) == 0
    dataplane.await_log("method=POST .*status=200 cause=none")


def test_a_stream_whose_request_is_still_being_sent(dataplane_alone):
    """A backend may answer before it has read all; the drain ends both ways at once."""
    def backend(peer):
        peer.request(body=False)
        peer.send(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n" + in_chunks(b"data: 1\n\n"))
        peer.wait_for_end()

    dataplane = dataplane_alone(handler=backend)
    with Connection(dataplane.http, timeout=20) as connection:
        connection.send_request(host=dataplane.host, method="POST", headers=[("Content-Length", "1000")], body=b"half")
        chunks = read_chunks(connection.stream, connection.head())
        assert next(chunks) == b"data: 1\n\n"
        dataplane.send_signal(signal.SIGTERM)
        assert list(chunks) == []
    assert dataplane.wait(20 * SLOW) == 0


def test_a_route_of_http_alone_ends_its_streams_the_same_way(dataplane_alone):
    def backend(peer):
        peer.request()
        peer.send(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n" + in_chunks(b"data: 1\n\n"))
        peer.wait_for_end()

    dataplane = dataplane_alone(handler=backend, protocols=["HTTP"])
    streams = []
    for headers in ([], [("Accept", "text/event-stream")]):
        connection = Connection(dataplane.http, timeout=20)
        connection.send_request(host=dataplane.host, headers=headers)
        streams.append((connection, read_chunks(connection.stream, connection.head())))
        assert next(streams[-1][1]) == b"data: 1\n\n"
    dataplane.send_signal(signal.SIGTERM)
    for connection, chunks in streams:
        assert list(chunks) == []
        connection.close()
    assert dataplane.wait(20 * SLOW) == 0
    dataplane.await_log("protocol=http .*status=200 cause=drain")


def test_a_client_that_does_not_read_its_stream_does_not_hold_the_drain(dataplane_alone):
    full = threading.Event()

    def backend(peer):
        peer.request()
        peer.send(EVENTS + b"Transfer-Encoding: chunked\r\n\r\n")
        peer.sock.settimeout(1)
        try:
            while True:
                peer.send(in_chunks(b"data: %s\n\n" % (b"x" * 65536)))
        except TimeoutError:
            full.set()  # every buffer on the way to the client
        peer.sock.settimeout(None)
        peer.wait_for_end()

    dataplane = dataplane_alone(handler=backend)
    with Connection(dataplane.http) as connection:
        connection.send_request(host=dataplane.host, **ASKED)
        assert connection.head().status == 200
        assert full.wait(20 * SLOW)
        dataplane.send_signal(signal.SIGTERM)
        assert dataplane.wait(20 * SLOW) == 0
    dataplane.await_log("protocol=sse .*cause=drain")


def test_an_answer_that_is_no_stream_is_finished(dataplane_alone):
    """Whatever the client's Accept said."""
    rest = threading.Event()

    def backend(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n1\n\n45")
        rest.wait(20)
        peer.send(b"67890")
        peer.wait_for_end()

    dataplane = dataplane_alone(handler=backend)
    with Connection(dataplane.http, timeout=20) as connection:
        connection.send_request(host=dataplane.host, headers=[("Accept", "text/event-stream")])
        assert connection.head().headers.get("Content-Length") == "10"
        assert connection.stream.exactly(5) == b"1\n\n45"
        dataplane.send_signal(signal.SIGTERM)
        eventually(lambda: stopped_listening(dataplane.http))
        assert not connection.ends_within(1.2)
        rest.set()
        connection.sock.settimeout(20)
        assert connection.stream.exactly(5) == b"67890"
    assert dataplane.wait(20 * SLOW) == 0


def stopped_listening(port):
    try:
        Connection(port).close()
    except ConnectionRefusedError:
        return True
    return False


def test_ready_and_healthy(launch):
    toyou = launch()
    assert toyou.get("/healthz").status == 200 and toyou.get("/readyz").status == 200
    assert toyou.get("/nothing").status == 404
    with Backend(serve_json("b")) as backend:
        toyou.folder.write("r.yaml", [*manifests.service("web", [(backend.address, backend.port)]),
                                      manifests.ingress("web", "web.test", "web")])
        eventually(lambda: fetch(toyou.http, host="web.test").status == 200)
        eventually(lambda: any(key.startswith("toyou_http_requests_total{") and 'code="200"' in key
                               for key in toyou.metrics()))
        assert toyou.metrics()["toyou_snapshot_generation"] >= 2
