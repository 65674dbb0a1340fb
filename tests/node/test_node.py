"""What users of a cluster see of rollouts, failures and upgrades. One release, in the order of this file."""
import json

from node_rig import ADDRESS, DRAIN, LONG
from support.wait import eventually


def test_it_serves(node, release):
    assert '"X-Forwarded-For": "198.18.0.2"' in node.fetch()  # the client's own address: externalTrafficPolicy Local
    ingress = json.loads(node.kubectl("-n", "toyou-demo", "get", "ingress", "demo", "-o", "json"))
    assert ingress["status"]["loadBalancer"]["ingress"][0]["ip"] == ADDRESS
    node.kubectl("-n", "toyou-demo", "wait", "--for=condition=Programmed", "wsr/chat", "--timeout=60s")
    node.helm("test", release, "-n", "toyou")


def test_rolling_restart_closes_every_websocket_once_with_1012(node, load):
    clients = load()
    node.kubectl("-n", "toyou", "rollout", "restart", "deploy/toyou")
    node.rolled_out("toyou")
    node.settled(2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["refused"] == 0
    assert seen["ends"] == {"close 1012": 50, "open": 50}
    assert set(seen["events_ended"]) <= {"between events"}
    moments = sorted(int(second) for second, count in seen["seconds"].items() for _ in range(count))
    # Over the period, evenly: not all at its begin or end.
    assert moments[-1] - moments[0] >= DRAIN[1] * 0.6, seen["seconds"]
    assert max(seen["seconds"].values()) <= 25, seen["seconds"]


def test_scaling_loses_nothing(node, load):
    clients = load()
    node.upgrade(replicas=3)
    node.settled(3)
    node.upgrade(replicas=1)
    node.settled(1)
    node.upgrade(replicas=2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["refused"] == 0
    assert set(seen["ends"]) <= {"close 1012", "open"}, seen["ends"]


def test_killed_controller_is_not_noticed(node, load):
    node.settled(2)
    clients, before = load(), node.restarts("controller")
    node.kill_container(node.pods()[0], "controller")
    eventually(lambda: node.restarts("controller") == before + 1, LONG, every=0.2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["ends"] == {"open": 50}


def test_api_server_away_is_not_noticed(node, load):
    clients = load()
    node.run("stop", "apiserver", "KILL")
    try:
        for _ in range(10):
            assert "from the backend" in node.fetch()
    finally:
        node.run("start", "apiserver")
    eventually(lambda: node.kubectl("get", "--raw", "/readyz", check=False) == "ok", LONG, every=0.2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["ends"] == {"open": 50}
    node.settled(2)


def test_killed_dataplane_comes_back_with_its_routes(node, load):
    clients, before = load(), node.restarts("dataplane")
    node.kill_container(node.pods()[0], "dataplane")
    eventually(lambda: node.restarts("dataplane") == before + 1, LONG, every=0.2)
    node.settled(2)
    seen = clients.end()
    lost = [how for how in seen["ends"] if how.startswith("no close frame")]
    assert lost and set(seen["ends"]) == {"open", *lost}
    assert seen["ends"]["open"] == 50  # all came back


def test_upgrade_and_rollback_lose_nothing(node, load):
    clients = load()
    node.upgrade(**{"log.level": "debug"})
    node.settled(2)
    node.helm("rollback", "toyou", "1", "-n", "toyou")
    node.rolled_out("toyou")
    node.settled(2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["refused"] == 0
    assert set(seen["ends"]) == {"close 1012", "open"}, seen["ends"]


def test_uninstall_leaves_the_crd_alone(node, release):
    node.helm("uninstall", release, "-n", "toyou")
    eventually(lambda: not node.pods(), LONG, every=0.5)
    kinds = "deploy,rs,svc,sa,pdb,cm,lease,role,rolebinding"
    left = node.kubectl("-n", "toyou", "get", kinds, "-o", "name").split()
    assert sorted(left) == ["configmap/kube-root-ca.crt", "serviceaccount/default"]
    everywhere = node.kubectl("get", "clusterrole,clusterrolebinding,ingressclass,crd", "-o", "name").split()
    assert [name for name in everywhere if "toyou" in name.split("/")[1]] == [
        "customresourcedefinition.apiextensions.k8s.io/websocketroutes.toyou.dev"]
