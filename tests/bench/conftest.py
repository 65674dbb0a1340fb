"""Figures of tests/bench: what was recorded, and what this run found."""
import json
import os
import platform
import re
import subprocess

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
FILE = os.path.join(HERE, "recorded.json")


def pytest_addoption(parser):
    parser.addoption("--record", action="store_true", help="write what is found to tests/bench/recorded.json")


def environment():
    """What instruction counts depend on besides our sources."""
    compiler = subprocess.run(["clang++-19", "--version"], capture_output=True, text=True, check=False).stdout
    openssl = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"version (\S+)", compiler)
    return {"machine": platform.machine(), "libc": " ".join(platform.libc_ver()),
            "clang": version.group(1) if version else "none", "openssl": " ".join(openssl.split()[:2])}


class Ledger:
    """Compares figures with the recorded ones, or records them."""

    def __init__(self, record):
        self.record, self.found = record, {}
        self.environment = environment()
        with open(FILE, encoding="utf-8") as file:
            self.recorded = json.load(file)

    def check(self, name, value, tolerance):
        """A figure that moved by more than `tolerance` fails, whichever way: what got better is recorded, so that
        it cannot be lost again. Elsewhere (another compiler or library) only what is far off fails."""
        self.found[name] = round(value, 2)
        if self.record:
            return
        known = self.recorded["figures"].get(name)
        assert known is not None, "%s has never been recorded: scripts/bench record" % name
        if self.recorded["environment"] != self.environment:
            tolerance = max(0.25, tolerance)
        if value > known * (1 + tolerance) + 0.05:
            raise AssertionError("%s: %.2f, recorded %.2f, %+.1f %%" % (name, value, known, 100 * (value / known - 1) if known else 0))
        if value < known * (1 - tolerance) - 0.05:
            raise AssertionError("%s: %.2f, better than the recorded %.2f: keep it by scripts/bench record" % (name, value, known))

    def save(self):
        figures = {**self.recorded["figures"], **self.found}
        with open(FILE, "w", encoding="utf-8") as file:
            json.dump({"environment": self.environment, "figures": dict(sorted(figures.items()))}, file, indent=2)
            file.write("\n")


@pytest.fixture(scope="session")
def ledger(request):
    made = Ledger(request.config.getoption("--record"))
    yield made
    if made.record:
        made.save()
