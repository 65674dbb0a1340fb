"""RFC 6455 as bytes: a strict client, and the frames for both sides."""
import base64
import collections
import hashlib
import os
import struct

from support.wire import Connection, ProtocolError, read_body, request_bytes

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Frame = collections.namedtuple("Frame", "opcode payload fin rsv masked")


class Refused(Exception):
    """The answer to the handshake was not 101."""

    def __init__(self, response):
        super().__init__(repr(response))
        self.response = response


def accept_key(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def xor(data, mask):
    if mask == b"\0\0\0\0" or not data:
        return bytes(data)
    pad = mask * (len(data) // 4 + 1)
    size = len(data)
    return (int.from_bytes(data, "little") ^ int.from_bytes(pad[:size], "little")).to_bytes(size, "little")


def frame_head(opcode, size, fin=True, rsv=0, masked=False):
    first, bit = (0x80 if fin else 0) | rsv << 4 | opcode, 0x80 if masked else 0
    if size < 126:
        return struct.pack("!BB", first, bit | size)
    if size < 1 << 16:
        return struct.pack("!BBH", first, bit | 126, size)
    return struct.pack("!BBQ", first, bit | 127, size)


def encode(opcode, payload=b"", fin=True, rsv=0, mask=None):
    payload = payload.encode() if isinstance(payload, str) else payload
    head = frame_head(opcode, len(payload), fin, rsv, mask is not None)
    return head + payload if mask is None else head + mask + xor(payload, mask)


def client_frame(opcode, payload=b"", fin=True, rsv=0):
    return encode(opcode, payload, fin, rsv, os.urandom(4))


def read_frame_head(stream):
    """(opcode, size, fin, rsv, mask or None); EOFError at the end of the stream."""
    first, second = stream.exactly(2)
    size = second & 0x7F
    if size == 126:
        size = struct.unpack("!H", stream.exactly(2))[0]
    elif size == 127:
        size = struct.unpack("!Q", stream.exactly(8))[0]
    mask = stream.exactly(4) if second & 0x80 else None
    return first & 0x0F, size, bool(first & 0x80), first >> 4 & 7, mask


def read_frame(stream):
    opcode, size, fin, rsv, mask = read_frame_head(stream)
    payload = stream.exactly(size)
    return Frame(opcode, xor(payload, mask) if mask else payload, fin, rsv, mask is not None)


def close_payload(code, reason=""):
    return struct.pack("!H", code) + reason.encode()


def handshake_headers(key, headers=()):
    names = {name.lower() for name, _ in headers}
    own = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", key),
           ("Sec-WebSocket-Version", "13")]
    return [pair for pair in own if pair[0].lower() not in names] + list(headers)


class WebSocket(Connection):
    """A client. Raises Refused when the handshake is not answered by 101."""

    def __init__(self, port, target="/", host="example.test", headers=(), early=b"", timeout=15, source=None,
                 version="1.1", method="GET", tls=None, address="127.0.0.1"):
        super().__init__(port, address, timeout=timeout, source=source, tls=tls)
        self.key = base64.b64encode(os.urandom(16)).decode()
        headers = list(headers.items()) if isinstance(headers, dict) else list(headers)
        # Early frames travel in the same packet as the request.
        self.send(request_bytes(target, host, method, handshake_headers(self.key, headers), None, version) + early)
        try:
            self.answer = self.head()
            if self.answer.status != 101:
                raise Refused(read_body(self.stream, self.answer, "GET"))
            self._check_answer()
        except BaseException:
            self.close()
            raise

    def _check_answer(self):
        headers = self.answer.headers
        if headers.all("Sec-WebSocket-Accept") != [accept_key(self.key)]:
            raise ProtocolError("wrong Sec-WebSocket-Accept: %s" % self.answer)
        if headers.get("Upgrade", "").lower() != "websocket" or headers.get("Connection", "").lower() != "upgrade":
            raise ProtocolError("101 without Upgrade and Connection: %s" % self.answer)
        if headers.get("Content-Length") or headers.get("Transfer-Encoding"):
            raise ProtocolError("101 with a body: %s" % self.answer)

    def send_frame(self, opcode, payload=b"", fin=True, rsv=0):
        self.send(client_frame(opcode, payload, fin, rsv))

    def send_text(self, text):
        self.send_frame(TEXT, text)

    def send_binary(self, data):
        self.send_frame(BINARY, data)

    def send_close(self, code=1000, reason=""):
        self.send_frame(CLOSE, close_payload(code, reason))

    def frame(self):
        """The next frame, by the rules for what a server sends without extensions."""
        got = read_frame(self.stream)
        if got.masked:
            raise ProtocolError("a masked frame from the server")
        if got.opcode >= 8 and (not got.fin or len(got.payload) > 125):
            raise ProtocolError("a bad control frame: %s" % (got,))
        if got.opcode not in (0, 1, 2, 8, 9, 10):
            raise ProtocolError("opcode %d" % got.opcode)
        return got

    def message(self):
        """The next whole data message; control frames in between are an error."""
        first = self.frame()
        if first.opcode not in (TEXT, BINARY):
            raise ProtocolError("expected a message: %s" % (first,))
        payload, last = first.payload, first
        while not last.fin:
            last = self.frame()
            if last.opcode != CONTINUATION:
                raise ProtocolError("expected a continuation: %s" % (last,))
            payload += last.payload
        return payload.decode() if first.opcode == TEXT else payload

    def echo(self, text):
        self.send_text(text)
        return self.message()

    def closed(self):
        """Waits for the end: (code, reason) of the Close, or None for a bare TCP end. Data frames
        before it are dropped. The TCP end must follow the Close when it is answered."""
        try:
            while True:
                got = self.frame()
                if got.opcode == CLOSE:
                    break
        except EOFError:
            return None
        code = struct.unpack("!H", got.payload[:2])[0] if got.payload else 1005
        try:
            self.send_frame(CLOSE, got.payload[:2])
        except OSError:
            pass  # the proxy need not wait for the answer
        if not self.ends_within(10):
            raise ProtocolError("TCP stays open after Close %d" % code)
        return code, got.payload[2:].decode()
