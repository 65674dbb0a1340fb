"""The CustomResourceDefinition as the API server understands it."""
import copy
import glob
import os
import re

import pytest
import yaml

from support.toyou import TOP

PATH = "/apis/toyou.dev/v1alpha1/namespaces/default/websocketroutes"

BASE = {"hosts": ["a.example.com"], "backends": [{"service": {"name": "a", "port": 80}}]}

# Everything that the schema knows, with the values of the documentation.
WHOLE = {
    "ingressClassName": "toyou",
    "hosts": ["chat.example.com", "*.example.com"],
    "paths": [{"path": "/ws", "pathType": "Prefix"}],
    "protocols": ["WebSocket", "SSE", "HTTP"],
    "tls": {"secretName": "chat-tls", "redirect": False, "hsts": "0s",
            "client": {"caSecretName": "staff-ca", "mode": "Required", "depth": 1}},
    "backends": [{"service": {"name": "chat", "port": 8080}, "weight": 1, "role": "Primary"},
                 {"service": {"name": "spare", "port": "http"}, "role": "Backup"}],
    "loadBalancing": {"policy": "ConsistentHash", "hashOn": {"claim": "sub"}, "slowStart": "30s",
                      "rebalance": {"after": "60s", "perMinute": "1%", "tolerance": "10%"},
                      "onTermination": "SpreadClose"},
    "origins": {"allow": ["self", "https://*.example.com", "http://[::1]:3000"], "missing": "Allow"},
    "auth": {
        "jwt": {"issuer": "https://id.example.com", "audiences": ["chat"], "keys": {"secretName": "jwks"},
                "from": [{"header": "Authorization"}, {"query": "access_token"}, {"cookie": "session"},
                         {"subprotocol": "bearer."}],
                "require": [{"claim": "roles", "anyOf": ["player", "admin"]}],
                "forward": [{"claim": "sub", "header": "X-User"}], "onExpiry": "Close"},
        "external": {"service": {"name": "auth", "port": 80}, "path": "/check", "timeout": "1s",
                     "requestHeaders": ["Cookie", "Authorization"], "responseHeaders": ["X-User"]},
        "basic": {"secretName": "users"},
        "rules": [{"paths": ["/ws/admin"], "methods": [], "anyOf": [{"claim": "roles", "in": ["admin"]}]}]},
    "clientAddresses": {"allow": ["10.0.0.0/8", "2001:db8::/32"], "deny": []},
    "limits": {"maxConnections": 10000, "maxConnectionsPerClient": 20,
               "connectionRate": {"perSecond": 50, "burst": 100},
               "connectionRatePerClient": {"perSecond": 5, "burst": 10},
               "messageRate": {"perSecond": 100, "burst": 200, "onExceed": "Delay"},
               "byteRate": {"perSecond": "1Mi", "burst": "4Mi", "onExceed": "Delay"},
               "maxMessageBytes": "1Mi", "maxBodyBytes": 8388608, "client": {"header": "X-Client"},
               "exempt": ["10.0.0.0/8"], "scope": "Divided"},
    "timeouts": {"connect": "5s", "handshake": "10s", "response": "60s", "idle": "1h30m", "lifetime": "0s",
                 "closing": "500ms"},
    "keepalive": {"pingInterval": "30s", "pingTimeout": "20s"},
    "retry": {"attempts": 2, "backoff": {"base": "25ms", "max": "1s"}, "on": ["Connect", "Refused", "GatewayError"]},
    "circuitBreaker": {"maxPending": 1000, "maxConnectionsPerEndpoint": 0, "ejectAfter": 5, "ejectFor": "10s"},
    "healthCheck": {"path": "/healthz", "interval": "5s", "timeout": "1s", "healthy": 1, "unhealthy": 3},
    "fallback": {"status": 503, "contentType": "application/json", "body": '{"retry":true}', "staleFor": "1m"},
    "backendTLS": {"caSecretName": "ca", "serverName": "chat.internal", "clientCertificateSecretName": "mtls"},
    "headers": {"request": {"set": {"X-A": "b"}, "remove": ["X-C"]}, "response": {"set": {}, "remove": []}},
    "rewrite": {"prefix": "/"}}


def create(cluster, spec):
    """Dry run, strict about unknown fields: (status, message, object)."""
    body = {"apiVersion": "toyou.dev/v1alpha1", "kind": "WebSocketRoute", "metadata": {"name": "x"}, "spec": spec}
    status, answer = cluster.api("POST", PATH + "?dryRun=All&fieldValidation=Strict", body)
    return status, answer.get("message", ""), answer


def changed(**fields):
    return {**copy.deepcopy(BASE), **fields}


def test_it_is_established_with_its_names_and_columns(cluster):
    crd = cluster.api("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/websocketroutes.toyou.dev")[1]
    conditions = {c["type"]: c["status"] for c in crd["status"]["conditions"]}
    assert conditions["Established"] == conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions
    status, _, route = create(cluster, BASE)
    assert status == 201
    cluster.api("POST", PATH, {**route, "metadata": {"name": "columns"}})
    header = cluster.kubectl("get", "wsr").splitlines()[0].split()
    assert header == ["NAME", "HOSTS", "ACCEPTED", "PROGRAMMED", "AGE"]
    cluster.kubectl("delete", "wsr", "columns")


def test_explain_has_words_for_every_field(cluster):
    assert "long-lived connections" in cluster.kubectl("explain", "wsr")
    with open(os.path.join(TOP, "crds", "websocketroutes.toyou.dev.yaml"), encoding="utf-8") as file:
        schema = yaml.safe_load(file)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

    def silent(path, field):
        for name, inner in field.get("properties", {}).items():
            if "description" not in inner and path + name != "metadata":
                yield path + name
            yield from silent(path + name + ".", inner)
        if "items" in field:
            yield from silent(path, field["items"])
    assert list(silent("", schema)) == []


def test_defaults_stand_where_they_cannot_make_a_route_unsupported(cluster):
    spec = create(cluster, BASE)[2]["spec"]
    assert spec == {"hosts": ["a.example.com"], "paths": [{"path": "/", "pathType": "Prefix"}],
                    "protocols": ["WebSocket"],
                    "backends": [{"service": {"name": "a", "port": 80}, "weight": 1, "role": "Primary"}]}
    spec = create(cluster, changed(timeouts={"idle": "5m"}, origins={"allow": ["self"]}))[2]["spec"]
    assert spec["timeouts"] == {"connect": "5s", "handshake": "10s", "response": "60s", "idle": "5m",
                                "lifetime": "0s", "closing": "5s"}
    assert spec["origins"]["missing"] == "Allow"


def test_the_whole_schema_is_accepted(cluster):
    status, message, route = create(cluster, WHOLE)
    assert status == 201, message
    for name, value in WHOLE.items():
        assert route["spec"][name] == value or name == "backends", name


@pytest.mark.parametrize("client", ["ClientAddress", {"header": "X-Client"}, {"claim": "sub"}])
def test_a_client_is_a_word_or_a_mapping(cluster, client):
    status, message, route = create(cluster, changed(limits={"client": client}))
    assert status == 201, message
    assert route["spec"]["limits"]["client"] == client


def documented():
    """Routes and Ingresses of the documents and examples: (where, object)."""
    for name in ("docs/websocketroute.md", "docs/ingress.md", "docs/tls.md", "README.md"):
        with open(os.path.join(TOP, name), encoding="utf-8") as file:
            blocks = re.findall(r"^```yaml\n(apiVersion:.*?)^```", file.read(), re.M | re.S)
        for block in blocks:
            yield from ((name, found) for found in yaml.safe_load_all(block))
    for path in glob.glob(os.path.join(TOP, "examples", "**", "*.yaml"), recursive=True):
        with open(path, encoding="utf-8") as file:
            yield from ((path, found) for found in yaml.safe_load_all(file))


def test_documents_and_examples_are_valid(cluster):
    folders = {"WebSocketRoute": PATH, "Ingress": "/apis/networking.k8s.io/v1/namespaces/default/ingresses"}
    seen = set()
    for where, found in documented():
        if found and found.get("kind") in folders:
            status, answer = cluster.api("POST", folders[found["kind"]] + "?dryRun=All&fieldValidation=Strict", found)
            assert status == 201, (where, answer["message"])
            seen.add((os.path.basename(where), found["kind"]))
    assert {("websocketroute.md", "WebSocketRoute"), ("websocketroute.md", "Ingress")} <= seen


SERVICE = {"name": "a", "port": 80}
REFUSED = {
    "no hosts": (changed(hosts=[]), "spec.hosts"),
    "no backends": (changed(backends=[]), "spec.backends"),
    "too many hosts": (changed(hosts=["h%d.example.com" % n for n in range(65)]), "spec.hosts"),
    "a host twice": (changed(hosts=["a.example.com", "a.example.com"]), "Duplicate value"),
    "upper case": (changed(hosts=["A.example.com"]), "spec.hosts[0]"),
    "an IP address": (changed(hosts=["10.0.0.1"]), "not an IP address"),
    "a port in a host": (changed(hosts=["a.example.com:80"]), "spec.hosts[0]"),
    "an inner wildcard": (changed(hosts=["a.*.com"]), "spec.hosts[0]"),
    "a trailing dot": (changed(hosts=["a.example.com."]), "spec.hosts[0]"),
    "a relative path": (changed(paths=[{"path": "ws"}]), "spec.paths[0].path"),
    "dots in a path": (changed(paths=[{"path": "/a/../b"}]), "must not hold"),
    "trailing dots": (changed(paths=[{"path": "/a/.."}]), "must not hold"),
    "an escaped slash": (changed(paths=[{"path": "/a%2fb"}]), "must not hold"),
    "a double slash": (changed(paths=[{"path": "/a//b"}]), "must not hold"),
    "a path twice": (changed(paths=[{"path": "/a"}, {"path": "/a"}]), "Duplicate value"),
    "a path type": (changed(paths=[{"path": "/a", "pathType": "Regex"}]), "Unsupported value"),
    "a protocol": (changed(protocols=["TCP"]), "Unsupported value"),
    "port 0": (changed(backends=[{"service": {"name": "a", "port": 0}}]), "port number"),
    "port 65536": (changed(backends=[{"service": {"name": "a", "port": 65536}}]), "port number"),
    "a bad port name": (changed(backends=[{"service": {"name": "a", "port": "A_B"}}]), "port number"),
    "a negative weight": (changed(backends=[{"service": SERVICE, "weight": -1}]), "weight"),
    "only backups": (changed(backends=[{"service": SERVICE, "role": "Backup"}]), "must be Primary"),
    "a Service twice": (changed(backends=[{"service": SERVICE}, {"service": SERVICE}]), "may stand here once"),
    "an origin": (changed(origins={"allow": ["example.com"]}), "spec.origins.allow[0]"),
    "an origin with a path": (changed(origins={"allow": ["https://example.com/x"]}), "spec.origins.allow[0]"),
    "no origins": (changed(origins={"allow": []}), "spec.origins.allow"),
    "a duration": (changed(timeouts={"idle": "1 h"}), "spec.timeouts.idle"),
    "a negative duration": (changed(timeouts={"idle": "-1s"}), "spec.timeouts.idle"),
    "a quantity": (changed(limits={"maxMessageBytes": "1MB"}), "maxMessageBytes"),
    "a negative size": (changed(limits={"maxMessageBytes": -1}), "maxMessageBytes"),
    "a client that is a word": (changed(limits={"client": "Cookie"}), "limits.client"),
    "a client that is a number": (changed(limits={"client": 5}), "limits.client"),
    "a client that is yes": (changed(limits={"client": True}), "limits.client"),
    "a client that is a list": (changed(limits={"client": ["ClientAddress"]}), "limits.client"),
    "a client of nothing": (changed(limits={"client": {}}), "limits.client"),
    "a client of two things": (changed(limits={"client": {"header": "A", "claim": "b"}}), "limits.client"),
    "a client of a bad header": (changed(limits={"client": {"header": "A b"}}), "limits.client.header"),
    "a client of a number": (changed(limits={"client": {"claim": 5}}), "limits.client.claim"),
    "more per client than in all": (changed(limits={"maxConnections": 5, "maxConnectionsPerClient": 6}),
                                    "must not be above maxConnections"),
    "a hash without its policy": (changed(loadBalancing={"hashOn": {"cookie": "a"}}), "hashOn must be set with"),
    "a policy without its hash": (changed(loadBalancing={"policy": "ConsistentHash"}), "hashOn must be set with"),
    "two hashes": (changed(loadBalancing={"policy": "ConsistentHash", "hashOn": {"cookie": "a", "header": "b"}}),
                   "exactly one of cookie"),
    "a claim without a token": (changed(loadBalancing={"policy": "ConsistentHash", "hashOn": {"claim": "sub"}}),
                                "needs auth.jwt"),
    "empty auth": (changed(auth={}), "at least one of jwt"),
    "two key sets": (changed(auth={"jwt": {"issuer": "i", "keys": {"secretName": "a", "uri": "https://b"}}}),
                     "exactly one of secretName"),
    "keys over http": (changed(auth={"jwt": {"issuer": "i", "keys": {"uri": "http://b"}}}), "keys.uri"),
    "rules without a token": (changed(auth={"basic": {"secretName": "a"},
                                            "rules": [{"anyOf": [{"claim": "a", "in": ["b"]}]}]}), "rules need jwt"),
    "a network": (changed(clientAddresses={"allow": ["10.0.0.0/33"]}), "clientAddresses.allow[0]"),
    "an octet": (changed(clientAddresses={"deny": ["10.0.0.0/8", "10.0.0.256"]}), "clientAddresses.deny[1]"),
    "a zone": (changed(clientAddresses={"deny": ["fe80::1%eth0"]}), "clientAddresses.deny[0]"),
    "a name for a network": (changed(clientAddresses={"allow": ["office"]}), "clientAddresses.allow[0]"),
    "a network twice": (changed(clientAddresses={"allow": ["10.0.0.0/8", "10.0.0.0/8"]}), "Duplicate value"),
    "too many networks": (changed(clientAddresses={"allow": ["10.0.%d.%d" % (n // 256, n % 256) for n in range(1001)]}),
                          "clientAddresses.allow"),
    "a certificate for any host": (changed(hosts=["*"], tls={"secretName": "a"}), "cannot be for any host"),
    "a rewrite of an exact path": (changed(paths=[{"path": "/a", "pathType": "Exact"}], rewrite={"prefix": "/"}),
                                   "needs paths of type Prefix"),
    "waits the wrong way round": (changed(retry={"backoff": {"base": "2s", "max": "1s"}}), "must not be above max"),
    "a check slower than its interval": (changed(healthCheck={"interval": "1s", "timeout": "2s"}),
                                         "must not be above interval"),
    "an unknown field": (changed(maxConnections=5), "unknown field"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses(cluster, case):
    spec, words = REFUSED[case]
    status, message, _ = create(cluster, spec)
    assert status in (400, 422), (status, message)
    assert words in message


def test_a_status_update_leaves_the_spec_alone(cluster):
    name = "status-only"
    cluster.api("POST", PATH, {"apiVersion": "toyou.dev/v1alpha1", "kind": "WebSocketRoute",
                               "metadata": {"name": name}, "spec": BASE})
    patch = {"spec": {"hosts": ["b.example.com"]}, "status": {"addresses": [{"type": "Hostname", "value": "h"}]}}
    status, route = cluster.api("PATCH", "%s/%s/status" % (PATH, name), patch, "application/merge-patch+json")
    assert status == 200 and route["spec"]["hosts"] == ["a.example.com"]
    assert route["status"]["addresses"] == [{"type": "Hostname", "value": "h"}]
    cluster.kubectl("delete", "wsr", name)


def test_the_controllers_account_may_do_no_more_than_it_needs(cluster):
    for what, allowed in (("list ingresses", True), ("watch endpointslices", True), ("patch wsr/status", True),
                          ("patch ingresses/status", True), ("create events.events.k8s.io", True),
                          ("list secrets", True), ("watch secrets", True), ("get secrets", False),
                          ("create secrets", False), ("patch secrets", False), ("update secrets", False),
                          ("get secrets/toyou-session-ticket-keys -n default", True),
                          ("update secrets/toyou-session-ticket-keys -n default", True),
                          ("patch secrets/toyou-session-ticket-keys -n default", False),
                          ("delete secrets/toyou-session-ticket-keys -n default", False),
                          ("get secrets/toyou-session-ticket-keys -n kube-system", False), ("get configmaps", False), ("patch ingresses", False),
                          ("delete wsr", False), ("update services", False), ("create pods", False),
                          ("get leases -n kube-system", False)):
        done = cluster.kubectl("--kubeconfig", cluster.kubeconfig, "auth", "can-i",
                               *what.replace("/status", " --subresource=status").split(), check=False)
        assert done.stdout.strip().endswith("yes" if allowed else "no"), (what, done.stdout, done.stderr)
