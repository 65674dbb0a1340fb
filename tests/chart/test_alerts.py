"""The alerts, by promtool: their syntax, and for each one series that make it fire and series that do not."""
import html
import json
import os
import re
import subprocess

import pytest
import yaml

from chart_rig import TOP, one, render, rules

ROUTE = 'kind="Ingress",namespace="shop",route="web"'
UPSTREAM = 'namespace="shop",service="web",port="80"'


def series(name, values, labels=""):
    """One series of the job, a sample a minute, as promtool writes them ("0+60x20": from 0 on, 60 more each time)."""
    return {"series": '%s{job="toyou",pod="p",instance="i"%s}' % (name, labels and "," + labels), "values": values}


def handshakes(fast, slow):
    """toyou_websocket_open_seconds with so many per minute at 10 ms, and at 2 s."""
    total = fast + slow
    return [series("toyou_websocket_open_seconds_bucket", "0+%dx40" % n, 'le="%s"' % le)
            for le, n in (("0.01", fast), ("1", fast), ("2.5", total), ("+Inf", total))] + [
                series("toyou_websocket_open_seconds_count", "0+%dx40" % total)]


def forwards(fast, slow):
    """toyou_websocket_forward_seconds with so many per minute at 10 us, and at 200 ms."""
    total = fast + slow
    return [series("toyou_websocket_forward_seconds_bucket", "0+%dx40" % n, 'le="%s"' % le)
            for le, n in (("1e-05", fast), ("0.05", fast), ("0.25", total), ("+Inf", total))] + [
                series("toyou_websocket_forward_seconds_count", "0+%dx40" % total)]


def closes(good, bad):
    return [series("toyou_websocket_closed_total", "0+%dx40" % n, '%s,cause="%s",side="%s"' % (ROUTE, cause, side))
            for cause, side, n in (("client_close", "client", good), ("backend_gone", "backend", bad))]


def answers(good, bad, code="502"):
    return [series("toyou_http_requests_total", "0+%dx40" % n, '%s,code="%s",protocol="http"' % (ROUTE, c))
            for c, n in (("200", good), (code, bad))]


def asked(opened, refused):
    return [series("toyou_websocket_opened_total", "0+%dx40" % opened, ROUTE),
            series("toyou_websocket_refused_total", "0+%dx40" % refused, ROUTE + ',cause="origin"')]


def opens(before, after):
    """Opened WebSockets per second: for 90 minutes, then for 5."""
    last = 60 * before * 90
    return [series("toyou_websocket_opened_total", "0+%dx90 %d+%dx5" % (60 * before, last + 60 * after, 60 * after), ROUTE)]


def memory(mib):
    return [series("process_resident_memory_bytes", "%dx40" % (mib << 20)),
            series("toyou_build_info", "1x40", 'component="dataplane",version="1"')]


def descriptors(used):
    return [series("process_open_fds", "%dx40" % used), series("process_max_fds", "1000x40")]


def generations(published, confirmed):
    return [series("toyou_controller_snapshot_generation", published), series("toyou_controller_programmed_generation", confirmed)]


# alert -> (series that make it fire, several series that do not); looked at after 30 minutes, or at the time that is given.
CASES = {
    "ToyouManyConnections": ([series("toyou_websocket_active", "15000x40", ROUTE), series("toyou_websocket_active", "6000x40")],
                             [[series("toyou_websocket_active", "20000x40", ROUTE)]]),
    "ToyouReconnectStorm": (opens(2, 60), [opens(2, 9), opens(0, 15), opens(40, 60)]),
    "ToyouAbnormalCloses": (closes(70, 30), [closes(90, 10), closes(2, 1), closes(100, 0)]),
    "ToyouWebSocketsRefused": (asked(90, 10), [asked(97, 3), asked(3, 3), asked(100, 0)]),
    "ToyouSlowHandshakes": (handshakes(95, 5), [handshakes(1000, 5), handshakes(0, 4)]),
    "ToyouSlowForwarding": (forwards(80, 20), [forwards(95, 5), forwards(0, 4)]),
    "ToyouServerErrors": (answers(90, 10), [answers(97, 3), answers(2, 2), answers(90, 10, "404")]),
    "ToyouNoEndpoints": ([series("toyou_upstream_endpoints", "0x40", UPSTREAM + ',state="ready"'),
                          series("toyou_upstream_endpoints", "2x40", UPSTREAM + ',state="terminating"')],
                         [[series("toyou_upstream_endpoints", "1x40", UPSTREAM + ',state="ready"'),
                           series("toyou_upstream_endpoints", "0x40", UPSTREAM + ',state="terminating"')],
                          [series("toyou_upstream_endpoints", "1x20 0x3 1x17", UPSTREAM + ',state="ready"')]]),
    "ToyouDown": ([series("toyou_build_info", "1x10", 'component="dataplane",version="1"')],
                  [[series("toyou_build_info", "1x40", 'component="dataplane",version="1"')]]),
    "ToyouRestarted": ([series("process_start_time_seconds", "100x25 200x15")], [[series("process_start_time_seconds", "100x40")]]),
    "ToyouDrainCutShort": ([series("toyou_controller_drains_cut_total", "3x25 4x15"),
                            series("toyou_controller_drains_cut_total", "3x25 4x15", 'host="other"')],
                           [[series("toyou_controller_drains_cut_total", "3x40")],
                            # A new pod begins with what the Lease says.
                            [series("toyou_controller_drains_cut_total", "3x28"),
                             series("toyou_controller_drains_cut_total", "_x20 3x20", 'host="other"')]]),
    "ToyouMemory": (memory(500), [memory(400), [series("process_resident_memory_bytes", "%dx40" % (500 << 20))]]),
    "ToyouDescriptors": (descriptors(900), [descriptors(700)]),
    "ToyouAccessLogLines": ([series("toyou_access_log_lines_lost_total", "0+5x40")],
                            [[series("toyou_access_log_lines_lost_total", "7x40")]]),
    "ToyouSnapshotRefused": ([series("toyou_snapshot_loads_total", "0x25 1x15", 'state="refused"')],
                             [[series("toyou_snapshot_loads_total", "0+1x40", 'state="loaded"'),
                               series("toyou_snapshot_loads_total", "1x40", 'state="refused"')]]),
    "ToyouSnapshotStale": (generations("5x20 6x20", "5x40"), [generations("5+1x40", "5+1x40"), generations("5x29 6x11", "5x29 5x1 6x10")]),
    "ToyouPublishFailed": ([series("toyou_controller_publishes_total", "0x25 1x15", 'result="failed"')],
                           [[series("toyou_controller_publishes_total", "0+1x40", 'result="published"'),
                             series("toyou_controller_publishes_total", "3x40", 'result="failed"')]]),
    "ToyouCutOff": ([series("toyou_controller_watch_connected", "1x40", 'kind="Service",namespace="chat"'),
                     series("toyou_controller_watch_connected", "1x20 0x20", 'kind="Service",namespace="shop"')],
                    [[series("toyou_controller_watch_connected", "1x28 0x2 1x10", 'kind="Service"')]]),
    "ToyouNoLeader": ([series("toyou_controller_leader", "0x40")],
                      [[series("toyou_controller_leader", "1x40"), series("toyou_controller_leader", "0x40", 'host="other"')],
                       [series("toyou_controller_leader", "1x28 0x2 1x10")]]),
    "ToyouStatusErrors": ([series("toyou_controller_status_errors_total", "0+1x40")],
                          [[series("toyou_controller_status_errors_total", "0x20 1x20")]]),
    "ToyouCertificateExpires": ([series("toyou_certificate_expiry_seconds", "%dx40" % (6 * 86400), 'namespace="shop",secret="tls"')],
                                [[series("toyou_certificate_expiry_seconds", "%dx40" % (8 * 86400), 'namespace="shop",secret="tls"')]]),
    "ToyouInputProblems": ([series("toyou_controller_input_problems", "2x40")], [[series("toyou_controller_input_problems", "0x40")]]),
}
TIMES = {"ToyouReconnectStorm": "95m"}


@pytest.fixture(scope="module")
def rules_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(yaml.safe_dump(rules()))
    return str(path)


def promtool(*arguments):
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)


def names():
    return [rule["alert"] for group in rules()["groups"] for rule in group["rules"]]


def test_rules_are_valid(rules_file):
    done = promtool("check", "rules", rules_file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "%d rules found" % len(names()) in done.stdout


def test_every_alert_has_its_cases():
    assert sorted(names()) == sorted(CASES)


@pytest.fixture(scope="module")
def outcome(rules_file, tmp_path_factory):
    """What promtool says of all cases at once; each has a name that stands in its words."""
    tests = []
    for alert, (fires, quiet) in CASES.items():
        for number, given in enumerate([fires, *quiet]):
            # ALERTS says which alerts fire, without the words of their annotations.
            query = 'count by (alertname) (ALERTS{alertname="%s",alertstate="firing"})' % alert
            expected = [{"labels": '{alertname="%s"}' % alert, "value": 1}] if number == 0 else []
            tests.append({"name": "%s %d" % (alert, number), "interval": "1m", "input_series": given, "promql_expr_test": [
                {"expr": query, "eval_time": TIMES.get(alert, "30m"), "exp_samples": expected}]})
    path = tmp_path_factory.mktemp("rule-tests") / "tests.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [rules_file], "evaluation_interval": "1m", "tests": tests}))
    done = promtool("test", "rules", str(path))
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("alert", sorted(CASES))
def test_alert_fires_and_does_not(outcome, alert):
    status, words = outcome
    # promtool prints the query of each test that failed, and below it what it expected and got.
    about = [block for block in re.split(r"(?m)^ *(?=expr:)", words) if '\\"%s\\"' % alert in block]
    assert not about, "\n".join(about)
    assert status == 0 or "FAILED" in words, words


def test_no_alert_test_is_broken(outcome):
    assert outcome[0] == 0, outcome[1]


def test_every_alert_says_what_to_do():
    with open(os.path.join(TOP, "docs", "alerts.md"), encoding="utf-8") as file:
        sections = re.findall(r"^## (\w+)$", file.read(), re.MULTILINE)
    assert sorted(sections) == sorted(names())
    for group in rules()["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("critical", "warning", "info")
            assert rule["annotations"]["summary"] and rule["annotations"]["description"]
            assert rule["annotations"]["runbook_url"] == "docs/alerts.md#" + rule["alert"].lower()


def test_dashboard_queries_are_valid(tmp_path):
    board = json.loads(one(render("--set", "metrics.dashboard.enabled=true"), "ConfigMap")["data"]["toyou.json"])
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    assert len(queries) > 20
    group = [{"record": "query:%d" % number, "expr": re.sub(r"\$(?:job|namespace|route)", "x", query.replace("$__rate_interval", "5m"))}
             for number, query in enumerate(queries)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": group}]}))
    done = promtool("check", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_picture_is_of_this_dashboard():
    with open(os.path.join(TOP, "docs", "dashboard.svg"), encoding="utf-8") as file:
        picture = html.unescape(file.read())
    with open(os.path.join(TOP, "charts", "toyou", "files", "dashboard.json"), encoding="utf-8") as file:
        titles = [panel["title"] for panel in json.load(file)["panels"]]
    assert not [title for title in titles if title not in picture]
    assert "No data" not in picture
    (live,) = re.findall(r">Live WebSockets</text>\n<text [^>]*>([^<]+)<", picture)
    assert float(live) > 0  # drawn while clients were there


def test_thresholds_and_left_out_alerts():
    rule = one(render("--set", "metrics.prometheusRule.enabled=true", "--set", "metrics.job=edge", "--set",
                      "metrics.prometheusRule.maxWebSocketsPerPod=5000000", "--set",
                      "metrics.prometheusRule.disabled={ToyouDown}", "--set", "dataplane.resources.limits.memory=2Gi"),
               "PrometheusRule")
    text = yaml.safe_dump(rule)
    assert "> 5000000" in text and 'job="edge"' in text and 'job="toyou"' not in text and "ToyouDown" not in text
    assert "0.8 * 2147483648" in text
    assert not re.search(r"<[a-zA-Z]+>", text)


def test_without_a_memory_limit_there_is_no_memory_alert():
    rule = one(render("--set", "metrics.prometheusRule.enabled=true", "--set-json",
                      'dataplane.resources.limits={"memory":null}'), "PrometheusRule")
    assert "ToyouMemory" not in yaml.safe_dump(rule)
