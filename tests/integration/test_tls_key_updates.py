"""Clients that ask for new keys without end, in an upload, and read nothing of the download that runs beside it."""
import ctypes
import time

import pytest

from support.backends import Backend
from support.tls import over_tls
from support.toyou import SLOW
from support.wait import eventually
from support.wire import Connection

REQUESTED = 1  # SSL_KEY_UPDATE_REQUESTED
UPDATES = 150_000  # 4 MB of them: more than the buffers of both ends take in answers
SIZE = 100_000_000
START = b"POST / HTTP/1.1\r\nHost: keys.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


def answers_early(peer):
    peer.request(body=False)
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
    for _ in range(SIZE // 100_000):
        peer.send(b"x" * 100_000)


def ask_for_new_keys(tls):
    """Python has no call for it: the session's SSL* comes first in its object, behind head and owner."""
    library = ctypes.CDLL("libssl.so.3")
    library.SSL_key_update.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.SSL_do_handshake.argtypes = [ctypes.c_void_p]
    session = ctypes.c_void_p.from_address(id(tls._sslobj) + 24).value
    for _ in range(UPDATES):
        assert library.SSL_key_update(session, REQUESTED) == 1 and library.SSL_do_handshake(session) == 1


@pytest.mark.skipif(SLOW > 1, reason="the client's part alone takes minutes beside a sanitizer")
def test_reader_and_writer_do_not_wait_in_one_place(world, authority):
    place = world()
    with Backend(answers_early) as backend:
        place.route("site", "keys.test", backend)
        place.certificate("one", authority.issue("keys.test"), ["keys.test"])
        place.start(workers=1)
        with Connection(place.https, tls=over_tls("keys.test")) as client:
            client.send(START)
            eventually(lambda: backend.accepted == 1)
            time.sleep(1)  # the download fills every buffer: nothing tells when
            ask_for_new_keys(client.sock.tls)
            raw, got = client.sock.raw, 0
            raw.settimeout(2 * SLOW)
            try:
                raw.sendall(client.sock.taken())
            except TimeoutError:
                pass  # rightly: its answers are not read
            raw.settimeout(10 * SLOW)
            while got < SIZE // 2:
                got += len(raw.recv(1 << 20))
        eventually(lambda: place.dataplane.metrics()["toyou_client_connections"] == 0, 20 * SLOW)
