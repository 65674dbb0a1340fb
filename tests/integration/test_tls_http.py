"""HTTP over TLS: what passes in plain text passes here, whatever the records and packets are."""
import hashlib
import os
import select
import socket
import ssl
import subprocess
import threading

import pytest

from support.backends import chunks, raw, serve_json
from support.tls import Truncated, client_context
from support.wait import eventually
from support.wire import Connection, read_body, read_chunks, request_bytes

pytestmark = pytest.mark.tsan
PIECE = bytes(range(256)) * 256  # 64 KiB
ROUNDS = 320                     # 20 MiB


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_of_every_kind_on_one_connection(secure_site, version):
    place = secure_site(serve_json("b"))
    with place.connect(client_context(minimum=version, maximum=version, alpn=["http/1.1"])) as connection:
        assert connection.sock.tls.version() == version.name.replace("TLSv1_", "TLSv1.")
        assert connection.sock.tls.selected_alpn_protocol() == "http/1.1"
        for number in range(20):
            body = b"payload %d" % number
            seen = connection.ask("/a?n=%d" % number, host=place.host, method="POST", body=body).json
            assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/a?n=%d" % number, body.decode())
        assert connection.ask("/last", host=place.host).json["method"] == "GET"


def test_the_backend_learns_that_the_client_came_by_https(secure_site):
    headers = dict(secure_site(serve_json("b")).fetch().json["headers"])
    assert headers["X-Forwarded-Proto"] == "https"


def test_requests_in_one_record_and_in_single_bytes(secure_site):
    place = secure_site(serve_json("b"))
    with place.connect() as connection:
        connection.send(b"".join(request_bytes("/%d" % n, place.host) for n in range(5)))
        assert [connection.response().json["path"] for _ in range(5)] == ["/%d" % n for n in range(5)]
        for byte in request_bytes("/slow", place.host):
            connection.send(bytes([byte]))
        assert connection.response().json["path"] == "/slow"


def test_records_in_single_bytes(secure_site):
    place = secure_site(serve_json("b"))
    with place.connect() as connection:
        connection.sock.put(request_bytes("/cut", place.host))
        connection.sock.flush(pieces=1)
        assert connection.response().json["path"] == "/cut"


def test_a_handshake_in_single_bytes_and_the_request_with_its_end(secure_site, secure_world):
    place = secure_site(serve_json("b"))
    with Connection(secure_world.https, tls=place.tls(pieces=1, hold_last=True)) as connection:
        connection.send(request_bytes("/with-the-finished", place.host))
        assert connection.response().json["path"] == "/with-the-finished"


def test_large_upload_and_download_at_once(secure_site):
    """20 MiB each way, both at the same time, through one connection."""
    def backend(peer):
        request = peer.request(body=False)
        peer.send(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in read_chunks(peer.stream, request):
            peer.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        peer.send(b"0\r\n\r\n")
    place = secure_site(backend)
    with place.connect() as connection:
        connection.send_request(host=place.host, method="POST", headers=[("Transfer-Encoding", "chunked")])
        # One thread for each direction would share the TLS object: pieces go out as echoes come in.
        head, got, sent = None, hashlib.sha256(), hashlib.sha256()
        for number in range(ROUNDS):
            piece = PIECE[number % 256:] + PIECE[:number % 256]
            sent.update(piece)
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            head = head or connection.head()
            back = b""
            while len(back) < len(piece):
                size = int(connection.stream.line(), 16)
                back += connection.stream.exactly(size)
                assert connection.stream.exactly(2) == b"\r\n"
            got.update(back)
        connection.send(b"0\r\n\r\n")
        assert connection.stream.line() == "0" and connection.stream.line() == ""
    assert (head.status, got.hexdigest()) == (200, sent.hexdigest())


def test_a_large_download_to_a_client_that_reads_late(secure_site):
    size = len(PIECE) * ROUNDS

    def backend(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(ROUNDS):
            peer.send(PIECE)
    place = secure_site(backend)
    with place.connect() as connection:
        connection.send_request(host=place.host)
        head = connection.head()
        eventually(lambda: place.backend.live == 1)
        read_body(connection.stream, head, "GET")
        assert hashlib.sha256(head.body).digest() == hashlib.sha256(PIECE * ROUNDS).digest()


def test_a_large_upload_to_a_backend_that_reads_late(secure_site):
    wait, digests = threading.Event(), []

    def backend(peer):
        request = peer.request(body=False)
        wait.wait(10)
        digests.append(hashlib.sha256(read_body(peer.stream, request).body).digest())
        peer.respond(200, b"read")
    place = secure_site(backend)
    with place.connect(timeout=30) as connection:
        connection.send_request(host=place.host, method="PUT", headers=[("Content-Length", str(len(PIECE) * ROUNDS))])
        threading.Timer(0.3, wait.set).start()
        for _ in range(ROUNDS):
            connection.send(PIECE)
        assert connection.response().body == b"read"
    assert digests == [hashlib.sha256(PIECE * ROUNDS).digest()]


def test_chunks_trailers_and_an_answer_without_length(secure_site):
    answer = secure_site(chunks(b"one ", b"two", trailers=[("X-Checksum", "abc")])).fetch()
    assert (answer.body, answer.trailers.get("X-Checksum")) == (b"one two", "abc")
    place = secure_site(raw(b"HTTP/1.1 200 X\r\n\r\nuntil the end"))
    assert place.fetch().body == b"until the end"
    with place.connect() as connection:
        answer = connection.ask(host=place.host, version="1.0")
        assert answer.body == b"until the end" and connection.sock.ended_in_order, "a body that ends with close_notify"


def test_a_body_that_the_backend_cuts_is_cut_for_the_client_too(secure_site):
    """An answer without length must not look whole: no close_notify."""
    def backend(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    place = secure_site(backend)
    with place.connect() as connection:
        connection.send_request(host=place.host, version="1.0")
        with pytest.raises((Truncated, ConnectionResetError)):
            connection.head()
            connection.stream.rest()
            connection.sock.recv(1)


def test_events_pass_at_once(secure_site):
    gate = threading.Semaphore(0)

    def backend(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n\r\n")
        for number in range(3):
            peer.send(b"data: %d\n\n" % number)
            assert gate.acquire(timeout=10), "the event was held back"
        peer.wait_for_end()
    place = secure_site(backend)
    with place.connect() as connection:
        connection.send_request(host=place.host, headers=[("Accept", "text/event-stream")])
        assert connection.head().status == 200
        chunk = read_chunks(connection.stream, connection)
        for number in range(3):
            assert next(chunk) == b"data: %d\n\n" % number
            gate.release()
        eventually(lambda: place.backend.live == 1)
    eventually(lambda: place.backend.live == 0, 10)


@pytest.mark.parametrize("how", ["close_notify", "fin", "reset"])
def test_a_client_that_leaves_frees_the_backend(secure_site, how):
    def backend(peer):
        peer.request()
        peer.wait_for_end()
    place = secure_site(backend)
    with place.connect() as connection:
        connection.send_request(host=place.host)
        eventually(lambda: place.backend.requests)
        if how == "close_notify":
            connection.sock.close_notify()
        elif how == "reset":
            connection.reset()
        else:
            connection.close()
        eventually(lambda: place.backend.live == 0, 10)


def test_an_idle_connection_is_ended_in_order(secure_site):
    place = secure_site(serve_json("b"))
    with place.connect() as connection:
        assert connection.ask(host=place.host, headers=[("Connection", "close")]).status == 200
        assert connection.ends_within(5) and connection.sock.ended_in_order


def test_a_bad_head_is_answered_over_tls(secure_site):
    place = secure_site(serve_json("b"))
    with place.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert connection.response().status == 400
        assert connection.ends_within(5) and connection.sock.ended_in_order


def test_new_keys_between_two_requests(secure_site, secure_world):
    """A line "K" makes s_client send a KeyUpdate that asks for ours."""
    place = secure_site(serve_json("b"))
    argv = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % secure_world.https, "-servername", place.host, "-tls1_3", "-crlf"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0) as client:
        try:
            for target in ("one", "two", "three"):
                client.stdin.write(b"GET /%s HTTP/1.1\nHost: %s\n\n" % (target.encode(), place.host.encode()))
                assert b'"path": "/%s"' % target.encode() in read_until(client.stdout, b"}")
                client.stdin.write(b"K\n")
                read_until(client.stdout, b"KEYUPDATE\n")
        finally:
            client.kill()
    assert place.backend.accepted == 1


def read_until(pipe, word):
    output = b""
    while word not in output:
        assert select.select([pipe], [], [], 10)[0], output
        piece = os.read(pipe.fileno(), 65536)
        assert piece, output
        output += piece
    return output
