"""A dataplane alone, on a snapshot directory that the test writes: routes, backends, certificates."""
import json
import os

from support.snapshots import Snapshot, canonical
from support.toyou import SLOW, Server, program
from support.wait import eventually

PROTOCOLS = ["HTTP", "SSE", "WebSocket"]


class SnapshotWorld:
    def __init__(self, directory):
        self.directory, self.dataplane = str(directory), None
        for folder in ("", "objects", "index"):
            os.makedirs(os.path.join(self.directory, folder), mode=0o700, exist_ok=True)
        with open(os.path.join(self.directory, "manifest.json"), "wb") as file:
            file.write(canonical({"schema": {"major": 1, "minor": 1}, "generation": 0, "pages": {}}))
        self.snapshot = Snapshot(self.directory)

    def route(self, name, host, backend, tls=None, **fields):
        """One route for all of `host`, to one backend: a Backend, or an (address, port)."""
        address, port = backend if isinstance(backend, tuple) else (backend.address, backend.port)
        upstream = "upstream/default/%s/80" % name
        self.snapshot.objects[upstream] = {"namespace": "default", "service": name, "port": "80",
                                           "endpoints": [{"address": address, "port": port}]}
        self.snapshot.objects["route/Ingress/default/%s/0" % name] = {
            "source": {"kind": "Ingress", "namespace": "default", "name": name}, "host": host, "path": "/",
            "protocols": PROTOCOLS, "backends": [{"upstream": upstream, **({"tls": tls} if tls else {})}], **fields}

    def certificate(self, secret, certificate, hosts=(), default=False):
        self.snapshot.objects["certificate/default/" + secret] = {
            "namespace": "default", "secret": secret, "hosts": sorted(hosts), "default": default,
            "chain": certificate.chain, "key": certificate.key}

    def authority(self, secret, certificates):
        self.snapshot.objects["authority/default/" + secret] = {
            "namespace": "default", "secret": secret, "certificates": certificates}

    def no_certificate(self, secret):
        del self.snapshot.objects["certificate/default/" + secret]

    def publish(self):
        """Publishes and waits until the dataplane has judged it; its report."""
        generation = self.snapshot.publish()["generation"]
        if self.dataplane is None:
            return None
        return self.await_report(generation)

    def await_report(self, generation):
        return eventually(lambda: self._report(generation), 20 * SLOW)

    def _report(self, generation):
        with open(os.path.join(self.directory, "loaded.json"), encoding="utf-8") as file:
            report = json.load(file)
        return report["generation"] == generation and report

    def start(self, *flags, workers=2, under=(), ready_seconds=20 * SLOW, listen="127.0.0.1", **popen):
        """`under`: a program, with its arguments, that runs the dataplane; `listen`: where it listens;
        None: on all addresses, IPv4 on a socket of IPv6."""
        self.publish()
        where = ["--listen-address", listen] if listen else []
        self.dataplane = Server([*under, program("toyou-dataplane"), "--snapshot-dir", self.directory, *where,
                                 "--http-port", "0", "--https-port", "0",
                                 "--admin-address", "127.0.0.1:0", "--drain-period", "1s", "--workers", str(workers),
                                 *flags], **popen)
        self.dataplane.await_ready(ready_seconds)
        return self

    @property
    def http(self):
        return self.dataplane.http

    @property
    def https(self):
        return self.dataplane.https

    def handshakes(self):
        """{result: count}."""
        return {key.split('"')[1]: int(value) for key, value in self.dataplane.metrics().items()
                if key.startswith("toyou_tls_handshakes_total{")}
