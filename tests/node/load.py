#!/usr/bin/env python3
"""Clients of one host, and what becomes of them.

usage: load.py [--host NAME] [--ca FILE] [--idle] ADDRESS WEBSOCKETS HTTP-CLIENTS

WebSockets that echo two messages a second and come back when they end, HTTP requests on new connections, and
one stream of events; over TLS, port 443, with --ca. With --idle a WebSocket says nothing after its first message. "started" is printed when all of them work. Then lines of
standard input are orders:

  more     prints "more" when every WebSocket and every HTTP client that is there has done its work again, twice
  report   prints one JSON object:
  end      lets all of them end, prints it, and ends; so does the end of standard input

  ends         how WebSockets ended: {"close 1012": 30, "open": 20}; "open" are those that were alive to the end
  seconds      when they ended, since the start: {"17": 2}
  opened, refused, echoes, http_ok      counts
  http_failed, events_ended             descriptions
"""
import argparse
import asyncio
import base64
import collections
import json
import os
import resource
import ssl
import struct
import sys
import time

TEXT, CLOSE = 1, 8
LAST_CHUNK = b"\r\n0\r\n\r\n"
KEPT = ("ends", "seconds", "opened", "refused", "echoes", "http_ok", "http_failed", "events_ended")


def frame(opcode, payload):
    mask = os.urandom(4)
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload))


def whole(answer):
    """An answer of status 200 with the body that its head announces."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    lengths = [int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")]
    return lines[0].startswith(b"http/1.1 200") and lengths == [len(body)]


class Load:
    def __init__(self, options):
        self.address, self.host, self.idle = options.address, options.host, options.idle
        self.dialling = asyncio.Semaphore(200)
        self.tls = ssl.create_default_context(cafile=options.ca) if options.ca else None
        self.begin, self.over = time.monotonic(), asyncio.Event()
        self.size = (options.websockets, options.clients)
        self.ends, self.seconds = collections.Counter(), collections.Counter()
        self.opened = self.refused = self.echoes = self.http_ok = self.events_seen = 0
        self.http_failed, self.events_ended = [], []
        self.progress = asyncio.Condition()

    async def count(self, name):
        setattr(self, name, getattr(self, name) + 1)
        async with self.progress:
            self.progress.notify_all()

    async def connect(self, target, headers=""):
        port, names = (443, {"ssl": self.tls, "server_hostname": self.host}) if self.tls else (80, {})
        reader, writer = await asyncio.wait_for(asyncio.open_connection(self.address, port, **names), 5)
        writer.write(("GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (target, self.host, headers)).encode())
        return reader, writer

    def ended(self, how):
        self.ends[how] += 1
        self.seconds[int(time.monotonic() - self.begin)] += 1

    async def websockets(self):
        while not self.over.is_set():
            try:
                key = base64.b64encode(os.urandom(16)).decode()
                async with self.dialling:  # so that thousands do not wait for each other until they are too late
                    reader, writer = await self.connect("/echo", "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n" % key)
                    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                if not head.startswith(b"HTTP/1.1 101"):
                    raise ConnectionError(head)
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
                self.refused += 1
                await asyncio.sleep(0.2)
                continue
            await self.count("opened")
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
            await self.count("echoes")
            await (self.over.wait() if self.idle else asyncio.sleep(0.5))
        return self.ends.update(["open"])

    async def http(self):
        while not self.over.is_set():
            try:
                reader, writer = await self.connect("/api/hello", "Connection: close\r\n")
                answer = await asyncio.wait_for(reader.read(), 15)
                writer.close()
                if not whole(answer):
                    raise ConnectionError(answer[:80])
                await self.count("http_ok")
            except (OSError, asyncio.TimeoutError) as error:
                self.http_failed.append("after %.1f s: %r" % (time.monotonic() - self.begin, error))
            await asyncio.sleep(0.05)

    async def events(self):
        while not self.over.is_set():
            try:
                reader, writer = await self.connect("/events", "Accept: text/event-stream\r\n")
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                tail = b""
                # The last chunk ends it, too: then the connection may stay for another request.
                while not self.over.is_set() and not tail.endswith(LAST_CHUNK) and (part := await asyncio.wait_for(reader.read(4096), 15)):
                    tail = (tail + part)[-64:]
                    await self.count("events_seen")
                if not self.over.is_set():
                    between = tail.endswith((b"\n\n", b"\n\n\r\n", LAST_CHUNK))
                    self.events_ended.append("between events" if between else "within an event: %r" % tail)
                writer.close()
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
                self.events_ended.append(repr(error))
                await asyncio.sleep(0.2)

    async def reach(self, opened, echoes, http_ok, events):
        async with self.progress:
            await self.progress.wait_for(lambda: self.opened >= opened and self.echoes >= echoes and
                                         self.http_ok >= http_ok and self.events_seen >= events)

    def report(self):
        print(json.dumps({name: getattr(self, name) for name in KEPT}), flush=True)

    async def obey(self):
        websockets, clients = self.size
        await self.reach(websockets, websockets, clients, 1)
        print("started", flush=True)
        loop = asyncio.get_running_loop()
        while (order := (await loop.run_in_executor(None, sys.stdin.readline)).strip()) not in ("end", ""):
            if order == "more":
                await self.reach(0, self.echoes + (0 if self.idle else 2 * websockets), self.http_ok + 2 * clients, self.events_seen + 1)
                print("more", flush=True)
            else:
                self.report()

    async def run(self):
        websockets, clients = self.size
        jobs = [self.websockets() for _ in range(websockets)] + [self.http() for _ in range(clients)] + [self.events()]
        tasks = [asyncio.ensure_future(job) for job in jobs]
        await self.obey()
        self.over.set()
        await asyncio.gather(*tasks)
        self.report()


async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="demo.example.com")
    parser.add_argument("--ca")
    parser.add_argument("--idle", action="store_true")
    parser.add_argument("address")
    parser.add_argument("websockets", type=int)
    parser.add_argument("clients", type=int)
    await Load(parser.parse_args()).run()


if __name__ == "__main__":
    asyncio.run(main())
