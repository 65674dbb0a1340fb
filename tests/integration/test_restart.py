"""Either process may die at any moment: the other goes on, and it comes back to the same state."""
import os
import re
import signal

import pytest

from support import manifests
from support.backends import Backend, echo_websocket, serve_json
from support.toyou import SLOW
from support.wait import eventually
from support.websocket import WebSocket
from support.wire import fetch


@pytest.fixture
def pair(separate):
    with Backend(serve_json("b")) as backend, Backend(echo_websocket) as echo:
        made = separate(objects=[*manifests.service("web", [(backend.address, backend.port)]),
                                 *manifests.service("echo", [(echo.address, echo.port)]),
                                 manifests.ingress("web", "web.test", "web"),
                                 manifests.websocket_route("echo", "echo.test", "echo")])
        made.backend = backend
        yield made


def test_the_controller_dies_and_traffic_goes_on(pair):
    with WebSocket(pair.dataplane.http, host="echo.test") as ws:
        assert ws.echo("before") == "before"
        pair.controller.kill()
        assert ws.echo("after") == "after"
        assert fetch(pair.dataplane.http, host="web.test").status == 200
        assert pair.dataplane.get("/readyz").status == 200
        generation = pair.manifest()["generation"]
        pair.start_controller()
        pair.folder.write("more.yaml", [manifests.ingress("more", "more.test", "web")])
        eventually(lambda: fetch(pair.dataplane.http, host="more.test").status == 200)
        assert pair.manifest()["generation"] == generation + 1, "the same input again published nothing"
        assert ws.echo("and now") == "and now"


def test_the_dataplane_dies_and_comes_back_with_the_same_snapshot(pair):
    before = pair.manifest()
    pair.dataplane.kill()
    pair.start_dataplane()
    assert fetch(pair.dataplane.http, host="web.test").status == 200
    assert pair.manifest() == before
    with WebSocket(pair.dataplane.http, host="echo.test") as ws:
        assert ws.echo("x") == "x"


def test_the_dataplane_starts_without_a_controller(pair):
    pair.controller.stop()
    pair.dataplane.stop()
    pair.start_dataplane()
    assert fetch(pair.dataplane.http, host="web.test").status == 200


def test_a_change_while_the_dataplane_is_away(pair):
    pair.dataplane.kill()
    pair.folder.write("more.yaml", [manifests.ingress("more", "more.test", "web")])
    pair.start_dataplane()
    eventually(lambda: fetch(pair.dataplane.http, host="more.test").status == 200)


def test_both_killed_again_and_again(pair):
    for number in range(5):
        pair.folder.write("r.yaml", [manifests.ingress("r", "r%d.test" % number, "web")])
        pair.controller.kill()
        pair.dataplane.kill()
        pair.start_controller()
        pair.start_dataplane()
        eventually(lambda n=number: fetch(pair.dataplane.http, host="r%d.test" % n).status == 200)
    assert fetch(pair.dataplane.http, host="web.test").status == 200


@pytest.mark.parametrize("name", ["toyou-controller", "toyou-dataplane"])
def test_toyou_local_never_hides_a_dead_child(launch, name):
    """It starts the child again, or ends with a status that is not 0 and says which one died."""
    toyou = launch()
    first, before = toyou.child(name), len(toyou.err)
    os.kill(first, signal.SIGKILL)

    def told():
        if toyou.process.poll() is not None:
            return True
        again = [line for line in toyou.err[before:]
                 if re.search("component=%s msg=\"?(started|ready)" % name.removeprefix("toyou-"), line)]
        return again and toyou.child(name) != first and toyou.get("/readyz").status == 200
    eventually(told, seconds=10 * SLOW)
    if toyou.process.poll() is not None:
        assert toyou.wait() != 0
    toyou.await_log(name.removeprefix("toyou-"))
