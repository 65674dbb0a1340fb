"""TLS from manifests: a Secret in the folder of `toyou local`, and everything that becomes of it."""
import base64
import os

import pytest

from support import manifests
from support.backends import Backend, echo_websocket, serve_json
from support.fleet import Fleet
from support.tls import Alert, client_context, over_tls
from support.toyou import SLOW
from support.wait import eventually
from support.websocket import Refused, WebSocket
from support.wire import Connection, fetch


def ingress(name, host, secret_name, annotations=()):
    made = manifests.ingress(name, host, name)
    made["metadata"]["annotations"] = dict(annotations)
    made["spec"]["tls"] = [{"hosts": [host], "secretName": secret_name}]
    return made


def shown(port, name):
    try:
        with Connection(port, tls=over_tls(name)) as connection:
            return connection.sock.shown()
    except Alert as alert:
        return alert.reason


def test_an_ingress_with_a_secret(launch, authority):
    with Backend(serve_json("b")) as backend:
        services = manifests.service("shop", [(backend.address, backend.port)])
        toyou = launch(objects=[*services, ingress("shop", "shop.test", "shop-tls"),
                                manifests.tls_secret("shop-tls", authority.issue("shop.test"))])
        tls = over_tls("shop.test", client_context(authority))
        assert fetch(toyou.https, "/x", host="shop.test", tls=tls).json["path"] == "/x"
        assert fetch(toyou.http, "/x", host="shop.test").status == 200, "T9: plain text stays"
        assert shown(toyou.https, "other.test") == "TLSV1_UNRECOGNIZED_NAME"


def test_a_secret_that_comes_later_changes_and_goes(launch, authority):
    with Backend(echo_websocket) as backend:
        services = manifests.service("late", [(backend.address, backend.port)])
        toyou = launch(objects=[*services, ingress("late", "late.test", "late-tls")])
        assert shown(toyou.https, "late.test") == "TLSV1_UNRECOGNIZED_NAME"
        first, second = authority.issue("late.test"), authority.issue("late.test")
        toyou.folder.write("secret.yaml", [manifests.tls_secret("late-tls", first)])
        eventually(lambda: shown(toyou.https, "late.test") == first.fingerprint)

        def connect(_number):
            return WebSocket(toyou.https, host="late.test", tls=over_tls("late.test"))
        with Fleet(connect, 10, every=0.02) as group:
            toyou.folder.write("secret.yaml", [manifests.tls_secret("late-tls", second)])
            eventually(lambda: shown(toyou.https, "late.test") == second.fingerprint)
            broken = manifests.tls_secret("late-tls", second)
            broken["data"]["tls.crt"] = base64.b64encode(b"spoiled").decode()
            toyou.folder.write("secret.yaml", [broken])
            eventually(lambda: "InvalidCertificate" in toyou.get("/api/v1/status").text)
            assert shown(toyou.https, "late.test") == second.fingerprint, "the last good one stays"
            toyou.folder.remove("secret.yaml")
            eventually(lambda: shown(toyou.https, "late.test") == "TLSV1_UNRECOGNIZED_NAME")
            echoes = group.echoes
            eventually(lambda: group.echoes >= echoes + 50, 20 * SLOW)
        assert group.problems == []


def test_redirects_go_to_the_port_of_toyou_local(launch, authority):
    with Backend(echo_websocket) as backend:
        services = manifests.service("up", [(backend.address, backend.port)])
        toyou = launch(objects=[*services, manifests.tls_secret("up-tls", authority.issue("up.test", "wsr.test")),
                                ingress("up", "up.test", "up-tls", {"toyou.dev/ssl-redirect": "true"}),
                                manifests.websocket_route("wsr", "wsr.test", "up",
                                                          tls={"secretName": "up-tls", "redirect": True, "hsts": "1h"})])
        for host in ("up.test", "wsr.test"):
            answer = fetch(toyou.http, "/x?y", host=host)
            assert (answer.status, answer.headers.get("Location")) == (308, "https://%s:%d/x?y" % (host, toyou.https))
            with pytest.raises(Refused) as refused:
                WebSocket(toyou.http, host=host)
            assert (refused.value.response.status, refused.value.response.json["cause"]) == (403, "tls_required")
            with WebSocket(toyou.https, host=host, tls=over_tls(host)) as ws:
                assert ws.echo("over TLS") == "over TLS"
                hsts = ws.answer.headers.get("Strict-Transport-Security")
                assert hsts == ("max-age=3600" if host == "wsr.test" else None)


def test_the_default_certificate(launch, authority):
    certificate = authority.issue("default.test")
    toyou = launch("--default-certificate", "infra/default", objects=[manifests.tls_secret("default", certificate, namespace="infra")])
    assert {shown(toyou.https, name) for name in ("any.test", None)} == {certificate.fingerprint}


def test_no_secret_is_in_logs_pages_or_files_that_others_may_read(launch, authority):
    certificate = authority.issue("quiet.test")
    toyou = launch("--log-level", "debug", objects=[ingress("quiet", "quiet.test", "quiet-tls"), manifests.tls_secret("quiet-tls", certificate)])
    eventually(lambda: shown(toyou.https, "quiet.test") == certificate.fingerprint)
    words = certificate.key.splitlines()[1:-1] + [base64.b64encode(certificate.key.encode()).decode()[40:100]]
    pages = [toyou.get(path).text for path in ("/metrics", "/api/v1/status", "/api/v1/snapshot", "/api/v1/routes")]
    toyou.stop()
    assert not [word for word in words for text in [*toyou.err, *toyou.out, *pages] if word in text]
    for folder, _, names in os.walk(toyou.state_dir):
        for name in names:
            assert os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0, name
