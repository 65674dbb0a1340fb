"""The command lines: --help, --version, and what is refused."""
import fcntl
import os
import re
import signal
import subprocess

import pytest

from support.toyou import SLOW, TOP, open_descriptors, process_name, program
from support.manifests import Folder
from support.wait import eventually
from support.wire import Connection

PROGRAMS = ["toyou", "toyou-controller", "toyou-dataplane"]


def run(name, *arguments):
    return subprocess.run([program(name), *arguments], capture_output=True, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_and_version(name):
    done = run(name, "--help")
    assert done.returncode == 0 and name in done.stdout and not done.stderr
    done = run(name, "--version")
    assert done.returncode == 0 and re.search(r"\d+\.\d+\.\d+", done.stdout) and not done.stderr


REFUSED = [
    ("toyou",), ("toyou", "--nonsense"), ("toyou", "nonsense"), ("toyou", "local"), ("toyou", "local", "/nonexistent"),
    ("toyou", "local", "{tmp}", "--nonsense"), ("toyou", "local", "{tmp}", "--http-port", "70000"),
    ("toyou", "local", "{tmp}", "--http-port", "x"), ("toyou", "local", "{tmp}", "--http-port"),
    ("toyou", "local", "{tmp}", "--workers", "-1"), ("toyou", "local", "{tmp}", "--workers", "257"),
    ("toyou-dataplane", "--snapshot-dir", "{tmp}", "--workers", "257"), ("toyou", "local", "{tmp}", "second"),
    ("toyou-dataplane",), ("toyou-dataplane", "--nonsense"), ("toyou-dataplane", "--snapshot-dir", "{tmp}", "--http-port", "80x"),
    ("toyou-dataplane", "--snapshot-dir", "{tmp}", "--log-level", "loud"),
    ("toyou-dataplane", "--snapshot-dir", "{tmp}", "--admin-address", "nowhere"),
    ("toyou-dataplane", "--snapshot-dir", "{tmp}", "--trusted-proxies", "10.0.0.0/99"),
    ("toyou-dataplane", "--snapshot-dir", "{tmp}", "stray"),
    ("toyou-controller",), ("toyou-controller", "--nonsense"), ("toyou-controller", "--source", "carrier-pigeon"),
    ("toyou-controller", "--snapshot-dir", "{tmp}", "--source", "kubernetes", "--lease-name", "../pods"),
    ("toyou-controller", "--snapshot-dir", "{tmp}", "--source", "kubernetes", "--lease-namespace", "Team A"),
    ("toyou-controller", "--snapshot-dir", "{tmp}", "--directory", "{tmp}", "--lease-name", "mine"),
    ("toyou-controller", "--snapshot-dir", "{tmp}", "--directory", "{tmp}", "--watch-namespaces", "shop"),
    ("toyou-controller", "--snapshot-dir", "{tmp}", "--source", "kubernetes", "--watch-namespaces", "shop,"),
    ("toyou-controller", "--snapshot-dir", "{tmp}", "--source", "kubernetes", "--watch-namespaces", "shop,shop"),
    ("toyou-controller", "--snapshot-dir", "{tmp}", "--source", "kubernetes", "--watch-namespaces", "a.b"),
    ("toyou-controller", "--snapshot-dir", "{tmp}", "--source", "kubernetes", "--watch-namespaces", "../pods"),
    ("toyou-controller", "--snapshot-dir", "{tmp}", "--source", "kubernetes", "--watch-namespaces", "shop",
     "--default-certificate", "infra/wildcard"),
    ("toyou-controller", "--snapshot-dir", "{tmp}", "--source", "kubernetes", "--watch-namespaces", "shop",
     "--default-backend-service", "infra/fallback:80"),
    ("toyou-controller", "--snapshot-dir", "{tmp}", "--directory", "{tmp}", "--metrics-address", "nowhere"),
    ("toyou", "probe"), ("toyou", "echo", "--address", "localhost"),
]


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_refused_with_status_2_and_one_line(words, tmp_path):
    done = run(words[0], *(word.replace("{tmp}", str(tmp_path)) for word in words[1:]))
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert not done.stdout
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith(words[0]), done.stderr


@pytest.mark.parametrize("script", ["build", "run", "test", "render-deploy"])
def test_scripts_have_help_and_refuse_unknown_flags(script):
    path = os.path.join(TOP, "scripts", script)
    done = subprocess.run([path, "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and done.stdout.startswith("usage: scripts/" + script)
    done = subprocess.run([path, "--nonsense"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_said_clearly(launch, tmp_path):
    first = launch()
    second = subprocess.run(
        [program("toyou"), "local", str(Folder(tmp_path / "manifests").path), "--http-port", "0", "--https-port", "0",
         "--admin-port", str(first.admin), "--state-dir", str(tmp_path / "state")],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert second.returncode not in (0, 2)
    assert str(first.admin) in second.stderr
    assert first.get("/healthz").status == 200


def test_the_ready_line_comes_once(launch):
    toyou = launch()
    toyou.stop()
    assert [line for line in toyou.out if line.startswith("ready")] == toyou.out


def test_it_serves_on_and_ends_although_nobody_reads_its_log(tmp_path):
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    toyou = subprocess.Popen(
        [program("toyou"), "local", Folder(tmp_path / "manifests").path, "--http-port", "0", "--https-port", "0",
         "--admin-port", "0", "--state-dir", str(tmp_path / "state")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=write, text=True)
    os.close(write)
    try:
        http = int(re.match(r"ready http=(\d+)", toyou.stdout.readline()).group(1))
        with Connection(http) as connection:
            for _ in range(100):
                assert connection.ask("/" + "x" * 200).status == 404
        toyou.send_signal(signal.SIGTERM)
        assert toyou.wait(30 * SLOW) == 0
    finally:
        toyou.kill()
        os.close(read)


@pytest.mark.parametrize("words", [
    ("toyou", "local", "{tmp}/manifests", "--http-port", "0", "--https-port", "0", "--admin-port", "0"),
    ("toyou-controller", "--directory", "{tmp}/manifests", "--snapshot-dir", "{tmp}/state", "--admin-address", "127.0.0.1:0"),
    ("toyou-dataplane", "--snapshot-dir", "{tmp}/state", "--http-port", "0", "--https-port", "0", "--admin-address",
     "127.0.0.1:0"),
], ids=lambda words: words[0])
def test_no_socket_is_taken_for_standard_error(words, tmp_path):
    """Started without standard files, a program would write its log into what it opens first."""
    Folder(tmp_path / "manifests")
    arguments = [word.replace("{tmp}", str(tmp_path)) for word in words[1:]]
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", program(words[0]), *arguments]
    with subprocess.Popen(shell) as process:
        try:
            eventually(lambda: process_name(process.pid) == words[0] and open_descriptors(process.pid) > 4)
            assert [os.readlink("/proc/%d/fd/%d" % (process.pid, fd)) for fd in range(3)] == ["/dev/null"] * 3
            process.send_signal(signal.SIGTERM)
            assert process.wait(30 * SLOW) == 0
        finally:
            process.kill()


def test_the_controller_changes_its_log_level_at_its_admin_address_alone(separate):
    pair = separate()
    pair.controller.stop()
    controller = pair.start_controller("--metrics-address", "127.0.0.1:0")
    admin, metrics = (int(port) for port in controller.await_log(r"started.*admin_port\W+(\d+)\W+metrics_port\W+(\d+)").groups())

    def ask(port, method="GET", target="/api/v1/log-level", body=None):
        with Connection(port) as connection:
            return connection.ask(target, method=method, body=body)

    assert ask(admin).json == {"level": "info"}
    assert ask(admin, "PUT", body=b"debug").json == {"level": "debug"}
    assert ask(admin).json == {"level": "debug"}
    controller.await_log("log level changed")
    assert ask(admin, "PUT", body=b"loud").status == 400
    refused = ask(admin, "POST")
    assert refused.status == 405 and refused.headers.get("Allow") == "GET, HEAD, PUT"
    # What anybody in a cluster reaches changes nothing.
    assert ask(metrics).status == 404 and ask(metrics, "PUT", body=b"error").status == 405
    assert ask(admin).json == {"level": "debug"}
    eventually(lambda: ask(metrics, target="/readyz").status == 200)
    for target in ("/healthz", "/metrics", "/readyz"):
        assert ask(metrics, target=target).status == 200 and ask(metrics, "PUT", target).status == 405


def test_https_refuses_every_name(launch):
    """No certificate is ever invented: the alert is unrecognized_name."""
    toyou = launch()
    with Connection(toyou.https) as connection:
        connection.send(b"\x16\x03\x01\x00\x05hello")
        assert connection.stream.exactly(7) == b"\x15\x03\x01\x00\x02\x02\x70"
        assert connection.ends_within(5)


def test_what_tls_can_do_here_is_said_once(launch):
    toyou = launch()
    (line,) = toyou.logged(r"\btls library=|\"tls\".*library")
    with open("/proc/sys/net/ipv4/tcp_available_ulp", encoding="ascii") as file:
        offered = "tls" in file.read().split()
    assert "OpenSSL" in line and "x25519mlkem768" in line
    assert ("offered, not used" if offered else "not offered by") in line



def test_relays_go_before_all_other_threads(launch):
    """On a busy core a handshake, a request or a reload waits for a live WebSocket, and not the other way round."""
    toyou = launch("--workers", "2")
    pid = toyou.child("toyou-dataplane")
    nice = {}
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/stat" % (pid, thread), encoding="ascii") as file:
            name, fields = re.match(r"\d+ \((.*)\) (.*)", file.read()).groups()
        nice[name] = int(fields.split()[16])
    relays = {value for name, value in nice.items() if name.startswith("relay-")}
    others = {value for name, value in nice.items() if name.startswith("worker-") or name in ("loader", "admin")}
    assert relays and others and max(relays) < min(others), nice
