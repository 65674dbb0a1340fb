"""toyou echo and toyou probe: what `helm test` runs in a cluster."""
import re
import subprocess

import pytest

from support import manifests
from support.backends import Backend, serve_json
from support.toyou import SLOW, Process, program
from support.websocket import Refused, WebSocket
from support.wire import Connection, fetch


@pytest.fixture(scope="module")
def echo():
    process = Process([program("toyou"), "echo", "--port", "0"])
    process.port = int(process.await_line(r"^ready port=(\d+)$", process.out, 20 * SLOW).group(1))
    yield process
    process.process.terminate()
    assert process.wait() == 0
    process.check_reports()


def probe(*arguments):
    return subprocess.run([program("toyou"), "probe", *arguments], capture_output=True, text=True, timeout=60 * SLOW, check=False)


def checks(done):
    return [line.split(":")[0].split() for line in done.stdout.splitlines()]


@pytest.fixture
def routed(gateway, echo):
    """The host name of an Ingress that leads to toyou echo."""
    gateway.folder.write("probe.yaml", [*manifests.service("probe", [("127.0.0.1", echo.port)]),
                                        manifests.ingress("probe", "probe.test", "probe")])
    yield "probe.test"
    gateway.folder.write("probe.yaml", [])


def test_a_route_that_serves_passes(gateway, routed):
    done = probe("--url", "http://127.0.0.1:%d" % gateway.http, "--host", routed, "--wait", "20s",
                 "--ready", "http://127.0.0.1:%d/readyz" % gateway.admin)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [title for verdict, title, *_ in checks(done) if verdict == "ok"] == ["ready", "http", "websocket", "events"]


@pytest.mark.parametrize("route,failed", [
    ({"protocols": ["HTTP", "SSE"]}, "websocket"), ({"protocols": ["WebSocket"]}, "http")], ids=["websocket", "http"])
def test_what_a_route_does_not_serve_is_named(gateway, echo, route, failed):
    name = "only-" + failed
    gateway.folder.write(name + ".yaml", [*manifests.service(name, [("127.0.0.1", echo.port)]),
                                          manifests.websocket_route(name, name + ".test", name, **route)])
    try:
        done = probe("--url", "http://127.0.0.1:%d/" % gateway.http, "--host", name + ".test", "--wait", "2s")
    finally:
        gateway.folder.write(name + ".yaml", [])
    assert done.returncode == 1 and checks(done)[-1][:2] == ["failed", failed], done.stdout


def test_another_backend_is_not_mistaken_for_echo():
    with Backend(serve_json("other")) as other:
        done = probe("--url", "http://127.0.0.1:%d" % other.port, "--wait", "1s")
    assert done.returncode == 1 and "not that of toyou echo" in done.stdout


def test_what_is_not_there_fails_in_time():
    done = probe("--ready", "http://127.0.0.1:1/readyz", "--wait", "1s")
    assert done.returncode == 1 and re.match(r"failed +ready http://127\.0\.0\.1:1/readyz: .*refused", done.stdout)


@pytest.mark.parametrize("words", [(), ("--url", "https://a"), ("--url", "http://"), ("--url", "http://a:99999"),
                                   ("--ready", "http://a:x/"), ("--url", "http://a/b c")], ids=" ".join)
def test_wrong_urls_are_refused(words):
    done = probe(*words)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr


def test_echo_is_bounded(echo):
    assert fetch(echo.port, "/a?b").text == "echo of /a?b\n"
    with Connection(echo.port) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (16 << 10) + b"\r\n\r\n")
        assert connection.ends_within(10)
    with WebSocket(echo.port, host="a") as ws:
        assert ws.echo("x" * 1000) == "x" * 1000
        ws.send_text("x" * (65 << 10))
        assert ws.closed()[0] == 1009
    with pytest.raises(Refused):
        WebSocket(echo.port, host="a", headers=[("Sec-WebSocket-Version", "12")])
    assert fetch(echo.port, "/").status == 200
