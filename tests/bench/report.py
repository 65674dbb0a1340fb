"""Markdown of what scripts/bench measured."""
import json
import statistics

from peers import PEERS
from rows import ROWS

PROMISED = {"echo": ("0", "4.0"), "echo in batches of 16": ("0", "0.25"), "TLS echo": (None, "4.0"),
            "event": (None, "2.0"), "TLS event": (None, "2.0")}  # allocations, system calls: test_guards.py


def read(path):
    """(what describes the runs, measurements), from the lines of a results file."""
    runs, measurements = {}, []
    with open(path, encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            if "machine" in entry:
                runs[entry["run"]] = entry
            else:
                measurements.append(entry)
    return runs, measurements


def spread(values, digits):
    middle = statistics.median(values)
    text = "{:,.{}f}".format(middle, digits)
    if len(values) > 1:
        text += " ({:,.{}f} - {:,.{}f})".format(min(values), digits, max(values), digits)
    return text


def ratios(name, measurements):
    """CPU over that of the floor in the same round of the same run."""
    floor = {(one["run"], one["round"]): one["cpu_us"] for one in measurements if one["peer"] == "floor" and "cpu_us" in one}
    return [one["cpu_us"] / floor[one["run"], one["round"]] for one in measurements
            if one["peer"] == name and floor.get((one["run"], one.get("round")))]


def table(key, measurements):
    row = ROWS[key]
    with_ratio = any(figure == "cpu_us" for _, figure, _ in row.shown)
    yield "### Row %s: %s\n" % (key, row.title)
    heads = ["", *(["over the floor"] if with_ratio else []), *(label for label, _, _ in row.shown), "runs"]
    yield "| " + " | ".join(heads) + " |"
    yield "|---|" + "---:|" * (len(heads) - 1)
    failures = []
    for name in PEERS:
        mine = [one for one in measurements if one["peer"] == name]
        good = [one for one in mine if "failed" not in one]
        failures += ["- %s: %s" % (name, one["failed"]) for one in mine if "failed" in one]
        if not good:
            continue
        cells = [name]
        if with_ratio:
            found = ratios(name, [one for one in measurements if "failed" not in one])
            cells.append(spread(found, 2) if found else "-")
        for _, figure, digits in row.shown:
            cells.append(spread([one[figure] for one in good], digits) if figure in good[-1] else "-")
        yield "| " + " | ".join([*cells, str(len(good))]) + " |"
    yield ""
    if failures:
        yield "Runs that failed, and count for nothing above:\n"
        yield from failures
        yield ""


def markdown(path):
    runs, measurements = read(path)
    yield "Medians, and in brackets the least and the most, over the runs. An echo crosses the proxy twice.\n"
    last = runs[max(runs)]
    yield "- " + last["machine"]
    yield "- measured %s; proxy on core %d, load and backends on core %d" % (last["date"], last["proxy_core"], last["load_core"])
    if len({one["machine"] for one in runs.values()}) > 1:
        yield "- **some of the runs were made on another machine or kernel**"
    versions = {name: version for run in sorted(runs) for name, version in runs[run]["versions"].items()}
    for name, version in sorted(versions.items(), key=lambda item: list(PEERS).index(item[0])):
        yield "- %s: %s" % (name, version)
    yield ""
    for key in ROWS:
        mine = [one for one in measurements if one["row"] == key]
        if mine:
            yield from table(key, mine)


def recorded(figures):
    """Of recorded.json."""
    def cell(kind, name, digits):
        return "{:,.{}f}".format(figures[kind + ", " + name], digits) if kind + ", " + name in figures else "-"
    yield "| one | instructions | allocations | system calls |"
    yield "|---|---:|---:|---:|"
    for name in ("echo", "echo in batches of 16", "TLS echo", "event", "TLS event", "GET", "TLS GET", "open",
                 "TLS open"):
        allocations, calls = PROMISED.get(name, (None, None))
        yield "| %s | %s | %s | %s |" % (name, cell("instructions", name, 0), allocations or cell("allocations", name, 0),
                                         calls or cell("system calls", name, 1))
    yield ""
    yield "| KiB of one that is idle | fresh | after a message or an event |"
    yield "|---|---:|---:|"
    for name in ("plain", "TLS 1.3"):
        yield "| WebSocket, %s | %s | %s |" % (name, *(cell("KiB of an idle WebSocket", "%s, %s" % (name, when), 2)
                                                     for when in ("fresh", "after a message")))
    yield "| event stream | - | %s |" % cell("KiB of an idle event stream", "after an event", 2)


def section(document, name):
    """(text before, lines between the marks, text after)."""
    with open(document, encoding="utf-8") as file:
        text = file.read()
    begin, end = ("<!-- %s: %s -->" % (name, which) for which in ("begin", "end"))
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(end) < text.index(begin):
        raise ValueError("%s: the marks %s and %s must be there once each" % (document, begin, end))
    before, rest = text.split(begin)
    between, after = rest.split(end)
    return before + begin, between.strip("\n").split("\n"), end + after


def fill(document, name, lines):
    """Puts the lines between the marks of a section."""
    before, _, after = section(document, name)
    with open(document, "w", encoding="utf-8") as file:
        file.write("%s\n\n%s\n\n%s" % (before, "\n".join(lines).strip("\n"), after))
