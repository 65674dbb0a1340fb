"""Request heads that could be read in two ways: refused and closed, and no backend sees them."""
import pytest

from support.backends import Backend, serve_json
from support.wait import eventually
from support.wire import Connection

pytestmark = pytest.mark.tsan
LINE = "POST / HTTP/1.1\r\nHost: {host}\r\n"
SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"

REFUSED = {
    # framing
    "length-and-chunked": LINE + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked-and-length": LINE + "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two-lengths": LINE + "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + SMUGGLED,
    "length-list": LINE + "Content-Length: 0, 44\r\n\r\n" + SMUGGLED,
    "length-plus": LINE + "Content-Length: +3\r\n\r\nabc",
    "length-minus": LINE + "Content-Length: -3\r\n\r\nabc",
    "length-hex": LINE + "Content-Length: 0x3\r\n\r\nabc",
    "length-empty": LINE + "Content-Length: \r\n\r\n",
    "length-2-64": LINE + "Content-Length: 18446744073709551616\r\n\r\n",
    "length-words": LINE + "Content-Length: 3 3\r\n\r\nabc",
    "xchunked": LINE + "Transfer-Encoding: xchunked\r\n\r\n" + SMUGGLED,
    "chunked-twice": LINE + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked-not-last": LINE + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "identity": LINE + "Transfer-Encoding: identity\r\n\r\n" + SMUGGLED,
    "gzip-chunked": LINE + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "two-codings": LINE + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "coding-tab": LINE + "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked-10": "POST / HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "empty-coding": LINE + "Transfer-Encoding:\r\n\r\n" + SMUGGLED,
    # fields
    "space-before-colon": LINE + "X : 1\r\n\r\n",
    "length-space-colon": LINE + "Content-Length : 3\r\n\r\nabc",
    "no-colon": LINE + "nonsense\r\n\r\n",
    "empty-name": LINE + ": 1\r\n\r\n",
    "fold": LINE + "X: 1\r\n 2\r\n\r\n",
    "fold-first": "POST / HTTP/1.1\r\n Host: {host}\r\n\r\n",
    "nul": LINE + "X: a\x00b\r\n\r\n",
    "bare-cr": LINE + "X: a\rY: b\r\n\r\n",
    "bare-lf": LINE + "X: a\nY: b\r\n\r\n",
    "bare-lf-end": "GET / HTTP/1.1\nHost: {host}\n\n",
    "name-parenthesis": LINE + "X(y): 1\r\n\r\n",
    # start line
    "version-2": "GET / HTTP/2.0\r\nHost: {host}\r\n\r\n",
    "version-12": "GET / HTTP/1.2\r\nHost: {host}\r\n\r\n",
    "version-small": "GET / http/1.1\r\nHost: {host}\r\n\r\n",
    "no-version": "GET /\r\nHost: {host}\r\n\r\n",
    "two-spaces": "GET  / HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "space-in-target": "GET /a b HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "tab-in-line": "GET\t/\tHTTP/1.1\r\nHost: {host}\r\n\r\n",
    "fragment": "GET /a#b HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "relative": "GET a HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "high-byte": "GET /\xff HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "h2-preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "bad-method": "G@T / HTTP/1.1\r\nHost: {host}\r\n\r\n",
    # host
    "no-host": "GET / HTTP/1.1\r\n\r\n",
    "two-hosts": "GET / HTTP/1.1\r\nHost: {host}\r\nHost: other.test\r\n\r\n",
    "host-twice": "GET / HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n",
    "host-userinfo": "GET / HTTP/1.1\r\nHost: a@{host}\r\n\r\n",
    "host-path": "GET / HTTP/1.1\r\nHost: {host}/x\r\n\r\n",
    # an upgrade with a body
    "upgrade-length": "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nContent-Length: 3\r\n\r\nabc",
}


@pytest.fixture(scope="module")
def watched():
    with Backend(serve_json("b")) as backend:
        yield backend


@pytest.mark.parametrize("case", REFUSED)
def test_refused_and_closed(site, watched, case):
    place = site(watched)
    before = len(watched.requests)
    with place.connect() as connection:
        connection.send(REFUSED[case].format(host=place.host).encode("latin-1"))
        answer = connection.response()
        assert answer.status in (400, 501, 505), answer
        assert connection.ends_within(5), "a second answer, or open: %r" % connection.stream.buffer
    assert len(watched.requests) == before, "a backend saw it"


BAD_CHUNKS = {
    "size-prefix": "0x3\r\nabc\r\n0\r\n\r\n",
    "size-plus": "+3\r\nabc\r\n0\r\n\r\n",
    "size-2-64": "10000000000000003\r\nabc\r\n0\r\n\r\n",
    "size-empty": "\r\nabc\r\n0\r\n\r\n",
    "bare-lf": "3\nabc\r\n0\r\n\r\n",
    "no-crlf": "3\r\nabcd\r\n0\r\n\r\n",
    "size-space": "3 \r\nabc\r\n0\r\n\r\n",
    "bad-trailer": "3\r\nabc\r\n0\r\nX : 1\r\n\r\n",
}


@pytest.mark.parametrize("case", BAD_CHUNKS)
def test_bad_chunks_never_become_a_whole_request(site, case):
    place = site(serve_json("b"))
    with place.connect() as connection:
        connection.send((LINE + "Transfer-Encoding: chunked\r\n\r\n").format(host=place.host))
        connection.send(BAD_CHUNKS[case] + SMUGGLED.format(host=place.host))
        try:
            assert connection.response().status in (400, 502), "taken for a whole request"
        except EOFError:
            pass
        assert connection.ends_within(5)
    eventually(lambda: place.backend.live == 0)
    assert all(request.target != "/smuggled" and request.body in (b"", b"abc") for request in place.backend.requests)


@pytest.mark.parametrize("extra, status", [
    ("X: " + "a" * (64 << 10) + "\r\n", 431),
    ("".join("X-%d: 1\r\n" % n for n in range(200)), 431),
], ids=["size", "count"])
def test_head_limits(site, watched, extra, status):
    place = site(watched)
    with place.connect() as connection:
        try:
            connection.send(("GET / HTTP/1.1\r\nHost: {host}\r\n" + extra + "\r\n").format(host=place.host))
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert connection.response().status == status
        assert connection.ends_within(5)


def test_target_limit(site, watched):
    place = site(watched)
    answer = place.fetch("/" + "a" * (20 << 10))
    assert answer.status in (414, 431)


def test_what_is_allowed(site, watched):
    place = site(watched)
    many = "".join("X-%d: 1\r\n" % n for n in range(80))
    for head in ("GET / HTTP/1.1\r\nhOsT: {host}\r\nX:\r\nY:  b  \r\n\r\n",
                 "GET / HTTP/1.1\r\nHost: {host}\r\n" + many + "\r\n",
                 "GET / HTTP/1.1\r\nHost: {host}\r\nCookie: " + "c" * 12_000 + "\r\n\r\n",
                 "GET http://{host}/x HTTP/1.1\r\nHost: other.test\r\n\r\n",
                 "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n"):
        with place.connect() as connection:
            connection.send(head.format(host=place.host))
            assert connection.response().status == 200, head[:200]


def test_a_head_in_single_bytes(site, watched):
    place = site(watched)
    with place.connect() as connection:
        for byte in ("GET /slow HTTP/1.1\r\nHost: %s\r\n\r\n" % place.host).encode():
            connection.send(bytes([byte]))
        assert connection.response().json["path"] == "/slow"


def test_path_confusion(site, watched):
    """Router and backend see the same path."""
    place = site(watched)
    for sent, seen in {"/a/../b": "/b", "//a///b": "/a/b", "/%61%2f": "/a%2F", "/./x": "/x", "/a?b=/../c": "/a?b=/../c"}.items():
        assert place.fetch(sent).json["path"] == seen
    for sent in ("/..", "/a/../../b", "/%zz", "/%00", "/..%2fadmin", "/a\\b", "/%2e%2e/x", "/a/..%5cb", "/a/..;/b"):
        assert place.fetch(sent).status == 400, sent


def test_half_a_request_ends_in_nothing(site, watched):
    place = site(watched)
    before = len(watched.requests)
    for cut in (1, 10, 30):
        connection = place.connect()
        connection.send(("GET /cut HTTP/1.1\r\nHost: %s\r\n\r\n" % place.host)[:cut])
        connection.close()
    assert place.fetch("/after").json["path"] == "/after"
    assert [request.target for request in watched.requests[before:]] == ["/after"]


def test_a_slow_head_is_cut(tmp_path, dataplane_alone):
    dataplane = dataplane_alone("--head-timeout", "500ms")
    with Connection(dataplane.http) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost:")
        assert connection.response().status == 408
        assert connection.ends_within(5)
    with Connection(dataplane.http) as connection:
        assert connection.ends_within(5), "a connection that says nothing"
