"""The load generator of scripts/bench sees what a proxy or a backend must not do."""
import json
import os
import socket
import subprocess

import pytest

from support.toyou import BIN, Process

pytestmark = pytest.mark.skipif(not os.path.exists(os.path.join(BIN, "bench_load")), reason="scripts/build bench_tools")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def tool():
    """tool(name, flag...): a program of the benchmark that listens; gives its port."""
    running = []

    def start(name, *flags):
        port = free_port()
        process = Process([os.path.join(BIN, name), "--port", str(port), *flags])
        running.append(process)
        process.await_line("^ready$", process.out)
        return port
    yield start
    for process in running:
        process.kill()


def load(port, *flags):
    """Exit status and report."""
    done = subprocess.run([os.path.join(BIN, "bench_load"), "--port", str(port), "--warmup", "0s", *flags],
                          capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


MODES = [("echo", "--size", "16", "--inflight", "3"), ("echo", "--size", "300000"), ("rate", "--rate", "2000"),
         ("open", "--count", "200"), ("get", "--path", "/bytes/1000", "--size", "1000"),
         ("events", "--path", "/events?every=50"), ("handshake", "--path", "/bytes/100", "--size", "100", "--count", "200")]


@pytest.mark.parametrize("mode", MODES, ids=[" ".join(mode) for mode in MODES])
@pytest.mark.parametrize("through", ["nothing", "relay", "TLS"])
def test_all_is_well(tool, authority, tmp_path, mode, through):
    port, tls = tool("bench_backend"), []
    if through == "relay":
        port = tool("bench_relay", "--backend", str(port))
    if through == "TLS":
        certificate = authority.issue("bench.test")
        files = [tmp_path / name for name in ("chain", "key")]
        for path, text in zip(files, (certificate.chain, certificate.key)):
            path.write_text(text)
        port = tool("bench_relay", "--backend", str(port), "--tls-certificate", str(files[0]), "--tls-key", str(files[1]))
        tls = ["--tls"]
    status, report = load(port, "--connections", "16", "--duration", "300ms", "--mode", *mode, *tls)
    assert (status, report["errors"]) == (0, {}), report
    assert report["operations"] > 0


@pytest.mark.parametrize("fault,errors", [("flip", {"corrupted", "lost"}), ("drop", {"lost"}), ("repeat", {"reordered"}),
                                          ("cut", {"dropped", "lost"})])
def test_a_fault_is_seen(tool, fault, errors):
    port = tool("bench_backend", "--fault", fault)
    status, report = load(port, "--connections", "8", "--inflight", "4", "--duration", "1s")
    assert status == 1
    assert set(report["errors"]) & errors, report


def test_a_refusal_is_seen(tool):
    status, report = load(tool("bench_backend"), "--mode", "get", "--path", "/bytes/99", "--size", "100")
    assert (status, report["first_error"]) == (1, "the length of a body differs")


def test_nobody_listens():
    status, report = load(free_port(), "--connections", "2", "--duration", "100ms")
    assert status == 1 and report["errors"]["connect"] == 2
