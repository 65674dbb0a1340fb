"""The ingress cases: loading, placeholders, backends, requests. Schema: ingress_cases/README.md."""
import base64
import collections
import copy
import glob
import json
import os
import random
import re
import tempfile

import yaml

from support import manifests
from support.backends import Backend, serve_json
from support.certificates import Authority
from support.tls import Alert, over_tls
from support.tls_backends import secured, server_context
from support.websocket import Refused, WebSocket
from support.wire import Connection

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "integration", "ingress_cases")
TOLERANCE = 0.17
CLUSTER_KINDS = ("IngressClass",)


def load():
    cases = []
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.yaml"))):
        with open(path, encoding="utf-8") as file:
            table = yaml.safe_load(file)
        for case in table["cases"]:
            cases.append({**case, "group": table["group"]})
    assert len({case["id"] for case in cases}) == len(cases), "two cases with one id"
    return cases


def services_of(case):
    return [{"name": s} if isinstance(s, str) else s for s in case.get("services", [])]


def backend_names(case):
    names = set(case.get("backends", {}))
    for service in services_of(case):
        names.update(service.get("backends", [service["name"]]))
    names.update(re.findall(r"\$\{(?:addr|port6):([^}]+)\}", json.dumps([case.get("objects"), case.get("steps")])))
    return sorted(names)


class Backends:
    """One listener for all backends of some cases (an address for each, the same ports for all), and
    their certificates."""

    def __init__(self, cases):
        self.addresses, self.names, self.ports6 = {}, {}, {}
        with tempfile.TemporaryDirectory() as folder:
            authority = Authority(folder)
            self.certificates = {(case["id"], name): authority.issue(*how["dns"])
                                 for case in cases for name, how in case.get("certs", {}).items()}
            self.tls = server_context(authority.issue("any.test"))
        special = {(case["id"], name): how for case in cases for name, how in case.get("backends", {}).items()}
        keys = [(case["id"], name) for case in cases for name in backend_names(case)]
        for _ in range(20):
            if self._listen(keys, special):
                return
        raise OSError("no port that is free on all loopback addresses")

    def _listen(self, keys, special):
        # Each run draws its own block of loopback addresses, so that runs side by side do not meet.
        block = random.randint(16, 250)
        self.port, self.altport, self.tlsport = random.sample(range(20000, 32000), 3)
        self.names, wanted = {}, []
        for number, key in enumerate(keys):
            how = special.get(key, {})
            if how.get("family") == "ipv6":
                self.addresses[key] = "::1"
                self.ports6[key] = random.randint(20000, 32000)
                wanted.append(("::1", self.ports6[key]))
                self.names["::1", self.ports6[key]] = key[1]
                continue
            self.addresses[key] = "127.%d.%d.%d" % (block, number // 250, number % 250 + 1)
            if how.get("down"):
                continue
            for port, suffix in ((self.port, ""), (self.altport, ".alt"), (self.tlsport, ".tls")):
                wanted.append((self.addresses[key], port))
                self.names[self.addresses[key], port] = key[1] + suffix
        try:
            self.backend = Backend(self._serve, wanted)
        except OSError:
            return False
        return True

    def _serve(self, peer):
        handler = serve_json(self.names[peer.local])
        if peer.local[1] == self.tlsport:
            handler = secured(handler, self.tls)
        handler(peer)

    def close(self):
        self.backend.close()


def resolve(value, case, backends):
    """Placeholders replaced. One that stands alone keeps its type."""
    def known(name):
        kind, _, argument = name.partition(":")
        if kind == "ns":
            return case["id"]
        if kind == "addr":
            return backends.addresses[case["id"], argument]
        if kind == "port6":
            return backends.ports6[case["id"], argument]
        if kind in ("port", "altport", "tlsport"):
            return getattr(backends, kind)
        assert kind in ("cert", "key"), name
        made = backends.certificates[case["id"], argument]
        return base64.b64encode((made.chain if kind == "cert" else made.key).encode()).decode()

    if isinstance(value, dict):
        return {resolve(k, case, backends): resolve(v, case, backends) for k, v in value.items()}
    if isinstance(value, list):
        return [resolve(item, case, backends) for item in value]
    if not isinstance(value, str):
        return value
    if whole := re.fullmatch(r"\$\{([^}]+)\}", value):
        return known(whole.group(1))
    return re.sub(r"\$\{([^}]+)\}", lambda match: str(known(match.group(1))), value)


def identity(item):
    return item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]


def objects_of(case, backends):
    """Services of the shorthand, then the objects, each with its namespace."""
    objects = []
    for service in services_of(case):
        endpoints = [(backends.addresses[case["id"], name], backends.port)
                     for name in service.get("backends", [service["name"]])]
        namespace = resolve(service.get("namespace", case["id"]), case, backends)
        objects += manifests.service(service["name"], endpoints, namespace)
    return objects + placed(case.get("objects", []), case, backends)


def placed(objects, case, backends):
    objects = resolve(copy.deepcopy(objects), case, backends)
    for item in objects:
        if item["kind"] not in CLUSTER_KINDS:
            item["metadata"].setdefault("namespace", case["id"])
    return objects


class Run:
    """The state of one case in a `toyou local`: one file, replaced by each step."""

    def __init__(self, case, backends, folder):
        self.case, self.backends, self.folder = case, backends, folder
        self.objects = {identity(item): item for item in objects_of(case, backends)}
        self.write()

    def write(self):
        self.folder.write(self.case["id"] + ".yaml", list(self.objects.values()))

    def step(self, step):
        for item in placed(step.get("apply", []), self.case, self.backends):
            self.objects[identity(item)] = item
        for item in placed(step.get("delete", []), self.case, self.backends):
            self.objects.pop(identity(item), None)
        self.write()


class Outcome:
    """What a request came to: status; what the backend received or None; headers of the answer; the
    fingerprint of the certificate that was shown or None."""

    def __init__(self, status, seen, headers, shown):
        self.status, self.seen, self.headers, self.shown = status, seen, headers, shown

    def __str__(self):
        return "%s %s" % (self.status, self.seen or list(self.headers))


def server_name(request):
    return request["host"] if request["tls"] is True else request["tls"]["sni"]


def send(toyou, request):
    headers = [(name, str(one)) for name, value in request.get("headers", {}).items()
               for one in (value if isinstance(value, list) else [value])]
    options = {"host": request["host"], "headers": headers, "method": request.get("method", "GET"),
               "version": request.get("http", "1.1")}
    secure = bool(request.get("tls"))
    port, tls = (toyou.https, over_tls(server_name(request))) if secure else (toyou.http, None)
    target = request.get("path", "/")
    shown = None
    if not request.get("ws"):
        with Connection(port, tls=tls) as connection:
            answer = connection.ask(target, **options)
            shown = connection.sock.shown() if secure else None
    else:
        try:
            with WebSocket(port, target, tls=tls, **options) as ws:
                return Outcome(101, json.loads(ws.message()), ws.answer.headers, ws.sock.shown() if secure else None)
        except Refused as refused:
            answer = refused.response
    seen = None
    if answer.headers.get("Content-Type", "").startswith("application/json"):
        seen = answer.json
    return Outcome(answer.status, seen, answer.headers, shown)


def check(toyou, run, request):
    """Sends the request and asserts all that `expect` says."""
    expect = request["expect"]
    if isinstance(expect, (str, int)):
        expect = {"backend": expect} if isinstance(expect, str) else {"status": expect}
    if "tls" in expect:
        return check_refused(toyou, request)
    outcomes = [send(toyou, request) for _ in range(request.get("count", 1))]
    for outcome in outcomes:
        if "shares" in expect or "backends" in expect:
            continue
        check_one(request, expect, outcome)
        if "cert" in expect:
            made = run.backends.certificates[run.case["id"], expect["cert"]]
            assert outcome.shown == made.fingerprint, "%s was shown another certificate" % request
    got = [outcome.seen["backend"] if outcome.seen else outcome.status for outcome in outcomes]
    if "backends" in expect:
        assert set(got) == set(expect["backends"]), "%s: %s" % (request, collections.Counter(got))
    if "shares" in expect:
        check_shares(request, expect["shares"], got)
    return None


def check_refused(toyou, request):
    """`tls: refused`: by the alert that says why (T5)."""
    try:
        outcome = send(toyou, request)
    except Alert as alert:
        assert alert.reason == "TLSV1_UNRECOGNIZED_NAME", "%s: %s" % (request, alert)
        return
    raise AssertionError("%s was answered %s" % (request, outcome))


def check_one(request, expect, outcome):
    status, seen, headers = outcome.status, outcome.seen, outcome.headers
    where = "%s gave %s" % (request, outcome)
    if "status" in expect:
        assert status == expect["status"], where
        assert "backend" in expect or seen is None, where + " from a backend"
    if "backend" in expect:
        assert seen and seen["backend"] == expect["backend"], where
        assert "status" in expect or status == (101 if request.get("ws") else 200), where
    for name, value in expect.get("headers", {}).items():
        assert headers.get(name) == value, where
    for name, value in expect.get("sees", {}).items():
        if name != "headers":
            assert seen[name] == value, where
            continue
        for header, wanted in value.items():
            found = [v for k, v in seen["headers"] if k.lower() == header.lower()]
            assert found == ([] if wanted is None else [wanted]), where


def check_shares(request, shares, got):
    counts = collections.Counter(got)
    assert set(counts) <= set(shares), "%s: %s" % (request, counts)
    for key, share in shares.items():
        actual = counts[key] / len(got)
        exact = share in (0, 1)
        assert actual == share if exact else abs(actual - share) <= TOLERANCE, "%s: %s" % (request, counts)


def check_status(toyou, case, expected):
    """One entry of `status` against GET /api/v1/status."""
    namespace = expected.get("namespace", case["id"]).replace("${ns}", case["id"])
    listed = [item for item in toyou.json("/api/v1/status")
              if (item["kind"], item["namespace"], item["name"]) == (expected["kind"], namespace, expected["name"])]
    if expected.get("listed") is False:
        assert not listed, listed
        return
    assert len(listed) == 1, "%s is listed %d times" % (expected, len(listed))
    conditions = {item["type"]: item for item in listed[0]["conditions"]}
    found = conditions.get(expected["type"], {})
    assert (found.get("status"), found.get("reason")) == (expected["status"], expected["reason"]), \
        "%s: %s" % (expected, listed[0]["conditions"])
