"""Certificates out of Secrets of a real API server: which are read, when they take effect, who may read them."""
import base64
import json
import os

import pytest

from kube_rig import ADDRESS, LONG, Controller
from support.backends import serve_json
from support.certificates import Authority
from support.tls import Alert, over_tls
from support.tls_backends import secured, server_context
from support.wait import eventually
from support.wire import Connection, fetch

REFUSED = "TLSV1_UNRECOGNIZED_NAME"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def coded(text):
    return base64.b64encode(text.encode()).decode()


def secret(space, name, chain, key, kind="kubernetes.io/tls"):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": space.name}, "type": kind,
            "data": {"tls.crt": coded(chain), "tls.key": coded(key)}}


def secret_of(space, name, certificate, **options):
    return secret(space, name, certificate.chain, certificate.key, **options)


def secure(ingress, secret_name):
    (rule,) = ingress["spec"]["rules"]
    ingress["spec"]["tls"] = [{"hosts": [rule["host"]], "secretName": secret_name}]
    return ingress


def shown(port, name):
    """The fingerprint of the certificate that a client gets, or the alert."""
    try:
        with Connection(port, tls=over_tls(name)) as connection:
            return connection.sock.shown()
    except Alert as alert:
        return alert.reason


def comes_to_show(port, name, expected):
    wanted = expected if isinstance(expected, str) else expected.fingerprint
    eventually(lambda: shown(port, name) == wanted, LONG)


def reasons(space, name):
    return {event["reason"] for event in space.events(name)}


def objects_of(pair):
    """(kind, name) -> type -> reason, as the controller of this pair has it."""
    with open(os.path.join(pair.snapshots, "status.json"), encoding="utf-8") as file:
        status = json.load(file)
    return {(one["kind"], one["namespace"], one["name"]): {c["type"]: c["reason"] for c in one["conditions"]}
            for one in status["objects"]}


def test_a_secret_is_served_replaced_and_withdrawn(space, proxy, authority):
    host, https = space.host(), proxy.dataplane.https
    first, second = authority.issue(host), authority.issue(host, key="rsa")
    space.apply(*space.service("web", space.backend()), secret_of(space, "web", first),
                secure(space.ingress("web", host, "web"), "web"))
    comes_to_show(https, host, first)
    assert fetch(https, host=host, tls=over_tls(host)).json["host"] == host
    eventually(lambda: space.addresses("web") == [
        {"ip": ADDRESS, "ports": [{"port": 80, "protocol": "TCP"}, {"port": 443, "protocol": "TCP"}]}], LONG)

    with Connection(https, tls=over_tls(host)) as live:
        assert live.ask(host=host).status == 200
        space.apply(secret_of(space, "web", second))
        comes_to_show(https, host, second)
        assert live.ask(host=host).status == 200  # as if nothing had happened
        assert live.sock.shown() == first.fingerprint

    space.delete("secret", "web")
    comes_to_show(https, host, REFUSED)
    assert space.fetch(host).status == 200  # plain HTTP is as it was
    eventually(lambda: "CertificateNotFound" in reasons(space, "web"), LONG)
    eventually(lambda: space.addresses("web") == [{"ip": ADDRESS, "ports": [{"port": 80, "protocol": "TCP"}]}], LONG)
    space.apply(secret_of(space, "web", first))
    comes_to_show(https, host, first)


def test_an_update_that_breaks_a_secret_keeps_the_last_good_certificate(space, proxy, authority):
    host, https = space.host(), proxy.dataplane.https
    good, other = authority.issue(host), authority.issue(host)
    space.apply(*space.service("chat", space.backend()), secret_of(space, "chat", good),
                space.route("chat", host, "chat", tls={"secretName": "chat"}))
    comes_to_show(https, host, good)
    assert space.conditions("chat")["ResolvedRefs"] == ("True", "ResolvedRefs")
    space.apply(secret(space, "chat", good.chain, other.key))
    eventually(lambda: space.conditions("chat")["ResolvedRefs"] == ("False", "InvalidCertificate"), LONG)
    assert shown(https, host) == good.fingerprint
    message = next(c["message"] for c in space.get("wsr", "chat")["status"]["conditions"] if c["type"] == "ResolvedRefs")
    assert "tls.key does not belong to the certificate (key values mismatch)" in message
    space.apply(secret_of(space, "chat", other))
    eventually(lambda: space.conditions("chat")["ResolvedRefs"] == ("True", "ResolvedRefs"), LONG)
    comes_to_show(https, host, other)


def test_a_secret_of_another_type_is_not_read(space, proxy, authority):
    host, https = space.host(), proxy.dataplane.https
    made = authority.issue(host)
    space.apply(*space.service("chat", space.backend()), secret_of(space, "chat", made, kind="Opaque"),
                space.route("chat", host, "chat", tls={"secretName": "chat"}))
    eventually(lambda: space.conditions("chat").get("ResolvedRefs") == ("False", "CertificateNotFound"), LONG)
    assert shown(https, host) == REFUSED
    space.delete("secret", "chat")  # a type cannot be changed
    space.apply(secret_of(space, "chat", made))
    comes_to_show(https, host, made)
    eventually(lambda: space.conditions("chat")["ResolvedRefs"] == ("True", "ResolvedRefs"), LONG)


def test_the_default_certificate_fills_in(space, make_pair, authority):
    host = space.host()
    default, own = authority.issue("default.example.com"), authority.issue(host)
    space.apply(*space.service("web", space.backend()), secret_of(space, "default", default),
                secret_of(space, "own", own), secure(space.ingress("web", host, "web"), "own"))
    pair = make_pair()
    pair.start_controller("--default-certificate", space.name + "/default")
    https = pair.start_dataplane().https
    comes_to_show(https, host, own)
    comes_to_show(https, "anything.example.com", default)
    space.delete("secret", "own")
    comes_to_show(https, host, default)
    space.delete("secret", "default")
    comes_to_show(https, host, REFUSED)
    pair.controller.await_log("default-certificate: there is no Secret", LONG)


def rules_of_the_controller(cluster, *without):
    (role,) = (o for o in cluster.account if o and o["kind"] == "ClusterRole")
    return [rule for rule in role["rules"] if not set(rule["resources"]) & set(without)]


def cluster_role(name, rules):
    return [{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
             "rules": rules},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
             "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}]}]


def test_without_permission_everything_is_served_but_tls(space, cluster, make_pair, authority):
    """... and with it, TLS as well, without a restart."""
    name = "no-secrets"
    kubeconfig = cluster.ctl("kubeconfig", "default", name)
    space.apply(*cluster_role(name, rules_of_the_controller(cluster, "secrets")))
    host = space.host()
    made = authority.issue(host)
    space.apply(*space.service("web", space.backend()), secret_of(space, "web", made),
                secure(space.ingress("web", host, "web"), "web"))
    pair = make_pair(kubeconfig)
    pair.start_controller()
    dataplane = pair.start_dataplane()
    eventually(lambda: fetch(dataplane.http, host=host).status == 200, LONG)
    assert shown(dataplane.https, host) == REFUSED
    assert eventually(lambda: objects_of(pair)["Ingress", space.name, "web"])["ResolvedRefs"] == "CertificateNotFound"
    pair.controller.await_log("secrets is forbidden", LONG)
    space.apply(*cluster_role(name, rules_of_the_controller(cluster)))
    comes_to_show(dataplane.https, host, made)
    eventually(lambda: objects_of(pair)["Ingress", space.name, "web"]["ResolvedRefs"] == "ResolvedRefs", LONG)


def test_no_key_is_in_the_log_or_the_status(space, proxy, authority):
    host = space.host()
    made, other = authority.issue(host), authority.issue(host)
    space.apply(*space.service("web", space.backend()), secret(space, "web", made.chain, other.key),
                secret(space, "swapped", made.key, made.chain), secure(space.ingress("web", host, "web"), "web"),
                secure(space.ingress("swapped", space.host("b"), "web"), "swapped"))
    eventually(lambda: "InvalidCertificate" in reasons(space, "web") & reasons(space, "swapped"), LONG)
    with open(os.path.join(proxy.snapshots, "status.json"), encoding="utf-8") as file:
        said = [file.read(), "\n".join(proxy.controller.err), json.dumps(space.events("web") + space.events("swapped"))]
    for key in (made.key, other.key):
        for line in key.splitlines()[1:-1] + [coded(key)[100:140]]:
            assert not any(line in text for text in said)


def labelled(space, name, bundle, value="true"):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": space.name,
                                                               "labels": {"toyou.dev/authority": value}},
            "data": {"ca.crt": coded(bundle), "password": coded("x")}}


def test_an_authority_by_its_label(space, proxy, authority):
    """... which comes and goes, and a Secret that is made anew with the other selector's type."""
    def answers(status):
        eventually(lambda: fetch(proxy.dataplane.http, host=host).status == status, LONG)

    with open(authority.file, encoding="ascii") as file:
        bundle = file.read()
    host, name = space.host(), "chat.internal"
    backend = space.backend(secured(serve_json("b"), server_context(authority.issue(name))))
    route = space.route("web", host, "web", protocols=["HTTP"], backendTLS={"caSecretName": "ca", "serverName": name})
    space.apply(*space.service("web", backend), labelled(space, "ca", bundle), route)
    answers(200)
    space.apply(labelled(space, "ca", bundle, "false"))
    answers(503)
    eventually(lambda: space.conditions("web")["ResolvedRefs"] == ("False", "SecretNotFound"), LONG)
    space.apply(labelled(space, "ca", bundle))
    answers(200)
    space.delete("secret", "ca")
    made = secret_of(space, "ca", authority.issue("x.test"))
    made["data"]["ca.crt"] = coded(bundle)
    space.apply(made)
    answers(200)


def test_the_controller_sees_only_certificates(space, proxy, authority):
    """The selectors are in force for lists as well: a controller that starts later counts the same."""
    with open(authority.file, encoding="ascii") as file:
        space.apply(labelled(space, "marked", file.read()))
    space.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": space.name},
                 "stringData": {"password": "x"}})
    late = Controller(proxy.snapshots + "-late", proxy.kubeconfig)
    try:
        late.await_ready()
        wanted = json.loads(space.cluster.kubectl("get", "secrets", "-A", "--field-selector",
                                                  "type=kubernetes.io/tls", "-o", "json"))["items"]
        wanted += json.loads(space.cluster.kubectl("get", "secrets", "-A", "-l", "toyou.dev/authority=true",
                                                   "--field-selector", "type!=kubernetes.io/tls", "-o", "json"))["items"]
        assert late.metrics()['toyou_controller_objects{kind="Secret"}'] == len(wanted)
    finally:
        late.stop()
