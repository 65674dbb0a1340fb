"""Markdown of what scripts/bench measured."""
import json
import re
import statistics

from peers import PEERS
from rows import ROWS

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


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
            cells.append(spread([one[figure] for one in good], digits) if figure in good[0] else "-")
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


def fill(document, lines):
    """Puts the lines between the two marks of a document."""
    with open(document, encoding="utf-8") as file:
        text = file.read()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError("%s: the marks %s and %s must be there once each" % (document, BEGIN, END))
    new = re.sub("(%s\n).*(?=%s)" % (BEGIN, END), lambda match: match.group(1) + "\n" + "\n".join(lines).rstrip() + "\n\n", text,
                 flags=re.DOTALL)
    with open(document, "w", encoding="utf-8") as file:
        file.write(new)
