"""Fixtures of the cluster tests. Start them with tests/kube/run."""
import os

import pytest

from kube_rig import LONG, Cluster, Pair, Space, chart
from support import manifests
from support.toyou import TOP
from support.wait import eventually


def pytest_sessionstart(session):
    del session
    if "CLUSTER_DIR" not in os.environ:
        pytest.exit("there is no cluster: start these tests with tests/kube/run", returncode=2)


_pairs = []  # for what they said when a test fails


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for pair in _pairs:
            for name in ("controller", "dataplane"):
                process = getattr(pair, name)
                if process is not None:
                    report.sections.append(("end of the log of a " + name, "\n".join(line[:400] for line in process.err[-40:])))


def chart_account():
    """The ServiceAccount default/toyou with what the chart lets it do, the Lease and the Secret for ticket keys."""
    parts = ("serviceaccount", "rbac", "lease", "ticket-keys")
    return chart("default", *("-s=templates/%s.yaml" % part for part in parts))


@pytest.fixture(scope="session")
def cluster():
    it = Cluster()
    it.kubectl("apply", "-f", os.path.join(TOP, "crds"))
    it.account = chart_account()  # of the controller: objects with its rights
    it.kubectl("apply", "-f", "-", objects=it.account)
    it.await_crds("crd/websocketroutes.toyou.dev")
    it.kubectl("apply", "-f", "-", objects=[manifests.ingress_class(),
                                           {**manifests.ingress_class("other"), "spec": {"controller": "other.dev/x"}}])
    eventually(lambda: it.api("GET", "/apis/toyou.dev/v1alpha1/websocketroutes")[0] == 200, LONG)
    it.kubeconfig = it.ctl("kubeconfig", "default", "toyou")
    return it


@pytest.fixture
def make_pair(cluster, tmp_path_factory):
    """make_pair(): a Pair that is stopped at the end; nothing of it runs yet."""
    made = []

    def make(kubeconfig=None):
        made.append(Pair(tmp_path_factory.mktemp("pair"), kubeconfig or cluster.kubeconfig))
        _pairs.append(made[-1])
        return made[-1]

    yield make
    for pair in made:
        _pairs.remove(pair)
        pair.stop()


@pytest.fixture(scope="session")
def proxy(cluster, tmp_path_factory):
    """The Pair that most tests share."""
    pair = Pair(tmp_path_factory.mktemp("proxy"), cluster.kubeconfig)
    _pairs.append(pair)
    pair.start_controller()
    pair.start_dataplane()
    yield pair
    pair.stop()


@pytest.fixture
def space(cluster, proxy):
    it = Space(cluster, proxy.dataplane.http)
    yield it
    cluster.kubectl("delete", "-n", it.name, "ingress,wsr,svc,endpointslice,secret", "--all", check=False)
    it.close()
