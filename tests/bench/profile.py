"""Where the instructions of a message, a request or an open go: callgrind, by function, without what it calls."""
import argparse
import os
import ssl
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from probes import Instructions  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.tls import client_context  # noqa: E402

KINDS = {"echo": (lambda rig, tls: rig.echo(), 2000), "batch": (lambda rig, tls: rig.echo(batch=16), 16000),
         "event": (lambda rig, tls: rig.event(), 1000), "get": (lambda rig, tls: rig.get(), 1000), "open": (lambda rig, tls: rig.open(), 300),
         "tls-echo": (lambda rig, tls: rig.echo(tls=tls), 2000), "tls-get": (lambda rig, tls: rig.get(tls=tls), 500),
         "tls-open": (lambda rig, tls: rig.open(tls=tls), 100)}


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench profile", description=__doc__)
    parser.add_argument("kind", nargs="*", choices=list(KINDS), default=["echo"], metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--lines", type=int, default=30, help="functions shown (default 30)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tls = client_context(minimum=ssl.TLSVersion.TLSv1_3)
        with Instructions(os.path.join(folder, "run"), certificate=Authority(folder).issue("*.tls.test")) as probe:
            for kind in options.kind:
                make, operations = KINDS[kind]
                probe.measure(kind, make(probe.rig, tls), operations)
        for kind in options.kind:
            print("%s: %.0f instructions" % (kind, probe.for_one(kind)["instructions"]))
            for function, cost in list(probe.functions(kind).items())[:options.lines]:
                print("%10.1f  %s" % (cost, function))


if __name__ == "__main__":
    main()
