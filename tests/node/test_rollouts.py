"""Pods come and go, asked to. Nobody loses more than a WebSocket once, with 1012."""
from node_rig import DRAIN, NEWER, SOCKETS, VERSION
from support import documents


def test_rolling_restart_closes_every_websocket_once_with_1012(node, load, figure):
    clients = load()
    (restart,) = documents.matching(r"kubectl -n toyou rollout restart")
    node.shell(restart)
    node.rolled_out("toyou")
    node.settled(2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["refused"] == 0
    assert seen["ends"] == {"close 1012": SOCKETS, "open": SOCKETS}
    assert set(seen["events_ended"]) <= {"between events"}
    closes = {int(second): count for second, count in seen["seconds"].items()}
    begin, end = min(closes), max(closes)
    figure("closes a second of two pods with a drain period of %d s:" % DRAIN[1], [closes.get(n, 0) for n in range(begin, end + 1)])
    # Over the period, evenly: not all at its begin or end.
    assert end - begin >= DRAIN[1] * 0.6, closes
    assert max(closes.values()) <= SOCKETS / 2, closes


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


def test_upgrade_and_rollback_lose_nothing(node, load):
    """The second one before the first has drained."""
    def tags():
        return {container["image"].rsplit(":", 1)[1] for pod in node.pods() if "deletionTimestamp" not in pod["metadata"]
                for container in pod["spec"]["containers"]}

    clients = load()
    for command in documents.matching(r"helm upgrade .* image\.tag=NEW") + documents.matching(r"kubectl -n toyou rollout status"):
        node.shell(command, NEW=NEWER)
    assert tags() == {NEWER}
    (rollback,) = documents.matching(r"helm rollback")
    node.shell(rollback)
    node.rolled_out("toyou")
    assert tags() == {VERSION}
    node.settled(2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["refused"] == 0
    assert set(seen["ends"]) == {"close 1012", "open"} and seen["ends"]["open"] == SOCKETS, seen["ends"]


def test_a_drain_of_the_node_takes_one_pod_at_a_time(node, load):
    """The PodDisruptionBudget holds the second one until the first has a successor, which finds no node here."""
    (machine,) = node.get("nodes")["items"]
    name = machine["metadata"]["name"]
    clients, before = load(), {pod["metadata"]["name"] for pod in node.pods()}
    try:
        said = node.run("kubectl", "drain", name, "--pod-selector=app.kubernetes.io/name=toyou", "--delete-emptydir-data",
                        "--timeout=%ds" % (sum(DRAIN) + 10), check=False)
        assert said.count("evicted") == 1, said
        left = [pod["metadata"]["name"] for pod in node.pods() if pod["spec"].get("nodeName")]
        assert len(left) == 1 and set(left) < before
        clients.more()
    finally:
        node.kubectl("uncordon", name)
    node.settled(2)
    seen = clients.end()
    assert seen["http_failed"] == [] and seen["refused"] == 0
    assert set(seen["ends"]) == {"close 1012", "open"}, seen["ends"]
