#!/usr/bin/env python3
"""A backend for thousands of WebSockets: echoes messages of less than 126 bytes, sends events, answers anything else.

usage: echo_server.py PORT
"""
import asyncio
import base64
import hashlib
import re
import resource
import sys

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLOSE = 8


async def websocket(reader, writer, key):
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    opcode = 0
    while opcode != CLOSE:
        first, second = await reader.readexactly(2)
        mask = await reader.readexactly(4)
        payload = bytes(b ^ mask[i & 3] for i, b in enumerate(await reader.readexactly(second & 127)))
        opcode = first & 15
        writer.write(bytes([first, len(payload)]) + payload)


async def events(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    while True:
        writer.write(b"data: tick\n\n")
        await writer.drain()
        await asyncio.sleep(0.25)


async def serve(reader, writer):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        if key := re.search(rb"(?i)\r\nsec-websocket-key: *(\S+)\r\n", head):
            await websocket(reader, writer, key[1])
        elif head.startswith(b"GET /events "):
            await events(writer)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nmany\n")
    except (OSError, asyncio.IncompleteReadError):
        pass
    writer.close()


async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    async with await asyncio.start_server(serve, "", int(sys.argv[1]), backlog=4096) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
