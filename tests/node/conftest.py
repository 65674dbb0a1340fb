"""Fixtures of the tests on a node. Start them with tests/node/run."""
import os

import pytest

from node_rig import DRAIN, Load, Node, TOP


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
