"""Every end of a live WebSocket: what either side gets, and the cause in log and metric. In plain text and over TLS on
both sides, which end in order (close_notify before FIN) unless a test says otherwise: all else is an error of support.tls."""
import re
import threading

import pytest

from support import websocket
from support.backends import echo_websocket
from support.toyou import SLOW
from support.wait import eventually
from support.websocket import BINARY, CLOSE, CONTINUATION, PING, TEXT, client_frame, encode

pytestmark = [pytest.mark.tsan, pytest.mark.parametrize("scheme", ["ws", "wss"])]


class Recorder:
    """A backend that opens a WebSocket, does what it is told, and keeps the code it is closed with."""

    def __init__(self, act=None):
        self.act, self.codes, self.done = act, [], threading.Event()

    def __call__(self, peer):
        peer.accept_websocket(peer.request())
        if self.act:
            self.act(peer)
        self.codes.append(peer.close_code())
        self.done.set()

    def code(self):
        assert self.done.wait(10 * SLOW), "the backend's side is still open"
        return self.codes[0]


def cause_of(gateway, place, start):
    line = gateway.await_log(r"websocket closed.*%s" % place.name, start=start).string
    return re.search(r"cause=\"?(\w+)", line).group(1)


def closed_total(gateway, place, cause):
    return sum(value for key, value in gateway.metrics().items()
               if key.startswith("toyou_websocket_closed_total{") and 'cause="%s"' % cause in key and place.name in key)


def check(gateway, place, start, cause):
    assert cause_of(gateway, place, start) == cause
    eventually(lambda: closed_total(gateway, place, cause) == 1)
    eventually(lambda: place.backend.live == 0)


@pytest.fixture
def start(gateway):
    return len(gateway.err)


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_client_closes(site, gateway, start, code):
    place = site(echo_websocket)
    with place.websocket() as ws:
        ws.send_close(code, "my reason")
        assert ws.closed() == (code, "my reason")
    check(gateway, place, start, "client_close")


def test_backend_closes(site, gateway, start):
    recorder = Recorder(lambda peer: peer.send_frame(CLOSE, websocket.close_payload(4000, "enough")))
    place = site(recorder)
    with place.websocket() as ws:
        assert ws.closed() == (4000, "enough")
    assert recorder.code() == 4000
    check(gateway, place, start, "backend_close")


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_client_vanishes(site, gateway, start, leave, scheme):
    """A TCP end without close_notify is told apart: anybody on the way can forge it."""
    recorder = Recorder()
    place = site(recorder)
    ws = place.websocket()
    getattr(ws, leave)()
    assert recorder.code() == 1001
    check(gateway, place, start, "client_truncated" if (scheme, leave) == ("wss", "close") else "client_gone")


def test_backend_vanishes(site, gateway, start):
    place = site(lambda peer: peer.accept_websocket(peer.request()))  # and returns: a bare end
    with place.websocket() as ws:
        assert ws.closed() == (1014, "backend gone")
    check(gateway, place, start, "backend_gone")


def test_backend_vanishes_in_the_middle_of_a_frame(site, gateway, start):
    """No Close can be said inside a frame: only the TCP end."""
    def backend(peer):
        peer.accept_websocket(peer.request())
        peer.send(websocket.frame_head(BINARY, 1000) + b"half")
    place = site(backend)
    with place.websocket() as ws:
        with pytest.raises(EOFError):
            ws.frame()
    check(gateway, place, start, "backend_gone")


VIOLATIONS = {
    "unmasked": encode(TEXT, b"x"),
    "reserved-opcode": client_frame(3, b"x"),
    "reserved-control": client_frame(11, b"x"),
    "reserved-bit": client_frame(TEXT, b"x", rsv=1),
    "long-ping": client_frame(PING, b"x" * 126),
    "fragmented-ping": client_frame(PING, b"x", fin=False),
    "continuation-first": client_frame(CONTINUATION, b"x"),
    "text-inside-text": client_frame(TEXT, b"x", fin=False) + client_frame(TEXT, b"y"),
    "close-of-one-byte": client_frame(CLOSE, b"x"),
    "close-1005": client_frame(CLOSE, websocket.close_payload(1005)),
    "close-999": client_frame(CLOSE, websocket.close_payload(999)),
    "length-not-shortest": b"\x81\xfe\x00\x05\0\0\0\0hello",
    "length-63-bits": b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0",
}


@pytest.mark.parametrize("case", VIOLATIONS)
def test_client_breaks_the_rules(site, gateway, start, case):
    recorder = Recorder()
    place = site(recorder)
    with place.websocket() as ws:
        ws.send(VIOLATIONS[case])
        assert ws.closed()[0] == 1002
    # Inside a fragmented message a Close may be sent; the backend is never left without an end.
    assert recorder.code() == 1002
    check(gateway, place, start, "client_protocol")


@pytest.mark.parametrize("case", ["masked", "reserved-opcode", "long-ping", "continuation-first"])
def test_backend_breaks_the_rules(site, gateway, start, case):
    frames = {"masked": client_frame(TEXT, b"x"), "reserved-opcode": encode(3, b"x"), "long-ping": encode(PING, b"x" * 126),
              "continuation-first": encode(CONTINUATION, b"x")}
    recorder = Recorder(lambda peer: peer.send(frames[case]))
    place = site(recorder)
    with place.websocket() as ws:
        assert ws.closed()[0] == 1014
    assert recorder.code() == 1002
    check(gateway, place, start, "backend_protocol")


LIMIT = {"limits": {"maxMessageBytes": "1Ki"}}


def test_message_too_big(site, gateway, start):
    recorder = Recorder()
    place = site(recorder, LIMIT)
    with place.websocket() as ws:
        ws.send_binary(b"x" * 1025)
        assert ws.closed()[0] == 1009
    assert recorder.code() == 1001
    check(gateway, place, start, "message_too_big")


def test_message_too_big_over_fragments(site, gateway, start):
    recorder = Recorder()
    place = site(recorder, LIMIT)
    with place.websocket() as ws:
        ws.send_frame(BINARY, b"x" * 1000, fin=False)
        ws.send_frame(CONTINUATION, b"x" * 25, fin=True)
        assert ws.closed()[0] == 1009
    assert recorder.code() == 1001
    check(gateway, place, start, "message_too_big")


def test_messages_up_to_the_limit_pass(site):
    place = site(echo_websocket, LIMIT)
    with place.websocket() as ws:
        for _ in range(3):
            ws.send_binary(b"x" * 1024)
            assert ws.message() == b"x" * 1024


def test_idle(site, gateway, start):
    recorder = Recorder()
    place = site(recorder, {"timeouts": {"idle": "700ms"}})
    with place.websocket() as ws:
        code, reason = ws.closed()
        assert (code, reason) == (1001, "idle")
    assert recorder.code() == 1001
    check(gateway, place, start, "idle")


def test_traffic_of_either_side_keeps_from_idle(site):
    place = site(echo_websocket, {"timeouts": {"idle": "1s"}})
    pause = threading.Event()
    with place.websocket() as ws:
        for number in range(6):
            assert ws.echo(str(number)) == str(number)
            pause.wait(0.4)


def test_lifetime(site, gateway, start):
    recorder = Recorder()
    place = site(recorder, {"timeouts": {"lifetime": "800ms"}})
    with place.websocket() as ws:
        assert ws.closed() == (1001, "lifetime")
    assert recorder.code() == 1001
    check(gateway, place, start, "lifetime")


def test_a_close_that_nobody_answers_ends_after_closing(site, gateway, start):
    recorder = Recorder(lambda peer: peer.close_code() and threading.Event().wait(0.2))
    place = site(recorder, {"timeouts": {"idle": "400ms", "closing": "500ms"}})
    with place.websocket() as ws:
        frame = ws.frame()
        assert frame.opcode == CLOSE
        assert ws.ends_within(10), "our Close was not answered, and the connection stays"
    check(gateway, place, start, "idle")


def test_a_silent_websocket_outlives_the_response_timeout(site):
    place = site(echo_websocket, {"timeouts": {"response": "200ms", "handshake": "200ms"}})
    with place.websocket() as ws:
        threading.Event().wait(1.5)
        assert ws.echo("still here") == "still here"


def test_data_before_the_tcp_end_is_not_lost(site):
    def backend(peer):
        peer.accept_websocket(peer.request())
        for number in range(200):
            peer.send_frame(TEXT, b"%d" % number)
        peer.send_frame(CLOSE, websocket.close_payload(1000))
        peer.close_code()
    with site(backend).websocket() as ws:
        assert [ws.message() for _ in range(200)] == [str(n) for n in range(200)]
        assert ws.closed() == (1000, "")
