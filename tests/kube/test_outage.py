"""The API server goes away, comes back, and forgets: no news, but never no traffic."""
import json
import os
import signal
import subprocess
import time

from kube_rig import LONG, Controller
from support.fleet import Fleet
from support.wait import eventually
from support.websocket import WebSocket


def test_traffic_flows_while_the_api_server_is_killed_and_restarted(space, proxy):
    def plain_echo(peer):
        peer.accept_websocket(peer.request())
        peer.echo_frames()
    host, web = space.host(), space.host("web")
    space.apply(*space.service("echo", space.backend(plain_echo)), *space.service("web", space.backend()),
                space.route("echo", host, "echo"), space.ingress("web", web, "web"))
    space.serves(web)
    eventually(lambda: space.conditions("echo").get("Programmed") == ("True", "Programmed"), LONG)
    relists = proxy.controller.relists()
    with Fleet(lambda _: WebSocket(space.http, host=host), 10, every=0.05) as fleet:
        space.cluster.ctl("kill", "apiserver")
        eventually(lambda: proxy.controller.watch_count("connected", "Ingress") == 0, LONG)
        for _ in range(20):  # new ones are served as well
            assert space.fetch(web).status == 200
        during = fleet.echoes
        assert proxy.dataplane.get("/readyz").status == 200
        assert proxy.controller.get("/readyz").status == 200
        eventually(lambda: fleet.echoes > during + 100, LONG)
        space.cluster.ctl("start", "apiserver")
        eventually(lambda: proxy.controller.watch_count("connected", "Ingress") == 1, LONG)
        # To a server that has just started every version but the newest is too old (410): lists
        # again, removes nothing.
        eventually(lambda: proxy.controller.relists() > relists, LONG)
        later = space.host("later")
        space.apply(space.ingress("later", later, "web"))
        space.serves(later)
        assert space.fetch(web).status == 200
        fleet.stop()
        assert fleet.problems == [] and fleet.echoes > 100
    eventually(lambda: space.addresses("later"), LONG)


def test_what_was_deleted_while_a_watch_could_not_tell_is_gone_after_the_relist(space, proxy):
    kept, gone = space.host("kept"), space.host("gone")
    space.apply(*space.service("a", space.backend()), space.ingress("kept", kept, "a"),
                space.ingress("gone", gone, "a"))
    space.serves(kept)
    space.serves(gone)
    proxy.controller.send_signal(signal.SIGSTOP)
    try:
        space.cluster.ctl("kill", "apiserver")
        space.cluster.ctl("start", "apiserver")
        space.delete("ingress", "gone")
        assert space.fetch(gone).status == 200  # nobody has told the dataplane
        # A second start: no watch can go back to before the deletion.
        space.cluster.ctl("restart", "apiserver")
    finally:
        proxy.controller.send_signal(signal.SIGCONT)
    space.serves(gone, status=404)
    assert space.fetch(kept).status == 200


def test_an_api_server_that_hangs_is_no_reason_to_stop_or_to_fail(space, proxy):
    host = space.host()
    space.apply(*space.service("a", space.backend()), space.ingress("a", host, "a"))
    space.serves(host)
    space.cluster.ctl("pause", "apiserver")
    try:
        assert space.fetch(host).status == 200
        begin = time.monotonic()
        proxy.controller.stop()  # does not wait for answers that will not come
        assert time.monotonic() - begin < 15
        assert space.fetch(host).status == 200
    finally:
        space.cluster.ctl("resume", "apiserver")
    proxy.start_controller()
    assert space.fetch(host).status == 200


def test_a_server_with_another_authority_is_not_talked_to(cluster, tmp_path):
    with open(cluster.kubeconfig, encoding="utf-8") as file:
        config = json.load(file)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=stranger", "-keyout", str(tmp_path / "k"), "-out", str(tmp_path / "ca.crt")],
                   check=True, capture_output=True)
    config["clusters"][0]["cluster"] = {"server": cluster.server, "certificate-authority": "ca.crt"}
    with open(tmp_path / "kubeconfig", "w", encoding="utf-8") as file:
        json.dump(config, file)
    controller = Controller(str(tmp_path / "snapshots"), str(tmp_path / "kubeconfig"))
    try:
        controller.await_log("certificate verify failed", 30)
        controller.admin = int(controller.await_log(r"started.*admin_port\W+(\d+)").group(1))
        assert controller.get("/readyz").status == 503
    finally:
        controller.stop()
    assert config["users"][0]["user"]["token"] not in "\n".join(controller.err)


def test_a_client_certificate_in_files_works_too(make_pair):
    pair = make_pair(os.path.join(os.environ["CLUSTER_DIR"], "kubeconfig-cert"))
    pair.start_controller("--controller-name", "nobody.example.com/c")
