"""A node with Toyou on it: its commands, its pods, and clients outside of the cluster."""
import json
import os
import subprocess
import time

from support.toyou import TOP
from support.wait import eventually

HERE = os.path.dirname(os.path.realpath(__file__))
NODE = os.path.join(HERE, "cluster", "node")
ADDRESS = "198.18.32.1"  # what "node lb" gives
DRAIN = (5, 10)          # seconds: delay, period
LONG = 120


class Node:
    def run(self, *arguments, check=True):
        done = subprocess.run([NODE, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, "%s: %s" % (" ".join(arguments), done.stderr[-2000:])
        return done.stdout

    def kubectl(self, *arguments, **options):
        return self.run("kubectl", *arguments, **options)

    def helm(self, *arguments, **options):
        return self.run("helm", *arguments, **options)

    def upgrade(self, **values):
        self.helm("upgrade", "toyou", os.path.join(TOP, "charts", "toyou"), "-n", "toyou", "--reuse-values", "--set",
                  ",".join("%s=%s" % pair for pair in values.items()))
        self.rolled_out("toyou")

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

    def fetch(self, target="/api/hello"):
        return self.run("client", "curl", "-sS", "-m", "5", "-H", "Host: demo.example.com", "http://%s%s" % (ADDRESS, target),
                        check=False)

    def serves(self):
        eventually(lambda: "from the backend" in self.fetch(), LONG, every=0.1)


class Load:
    def __init__(self, node, websockets, clients):
        self.node, self.size = node, (websockets, clients)
        self.process = None

    def begin(self):
        self.process = subprocess.Popen(
            [NODE, "client", "/usr/bin/python3", os.path.join(HERE, "load.py"), ADDRESS, *map(str, self.size)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "started\n"
        time.sleep(2)  # of traffic before anything happens
        return self

    def end(self):
        """What became of the clients; fails when the traffic was not what it should have been before the test."""
        time.sleep(2)  # of traffic after it
        text, _ = self.process.communicate("end\n", timeout=60)
        result = json.loads(text)
        assert result["echoes"] > 20 * self.size[0] and result["http_ok"] > 20, result
        return result

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
