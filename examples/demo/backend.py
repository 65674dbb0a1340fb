#!/usr/bin/env python3
"""A backend to try a proxy with: one page, JSON over HTTP, a stream of events, a WebSocket chat.

usage: backend.py [--address 127.0.0.1] [--port 7070]

  GET  /            the page; it uses the three below
  any  /api/hello   JSON of the request as it arrived here
  GET  /events      Server-Sent Events, one a second
  GET  /ws          WebSocket: what one client says, all clients hear
  GET  /echo        WebSocket: what a client says, it hears

Python 3.9 or newer, standard library only. Not meant for anything but trying things out.
"""
import argparse
import base64
import hashlib
import json
import os
import signal
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = os.path.dirname(os.path.realpath(__file__))
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
MESSAGE_LIMIT = 1 << 20


class Room:
    """The clients of the chat. What is sent goes to all of them, in one order."""

    def __init__(self):
        self._lock = threading.Lock()
        self._members = set()

    def enter(self, member):
        with self._lock:
            self._members.add(member)

    def leave(self, member):
        with self._lock:
            self._members.discard(member)

    def say(self, payload):
        with self._lock:
            for member in list(self._members):
                try:
                    member.send(TEXT, payload)
                except OSError:
                    self._members.discard(member)  # its own thread notices and ends


class ChatMember:
    """The server's end of one WebSocket."""

    def __init__(self, reader, connection):
        self._reader, self._connection = reader, connection
        self._lock = threading.Lock()

    def send(self, opcode, payload):
        size = len(payload)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([size])
        elif size < 1 << 16:
            head += struct.pack("!BH", 126, size)
        else:
            head += struct.pack("!BQ", 127, size)
        with self._lock:
            self._connection.sendall(head + payload)

    def _exactly(self, count):
        data = self._reader.read(count)
        if len(data) < count:
            raise ConnectionError("the client is gone")
        return data

    def _frame(self):
        first, second = self._exactly(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack("!H", self._exactly(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self._exactly(8))[0]
        if not second & 0x80 or size > MESSAGE_LIMIT:
            raise ConnectionError("a frame without mask, or too large")
        mask = self._exactly(4)
        data = bytearray(self._exactly(size))
        for i in range(size):
            data[i] ^= mask[i % 4]
        return bool(first & 0x80), first & 0x0F, bytes(data)

    def messages(self):
        """Whole messages until the client closes; answers pings and the close."""
        message = b""
        while True:
            final, opcode, data = self._frame()
            if opcode == PING:
                self.send(PONG, data)
            elif opcode == CLOSE:
                self.send(CLOSE, data[:2])
                return
            elif opcode < CLOSE:
                message += data
                if len(message) > MESSAGE_LIMIT:
                    raise ConnectionError("message too large")
                if final:
                    yield message
                    message = b""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "demo"
    room = Room()

    def log_message(self, *_):
        pass  # the proxy writes the access log

    def _answer(self, status, content_type, body):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return body

    def do_any(self):
        path = self.path.split("?")[0]
        if path in ("/ws", "/echo") and self.headers.get("Upgrade", "").lower() == "websocket":
            return self._chat(self.room if path == "/ws" else Room())
        body = self._body()
        if path == "/events":
            return self._events()
        if path == "/api/hello":
            seen = {"hello": "from the backend", "method": self.command, "path": self.path,
                    "headers": dict(self.headers), "body": body.decode("utf-8", "replace")}
            return self._answer(200, "application/json", json.dumps(seen, indent=2).encode() + b"\n")
        if path == "/":
            with open(os.path.join(HERE, "page.html"), "rb") as page:
                return self._answer(200, "text/html; charset=utf-8", page.read())
        return self._answer(404, "text/plain", b"nothing here\n")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_any

    def _events(self):
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        number = 0
        try:
            while True:
                number += 1
                data = json.dumps({"number": number, "time": time.strftime("%H:%M:%S")})
                self.wfile.write(("id: %d\ndata: %s\n\n" % (number, data)).encode())
                time.sleep(1)
        except OSError:
            pass  # the client left

    def _chat(self, room):
        self.close_connection = True
        key = self.headers.get("Sec-WebSocket-Key", "").encode()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        member = ChatMember(self.rfile, self.connection)
        room.enter(member)
        try:
            for message in member.messages():
                room.say(message)
        except OSError:
            pass  # gone without a word
        finally:
            room.leave(member)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7070, help="0 picks a free one")
    options = parser.parse_args()
    try:
        server = Server((options.address, options.port), Handler)
    except OSError as error:
        sys.exit("demo backend: cannot listen on %s:%d: %s"
                 % (options.address, options.port, error.strerror))
    stop = lambda *_: threading.Thread(target=server.shutdown).start()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print("demo backend ready port=%d" % server.server_address[1], flush=True)
    server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
