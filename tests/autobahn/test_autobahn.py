"""Autobahn's test suite on both sides of the dataplane, in plain text and over TLS on both sides.

The suite's echo stands behind the dataplane and its fuzzing client in front of it; then its fuzzing server behind, and
its echoing client in front. Whatever frames the one fuzzes, the dataplane or the other has to deal with as RFC 6455
and RFC 7692 say.
"""
import json
import os
import subprocess

import pytest

from support.backends import closed_port
from support.wait import eventually
from support.wire import Connection

HERE = os.path.dirname(os.path.realpath(__file__))
HOST = "localhost"  # the suite asks for what it connects to
# By chapter: framing, pings, reserved bits, opcodes, fragments, UTF-8, closing; sizes and fragmentation; compression, of
# which the suite has 216 cases of 1,000 messages each, and a relay that does not decompress needs few.
CHAPTERS = {"protocol": ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"], "sizes": ["9.*"],
            "compression": ["12.1.%d" % case for case in (1, 2, 5, 10)] + ["13.%d.3" % chapter for chapter in range(1, 8)]}
COUNTS = {"protocol": 247, "sizes": 54, "compression": 11}
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}
SECONDS = 900


class Suite:
    """Processes of the suite; what they are given and what they report lies in `folder`."""

    def __init__(self, folder):
        self.folder, self.running = str(folder), []

    def start(self, mode, **specification):
        path = os.path.join(self.folder, mode + ".json")
        with open(path, "w", encoding="ascii") as file:
            json.dump(specification, file)
        with open(os.path.join(self.folder, mode + ".log"), "wb") as log:
            process = subprocess.Popen([os.environ["AUTOBAHN_PYTHON"], os.path.join(HERE, "peer.py"),
                                        os.environ["AUTOBAHN_PACKAGES"], mode, path], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, cwd=self.folder)
        self.running.append(process)
        return process

    def serve(self, mode, port, **specification):
        process = self.start(mode, **specification)

        def listens():
            assert process.poll() is None, self.log(mode)
            try:
                Connection(port).close()
                return True
            except OSError:
                return False
        eventually(listens, 30)

    def finish(self, mode, **specification):
        assert self.start(mode, **specification).wait(SECONDS) == 0, self.log(mode)

    def log(self, mode):
        with open(os.path.join(self.folder, mode + ".log"), encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    def verdicts(self):
        """{case: (behaviour, behaviour in closing)}."""
        with open(os.path.join(self.folder, "reports", "index.json"), encoding="utf-8") as file:
            (cases,) = json.load(file).values()
        return {name: (one["behavior"], one["behaviorClose"]) for name, one in cases.items()}

    def stop(self):
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture
def suite(tmp_path):
    made = Suite(tmp_path)
    yield made
    made.stop()


@pytest.fixture(params=["ws", "wss"])
def secure(request):
    return request.param == "wss"


@pytest.fixture
def between(world, authority, secure, tmp_path):
    """between(port): a dataplane in front of that port; (URL to be connected to, keywords for who listens at the port)."""
    def start(port):
        place, files = world(), {}
        place.certificate("front", authority.issue(HOST), default=True)  # the suite names no host in its handshake
        tls = None
        if secure:
            issued = authority.issue("autobahn.internal")
            files = {"key": str(tmp_path / "key.pem"), "cert": str(tmp_path / "cert.pem")}
            for name, text in (("key", issued.key), ("cert", issued.chain)):
                with open(files[name], "w", encoding="ascii") as file:
                    file.write(text)
            with open(authority.file, encoding="ascii") as file:
                place.authority("backends", file.read())
            tls = {"serverName": "autobahn.internal", "authority": "authority/default/backends"}
        place.route("autobahn", HOST, ("127.0.0.1", port), tls=tls)
        place.start()
        front = place.https if secure else place.http
        scheme = "wss" if secure else "ws"
        return "%s://%s:%d" % (scheme, HOST, front), {"url": "%s://127.0.0.1:%d" % (scheme, port), **files}
    return start


def check(verdicts, chapter):
    assert len(verdicts) == COUNTS[chapter], sorted(verdicts)
    bad = {name: verdict for name, verdict in verdicts.items() if not GOOD.issuperset(verdict)}
    assert not bad


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_fuzzing_client(suite, between, chapter):
    port = closed_port()
    url, listen = between(port)
    suite.serve("echo-server", port, **listen)
    suite.finish("fuzzing-client", outdir=os.path.join(suite.folder, "reports"), cases=CHAPTERS[chapter],
                 servers=[{"agent": "toyou", "url": url}])
    check(suite.verdicts(), chapter)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_fuzzing_server(suite, between, chapter):
    port = closed_port()
    url, listen = between(port)
    suite.serve("fuzzing-server", port, outdir=os.path.join(suite.folder, "reports"), cases=CHAPTERS[chapter], **listen)
    suite.finish("echo-client", url=url)
    check(suite.verdicts(), chapter)
