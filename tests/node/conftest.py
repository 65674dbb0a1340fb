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


@pytest.fixture(scope="session")
def release(node):
    """The chart, as nobody would install it: with a short drain. And the demo."""
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


@pytest.fixture
def load(node, release):
    """load(): fifty WebSockets, four HTTP clients and a stream of events, all of them connected."""
    del release
    started = []

    def start(websockets=50, clients=4):
        started.append(Load(node, websockets, clients))
        return started[-1].begin()

    yield start
    for it in started:
        it.kill()
