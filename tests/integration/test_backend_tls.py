"""TLS to backends: who is believed, what is shown, what is shared, and what is said when it fails."""
import base64
import itertools
import os
import ssl
import subprocess
import time
import types

import pytest
import yaml

from support import manifests, websocket
from support.backends import Backend, Peer, closed_port, echo_websocket, serve_json
from support.certificates import Authority
from support.tls import client_context, over_tls
from support.tls_backends import secured, server_context
from support.wait import eventually
from support.websocket import WebSocket
from support.wire import Connection, fetch

NAME = "chat.internal"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
numbers = itertools.count(1)


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def authority_secret(name, *authorities, bundle=None, label="true"):
    if bundle is None:
        bundle = "".join(open(one.file, encoding="ascii").read() for one in authorities)
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": name, "namespace": "default", "labels": {"toyou.dev/authority": label}},
            "data": {"ca.crt": encoded(bundle)}}


class Place:
    """A route with backendTLS, and its Secrets, in the folder of a `toyou local`."""

    def __init__(self, gateway, *backends, secrets=(), tls=None, **spec):
        self.gateway, self.name = gateway, "btls%d-%d" % (os.getpid(), next(numbers))
        self.host = self.name + ".test"
        self.services = manifests.service(self.name, [(backend.address, backend.port) for backend in backends])
        self.update(secrets, tls or {"caSecretName": "%s-ca", "serverName": NAME}, **spec)
        eventually(lambda: gateway.condition("WebSocketRoute", self.name, "Programmed") == ("True", "Programmed"))

    def update(self, secrets, backend_tls, **spec):
        """"%s" in the names of Secrets stands for the name of this place."""
        backend_tls = {key: value.replace("%s", self.name) for key, value in backend_tls.items()}
        for secret in secrets:
            if "%s" in secret["metadata"]["name"]:
                secret["metadata"]["name"] %= self.name
        route = manifests.websocket_route(self.name, self.host, self.name, backendTLS=backend_tls, **spec)
        self.gateway.folder.write(self.name + ".yaml", [*self.services, *secrets, route])

    def fetch(self, target="/", **request):
        return fetch(self.gateway.http, target, **{"host": self.host, **request})

    def websocket(self, **options):
        return WebSocket(self.gateway.http, "/", **{"host": self.host, **options})

    def condition(self, kind):
        return self.gateway.condition("WebSocketRoute", self.name, kind)

    def said(self):
        (status,) = [item for item in self.gateway.json("/api/v1/status") if item["name"] == self.name]
        return " ".join(item["message"] for item in status["conditions"])


@pytest.fixture
def place(gateway):
    made = []

    def make(*backends, on=None, **options):
        made.append(Place(on or gateway, *backends, **options))
        return made[-1]

    yield make
    for one in made:
        if one.gateway.process.poll() is None:
            one.gateway.folder.remove(one.name + ".yaml")


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue(NAME)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


def ca(*authorities):
    return [authority_secret("%s-ca", *authorities)]


def refusal_of(site, backend):
    """The line of the log that says why TLS to this backend failed."""
    endpoint = "%s:%d" % (backend.address, backend.port)
    return site.gateway.await_log("tls to backend failed.*endpoint=" + endpoint).string


# --- whom we believe -----------------------------------------------------------------------------


def test_a_backend_that_proves_its_name(place, authority, certificate):
    with Backend(secured(serve_json("b"), server_context(certificate))) as backend:
        site = place(backend, secrets=ca(authority))
        assert site.fetch("/x?y", method="POST", body=b"hello").json["body"] == "hello"
        assert backend.handshakes[0].server_name == NAME
        assert backend.handshakes[0].protocol == "http/1.1"
        assert backend.handshakes[0].certificate is None
        (shown,) = [item for item in site.gateway.json("/api/v1/routes")["routes"] if item["host"] == site.host]
        assert shown["backends"][0]["tls"] == {"serverName": NAME, "verified": True}


def test_the_name_of_the_service_where_none_is_given(place, authority):
    backends = []

    def context():
        return server_context(authority.issue(backends[0].name + ".default.svc"))

    with Backend(secured(serve_json("b"), lambda: context())) as backend:  # pylint: disable=unnecessary-lambda
        backends.append(place(backend, secrets=ca(authority), tls={"caSecretName": "%s-ca"}))
        assert backends[0].fetch().status == 200
        assert backend.handshakes[0].server_name == backends[0].name + ".default.svc"


def test_an_intermediate_authority_alone(place, authority):
    middle = authority.intermediate("middle-of-backends")
    with Backend(secured(serve_json("b"), server_context(middle.issue(NAME)))) as backend:
        assert place(backend, secrets=ca(middle)).fetch().status == 200


def test_the_certificate_itself(place, authority, certificate):
    with Backend(secured(serve_json("b"), server_context(certificate))) as backend:
        own = [authority_secret("%s-ca", bundle=certificate.chain)]
        assert place(backend, secrets=own).fetch().status == 200
        other = [authority_secret("%s-ca", bundle=authority.issue(NAME).chain)]
        assert place(backend, secrets=other).fetch().status == 502


def test_a_bundle_of_several(place, authority, stranger, certificate):
    with Backend(secured(serve_json("b"), server_context(certificate))) as backend:
        assert place(backend, secrets=ca(stranger, authority)).fetch().status == 200


REFUSED = {
    "expired": (lambda a, s: a.issue_expired(NAME), "certificate has expired"),
    "another-authority": (lambda a, s: s.issue(NAME), "unable to get local issuer certificate"),
    "a-common-name": (lambda a, s: a.issue_nameless(NAME), "hostname mismatch"),
    "another-name": (lambda a, s: a.issue("other.internal"), "hostname mismatch"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_backend_that_proves_nothing(place, authority, stranger, case, version):
    make, reason = REFUSED[case]
    context = server_context(make(authority, stranger), maximum=version)
    with Backend(secured(serve_json("b"), context)) as backend:
        site = place(backend, secrets=ca(authority))
        answer = site.fetch(headers={"Accept": "application/json"})
        assert (answer.status, answer.json["cause"]) == (502, "backend_tls")
        with pytest.raises(websocket.Refused) as refused:
            site.websocket()
        assert refused.value.response.status == 502
        assert not backend.requests, "not a byte of a request"
        line = refusal_of(site, backend)
        assert reason in line and "server_name=" + NAME in line, line


def test_a_self_signed_backend(place, authority, stranger):
    whole = stranger.issue(NAME)
    own = type(whole)(open(stranger.file, encoding="ascii").read(), open(stranger.file[:-4] + ".key", encoding="ascii").read())
    with Backend(secured(serve_json("b"), server_context(own))) as backend:
        site = place(backend, secrets=ca(authority))
        assert site.fetch().status == 502
        line = refusal_of(site, backend)
        assert "self-signed certificate" in line, line


def test_app_protocol_alone_verifies_nothing(gateway, stranger):
    """B12: an Ingress has no place to say how."""
    name = "unverified%d" % os.getpid()
    with Backend(secured(serve_json("b"), server_context(stranger.issue("whatever.test")))) as backend:
        services = manifests.service(name, [(backend.address, backend.port)])
        services[0]["spec"]["ports"][0]["appProtocol"] = "https"
        gateway.folder.write(name + ".yaml", [*services, manifests.ingress(name, name + ".test", name)])
        try:
            assert eventually(lambda: fetch(gateway.http, host=name + ".test").status == 200)
            assert backend.handshakes[0].server_name == name + ".default.svc"
        finally:
            gateway.folder.remove(name + ".yaml")


def test_the_example_of_the_document(launch, authority):
    with open(os.path.join(ROOT, "docs", "tls.md"), encoding="utf-8") as file:
        (route,) = [document for block in file.read().split("```yaml\n")[1:]
                    for document in yaml.safe_load_all(block.split("```")[0]) if "backendTLS" in document["spec"]]
    asked = route["spec"]["backendTLS"]
    context = server_context(authority.issue(asked["serverName"]), clients=authority)
    with Backend(secured(echo_websocket, context)) as backend:
        (service,) = [item["service"] for item in route["spec"]["backends"]]
        toyou = launch(objects=[
            *manifests.service(service["name"], [(backend.address, backend.port)], port=service["port"]), route,
            authority_secret(asked["caSecretName"], authority),
            manifests.tls_secret(asked["clientCertificateSecretName"], authority.issue("toyou"))])
        with WebSocket(toyou.http, host=route["spec"]["hosts"][0]) as ws:
            assert ws.echo("hello") == "hello"


def test_against_openssl_itself(place, authority, certificate, tmp_path):
    """Another implementation of the server's side: it answers a request with its own view of the session."""
    pem = tmp_path / "pem"
    pem.write_text(certificate.chain + certificate.key)
    port = closed_port()
    argv = ["openssl", "s_server", "-accept", "127.0.0.1:%d" % port, "-cert", str(pem), "-key", str(pem), "-www"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            site = place(types.SimpleNamespace(address="127.0.0.1", port=port), secrets=ca(authority))
            eventually(lambda: site.fetch().status == 200)
            pages = [site.fetch().text for _ in range(6)]
            seen = [line for page in pages for line in page.splitlines() if "TLSv1.3, Cipher is" in line]
            assert any(line.startswith("Reused") for line in seen), seen
        finally:
            server.kill()


# --- what we show --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_backend_that_asks_for_our_certificate(place, authority, certificate, version):
    context = server_context(certificate, clients=authority, maximum=version)
    with Backend(secured(serve_json("b"), context)) as backend:
        with_one = place(backend, secrets=[*ca(authority), manifests.tls_secret("%s-client", authority.issue("toyou.client"))],
                         tls={"caSecretName": "%s-ca", "serverName": NAME, "clientCertificateSecretName": "%s-client"})
        assert with_one.fetch().status == 200
        assert backend.handshakes[0].certificate["subject"] == ((("commonName", "toyou.client"),),)
        without = place(backend, secrets=ca(authority))
        answer = without.fetch(headers={"Accept": "application/json"})
        assert (answer.status, answer.json["cause"]) == (502, "backend_tls")
        assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in eventually(lambda: backend.refusals[:])
        # Connections of the one are not for the other: nothing of what was proven is borrowed.
        assert with_one.fetch().status == 200
        assert without.fetch().status == 502


def test_no_key_is_in_logs_or_pages(launch, authority, certificate):
    ours = authority.issue("quiet.client")
    with Backend(secured(serve_json("b"), server_context(certificate, clients=authority))) as backend:
        toyou = launch("--log-level", "debug")
        site = Place(toyou, backend, secrets=[*ca(authority), manifests.tls_secret("%s-client", ours)],
                     tls={"caSecretName": "%s-ca", "serverName": NAME, "clientCertificateSecretName": "%s-client"})
        assert site.fetch().status == 200
        pages = [toyou.get(path).text for path in ("/metrics", "/api/v1/status", "/api/v1/snapshot", "/api/v1/routes")]
        toyou.stop()
        words = ours.key.splitlines()[1:-1] + [encoded(ours.key)[40:100]]
        assert not [word for word in words for text in [*toyou.err, *toyou.out, *pages] if word in text]


# --- what is shared ------------------------------------------------------------------------------


def test_connections_are_kept_and_sessions_resumed(place, authority, certificate):
    with Backend(secured(serve_json("b"), server_context(certificate))) as backend:
        site = place(backend, secrets=ca(authority))
        for _ in range(20):
            assert site.fetch().status == 200
        assert backend.accepted <= 2, "one for each worker at the most"
        with_workers = backend.accepted
        for _ in range(8):
            with site.websocket() as ws:  # never over a kept connection
                ws.message()
        resumed = [seen.resumed for seen in backend.handshakes[with_workers:]]
        assert len(resumed) == 8 and sum(resumed) >= 6, resumed


def test_two_settings_of_one_backend_share_nothing(place, authority, certificate):
    both = authority.issue(NAME, "second.internal")
    with Backend(secured(serve_json("b"), server_context(both))) as backend:
        first = place(backend, secrets=ca(authority))
        second = place(backend, secrets=ca(authority), tls={"caSecretName": "%s-ca", "serverName": "second.internal"})
        second.services = first.services
        for _ in range(6):
            assert first.fetch().status == 200 and second.fetch().status == 200
        assert {seen.server_name for seen in backend.handshakes} == {NAME, "second.internal"}


# --- rotation ------------------------------------------------------------------------------------


def test_an_authority_that_changes(place, authority, stranger, certificate):
    with Backend(secured(serve_json("b"), server_context(certificate))) as backend:
        site = place(backend, secrets=ca(authority))
        assert site.fetch().status == 200
        with site.websocket() as live:
            live.message()
            site.update(ca(stranger), {"caSecretName": "%s-ca", "serverName": NAME})
            eventually(lambda: site.fetch().status == 502)
            assert live.echo("still here") == "still here"
            assert site.fetch().status == 502, "neither a kept connection nor a session of the old one"
            eventually(lambda: backend.live == 1)
            site.update(ca(stranger, authority), {"caSecretName": "%s-ca", "serverName": NAME})
            eventually(lambda: site.fetch().status == 200)


def test_our_certificate_that_changes(place, authority, certificate):
    tls = {"caSecretName": "%s-ca", "serverName": NAME, "clientCertificateSecretName": "%s-client"}

    def secrets(name):
        return [*ca(authority), manifests.tls_secret("%s-client", authority.issue(name))]

    with Backend(secured(serve_json("b"), server_context(certificate, clients=authority))) as backend:
        site = place(backend, secrets=secrets("one.client"), tls=tls)
        assert site.fetch().status == 200
        site.update(secrets("two.client"), tls)

        def shown():
            assert site.fetch().status == 200
            return backend.handshakes[-1].certificate["subject"][0][0][1]

        eventually(lambda: shown() == "two.client")


def test_a_secret_that_is_spoiled_or_goes(place, authority, certificate):
    with Backend(secured(serve_json("b"), server_context(certificate))) as backend:
        tls = {"caSecretName": "%s-ca", "serverName": NAME}
        site = place(backend, secrets=ca(authority))
        assert site.fetch().status == 200
        site.update([authority_secret("%s-ca", bundle="junk")], tls)
        eventually(lambda: site.condition("ResolvedRefs") == ("False", "InvalidSecret"))
        assert "its last good authorities stay in use" in site.said()
        assert site.fetch().status == 200
        site.update([], tls)
        eventually(lambda: site.condition("ResolvedRefs") == ("False", "SecretNotFound"))
        eventually(lambda: site.fetch().status == 503)
        answer = site.fetch(headers={"Accept": "application/json"})
        assert (answer.status, answer.json["cause"]) == (503, "refused")
        assert "spec.backendTLS.caSecretName" in site.said()
        site.update(ca(authority), tls)
        eventually(lambda: site.fetch().status == 200)


# --- backends that do not behave ------------------------------------------------------------------


def test_garbage_instead_of_a_handshake(place, authority):
    def garbage(peer):
        peer.sock.recv(100)
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with Backend(garbage) as backend:
        site = place(backend, secrets=ca(authority))
        answer = site.fetch(headers={"Accept": "application/json"})
        assert (answer.status, answer.json["cause"]) == (502, "backend_tls")
        line = refusal_of(site, backend)
        assert "wrong version number" in line, line


def test_a_backend_that_hangs_up_in_the_handshake(place, authority):
    with Backend(lambda peer: peer.sock.recv(100)) as backend:
        assert place(backend, secrets=ca(authority)).fetch().status == 502


def test_a_backend_that_stalls_in_the_handshake(place, authority):
    with Backend(Peer.wait_for_end) as backend:
        site = place(backend, secrets=ca(authority), timeouts={"connect": "300ms"})
        answer = site.fetch(headers={"Accept": "application/json"})
        assert (answer.status, answer.json["cause"]) == (504, "connect_timeout")


def test_another_endpoint_is_tried(place, authority, stranger, certificate):
    with Backend(secured(serve_json("good"), server_context(certificate))) as good, \
            Backend(secured(serve_json("bad"), server_context(stranger.issue(NAME)))) as bad:
        site = place(good, bad, secrets=ca(authority))
        for _ in range(6):
            assert site.fetch(method="POST", body=b"x").json["backend"] == "good"
        assert bad.refusals, "it was tried, too"


def test_a_body_that_is_cut(place, authority, certificate):
    """Its end is the connection's: without close_notify anyone may have cut it."""
    def answer(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")

    for truncates in (False, True):
        with Backend(secured(answer, server_context(certificate), truncates=truncates)) as backend:
            site = place(backend, secrets=ca(authority))
            with site_connection(site) as connection:
                connection.send_request("/", host=site.host)
                if not truncates:
                    assert connection.response().body == b"half of it"
                    continue
                with pytest.raises(EOFError):
                    connection.response()
                site.gateway.await_log("host=%s.*cause=backend_gone" % site.host)


def site_connection(site):
    return Connection(site.gateway.http)


# --- WebSockets ----------------------------------------------------------------------------------


def test_handshakes_are_counted_by_how_they_ended(place, gateway, authority, stranger, certificate):
    def count(result):
        return gateway.metrics().get('toyou_upstream_tls_handshakes_total{result="%s"}' % result, 0)

    expiring = gateway.metrics()
    with Backend(secured(serve_json("b"), server_context(certificate))) as backend:
        before = count("ok")
        site = place(backend, secrets=ca(authority))
        assert site.fetch().status == 200 and count("ok") == before + 1
        name = 'toyou_authority_expiry_seconds{namespace="default",secret="%s-ca"}' % site.name
        assert name not in expiring and gateway.metrics()[name] > time.time()
    demanding = server_context(certificate, clients=authority, maximum=ssl.TLSVersion.TLSv1_2)
    for result, handler, trusted in (
            ("certificate", secured(serve_json("b"), server_context(certificate)), stranger),
            ("alert", secured(serve_json("b"), demanding), authority),
            ("not_tls", lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), authority),
            ("backend_gone", lambda peer: None, authority)):
        before = count(result)
        with Backend(handler) as backend:
            assert place(backend, secrets=ca(trusted)).fetch().status == 502
        assert count(result) == before + 1, result


@pytest.mark.parametrize("client", ["plain", "tls"])
def test_websockets_over_tls_to_the_backend(place, gateway, authority, certificate, client):
    early = websocket.encode(websocket.TEXT, "first")

    def echo(peer):
        peer.accept_websocket(peer.request(), early=early)
        peer.echo_frames()

    with Backend(secured(echo, server_context(certificate))) as backend:
        site = place(backend, secrets=ca(authority))
        port, tls = gateway.http, None
        if client == "tls":
            site.update([*ca(authority), manifests.tls_secret("%s-front", authority.issue(site.host))],
                        {"caSecretName": "%s-ca", "serverName": NAME}, tls={"secretName": site.name + "-front"})
            port, tls = gateway.https, over_tls(site.host, client_context(authority))
            eventually(lambda: can_connect(port, tls))
        with WebSocket(port, host=site.host, tls=tls) as ws:
            assert ws.message() == "first"
            assert ws.echo("hello") == "hello"
            large = os.urandom(3 << 20)
            ws.send_binary(large)  # the backend takes all of it before it answers
            assert ws.message() == large
            for number in range(5000):
                ws.send_text("%d" % number)
            assert [ws.message() for _ in range(5000)] == ["%d" % number for number in range(5000)]
            ws.send_close(1000)
            assert ws.closed()[0] == 1000


def can_connect(port, tls):
    try:
        with Connection(port, tls=tls):
            return True
    except (AssertionError, OSError):
        return False


def test_a_websocket_that_the_backend_cuts(place, authority, certificate):
    def cut(peer):
        peer.accept_websocket(peer.request())
        peer.frame()

    with Backend(secured(cut, server_context(certificate), truncates=True)) as backend:
        site = place(backend, secrets=ca(authority))
        with site.websocket() as ws:
            ws.send_text("go")
            assert ws.closed()[0] == 1014
        site.gateway.await_log("websocket closed.*route=WebSocketRoute/default/%s.*cause=backend_gone" % site.name)


def test_server_sent_events(place, authority, certificate):
    def events(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        peer.wait_for_end()

    with Backend(secured(events, server_context(certificate))) as backend:
        site = place(backend, secrets=ca(authority))
        with site_connection(site) as connection:
            connection.send_request("/", host=site.host, headers={"Accept": "text/event-stream"})
            assert connection.head().status == 200
            while b"data: 1" not in connection.stream.buffer:
                assert connection.stream.fill()
        eventually(lambda: backend.live == 0)
