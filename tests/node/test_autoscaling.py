"""Pods follow the load: live WebSockets, and CPU."""
import datetime
import json
import time

from node_rig import LONG, SOCKETS
from support import documents
from support.wait import eventually

METRIC = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/toyou/pods/*/toyou_websocket_active"


def live(node):
    """Pod -> its WebSockets."""
    return {item["describedObject"]["name"]: int(item["value"]) for item in json.loads(node.kubectl("get", "--raw", METRIC))["items"]}


def scaled(node, cpu=0, websockets=0):
    node.upgrade(**{"autoscaling.enabled": "true", "autoscaling.minReplicas": 1, "autoscaling.maxReplicas": 3,
                    "autoscaling.scaleDownStabilizationSeconds": 0, "autoscaling.targetCPUUtilizationPercentage": cpu,
                    "autoscaling.targetWebSocketsPerPod": websockets})


def next_departure(node, before):
    """Waits for one pod to leave, watches that no other one does, and returns its name and when it was told to, when it is gone."""
    def leaving():
        return [pod for pod in node.pods() if "deletionTimestamp" in pod["metadata"]]

    (pod,) = eventually(leaving, LONG, every=0.5)
    name, grace = pod["metadata"]["name"], pod["metadata"]["deletionGracePeriodSeconds"]
    told = datetime.datetime.fromisoformat(pod["metadata"]["deletionTimestamp"].replace("Z", "+00:00")).timestamp() - grace
    while now := leaving():
        assert [other["metadata"]["name"] for other in now] == [name]
        time.sleep(0.5)
    assert name in before
    return name, told, grace


def test_pods_follow_live_websockets_and_leave_one_in_a_drain_period(node, load, metrics_adapter, figure):
    del metrics_adapter
    try:
        # 50 wanted in a pod: as many pods as may be. Neither the autoscaler nor the pods that it adds cost one.
        clients = load()
        scaled(node, websockets=50)
        node.settled(3)
        after = load()  # before the others go: or there would be too many pods for a moment
        seen = clients.end()
        assert seen["http_failed"] == [] and seen["refused"] == 0 and seen["ends"] == {"open": SOCKETS}, seen["ends"]

        # One would do for all: two pods leave, one after the other, and each time only its own WebSockets end.
        clients, lost, times = after, 0, []
        scaled(node, websockets=2 * SOCKETS)
        for left in (2, 1):
            before = live(node)
            assert sum(before.values()) == SOCKETS and len(before) == left + 1
            name, told, grace = next_departure(node, before)
            lost += before[name]
            times.append(told)
            clients.more()
            assert clients.report()["ends"] == {"close 1012": lost}
        assert times[1] - times[0] >= grace - 1  # the clock of both is cut to seconds
        figure("scale-down by one pod after %d s, of a grace period of %d s" % (times[1] - times[0], grace))

        # The one that is left has more to do than 2 % of the 100m that it asks for.
        scaled(node, cpu=2)
        node.settled(3)
        status = node.get("-n", "toyou", "hpa", "toyou")["status"]
        figure("CPU of a dataplane with %d WebSockets that say two messages a second, in percent of its request:" % SOCKETS,
               status["currentMetrics"][0]["containerResource"]["current"]["averageUtilization"])
        seen = clients.end()
        assert seen["http_failed"] == [] and seen["refused"] == 0 and seen["ends"] == {"close 1012": lost, "open": SOCKETS}, seen["ends"]
    finally:
        (off,) = documents.matching(r"helm upgrade .* autoscaling.enabled=false")
        node.shell(off)
