"""Fixtures of the chart tests. Start them with tests/chart/run."""
import os
import shutil

import pytest

from kube.kube_rig import Cluster


def pytest_sessionstart(session):
    del session
    if shutil.which("helm") is None:
        pytest.exit("there is no helm: start these tests with tests/chart/run", returncode=2)


@pytest.fixture(scope="session")
def cluster():
    """The API server with the CRDs of prometheus-operator and cert-manager, and a namespace for each Pod Security Standard."""
    if "CLUSTER_DIR" not in os.environ:
        pytest.skip("there is no API server: Go 1.24 or newer builds it")
    it = Cluster()
    for folder in ("operator-crds", "cert-manager-crds"):
        crds = os.path.realpath(os.path.join(os.environ["KUBEBUILDER_ASSETS"], folder))  # kubectl follows no link
        it.kubectl("apply", "--server-side", "-f", crds)
    it.await_crds("crd", "--all")
    it.kubectl("apply", "-f", "-", objects=[
        {"apiVersion": "v1", "kind": "Namespace",
         "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": level}}}
        for name, level in (("restricted", "restricted"), ("privileged", "privileged"), ("monitoring", "restricted"))])
    return it
