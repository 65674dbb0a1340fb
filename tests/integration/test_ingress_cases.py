"""Every case of ingress_cases/ against the real programs."""
import pytest

from support import ingress_cases, manifests
from support.toyou import Toyou
from support.wait import eventually

CASES = ingress_cases.load()
BY_ID = {case["id"]: case for case in CASES}

# What is not served yet, with the reason. (case, part): the part is "*" (all of it), "status", or a
# path. Everything else in the tables must hold; an entry that holds back nothing fails.
NOT_SERVED = {
    ("ws-fail-closed", "status"): "spec.auth is refused as Unsupported until it is enforced; its Secret is not looked at",
}


def held_back(case, part, request=None):
    """The part of NOT_SERVED that keeps this request or status out; None: it is served."""
    names = ["*", part]
    if request is not None:
        names = ["*", request.get("path", "/")]
    return next((name for name in names if (case["id"], name) in NOT_SERVED), None)


def requests_of(case, block):
    return [r for r in block.get("requests", []) if held_back(case, "requests", r) is None]


def status_of(case, block):
    return [] if held_back(case, "status") else block.get("status", [])


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One run of all cases that are not isolated: {id: (toyou, run)}."""
    cases = [case for case in CASES if not case.get("isolated")]
    yield from running(cases, tmp_path_factory.mktemp("shared"))


@pytest.fixture
def alone(request, tmp_path_factory):
    yield from running([request.param], tmp_path_factory.mktemp("alone"))


def running(cases, path):
    backends = ingress_cases.Backends(cases)
    folder = manifests.Folder(path / "manifests")
    if all(case.get("standardClass", True) for case in cases):
        folder.write("class.yaml", [manifests.ingress_class()])
    runs = {case["id"]: ingress_cases.Run(case, backends, folder) for case in cases}
    toyou = Toyou(folder, state_dir=str(path / "state"))
    try:
        toyou.await_ready()
        yield toyou, runs
        toyou.stop()
    finally:
        toyou.kill()
        backends.close()


def run_case(toyou, run):
    case = run.case
    for request in requests_of(case, case):
        ingress_cases.check(toyou, run, request)
    for expected in status_of(case, case):
        eventually(lambda e=expected: ingress_cases.check_status(toyou, case, e) or True)
    for step in case.get("steps", []):
        run.step(step)
        for request in requests_of(case, step):
            eventually(lambda r=request: ingress_cases.check(toyou, run, r) or True)
        for expected in status_of(case, step):
            eventually(lambda e=expected: ingress_cases.check_status(toyou, case, e) or True)


def served(case):
    blocks = [case, *case.get("steps", [])]
    return any(requests_of(case, block) or status_of(case, block) for block in blocks)


SHARED = [case["id"] for case in CASES if not case.get("isolated") and served(case)]
ISOLATED = [case for case in CASES if case.get("isolated") and served(case)]


@pytest.mark.parametrize("name", SHARED)
def test_shared(shared, name):
    toyou, runs = shared
    run_case(toyou, runs[name])


@pytest.mark.parametrize("alone", ISOLATED, ids=[case["id"] for case in ISOLATED], indirect=True)
def test_isolated(alone):
    toyou, runs = alone
    (run,) = runs.values()
    run_case(toyou, run)


@pytest.mark.parametrize("case, part", NOT_SERVED, ids=["%s-%s" % key for key in NOT_SERVED])
def test_not_served_yet(case, part):
    blocks = [BY_ID[case], *BY_ID[case].get("steps", [])]
    parts = {held_back(BY_ID[case], "requests", r) for block in blocks for r in block.get("requests", [])}
    parts |= {held_back(BY_ID[case], "status") for block in blocks if block.get("status")}
    assert part in parts, "this entry of NOT_SERVED holds back nothing"
    pytest.skip(NOT_SERVED[case, part])
