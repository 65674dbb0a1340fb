"""Fixtures of all tests that drive the real programs.

`gateway` is one `toyou local` for the whole session (one per pytest-xdist worker). A test takes a
`site`: a host name of its own with a backend behind it, so that tests do not see each other.
"""
import itertools
import os
import signal

import pytest

from support import manifests
from support.backends import Backend, serve_json
from support.certificates import Authority
from support.snapshot_world import SnapshotWorld
from support.tls import ANYBODY, over_tls
from support.tls_backends import secured, server_context
from support.toyou import BIN, Separate, Toyou
from support.wait import eventually
from support.websocket import WebSocket
from support.wire import Connection, fetch

# Started in the background of a shell, we ignore SIGINT, and so would every program that we start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session):
    if not os.access(os.path.join(BIN, "toyou"), os.X_OK):
        pytest.exit("no toyou in %s: run scripts/build first (or set TOYOU_BIN)" % BIN, returncode=2)


def start(path, *flags, objects=(), **options):
    """`toyou local` on a new folder below `path`, ready."""
    folder = manifests.Folder(os.path.join(str(path), "manifests"))
    folder.write("class.yaml", [manifests.ingress_class()])
    if objects:
        folder.write("objects.yaml", list(objects))
    toyou = Toyou(folder, *flags, state_dir=os.path.join(str(path), "state"), **options)
    try:
        return toyou.await_ready()
    except BaseException:
        toyou.kill()
        raise


@pytest.fixture
def launch(tmp_path_factory):
    """launch(*flags, objects=[...]): a `toyou local` of this test alone, stopped at its end."""
    running = []

    def launcher(*flags, **options):
        toyou = start(tmp_path_factory.mktemp("toyou"), *flags, **options)
        running.append(toyou)
        return toyou

    yield launcher
    for toyou in running:
        if toyou.process.poll() is None:
            toyou.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Issues certificates; `authority.file` is what clients trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def site_certificate(authority):
    """Of every `site` that speaks TLS, and of its backends."""
    return authority.issue("*.test", BACKEND_NAME)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory, authority, site_certificate):
    toyou = start(tmp_path_factory.mktemp("gateway"), "--workers", "2",
                  objects=[manifests.tls_secret("sites", site_certificate, authority)])
    yield toyou
    assert toyou.process.poll() is None, "\n".join(toyou.err[-60:])
    toyou.stop()


@pytest.fixture
def separate(tmp_path_factory):
    """separate(objects=[...]): controller and dataplane each by itself, both running."""
    made = []

    def starter(*dataplane_flags, objects=()):
        path = tmp_path_factory.mktemp("separate")
        folder = manifests.Folder(path / "manifests")
        folder.write("class.yaml", [manifests.ingress_class()])
        folder.write("objects.yaml", list(objects))
        pair = Separate(folder, str(path / "state"))
        made.append(pair)
        pair.start_controller()
        pair.start_dataplane(*dataplane_flags)
        return pair

    yield starter
    for pair in made:
        pair.stop()


@pytest.fixture
def dataplane_alone(separate):
    """dataplane_alone(*flags, handler, **spec): a dataplane whose controller has gone; its `host`
    leads to a backend with this handler."""
    backends = []

    def starter(*flags, handler=None, **spec):
        backend = Backend(handler)
        backends.append(backend)
        pair = separate(*flags, objects=[*manifests.service("alone", [(backend.address, backend.port)]),
                                         manifests.websocket_route("alone", "alone.test", "alone", **spec)])
        pair.controller.stop()
        pair.dataplane.host = "alone.test"
        pair.dataplane.backend = backend
        pair.dataplane.pair = pair
        return pair.dataplane

    yield starter
    for backend in backends:
        backend.close()


BACKEND_NAME = "backend.internal"


class Site:
    """A host name with a backend behind it; `secure`: TLS on both sides."""

    def __init__(self, gateway, name, backend, spec, secure=False):
        self.gateway, self.name, self.backend, self.secure = gateway, name, backend, secure
        self.host = name + ".test"
        endpoints = backend if isinstance(backend, list) else [(backend.address, backend.port)]
        self.kind = "Ingress" if spec is None else "WebSocketRoute"
        self._services = manifests.service(name, endpoints, app_protocol="kubernetes.io/wss" if secure else None)
        self.update(spec)
        eventually(lambda: gateway.condition(self.kind, name, "Programmed") == ("True", "Programmed"))

    def update(self, spec, annotations=None):
        """`spec` of a WebSocketRoute; None: an Ingress, with these annotations."""
        if spec is None:
            route = manifests.ingress(self.name, self.host, self.name)
            route["metadata"]["annotations"] = annotations or {}
            if self.secure:
                route["spec"]["tls"] = [{"secretName": "sites"}]
        else:
            tls = {"tls": {"secretName": "sites"}, "backendTLS": {"caSecretName": "sites", "serverName": BACKEND_NAME}}
            route = manifests.websocket_route(self.name, self.host, self.name, **{**(tls if self.secure else {}), **spec})
        self.gateway.folder.write(self.name + ".yaml", self._services + [route])

    @property
    def port(self):
        return self.gateway.https if self.secure else self.gateway.http

    def tls(self, context=ANYBODY, **options):
        return over_tls(self.host, context, **options) if self.secure else None

    def fetch(self, target="/", **request):
        return fetch(self.port, target, tls=self.tls(), **{"host": self.host, **request})

    def connect(self, **options):
        return Connection(self.port, tls=self.tls(), **options)

    def websocket(self, target="/", **options):
        return WebSocket(self.port, target, **{"host": self.host, "tls": self.tls(), **options})


_numbers = itertools.count(1)


@pytest.fixture
def scheme():
    """What a `site` speaks: "ws", or "wss" on both of its sides. Modules that run over both parametrise it."""
    return "ws"


@pytest.fixture
def site(gateway, scheme, site_certificate):
    """site(handler_or_backend, spec=None): a Site; an Ingress, or with `spec` a WebSocketRoute.
    Backends made here are closed at the end, and their failures fail the test."""
    made, own = [], []
    secure = scheme == "wss"

    def make(backend=None, spec=None, on=None):
        if callable(backend) or backend is None:
            handler = backend or serve_json("backend")
            backend = Backend(secured(handler, server_context(site_certificate)) if secure else handler)
            own.append(backend)
        place = Site(on or gateway, "t%d-%d" % (os.getpid(), next(_numbers)), backend, spec, secure)
        made.append(place)
        return place

    yield make
    for place in made:
        if place.gateway.process.poll() is None:
            place.gateway.folder.remove(place.name + ".yaml")
    for backend in own:
        backend.close()


@pytest.fixture
def world(tmp_path_factory):
    """world(): a SnapshotWorld of this test alone; its dataplane is stopped at the end."""
    made = []

    def maker():
        made.append(SnapshotWorld(tmp_path_factory.mktemp("world")))
        return made[-1]

    yield maker
    for one in made:
        if one.dataplane and one.dataplane.process.poll() is None:
            one.dataplane.stop()


@pytest.fixture(scope="session")
def secure_world(tmp_path_factory, authority):
    """A dataplane with one certificate, for *.tls.test."""
    made = SnapshotWorld(tmp_path_factory.mktemp("secure"))
    made.certificate("wildcard", authority.issue("*.tls.test"), ["*.tls.test"])
    made.start()
    yield made
    assert made.dataplane.process.poll() is None, "\n".join(made.dataplane.err[-60:])
    made.dataplane.stop()


class SecureSite:
    """A host below tls.test with a backend behind it."""

    def __init__(self, world, name, backend, fields):
        self.world, self.name, self.backend, self.host = world, name, backend, name + ".tls.test"
        self.update(**fields)

    def update(self, **fields):
        self.world.route(self.name, self.host, self.backend, **fields)
        assert self.world.publish()["state"] == "Loaded"

    def tls(self, context=ANYBODY, **options):
        return over_tls(self.host, context, **options)

    def connect(self, context=ANYBODY, **options):
        return Connection(self.world.https, tls=self.tls(context), **options)

    def fetch(self, target="/", **request):
        return fetch(self.world.https, target, tls=self.tls(), **{"host": self.host, **request})

    def websocket(self, target="/", context=ANYBODY, **options):
        return WebSocket(self.world.https, target, **{"host": self.host, "tls": self.tls(context), **options})


@pytest.fixture
def secure_site(secure_world):
    """secure_site(handler=None, **route): a SecureSite. Failures of its backend fail the test."""
    made, own = [], []

    def make(handler=None, **fields):
        backend = Backend(handler)
        own.append(backend)
        made.append(SecureSite(secure_world, "t%d-%d" % (os.getpid(), next(_numbers)), backend, fields))
        return made[-1]

    yield make
    for backend in own:
        backend.close()
