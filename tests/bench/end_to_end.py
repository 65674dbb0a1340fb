"""The project's benchmark: what toyou costs beside a relay that parses nothing and whichever proxies are installed.

Proxies take turns, round after round, on one core; the load generator, which checks every byte, and its backends are
on another. CPU is the run time of all threads of the proxy's processes (user and system) over the operations of the
window. docs/performance.md has the method and what the rows mean.
"""
import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import report  # noqa: E402
from peers import PEERS, Failed, Route, free_port, installed  # noqa: E402
from rows import HOST, ROWS  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.toyou import program  # noqa: E402


class Bench:
    """What the rows share: cores, folder, certificate, backends."""

    def __init__(self, options):
        self.options, self.folder, self.processes, self.names = options, tempfile.mkdtemp(prefix="toyou-bench-"), [], {}
        self.proxy_core, self.load_core = options.cores
        self.certificate, self.key = (os.path.join(self.folder, name) for name in ("chain.pem", "key.pem"))
        issued = Authority(self.folder).issue(HOST, "*.test", "*.many.test")
        for path, text in ((self.certificate, issued.chain), (self.key, issued.key)):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        self.backend, self.other = self.add_backend("first"), self.add_backend("second")
        self.routes = [Route("h%d.test" % number, "/", self.backend) for number in range(9)] + [Route(HOST, "/", self.backend)]

    def add_backend(self, name):
        port = free_port()
        process = subprocess.Popen(["taskset", "-c", str(self.load_core), program("bench_backend"), "--port", str(port),
                                    "--name", name], stdout=subprocess.PIPE)
        self.processes.append(process)
        if process.stdout.readline() != b"ready\n":
            raise SystemExit("bench: the backend does not start")
        self.names[port] = name
        return port

    def load_command(self, port, **options):
        command = ["taskset", "-c", str(self.load_core), program("bench_load"), "--port", str(port), "--host",
                   options.pop("host", HOST)]
        for name, value in options.items():
            if value is True:
                command.append("--" + name)
            elif value is not False:
                command += ["--" + name, str(value)]
        return command

    def scaled(self, count):
        return max(10, int(count * self.options.scale))

    def window(self):
        return {"warmup": "%dms" % (500 * self.options.scale + 100), "duration": "%dms" % (2000 * self.options.scale)}

    def close(self):
        for process in self.processes:
            process.terminate()
            process.wait()
        if not self.options.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.MULTILINE)
    with open("/proc/meminfo", encoding="ascii") as file:
        kib = int(re.search(r"^MemTotal:\s+(\d+)", file.read()).group(1))
    return "%s, %d cores, %d GiB, Linux %s" % (model.group(1) if model else platform.machine(), os.cpu_count(),
                                              kib >> 20, platform.release())


def measure_row(bench, key, names, note):
    row, running = ROWS[key], {}
    if row.routes:
        names = [name for name in names if PEERS[name].has_routes]
    rounds = max(1, round(bench.options.rounds * row.share))
    print("row %s: %s (%d round%s)" % (key, row.title, rounds, "" if rounds == 1 else "s"), flush=True)
    with contextlib.ExitStack() as stack:
        for number in range(rounds):
            for name in names[number % len(names):] + names[:number % len(names)]:
                try:
                    if row.fresh or name not in running:
                        running[name] = PEERS[name](bench)
                        stack.callback(running[name].stop)
                        running[name].start(bench.routes)
                    figures = row.measure(bench, running[name])
                    shown = ", ".join("%s %.*f" % (label, digits, figures[figure]) for label, figure, digits in row.shown
                                      if figure in figures)
                    note({"row": key, "peer": name, "round": number, **{
                        figure: value for figure, value in figures.items() if isinstance(value, (int, float))}})
                    print("  %-8s %s" % (name, shown), flush=True)
                except (Failed, OSError, subprocess.TimeoutExpired, ValueError) as error:
                    said = str(error).replace(bench.folder, "FOLDER")[:300]
                    note({"row": key, "peer": name, "round": number, "failed": said})
                    print("  %-8s FAILED: %s" % (name, said), flush=True)
                finally:
                    if row.fresh and name in running:
                        running[name].stop()


def cores(text):
    found = [int(word) for word in text.split(",")]
    if len(found) != 2 or found[0] == found[1]:
        raise argparse.ArgumentTypeError("two different cores, like 0,1")
    return found


def selection(known):
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError("%s is none of %s" % (name, ", ".join(known)))
        return names
    return parse


def parse_options():
    usable = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="rows:\n" + "\n".join("  %-3s %s" % (key, row.title) for key, row in ROWS.items()))
    parser.add_argument("--rows", type=selection(ROWS), default=list(ROWS), metavar="KEY,...", help="default: all, see below")
    parser.add_argument("--peers", type=selection(PEERS), default=[name for name in PEERS if PEERS[name].usual], metavar="NAME,...",
                        help="of %s (default: those that are installed, toyou with one worker; $NAME_BIN names a program)" % ", ".join(PEERS))
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default 5; rows that take long get a part of them")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="windows and counts times X; below 1 for a quick look")
    parser.add_argument("--cores", type=cores, default=usable[:2], metavar="P,L", help="of the proxy, of the load (default %s)" %
                        ",".join(map(str, usable[:2])))
    parser.add_argument("--results", default="build/bench.jsonl", metavar="FILE",
                        help="a line for each measurement is added to it (default build/bench.jsonl); runs add up")
    parser.add_argument("--report", metavar="DOCUMENT", help="measure nothing: put the tables of --results between the marks of a "
                        "document; - for standard output")
    parser.add_argument("--keep", action="store_true", help="keep the folder with configurations and logs")
    options = parser.parse_args()
    if options.report is None and len(options.cores) < 2:
        parser.error("two cores are needed, one is usable")
    if options.rounds < 1 or not 0.01 <= options.scale <= 100:
        parser.error("--rounds must be 1 or more, --scale between 0.01 and 100")
    return parser, options


def show(parser, options):
    try:
        lines = list(report.markdown(options.results))
        if options.report == "-":
            print("\n".join(lines))
        else:
            report.fill(options.report, "measured", lines)
            print("bench: %s has the tables of %s" % (options.report, options.results))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return 0


def main():
    parser, options = parse_options()
    if options.report:
        return show(parser, options)
    names = installed(options.peers)
    if not names:
        parser.error("none of these peers is installed")
    # Whatever ends us, the proxies end as well; started in the background of a shell we would ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run, failed, began = int(time.time()), 0, time.monotonic()
    os.makedirs(os.path.dirname(options.results) or ".", exist_ok=True)
    bench = Bench(options)
    with open(options.results, "a", encoding="utf-8") as results:
        def note(entry):
            nonlocal failed
            failed += "failed" in entry
            results.write(json.dumps({"run": run, **entry}) + "\n")
            results.flush()
        note({"machine": machine(), "date": time.strftime("%Y-%m-%d", time.gmtime()), "proxy_core": bench.proxy_core,
              "load_core": bench.load_core, "versions": {name: PEERS[name].version() for name in names}})
        try:
            for key in options.rows:
                measure_row(bench, key, names, note)
        finally:
            bench.close()
    print("bench: %d s, %d measurements failed; %s has all; tables: scripts/bench --report -" % (
        time.monotonic() - began, failed, options.results))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
