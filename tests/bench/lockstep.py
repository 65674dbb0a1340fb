"""A dataplane (with one worker, unless told), its backend and its clients, driven in lock step by one thread.

Each step waits for the one before, so what the dataplane does for it (system calls, instructions,
allocations) does not depend on how fast the machine is or what else it runs. Bytes are checked at
both ends. Sockets are raw: nothing of the program under test is used to test it.
"""
import base64
import hashlib
import os
import resource
import select
import socket
import ssl
import struct

from support.snapshot_world import SnapshotWorld

PATIENCE = 120  # seconds for one answer: the dataplane may run under a tool that slows it a hundredfold
HOST = "guard.tls.test"
KEY = base64.b64encode(b"sixteen bytes ok")
ACCEPT = base64.b64encode(hashlib.sha1(KEY + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


def frame(payload, masked, opcode=2):
    size = len(payload)
    head = bytes([0x80 | opcode])
    head += bytes([masked << 7 | size]) if size < 126 else bytes([masked << 7 | 126]) + struct.pack(">H", size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


def exactly(sock, size):
    data = sock.recv(size)
    if len(data) == size:
        return data
    parts, left = [data], size - len(data)
    while left:
        parts.append(sock.recv(left))
        assert parts[-1], "the stream ended %d bytes early" % left
        left -= len(parts[-1])
    return b"".join(parts)


def head(sock):
    """One HTTP head; nothing may follow it."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = sock.recv(4096)
        assert more, "the stream ended in a head: %r" % data
        data += more
    return data


class Lockstep:
    """`under`: the tool and its arguments that run the dataplane. `certificate`: for TLS."""

    def __init__(self, directory, under=(), certificate=None, env=None, routes=1, workers=1):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.address, self.port = self.listener.getsockname()
        self.upstreams = []  # connections that the dataplane keeps for further requests
        self.world = SnapshotWorld(directory)
        for number in range(1, routes):
            self.world.route("r%d" % number, "r%d.test" % number, self)
        self.world.route("guard", HOST, self)
        if certificate:
            self.world.certificate("guard", certificate, ["*.tls.test"])
        self.world.start(workers=workers, under=under, ready_seconds=PATIENCE, env={**os.environ, **(env or {})})
        self.dataplane = self.world.dataplane

    def close(self):
        for sock in [self.listener, *self.upstreams]:
            sock.close()
        self.dataplane.stop(seconds=PATIENCE)

    def threads(self):
        """{thread id: name}, in the order of their start."""
        folder = "/proc/%d/task" % self.dataplane.pid
        found = {}
        for thread in sorted(os.listdir(folder), key=int):
            with open("%s/%s/comm" % (folder, thread), encoding="ascii") as file:
                found[int(thread)] = file.read().strip()
        return found

    def connect(self, tls=None):
        sock = socket.create_connection(("127.0.0.1", self.world.https if tls else self.world.http), timeout=PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return tls.wrap_socket(sock, server_hostname=HOST) if tls else sock

    def upstream(self):
        """The connection by which the next request has come to the backend, and its head."""
        while True:
            waiting = {sock.fileno(): sock for sock in (self.listener, *self.upstreams)}
            poll = select.poll()  # select() ends at 1,024 descriptors
            for number in waiting:
                poll.register(number, select.POLLIN)
            events = poll.poll(1000 * PATIENCE)
            assert events, "no request came to the backend"
            ready = waiting[events[0][0]]
            if ready is self.listener:
                accepted, _ = ready.accept()
                accepted.settimeout(PATIENCE)
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.upstreams.append(accepted)
            elif ready.recv(1, socket.MSG_PEEK):
                return ready, head(ready)
            else:  # it was idle for too long
                self.upstreams.remove(ready)
                ready.close()

    def websocket(self, tls=None):
        """A live WebSocket: the sockets of its client and of its backend."""
        client = self.connect(tls)
        client.sendall(b"GET /chat HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % (HOST.encode(), KEY))
        backend, request = self.upstream()
        assert request.startswith(b"GET /chat HTTP/1.1\r\n"), request
        self.upstreams.remove(backend)
        backend.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        b"Sec-WebSocket-Accept: %s\r\n\r\n" % ACCEPT)
        assert head(client).startswith(b"HTTP/1.1 101 ")
        return client, backend

    # Steps: each gives a function that does one and says how many operations that was.

    def echo(self, connections=1, batch=1, size=64, tls=None):
        """Messages of `size` bytes, `batch` in one packet, on every connection before the first is awaited."""
        pairs = [self.websocket(tls) for _ in range(connections)]
        payloads = [os.urandom(size) for _ in range(batch)]
        up, down = (b"".join(frame(payload, masked) for payload in payloads) for masked in (True, False))

        def step():
            for client, _ in pairs:
                client.sendall(up)
            for _, backend in pairs:
                assert exactly(backend, len(up)) == up
            for _, backend in pairs:
                backend.sendall(down)
            for client, _ in pairs:
                assert exactly(client, len(down)) == down
            return connections * batch
        return step

    def get(self, tls=None):
        """A GET of 100 bytes on a connection that stays, to a backend that keeps its own."""
        client = self.connect(tls)
        request = b"GET /bytes HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\n\r\n" % HOST.encode()
        body = b"b" * 100

        def step():
            client.sendall(request)
            backend, _ = self.upstream()
            backend.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n" + body)
            data = b""
            while not data.endswith(body):
                more = client.recv(4096)
                assert more, "the stream ended in an answer: %r" % data
                data += more
            assert data.startswith(b"HTTP/1.1 200 ")
            return 1
        return step

    def stream(self, tls=None):
        """A live event stream: the sockets of its client and of its backend."""
        client = self.connect(tls)
        client.sendall(b"GET /events HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n" % HOST.encode())
        backend, _ = self.upstream()
        self.upstreams.remove(backend)
        backend.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n")
        assert head(client).startswith(b"HTTP/1.1 200 ")
        return client, backend

    def event(self, tls=None):
        """One of 100 bytes, in a chunk of its own."""
        client, backend = self.stream(tls)
        event = b"64\r\nid: 1\ndata: %s\n\n\r\n" % (b"x" * 86)

        def step():
            backend.sendall(event)
            assert exactly(client, len(event)) == event
            return 1
        return step

    def open(self, tls=None):
        """Connect, upgrade, one echo, the close handshake, both ends closed."""
        up, down = (frame(b"x" * 64, masked) for masked in (True, False))
        close_up, close_down = (frame(struct.pack(">H", 1000), masked, 8) for masked in (True, False))

        def step():
            client, backend = self.websocket(tls)
            for one, other, data in ((client, backend, up), (backend, client, down), (client, backend, close_up),
                                     (backend, client, close_down)):
                one.sendall(data)
                assert exactly(other, len(data)) == data
            backend.close()
            try:
                assert client.recv(1) == b""
            except ssl.SSLZeroReturnError:
                pass
            client.close()
            return 1
        return step


def run(step, operations):
    """At least so many operations; how many it were."""
    done = 0
    while done < operations:
        done += step()
    return done


def raise_file_limit():
    """The hard limit of open files, now in force."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
