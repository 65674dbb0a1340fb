"""One end of Autobahn's test suite, as its own command line starts it, and its echo server over TLS, which that
cannot. Runs in Python 2.7, like the suite.

usage: peer.py PACKAGES MODE SPECIFICATION     PACKAGES: where pip put the suite; SPECIFICATION: a file of JSON
"""
import json
import site
import sys

site.addsitedir(sys.argv[1])

from autobahntestsuite import fuzzing, testee  # noqa: E402  # pylint: disable=wrong-import-position,import-error
from autobahn.twisted.websocket import listenWS  # noqa: E402  # pylint: disable=wrong-import-position,import-error
from twisted.internet import reactor, ssl  # noqa: E402  # pylint: disable=wrong-import-position,import-error


def listen(factory, tls=None):
    factory.externalPort = None  # the port of the proxy, which Host names, is another than ours
    return listenWS(factory, tls)


def echo_server(wanted):
    tls = ssl.DefaultOpenSSLContextFactory(wanted["key"], wanted["cert"]) if "key" in wanted else None
    listen(testee.TesteeServerFactory(wanted["url"]), tls)


fuzzing.listenWS = listen


MODES = {
    "echo-server": echo_server,
    "echo-client": lambda wanted: testee.startClient(wanted["url"], ident="echo"),
    "fuzzing-client": fuzzing.startClient,
    "fuzzing-server": lambda wanted: fuzzing.startServer(wanted, 0),
}

with open(sys.argv[3]) as file:
    specification = json.load(file)
# The suite wants bytes where it speaks of addresses.
for key in ("url", "key", "cert", "outdir"):
    if key in specification:
        specification[key] = str(specification[key])
for server in specification.get("servers", ()):
    server.update({key: str(value) for key, value in server.items()})
MODES[sys.argv[2]](specification)
reactor.run()
