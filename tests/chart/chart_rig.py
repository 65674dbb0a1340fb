"""The chart as the tests use it: rendered by helm, with the value sets of values/."""
import functools
import os
import subprocess

import yaml

from support.toyou import TOP

CHART = os.path.join(TOP, "charts", "toyou")
VALUES = os.path.join(TOP, "tests", "chart", "values")
SETS = sorted(name[:-len(".yaml")] for name in os.listdir(VALUES))


HELM = "helm3" if os.environ.get("TOYOU_HELM") == "3" else "helm"


def helm(*arguments):
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, check=False)


def template(*arguments, release="toyou", namespace="toyou"):
    """The finished process of `helm template`."""
    return helm("template", release, CHART, "-n", namespace, *arguments)


def render(*arguments, **names):
    """The objects that come out; AssertionError with helm's words when it refuses."""
    done = template(*arguments, **names)
    assert done.returncode == 0, done.stderr
    return [part for part in yaml.safe_load_all(done.stdout) if part]


def of_set(name):
    return ["-f", os.path.join(VALUES, name + ".yaml")]


def namespace_of(name):
    """Which Pod Security Standard a value set is made for; its file says when it is not the strictest."""
    with open(os.path.join(VALUES, name + ".yaml"), encoding="utf-8") as file:
        return "privileged" if "# namespace: privileged\n" in file.read() else "restricted"


def one(objects, kind, suffix=""):
    found = [o for o in objects if o["kind"] == kind and o["metadata"]["name"].endswith(suffix)]
    assert len(found) == 1, (kind, suffix, [o["metadata"]["name"] for o in found])
    return found[0]


def workload(objects):
    return next(o for o in objects if o["kind"] in ("Deployment", "DaemonSet"))


def container(objects, name):
    spec = workload(objects)["spec"]["template"]["spec"]
    return next(c for c in spec["initContainers"] + spec["containers"] if c["name"] == name)


@functools.lru_cache(None)
def rules():
    """The rules as Prometheus reads them, with the chart's default thresholds."""
    rule = one(render("--set", "metrics.prometheusRule.enabled=true"), "PrometheusRule")
    return rule["spec"]
