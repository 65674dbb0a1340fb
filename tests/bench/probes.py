"""What a dataplane does while it is driven in lock step, by thread: system calls (strace), instructions
(callgrind), allocations (a preloaded counter). None of them is a time: they are the same on every machine.

A probe is a context manager around a Lockstep: `rig` drives it, `measure` does the counting, and what it
gives is complete once the block has ended.
"""
import collections
import glob
import os
import re
import struct
import subprocess
from urllib.parse import quote, unquote

from lockstep import Lockstep, run

# Threads that carry traffic; the others follow the snapshot directory and answer the admin address.
TRAFFIC = re.compile(r"^(worker|relay|log)")


class Probe:
    def __init__(self, folder, **rig):
        self.folder, self._options, self.rig = str(folder), rig, None
        self.operations = {}  # of a measurement
        self.found = {}  # measurement -> thread name -> counts

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        self.rig = Lockstep(os.path.join(self.folder, "snapshot"), under=self.under(), env=self.environment(), **self._options)
        self.names = self.rig.threads()
        return self

    def __exit__(self, kind, *_):
        self.rig.close()
        if kind is None:
            self.collect()

    def measure(self, name, step, operations, warm=20):
        run(step, warm)
        self.begin(name)
        self.operations[name] = run(step, operations)
        self.end(name)

    def by_thread(self, name):
        """Counts for one operation, of the threads that carry traffic."""
        return {thread: {what: count / self.operations[name] for what, count in counts.items() if count}
                for thread, counts in self.found[name].items() if TRAFFIC.match(thread)}

    def for_one(self, name):
        """The same, summed over threads."""
        total = collections.Counter()
        for counts in self.by_thread(name).values():
            total.update(counts)
        return dict(total)

    def under(self):
        return ()

    def environment(self):
        return {}

    def collect(self):
        pass


class SystemCalls(Probe):
    """strace as the grandchild of the dataplane: needs no right that a plain container lacks."""

    def under(self):
        self.log = os.path.join(self.folder, "strace")
        return ["strace", "-D", "-f", "-s", "80", "-e", "signal=none", "-o", self.log]

    def begin(self, name):
        self.rig.dataplane.get("/begin/%s/" % quote(name))

    def end(self, name):
        self.rig.dataplane.get("/end/")

    def collect(self):
        current = None
        with open(self.log, encoding="latin-1") as file:
            for line in file:
                if current is None:
                    found = re.search(r'"GET /begin/(\S+)/ ', line)
                    if found:
                        current = self.found[unquote(found.group(1))] = collections.defaultdict(collections.Counter)
                elif '"GET /end/ ' in line:
                    current = None
                else:
                    self.count(current, line)

    def count(self, into, line):
        """A call counts when it begins; one that finds nothing to do then counts as "NAME in vain"."""
        began, resumed = re.match(r"(\d+) +(\w+)\(", line), re.match(r"(\d+) +<\.\.\. (\w+) resumed>", line)
        found = began or resumed
        if not found:
            return
        thread, name = into[self.names.get(int(found.group(1)), "new")], found.group(2)
        if began:
            thread[name] += 1
        if " = -1 EAGAIN" in line:
            thread[name] -= 1
            thread[name + " in vain"] += 1


class Instructions(Probe):
    """callgrind, told through its own control channel to write its counters and begin anew."""

    def under(self):
        self.out, self.prefix, self.dumps, self.spans = os.path.join(self.folder, "callgrind"), os.path.join(self.folder, "vgdb"), 0, {}
        return ["valgrind", "-q", "--tool=callgrind", "--separate-threads=yes", "--callgrind-out-file=" + self.out,
                "--vgdb-prefix=" + self.prefix]

    def _dump(self):
        done = subprocess.run(["vgdb", "--vgdb-prefix=" + self.prefix, "--pid=%d" % self.rig.dataplane.pid, "dump"],
                              capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        self.dumps += 1
        return self.dumps

    def begin(self, name):
        self._dump()

    def end(self, name):
        self.spans[name] = self._dump()

    def collect(self):
        names = list(self.names.values())  # valgrind numbers threads as they start
        for name, dump in self.spans.items():
            self.found[name] = collections.defaultdict(collections.Counter)
            for path in glob.glob("%s.%d-*" % (self.out, dump)):
                with open(path, encoding="ascii") as file:
                    text = file.read()
                thread = int(re.search(r"^thread: (\d+)", text, re.MULTILINE).group(1))
                total = int(re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE).group(1))
                self.found[name][names[thread - 1] if thread <= len(names) else "new"]["instructions"] += total
            assert self.found[name], "callgrind wrote nothing for %s" % name


    def functions(self, name):
        """What each function itself costs in one operation, of the threads that carry traffic."""
        found, names = collections.Counter(), list(self.names.values())
        for path in glob.glob("%s.%d-*" % (self.out, self.spans[name])):
            known, current, inclusive = {}, None, False
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
            if not TRAFFIC.match(names[int(re.search(r"^thread: (\d+)", text, re.MULTILINE).group(1)) - 1]):
                continue
            for line in text.splitlines():
                if function := re.match(r"(c?)fn=\((\d+)\)(?: (.*))?$", line):
                    called, number, said = function.groups()
                    known[number] = said or known[number]
                    current = current if called else known[number]
                elif line.startswith("calls="):
                    inclusive = True  # the next line is of what was called
                elif cost := re.match(r"[-+*\d]\S* (\d+)$", line):
                    if not inclusive:
                        found[current] += int(cost.group(1))
                    inclusive = False
        return {function: cost / self.operations[name] for function, cost in found.most_common() if cost}


class Allocations(Probe):
    SLOT = struct.Struct("qQQQ")

    def under(self):
        self.file = os.path.join(self.folder, "allocations")
        with open(self.file, "wb"):
            pass
        return ()

    def environment(self):
        return {"LD_PRELOAD": self.library(), "MALLOC_COUNTER_FILE": self.file}

    @staticmethod
    def library():
        from support.toyou import BIN
        path = os.path.join(os.path.dirname(BIN), "lib", "libmalloc_counter.so")
        assert os.path.exists(path), "%s is missing: scripts/build malloc_counter" % path
        return path

    def read(self):
        """{thread name: Counter}, from the start of the process."""
        names = self.rig.threads()
        found = {}
        with open(self.file, "rb") as file:
            for thread, allocations, frees, size in self.SLOT.iter_unpack(file.read()):
                if thread:
                    found[names.get(thread, "ended")] = collections.Counter(allocations=allocations, frees=frees, bytes=size)
        return found

    def begin(self, name):
        self.before = self.read()

    def end(self, name):
        self.found[name] = {thread: counts - self.before.get(thread, collections.Counter())
                            for thread, counts in self.read().items()}
