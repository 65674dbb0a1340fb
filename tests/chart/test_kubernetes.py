"""Which Kubernetes: what the tests can run, what the documents say was run, and what the chart allows are the same."""
import glob
import json
import os
import re
import subprocess

import pytest
import yaml

from chart_rig import CHART, TOP, template

CLUSTER = os.path.join(TOP, "tests", "kube", "cluster")


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


def minor_of(release):
    return release.lstrip("v").rpartition(".")[0]


def number(minor):
    return tuple(int(part) for part in minor.split("."))


def pins():
    """minor -> go.mod that pins its control plane"""
    default = os.path.join(CLUSTER, "go.mod")
    others = {os.path.basename(os.path.dirname(path)): path for path in glob.glob(os.path.join(CLUSTER, "minors", "*", "go.mod"))}
    return {minor_of(release_of(default)): default, **others}


def release_of(path):
    return re.search(r"^\s*k8s\.io/kubernetes (v\S+)", read(path), re.MULTILINE).group(1)


def documented():
    """minor -> (release, whether its API server was run, whether its node was)"""
    rows = re.findall(r"^\| (1\.\d+) \| (v\S+) \| (yes|no) \| (yes|no) \|$", read("docs", "install.md"), re.MULTILINE)
    return {minor: tuple(rest) for minor, *rest in rows}


def test_the_documents_say_what_the_tests_can_run():
    with_node = read("tests", "node", "cluster", "version").strip()
    assert documented() == {minor: (release_of(path), "yes", "yes" if release_of(path) == with_node else "no")
                            for minor, path in pins().items()}


@pytest.mark.parametrize("minor", sorted(pins()))
def test_a_pin_is_of_one_release(minor):
    path, release = pins()[minor], release_of(pins()[minor])
    assert minor_of(release) == minor
    staging = re.findall(r"^(?:replace |\t)(k8s\.io/\S+) => \1 (\S+)$", read(path), re.MULTILINE)
    assert len(staging) > 20 and {version for _, version in staging} == {"v0" + release[2:]}


def test_get_knows_the_pins():
    get = os.path.join(CLUSTER, "get")
    said = subprocess.run([get, "--help"], check=True, capture_output=True, text=True).stdout
    known, default = re.search(r"are: (.*)\n\(default (.*)\)", said).groups()
    assert sorted(known.split(", ")) == sorted(pins()) and pins()[default] == os.path.join(CLUSTER, "go.mod")
    done = subprocess.run([get], env={**os.environ, "TOYOU_KUBERNETES": "1.5"}, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr == "get: TOYOU_KUBERNETES=1.5 is not one of %s\n" % known


def minimum():
    chart = yaml.safe_load(read(CHART, "Chart.yaml"))
    return re.fullmatch(r">=(1\.\d+)\.0-0", chart["kubeVersion"]).group(1)


def test_the_minimum_is_the_newest_of_what_is_used():
    text = read("docs", "install.md")
    assert re.search(r"^Kubernetes (1\.\d+) or newer; the chart refuses", text, re.MULTILINE).group(1) == minimum()
    assert "[Kubernetes %s or newer](#kubernetes-versions)" % minimum() in text
    since = re.findall(r"^\| (1\.\d+) \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE)
    assert len(since) > 5 and max(map(number, since)) == number(minimum())
    assert min(map(number, pins())) > number(minimum())


def rules_of(schema):
    """Every rule in a schema, at any depth."""
    if isinstance(schema, list):
        return [rule for part in schema for rule in rules_of(part)]
    if not isinstance(schema, dict):
        return []
    own = schema.get("x-kubernetes-validations", [])
    return [*own, *(rule for name, part in schema.items() if name != "x-kubernetes-validations" for rule in rules_of(part))]


def test_rules_of_the_crd_are_those_of_their_first_release():
    """Later ones have more functions, and more fields beside the rule: they would move the minimum."""
    rules = rules_of(yaml.safe_load(read("crds", "websocketroutes.toyou.dev.yaml")))
    assert len(rules) > 20 and {field for rule in rules for field in rule} == {"rule", "message"}
    called = {name for rule in rules for name in re.findall(r"(\w+)\(", re.sub(r"'[^']*'", "", rule["rule"]))}
    assert called <= {"all", "exists", "exists_one", "matches", "size", "type", "has", "duration"}
    assert not [rule for rule in rules if "oldSelf" in rule["rule"]]


def refusal(version):
    done = template("--kube-version", version)
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize("version", [*(release_of(path) for path in pins().values()), minimum() + ".0", minimum() + ".3-gke.1200", "1.99.0"])
def test_the_chart_takes_what_was_run_and_what_is_newer(version):
    assert refusal(version) == ""


def test_the_chart_refuses_what_is_older():
    major, minor = number(minimum())
    older = "v%d.%d.15" % (major, minor - 1)
    assert "requires kubeVersion: >=%s.0-0 which is incompatible with Kubernetes %s" % (minimum(), older) in refusal(older)


def test_the_cluster_is_the_one_that_was_asked_for(cluster):
    default = minor_of(release_of(os.path.join(CLUSTER, "go.mod")))
    asked = pins()[os.environ.get("TOYOU_KUBERNETES") or default]
    assert json.loads(cluster.kubectl("get", "--raw", "/version"))["gitVersion"] == release_of(asked)
