"""Many echoing WebSockets at once, watched: each sends a numbered message, waits for its echo, sends
the next. A dropped connection, a wrong number or a long silence is recorded."""
import selectors
import threading
import time

from support import websocket
from support.websocket import WebSocket


class Member:
    def __init__(self, number, ws):
        self.number, self.ws = number, ws
        self.sent = self.echoed = 0
        self.last = time.monotonic()
        self.buffer = ws.stream.buffer


class Fleet:
    """`connect(n)` gives the n-th WebSocket. Messages: "<member>:<sequence>"."""

    def __init__(self, connect, size, every=0.1):
        self.every, self.problems = every, []
        self.members = [Member(n, connect(n)) for n in range(size)]
        self.longest_silence = 0.0
        self._selector = selectors.DefaultSelector()
        for member in self.members:
            self._selector.register(member.ws.sock, selectors.EVENT_READ, member)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()
        for member in self.members:
            member.ws.close()

    def stop(self):
        self._end.set()
        self._thread.join(20)
        assert not self._thread.is_alive()

    @property
    def echoes(self):
        return sum(member.echoed for member in self.members)

    def _run(self):
        while not self._end.is_set():
            now = time.monotonic()
            for member in self.members:
                self._send_next(member, now)
            for key, _ in self._selector.select(timeout=0.01):
                self._receive(key.data)

    def _send_next(self, member, now):
        if member.sent != member.echoed:
            self.longest_silence = max(self.longest_silence, now - member.last)
        elif now - member.last >= self.every:
            member.sent += 1
            member.last = now
            try:
                member.ws.send_text("%d:%d" % (member.number, member.sent))
            except OSError as error:
                self._lost(member, repr(error))

    def _receive(self, member):
        try:
            data = member.ws.sock.recv(65536)
        except OSError as error:
            return self._lost(member, repr(error))
        if not data:
            return self._lost(member, "end of stream")
        member.buffer += data
        while len(member.buffer) >= 2 and len(member.buffer) >= 2 + (member.buffer[1] & 0x7F):
            size = member.buffer[1] & 0x7F
            opcode, payload = member.buffer[0] & 0x0F, member.buffer[2:2 + size]
            member.buffer = member.buffer[2 + size:]
            if opcode == websocket.CLOSE:
                return self._lost(member, "close %r" % payload)
            wanted = b"%d:%d" % (member.number, member.sent)
            if payload != wanted:
                self.problems.append("member %d got %r instead of %r" % (member.number, payload, wanted))
            member.echoed, member.last = member.sent, time.monotonic()

    def _lost(self, member, why):
        if not self._end.is_set():
            self.problems.append("member %d lost: %s" % (member.number, why))
        try:
            self._selector.unregister(member.ws.sock)
        except KeyError:
            pass
        member.sent, member.echoed, member.last = 0, 0, float("inf")


def fleet(port, host, size, target="/", every=0.1):
    return Fleet(lambda number: WebSocket(port, target, host=host), size, every)
