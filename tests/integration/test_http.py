"""HTTP: methods, bodies both ways, framing of answers, keep-alive, what a backend may do wrong."""
import hashlib
import socket
import threading
import time

import pytest

from support.backends import chunks, closed_port, raw, serve_json
from support.toyou import SANITIZED, SLOW, resident_bytes
from support.wait import eventually
from support.wire import Connection, chunked, read_body, read_chunks, read_head

pytestmark = pytest.mark.tsan
PIECE = bytes(range(256)) * 256  # 64 KiB


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_method_target_and_body_arrive_as_sent(site, method):
    place = site(serve_json("b"))
    seen = place.fetch("/a%2Fb?x=1&y=%20;z", method=method, body=b"payload").json
    assert (seen["method"], seen["path"], seen["body"]) == (method, "/a%2Fb?x=1&y=%20;z", "payload")
    assert seen["host"] == place.host


def test_chunked_request_body(site):
    place = site(serve_json("b"))
    with place.connect() as connection:
        connection.send_request(host=place.host, method="POST", headers=[("Transfer-Encoding", "chunked")])
        connection.send(chunked(b"one ", b"two ", b"three"))
        assert connection.response().json["body"] == "one two three"


def test_chunked_answer_with_trailers(site):
    place = site(chunks(b"one ", b"two", trailers=[("X-Checksum", "abc"), ("Content-Length", "7"), ("Host", "evil")]))
    answer = place.fetch()
    assert answer.body == b"one two"
    assert answer.headers.all("Transfer-Encoding") == ["chunked"]
    assert answer.trailers.all("X-Checksum") == ["abc"]
    assert not answer.trailers.all("Content-Length") and not answer.trailers.all("Host")


def test_request_trailers_never_become_headers(site):
    place = site(serve_json("b"))
    with place.connect() as connection:
        connection.send_request(host=place.host, method="POST", headers=[("Transfer-Encoding", "chunked")])
        connection.send(chunked(b"x", trailers=[("Host", "evil.test"), ("X-Forwarded-For", "6.6.6.6"), ("X-T", "1")]))
        seen = connection.response().json
    assert seen["body"] == "x" and seen["host"] == place.host
    assert "6.6.6.6" not in str(seen["headers"]) and "evil" not in str(seen["headers"])


def test_head_has_the_headers_and_no_body(site):
    def backend(peer):
        while True:
            request = peer.request()
            peer.respond(200, b"" if request.method == "HEAD" else b"12345", [("Content-Length", "5"), ("X-Is", "here")])
    place = site(backend)
    with place.connect() as connection:
        head = connection.ask(host=place.host, method="HEAD")
        assert (head.status, head.headers.get("Content-Length"), head.headers.get("X-Is")) == (200, "5", "here")
        assert connection.ask(host=place.host).body == b"12345", "the connection stays in step"


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(site, status):
    def backend(peer):
        while True:
            peer.request()
            peer.send(b"HTTP/1.1 %d X\r\nETag: \"a\"\r\n\r\n" % status)
    place = site(backend)
    with place.connect() as connection:
        for _ in range(2):
            answer = connection.ask(host=place.host)
            assert (answer.status, answer.body, answer.headers.get("ETag")) == (status, b"", '"a"')


def test_expect_100_continue(site):
    place = site(serve_json("b"))
    with place.connect() as connection:
        connection.send_request(host=place.host, method="POST",
                                headers=[("Expect", "100-continue"), ("Content-Length", "4")])
        assert connection.head().status == 100, "asked to go on before the body was sent"
        connection.send(b"body")
        assert connection.response().json["body"] == "body"


def test_expect_100_continue_refused(site):
    def backend(peer):
        peer.request(body=False)
        peer.respond(413, b"too much", [("Connection", "close")])
    place = site(backend)
    with place.connect() as connection:
        connection.send_request(host=place.host, method="POST",
                                headers=[("Expect", "100-continue"), ("Content-Length", "100000")])
        answer = connection.response()
        assert (answer.status, answer.body) == (413, b"too much")
        assert connection.ends_within(5), "the body that was not sent would be taken for a request"


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
                                     b"HTTP/1.1 102 Processing\r\n\r\n" * 3])
def test_interim_answers_are_never_final(site, interim):
    def backend(peer):
        while True:
            peer.request()
            peer.send(interim)
            peer.respond(200, b"final")
    place = site(backend)
    with place.connect() as connection:
        for _ in range(2):
            answer = connection.ask(host=place.host)
            assert (answer.status, answer.body) == (200, b"final")


def test_keep_alive_on_both_sides(site):
    place = site(serve_json("b"))
    with place.connect() as connection:
        for number in range(50):
            assert connection.ask("/%d" % number, host=place.host).json["path"] == "/%d" % number
    assert place.backend.accepted == 1


def test_pipelined_requests_are_answered_in_order(site):
    place = site(serve_json("b"))
    with place.connect() as connection:
        for number in range(20):
            connection.send_request("/%d" % number, host=place.host)
        assert [connection.response().json["path"] for _ in range(20)] == ["/%d" % n for n in range(20)]


def test_connection_close_is_honoured(site):
    place = site(serve_json("b"))
    with place.connect() as connection:
        answer = connection.ask(host=place.host, headers=[("Connection", "close")])
        assert answer.status == 200 and connection.ends_within(5)


def test_a_pooled_connection_that_the_backend_closed_is_not_an_error(site):
    def one_answer(peer):
        peer.request()
        peer.respond(200, b"x")  # and closes, without having said so
    place = site(one_answer)
    with place.connect() as connection:
        assert [connection.ask(host=place.host).status for _ in range(20)] == [200] * 20


def test_http_10_client_gets_no_chunks(site):
    place = site(chunks(b"one", b"two"))
    with place.connect() as connection:
        answer = connection.ask(host=place.host, version="1.0")
        assert answer.body == b"onetwo"
        assert not answer.headers.all("Transfer-Encoding")
        assert connection.ends_within(5)


def test_answer_that_ends_with_the_connection(site):
    place = site(raw(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"))
    answer = place.fetch()
    assert (answer.status, answer.body) == (200, b"until the end")


@pytest.mark.parametrize("cut", [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
                                 b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n"])
def test_an_answer_cut_short_is_not_passed_off_as_whole(site, cut):
    place = site(raw(cut))
    with place.connect() as connection, pytest.raises(EOFError):
        connection.ask(host=place.host)


@pytest.mark.parametrize("answer", [
    b"\x00\x01\x02garbage\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"HTTP/1.1 99 Low\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX: a\nY: b\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/2 200\r\n\r\n",
    b"",
], ids=["binary", "ssh", "status-99", "both-framings", "two-lengths", "negative-length", "space-in-name", "bare-lf",
        "head-too-large", "unasked-101", "http-2", "closed-in-silence"])
def test_garbage_from_a_backend_is_502(site, answer):
    place = site(raw(answer))
    response = place.fetch()
    assert response.status == 502
    assert "hello" not in response.text


def test_no_backend_listens(site):
    assert site([("127.0.0.1", closed_port())]).fetch().status == 502


def test_a_backend_that_never_answers_is_504(site):
    place = site(lambda peer: (peer.request(), peer.wait_for_end()), {"timeouts": {"response": "300ms"}})
    assert place.fetch().status == 504
    eventually(lambda: place.backend.live == 0)


def test_proxy_errors_are_problems_with_cause_and_request_id(site):
    place = site([("127.0.0.1", closed_port())])
    answer = place.fetch(headers=[("Accept", "application/json")])
    assert answer.headers.get("Content-Type") == "application/problem+json"
    assert answer.json["status"] == 502 and answer.json["cause"] == "connect_refused"
    assert len(answer.headers.get("X-Request-Id", "")) == 26
    assert "127.0.0.1" not in answer.text, "no internals"


HOP_BY_HOP = [("Connection", "x-secret, keep-alive"), ("X-Secret", "1"), ("Keep-Alive", "timeout=5"),
              ("Proxy-Connection", "keep-alive"), ("TE", "gzip"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")]


def test_hop_by_hop_headers_stay_on_their_hop(site):
    def backend(peer):
        request = peer.request()
        names = ",".join(name.lower() for name, _ in request.headers)
        peer.respond(200, names.encode(), [("Connection", "x-private"), ("X-Private", "1"), ("Keep-Alive", "timeout=9"),
                                           ("X-Public", "1")])
    answer = site(backend).fetch(headers=[*HOP_BY_HOP, ("X-Kept", "1")])
    received = answer.text.split(",")
    assert "x-kept" in received
    for name in ("x-secret", "keep-alive", "proxy-connection", "te", "upgrade", "http2-settings"):
        assert name not in received, name
    assert answer.headers.get("X-Public") == "1"
    assert not answer.headers.all("X-Private") and not answer.headers.all("Keep-Alive")


def test_repeated_headers_keep_their_order(site):
    place = site(raw(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n"))
    assert place.fetch().headers.all("Set-Cookie") == ["a=1", "b=2"]


def test_forged_forwarding_headers_are_replaced(site):
    place = site(serve_json("b"))
    forged = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.test"),
              ("X-Real-IP", "6.6.6.6"), ("X-Request-Id", "forged"), ("X-Forwarded-Port", "1"), ("Forwarded", "for=6.6.6.6")]
    with place.connect() as connection:
        seen = connection.ask(host=place.host, headers=forged).json["headers"]
    sent = {}
    for name, value in seen:
        sent.setdefault(name.lower(), []).append(value)
    assert sent["x-forwarded-for"] == ["127.0.0.1"] and sent["x-real-ip"] == ["127.0.0.1"]
    assert sent["x-forwarded-proto"] == ["http"] and sent["x-forwarded-host"] == [place.host]
    assert len(sent["x-request-id"]) == 1 and len(sent["x-request-id"][0]) == 26
    assert "6.6.6.6" not in str(seen)


def test_a_client_that_leaves_frees_the_backend(site):
    place = site(lambda peer: (peer.request(), peer.wait_for_end()))
    connection = place.connect()
    connection.send_request(host=place.host)
    eventually(lambda: place.backend.live == 1)
    connection.close()
    eventually(lambda: place.backend.live == 0, seconds=3)


def hash_of_body(peer, request):
    digest, size = hashlib.sha256(), 0
    if request.headers.get("Transfer-Encoding"):
        for chunk in read_chunks(peer.stream, request):
            digest.update(chunk)
            size += len(chunk)
    else:
        left = int(request.headers.get("Content-Length"))
        while size < left:
            piece = peer.stream.exactly(min(1 << 16, left - size))
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


PIECES = 800  # x 64 KiB = 50 MiB
LARGE = len(PIECE) * PIECES


def expected_hash():
    digest = hashlib.sha256()
    for _ in range(PIECES):
        digest.update(PIECE)
    return digest.hexdigest()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_large_upload_waits_for_a_slow_backend(site, gateway, framing):
    go_on, result = threading.Event(), []

    def backend(peer):
        request = peer.request(body=False)
        assert go_on.wait(30)
        result.append(hash_of_body(peer, request))
        peer.respond(200, b"done")

    place = site(backend)
    dataplane = gateway.child("toyou-dataplane")
    before = resident_bytes(dataplane)
    headers = [("Content-Length", str(LARGE))] if framing == "length" else [("Transfer-Encoding", "chunked")]
    with place.connect(timeout=30 * SLOW) as connection:
        connection.send_request(host=place.host, method="POST", headers=headers)
        stalled = fill_until_stalled(connection, framing)
        assert stalled < LARGE, "the proxy took the whole body while nobody read it"
        if not SANITIZED:
            assert resident_bytes(dataplane) - before < 16 << 20
        go_on.set()
        connection.sock.settimeout(30 * SLOW)
        send_rest(connection, framing, stalled)
        assert connection.response().body == b"done"
    assert result == [(LARGE, expected_hash())]


def as_sent(framing, offset):
    """The bytes of the body on the wire, from byte `offset` of the wire on."""
    unit = PIECE if framing == "length" else b"%x\r\n%s\r\n" % (len(PIECE), PIECE)
    end = b"" if framing == "length" else b"0\r\n\r\n"
    first, skip = divmod(offset, len(unit))
    for number in range(first, PIECES):
        yield unit[skip:] if number == first else unit
    yield end


def fill_until_stalled(connection, framing):
    """Sends until nothing is taken for a second; how many bytes went out."""
    connection.sock.settimeout(1.0)
    sent = 0
    for piece in as_sent(framing, 0):
        view = memoryview(piece)
        while view:
            try:
                count = connection.sock.send(view)
            except TimeoutError:
                return sent
            sent += count
            view = view[count:]
    return sent


def send_rest(connection, framing, offset):
    for piece in as_sent(framing, offset):
        connection.send(piece)


@pytest.mark.parametrize("framing", ["length", "chunked", "until-close"])
def test_large_answer_waits_for_a_slow_client(site, gateway, framing):
    progress = []

    def backend(peer):
        peer.request()
        header = {"length": b"Content-Length: %d\r\n" % LARGE, "chunked": b"Transfer-Encoding: chunked\r\n",
                  "until-close": b""}[framing]
        peer.send(b"HTTP/1.1 200 OK\r\n" + header + b"\r\n")
        for piece in as_sent("chunked" if framing == "chunked" else "length", 0):
            peer.send(piece)
            progress.append(len(piece))

    place = site(backend)
    dataplane = gateway.child("toyou-dataplane")
    before = resident_bytes(dataplane)
    with place.connect(timeout=30 * SLOW) as connection:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.send_request(host=place.host)
        sent = stalled_sum(progress)
        assert sent < LARGE, "the proxy took the whole answer while nobody read it"
        if not SANITIZED:
            assert resident_bytes(dataplane) - before < 16 << 20
        head = read_head(connection.stream)
        body = read_body(connection.stream, head, "GET").body
    assert len(body) == LARGE and hashlib.sha256(body).hexdigest() == expected_hash()


def stalled_sum(progress):
    """The sum once it has not grown for half a second (and is not zero)."""
    last, since = 0, time.monotonic()
    deadline = since + 20
    while time.monotonic() < deadline:
        now = sum(progress)
        if now != last:
            last, since = now, time.monotonic()
        elif last and time.monotonic() - since > 0.5:
            return last
        time.sleep(0.05)
    return last


def test_an_early_answer_ends_a_large_upload(site):
    def backend(peer):
        peer.request(body=False)
        peer.respond(401, b"no", [("Connection", "close")])
    place = site(backend)
    with place.connect() as connection:
        connection.send_request(host=place.host, method="POST", headers=[("Content-Length", str(LARGE))])
        try:
            send_rest(connection, "length", 0)
        except (ConnectionResetError, BrokenPipeError, TimeoutError):
            pass  # the proxy may stop reading a body that nobody wants
        try:
            assert connection.response().status == 401
        except EOFError:
            pass  # a reset may overtake the answer (RFC 9112 section 9.6)
        else:
            assert connection.ends_within(5)


def test_many_requests_at_once(site):
    place = site(serve_json("b"))
    failures = []

    def client(number):
        try:
            with place.connect() as connection:
                for step in range(20):
                    seen = connection.ask("/%d/%d" % (number, step), host=place.host, method="POST",
                                          body=b"%d" % step).json
                    assert (seen["path"], seen["body"]) == ("/%d/%d" % (number, step), str(step))
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)
    threads = [threading.Thread(target=client, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


def test_options_star_and_connect_are_refused(site, gateway):
    site(serve_json("b"))
    with Connection(gateway.http) as connection:
        connection.send(b"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert connection.response().status == 400
    with Connection(gateway.http) as connection:
        connection.send(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n")
        answer = connection.response()
        assert answer.status == 405
        assert "GET" in answer.headers.get("Allow"), "RFC 9110 section 15.5.6"


def test_a_426_keeps_the_protocol_that_it_asks_for(site):
    place = site(raw(b"HTTP/1.1 426 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n"))
    answer = place.fetch()
    assert answer.status == 426
    assert answer.headers.all("Upgrade") == ["websocket"] and answer.headers.all("Connection") == ["Upgrade"]


def test_a_426_of_our_own_names_the_protocol(site):
    place = site(serve_json("b"), {"protocols": ["WebSocket"]})
    answer = place.fetch()
    assert answer.status == 426
    assert answer.headers.all("Upgrade") == ["websocket"] and answer.headers.all("Connection") == ["Upgrade"]


def test_two_connections_to_different_sites_do_not_mix(site):
    first, second = site(serve_json("one")), site(serve_json("two"))
    with Connection(first.gateway.http) as connection:
        for _ in range(5):
            assert connection.ask(host=first.host).json["backend"] == "one"
            assert connection.ask(host=second.host).json["backend"] == "two"
