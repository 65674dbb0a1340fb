"""WebSocket over TLS, as far as TLS makes a difference: the move to the relay, records, the end of TLS. The rest is in
test_websocket.py and test_close_codes.py, which run over both."""
import re
import signal
import ssl

import pytest

from support.backends import Backend, echo_websocket
from support.tls import client_context, over_tls
from support.wait import eventually
from support.websocket import BINARY, TEXT, WebSocket, client_frame

pytestmark = pytest.mark.tsan


@pytest.fixture
def echo(secure_site):
    return secure_site(echo_websocket)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 16383, 16384, 16385, 65536, 1 << 20])
def test_echo_of_every_length_over_tls_12(echo, size):
    payload = bytes(n % 251 for n in range(size))
    with echo.websocket(context=client_context(maximum=ssl.TLSVersion.TLSv1_2)) as ws:
        ws.send_binary(payload)
        frame = ws.frame()
        assert (frame.opcode, frame.fin, frame.payload == payload) == (BINARY, True, True)
        assert ws.echo("and then") == "and then"


def test_a_record_in_single_bytes(echo):
    with echo.websocket() as ws:
        ws.sock.put(client_frame(TEXT, b"cut"))
        ws.sock.flush(pieces=1)
        assert ws.message() == "cut"


def test_the_handshake_the_upgrade_and_frames_in_one_packet(echo):
    """The client's Finished, its request and its first frames."""
    early = client_frame(TEXT, b"at once") + client_frame(BINARY, b"x" * 20000)
    with WebSocket(echo.world.https, host=echo.host, early=early, tls=echo.tls(hold_last=True)) as ws:
        assert ws.message() == "at once" and ws.message() == b"x" * 20000


def test_a_flood_to_a_client_that_reads_late_is_held_back(secure_site):
    """Back-pressure through TLS: 16 MiB, byte for byte, once the client reads."""
    total, sent = 256, []

    def backend(peer):
        peer.accept_websocket(peer.request())
        for number in range(total):
            peer.send_frame(BINARY, bytes([number]) * 65536)
            sent.append(number)
        peer.echo_frames()
    with secure_site(backend).websocket(timeout=30) as ws:
        eventually(lambda: sent, 10)
        for number in range(total):
            assert ws.message() == bytes([number]) * 65536
        assert ws.echo("after the flood") == "after the flood"


@pytest.fixture
def start(secure_world):
    return len(secure_world.dataplane.err)


def cause_of(place, start):
    """(cause, side) in the log line of the end of its WebSocket."""
    line = place.world.dataplane.await_log(r"websocket closed.*%s" % place.name, start=start).string
    return re.search(r"cause=(\w+)", line).group(1), re.search(r"side=(\w+)", line).group(1)


ENDS = {"close_notify": "client_gone", "fin": "client_truncated", "reset": "client_gone", "garbage": "client_gone"}


@pytest.mark.parametrize("how", ENDS)
def test_a_client_that_vanishes(secure_site, how, start):
    """A TCP end without close_notify is told apart: anybody on the way can forge it."""
    codes = []

    def backend(peer):
        peer.accept_websocket(peer.request())
        peer.send_frame(TEXT, peer.frame().payload)
        codes.append(peer.close_code())
    place = secure_site(backend)
    with place.websocket() as ws:
        assert ws.echo("here") == "here"
        if how == "close_notify":
            ws.sock.close_notify()
        elif how == "garbage":
            ws.sock.raw.sendall(b"\x17\x03\x03\x00\x20" + b"\0" * 32)
        elif how == "reset":
            ws.reset()
        else:
            ws.sock.shutdown(1)
        assert cause_of(place, start) == (ENDS[how], "client")
        eventually(lambda: codes, 10)
    assert codes == [1001], "the backend learns that nobody is there"


def test_a_client_that_ends_in_the_midst_of_a_record(secure_site, start):
    place = secure_site(echo_websocket)
    with place.websocket() as ws:
        ws.sock.put(client_frame(TEXT, b"never whole"))
        ws.sock.raw.sendall(ws.sock.taken()[:-1])
        ws.sock.shutdown(1)
        assert cause_of(place, start) == ("client_truncated", "client")


def test_a_drain_closes_in_order(world, authority):
    place = world()
    with Backend(echo_websocket) as backend:
        place.route("site", "drain.test", backend)
        place.certificate("one", authority.issue("drain.test"), ["drain.test"])
        place.start()
        with WebSocket(place.https, host="drain.test", tls=over_tls("drain.test")) as ws:
            assert ws.echo("x") == "x"
            place.dataplane.send_signal(signal.SIGTERM)
            assert ws.closed()[0] == 1012 and ws.sock.ended_in_order
        assert place.dataplane.wait() == 0
