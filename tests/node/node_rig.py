"""A node with Toyou on it: its commands, its pods, and clients outside of the cluster."""
import contextlib
import datetime
import json
import os
import re
import subprocess
import tempfile
import time

import yaml

from support.toyou import TOP
from support.wait import eventually

HERE = os.path.dirname(os.path.realpath(__file__))
NODE = os.path.join(HERE, "cluster", "node")
CHART = os.path.join(TOP, "charts", "toyou")
ADDRESS = "198.18.32.1"  # what "node lb" gives
REGISTRY = "127.0.0.1:5000"  # of the node itself
VERSION, NEWER = "0.1.0", "0.1.1"  # tags of the image: the chart's, and another of the same
IMAGE = "%s/toyou:%s" % (REGISTRY, VERSION)
SOCKETS = 200             # of a usual load
DRAIN = (15, 10)         # seconds: delay (the default: a busy node sees late that a pod ends), period
LONG = 120


def on_the_node(name, namespace, port, target):
    """A Service for a program that listens on the node itself."""
    place = {"name": name, "namespace": namespace}
    return ({"apiVersion": "v1", "kind": "Service", "metadata": place, "spec": {"ports": [{"port": port, "targetPort": target}]}},
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
             "metadata": {**place, "labels": {"kubernetes.io/service-name": name}},
             "ports": [{"name": "", "port": target, "protocol": "TCP"}],
             "endpoints": [{"addresses": ["198.18.0.1"], "conditions": {"ready": True}}]})


def typed(command, words):
    for word, name in sorted(words.items(), reverse=True):  # POD_IP before POD
        command = re.sub(r"\b%s\b" % word.replace("_", "-"), name, command)
    command = command.replace("curl ", "curl -sS --fail ")
    return "env", "--chdir=" + TOP, "bash", "-o", "pipefail", "-c", 'PATH="$0:$PATH"; ' + command, os.path.join(HERE, "bin")


class Node:
    def run(self, *arguments, check=True):
        done = subprocess.run([NODE, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, "%s: %s" % (" ".join(arguments), done.stderr[-2000:])
        return done.stdout

    def kubectl(self, *arguments, **options):
        return self.run("kubectl", *arguments, **options)

    def helm(self, *arguments, **options):
        return self.run("helm", *arguments, **options)

    def shell(self, command, where="exec", check=True, **words):
        """Runs a command of the documents as somebody types it who has these names for the words in capitals."""
        return self.run(where, *typed(command, words), check=check)

    @contextlib.contextmanager
    def background(self, command, **words):
        """One that has no end."""
        process = subprocess.Popen([NODE, "exec", *typed("exec " + command, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()

    @contextlib.contextmanager
    def forwarded(self, commands):
        """While `kubectl port-forward` of the documents runs."""
        with contextlib.ExitStack() as stack:
            for command in commands:
                process = stack.enter_context(self.background(command, **self.words()))
                assert "Forwarding from 127.0.0.1:" in process.stdout.readline()
            yield

    def words(self, pod=None):
        """What somebody puts in for the words in capitals of the documents."""
        pod = pod or self.pods()[0]
        return {"POD": pod["metadata"]["name"], "POD_IP": pod["status"]["podIP"], "NAMESPACE": "toyou-demo", "SERVICE": "demo"}

    def get(self, *what):
        return json.loads(self.kubectl("get", *what, "-o", "json"))

    def apply(self, *objects):
        """Like kubectl apply: what `run` does has no standard input."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump_all(objects, file)
            file.flush()
            self.kubectl("apply", "-f", file.name)

    def memory(self, namespace):
        """Bytes that each container of the only pod takes now, as the kubelet sees it: without what the kernel can give back."""
        (machine,), now = self.get("nodes")["items"], time.time()

        def measured():
            said = json.loads(self.kubectl("get", "--raw", "/api/v1/nodes/%s/proxy/stats/summary" % machine["metadata"]["name"]))
            found = {c["name"]: c["memory"] for pod in said["pods"] if pod["podRef"]["namespace"] == namespace for c in pod["containers"]}
            taken = [datetime.datetime.fromisoformat(memory["time"].replace("Z", "+00:00")).timestamp() for memory in found.values()]
            return {name: memory["workingSetBytes"] for name, memory in found.items()} if min(taken) > now else None
        return eventually(measured, LONG, every=1)

    def holder(self):
        """The pod whose controller writes status."""
        return self.get("-n", "toyou", "lease", "toyou-status")["spec"].get("holderIdentity", "")

    def upgrade(self, *options, **values):
        self.helm("upgrade", "toyou", CHART, "-n", "toyou", "--reuse-values", *options, "--set",
                  ",".join("%s=%s" % pair for pair in values.items()))
        self.rolled_out("toyou")

    @contextlib.contextmanager
    def beside(self, name, wait=True, **values):
        """A small release beside the first, with a class of its own, that does not drain; its address."""
        values = {"image.repository": IMAGE.rsplit(":", 1)[0], "ingressClass.name": name, "replicas": 1, "service.type": "ClusterIP",
                  "drain.delay": 0, "drain.period": 0, **values}
        self.helm("install", name, CHART, "-n", name, "--create-namespace", "--set", ",".join("%s=%s" % pair for pair in values.items()))
        if wait:
            self.kubectl("-n", name, "rollout", "status", "deploy/%s-toyou" % name, "--timeout=%ds" % LONG)
        yield self.get("-n", name, "service", name + "-toyou")["spec"]["clusterIP"]
        self.helm("uninstall", name, "-n", name, "--wait")

    def rolled_out(self, name):
        self.kubectl("-n", "toyou", "rollout", "status", "deploy/" + name, "--timeout=%ds" % LONG)

    def pods(self):
        """The pods of the release, those that end included."""
        text = self.kubectl("-n", "toyou", "get", "pods", "-l", "app.kubernetes.io/name=toyou", "-o", "json")
        return json.loads(text)["items"]

    def settled(self, count):
        """Waits until so many pods are there, ready, and no other."""
        def done():
            pods = self.pods()
            return len(pods) == count and all(
                any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", [])) for pod in pods)
        eventually(done, LONG, every=0.5)

    def kill_container(self, pod, name):
        status = pod["status"]
        both = status["containerStatuses"] + status["initContainerStatuses"]
        number = next(c["containerID"] for c in both if c["name"] == name).removeprefix("containerd://")
        self.run("inside", "ctr", "-n", "k8s.io", "task", "kill", "-s", "KILL", number)

    def restarts(self, name):
        return sum(c["restartCount"] for pod in self.pods()
                   for c in pod["status"].get("containerStatuses", []) + pod["status"].get("initContainerStatuses", [])
                   if c["name"] == name)

    def fetch(self, target="/api/hello", host="demo.example.com", address=ADDRESS):
        return self.run("client", "curl", "-sS", "-m", "5", "-H", "Host: " + host, "http://%s%s" % (address, target), check=False)

    def serves(self):
        eventually(lambda: "from the backend" in self.fetch(), LONG, every=0.1)


class Load:
    """load.py as a client outside of the cluster."""

    def __init__(self, node, websockets, clients, *options, address=ADDRESS):
        self.node, self.size = node, (websockets, clients)
        self.options, self.address = options, address
        self.process = None

    def begin(self):
        """Returns when all of the clients have done their work more than once."""
        self.process = subprocess.Popen(
            [NODE, "client", "/usr/bin/python3", os.path.join(HERE, "load.py"), *self.options, self.address, *map(str, self.size)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "started\n"
        return self.more()

    def order(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def more(self):
        """Returns when they have done it twice more."""
        assert self.order("more") == "more\n"
        return self

    def report(self):
        """What has become of them so far."""
        return json.loads(self.order("report"))

    def end(self):
        """What became of them; not before they have shown that they still work."""
        self.more()
        text, _ = self.process.communicate("end\n", timeout=60)
        return json.loads(text)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
