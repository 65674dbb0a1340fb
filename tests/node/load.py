#!/usr/bin/env python3
"""Clients of the demo, and what became of them.

usage: load.py ADDRESS WEBSOCKETS HTTP-CLIENTS

WebSockets that echo ten messages a second and come back when they end, HTTP requests on new connections, and
one stream of events; until a line or the end of standard input. Then one JSON object on standard output:

  ends         how WebSockets ended: {"close 1012": 30, "open": 20}; "open" are those that were alive to the end
  seconds      when they ended: {"17": 2}
  opened, refused, echoes, http_ok      counts
  http_failed, events_ended             descriptions
"""
import asyncio
import base64
import collections
import json
import os
import struct
import sys
import time

HOST = "demo.example.com"
TEXT, CLOSE = 1, 8


def frame(opcode, payload):
    mask = os.urandom(4)
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload))


class Load:
    def __init__(self, address):
        self.address, self.begin, self.over = address, time.monotonic(), asyncio.Event()
        self.ends, self.seconds = collections.Counter(), collections.Counter()
        self.opened = self.refused = self.echoes = self.http_ok = 0
        self.http_failed, self.events_ended = [], []

    async def connect(self, target, headers=""):
        reader, writer = await asyncio.wait_for(asyncio.open_connection(self.address, 80), 5)
        writer.write(("GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (target, HOST, headers)).encode())
        return reader, writer

    def ended(self, how):
        self.ends[how] += 1
        self.seconds[int(time.monotonic() - self.begin)] += 1

    async def websockets(self):
        while not self.over.is_set():
            try:
                key = base64.b64encode(os.urandom(16)).decode()
                reader, writer = await self.connect("/echo", "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n" % key)
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                if not head.startswith(b"HTTP/1.1 101"):
                    raise ConnectionError(head)
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
                self.refused += 1
                await asyncio.sleep(0.2)
                continue
            self.opened += 1
            try:
                await self.echo(reader, writer)
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
                self.ended("no close frame (%s)" % type(error).__name__)
            writer.close()

    async def echo(self, reader, writer):
        number = 0
        while not self.over.is_set():
            number += 1
            sent = str(number).encode()
            writer.write(frame(TEXT, sent))
            head = await asyncio.wait_for(reader.readexactly(2), 15)
            got = await reader.readexactly(head[1] & 127)
            if head[0] & 15 == CLOSE:
                writer.write(frame(CLOSE, got[:2]))
                return self.ended("close %d" % struct.unpack(">H", got[:2]))
            if got != sent:
                return self.ended("wrong echo")
            self.echoes += 1
            await asyncio.sleep(0.1)
        return self.ends.update(["open"])

    async def http(self):
        while not self.over.is_set():
            try:
                reader, writer = await self.connect("/api/hello", "Connection: close\r\n")
                answer = await asyncio.wait_for(reader.read(), 15)
                writer.close()
                if not answer.startswith(b"HTTP/1.1 200") or not answer.endswith(b"}\n"):
                    raise ConnectionError(answer[:80])
                self.http_ok += 1
            except (OSError, asyncio.TimeoutError) as error:
                self.http_failed.append("after %.1f s: %r" % (time.monotonic() - self.begin, error))
            await asyncio.sleep(0.05)

    async def events(self):
        while not self.over.is_set():
            try:
                reader, writer = await self.connect("/events", "Accept: text/event-stream\r\n")
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                tail = b""
                while not self.over.is_set() and (part := await asyncio.wait_for(reader.read(4096), 15)):
                    tail = (tail + part)[-64:]
                if not self.over.is_set():
                    whole = tail.endswith((b"\n\n", b"\n\n\r\n", b"\r\n0\r\n\r\n"))
                    self.events_ended.append("between events" if whole else "within an event: %r" % tail)
                writer.close()
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
                self.events_ended.append(repr(error))
                await asyncio.sleep(0.2)

    async def run(self, websockets, clients):
        jobs = [self.websockets() for _ in range(websockets)] + [self.http() for _ in range(clients)] + [self.events()]
        tasks = [asyncio.ensure_future(job) for job in jobs]
        print("started", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        self.over.set()
        await asyncio.gather(*tasks)
        self.over = None
        return {name: value for name, value in vars(self).items() if name not in ("address", "begin", "over")}


async def main():
    load = Load(sys.argv[1])
    print(json.dumps(await load.run(int(sys.argv[2]), int(sys.argv[3]))))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    asyncio.run(main())
