"""Which certificate is shown (by SNI, by key), and what happens when certificates change."""
import ssl
import time

import pytest

from support import gnutls
from support.backends import Backend, echo_websocket, serve_json
from support.fleet import Fleet
from support.snapshot_world import SnapshotWorld
from support.tls import Alert, client_context, over_tls
from support.toyou import SLOW
from support.wait import eventually
from support.websocket import WebSocket
from support.wire import Connection, fetch

UNRECOGNIZED = "TLSV1_UNRECOGNIZED_NAME"


def shown(world, name, context=None):
    """The fingerprint of the certificate that a client gets, or the alert."""
    try:
        with Connection(world.https, tls=over_tls(name, *([context] if context else []))) as connection:
            return connection.sock.shown()
    except Alert as alert:
        return alert.reason


# SNI -> which of the certificates below; the table of ingress-contract T2.
SNI = {
    "exact.test": "exact", "EXACT.test": "exact", "a.wild.test": "wildcard", "B.Wild.Test": "wildcard",
    "own.wild.test": "below", "wild.test": None, "a.b.wild.test": None, "x.exact.test": None, "other.test": None,
    "xexact.test": None, "127.0.0.1": None, None: None,
}


@pytest.fixture(scope="module")
def sni_world(tmp_path_factory, authority):
    world = SnapshotWorld(tmp_path_factory.mktemp("sni"))
    world.made = {name: authority.issue(name + ".test") for name in ("exact", "wildcard", "below", "default")}
    world.certificate("exact", world.made["exact"], ["exact.test"])
    world.certificate("wildcard", world.made["wildcard"], ["*.wild.test"])
    world.certificate("below", world.made["below"], ["own.wild.test"])
    yield world.start()
    world.dataplane.stop()


@pytest.mark.parametrize("default", [False, True])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_certificate_follows_the_name(sni_world, version, default):
    world = sni_world
    if default:
        world.certificate("default", world.made["default"], default=True)
    elif "certificate/default/default" in world.snapshot.objects:
        world.no_certificate("default")
    assert world.publish()["state"] == "Loaded"
    context = client_context(minimum=version, maximum=version)
    fallback = world.made["default"].fingerprint if default else UNRECOGNIZED
    wanted = {name: world.made[which].fingerprint if which else fallback for name, which in SNI.items()}
    assert {name: shown(world, name, context) for name in SNI} == wanted


def test_a_name_without_certificate_is_counted_and_logged(sni_world):
    before, start = sni_world.handshakes().get("unrecognized_name", 0), len(sni_world.dataplane.err)
    if "certificate/default/default" in sni_world.snapshot.objects:
        sni_world.no_certificate("default")
        sni_world.publish()
    assert shown(sni_world, "nobody.test") == UNRECOGNIZED
    line = sni_world.dataplane.await_log("tls handshake failed.*server_name=nobody.test", start=start).string
    assert "no certificate for this name" in line
    assert sni_world.handshakes()["unrecognized_name"] == before + 1


def test_the_route_is_chosen_by_host_and_not_by_sni(secure_site, secure_world):
    place = secure_site(serve_json("b"))
    other = over_tls("someone-else.tls.test")
    assert fetch(secure_world.https, host=place.host, tls=other).json["host"] == place.host


def test_a_host_with_two_keys_serves_each_client_what_it_can_verify(world, authority):
    place, rsa, ecdsa = world(), authority.issue("two.test", key="rsa"), authority.issue("two.test")
    place.certificate("rsa", rsa, ["two.test"])
    place.certificate("ecdsa", ecdsa, ["two.test"])
    place.start()
    old = ssl.TLSVersion.TLSv1_2
    assert shown(place, "two.test", client_context(maximum=old, ciphers="ECDHE-RSA-AES128-GCM-SHA256")) == rsa.fingerprint
    assert shown(place, "two.test", client_context(maximum=old, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")) == ecdsa.fingerprint
    assert shown(place, "two.test") == ecdsa.fingerprint, "the cheaper key where the client takes both"


@pytest.mark.parametrize("key", ["rsa", "ecdsa", "ed25519"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_every_kind_of_key_is_verified_by_a_strict_client(world, authority, key, version):
    place, certificate = world(), authority.issue("key.test", key=key)
    place.certificate("one", certificate, ["key.test"])
    place.start()
    assert shown(place, "key.test", client_context(authority, version, version)) == certificate.fingerprint


def test_a_chain_with_an_intermediate_authority(world, authority):
    place, certificate = world(), authority.intermediate("between").issue("chain.test")
    place.certificate("one", certificate, ["chain.test"])
    place.start()
    assert shown(place, "chain.test", client_context(authority)) == certificate.fingerprint


@pytest.mark.skipif(not gnutls.available(), reason="libcurl with GnuTLS is not installed")
def test_another_tls_library_agrees(world, authority):
    with Backend(serve_json("b")) as backend:
        for key in ("rsa", "ecdsa", "ed25519"):
            place = world()
            place.route("site", "*.gnu.test", backend)
            place.certificate("one", authority.intermediate("gnu-" + key).issue("*.gnu.test", key=key), ["*.gnu.test"])
            place.start()
            status, body = gnutls.get("https://a.gnu.test:%d/path" % place.https, authority.file)
            assert (status, b'"path": "/path"' in body) == (200, True)
            with pytest.raises(gnutls.Failed):
                gnutls.get("https://gnu.test:%d/" % place.https, authority.file)


def test_rotation_under_live_websockets(world, authority):
    """50 echoing WebSockets and 20 changes of their certificate, of its key and of its kind of key."""
    place = world()
    with Backend(echo_websocket) as backend:
        place.route("site", "rotate.test", backend)
        place.certificate("live", authority.issue("rotate.test"), ["rotate.test"])
        place.start()

        def connect(_number):
            return WebSocket(place.https, host="rotate.test", tls=over_tls("rotate.test"))
        made = [authority.issue("rotate.test", key="ed25519" if n % 5 == 0 else "ecdsa") for n in range(20)]
        with Fleet(connect, 50, every=0.02) as group:
            eventually(lambda: group.echoes >= 100, 20 * SLOW)
            for certificate in made:
                place.certificate("live", certificate, ["rotate.test"])
                assert place.publish()["state"] == "Loaded"
                eventually(lambda c=certificate: shown(place, "rotate.test") == c.fingerprint)
            echoes = group.echoes
            eventually(lambda: group.echoes >= echoes + 200, 20 * SLOW)
            place.no_certificate("live")
            assert place.publish()["state"] == "Loaded"
            eventually(lambda: shown(place, "rotate.test") == UNRECOGNIZED)
            echoes = group.echoes
            eventually(lambda: group.echoes >= echoes + 200, 20 * SLOW)
        assert group.problems == []


def test_many_certificates_rotate_under_many_live_websockets(world, authority):
    """200 echoing WebSockets, two for each of 100 names; then every certificate is another one."""
    hosts = ["h%d.many.test" % n for n in range(100 if SLOW == 1 else 20)]
    place = world()
    with Backend(echo_websocket) as backend:
        for host in hosts:
            place.route(host.partition(".")[0], host, backend)
            place.certificate(host.partition(".")[0], authority.issue(host), [host])
        place.start()

        def connect(number):
            host = hosts[number % len(hosts)]
            return WebSocket(place.https, host=host, tls=over_tls(host))
        made = {host: authority.issue(host) for host in hosts}
        with Fleet(connect, 2 * len(hosts), every=0.5) as group:
            eventually(lambda: group.echoes >= 2 * len(hosts), 60 * SLOW)
            for host, certificate in made.items():
                place.certificate(host.partition(".")[0], certificate, [host])
            assert place.publish()["state"] == "Loaded"
            eventually(lambda: all(shown(place, host) == made[host].fingerprint for host in hosts))
            echoes = group.echoes
            eventually(lambda: group.echoes >= echoes + 4 * len(hosts), 60 * SLOW)
        assert group.problems == []


def test_a_rotated_certificate_is_in_force_soon(world, authority):
    place = world()
    place.certificate("one", authority.issue("soon.test"), ["soon.test"])
    place.start()
    certificate = authority.issue("soon.test")
    place.certificate("one", certificate, ["soon.test"])
    started = time.monotonic()
    place.publish()
    eventually(lambda: shown(place, "soon.test") == certificate.fingerprint, every=0.001)
    assert time.monotonic() - started < 0.5 * SLOW, "not only at the next poll"


BROKEN = {
    "no-pem": lambda c: ("hello", c.key, "/chain"), "cut-chain": lambda c: (c.chain[:200], c.key, "/chain"),
    "no-key": lambda c: (c.chain, "hello", "/key"), "chain-as-key": lambda c: (c.chain, c.chain, "/key"),
    "spoiled": lambda c: (c.chain.replace("M", "?", 3), c.key, "/chain"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_certificate_that_cannot_be_read_refuses_the_snapshot(world, authority, case):
    place, good = world(), authority.issue("good.test")
    place.certificate("one", good, ["good.test"])
    place.start()
    chain, key, pointer = BROKEN[case](authority.issue("good.test"))
    place.certificate("one", type(good)(chain, key), ["good.test"])
    report = place.publish()
    assert report["state"] == "Refused"
    assert (report["errors"][0]["key"], report["errors"][0]["pointer"]) == ("certificate/default/one", pointer), report
    assert shown(place, "good.test") == good.fingerprint, "what ran before still serves"


def test_a_key_of_another_certificate_is_refused_and_never_shown(world, authority):
    place, good, other = world(), authority.issue("good.test"), authority.issue("good.test")
    place.certificate("one", good, ["good.test"])
    place.start()
    place.certificate("one", type(good)(good.chain, other.key), ["good.test"])
    report = place.publish()
    assert report["state"] == "Refused" and "does not belong" in report["errors"][0]["message"]
    secrets = [line for key in (good.key, other.key) for line in key.splitlines()[1:-1]]
    with open(place.directory + "/loaded.json", encoding="utf-8") as file:
        said = [*place.dataplane.err, file.read(), place.dataplane.get("/metrics").text, place.dataplane.get("/api/v1/snapshot").text]
    assert not [secret for secret in secrets if any(secret in text for text in said)]


def test_two_certificates_of_one_kind_for_a_name_are_refused(world, authority):
    place = world()
    place.certificate("one", authority.issue("a.test"), ["a.test"])
    place.start()
    place.certificate("two", authority.issue("a.test"), ["a.test"])
    report = place.publish()
    assert report["state"] == "Refused" and report["errors"][0]["pointer"] == "/hosts"


def test_expiry_is_a_metric(world, authority):
    place = world()
    place.certificate("one", authority.issue("a.test"), ["a.test"])
    place.start()
    end = place.dataplane.metrics()['toyou_certificate_expiry_seconds{namespace="default",secret="one"}']
    assert abs(end - time.time() - 30 * 86400) < 300


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_each_connection_resumes_the_one_before(world, authority, version):
    """A client of TLS 1.3 uses a ticket once: a resumed connection must bring the next one."""
    place, context = world(), client_context(authority, version, version)
    with Backend(serve_json("b")) as backend:
        place.route("site", "chain.test", backend)
        place.certificate("one", authority.issue("chain.test"), ["chain.test"])
        place.start()
        session, reused = None, []
        for _ in range(5):
            with Connection(place.https, tls=over_tls("chain.test", context, session=session)) as connection:
                assert connection.ask(host="chain.test").status == 200
                reused.append(connection.sock.tls.session_reused)
                before, session = session, connection.sock.tls.session
                if version == ssl.TLSVersion.TLSv1_3:
                    assert before is None or session.id != before.id, "a ticket of its own"
    assert reused == [False, True, True, True, True]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_also_after_a_reload(world, authority, version):
    place, context = world(), client_context(authority, version, version)
    with Backend(serve_json("b")) as backend:
        place.route("site", "again.test", backend)
        place.certificate("one", authority.issue("again.test"), ["again.test"])
        place.start()
        with Connection(place.https, tls=over_tls("again.test", context)) as first:
            assert first.ask(host="again.test").status == 200
            session = first.sock.tls.session
            assert not first.sock.tls.session_reused
        place.certificate("one", authority.issue("again.test"), ["again.test"])
        assert place.publish()["state"] == "Loaded"

        def resumed(name):
            with Connection(place.https, tls=over_tls(name, context, session=session)) as again:
                return again.sock.tls.session_reused and again.ask(host="again.test").status == 200
        assert eventually(lambda: resumed("again.test"))
        assert place.handshakes()["resumed"] >= 1
        place.no_certificate("one")
        assert place.publish()["state"] == "Loaded"
        with pytest.raises(Alert):
            resumed("again.test")
