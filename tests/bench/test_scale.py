"""The cost of a change does not grow with the number of routes or of live connections, nor that of a wake-up with what
one connection sends."""
import collections
import json
import os
import re
import threading

import pytest

from lockstep import exactly, frame, raise_file_limit, run
from probes import Allocations, SystemCalls
from support.snapshots import canonical, page_of
from support.toyou import SANITIZED

pytestmark = pytest.mark.skipif(bool(SANITIZED), reason="figures are those of the optimised build")

CHANGES = 5
LIVE = 500


class Changes:
    """One route changes again and again. Published as the controller does it: the object, its page and the root are
    written, whatever the number of routes."""

    def __init__(self, probe):
        self.world, self.backend, self.version = probe.rig.world, probe.rig, 0
        self.route()
        assert self.world.publish()["state"] == "Loaded"
        self.pages = self.world.snapshot.manifest["pages"]

    def route(self):
        self.version += 1
        self.world.route("changing", "changing.test", self.backend, path="/v%d" % self.version)

    def __call__(self):
        """One change, in force."""
        self.route()
        snapshot, key = self.world.snapshot, "route/Ingress/default/changing/0"
        page = page_of(key)
        with open(os.path.join(snapshot.directory, "index", self.pages[page] + ".json"), "rb") as file:
            entries = json.load(file)
        entries[key] = snapshot.put("objects", canonical(snapshot.objects[key]))
        self.pages[page] = snapshot.put("index", canonical(entries))
        assert self.world.await_report(snapshot.root(self.pages)["generation"])["state"] == "Loaded"
        return 1


def total(probe, name):
    """Of all threads but the one that answers us, for one change."""
    counts = collections.Counter()
    for thread, found in probe.found[name].items():
        if thread != "admin":
            counts.update(found)
    return {what: count / probe.operations[name] for what, count in counts.items()}


@pytest.fixture(scope="module")
def curve(tmp_path_factory):
    """{routes: allocations and their bytes for the change of one route}"""
    found = {}
    for routes in (10, 100, 1000, 10000):
        with Allocations(tmp_path_factory.mktemp("change"), routes=routes) as probe:
            probe.measure("change", Changes(probe), CHANGES, warm=2)
        found[routes] = total(probe, "change")
    return found


def test_a_change_costs_the_same_with_any_number_of_routes(curve):
    # What grows: the root, until it names all of its 256 pages; then the page of the index that names the object,
    # a 256th of all keys, and so much of the tables.
    print("one change:", {routes: dict(sorted(costs.items())) for routes, costs in curve.items()})
    for what in ("allocations", "bytes"):
        assert curve[1000][what] <= 8 * curve[10][what]
        assert curve[10000][what] <= 1.7 * curve[1000][what]


def test_a_change_reads_what_changed(tmp_path):
    with SystemCalls(tmp_path, routes=2000) as probe:
        probe.measure("change", Changes(probe), CHANGES, warm=2)
    opened = probe.found["change"]["loader"]["openat"] / CHANGES
    assert opened <= 8, "%g files opened for a change of one object" % opened


def test_a_change_does_not_touch_live_connections(tmp_path):
    raise_file_limit()
    with SystemCalls(tmp_path) as probe:
        change = Changes(probe)
        probe.measure("alone", change, CHANGES)
        pairs = [probe.rig.echo() for _ in range(LIVE)]
        for echo in pairs:
            run(echo, 1)
        probe.measure("live", change, CHANGES)
    assert not probe.found["live"]["relay-0"]
    alone, live = (sum(probe.found[name]["worker-0"].values()) for name in ("alone", "live"))
    assert live <= alone + 2 * CHANGES


def reads_of_a_wakeup(log, thread):
    """For each time the thread waited: how often it then read each descriptor."""
    wakeups, received = [collections.Counter()], set()
    with open(log, encoding="latin-1") as file:
        for line in file:
            if call := re.match(r"%d +(epoll_wait|recvfrom|splice)\((\d+)" % thread, line):
                if call.group(1) == "epoll_wait":
                    wakeups.append(collections.Counter())
                else:
                    wakeups[-1][call.group(2)] += 1
                    if call.group(1) == "recvfrom":
                        received.add(call.group(2))
    # What nothing is received from is a pipe: it is emptied as often as its receiver has room.
    return [collections.Counter({fd: count for fd, count in reads.items() if fd in received}) for reads in wakeups]


@pytest.mark.parametrize("size", [1000, 60000], ids=["small messages", "large messages"])
def test_a_wakeup_does_bounded_work_for_one_that_sends_all_it_can(tmp_path, size):
    with SystemCalls(tmp_path) as probe:
        (relay,) = [thread for thread, name in probe.names.items() if name == "relay-0"]
        client, backend = probe.rig.websocket()
        message = frame(bytes(size), True)
        total = (16 << 20) // len(message)
        sender = threading.Thread(target=client.sendall, args=(message * total,))
        reader = threading.Thread(target=exactly, args=(backend, len(message) * total))
        for thread in (sender, reader):
            thread.start()
        quiet = probe.rig.echo()
        while reader.is_alive():
            run(quiet, 1)
        for thread in (sender, reader):
            thread.join()
    wakeups = reads_of_a_wakeup(probe.log, relay)
    assert sum(sum(reads.values()) for reads in wakeups) >= 256  # of 64 KiB at the most
    # Once for its event, and once in its turn among those that have more.
    assert max(count for reads in wakeups for count in reads.values()) <= 2
