"""HTTP/1.1 as bytes: a client that sends exactly what it is told and parses answers strictly.

Everything that a proxy might get wrong is an error here: bare line feeds, both framings, a chunk
without its CRLF. Used from both sides: `read_head` and `read_body` serve the backends too.
"""
import json
import socket
import time


class ProtocolError(AssertionError):
    """What arrived is not HTTP/1.1."""


class Headers(list):
    """(name, value) pairs in the order of the wire."""

    def all(self, name):
        return [value for key, value in self if key.lower() == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default


class Message:
    """A request or a response: start line, headers and, once read, body and trailers."""

    def __init__(self, start, headers):
        self.start, self.headers = start, headers
        self.body, self.trailers = b"", Headers()
        first, second, third = (start.split(" ", 2) + ["", ""])[:3]
        if start.startswith("HTTP/"):
            self.version, self.status, self.reason = first[5:], int(second), third
        else:
            self.method, self.target, self.version = first, second, third[5:]

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def __repr__(self):
        return "<%s %s %r>" % (self.start, list(self.headers), self.body[:200])


class Stream:
    """A socket with a buffer in front of it."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def fill(self, size=65536):
        """Reads once. False at the end of the stream (closed or reset)."""
        try:
            data = self.sock.recv(size)
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        self.buffer += data
        return bool(data)

    def take(self, count):
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def exactly(self, count):
        parts, have = [self.take(count)], 0
        have = len(parts[0])
        while have < count:
            try:
                data = self.sock.recv(min(1 << 20, count - have))
            except (ConnectionResetError, BrokenPipeError):
                data = b""
            if not data:
                raise EOFError("the stream ended %d bytes early" % (count - have))
            parts.append(data)
            have += len(data)
        return b"".join(parts)

    def line(self, limit=1 << 20):
        while b"\n" not in self.buffer:
            if len(self.buffer) > limit:
                raise ProtocolError("a line without end")
            if not self.fill():
                raise EOFError("the stream ended inside a line: %r" % self.buffer[:200])
        end = self.buffer.index(b"\n") + 1
        line = self.take(end)
        if not line.endswith(b"\r\n"):
            raise ProtocolError("a bare line feed: %r" % line)
        return line[:-2].decode("latin-1")

    def rest(self):
        while self.fill():
            pass
        return self.take(len(self.buffer))

    def header_lines(self):
        headers = Headers()
        while line := self.line():
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise ProtocolError("not a header: %r" % line)
            headers.append((name, value.strip(" \t")))
        return headers


def read_head(stream):
    """The next head; None when the stream ends before its first byte."""
    if not stream.buffer and not stream.fill():
        return None
    start = stream.line()
    return Message(start, stream.header_lines())


def read_chunks(stream, message):
    """Yields the data of each chunk; the trailers go to `message`."""
    while True:
        size = int(stream.line().split(";")[0].strip(), 16)
        if size == 0:
            message.trailers = stream.header_lines()
            return
        data = stream.exactly(size)
        if stream.exactly(2) != b"\r\n":
            raise ProtocolError("a chunk without its CRLF")
        yield data


def read_body(stream, message, request_method=None):
    """Reads the body by the framing of RFC 9112 section 6.3; `request_method` for a response."""
    lengths, codings = message.headers.all("Content-Length"), message.headers.all("Transfer-Encoding")
    if lengths and codings:
        raise ProtocolError("both Content-Length and Transfer-Encoding")
    if len(set(lengths)) > 1 or len(lengths) > 1 or len(codings) > 1:
        raise ProtocolError("framing said twice: %s %s" % (lengths, codings))
    response = request_method is not None
    if response and (request_method == "HEAD" or message.status in (204, 304) or message.status < 200):
        return message
    if codings:
        if codings[0].lower() != "chunked":
            raise ProtocolError("Transfer-Encoding: " + codings[0])
        message.body = b"".join(read_chunks(stream, message))
    elif lengths:
        message.body = stream.exactly(int(lengths[0]))
    elif response:
        message.body = stream.rest()
    return message


class Connection:
    """A client's connection to `port` on the loopback; `tls` from support.tls.over_tls."""

    def __init__(self, port, address="127.0.0.1", timeout=15, source=None, tls=None):
        source = (source, 0) if source else None
        self.sock = socket.create_connection((address, port), timeout=timeout, source_address=source)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls(self.sock)
        self.stream = Stream(self.sock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Ends with a TCP reset instead of a FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def send_request(self, target="/", host="example.test", method="GET", headers=(), body=None, version="1.1"):
        self.send(request_bytes(target, host, method, headers, body, version))

    def head(self):
        head = read_head(self.stream)
        if head is None:
            raise EOFError("closed without an answer")
        return head

    def response(self, method="GET", interim=False):
        """The next response, whole. Interim ones (1xx) are passed over unless asked for."""
        while True:
            head = self.head()
            if interim or head.status >= 200 or head.status == 101:
                return read_body(self.stream, head, method)

    def ask(self, target="/", host="example.test", method="GET", headers=(), body=None, version="1.1"):
        self.send_request(target, host, method, headers, body, version)
        return self.response(method)

    def ends_within(self, seconds):
        """Whether the peer ends the connection in time, saying nothing more."""
        deadline = time.monotonic() + seconds
        if self.stream.buffer:
            return False
        try:
            self.sock.settimeout(max(0.01, deadline - time.monotonic()))
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except (TimeoutError, BlockingIOError):
            return False


def request_bytes(target="/", host="example.test", method="GET", headers=(), body=None, version="1.1"):
    lines = ["%s %s HTTP/%s" % (method, target, version)]
    hosts = host if isinstance(host, (list, tuple)) else [host]
    lines += ["Host: %s" % h for h in hosts if h is not None]
    headers = list(headers.items()) if isinstance(headers, dict) else list(headers)
    lines += ["%s: %s" % pair for pair in headers]
    if body is not None and not any(n.lower() in ("content-length", "transfer-encoding") for n, _ in headers):
        lines.append("Content-Length: %d" % len(body))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


def fetch(port, target="/", tls=None, source=None, address="127.0.0.1", **request):
    """One request on a connection of its own."""
    with Connection(port, address, source=source, tls=tls) as connection:
        return connection.ask(target, **request)


def chunked(*pieces, trailers=()):
    out = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces if p) + b"0\r\n"
    return out + b"".join(("%s: %s\r\n" % t).encode() for t in trailers) + b"\r\n"
