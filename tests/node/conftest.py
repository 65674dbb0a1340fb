"""Fixtures of the tests on a node. Start them with tests/node/run."""
import os
import subprocess

import pytest
import yaml

from node_rig import DRAIN, HERE, IMAGE, LONG, NEWER, NODE, REGISTRY, SOCKETS, VERSION, Load, Node, on_the_node
from support import documents
from support.certificates import Authority
from support.wait import eventually


def pytest_sessionstart(session):
    del session
    if "TOYOU_NODES" not in os.environ:
        pytest.exit("there is no node: start these tests with tests/node/run", returncode=2)


@pytest.fixture(scope="session")
def node():
    """This worker's own."""
    os.environ["TOYOU_NODE"] = "%s-%s" % (os.environ["TOYOU_NODES"], os.environ.get("PYTEST_XDIST_WORKER", "main"))
    it = Node()
    it.run("up")
    it.run("image", "load", os.environ["TOYOU_DEMO_IMAGE"])
    yield it
    it.run("down")


@pytest.fixture
def figure(record_property):
    """Says at the end what was measured, also when the test passes."""
    return lambda *words: record_property("figure", " ".join(map(str, words)))


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, words in report.user_properties:
            if name == "figure":
                terminalreporter.write_line("figure: " + words)


@pytest.fixture(scope="session")
def registry(node, tmp_path_factory):
    """A registry on the node with the image, built and pushed as the documents say, and the same as a newer version."""
    folder = tmp_path_factory.mktemp("registry")
    (folder / "config.yml").write_text(yaml.safe_dump({
        "version": 0.1, "log": {"accesslog": {"disabled": True}, "level": "error"}, "http": {"addr": REGISTRY},
        "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}}}))
    process = subprocess.Popen([NODE, "exec", "docker-registry", "serve", str(folder / "config.yml")], stdin=subprocess.DEVNULL)
    eventually(lambda: node.run("exec", "curl", "-sS", "http://%s/v2/" % REGISTRY, check=False) == "{}", LONG)
    for command in documents.matching(r"docker "):
        node.shell(command, REGISTRY=REGISTRY)
    node.run("image", "push", IMAGE, IMAGE.replace(VERSION, NEWER))
    yield REGISTRY
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def release(node, registry):
    """The chart as docs/install.md has it, with a short drain, and the demo: two pods, and none that ends."""
    if '"toyou"' not in node.helm("list", "-n", "toyou", "-o", "json"):
        install_release(node, registry)
    node.settled(2)
    return "toyou"


def install_release(node, registry):
    node.kubectl("create", "namespace", "toyou", check=False)
    node.kubectl("label", "--overwrite", "namespace", "toyou", "pod-security.kubernetes.io/enforce=restricted")
    (install,) = documents.matching(r"helm install toyou charts/toyou --namespace")
    node.shell("%s --set drain.delay=%d,drain.period=%d" % (install, *DRAIN), REGISTRY=registry)
    for command in documents.matching(r"kubectl (apply -k deploy/demo|-n toyou rollout status)"):
        node.shell(command)
    node.kubectl("-n", "toyou-demo", "rollout", "status", "deploy/demo", "--timeout=120s")
    node.run("lb", "toyou/toyou")
    node.serves()


@pytest.fixture(scope="module")
def echo(node, release):
    """The Deployment and the Service "echo" in a namespace: two pods of `toyou echo` that go on for 10 s when they are to end."""
    del release

    def make(namespace):
        node.kubectl("create", "namespace", namespace, check=False)
        labels = {"app": "echo"}
        container = {"name": "echo", "image": IMAGE, "command": ["toyou", "echo", "--address=::"],
                     "ports": [{"containerPort": 7070}], "readinessProbe": {"httpGet": {"path": "/", "port": 7070}, "periodSeconds": 1},
                     "lifecycle": {"preStop": {"sleep": {"seconds": 10}}}}
        node.apply(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "echo", "namespace": namespace},
             "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {
                 "metadata": {"labels": labels}, "spec": {"containers": [container], "automountServiceAccountToken": False}}}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo", "namespace": namespace},
             "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 7070}]}})
        node.kubectl("-n", namespace, "rollout", "status", "deploy/echo", "--timeout=120s")
        return namespace

    return make


@pytest.fixture
def many(node, release):
    """The Service "many" in a namespace: a backend on the node for thousands of WebSockets."""
    del release
    process = subprocess.Popen([NODE, "exec", "/usr/bin/python3", os.path.join(HERE, "echo_server.py"), "7071"], stdin=subprocess.DEVNULL)
    node.kubectl("create", "namespace", "many")
    node.apply(*on_the_node("many", "many", 80, 7071))
    yield "many"
    process.kill()
    process.wait()
    node.kubectl("delete", "namespace", "many", "--wait=false")


@pytest.fixture
def metrics_adapter(node, release, tmp_path):
    """The API server has metrics for autoscalers: CPU of pods, and their own."""
    del release
    made, port = Authority(tmp_path).issue("adapter"), 8449
    for name, text in (("crt", made.chain), ("key", made.key)):
        (tmp_path / name).write_text(text)
    process = subprocess.Popen([NODE, "exec", "/usr/bin/python3", os.path.join(HERE, "metrics_adapter.py"), str(tmp_path / "crt"),
                                str(tmp_path / "key"), str(port)], stdin=subprocess.DEVNULL)
    place = {"name": "metrics-adapter", "namespace": "kube-system"}
    groups = ("custom.metrics.k8s.io", "metrics.k8s.io")
    node.apply(*on_the_node(**place, port=443, target=port), *(
        {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1beta1." + group},
         "spec": {"group": group, "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                  "insecureSkipTLSVerify": True, "service": place}} for group in groups))
    try:
        asked = ("/apis/custom.metrics.k8s.io/v1beta1/namespaces/toyou/pods/*/toyou_websocket_active",
                 "/apis/metrics.k8s.io/v1beta1/namespaces/toyou/pods")
        for path in asked:
            eventually(lambda p=path: '"items"' in node.kubectl("get", "--raw", p, check=False), LONG, every=0.5)
        yield
    finally:
        node.kubectl("delete", "apiservice", *("v1beta1." + group for group in groups))
        node.kubectl("-n", "kube-system", "delete", "service,endpointslice", "metrics-adapter")
        process.kill()
        process.wait()


@pytest.fixture
def load(node, release):
    """load(): 200 WebSockets, four HTTP clients and a stream of events, all of them at work."""
    del release
    started = []

    def start(*options, websockets=SOCKETS, clients=4, **names):
        started.append(Load(node, websockets, clients, *options, **names))
        return started[-1].begin()

    yield start
    for it in started:
        it.kill()
