"""scripts/run: the commands that it prints work, and Ctrl-C leaves nothing behind."""
import json
import re
import shlex
import signal
import socket
import subprocess

import pytest

from support.quickstart import Quickstart
from support.toyou import TOP, is_running
from support.wait import eventually
from support.wire import Connection


def command(text, name):
    return shlex.split(re.search(r"^ +%s +(.*)$" % name, text, re.MULTILINE).group(1))


def run(argv, timeout=20):
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_what_it_prints_works_and_it_ends_cleanly(number):
    with Quickstart() as running:
        seen = json.loads(run(["curl", "-sf", *command(running.text, "HTTP")[1:]]).stdout)
        assert seen["hello"] == "from the backend" and seen["headers"]["X-Forwarded-For"] == "127.0.0.1"
        curl = ["curl", "-s", "--max-time", "3", *command(running.text, "SSE")[1:]]
        assert run(curl).stdout.count("data: ") >= 2
        assert run(command(running.text, "WebSocket")).stdout == "hello\n"
        below = running.below()
        assert len(below) >= 4
        running.stop(number)
        assert not [pid for pid in below if is_running(pid)]
    for port in (running.http, running.admin, running.backend):
        with pytest.raises(ConnectionRefusedError):
            Connection(port)


def test_killing_it_leaves_nothing_behind():
    with Quickstart() as running:
        below = running.below()
        running.kill()
        eventually(lambda: not [pid for pid in below if is_running(pid)], seconds=30)


def test_a_port_asked_for_that_is_taken_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run([TOP + "/scripts/run", "--no-build", "--http-port", str(port)])
    assert done.returncode == 1
    assert "port %d (--http-port) is in use" % port in done.stderr


def test_the_route_of_the_readme(launch):
    """The manifests that README.md shows are accepted as they stand."""
    with open(TOP + "/README.md", encoding="utf-8") as file:
        (text,) = re.findall(r"```yaml\n(.*?)```", file.read(), re.DOTALL)
    toyou = launch()
    toyou.folder.write("readme.yaml", text)
    for kind, name in (("Ingress", "shop"), ("WebSocketRoute", "chat")):
        eventually(lambda k=kind, n=name: toyou.condition(k, n, "Accepted") == ("True", "Accepted"))
        eventually(lambda k=kind, n=name: toyou.condition(k, n, "Programmed") == ("True", "Programmed"))
