"""The rows of scripts/bench: what is done to each proxy, and which figures of it are shown."""
import contextlib
import json
import os
import select
import signal
import statistics
import subprocess
import time
from collections import namedtuple

from peers import Failed, Route, memory_kib

HOST = "bench.test"

# title; measure(bench, peer) -> figures; whether each measurement gets a fresh process; the share of --rounds;
# what is shown: (label, figure, digits). A row that shows cpu_us shows its ratio to the floor, too.
Row = namedtuple("Row", "title measure fresh share shown routes", defaults=[False])


class Load:
    """A bench_load that is told by standard input when to go on."""

    def __init__(self, bench, port, under=(), **options):
        self.process = subprocess.Popen([*under, *bench.load_command(port, **options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def read(self, seconds=240):
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise Failed("the load generator does not answer")
        line = self.process.stdout.readline()
        if not line:
            raise Failed("the load generator has ended")
        answer = json.loads(line)
        check(answer)
        return answer

    def say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def check(answer):
    if answer["errors"]:
        raise Failed("%s, first: %s" % (json.dumps(answer["errors"]), answer["first_error"]))


def load(bench, peer, tls=False, **options):
    """One run of the load generator with the CPU time of the proxy; Failed where a byte was wrong."""
    command = bench.load_command(peer.https if tls else peer.http, tls=tls, watch=",".join(map(str, peer.pids())), **options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode not in (0, 1):
        raise Failed(done.stderr.strip()[-300:])
    answer = json.loads(done.stdout.splitlines()[-1])
    check(answer)
    return answer


def echo(**options):
    return lambda bench, peer: load(bench, peer, mode="echo", **bench.window(), **options)


def rate(bench, peer):
    return load(bench, peer, mode="rate", connections=200, rate=10000, **bench.window())


def opens(bench, peer):
    return load(bench, peer, mode="open", connections=16, count=bench.scaled(4000))


def get(bench, peer):
    return load(bench, peer, mode="get", path="/bytes/100", size=100, **bench.window())


def handshakes(resume):
    return lambda bench, peer: load(bench, peer, tls=True, mode="handshake", path="/bytes/100", size=100, connections=16,
                                    count=bench.scaled(1000), resume=resume)


def idle(connections, tls):
    """Memory of WebSockets that do nothing: opened; after one message each; 3 s after they closed."""
    def measure(bench, peer):
        count = bench.scaled(connections)
        start, base = memory_kib(peer.pids(), ("Pss:",)), peer.memory()
        with contextlib.closing(Load(bench, peer.https if tls else peer.http, mode="idle", connections=count, tls=tls)) as one:
            one.read()
            time.sleep(1)
            fresh = peer.memory()
            one.say("echo")
            time.sleep(1)
            echoed = peer.memory()
            one.say("close")
        time.sleep(3)
        return {"fresh_kib": (fresh - base) / count, "echoed_kib": (echoed - base) / count,
                "left_mib": (peer.memory() - base) / 1024, "start_mib": start / 1024}
    return measure


def events(bench, peer):
    count, base = bench.scaled(1000), peer.memory()
    with contextlib.closing(Load(bench, peer.http, mode="events", path="/events?every=1000", connections=count, hold=True,
                                 warmup="1s", watch=",".join(map(str, peer.pids())))) as one:
        one.read()
        time.sleep(4)
        kib = (peer.memory() - base) / count
        return {**one.say("stop"), "kib": kib}


def changes(bench, peer):
    """Ten routes, one by one, under 1,000 live WebSockets. After each, ten more WebSockets open and stay: so every
    generation of a proxy that reloads by a new process has something to hold on to."""
    base, later = peer.memory(), []
    processes = len(peer.pids())
    routes, times = list(bench.routes), []
    with contextlib.ExitStack() as stack:
        live = stack.enter_context(contextlib.closing(Load(
            bench, peer.http, mode="rate", connections=bench.scaled(1000), rate=2000, hold=True, warmup="500ms")))
        live.read()
        time.sleep(1)
        before = peer.memory()
        for number in range(10):
            routes.append(Route(HOST, "/new-%d" % number, bench.other))
            peer.apply(routes)
            times.append(peer.await_answer(routes[-1], 20))
            later.append(stack.enter_context(contextlib.closing(Load(bench, peer.http, mode="idle", connections=10))))
            later[-1].read()
        time.sleep(1)
        figures = {"answer_ms": 1e3 * statistics.median(times), "slowest_ms": 1e3 * max(times),
                   "more_processes": len(peer.pids()) - processes, "more_mib": (peer.memory() - before) / 1024,
                   "live_mib": (before - base) / 1024}
        return {**figures, "p99_us": live.say("stop")["p99_us"]}  # an error of one of the live ends the measurement


def many_routes(bench, peer):
    few = load(bench, peer, mode="open", connections=16, count=bench.scaled(2000))["cpu_us"]
    small, small_carrier = peer.memory(), memory_kib(peer.carrier())
    processes = len(peer.pids())
    peer.stop()
    count = bench.scaled(5000)
    routes = [Route("h%d.many.test" % (number // 10), "/p%d" % (number % 10), bench.backend) for number in range(count)]
    seconds = peer.start([*routes, *bench.routes])
    time.sleep(1)
    big, big_carrier, last_load = peer.memory(), memory_kib(peer.carrier()), peer.last_load()
    if len(peer.pids()) != processes:
        raise Failed("%s: %d processes where there were %d" % (peer.name, len(peer.pids()), processes))
    some = routes[count // 2]
    many = load(bench, peer, mode="open", connections=16, count=bench.scaled(2000), host=some.host, path=some.path)["cpu_us"]
    peer.apply([*routes, *bench.routes, Route("h0.many.test", "/added", bench.other)])
    return {"load_s": seconds, "kib": (big - small) / count, "carrier_kib": (big_carrier - small_carrier) / count,
            "carrier_s": seconds if last_load is None else last_load, "answer_ms": 1e3 * peer.await_answer(peer.routes[-1], 60),
            "few_us": few, "many_us": many}


def beside(quiet, noise):
    """p99 of a steady load alone, and beside something else: noise(bench, peer) -> options of that. Who makes the noise
    gets of its core what the other leaves (SCHED_IDLE): what is measured is the proxy, not how clients share a core."""
    def measure(bench, peer):
        alone = load(bench, peer, mode="rate", **quiet, **bench.window())
        options = noise(bench, peer)
        port = options.pop("port")
        with contextlib.closing(Load(bench, port, under=("chrt", "--idle", "0"), hold=True, **options)) as other:
            time.sleep(0.7)
            busy = load(bench, peer, mode="rate", **quiet, **bench.window())
            found = other.say("stop")
            if "event" in found:  # that all were open
                found = other.read()
        return {"quiet_us": alone["p99_us"], "p99_us": busy["p99_us"], "times": busy["p99_us"] / max(1, alone["p99_us"]),
                "per_s": found["per_s"], "mib_s": found["per_s"] / 64}  # messages of 16 KiB
    return measure


def system_calls(bench, peer):
    """strace over a whole run of row 1, its 64 opens included."""
    counts = os.path.join(bench.folder, "strace")
    pids = [word for pid in peer.pids() for word in ("-p", str(pid))]
    trace = subprocess.Popen(["taskset", "-c", str(bench.proxy_core), "strace", "-c", "-f", "-o", counts, *pids],
                             stderr=subprocess.PIPE, text=True)
    try:
        for _ in pids[::2]:
            if "attached" not in (line := trace.stderr.readline()):
                raise Failed("strace: " + line.strip())
        found = load(bench, peer, mode="echo", **bench.window())
    finally:
        trace.send_signal(signal.SIGINT)
        trace.communicate(timeout=30)
    total = 0
    with open(counts, encoding="ascii") as file:
        for line in file:
            words = line.split()
            if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
                total += int(words[3])
    return {"calls": total / found["all_operations"]}


def hog(_, peer):
    return {"port": peer.http, "mode": "echo", "connections": 1, "size": 16384, "inflight": 256, "warmup": "200ms"}


def flood(_, peer):
    return {"port": peer.https, "mode": "handshake", "tls": True, "path": "/bytes/100", "size": 100, "connections": 32,
            "count": 10}


MESSAGES = [("us CPU/message", "cpu_us", 2), ("of it user", "user_share", 2), ("messages/s", "per_s", 0), ("p50 us", "p50_us", 0),
            ("p99 us", "p99_us", 0)]
MEMORY = [("KiB/connection", "fresh_kib", 2), ("after a message", "echoed_kib", 2), ("left after closing, MiB", "left_mib", 1),
          ("PSS at start, MiB", "start_mib", 1)]
SHAKES = [("us CPU/connection", "cpu_us", 0), ("connections/s", "per_s", 0), ("resumed", "resumed", 2)]
STEADY = {"connections": 200, "rate": 2000}

ROWS = {
    "1": Row("64 B echoed, 64 WebSockets, 1 message in flight", echo(), False, 1, MESSAGES),
    "1s": Row("row 1 again, system calls counted by strace", system_calls, False, 0.2, [("system calls/message", "calls", 2)]),
    "2": Row("64 B echoed, 64 WebSockets, 16 in flight", echo(inflight=16), False, 1, MESSAGES),
    "3": Row("512 B echoed, 1,000 WebSockets", echo(connections=1000, size=512), False, 1, MESSAGES),
    "4": Row("1 MiB echoed, 8 WebSockets", echo(connections=8, size=1 << 20), False, 1, MESSAGES),
    "5": Row("connect, upgrade, one echo, close", opens, False, 1, [
        ("us CPU/open", "cpu_us", 1), ("of it user", "user_share", 2), ("opens/s", "per_s", 0), ("p99 us", "p99_us", 0)]),
    "6": Row("10,000 messages/s over 200 WebSockets", rate, False, 1, MESSAGES),
    "7": Row("9,000 idle WebSockets", idle(9000, False), True, 0.4, MEMORY),
    "8m": Row("4,000 idle WebSockets over TLS 1.3", idle(4000, True), True, 0.4, MEMORY),
    "8e": Row("64 B echoed over TLS 1.3, 64 WebSockets", echo(tls=True), False, 1, MESSAGES),
    "8f": Row("full TLS handshake and a GET", handshakes(False), False, 1, SHAKES),
    "8r": Row("resumed TLS handshake and a GET", handshakes(True), False, 1, SHAKES),
    "8s": Row("200 WebSockets over TLS beside a flood of handshakes", beside({**STEADY, "tls": True}, flood), False, 1, [
        ("p99 us", "p99_us", 0), ("alone", "quiet_us", 0), ("times", "times", 1), ("handshakes/s", "per_s", 0)]),
    "9": Row("GET of 100 B, 64 connections kept", get, False, 1, [
        ("us CPU/request", "cpu_us", 2), ("of it user", "user_share", 2), ("requests/s", "per_s", 0), ("p99 us", "p99_us", 0)]),
    "10": Row("1,000 event streams, an event a second each", events, True, 0.6, [
        ("us CPU/event", "cpu_us", 1), ("KiB/stream", "kib", 1)]),
    "11": Row("10 routes added under 1,000 live WebSockets", changes, True, 0.4, [
        ("answers after, ms", "answer_ms", 0), ("slowest", "slowest_ms", 0), ("p99 us of the live", "p99_us", 0),
        ("processes more", "more_processes", 0), ("MiB more", "more_mib", 1)], True),
    "12": Row("5,000 routes", many_routes, True, 0.4, [
        ("ready after, s", "load_s", 2), ("what carries traffic loads in, s", "carrier_s", 2), ("KiB/route", "kib", 2),
        ("in what carries traffic", "carrier_kib", 2), ("one more answers after, ms", "answer_ms", 0),
        ("us CPU/open, 10 routes", "few_us", 0), ("us CPU/open, 5,000", "many_us", 0)], True),
    "13": Row("200 WebSockets beside one that sends all it can", beside(STEADY, hog), False, 1, [
        ("p99 us", "p99_us", 0), ("alone", "quiet_us", 0), ("times", "times", 1), ("MiB/s of that one", "mib_s", 0)]),
}
