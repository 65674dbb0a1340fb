"""WebSocket: the handshake, frames of every kind in both directions, early bytes, large messages. All of it in plain
text and over TLS on both sides."""
import hashlib
import threading
import time

import pytest

from support import websocket
from support.backends import echo_websocket, serve_json
from support.toyou import SANITIZED, SLOW, resident_bytes
from support.wait import eventually
from support.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, Refused, client_frame, encode

pytestmark = [pytest.mark.tsan, pytest.mark.parametrize("scheme", ["ws", "wss"])]


@pytest.fixture
def echo(site):
    return site(echo_websocket)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 16383, 16384, 16385, 65535, 65536, 1 << 20])
def test_echo_of_every_length_form(echo, size):
    with echo.websocket() as ws:
        payload = bytes(n % 251 for n in range(size))
        ws.send_binary(payload)
        frame = ws.frame()
        assert (frame.opcode, frame.fin, frame.payload == payload) == (BINARY, True, True)
        assert ws.echo("text too: \u00e4\u20ac") == "text too: \u00e4\u20ac"


def test_ping_and_pong_pass_through(echo):
    with echo.websocket() as ws:
        ws.send_frame(PING, b"are you there")
        assert ws.frame() == Frame(PONG, b"are you there", True, 0, False)
        ws.send_frame(PONG, b"unasked")
        assert ws.echo("still in step") == "still in step"


def test_pings_of_the_backend_reach_the_client(site):
    def backend(peer):
        peer.accept_websocket(peer.request())
        peer.send_frame(PING, b"from the backend")
        frame = peer.frame()
        assert (frame.opcode, frame.payload) == (PONG, b"from the backend")
        peer.echo_frames()
    with site(backend).websocket() as ws:
        assert ws.frame() == Frame(PING, b"from the backend", True, 0, False)
        ws.send_frame(PONG, b"from the backend")
        assert ws.echo("x") == "x"


def test_fragments_pass_as_they_are(echo):
    with echo.websocket() as ws:
        ws.send_frame(TEXT, b"one ", fin=False)
        ws.send_frame(PING, b"between")
        ws.send_frame(CONTINUATION, b"two ", fin=False)
        ws.send_frame(CONTINUATION, b"three", fin=True)
        frames = [ws.frame() for _ in range(4)]
    assert [(f.opcode, f.fin, f.payload) for f in frames] == [
        (TEXT, False, b"one "), (PONG, True, b"between"), (CONTINUATION, False, b"two "), (CONTINUATION, True, b"three")]


def test_frames_in_single_bytes_and_many_in_one_packet(echo):
    with echo.websocket() as ws:
        for byte in client_frame(TEXT, b"slowly") + client_frame(BINARY, b"\0" * 200):
            ws.send(bytes([byte]))
        assert ws.message() == "slowly" and ws.message() == b"\0" * 200
        ws.send(b"".join(client_frame(TEXT, b"%d" % n) for n in range(500)))
        assert [ws.message() for _ in range(500)] == [str(n) for n in range(500)]


def test_close_passes_both_ways_and_ends_tcp(site):
    codes = []

    def backend(peer):
        peer.accept_websocket(peer.request())
        frame = peer.frame()
        codes.append((frame.opcode, frame.payload))
        peer.send_frame(CLOSE, frame.payload)
    place = site(backend)
    with place.websocket() as ws:
        ws.send_close(4321, "my reason")
        frame = ws.frame()
        assert (frame.opcode, frame.payload) == (CLOSE, websocket.close_payload(4321, "my reason"))
        assert ws.ends_within(5)
    assert codes == [(CLOSE, websocket.close_payload(4321, "my reason"))]


def test_a_close_of_the_backend_ends_the_client_at_once(site):
    """A client that waits for TCP to end (Autobahn does) must not wait for a timeout of ours."""
    def backend(peer):
        peer.accept_websocket(peer.request())
        peer.send_frame(CLOSE, websocket.close_payload(1000, "bye"))
        assert peer.close_code() == 1000
    with site(backend).websocket() as ws:
        started = time.monotonic()
        assert ws.closed() == (1000, "bye")
        assert time.monotonic() - started < 1 * SLOW


@pytest.mark.parametrize("count", [1, 50, 2000])
def test_early_frames_of_the_client_are_not_lost(echo, count):
    """50 fit into the record and the buffer of the head, 2000 do not: some are still in TLS when the pair moves."""
    early = b"".join(client_frame(TEXT, b"early %d" % n) for n in range(count))
    with echo.websocket(early=early) as ws:
        assert [ws.message() for _ in range(count)] == ["early %d" % n for n in range(count)]
        assert ws.echo("then") == "then"


@pytest.mark.parametrize("cut", [1, 2, 5, 6, 11])
def test_part_of_an_early_frame(echo, cut):
    frame = client_frame(TEXT, b"in two parts")
    with echo.websocket(early=frame[:cut]) as ws:
        ws.send(frame[cut:])
        assert ws.message() == "in two parts"


def test_early_frames_of_the_backend_are_not_lost(site):
    def backend(peer):
        early = b"".join(encode(TEXT, b"early %d" % n) for n in range(50))
        peer.accept_websocket(peer.request(), early=early)
        peer.echo_frames()
    with site(backend).websocket() as ws:
        assert [ws.message() for _ in range(50)] == ["early %d" % n for n in range(50)]
        assert ws.echo("then") == "then"


def test_early_frames_and_the_close_in_one_packet(site):
    def backend(peer):
        early = encode(TEXT, b"hello") + encode(CLOSE, websocket.close_payload(1000, "done"))
        peer.accept_websocket(peer.request(), early=early)
        assert peer.close_code() == 1000
    with site(backend).websocket() as ws:
        assert ws.message() == "hello"
        assert ws.closed() == (1000, "done")


def test_the_handshake_passes_through(site):
    seen = []

    def backend(peer):
        request = peer.request()
        seen.append(request)
        peer.accept_websocket(request, [("Sec-WebSocket-Protocol", "chat.v2"), ("X-From-Backend", "1"), ("Set-Cookie", "a=b"),
                                        ("Sec-WebSocket-Extensions", "permessage-deflate; client_no_context_takeover")])
        peer.echo_frames()
    place = site(backend)
    offered = [("Sec-WebSocket-Protocol", "chat.v1, chat.v2"), ("Cookie", "sid=1"), ("Origin", "http://" + place.host),
               ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"), ("Authorization", "Bearer x")]
    with place.websocket("/room?a=1", headers=offered) as ws:
        answer = ws.answer.headers
        assert answer.get("Sec-WebSocket-Protocol") == "chat.v2" and answer.get("X-From-Backend") == "1"
        assert answer.get("Sec-WebSocket-Extensions") == "permessage-deflate; client_no_context_takeover"
        assert answer.get("Set-Cookie") == "a=b"
        ws.send_frame(TEXT, b"\x2a\x49\x4d\x04\x00", rsv=4)  # a compressed frame: RSV1 set
        frame = ws.frame()
        assert (frame.rsv, frame.payload) == (4, b"\x2a\x49\x4d\x04\x00"), "payload and RSV1 untouched"
    (request,) = seen
    assert request.target == "/room?a=1" and request.headers.get("Host") == place.host
    for name, value in offered:
        assert request.headers.all(name) == [value]
    assert request.headers.all("Sec-WebSocket-Key") == [ws.key]
    assert request.headers.all("X-Forwarded-For") == ["127.0.0.1"]
    assert request.headers.get("Upgrade") == "websocket" and request.version == "1.1"


@pytest.mark.parametrize("status, body", [(200, b"<html>not a WebSocket</html>"), (403, b'{"error":"no"}'), (401, b""),
                                          (302, b"moved"), (503, b"later")])
def test_a_refusal_of_the_backend_is_relayed_with_its_body(site, status, body):
    def backend(peer):
        peer.request()
        peer.respond(status, body, [("X-Why", "because"), ("WWW-Authenticate", "Basic")])
    with pytest.raises(Refused) as refused:
        site(backend).websocket()
    answer = refused.value.response
    assert (answer.status, answer.body, answer.headers.get("X-Why")) == (status, body, "because")
    assert answer.headers.get("WWW-Authenticate") == "Basic"


def test_after_a_refusal_the_connection_serves_on_or_says_that_it_ends(site):
    def backend(peer):
        while True:
            request = peer.request()
            peer.respond(403 if request.headers.get("Upgrade") else 200, b"x")
    place = site(backend)
    with place.connect() as connection:
        answer = connection.ask(host=place.host, headers=websocket.handshake_headers("AAAAAAAAAAAAAAAAAAAAAA=="))
        assert (answer.status, answer.body) == (403, b"x")
        if answer.headers.get("Connection") == "close":
            assert connection.ends_within(5)
        else:
            assert connection.ask(host=place.host).status == 200


def test_an_interim_answer_before_the_101(site):
    def backend(peer):
        request = peer.request()
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        peer.accept_websocket(request)
        peer.echo_frames()
    place = site(backend)
    connection = place.connect()
    connection.send_request(host=place.host, headers=websocket.handshake_headers("AAAAAAAAAAAAAAAAAAAAAA=="))
    while (head := connection.head()).status == 103:
        pass
    assert head.status == 101
    connection.close()


BAD_101 = {
    "wrong-accept": b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
    "no-accept": b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "other-protocol": b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "garbage": b"\x81\x05hello",
    "silence": b"",
}


@pytest.mark.parametrize("case", BAD_101)
def test_a_broken_101_is_502(site, case):
    def backend(peer):
        peer.request()
        peer.send(BAD_101[case])
    with pytest.raises(Refused) as refused:
        site(backend).websocket()
    assert refused.value.response.status == 502


def test_a_backend_that_never_answers_the_handshake(site):
    place = site(lambda peer: (peer.request(), peer.wait_for_end()), {"timeouts": {"handshake": "300ms"}})
    with pytest.raises(Refused) as refused:
        place.websocket()
    assert refused.value.response.status == 504
    eventually(lambda: place.backend.live == 0)


def test_a_client_that_leaves_during_the_handshake_frees_the_backend(site):
    place = site(lambda peer: (peer.request(), peer.wait_for_end()))
    connection = place.connect()
    connection.send_request(host=place.host, headers=websocket.handshake_headers("AAAAAAAAAAAAAAAAAAAAAA=="))
    eventually(lambda: place.backend.live == 1)
    connection.close()
    eventually(lambda: place.backend.live == 0, seconds=3 * SLOW)


@pytest.mark.parametrize("headers, status", [
    ([("Sec-WebSocket-Key", "short")], 400),
    ([("Sec-WebSocket-Key", "")], 400),
    ([("Sec-WebSocket-Key", "A" * 24)], 400),
    ([("Sec-WebSocket-Version", "8")], 426),
    ([("Sec-WebSocket-Version", "")], (400, 426)),
])
def test_a_handshake_that_breaks_the_rules(site, headers, status):
    place = site(echo_websocket)
    with pytest.raises(Refused) as refused:
        place.websocket(headers=headers)
    answer = refused.value.response
    assert answer.status in (status if isinstance(status, tuple) else (status,))
    if answer.status == 426:
        assert answer.headers.get("Sec-WebSocket-Version") == "13" and answer.headers.get("Upgrade") == "websocket"
        assert set(answer.headers.all("Connection")) == {"Upgrade", "close"}
    assert place.backend.accepted == 0


@pytest.mark.parametrize("upgrade, connection", [("h2c", "Upgrade, HTTP2-Settings"), ("TLS/1.2", "Upgrade"), ("websocket", "close"),
                                                 ("websocket", "keep-alive"), ("websocketx", "Upgrade")])
def test_only_a_whole_websocket_upgrade_is_forwarded(site, upgrade, connection):
    """Anything less is an HTTP request, without its Upgrade."""
    place = site(serve_json("b"))
    headers = [("Upgrade", upgrade), ("Connection", connection), ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
               ("Sec-WebSocket-Version", "13")]
    answer = place.fetch(headers=headers)
    assert answer.status == 200
    assert "upgrade" not in [name.lower() for name, _ in answer.json["headers"]]


@pytest.mark.parametrize("options", [{"version": "1.0"}, {"method": "POST"}])
def test_no_upgrade_over_http_10_or_other_methods(site, options):
    place = site(serve_json("b"))
    with pytest.raises(Refused) as refused:
        place.websocket(headers=[("Content-Length", "0")] if "method" in options else [], **options)
    assert refused.value.response.status in (200, 400)


def test_both_directions_at_once(echo):
    """A client that writes 8 MiB and reads only between its writes."""
    piece = bytes(range(256)) * 256
    with echo.websocket(timeout=30) as ws:
        for number in range(128):
            ws.send_binary(bytes([number]) + piece)
            if number >= 16:
                assert ws.message() == bytes([number - 16]) + piece
        for number in range(112, 128):
            assert ws.message() == bytes([number]) + piece


def test_header_tokens_in_any_case_and_company(echo):
    with echo.websocket(headers=[("Upgrade", "WebSocket"), ("Connection", "keep-alive, UPGRADE")]) as ws:
        assert ws.echo("x") == "x"


def test_many_at_once_do_not_mix(echo):
    sockets = [echo.websocket() for _ in range(100)]
    for round_number in range(5):
        for number, ws in enumerate(sockets):
            ws.send_text("%d.%d" % (number, round_number))
        for number, ws in enumerate(sockets):
            assert ws.message() == "%d.%d" % (number, round_number)
    for ws in sockets:
        ws.close()
    eventually(lambda: echo.backend.live == 0)


BLOCK = bytes(range(256)) * 4096  # 1 MiB, a multiple of the mask's length
MEMORY = 16 << 20


@pytest.fixture
def giant(scheme):
    """Bytes of a message that no buffer holds: 1 GiB, or as much as Python encrypts in the same time."""
    return (64 << 20) if SANITIZED or scheme == "wss" else (1 << 30)


def blocks_hash(count):
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(BLOCK)
    return digest.hexdigest()


def read_hashed(stream, size, unmask=None):
    digest = hashlib.sha256()
    while size:
        piece = stream.exactly(min(1 << 20, size))
        digest.update(websocket.xor(piece, unmask) if unmask else piece)
        size -= len(piece)
    return digest.hexdigest()


class PeakMemory:
    """The largest resident size of a process while the block runs, over that at its start."""

    def __init__(self, pid):
        self.pid, self.start, self.peak = pid, resident_bytes(pid), 0

    def __enter__(self):
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self):
        while not self._end.wait(0.01):
            self.peak = max(self.peak, resident_bytes(self.pid))

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    @property
    def growth(self):
        return self.peak - self.start


def test_a_giant_message_from_the_client_in_bounded_memory(site, gateway, giant):
    result = []

    def backend(peer):
        peer.accept_websocket(peer.request())
        opcode, size, fin, _rsv, mask = websocket.read_frame_head(peer.stream)
        result.append((opcode, size, fin, read_hashed(peer.stream, size, mask)))
        peer.send_frame(TEXT, b"all of it")
        peer.echo_frames()
    place = site(backend)
    with place.websocket(timeout=60 * SLOW) as ws, PeakMemory(gateway.child("toyou-dataplane")) as memory:
        ws.send(websocket.frame_head(BINARY, giant, masked=True) + b"\0\0\0\0")
        for _ in range(giant // len(BLOCK)):
            ws.send(BLOCK)
        assert ws.message() == "all of it"
    assert result == [(BINARY, giant, True, blocks_hash(giant // len(BLOCK)))]
    assert SANITIZED or memory.growth < MEMORY, memory.growth


def test_a_giant_message_from_the_backend_in_bounded_memory(site, gateway, giant):
    def backend(peer):
        peer.accept_websocket(peer.request())
        peer.send(websocket.frame_head(BINARY, giant))
        for _ in range(giant // len(BLOCK)):
            peer.send(BLOCK)
        peer.echo_frames()
    place = site(backend)
    with place.websocket(timeout=60 * SLOW) as ws, PeakMemory(gateway.child("toyou-dataplane")) as memory:
        opcode, size, fin, _rsv, mask = websocket.read_frame_head(ws.stream)
        assert (opcode, size, fin, mask) == (BINARY, giant, True, None)
        assert read_hashed(ws.stream, size) == blocks_hash(giant // len(BLOCK))
    assert SANITIZED or memory.growth < MEMORY, memory.growth


def test_a_client_that_does_not_read_stops_the_backend(site, gateway):
    sent = []

    def backend(peer):
        peer.accept_websocket(peer.request())
        frame = encode(BINARY, BLOCK)
        while True:
            peer.send(frame)
            sent.append(len(frame))
    place = site(backend)
    with place.websocket() as ws, PeakMemory(gateway.child("toyou-dataplane")) as memory:
        def stalled():
            before = len(sent)
            time.sleep(0.4)
            return before and len(sent) == before
        eventually(stalled, seconds=20)
        assert sum(sent) < 64 << 20
        assert ws.message() == BLOCK, "and nothing is lost"
    assert SANITIZED or memory.growth < MEMORY, memory.growth


def test_a_half_open_client_is_reset(site, gateway):
    """RST instead of FIN, in the middle of a frame."""
    place = site(echo_websocket)
    for _ in range(10):
        ws = place.websocket()
        ws.send(websocket.frame_head(BINARY, 1000, masked=True) + b"\1\2\3\4" + b"half")
        ws.reset()
    eventually(lambda: place.backend.live == 0)


def test_the_admin_api_lists_live_connections(echo, gateway):
    with echo.websocket("/listed?token=secret") as ws:
        ws.echo("12345")
        (item,) = [c for c in gateway.json("/api/v1/connections")["connections"] if c["host"] == echo.host]
        assert item["path"] == "/listed" and "secret" not in str(item)
        assert item["client"].startswith("127.0.0.1")


def test_open_and_close_are_logged_with_one_id(echo, gateway):
    start = len(gateway.err)
    with echo.websocket() as ws:
        ws.echo("one")
        ws.send_close(1000)
        ws.closed()
    opened = gateway.await_log(r"websocket opened.*%s" % echo.name, start=start).string
    closed = gateway.await_log(r"websocket closed.*%s" % echo.name, start=start).string
    (identity,) = set(field(opened, "id")) & set(field(closed, "id"))
    assert len(identity) == 26
    assert field(closed, "cause") == ["client_close"]


def field(line, name):
    """Values of a logfmt field."""
    return [word.split("=", 1)[1].strip('"') for word in line.split() if word.startswith(name + "=")]
