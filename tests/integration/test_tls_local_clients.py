"""Client certificates and session tickets from manifests, as docs/tls.md shows them."""
import base64
import os
import re
import ssl

import pytest
import yaml

from support import manifests
from support.backends import Backend, echo_websocket, serve_json
from support.client_certificates import ClientAuthority, with_certificate
from support.tls import Alert, client_context, over_tls
from support.wait import eventually
from support.websocket import Refused, WebSocket
from support.wire import Connection, fetch

TOP = os.path.join(os.path.dirname(__file__), "..", "..")
HOST = "chat.example.com"


def documented(kind):
    """The example of the section on client certificates."""
    with open(os.path.join(TOP, "docs", "tls.md"), encoding="utf-8") as file:
        section = re.search(r"^## Client certificates\n(.*?)^## ", file.read(), re.M | re.S).group(1)
    found = [block for text in re.findall(r"^```yaml\n(.*?)^```", section, re.M | re.S) for block in yaml.safe_load_all(text)]
    return next(block for block in found if block["kind"] == kind)


def authority_secret(name, pem, crl=None, label="true"):
    data = {"ca.crt": pem} | ({"ca.crl": crl} if crl else {})
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": name, "namespace": "default", "labels": {"toyou.dev/authority": label}},
            "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}}


def shown_to(toyou, certificate):
    """What becomes of a request: its status, or the alert."""
    try:
        with Connection(toyou.https, tls=over_tls(HOST, with_certificate(certificate))) as connection:
            return connection.ask(host=HOST).status
    except (Alert, ssl.SSLError) as error:
        return error.reason


@pytest.mark.parametrize("kind", ["WebSocketRoute", "Ingress"])
def test_the_example_and_what_becomes_of_its_secret(launch, authority, tmp_path, kind):
    staff, route = ClientAuthority(tmp_path), documented(kind)
    route["metadata"]["namespace"] = "default"
    if kind == "WebSocketRoute":
        route["spec"]["protocols"] = ["WebSocket", "HTTP"]
    anna = staff.issue("anna")
    with Backend(serve_json("b")) as backend:
        toyou = launch(objects=[*manifests.service("chat", [(backend.address, backend.port)], port=8080), route,
                                manifests.tls_secret("chat-tls", authority.issue(HOST))])
        eventually(lambda: shown_to(toyou, anna) == 503)  # no authority: nothing is served
        assert fetch(toyou.http, host=HOST).json["cause"] == "refused"
        status = toyou.get("/api/v1/status").text
        assert "SecretNotFound" in status and "staff-ca" in status
        toyou.folder.write("ca.yaml", [authority_secret("staff-ca", staff.pem)])
        eventually(lambda: shown_to(toyou, anna) == 200)
        assert shown_to(toyou, None) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
        assert fetch(toyou.http, host=HOST).json["cause"] == "tls_required"

        staff.revoke(anna)
        berta = staff.issue("berta")
        toyou.folder.write("ca.yaml", [authority_secret("staff-ca", staff.pem, staff.revocations())])
        eventually(lambda: shown_to(toyou, anna) == "SSLV3_ALERT_CERTIFICATE_REVOKED")
        assert shown_to(toyou, berta) == 200
        toyou.folder.write("ca.yaml", [authority_secret("staff-ca", "junk")])
        eventually(lambda: "InvalidSecret" in toyou.get("/api/v1/status").text)
        assert (shown_to(toyou, anna), shown_to(toyou, berta)) == ("SSLV3_ALERT_CERTIFICATE_REVOKED", 200), "the last good ones stay"
        toyou.folder.remove("ca.yaml")
        eventually(lambda: shown_to(toyou, berta) == 503)


def test_two_objects_that_ask_for_different_certificates(launch, authority, tmp_path):
    staff, partners = ClientAuthority(tmp_path, "staff"), ClientAuthority(tmp_path, "partners")
    with Backend(echo_websocket) as backend:
        first = manifests.websocket_route("a-first", HOST, "chat", tls={"secretName": "chat-tls", "client": {"caSecretName": "staff"}})
        second = manifests.websocket_route("b-second", HOST, "chat", paths=[{"path": "/second"}], tls={"client": {"caSecretName": "partners"}})
        toyou = launch(objects=[*manifests.service("chat", [(backend.address, backend.port)]), manifests.tls_secret("chat-tls", authority.issue(HOST)),
                                authority_secret("staff", staff.pem), authority_secret("partners", partners.pem), first, second])
        tls = over_tls(HOST, with_certificate(staff.issue("anna")))
        with WebSocket(toyou.https, host=HOST, tls=tls) as ws:
            assert ws.echo("in") == "in"
        with pytest.raises(Refused) as refused:
            WebSocket(toyou.https, "/second", host=HOST, tls=tls)
        assert (refused.value.response.status, refused.value.response.json["cause"]) == (503, "refused")
        assert "ClientCertificateConflict" in toyou.get("/api/v1/status").text


def test_ticket_keys_of_a_secret(launch, authority):
    keys = {"apiVersion": "v1", "kind": "Secret", "type": "toyou.dev/session-ticket-keys", "metadata": {"name": "keys", "namespace": "infra"},
            "data": {name: base64.b64encode(bytes([which]) * 80).decode() for name, which in (("previous", 1), ("current", 2), ("next", 3))}}
    certificate, context, session = authority.issue(HOST), client_context(), None
    with Backend(serve_json("b")) as backend:
        objects = [*manifests.service("chat", [(backend.address, backend.port)]), manifests.tls_secret("chat-tls", certificate), keys,
                   manifests.websocket_route("chat", HOST, "chat", tls={"secretName": "chat-tls"})]
        for resumed in (False, True, True):
            toyou = launch("--ticket-key-secret", "infra/keys", objects=objects)
            with Connection(toyou.https, tls=over_tls(HOST, context, session=session)) as connection:
                assert connection.ask(host=HOST).status == 200
                assert connection.sock.tls.session_reused == resumed
                session = connection.sock.tls.session
        spoiled = dict(keys, data=dict(keys["data"], current=base64.b64encode(b"short").decode()))
        start = len(toyou.err)
        toyou.folder.write("objects.yaml", [*[found for found in objects if found is not keys], spoiled])
        toyou.await_log("ticket-key-secret: Secret infra/keys: current is not 80 bytes; its last good keys stay in use", start=start)
        with Connection(toyou.https, tls=over_tls(HOST, context, session=session)) as connection:
            assert connection.sock.tls.session_reused
        toyou.stop()
        assert not [line for line in toyou.err if (bytes([2]) * 80).hex()[:40] in line]
