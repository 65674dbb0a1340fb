"""Snapshots written by hand: a bad one is refused whole, the running one stays, and it says why."""
import json
import os

import pytest

from support.snapshots import Snapshot, canonical
from support.wait import eventually
from support.wire import fetch


@pytest.fixture
def running(dataplane_alone):
    """A dataplane without controller, and its snapshot to play with."""
    dataplane = dataplane_alone()
    dataplane.snapshot = Snapshot(dataplane.pair.state_dir)
    assert fetch(dataplane.http, host=dataplane.host).status == 200
    return dataplane


def loaded(dataplane):
    with open(os.path.join(dataplane.pair.state_dir, "loaded.json"), encoding="utf-8") as file:
        return json.load(file)


def await_state(dataplane, state, generation=None):
    def reported():
        report = loaded(dataplane)
        return report["state"] == state and (generation is None or report["generation"] == generation) and report
    return eventually(reported)


def refused(dataplane, generation=None):
    """The report of a refusal; what ran before still serves."""
    report = await_state(dataplane, "Refused", generation)
    assert report["errors"] and all(error["message"] for error in report["errors"]), report
    assert fetch(dataplane.http, host=dataplane.host).status == 200, "the running snapshot is gone"
    dataplane.await_log("(?i)refused")
    assert dataplane.get("/healthz").status == 200
    return report


def test_a_snapshot_written_by_hand_is_loaded(running):
    snapshot = running.snapshot
    route = snapshot.key("route/")
    snapshot.objects[route]["host"] = "by-hand.test"
    manifest = snapshot.publish()
    await_state(running, "Loaded", manifest["generation"])
    assert fetch(running.http, host="by-hand.test").status == 200
    assert fetch(running.http, host=running.host).status == 404


WRONG = {
    "type": (("host",), 7), "host": (("host",), "UPPER.test"), "path": (("path",), "relative"),
    "path-type": (("pathType",), "Fuzzy"), "action": (("action",), "Explode"), "protocol": (("protocols", 0), "Gopher"),
    "timeout": (("timeouts",), {"idleMs": -1}), "limit": (("limits",), {"maxConnections": "many"}), "backends-type": (("backends",), {}),
    "weight-range": (("backends", 0, "weight"), 1_000_001), "weight-negative": (("backends", 0, "weight"), -1),
    "weight-float": (("backends", 0, "weight"), 1.5), "dangling-reference": (("backends", 0, "upstream"), "upstream/no/such/80"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_bad_field_is_named(running, case):
    snapshot = running.snapshot
    route = snapshot.key("route/")
    path, value = WRONG[case]
    place = snapshot.objects[route]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    manifest = snapshot.publish()
    report = refused(running, manifest["generation"])
    error = report["errors"][0]
    assert error["key"] == route
    assert error["pointer"].startswith("/" + str(path[0])), report


def test_a_bad_endpoint_is_named(running):
    snapshot = running.snapshot
    upstream = snapshot.key("upstream/")
    for wrong in ({"address": "not-an-address"}, {"port": 0}, {"port": 65536}):
        good = dict(snapshot.objects[upstream]["endpoints"][0])
        snapshot.objects[upstream]["endpoints"][0] = {**good, **wrong}
        report = refused(running, snapshot.publish()["generation"])
        assert report["errors"][0]["key"] == upstream
        assert report["errors"][0]["pointer"].startswith("/endpoints/0"), report
        snapshot.objects[upstream]["endpoints"][0] = good


def test_one_bad_object_refuses_the_good_ones_too(running):
    snapshot = running.snapshot
    route = snapshot.key("route/")
    other = {**snapshot.objects[route], "host": "new.test"}
    snapshot.objects[route + "1"] = other
    snapshot.objects[snapshot.key("upstream/")]["endpoints"][0]["port"] = 0
    refused(running, snapshot.publish()["generation"])
    assert fetch(running.http, host="new.test").status == 404


ROOTS = {
    "empty": b"", "not-json": b"{", "array": b"[]", "null": b"null", "binary": b"\x00\xff\xfe", "no-schema": b'{"generation":9,"pages":{}}',
    "pages-type": b'{"generation":9,"pages":[],"schema":{"major":1,"minor":0}}',
    "page-name": b'{"generation":9,"pages":{"zz":"' + b"0" * 64 + b'"},"schema":{"major":1,"minor":0}}',
    "page-missing": b'{"generation":9,"pages":{"00":"' + b"0" * 64 + b'"},"schema":{"major":1,"minor":0}}',
    "page-traversal": b'{"generation":9,"pages":{"00":"../../etc/passwd"},"schema":{"major":1,"minor":0}}',
    "generation-negative": b'{"generation":-1,"pages":{},"schema":{"major":1,"minor":0}}',
    "deep": b"[" * 100_000,
    "large": b'{"x":"' + b"a" * (2 << 20) + b'"}',
}


@pytest.mark.parametrize("case", ROOTS)
def test_a_bad_root_is_refused(running, case):
    running.snapshot.write_root(ROOTS[case])
    refused(running)


def test_a_newer_major_is_refused_in_words(running):
    manifest = running.snapshot.publish(major=2)
    report = refused(running, manifest["generation"])
    assert "2" in report["errors"][0]["message"] and "schema" in json.dumps(report["errors"])


def test_unknown_fields_of_a_newer_minor_are_ignored(running):
    snapshot = running.snapshot
    snapshot.objects[snapshot.key("route/")]["future"] = {"field": [1, 2, 3]}
    snapshot.objects["future/kind/x"] = {"a": 1}
    manifest = snapshot.publish(more={"b": 2})
    await_state(running, "Loaded", manifest["generation"])
    assert fetch(running.http, host=running.host).status == 200


def test_an_object_that_is_not_what_its_name_says(running):
    snapshot = running.snapshot
    snapshot.objects[snapshot.key("route/")]["host"] = "altered.test"
    pages = snapshot.pages()
    name = json.loads(snapshot._read("index", list(pages.values())[0] + ".json"))
    victim = list(name.values())[0]
    snapshot._write("objects", victim + ".json", data=canonical({"tampered": True}))
    refused(running, snapshot.root(pages)["generation"])


def test_an_object_that_is_missing(running):
    snapshot = running.snapshot
    snapshot.objects[snapshot.key("route/")]["host"] = "altered.test"
    pages = snapshot.pages()
    altered = snapshot.put("objects", canonical(snapshot.objects[snapshot.key("route/")]))
    os.unlink(os.path.join(snapshot.directory, "objects", altered + ".json"))
    refused(running, snapshot.root(pages)["generation"])


def test_after_a_refusal_a_good_one_is_loaded(running):
    snapshot = running.snapshot
    route = snapshot.key("route/")
    good = dict(snapshot.objects[route])
    snapshot.objects[route] = {**good, "host": "UPPER"}
    refused(running, snapshot.publish()["generation"])
    snapshot.objects[route] = {**good, "host": "good-again.test"}
    await_state(running, "Loaded", snapshot.publish()["generation"])
    assert fetch(running.http, host="good-again.test").status == 200


def test_a_restart_on_a_bad_root_serves_the_last_good_one(running):
    snapshot = running.snapshot
    snapshot.objects[snapshot.key("route/")]["host"] = "UPPER"
    snapshot.publish()
    refused(running)
    host, pair = running.host, running.pair
    running.stop()
    again = pair.start_dataplane()
    assert fetch(again.http, host=host).status == 200
    again.await_log("(?i)refused")


def test_secrets_of_the_directory_are_private(running):
    directory = running.pair.state_dir
    assert os.stat(directory).st_mode & 0o777 == 0o700
    for folder in ("objects", "index"):
        for name in os.listdir(os.path.join(directory, folder)):
            assert os.stat(os.path.join(directory, folder, name)).st_mode & 0o077 == 0, name
