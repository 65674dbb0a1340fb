"""Manifests that are wrong: reported with file, line and field; the last good content stays."""
import os

import pytest

from support import manifests
from support.backends import Backend, serve_json
from support.wait import eventually
from support.wire import fetch


@pytest.fixture
def served(launch):
    """A `toyou local` with one good route, whose file is `route.yaml`."""
    with Backend(serve_json("b")) as backend:
        toyou = launch()
        toyou.objects = [*manifests.service("web", [(backend.address, backend.port)]),
                         manifests.ingress("web", "web.test", "web")]
        toyou.folder.write("route.yaml", toyou.objects)
        eventually(lambda: fetch(toyou.http, host="web.test").status == 200)
        yield toyou


def problems(toyou):
    """What the controller could not read."""
    return toyou.json("/api/v1/input")


def works(toyou, host="web.test"):
    return fetch(toyou.http, host=host).status == 200


BROKEN = {
    "unclosed-quote": ('a: "no end\n', 1),
    "bad-indent": ("apiVersion: v1\nkind: Service\n  metadata: {}\n", 3),
    "tab": ("apiVersion: v1\nspec:\n\tx: 1\n", 3),
    "duplicate-key": ("apiVersion: v1\nkind: Service\nkind: Ingress\nmetadata: {name: x}\n", 3),
    "binary": (b"\x00\x01\x02\xff\xfe", None),
    "alias-bomb": ("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        "%s: &%s [*%s,*%s,*%s,*%s,*%s,*%s,*%s,*%s,*%s]\n" % (b, b, *(a,) * 9)
        for a, b in zip("abcdefgh", "bcdefghi")), None),
    "deep": ("[" * 5000, None),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_does_not_parse_keeps_its_last_good_content(served, case):
    text, line = BROKEN[case]
    served.folder.write("route.yaml", text)
    (found,) = eventually(lambda: problems(served))
    assert found["file"].endswith("route.yaml") and found["message"]
    assert line is None or found["line"] in (line, line - 1, line + 1), found
    served.await_log(r"route\.yaml")
    assert works(served)
    served.folder.write("route.yaml", served.objects)
    eventually(lambda: not problems(served))
    assert works(served)


def test_a_wrong_field_is_named_with_its_line(served):
    text = manifests.dump(served.objects[:-1]) + """---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
spec:
  ingressClassName: toyou
  rules:
  - host: web.test
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: web
            port:
              number: eighty
"""
    line = text.splitlines().index("              number: eighty") + 1
    served.folder.write("route.yaml", text)
    found = eventually(lambda: problems(served))[0]
    assert found["file"].endswith("route.yaml")
    assert found["field"].endswith("number") and "port" in found["field"], found
    assert abs(found["line"] - line) <= 1, (found, line)
    assert works(served), "the last good content stays"


def test_a_broken_file_beside_good_ones(served):
    served.folder.write("broken.yaml", "a: [\n")
    eventually(lambda: problems(served))
    served.folder.write("good.yaml", [manifests.ingress("new", "new.test", "web")])
    eventually(lambda: works(served, "new.test"))
    assert works(served)


def test_unknown_kinds_are_named_and_skipped(served):
    served.folder.write("other.yaml", """
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
---
apiVersion: example.com/v1
kind: Whatever
metadata: {name: w}
---
""" + manifests.dump([manifests.ingress("beside", "beside.test", "web")]))
    eventually(lambda: works(served, "beside.test"))
    served.await_log(r"Whatever")


def test_lists_json_and_other_files(served):
    import json
    listed = {"apiVersion": "v1", "kind": "List", "items": [manifests.ingress("in-list", "list.test", "web")]}
    served.folder.write("list.json", json.dumps(listed))
    served.folder.write("notes.txt", "not: [a manifest")
    served.folder.write("second.yml", [manifests.ingress("yml", "yml.test", "web")])
    eventually(lambda: works(served, "list.test") and works(served, "yml.test"))
    assert not problems(served)


def test_deleting_a_file_removes_its_objects(served):
    served.folder.write("extra.yaml", [manifests.ingress("extra", "extra.test", "web")])
    eventually(lambda: works(served, "extra.test"))
    served.folder.remove("extra.yaml")
    eventually(lambda: not works(served, "extra.test"))
    assert works(served)


def test_an_editor_that_writes_in_place(served):
    """Truncated, then written in two parts: no moment in which the route is gone."""
    path = os.path.join(served.folder.path, "route.yaml")
    text = manifests.dump(served.objects + [manifests.ingress("edited", "edited.test", "web")])
    with open(path, "w", encoding="utf-8") as file:
        file.write(text[:len(text) // 2])
        file.flush()
        file.write(text[len(text) // 2:])
    eventually(lambda: works(served, "edited.test"))
    assert works(served)


def test_an_object_that_moves_between_files(served):
    served.folder.write("moved.yaml", served.objects)
    served.folder.remove("route.yaml")
    served.folder.write("marker.yaml", [manifests.ingress("marker", "marker.test", "web")])
    eventually(lambda: works(served, "marker.test"))
    assert works(served)


UNSERVED = {"auth": {"basic": {"secretName": "users"}}, "clientAddresses": {"countries": ["x"]},
            "keepalive": {"pingInterval": "30s"}, "rewrite": {"prefix": "/"}, "tls": {"client": {"caSecretName": "c"}},
            "loadBalancing": {"policy": "ConsistentHash", "hashOn": {"cookie": "sid"}}, "retry": {"attempts": 3},
            "limits": {"messageRate": {"perSecond": 1, "burst": 1}}, "backendTLS": {"serverName": "x"}, "nonsense": {"a": 1}}


@pytest.mark.parametrize("field", UNSERVED)
def test_a_route_that_asks_for_more_than_is_served_is_refused(served, field):
    """Nothing is served without the protection that it asks for."""
    served.folder.write("more.yaml", [manifests.websocket_route("more", "more.test", "web", **{field: UNSERVED[field]})])
    eventually(lambda: served.condition("WebSocketRoute", "more", "Accepted") in
               [("False", "Unsupported"), ("False", "Invalid")])
    eventually(lambda: fetch(served.http, host="more.test").status == 503)
    (item,) = [i for i in served.json("/api/v1/status") if i["name"] == "more"]
    accepted = next(c for c in item["conditions"] if c["type"] == "Accepted")
    assert field in accepted["message"], accepted


def test_a_folder_that_appears_empty_serves_nothing(launch):
    toyou = launch()
    assert fetch(toyou.http, host="any.test").status == 404
