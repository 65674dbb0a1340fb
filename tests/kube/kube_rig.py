"""What the cluster tests work with: the API server as its administrator, the programs against it, and
a Kubernetes namespace for each test.

The network is a namespace whose whole 198.18.0.0/15 is local: backends bind addresses of it that
nobody else has, and EndpointSlices may name them (the API server refuses loopback addresses).
"""
import itertools
import json
import os
import ssl
import subprocess
import urllib.error
import urllib.request

import yaml

from support import manifests
from support.backends import Backend
from support.toyou import TOP, Server, program
from support.wait import eventually
from support.websocket import WebSocket
from support.wire import fetch

HERE = os.path.dirname(os.path.realpath(__file__))
WITH_CLUSTER = os.path.join(HERE, "cluster", "with-cluster")
ADDRESS = "192.0.2.10"
TICKET_KEYS = ("default", "toyou-session-ticket-keys")  # as the chart names them
LONG = 60  # seconds that a test waits at most for the cluster and the programs


def chart(namespace, *arguments):
    """The objects of the chart's release "toyou"."""
    done = subprocess.run(["helm", "template", "toyou", os.path.join(TOP, "charts", "toyou"), "-n", namespace, "--skip-tests", *arguments],
                          check=True, capture_output=True, text=True)
    return [part for part in yaml.safe_load_all(done.stdout) if part]


class Cluster:
    """The API server, as its administrator."""

    def __init__(self):
        context = ssl.create_default_context(cafile=os.environ["CLUSTER_CA"])
        self.server, self.token = os.environ["CLUSTER_SERVER"], os.environ["CLUSTER_TOKEN"]
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                                  urllib.request.HTTPSHandler(context=context))

    def kubectl(self, *arguments, objects=None, check=True):
        text = None if objects is None else yaml.safe_dump_all(objects)
        done = subprocess.run(["kubectl", *arguments], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout if check else done

    def await_crds(self, *which):
        """Until they are served. `kubectl wait` alone fails on a CRD that is too new to have conditions."""
        eventually(lambda: self.kubectl("wait", "--for=condition=Established", *which, "--timeout=%ds" % LONG), LONG)

    def ctl(self, *arguments):
        return subprocess.run([WITH_CLUSTER, "ctl", *arguments], check=True, capture_output=True,
                              text=True).stdout.strip()

    def api(self, method, path, body=None, content_type="application/json"):
        """(status, parsed body)"""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data, method=method, headers={
            "Authorization": "Bearer " + self.token, "Content-Type": content_type})
        try:
            with self.opener.open(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


class Controller(Server):
    """toyou-controller with the ServiceAccount of the chart."""

    def __init__(self, snapshots, kubeconfig, *flags):
        super().__init__([program("toyou-controller"), "--source", "kubernetes", "--kubeconfig", kubeconfig,
                          "--snapshot-dir", snapshots, "--admin-address", "127.0.0.1:0", *flags])

    def await_admin(self, seconds=LONG):
        self.admin = int(self.await_log(r"started.*admin_port\W+(\d+)", seconds).group(1))
        return self

    def await_ready(self, seconds=LONG):
        self.await_admin(seconds)
        eventually(lambda: self.get("/readyz").status == 200, seconds)
        return self

    def watch_count(self, what, kind):
        return self.metrics()['toyou_controller_watch_%s{kind="%s"}' % (what, kind)]

    def relists(self):
        """Whole lists so far, over all kinds."""
        return sum(value for name, value in self.metrics().items() if "watch_relists_total{" in name)

    @property
    def leads(self):
        return self.metrics()["toyou_controller_leader"] == 1


class Pair:
    """A controller and a dataplane, as in one pod."""

    def __init__(self, folder, kubeconfig):
        self.snapshots, self.kubeconfig = os.path.join(str(folder), "snapshots"), kubeconfig
        self.controller = self.dataplane = None

    def start_controller(self, *flags):
        return self.launch_controller(*flags).await_ready()

    def launch_controller(self, *flags):
        """Not ready yet: it may have nobody to tell it what there is."""
        given = any(flag.startswith("--ticket-key-secret") for flag in flags)
        ticket_keys = () if given else ("--ticket-key-secret", "/".join(TICKET_KEYS))
        self.controller = Controller(self.snapshots, self.kubeconfig, *ticket_keys, *(flags or ("--publish-address", ADDRESS)))
        return self.controller.await_admin()

    def start_dataplane(self):
        self.dataplane = Server([program("toyou-dataplane"), "--snapshot-dir", self.snapshots, "--http-port", "0",
                                 "--https-port", "0", "--admin-address", "127.0.0.1:0", "--workers", "2",
                                 "--drain-period", "1s"])
        return self.dataplane.await_ready(LONG)

    def stop(self):
        for process in (self.controller, self.dataplane):
            if process is not None and process.process.poll() is None:
                process.stop()


_numbers = itertools.count(1)


class Space:
    """A Kubernetes namespace with a backend, and host names, of its own."""

    def __init__(self, cluster, http):
        self.cluster, self.http, self.number = cluster, http, next(_numbers)
        self.name = "t%d" % self.number
        self.backends = []
        status, answer = cluster.api("POST", "/api/v1/namespaces", {"metadata": {"name": self.name}})
        assert status in (201, 409), answer

    def host(self, label="a"):
        return "%s.%s.example.com" % (label, self.name)

    def backend(self, handler=None):
        """A backend on an address that nobody else has."""
        address = "198.18.%d.%d" % (self.number, len(self.backends) + 1)
        self.backends.append(Backend(handler, addresses=((address, 0),)))
        return self.backends[-1]

    def service(self, name, *backends):
        return manifests.service(name, [(b.address, b.port) for b in backends], self.name)

    def ingress(self, name, host, service, **options):
        return manifests.ingress(name, host, service, self.name, **options)

    def route(self, name, host, service, **spec):
        return manifests.websocket_route(name, host, service, self.name, **spec)

    def apply(self, *objects):
        self.cluster.kubectl("apply", "-f", "-", objects=list(objects))

    def delete(self, kind, name):
        self.cluster.kubectl("delete", "-n", self.name, kind, name)

    def get(self, kind, name):
        return json.loads(self.cluster.kubectl("get", "-n", self.name, kind, name, "-o", "json"))

    def conditions(self, name):
        """type -> (status, reason) of a WebSocketRoute."""
        status, found = self.cluster.api(
            "GET", "/apis/toyou.dev/v1alpha1/namespaces/%s/websocketroutes/%s" % (self.name, name))
        assert status == 200, found
        return {c["type"]: (c["status"], c["reason"]) for c in found.get("status", {}).get("conditions", [])}

    def addresses(self, name):
        """What an Ingress says where it is reached."""
        status, found = self.cluster.api(
            "GET", "/apis/networking.k8s.io/v1/namespaces/%s/ingresses/%s" % (self.name, name))
        assert status == 200, found
        return found["status"]["loadBalancer"].get("ingress", [])

    def events(self, name):
        _, found = self.cluster.api("GET", "/apis/events.k8s.io/v1/namespaces/%s/events" % self.name)
        return [e for e in found["items"] if e["regarding"]["name"] == name]

    def fetch(self, host, target="/", **request):
        return fetch(self.http, target, host=host, **request)

    def websocket(self, host, target="/", **options):
        return WebSocket(self.http, target, host=host, **options)

    def serves(self, host, target="/", status=200):
        return eventually(lambda: self.fetch(host, target).status == status, LONG)

    def close(self):
        for backend in self.backends:
            backend.close()
