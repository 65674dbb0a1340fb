"""A drain that is cut short is counted where it can still be read: by the other pods, through the Lease."""
import signal

import pytest

from kube_rig import LONG
from support.backends import echo_websocket
from support.wait import eventually

DRAINS, WEBSOCKETS = "toyou_controller_drains_cut_total", "toyou_controller_drain_websockets_cut_total"


def counts(controller):
    metrics = controller.metrics()
    return metrics.get(DRAINS), metrics.get(WEBSOCKETS)


@pytest.fixture
def draining(space, proxy, make_pair):
    """A second pod with two live WebSockets, whose dataplane has been told to end."""
    host = space.host()
    space.apply(*space.service("echo", space.backend(echo_websocket)), space.route("echo", host, "echo", protocols=["WebSocket"]))
    pair = make_pair()
    pair.start_controller()
    pair.start_dataplane()
    eventually(lambda: counts(proxy.controller)[0] is not None, LONG)
    own, space.http = space.http, pair.dataplane.http
    eventually(lambda: space.fetch(host).status == 426, LONG)
    pair.sockets = [space.websocket(host) for _ in range(2)]
    assert [ws.echo("x") for ws in pair.sockets] == ["x", "x"]
    yield pair
    space.http = own
    for ws in pair.sockets:
        ws.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["second-signal", "killed"])
def test_other_pods_show_it(proxy, draining, how):
    drains, websockets = counts(proxy.controller)
    draining.dataplane.send_signal(signal.SIGTERM)
    eventually(lambda: draining.dataplane.logged("drain begins"), LONG)
    draining.dataplane.send_signal(how)
    draining.dataplane.process.wait(20)
    draining.controller.stop()  # as the kubelet does: after the dataplane
    assert draining.controller.logged("drain was cut short.*websockets")
    eventually(lambda: counts(proxy.controller) == (drains + 1, websockets + 2), LONG)
    assert proxy.controller.leads or not proxy.controller.logged("Lease not held")


def test_a_whole_drain_is_not_counted(proxy, draining):
    before = counts(proxy.controller)
    draining.dataplane.send_signal(signal.SIGTERM)
    assert [ws.closed()[0] for ws in draining.sockets] == [1012, 1012]
    assert draining.dataplane.wait(40) == 0
    draining.controller.stop()
    assert not draining.controller.logged("cut short")
    # It has looked at the Lease since: the other one's end was also that of its renewals.
    name = 'toyou_controller_leader'
    eventually(lambda: proxy.controller.metrics()[name] == 1, LONG)
    assert counts(proxy.controller) == before
