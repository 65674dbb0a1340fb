"""Something dies, or is wrong. Users see as little of it as there is to see."""
import time

from node_rig import LONG, SOCKETS
from support import documents, manifests
from support.wait import eventually


def test_killed_controller_is_not_noticed_and_another_writes_status(node, load, figure):
    node.settled(2)
    clients, before = load(), node.restarts("controller")
    holder = eventually(node.holder, LONG)
    (pod,) = [pod for pod in node.pods() if holder.startswith(pod["metadata"]["name"] + "_")]
    node.kill_container(pod, "controller")
    killed = time.monotonic()
    eventually(lambda: node.holder() not in ("", holder), LONG, every=0.2)
    figure("status is written again %.1f s after its controller was killed" % (time.monotonic() - killed))
    assert time.monotonic() - killed < 15 + 5  # of a busy machine
    eventually(lambda: node.restarts("controller") == before + 1, LONG, every=0.2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["ends"] == {"open": SOCKETS}


def test_api_server_away_is_not_noticed(node, load):
    clients = load()
    node.run("stop", "apiserver", "KILL")
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            clients.more()
            assert "from the backend" in node.fetch()
    finally:
        node.run("start", "apiserver")
    eventually(lambda: node.kubectl("get", "--raw", "/readyz", check=False) == "ok", LONG, every=0.2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["ends"] == {"open": SOCKETS}
    node.settled(2)


def test_killed_dataplane_comes_back_with_its_routes(node, load):
    clients, before, pod = load(), node.restarts("dataplane"), node.pods()[0]
    node.kill_container(pod, "dataplane")
    eventually(lambda: node.restarts("dataplane") == before + 1, LONG, every=0.2)
    node.settled(2)
    (previous,) = documents.matching(r"kubectl -n toyou logs POD -c dataplane --previous")
    assert '"starting"' in node.shell(previous, **node.words(pod))
    seen = clients.end()
    lost = [how for how in seen["ends"] if how.startswith("no close frame")]
    assert lost and set(seen["ends"]) == {"open", *lost}
    assert seen["ends"]["open"] == SOCKETS  # all came back


def test_a_snapshot_that_is_wrong_is_refused_and_found(node, load):
    """Nobody notices; the alert's commands say why; taken back, it is forgotten."""
    clients = load()
    inside = ("-n", "toyou", "exec", node.words()["POD"], "-c", "controller", "--", "sh", "-c")
    node.kubectl(*inside, "cd /run/toyou/snapshot && cp manifest.json kept && echo '%s' >new && mv new manifest.json" %
                 '{"schema":{"major":99,"minor":0},"generation":1,"pages":{}}')
    (found,) = documents.matching(r"kubectl -n toyou logs POD -c dataplane \| grep refused")
    assert "major" in eventually(lambda: node.shell(found, **node.words(), check=False), LONG, every=0.2)
    with node.forwarded(documents.matching(r"kubectl -n toyou port-forward POD 9901")):
        (snapshot,) = documents.matching(r"curl 127.0.0.1:9901/api/v1/snapshot")
        assert '"newestRefused":true' in node.shell(snapshot)
        node.kubectl(*inside, "cd /run/toyou/snapshot && mv kept manifest.json")
        eventually(lambda: '"newestRefused":false' in node.shell(snapshot), LONG, every=0.2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["refused"] == 0 and seen["ends"] == {"open": SOCKETS}


def test_a_backend_that_ends_keeps_its_websockets_until_it_is_gone(node, load, echo):
    echo("echo")
    node.apply(manifests.ingress("echo", "echo.example.com", "echo", "echo"))
    eventually(lambda: "echo of /" in node.fetch("/", "echo.example.com"), LONG, every=0.1)
    clients = load("--host", "echo.example.com", websockets=50)
    pods = [pod["metadata"]["name"] for pod in node.get("-n", "echo", "pods", "-l", "app=echo")["items"]]
    node.kubectl("-n", "echo", "delete", "pod", pods[0], "--wait=false")
    ending = time.monotonic()
    while time.monotonic() < ending + 8:  # of the 10 s of its preStop
        clients.more()
    assert clients.report()["ends"] == {}
    eventually(lambda: clients.report()["ends"], LONG)  # now its process ends, and they with it
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["refused"] == 0
    assert set(seen["ends"]) == {"close 1014", "open"} and 0 < seen["ends"]["close 1014"] < 50, seen["ends"]
    assert set(seen["events_ended"]) <= {"between events"}
