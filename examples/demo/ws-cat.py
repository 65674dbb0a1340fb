#!/usr/bin/env python3
"""Say something on a WebSocket and show what comes back.

usage: ws-cat.py ws://HOST:PORT/PATH [--header 'Name: value'] [MESSAGE...]

With messages: sends each, prints one answer for each, closes. Without: sends the lines of
standard input and prints what arrives, until the input or the WebSocket ends.
Python 3.9 or newer, standard library only.
"""
import argparse
import base64
import os
import socket
import struct
import sys
import threading
from urllib.parse import urlsplit

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class WebSocket:
    def __init__(self, url, headers):
        parts = urlsplit(url)
        if parts.scheme != "ws" or not parts.hostname:
            sys.exit("ws-cat: %s is not ws://HOST[:PORT]/PATH" % url)
        self._socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=10)
        self._socket.settimeout(None)
        self._reader = self._socket.makefile("rb")
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        key = base64.b64encode(os.urandom(16)).decode()
        head = ["GET %s HTTP/1.1" % target, "Host: %s" % parts.netloc, "Upgrade: websocket",
                "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + key]
        self._socket.sendall(("\r\n".join(head + headers) + "\r\n\r\n").encode())
        status = self._reader.readline().decode("latin-1").strip()
        while self._reader.readline().strip():
            pass
        if " 101 " not in status + " ":
            sys.exit("ws-cat: refused: " + status)

    def send(self, opcode, data):
        mask = os.urandom(4)
        size = len(data)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
        body = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        self._socket.sendall(head + mask + body)

    def receive(self):
        """The next whole message as text; None at the end."""
        message = b""
        while True:
            head = self._reader.read(2)
            if len(head) < 2:
                return None
            size = head[1] & 0x7F
            if size >= 126:
                size = int.from_bytes(self._reader.read(2 if size == 126 else 8), "big")
            data = self._reader.read(size)
            opcode = head[0] & 0x0F
            if opcode == PING:
                self.send(PONG, data)
            elif opcode == CLOSE:
                if len(data) >= 2:
                    print("ws-cat: closed: %d %s" % (int.from_bytes(data[:2], "big"),
                                                     data[2:].decode("utf-8", "replace")), file=sys.stderr)
                return None
            elif opcode < CLOSE:
                message += data
                if head[0] & 0x80:
                    return message.decode("utf-8", "replace")

    def print_all(self):
        while (message := self.receive()) is not None:
            print(message, flush=True)
        os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("message", nargs="*")
    parser.add_argument("--header", action="append", default=[])
    options = parser.parse_args()
    try:
        ws = WebSocket(options.url, options.header)
        for message in options.message:
            ws.send(TEXT, message.encode())
            answer = ws.receive()
            if answer is None:
                sys.exit("ws-cat: the WebSocket ended before an answer came")
            print(answer)
        if not options.message:
            threading.Thread(target=ws.print_all, daemon=True).start()
            for line in sys.stdin:
                ws.send(TEXT, line.rstrip("\n").encode())
        ws.send(CLOSE, struct.pack("!H", 1000))
    except OSError as error:
        sys.exit("ws-cat: %s" % error)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
