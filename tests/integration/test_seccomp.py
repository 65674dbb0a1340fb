"""The seccomp profile that deploy/ ships: with it the programs work, io_uring works, and what containers may not do fails."""
import json
import os
import subprocess
import sys

import pytest

from support import manifests
from support.backends import Backend, echo_websocket
from support.toyou import SANITIZED, TOP, Server, program
from support.websocket import WebSocket
from support.wire import fetch

PROFILE = os.path.join(TOP, "deploy", "seccomp", "toyou-io-uring.json")
CONFINED = [sys.executable, os.path.join(TOP, "tests", "support", "under_seccomp.py"), PROFILE]
X86_64 = {"io_uring_setup": 425, "unshare": 272, "ptrace": 101, "bpf": 321, "keyctl": 250, "clone3": 435}

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of system calls are those of x86-64")


def errors(*command):
    """name -> errno of a call with nothing but zeros."""
    code = """
import ctypes, json
c = ctypes.CDLL(None, use_errno=True)
def errno(number):
    ctypes.set_errno(0)
    c.syscall(number, 0, 0, 0, 0)
    return ctypes.get_errno()
print(json.dumps({name: errno(number) for name, number in %r.items()}))""" % X86_64
    done = subprocess.run([*command, sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_it_is_the_default_of_containerd_and_io_uring():
    with open(PROFILE, encoding="utf-8") as file:
        profile = json.load(file)
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = [name for rule in profile["syscalls"] for name in rule["names"] if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")]
    assert len(allowed) == len(set(allowed))
    assert {"io_uring_setup", "io_uring_enter", "io_uring_register"} <= set(allowed)
    assert not {"mount", "bpf", "ptrace", "unshare", "setns", "keyctl", "add_key", "init_module", "kexec_load", "reboot", "clone",
                "clone3", "userfaultfd", "perf_event_open", "open_by_handle_at", "process_vm_readv"} & set(allowed)


def test_io_uring_works_and_what_containers_may_not_do_fails():
    free, confined = errors(), errors(*CONFINED)
    assert confined["io_uring_setup"] == free["io_uring_setup"]
    eperm, enosys = 1, 38
    assert {name: confined[name] for name in ("unshare", "ptrace", "bpf", "keyctl")} == dict.fromkeys(("unshare", "ptrace", "bpf", "keyctl"), eperm)
    assert confined["clone3"] == enosys  # so that libraries try clone


@pytest.mark.skipif(bool(SANITIZED), reason="sanitizers read their own process by calls that containers may not use")
def test_the_programs_work_under_it(tmp_path):
    with Backend(echo_websocket) as backend:
        folder = manifests.Folder(tmp_path / "manifests")
        folder.write("all.yaml", [manifests.ingress_class(), *manifests.service("echo", [(backend.address, backend.port)]),
                                  manifests.websocket_route("echo", "echo.test", "echo")])
        toyou = Server([*CONFINED, program("toyou"), "local", folder.path, "--http-port", "0", "--https-port", "0", "--admin-port", "0",
                        "--state-dir", str(tmp_path / "state")]).await_ready()
        try:
            with WebSocket(toyou.http, host="echo.test") as ws:
                assert ws.echo("confined") == "confined"
            assert fetch(toyou.http, host="nobody.test").status == 404
        finally:
            toyou.stop(seconds=40)
