"""Session tickets: of one process, or of all replicas that share their keys."""
import base64
import ssl
import subprocess

import pytest

from support.backends import Backend, serve_json
from support.snapshot_world import SnapshotWorld
from support.tls import client_context, over_tls
from support.toyou import SLOW
from support.wait import eventually
from support.wire import Connection

pytestmark = pytest.mark.tsan
HOST = "tickets.test"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
def replicas(tmp_path_factory, authority):
    """Two dataplanes, each on a snapshot directory of its own, with one certificate and one backend."""
    certificate, made = authority.issue(HOST), []
    with Backend(serve_json("b")) as backend:
        for _ in range(2):
            place = SnapshotWorld(tmp_path_factory.mktemp("replica"))
            place.route("site", HOST, backend)
            place.certificate("one", certificate, [HOST])
            made.append(place.start())
        yield made
        for place in made:
            place.dataplane.stop()


def keys(**places):
    """places: {previous, current, next: what tells the keys apart}."""
    return {name: (bytes([which]) * 80).hex() for name, which in places.items()}


def share(places, **which):
    for place in places:
        place.snapshot.objects["ticket-keys"] = keys(**which)
        assert place.publish()["state"] == "Loaded"


class Client:
    """One client, whose sessions live in its context."""

    def __init__(self, version=ssl.TLSVersion.TLSv1_3):
        self.context = client_context(minimum=version, maximum=version)

    def visit(self, place, session=None):
        """(resumed, the session to come back with)."""
        with Connection(place.https, tls=over_tls(HOST, self.context, session=session)) as connection:
            assert connection.ask(host=HOST).status == 200
            return connection.sock.tls.session_reused, connection.sock.tls.session


@pytest.mark.parametrize("version", VERSIONS)
def test_without_shared_keys_each_process_has_its_own(replicas, version):
    one, two = replicas
    client = Client(version)
    resumed, session = client.visit(one)
    assert not resumed
    assert client.visit(one, session)[0]
    assert not client.visit(two, session)[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_replicas_resume_each_others_sessions(replicas, version):
    one, two = replicas
    share(replicas, previous=1, current=2, next=3)
    client = Client(version)
    _, session = client.visit(one)
    resumed, session = client.visit(two, session)
    assert resumed
    assert client.visit(one, session)[0]
    assert eventually(lambda: two.handshakes().get("resumed", 0) == 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_turn_of_the_ring(replicas, version):
    one, two = replicas
    share(replicas, previous=1, current=2, next=3)
    client = Client(version)
    _, old = client.visit(one)
    share([one], previous=2, current=3, next=4)
    resumed, renewed = client.visit(one, old)
    assert resumed, "a ticket of the previous key is taken"
    assert client.visit(two, renewed)[0], "who lags behind knows the next key already"
    assert client.visit(two, client.visit(one)[1])[0]
    share(replicas, previous=3, current=4, next=5)
    assert not client.visit(one, old)[0], "its key is gone"
    assert client.visit(one, renewed)[0], "made anew when it was taken"


def s_client(place, flag, file):
    request = b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % HOST.encode()
    argv = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % place.https, "-servername", HOST, "-tls1_2", "-ign_eof", flag, str(file)]
    done = subprocess.run(argv, input=request, capture_output=True, timeout=20 * SLOW, check=False)
    return done.stdout.decode("utf-8", "replace")


def test_a_ticket_that_was_tampered_with_is_no_ticket(replicas, tmp_path):
    """TLS 1.2 shows the ticket as it is: openssl s_client keeps the session in a file that we change."""
    one, kept, changed = replicas[0], tmp_path / "session.pem", tmp_path / "changed.pem"
    share(replicas, previous=1, current=2, next=3)
    session = s_client(one, "-sess_out", kept)
    assert "New, TLSv1.2" in session
    assert "Reused, TLSv1.2" in s_client(one, "-sess_in", kept)
    der = bytearray(base64.b64decode("".join(kept.read_text().splitlines()[1:-1])))
    name = der.index(bytes([2]) * 16)  # the ticket begins with the name of its key
    for at in (name + 3, name + 20, name + 60, name + 120):
        spoiled = bytearray(der)
        spoiled[at] ^= 1
        changed.write_text("-----BEGIN SSL SESSION PARAMETERS-----\n%s-----END SSL SESSION PARAMETERS-----\n"
                           % base64.encodebytes(bytes(spoiled)).decode())
        assert "New, TLSv1.2" in s_client(one, "-sess_in", changed), at


@pytest.mark.parametrize("spoiled", [{"current": "00"}, {"next": "zz" * 80}, {"previous": ""}, {"current": None}])
def test_keys_that_are_none_refuse_the_snapshot(replicas, spoiled):
    one, two = replicas
    share(replicas, previous=1, current=2, next=3)
    client = Client()
    _, session = client.visit(one)
    made = keys(previous=1, current=2, next=3) | spoiled
    two.snapshot.objects["ticket-keys"] = {name: value for name, value in made.items() if value is not None}
    report = two.publish()
    assert report["state"] == "Refused" and report["errors"][0]["key"] == "ticket-keys"
    assert not [value for value in spoiled.values() if value and value in report["errors"][0]["message"]]
    assert client.visit(two, session)[0], "the last good keys stay"


def test_without_the_object_each_process_has_its_own_again(replicas):
    one, two = replicas
    share(replicas, previous=1, current=2, next=3)
    client = Client()
    _, session = client.visit(one)
    del two.snapshot.objects["ticket-keys"]
    two.publish()
    resumed, session = client.visit(two, session)
    assert not resumed
    assert client.visit(two, session)[0]
