"""Two controllers: both serve, one writes status."""
import signal
import time

from kube_rig import LONG
from support.wait import eventually


def test_one_of_two_writes_status_and_the_other_follows(space, proxy, make_pair, capsys):
    assert eventually(lambda: proxy.controller.leads, LONG)
    second = make_pair()
    second.start_controller("--publish-address", "192.0.2.99")
    second.start_dataplane()
    space.apply(*space.service("a", space.backend()), space.ingress("i", space.host(), "a"))
    space.serves(space.host())
    own = space.http
    space.http = second.dataplane.http
    space.serves(space.host())  # no leader is needed to serve
    space.http = own
    eventually(lambda: space.addresses("i"), LONG)
    assert not second.controller.leads
    lease = space.cluster.api("GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases/toyou-status")[1]
    assert lease["spec"]["leaseDurationSeconds"] == 10

    proxy.controller.stop()  # releases it: the other one need not wait for the Lease to expire
    begin = time.monotonic()
    assert eventually(lambda: second.controller.leads, 5)
    in_order = time.monotonic() - begin
    eventually(lambda: [a.get("ip") for a in space.addresses("i")] == ["192.0.2.99"], LONG)
    proxy.start_controller()
    assert not proxy.controller.leads

    second.controller.send_signal(signal.SIGKILL)  # does not release it
    second.controller.wait()
    begin = time.monotonic()
    assert eventually(lambda: proxy.controller.leads, 15)
    with capsys.disabled():
        print("\nthe Lease went on %.1f s after its holder left in order, %.1f s after it was killed" % (in_order, time.monotonic() - begin))
    eventually(lambda: [a.get("ip") for a in space.addresses("i")] == ["192.0.2.10"], LONG)
