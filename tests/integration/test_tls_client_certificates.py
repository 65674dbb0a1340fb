"""Hosts that ask their clients for a certificate: who gets in, what the backend is told, what a connection is good for."""
import hashlib
import json
import ssl
import subprocess

import pytest

from support.backends import Backend
from support.certificates import Authority
from support.client_certificates import ClientAuthority, with_certificate
from support.snapshot_world import SnapshotWorld
from support.tls import Alert, over_tls
from support.toyou import SLOW
from support.wait import eventually
from support.websocket import Refused, WebSocket
from support.wire import Connection, fetch

pytestmark = pytest.mark.tsan
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def only(version):
    return {"minimum": version, "maximum": version}


class Club:
    """A dataplane with hosts that ask for certificates of `authority`."""

    def __init__(self, path):
        self.authority = ClientAuthority(path)
        self.world = SnapshotWorld(path / "snapshot")
        self.servers = Authority(path, "servers")
        self.backend = Backend(echo_websocket_or_json)
        self.member = self.authority.issue("anna")

    def trust(self, pem, secret="club", revocations=None):
        made = {"namespace": "default", "secret": secret, "certificates": pem}
        if revocations:
            made["revocations"] = revocations
        self.world.snapshot.objects["authority/default/" + secret] = made

    def host(self, name, **client_auth):
        host = name + ".test"
        self.world.route(name, host, self.backend, clientAuth={"authority": "authority/default/club", **client_auth})
        self.world.certificate(name, self.servers.issue(host), [host])
        return host

    def open_host(self, name):
        host = name + ".test"
        self.world.route(name, host, self.backend)
        self.world.certificate(name, self.servers.issue(host), [host])
        return host

    def connect(self, host, certificate, session=None, **options):
        return Connection(self.world.https, tls=over_tls(host, with_certificate(certificate, **options), session=session))

    def get(self, host, certificate, headers=(), **options):
        """The answer; an Alert where the handshake is refused, at whatever step the client learns of it."""
        try:
            with self.connect(host, certificate, **options) as connection:
                return connection.ask(host=host, headers=headers)
        except ssl.SSLError as error:  # TLS 1.3: the client is done before the server has looked
            raise Alert(error.reason) from error

    def close(self):
        self.world.dataplane.stop()
        self.backend.close()


def echo_websocket_or_json(peer):
    request = peer.request()
    if request.headers.get("Upgrade"):
        peer.accept_websocket(request)
        peer.echo_frames()
        return
    while True:
        seen = {"path": request.target, "headers": list(request.headers)}
        peer.respond(200, json.dumps(seen).encode(), [("Content-Type", "application/json")])
        request = peer.request()


@pytest.fixture(scope="module")
def club(tmp_path_factory):
    made = Club(tmp_path_factory.mktemp("club"))
    made.trust(made.authority.pem)
    made.host("members", mode="Required")
    made.host("guests", mode="Optional")
    made.host("strict", mode="Required", depth=0)
    made.open_host("open")
    made.world.start()
    yield made
    made.close()


def told(answer):
    """What the backend was told of the client's certificate."""
    return {name: value for name, value in answer.json["headers"] if name.lower().replace("_", "-").startswith("x-client-cert")}


def refused(club, host, certificate, *reasons, words, **options):
    before, start = club.world.handshakes(), len(club.world.dataplane.err)
    with pytest.raises(Alert) as alert:
        club.get(host, certificate, **options)
    assert alert.value.reason in reasons
    eventually(lambda: club.world.handshakes().get("client_certificate", 0) > before.get("client_certificate", 0))
    club.world.dataplane.await_log("tls handshake failed.*result=client_certificate.*%s.*server_name=%s" % (words, host), start=start)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_member_gets_in_and_the_backend_is_told(club, version):
    answer = club.get("members.test", club.member, **only(version))
    with open(club.member.chain, encoding="ascii") as file:
        der = ssl.PEM_cert_to_DER_cert(file.read())
    assert told(answer) == {"X-Client-Cert-Verify": "SUCCESS", "X-Client-Cert-Subject": "CN=anna",
                            "X-Client-Cert-Fingerprint": hashlib.sha256(der).hexdigest()}


@pytest.mark.parametrize("version", VERSIONS)
def test_who_does_not_get_in(club, tmp_path, version):
    alerts = ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE")
    refused(club, "members.test", None, *alerts, words="did not return a certificate", **only(version))
    stranger = ClientAuthority(tmp_path, "strangers").issue("eve")
    for host in ("members.test", "guests.test"):
        refused(club, host, stranger, "TLSV1_ALERT_UNKNOWN_CA", words="unable to get local issuer", **only(version))
        refused(club, host, club.authority.issue("old", start=-3, end=-1), "SSLV3_ALERT_CERTIFICATE_EXPIRED",
                words="certificate has expired", **only(version))
        refused(club, host, club.authority.issue("early", start=1, end=3), "SSLV3_ALERT_BAD_CERTIFICATE",
                words="certificate is not yet valid", **only(version))
    server = club.authority.issue("server", extensions=["extendedKeyUsage=serverAuth"])
    refused(club, "members.test", server, "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_BAD_CERTIFICATE",
            words="unsuitable certificate purpose|unsupported certificate purpose", **only(version))


@pytest.mark.parametrize("version", VERSIONS)
def test_optional_lets_in_who_shows_none(club, version):
    assert told(club.get("guests.test", None, **only(version))) == {"X-Client-Cert-Verify": "NONE"}
    assert told(club.get("guests.test", club.member, **only(version)))["X-Client-Cert-Verify"] == "SUCCESS"


@pytest.mark.parametrize("version", VERSIONS)
def test_depth(club, version):
    middle = ClientAuthority(club.authority.folder, "middle", club.authority)
    low = ClientAuthority(club.authority.folder, "low", middle)
    one, two = middle.chain(middle.issue("one")), low.chain(low.issue("two"))
    assert club.get("members.test", one, **only(version)).status == 200
    refused(club, "members.test", two, "TLSV1_ALERT_UNKNOWN_CA", words="certificate chain too long", **only(version))
    refused(club, "strict.test", one, "TLSV1_ALERT_UNKNOWN_CA", words="certificate chain too long", **only(version))


def test_the_request_names_the_authorities(club):
    shown = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % club.world.https, "-servername", "members.test"],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False).stdout
    assert "Acceptable client certificate CA names\nCN = clients\n" in shown
    shown = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % club.world.https, "-servername", "open.test"],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False).stdout
    assert "No client certificate CA names sent" in shown


@pytest.mark.parametrize("host, certificate", [("open.test", False), ("guests.test", False), ("members.test", True)])
def test_nobody_forges_what_the_backend_is_told(club, host, certificate):
    lies = [(name, "CN=root") for name in ("X-Client-Cert-Subject", "x-client-cert-verify", "X_Client_Cert_San", "X-CLIENT_CERT-FINGERPRINT",
                                           "X-Client-Cert-Anything")]
    answer = club.get(host, club.member if certificate else None, headers=lies)
    assert "CN=root" not in told(answer).values()
    assert len(told(answer)) == {"open.test": 0, "guests.test": 1, "members.test": 3}[host]


def test_values_are_plain_text_whatever_the_certificate_holds(club):
    odd = club.authority.issue("odd", subject="/O=Z\u00fcrich, Inc/CN=a\"b\\\\c", extensions=[
        "subjectAltName=DNS:a.example.com,email:anna@example.com,URI:spiffe://example.com/a,IP:192.0.2.1,IP:2001:db8::1"])
    seen = told(club.get("members.test", odd))
    assert seen["X-Client-Cert-Subject"] == "O=Z\\C3\\BCrich\\, Inc,CN=a\\\"b\\\\c"
    assert seen["X-Client-Cert-San"] == ("DNS:a.example.com, email:anna@example.com, URI:spiffe://example.com/a, "
                                         "IP:192.0.2.1, IP:2001:db8::1")


def test_plain_text_is_refused(club):
    for host in ("members.test", "guests.test"):
        answer = fetch(club.world.http, host=host)
        assert (answer.status, answer.json["cause"]) == (403, "tls_required")
        with pytest.raises(Refused) as refusal:
            WebSocket(club.world.http, host=host)
        assert refusal.value.response.status == 403


def test_host_and_server_name_must_agree(club):
    """The name in the handshake chose what was asked for; another host's demand is not met by that."""
    for name, certificate in (("open.test", club.member), ("guests.test", None), ("guests.test", club.member), ("strict.test", club.member)):
        with club.connect(name, certificate) as connection:
            assert connection.ask(host=name).status == 200
            answer = connection.ask(host="members.test")
            assert (answer.status, answer.json["cause"]) == (421, "client_certificate")
            assert answer.headers.get("Connection") == "close"
    with club.connect("members.test", club.member) as connection:
        assert connection.ask(host="open.test").status == 200, "what asks for nothing is served on any connection"
        assert connection.ask(host="members.test").status == 200


def test_websocket(club):
    with WebSocket(club.world.https, host="members.test", tls=over_tls("members.test", with_certificate(club.member))) as ws:
        assert ws.echo("hello") == "hello"
    with pytest.raises(Refused) as refusal:
        WebSocket(club.world.https, host="members.test", tls=over_tls("open.test", with_certificate(club.member)))
    assert (refusal.value.response.status, refusal.value.response.json["cause"]) == (421, "client_certificate")


@pytest.fixture
def own_club(tmp_path):
    made = Club(tmp_path)
    made.trust(made.authority.pem)
    made.host("members", mode="Required")
    made.open_host("open")
    made.world.start()
    yield made
    made.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_are_of_one_demand(own_club, version):
    context = with_certificate(own_club.member, **only(version))

    def visit(session=None):
        with Connection(own_club.world.https, tls=over_tls("members.test", context, session=session)) as connection:
            answer = connection.ask(host="members.test")
            return connection.sock.tls.session_reused, connection.sock.tls.session, answer.status, told(answer)
    reused, session, status, facts = visit()
    assert (reused, status) == (False, 200)
    assert visit(session)[0::2] == (True, 200)
    assert visit(session)[3] == facts, "the backend is told the same of a resumed session"

    other = ClientAuthority(own_club.authority.folder, "others")
    own_club.trust(own_club.authority.pem + other.pem)
    own_club.world.publish()
    reused, session, status, _ = visit(session)
    assert (reused, status) == (False, 200), "another bundle: verified anew"
    own_club.trust(other.pem)
    own_club.world.publish()
    with pytest.raises((Alert, ssl.SSLError)):
        visit(session)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_chain_of_which_something_expires_before_its_leaf(own_club, version):
    """It holds as long as all of it: for kept connections, for resumed ones, and for sessions that are to be resumed."""
    middle = ClientAuthority(own_club.authority.folder, "middle", own_club.authority, end=6 * SLOW / 86400)
    context = with_certificate(middle.chain(middle.issue("anna")), **only(version))

    def connect(session=None):
        return Connection(own_club.world.https, tls=over_tls("members.test", context, session=session))

    def status(connection):
        return connection.ask(host="members.test").status
    with connect() as first:
        assert status(first) == 200
        session = first.sock.tls.session
        with connect(session) as resumed:
            assert (resumed.sock.tls.session_reused, status(resumed)) == (True, 200)
            renewed = resumed.sock.tls.session
            eventually(lambda: status(resumed) == 421, 10 * SLOW)
        assert status(first) == 421
    for old in (session, renewed):
        with pytest.raises((Alert, ssl.SSLError)), connect(old) as late:
            status(late)


def test_a_rotated_authority_holds_for_kept_connections_and_not_for_live_websockets(own_club):
    other = ClientAuthority(own_club.authority.folder, "others")
    ws = WebSocket(own_club.world.https, host="members.test", tls=over_tls("members.test", with_certificate(own_club.member)))
    with own_club.connect("members.test", own_club.member) as kept:
        assert kept.ask(host="members.test").status == 200
        own_club.trust(own_club.authority.pem + other.pem)
        own_club.world.publish()
        assert kept.ask(host="members.test").status == 200, "still good: verified again"
        own_club.trust(other.pem)
        own_club.world.publish()
        answer = kept.ask(host="members.test")
        assert (answer.status, answer.json["cause"], answer.headers.get("Connection")) == (421, "client_certificate", "close")
    assert ws.echo("still here") == "still here"
    ws.close()


def test_revocation(own_club):
    bad = own_club.authority.issue("bad")
    with own_club.connect("members.test", bad) as kept:
        assert kept.ask(host="members.test").status == 200
        own_club.authority.revoke(bad)
        own_club.trust(own_club.authority.pem, revocations=own_club.authority.revocations())
        own_club.world.publish()
        assert kept.ask(host="members.test").status == 421
    refused(own_club, "members.test", bad, "SSLV3_ALERT_CERTIFICATE_REVOKED", words="certificate revoked")
    assert own_club.get("members.test", own_club.member).status == 200


def test_a_demand_that_comes_later_holds_for_kept_connections(own_club):
    with own_club.connect("open.test", None) as kept:
        assert kept.ask(host="open.test").status == 200
        own_club.host("open", mode="Optional")
        own_club.world.publish()
        assert kept.ask(host="open.test").status == 421
    assert told(own_club.get("open.test", None)) == {"X-Client-Cert-Verify": "NONE"}


@pytest.mark.parametrize("part, field", [("certificates", "/certificates"), ("revocations", "/revocations")])
def test_what_cannot_be_read_refuses_the_snapshot(own_club, part, field):
    own_club.trust(own_club.authority.pem, revocations=own_club.authority.revocations())
    own_club.world.snapshot.objects["authority/default/club"][part] = "-----BEGIN X509 CRL-----\nspoiled\n-----END X509 CRL-----\n"
    report = own_club.world.publish()
    assert report["state"] == "Refused" and report["errors"][0]["pointer"] == field
    assert own_club.get("members.test", own_club.member).status == 200
