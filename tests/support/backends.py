"""Backends for tests: a listener with a thread for each connection, and what it does is a function.

    def refuses(peer):
        peer.request()
        peer.respond(403, b"no")

    with Backend(refuses) as backend: ...

The function gets a `Peer`; when it returns, the connection is closed. Errors of the connection (the
proxy went away) end it quietly; any other exception is kept in `backend.failures`, which `close`
raises, so that a wrong expectation inside a backend fails the test.
"""
import json
import selectors
import socket
import threading

from support import websocket
from support.wire import Stream, chunked, read_body, read_head


class Peer:
    """The backend's end of one connection from the proxy."""

    def __init__(self, backend, sock):
        self.backend, self.sock, self.stream = backend, sock, Stream(sock)

    def send(self, data):
        self.sock.sendall(data)

    def request(self, body=True):
        """The next request, with its body unless asked otherwise. EOFError when there is none."""
        request = read_head(self.stream)
        if request is None:
            raise EOFError
        if body:
            if request.headers.get("Expect", "").lower() == "100-continue":
                self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            read_body(self.stream, request)
        self.backend.note(request)
        return request

    def respond(self, status=200, body=b"", headers=(), reason="X", version="1.1"):
        lines = ["HTTP/%s %d %s" % (version, status, reason)] + ["%s: %s" % pair for pair in headers]
        if not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in headers) and status >= 200:
            lines.append("Content-Length: %d" % len(body))
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode() + body)

    def accept_websocket(self, request, headers=(), early=b""):
        """Answers 101; `early` travels in the same packet."""
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Accept: " + websocket.accept_key(request.headers.get("Sec-WebSocket-Key", ""))]
        lines += ["%s: %s" % pair for pair in headers]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode() + early)

    def frame(self):
        frame = websocket.read_frame(self.stream)
        assert frame.masked, "a frame from a client must be masked"
        return frame

    def send_frame(self, opcode, payload=b"", fin=True, rsv=0):
        self.send(websocket.encode(opcode, payload, fin, rsv))

    def close_code(self):
        """Waits for the end: the code of the Close, 1005 for one without, None for a bare end."""
        try:
            while (frame := self.frame()).opcode != websocket.CLOSE:
                pass
        except (EOFError, OSError):
            return None
        return int.from_bytes(frame.payload[:2], "big") if frame.payload else 1005

    def wait_for_end(self):
        """Until the proxy ends the connection; what it sends before is dropped."""
        while self.stream.fill():
            self.stream.buffer = b""

    def echo_frames(self):
        """Echoes data frames as they are, answers pings and the Close."""
        while True:
            frame = self.frame()
            if frame.opcode == websocket.PING:
                self.send_frame(websocket.PONG, frame.payload)
            elif frame.opcode != websocket.PONG:
                self.send_frame(frame.opcode, frame.payload, frame.fin, frame.rsv)
                if frame.opcode == websocket.CLOSE:
                    return


def describe(name, request, peer):
    """What a backend received, as the ingress cases want it."""
    return {"backend": name, "method": request.method, "path": request.target, "host": request.headers.get("Host"),
            "proto": "HTTP/" + request.version, "headers": list(request.headers),
            "body": request.body.decode("latin-1"), "peer": list(peer.sock.getpeername()[:2])}


def is_upgrade(request):
    return request.headers.get("Upgrade", "").lower() == "websocket"


def serve_json(name):
    """Answers every request with JSON of it, every handshake with 101 and the same JSON, then echoes."""
    def handler(peer):
        while True:
            request = peer.request()
            text = json.dumps(describe(name, request, peer))
            if is_upgrade(request):
                peer.accept_websocket(request)
                peer.send_frame(websocket.TEXT, text)
                return peer.echo_frames()
            peer.respond(200, b"" if request.method == "HEAD" else text.encode(),
                         [("Content-Type", "application/json")])
    return handler


def echo_websocket(peer):
    peer.accept_websocket(peer.request())
    peer.echo_frames()


def raw(data, linger=False):
    """Answers each connection's first request with these bytes; `linger`: and then stays silent."""
    def handler(peer):
        peer.request()
        peer.send(data)
        if linger:
            peer.wait_for_end()
    return handler


def chunks(*pieces, trailers=(), headers=()):
    """One chunked answer."""
    def handler(peer):
        peer.request()
        peer.respond(200, chunked(*pieces, trailers=trailers), [("Transfer-Encoding", "chunked"), *headers])
    return handler


class Backend:
    """Listens on `addresses` (port 0: any free one) until closed."""

    def __init__(self, handler=None, addresses=(("127.0.0.1", 0),)):
        self._handler = handler or serve_json("backend")
        self._lock = threading.Lock()
        self._peers, self._threads = set(), []
        self._accepted = 0
        self.requests, self.failures = [], []
        self.handshakes, self.refusals = [], []  # of TLS, by tls_backends.secured
        self.introductions = []  # by proxy_protocol.introduced
        self._selector = selectors.DefaultSelector()
        self._wake, wake_read = socket.socketpair()
        self._selector.register(wake_read, selectors.EVENT_READ)
        self.sockets = []
        try:
            for address in addresses:
                self.sockets.append(self._listen(address))
        except OSError:
            self.close()
            raise
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _listen(self, address):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
            sock.listen(1024)
        except OSError:
            sock.close()
            raise
        self._selector.register(sock, selectors.EVENT_READ)
        return sock

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close(check=kind is None)

    @property
    def port(self):
        return self.sockets[0].getsockname()[1]

    @property
    def address(self):
        return self.sockets[0].getsockname()[0]

    @property
    def accepted(self):
        """Connections so far."""
        with self._lock:
            return self._accepted

    @property
    def live(self):
        with self._lock:
            return len(self._peers)

    def note(self, request):
        with self._lock:
            self.requests.append(request)

    def _accept(self):
        while True:
            for key, _ in self._selector.select():
                if key.fileobj not in self.sockets:
                    return
                sock, _address = key.fileobj.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peer = Peer(self, sock)
                peer.local = sock.getsockname()[:2]
                thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
                with self._lock:
                    self._peers.add(peer)
                    self._accepted += 1
                thread.start()

    def _serve(self, peer):
        try:
            self._handler(peer)
        except (EOFError, OSError):
            pass  # the proxy ended the connection
        except BaseException as error:  # noqa: BLE001 - shown by close()
            self.failures.append(error)
        finally:
            try:
                peer.sock.close()
            finally:
                with self._lock:
                    self._peers.discard(peer)

    def close(self, check=True):
        """Stops listening and ends the live connections."""
        self._wake.close()
        for sock in self.sockets:
            sock.close()
        with self._lock:
            peers = list(self._peers)
        for peer in peers:
            try:
                peer.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if check and self.failures:
            raise self.failures[0]


def closed_port():
    """A loopback port where nobody listens (bound and given back: free for the moment)."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
