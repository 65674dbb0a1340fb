"""The programs under test as processes: started, awaited, asked over their admin API, stopped.

Binaries: $TOYOU_BIN, else build/bin of this tree. A process that dies by itself, that leaves a
sanitizer's report or that does not exit with 0 when asked to end fails the test that stops it.
"""
import json
import os
import re
import signal
import subprocess
import threading
import time

from support.wait import eventually
from support.wire import fetch

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BIN = os.path.realpath(os.environ.get("TOYOU_BIN", os.path.join(TOP, "build", "bin")))
# What a sanitizer costs: times in tests are multiplied by this, and memory is not judged.
SANITIZED = os.environ.get("TOYOU_SANITIZED", "")
SLOW = 4 if SANITIZED else 1


def program(name):
    return os.path.join(BIN, name)


class Process:
    """One child process whose output is collected line by line."""

    def __init__(self, argv, **popen):
        self.argv, self.out, self.err = argv, [], []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, **popen)
        self._readers = [threading.Thread(target=self._collect, args=pair, daemon=True)
                         for pair in ((self.process.stdout, self.out), (self.process.stderr, self.err))]
        for reader in self._readers:
            reader.start()

    def _collect(self, pipe, lines):
        for line in pipe:
            with self._changed:
                lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def pid(self):
        return self.process.pid

    def await_line(self, pattern, lines, seconds=20, start=0):
        """The first match of `pattern` in `lines` from index `start` on; AssertionError in time."""
        deadline, expression = time.monotonic() + seconds, re.compile(pattern)
        with self._changed:
            while True:
                for line in lines[start:]:
                    if match := expression.search(line):
                        return match
                left = deadline - time.monotonic()
                ended = self.process.poll() is not None and not any(r.is_alive() for r in self._readers)
                if left <= 0 or ended:
                    raise AssertionError("no line %r%s; standard output %s; standard error:\n%s" % (
                        pattern, " (exit status %s)" % self.process.returncode if ended else "",
                        self.out[-5:], "\n".join(self.err[-40:])))
                self._changed.wait(min(left, 0.2))

    def await_log(self, pattern, seconds=10, start=0):
        return self.await_line(pattern, self.err, seconds, start)

    def logged(self, pattern):
        return [line for line in list(self.err) if re.search(pattern, line)]

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=20):
        """Exit status; kills and fails when it does not end in time."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("%s did not end within %g s:\n%s" % (
                self.argv[0], seconds, "\n".join(self.err[-40:]))) from None
        for reader in self._readers:
            reader.join(10)
        return self.process.returncode

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def check_reports(self):
        reports = self.logged(r"(Address|Thread|Leak|UndefinedBehavior)Sanitizer|runtime error:|assertion failed")
        assert not reports, "\n".join(self.err[-120:])


class Server(Process):
    """A process that prints a ready line and has an admin address."""

    http = https = admin = None

    def await_ready(self, seconds=20 * SLOW):
        match = self.await_line(r"^ready http=(\d+) https=(\d+) admin=(\d+)$", self.out, seconds)
        self.http, self.https, self.admin = (int(group) for group in match.groups())
        return self

    def get(self, path, port=None):
        return fetch(port or self.admin, path, host="127.0.0.1", headers=[("Connection", "close")])

    def json(self, path):
        response = self.get(path)
        assert response.status == 200, response
        return response.json

    def metrics(self):
        """{'name{labels}': value} of the dataplane."""
        text = self.get("/metrics").text
        return {key: float(value) for key, value in
                (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))}

    def stop(self, number=signal.SIGTERM, seconds=20 * SLOW):
        self.send_signal(number)
        status = self.wait(seconds)
        self.check_reports()
        assert status == 0, "exit status %d:\n%s" % (status, "\n".join(self.err[-40:]))


class Toyou(Server):
    """`toyou local` on a folder of manifests."""

    def __init__(self, folder, *flags, state_dir=None, env=None):
        self.folder, self.state_dir = folder, state_dir
        argv = [program("toyou"), "local", folder.path, "--http-port", "0", "--https-port", "0", "--admin-port", "0"]
        argv += ["--state-dir", state_dir] if state_dir else []
        super().__init__([*argv, *flags], env={**os.environ, **(env or {})})

    def child(self, name):
        """Process id of toyou-controller or toyou-dataplane."""
        def find():
            for pid in children(self.pid):
                if process_name(pid) == name:
                    return pid
            return None
        return eventually(find)

    def condition(self, kind, name, condition, namespace="default"):
        """(status, reason) of a condition as the admin API lists it; None when absent."""
        entry = self._condition(kind, name, condition, namespace)
        return entry and (entry["status"], entry["reason"])

    def message(self, kind, name, condition, namespace="default"):
        entry = self._condition(kind, name, condition, namespace)
        return entry and entry["message"]

    def _condition(self, kind, name, condition, namespace):
        for item in self.json("/api/v1/status"):
            if (item["kind"], item["namespace"], item["name"]) == (kind, namespace, name):
                for entry in item["conditions"]:
                    if entry["type"] == condition:
                        return entry
        return None

    def loaded(self):
        with open(os.path.join(self.state_dir, "loaded.json"), encoding="utf-8") as file:
            return json.load(file)


class Separate:
    """Controller and dataplane started each by itself, on one snapshot directory."""

    def __init__(self, folder, state_dir):
        self.folder, self.state_dir = folder, state_dir
        self.controller = self.dataplane = None
        self.ended = []

    def start_controller(self, *flags):
        if self.controller:
            self.ended.append(self.controller)
        self.controller = Server([program("toyou-controller"), "--source", "directory", "--directory", self.folder.path,
                                  "--snapshot-dir", self.state_dir, "--admin-address", "127.0.0.1:0", *flags])
        return self.controller

    def start_dataplane(self, *flags, ready=True):
        if self.dataplane:
            self.ended.append(self.dataplane)
        drain = [] if "--drain-period" in flags else ["--drain-period", "1s"]
        self.dataplane = Server([program("toyou-dataplane"), "--snapshot-dir", self.state_dir, "--listen-address",
                                 "127.0.0.1", "--http-port", "0", "--https-port", "0", "--admin-address", "127.0.0.1:0",
                                 *drain, *flags])
        return self.dataplane.await_ready() if ready else self.dataplane

    def read(self, name):
        with open(os.path.join(self.state_dir, name), encoding="utf-8") as file:
            return json.load(file)

    def manifest(self):
        return self.read("manifest.json")

    def stop(self):
        for server in (self.dataplane, self.controller):
            if server and server.process.poll() is None:
                server.stop()
        for server in self.ended:
            server.check_reports()


def children(pid):
    found = []
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, task), encoding="ascii") as file:
            found += [int(word) for word in file.read().split()]
    return found


def process_name(pid):
    try:
        return os.path.basename(os.readlink("/proc/%d/exe" % pid))
    except OSError:
        return ""


def resident_bytes(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) * 1024


def open_descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def is_running(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="latin-1") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
