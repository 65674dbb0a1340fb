"""docs/performance.md says what was recorded, and which rows there are."""
import json
import re

import pytest

import report
from conftest import DOCUMENT, FILE
from rows import ROWS


def test_it_has_the_recorded_figures():
    with open(FILE, encoding="utf-8") as file:
        figures = json.load(file)["figures"]
    assert report.section(DOCUMENT, "recorded")[1] == list(report.recorded(figures)), "scripts/bench record writes them"


def test_it_names_every_row():
    with open(DOCUMENT, encoding="utf-8") as file:
        method = file.read().split("\n## Counts")[0]
    named = re.findall(r"^\| (\d+\w?) \|", method, re.MULTILINE)
    assert named == list(ROWS)


def test_tables(tmp_path):
    results = tmp_path / "results"
    lines = [{"run": 1, "machine": "a machine", "date": "2026-01-01", "proxy_core": 0, "load_core": 1,
              "versions": {"floor": "-", "toyou": "toyou 1"}},
             *({"run": 1, "row": "1", "peer": peer, "round": number, "cpu_us": cpu, "user_share": 0.1, "per_s": 10.0, "p50_us": 1.0,
                "p99_us": 2.0} for number, peer, cpu in ((0, "floor", 10.0), (0, "toyou", 11.0), (1, "floor", 20.0),
                                                        (1, "toyou", 24.0))),
             {"run": 1, "row": "1", "peer": "toyou", "round": 2, "failed": "a byte was wrong"}]
    results.write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = "\n".join(report.markdown(results))
    assert "| toyou | 1.15 (1.10 - 1.20) | 17.50 (11.00 - 24.00) | 0.10 (0.10 - 0.10)" in text
    assert "- toyou: a byte was wrong" in text
    document = tmp_path / "document"
    document.write_text("before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n")
    report.fill(document, "measured", ["new", "lines"])
    assert report.section(document, "measured")[1] == ["new", "lines"]
    assert document.read_text().startswith("before\n") and document.read_text().endswith("-->\nafter\n")
    with pytest.raises(ValueError, match="must be there once each"):
        report.fill(document, "other", [])
