"""WebSocket over TLS: the handshake, the move to the relay, frames of every kind, every way to end."""
import re
import signal
import ssl

import pytest

from support import websocket
from support.backends import Backend, echo_websocket
from support.tls import client_context, over_tls
from support.wait import eventually
from support.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, Refused, WebSocket, client_frame, encode

pytestmark = pytest.mark.tsan
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
def echo(secure_site):
    return secure_site(echo_websocket)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [0, 1, 125, 126, 16383, 16384, 16385, 65536, 1 << 20])
def test_echo_of_every_length(echo, size, version):
    payload = bytes(n % 251 for n in range(size))
    with echo.websocket(context=client_context(minimum=version, maximum=version)) as ws:
        ws.send_binary(payload)
        frame = ws.frame()
        assert (frame.opcode, frame.fin, frame.payload == payload) == (BINARY, True, True)
        assert ws.echo("and then") == "and then"


def test_fragments_and_pings_pass_as_they_are(echo):
    with echo.websocket() as ws:
        ws.send_frame(TEXT, b"one ", fin=False)
        ws.send_frame(PING, b"between")
        ws.send_frame(CONTINUATION, b"two ", fin=False)
        ws.send_frame(CONTINUATION, b"three", fin=True)
        frames = [ws.frame() for _ in range(4)]
    assert [(f.opcode, f.fin, f.payload) for f in frames] == [
        (TEXT, False, b"one "), (PONG, True, b"between"), (CONTINUATION, False, b"two "), (CONTINUATION, True, b"three")]


def test_frames_in_single_records_single_bytes_and_many_in_one_record(echo):
    with echo.websocket() as ws:
        for byte in client_frame(TEXT, b"slowly") + client_frame(BINARY, b"\0" * 60):
            ws.send(bytes([byte]))
        assert ws.message() == "slowly" and ws.message() == b"\0" * 60
        ws.sock.put(client_frame(TEXT, b"cut"))
        ws.sock.flush(pieces=1)
        assert ws.message() == "cut"
        ws.send(b"".join(client_frame(TEXT, b"%d" % n) for n in range(500)))
        assert [ws.message() for _ in range(500)] == [str(n) for n in range(500)]


@pytest.mark.parametrize("count", [1, 50, 2000])
def test_early_frames_of_the_client_in_the_packet_of_the_upgrade(echo, count):
    """50 fit into the record and the buffer of the head, 2000 do not: some are still encrypted when the pair moves."""
    early = b"".join(client_frame(TEXT, b"early %d" % n) for n in range(count))
    with echo.websocket(early=early) as ws:
        assert [ws.message() for _ in range(count)] == ["early %d" % n for n in range(count)]
        assert ws.echo("then") == "then"


def test_the_handshake_the_upgrade_and_frames_in_one_packet(echo):
    """The client's Finished, its request and its first frames."""
    early = client_frame(TEXT, b"at once") + client_frame(BINARY, b"x" * 20000)
    with WebSocket(echo.world.https, host=echo.host, early=early, tls=echo.tls(hold_last=True)) as ws:
        assert ws.message() == "at once" and ws.message() == b"x" * 20000


@pytest.mark.parametrize("cut", [1, 2, 5, 6, 11])
def test_part_of_an_early_frame(echo, cut):
    frame = client_frame(TEXT, b"in two parts")
    with echo.websocket(early=frame[:cut]) as ws:
        ws.send(frame[cut:])
        assert ws.message() == "in two parts"


def test_early_frames_of_the_backend(secure_site):
    def backend(peer):
        peer.accept_websocket(peer.request(), early=b"".join(encode(TEXT, b"early %d" % n) for n in range(50)))
        peer.echo_frames()
    with secure_site(backend).websocket() as ws:
        assert [ws.message() for _ in range(50)] == ["early %d" % n for n in range(50)]
        assert ws.echo("then") == "then"


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


@pytest.fixture
def start(secure_world):
    return len(secure_world.dataplane.err)


def cause_of(place, start):
    """(cause, side) in the log line of the end of its WebSocket."""
    line = place.world.dataplane.await_log(r"websocket closed.*%s" % place.name, start=start).string
    return re.search(r"cause=(\w+)", line).group(1), re.search(r"side=(\w+)", line).group(1)


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_a_close_passes_both_ways_and_ends_in_order(secure_site, code, start):
    codes = []

    def backend(peer):
        peer.accept_websocket(peer.request())
        codes.append(peer.close_code())
        peer.send_frame(CLOSE, websocket.close_payload(code, "my reason"))
    place = secure_site(backend)
    with place.websocket() as ws:
        ws.send_close(code, "my reason")
        assert ws.frame() == Frame(CLOSE, websocket.close_payload(code, "my reason"), True, 0, False)
        assert ws.ends_within(5) and ws.sock.ended_in_order, "close_notify before FIN"
    assert codes == [code]
    assert cause_of(place, start) == ("client_close", "client")


def test_a_close_of_the_backend(secure_site, start):
    def backend(peer):
        peer.accept_websocket(peer.request())
        peer.send_frame(CLOSE, websocket.close_payload(4001, "bye"))
        assert peer.close_code() == 4001
    place = secure_site(backend)
    with place.websocket() as ws:
        assert ws.closed() == (4001, "bye") and ws.sock.ended_in_order
    assert cause_of(place, start) == ("backend_close", "backend")


def test_a_backend_that_vanishes(secure_site, start):
    place = secure_site(lambda peer: peer.accept_websocket(peer.request()))
    with place.websocket() as ws:
        assert ws.closed() == (1014, "backend gone") and ws.sock.ended_in_order
    assert cause_of(place, start) == ("backend_gone", "backend")


def test_a_client_that_breaks_the_framing(echo):
    with echo.websocket() as ws:
        ws.send(encode(TEXT, b"not masked"))
        assert ws.closed()[0] == 1002


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


def test_a_refused_handshake_is_answered(secure_site):
    def backend(peer):
        peer.request()
        peer.respond(403, b"not you")
    with pytest.raises(Refused) as refused:
        secure_site(backend).websocket()
    assert (refused.value.response.status, refused.value.response.body) == (403, b"not you")


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
