"""The HTTPS port against versions that are too old, bytes that are not TLS, clients that stop half way."""
import os
import socket
import ssl
import subprocess
import threading
import time

import pytest

from support.backends import Backend, echo_websocket, serve_json
from support.snapshot_world import SnapshotWorld
from support.tls import Alert, TlsSocket, client_context, over_tls
from support.toyou import SLOW, open_descriptors
from support.wait import eventually
from support.websocket import WebSocket
from support.wire import Connection, fetch

pytestmark = pytest.mark.tsan


@pytest.fixture(scope="module")
def hasty(tmp_path_factory, authority):
    """A dataplane that gives a handshake half a second."""
    world = SnapshotWorld(tmp_path_factory.mktemp("hasty"))
    with Backend(serve_json("b")) as backend:
        world.route("site", "hasty.test", backend)
        world.certificate("one", authority.issue("hasty.test"), ["hasty.test"])
        world.start("--tls-handshake-timeout", "500ms")
        yield world
        assert fetch(world.https, host="hasty.test", tls=over_tls("hasty.test")).status == 200
        world.dataplane.stop()


def counted(world, result, before):
    eventually(lambda: world.handshakes().get(result, 0) > before.get(result, 0))


def refused(world, context, name="hasty.test"):
    with pytest.raises(Alert) as alert:
        Connection(world.https, tls=over_tls(name, context))
    return alert.value.reason


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python deprecates them too
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(hasty, version):
    before = hasty.handshakes()
    assert refused(hasty, client_context(minimum=version, maximum=version)) in (
        "TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL")
    counted(hasty, "incompatible", before)


@pytest.mark.parametrize("ciphers", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256", "aNULL"])
def test_weak_ciphers_are_refused(hasty, ciphers):
    before = hasty.handshakes()
    context = client_context(maximum=ssl.TLSVersion.TLSv1_2, ciphers=ciphers + ":@SECLEVEL=0")
    assert refused(hasty, context) == "SSLV3_ALERT_HANDSHAKE_FAILURE"
    counted(hasty, "incompatible", before)


def test_alpn(hasty):
    def chosen(*names):
        with Connection(hasty.https, tls=over_tls("hasty.test", client_context(alpn=names))) as connection:
            return connection.sock.tls.selected_alpn_protocol()
    assert chosen("h2", "http/1.1") == "http/1.1"
    assert chosen() is None
    before = hasty.handshakes()
    refused(hasty, client_context(alpn=["h2"]))
    counted(hasty, "no_application_protocol", before)


def test_the_client_distrusts_us(hasty, authority, tmp_path):
    before, start = hasty.handshakes(), len(hasty.dataplane.err)
    stranger = type(authority)(tmp_path, "stranger")
    with pytest.raises(Alert):
        Connection(hasty.https, tls=over_tls("hasty.test", client_context(stranger)))
    counted(hasty, "client_alert", before)
    hasty.dataplane.await_log("tls handshake failed.*unknown ca", start=start)


def test_min_version_and_ciphers_are_flags(world, authority):
    place = world()
    place.certificate("one", authority.issue("flags.test"), ["flags.test"])
    place.start("--tls-min-version", "1.3", "--tls-ciphers", "TLS_CHACHA20_POLY1305_SHA256")
    refused(place, client_context(maximum=ssl.TLSVersion.TLSv1_2), "flags.test")
    with Connection(place.https, tls=over_tls("flags.test")) as connection:
        assert connection.sock.tls.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"


def test_renegotiation_is_refused(hasty):
    """s_client asks for it by a line "R"; the connection answers no further request."""
    argv = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % hasty.https, "-servername", "hasty.test", "-tls1_2"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0) as client:
        client.stdin.write(b"R\n")
        try:
            output, _ = client.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            client.kill()
            output, _ = client.communicate()
    assert b"RENEGOTIATING" in output
    assert b"no renegotiation" in output, output[-500:]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_neither_compression_nor_early_data(hasty, version):
    """What OpenSSL's client says of both once it has its session, which for TLS 1.3 comes after the handshake."""
    said = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % hasty.https, "-servername", "hasty.test", version,
                           "-comp", "-ign_eof"], input=b"GET / HTTP/1.1\r\nHost: hasty.test\r\nConnection: close\r\n\r\n",
                          capture_output=True, timeout=15, check=False).stdout
    assert b"HTTP/1.1 200" in said and b"Compression: NONE" in said
    if version == "-tls1_3":
        assert b"Early data was not sent" in said and b"Max Early Data: 0" in said


def test_a_downgrade_is_refused(hasty):
    """A client that was made to believe that we speak no TLS 1.3, and says so by its fallback (RFC 7507)."""
    argv = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % hasty.https, "-servername", "hasty.test", "-tls1_2"]

    def shake_hands(*flags):
        return subprocess.run([*argv, *flags], stdin=subprocess.DEVNULL, capture_output=True, timeout=15, check=False)
    assert b"inappropriate fallback" in shake_hands("-fallback_scsv").stderr
    assert shake_hands().returncode == 0


HEAD = b"GET / HTTP/1.1\r\nHost: hasty.test\r\n\r\n"
GARBAGE = {
    "http": (HEAD, "plain_http"), "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n", "not_tls"),
    "zeros": (b"\0" * 64, "not_tls"), "sslv2": (bytes.fromhex("802e0100020015000000100100800200800300800400800500800600800700c0") + bytes(16), None),
    "not-a-hello": (b"\x16\x03\x01\x00\x05hello", None), "alert": (b"\x15\x03\x03\x00\x02\x02\x28", None),
    "application-data": (b"\x17\x03\x03\x00\x05hello", None), "huge-record": (b"\x16\x03\x01\xff\xff" + b"a" * 70000, None),
    "huge-hello": (b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + b"a" * 16380, None), "empty-records": (b"\x16\x03\x01\x00\x00" * 5000, None),
    "random": (b"\x16\x03\x01\x02\x00" + os.urandom(512), None),
}


@pytest.mark.parametrize("case", GARBAGE)
def test_garbage_ends_the_connection_at_once(hasty, case):
    data, result = GARBAGE[case]
    before, start = hasty.handshakes(), len(hasty.dataplane.err)
    with Connection(hasty.https) as connection:
        try:
            connection.send(data)
            connection.stream.rest()
        except OSError:
            pass  # a reset: as good
    failed = eventually(lambda: {key: n - before.get(key, 0) for key, n in hasty.handshakes().items() if n > before.get(key, 0)})
    assert set(failed) <= {"not_tls", "plain_http", "protocol", "incompatible", "client_alert", "unrecognized_name"}, failed
    assert result is None or set(failed) == {result}
    line = hasty.dataplane.await_log("tls handshake failed", start=start).string
    assert "reason=" in line and 'reason=""' not in line, line


WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


@pytest.mark.parametrize("certificates", [True, False])
@pytest.mark.parametrize("method, fields", [("GET", b""), ("POST", b"Content-Length: 100000\r\n"), ("DELETE", b""), ("GET", WEBSOCKET)])
def test_plain_http_on_the_port_for_tls_is_told_so(hasty, world, certificates, method, fields):
    place = hasty if certificates else world().start()
    before = place.handshakes()
    body = b"a" * 100000 if b"Content-Length" in fields else b""
    with Connection(place.https) as connection:
        connection.send(b"%s / HTTP/1.1\r\nHost: hasty.test\r\n%s\r\n%s" % (method.encode(), fields, body))
        answer = connection.response()
    assert (answer.status, answer.reason, answer.headers.get("Connection")) == (400, "Bad Request", "close")
    assert "this port speaks TLS" in answer.text
    counted(place, "plain_http", before)


def hello(name="hasty.test"):
    """A ClientHello as a client makes it."""
    left, right = socket.socketpair()
    with left, right:
        stream = TlsSocket(left, name, client_context())
        left.setblocking(False)
        with pytest.raises(BlockingIOError):
            stream.handshake()
        return right.recv(65536)


@pytest.mark.parametrize("part", ["nothing", "one byte", "half", "whole"])
def test_half_a_handshake_times_out(hasty, part):
    whole = hello()
    data = {"nothing": b"", "one byte": whole[:1], "half": whole[:len(whole) // 2], "whole": whole}[part]
    before = hasty.handshakes()
    with Connection(hasty.https) as connection:
        started = time.monotonic()
        connection.send(data)
        connection.stream.rest()
        assert 0.4 < time.monotonic() - started < 8 * SLOW
    counted(hasty, "timeout", before)


def test_a_handshake_that_drips_times_out_too(hasty):
    """The limit is for all of it: bytes that come do not move it."""
    whole, before = hello(), hasty.handshakes()
    with Connection(hasty.https) as connection:
        started = time.monotonic()
        try:
            for byte in whole * 10:
                connection.send(bytes([byte]))
                time.sleep(0.02)
                if time.monotonic() - started > 8 * SLOW:
                    break
        except OSError:
            pass
        assert time.monotonic() - started < 8 * SLOW
    counted(hasty, "timeout", before)


def test_clients_that_come_and_vanish_leave_nothing(hasty):
    """10,000 of them at every stage of a handshake, by FIN and by reset."""
    whole, pid = hello(), hasty.dataplane.pid
    fetch(hasty.https, host="hasty.test", tls=over_tls("hasty.test"))
    eventually(lambda: hasty.dataplane.metrics()["toyou_client_connections"] == 0)
    descriptors = open_descriptors(pid)
    for number in range(10_000 if SLOW == 1 else 500):
        connection = Connection(hasty.https)
        if number % 5 == 4:
            connection.sock = TlsSocket(connection.sock, "hasty.test", client_context()).handshake()
        else:
            connection.send(whole[:number % 5 * len(whole) // 3])
        if number % 2:
            connection.reset()
        else:
            connection.close()
    eventually(lambda: hasty.dataplane.metrics()["toyou_client_connections"] == 0, 20 * SLOW)
    eventually(lambda: open_descriptors(pid) <= descriptors)


def test_a_flood_of_half_handshakes_keeps_nobody_out(world, authority):
    """Live WebSockets echo on and newcomers are served while hundreds hold a handshake open."""
    place, whole = world(), hello("flood.test")
    with Backend(echo_websocket) as backend:
        place.route("site", "flood.test", backend)
        place.certificate("one", authority.issue("flood.test"), ["flood.test"])
        place.start()
        with WebSocket(place.https, host="flood.test", tls=over_tls("flood.test")) as live:
            held = []
            try:
                for _ in range(400):
                    held.append(Connection(place.https))
                    held[-1].send(whole[:100])
                assert live.echo("still here") == "still here"
                with WebSocket(place.https, host="flood.test", tls=over_tls("flood.test")) as newcomer:
                    assert newcomer.echo("and I") == "and I"
            finally:
                for connection in held:
                    connection.close()


def test_a_handshake_under_way_at_the_end_holds_nothing_up(world, authority):
    place = world()
    place.certificate("one", authority.issue("end.test"), ["end.test"])
    place.start()
    with Connection(place.https) as half, Connection(place.https, tls=over_tls("end.test")) as idle:
        half.send(hello("end.test")[:50])
        eventually(lambda: place.dataplane.metrics()["toyou_client_connections"] == 2)
        eventually(lambda: sum(place.handshakes().values()) == 1)  # the idle one's is over at our end, too
        started = time.monotonic()
        place.dataplane.stop()
        assert time.monotonic() - started < 5 * SLOW
        assert idle.ends_within(5) and idle.sock.ended_in_order


def test_many_handshakes_at_once(hasty):
    """Four threads, 200 handshakes, all whole."""
    failures = []

    def run():
        for _ in range(50):
            try:
                assert fetch(hasty.https, host="hasty.test", tls=over_tls("hasty.test")).status == 200
            except Exception as error:  # noqa: BLE001 - shown below
                failures.append(error)
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
