"""Fixtures of the tests on a node. Start them with tests/node/run."""
import os
import subprocess

import pytest

from node_rig import DRAIN, HERE, LONG, NODE, Load, Node, TOP, on_the_node
from support.certificates import Authority
from support.wait import eventually


def pytest_sessionstart(session):
    del session
    if "TOYOU_NODE" not in os.environ:
        pytest.exit("there is no node: start these tests with tests/node/run", returncode=2)


@pytest.fixture(scope="session")
def node():
    return Node()


@pytest.fixture
def figure(capsys):
    """Says what was measured, also when the test passes."""
    def say(*words):
        with capsys.disabled():
            print("\n   ", *words)
    return say


@pytest.fixture(scope="session")
def release(node):
    """The chart with a short drain period, and the demo."""
    node.kubectl("create", "namespace", "toyou")
    node.kubectl("label", "namespace", "toyou", "pod-security.kubernetes.io/enforce=restricted")
    repository, tag = os.environ["TOYOU_IMAGE"].rsplit(":", 1)
    values = {"image.repository": repository, "image.tag": tag, "drain.delay": DRAIN[0], "drain.period": DRAIN[1]}
    node.helm("install", "toyou", os.path.join(TOP, "charts", "toyou"), "-n", "toyou", "--set",
              ",".join("%s=%s" % pair for pair in values.items()))
    node.kubectl("apply", "-k", os.path.join(TOP, "deploy", "demo"))
    node.rolled_out("toyou")
    node.kubectl("-n", "toyou-demo", "rollout", "status", "deploy/demo", "--timeout=120s")
    node.run("lb", "toyou/toyou")
    node.serves()
    return "toyou"


@pytest.fixture(scope="session")
def echo(node, release):
    """The Deployment and the Service "echo" in a namespace: two pods of `toyou echo` that go on for 10 s when they are to end."""
    del release

    def make(namespace):
        node.kubectl("create", "namespace", namespace, check=False)
        labels = {"app": "echo"}
        container = {"name": "echo", "image": os.environ["TOYOU_IMAGE"], "command": ["toyou", "echo", "--address=::"],
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
    """The API server has pods' own metrics for autoscalers."""
    del release
    made, port = Authority(tmp_path).issue("adapter"), 8449
    for name, text in (("crt", made.chain), ("key", made.key)):
        (tmp_path / name).write_text(text)
    process = subprocess.Popen([NODE, "exec", "/usr/bin/python3", os.path.join(HERE, "metrics_adapter.py"), str(tmp_path / "crt"),
                                str(tmp_path / "key"), str(port)], stdin=subprocess.DEVNULL)
    place = {"name": "metrics-adapter", "namespace": "kube-system"}
    node.apply(*on_the_node(**place, port=443, target=port), {
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1beta1.custom.metrics.k8s.io"},
        "spec": {"group": "custom.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                 "insecureSkipTLSVerify": True, "service": place}})
    try:
        metric = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/toyou/pods/*/toyou_websocket_active"
        eventually(lambda: '"MetricValueList"' in node.kubectl("get", "--raw", metric, check=False), LONG, every=0.5)
        yield
    finally:
        node.kubectl("delete", "apiservice", "v1beta1.custom.metrics.k8s.io")
        node.kubectl("-n", "kube-system", "delete", "service,endpointslice", "metrics-adapter")
        process.kill()
        process.wait()


@pytest.fixture
def load(node, release):
    """load(): 200 WebSockets, four HTTP clients and a stream of events, all of them at work."""
    del release
    started = []

    def start(*options, websockets=200, clients=4, **names):
        started.append(Load(node, websockets, clients, *options, **names))
        return started[-1].begin()

    yield start
    for it in started:
        it.kill()
