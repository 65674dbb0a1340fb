"""What a load balancer says in front of a connection (PROXY protocol), written by hand."""
import ipaddress
import struct

MAGIC = b"\r\n\r\n\0\r\nQUIT\n"


def line(client, port=4711, server="192.0.2.1"):
    """Version 1."""
    return b"PROXY TCP%d %s %s %d 443\r\n" % (ipaddress.ip_address(client).version, client.encode(), server.encode(), port)


def binary(client, port=4711, tls=False, extras=b""):
    """Version 2; `tls`: the client spoke TLS with the load balancer."""
    address = ipaddress.ip_address(client)
    if tls:
        extras += b"\x20" + struct.pack("!HBI", 5, 1, 0)
    rest = address.packed + b"\1" * len(address.packed) + struct.pack("!HH", port, 443) + extras
    return MAGIC + b"\x21" + (b"\x11" if address.version == 4 else b"\x21") + struct.pack("!H", len(rest)) + rest


def introduced(handler):
    """A backend's handler behind a header of version 2, and nothing but one: what it said is the backend's
    `introductions`, as (client, server), each (address, port)."""
    def serve(peer):
        head = peer.stream.exactly(16)
        assert head[:13] == MAGIC + b"\x21", head
        size = {0x11: 4, 0x21: 16}[head[13]]
        (length,) = struct.unpack("!H", head[14:])
        assert length == 2 * size + 4, head
        client, server = (str(ipaddress.ip_address(peer.stream.exactly(size))) for _ in range(2))
        ports = struct.unpack("!HH", peer.stream.exactly(4))
        peer.backend.introductions.append(((client, ports[0]), (server, ports[1])))
        handler(peer)
    return serve


LOCAL = MAGIC + b"\x20\x00\x00\x00"


def behind(header, then=None):
    """The `tls` of a Connection or a WebSocket: says `header` first, then what `then` (over_tls) says."""
    def wrap(sock):
        sock.sendall(header)
        return then(sock) if then else sock
    return wrap
