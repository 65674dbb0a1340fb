#!/usr/bin/env python3
"""Draws the Grafana dashboard from real data, for docs/monitoring.md.

usage: tests/chart/draw_dashboard.py [--prometheus URL] [--minutes N] [--job NAME] FILE.svg

Asks a Prometheus for what each panel of charts/toyou/files/dashboard.json asks for, and draws it in the grid of the
dashboard. It is not Grafana: colours, fonts and axes are this script's own; titles, queries, legends and places are
those of the file.
"""
import argparse
import html
import json
import math
import os
import re
import sys
import time
import urllib.parse
import urllib.request

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
CELL_WIDTH, CELL_HEIGHT, GAP = 50, 26, 6  # of the grid: 24 columns
LINES = 5         # of a legend
COLOURS = ("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#37872d", "#e0b400")
UNITS = {"s": ("s", 1000), "bytes": ("B", 1024), "Bps": ("B/s", 1024), "reqps": ("req/s", 1000), "cps": ("/s", 1000), "mps": ("msg/s", 1000),
         "ops": ("/s", 1000)}


def shown(value, unit):
    """A number as people write it."""
    if value is None or math.isnan(value):
        return "–"
    suffix, base = UNITS.get(unit, ("", 1000))
    if unit == "percentunit":
        return "%.3g %%" % (value * 100)
    if unit == "s" and 0 < abs(value) < 1:
        return "%.3g ms" % (value * 1000) if abs(value) >= 0.001 else "%.3g µs" % (value * 1e6)
    for prefix in ("", "K" if base == 1024 else "k", "M", "G"):
        if abs(value) < base or prefix == "G":
            return ("%.3g %s%s" % (value, prefix, suffix)).strip()
        value /= base
    return str(value)


class Source:
    """A Prometheus, and the stretch of time that is drawn."""

    def __init__(self, options):
        self.url, self.job = options.prometheus, options.job
        self.end = time.time()
        self.begin = self.end - 60 * options.minutes
        self.step = max(1, int(60 * options.minutes / 240))

    def series(self, expression):
        """[(labels, [(time, value), …])]"""
        query = expression.replace("$job", self.job).replace("$__rate_interval", "%ds" % max(20, 4 * self.step))
        query = re.sub(r"\$(namespace|route)", ".*", query)
        parameters = {"query": query, "start": self.begin, "end": self.end, "step": self.step}
        with urllib.request.urlopen(self.url + "/api/v1/query_range?" + urllib.parse.urlencode(parameters), timeout=30) as answer:
            found = json.load(answer)["data"]["result"]
        return [(one["metric"], [(float(at), float(value)) for at, value in one["values"]]) for one in found]


def title_of(target, labels):
    legend = target.get("legendFormat") or ""
    if not legend:
        return ", ".join("%s=%s" % pair for pair in sorted(labels.items()) if pair[0] not in ("job", "instance", "__name__"))
    return re.sub(r"\{\{ *(\w+) *\}\}", lambda match: labels.get(match.group(1), ""), legend).strip(" /")


def text(x, y, words, size=11, colour="#ccccdc", anchor="start", weight="normal"):
    return '<text x="%.1f" y="%.1f" font-size="%d" fill="%s" text-anchor="%s" font-weight="%s">%s</text>' % (
        x, y, size, colour, anchor, weight, html.escape(words))


def frame(panel):
    grid = panel["gridPos"]
    x, y = grid["x"] * CELL_WIDTH + GAP / 2, grid["y"] * CELL_HEIGHT + GAP / 2
    return x, y, grid["w"] * CELL_WIDTH - GAP, grid["h"] * CELL_HEIGHT - GAP


def draw_stat(panel, series, unit):
    x, y, width, height = frame(panel)
    values = [points[-1][1] for _, points in series if points]
    words = shown(values[0] if values else None, unit)
    return [text(x + width / 2, y + height / 2 + 18, words, 28, COLOURS[0], "middle", "bold")]


def draw_lines(panel, source, titled, unit):
    x, y, width, height = frame(panel)
    left, top, bottom = x + 56, y + 30, y + height - 20 - 13 * min(LINES, len(titled))
    right = x + width - 10
    values = [v for _, points in titled for _, v in points if not math.isnan(v) and not math.isinf(v)]
    low, high = min(values + [0]), max(values + [0])
    if high == low:
        high = low + 1
    out = []
    for share in (0, 0.5, 1):
        level = bottom - share * (bottom - top)
        out.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#2c3235"/>' % (left, level, right, level))
        out.append(text(left - 4, level + 4, shown(low + share * (high - low), unit), 9, "#8e8e9b", "end"))
    for number, (title, points) in enumerate(titled):
        colour = COLOURS[number % len(COLOURS)]
        places = ["%.1f,%.1f" % (left + (at - source.begin) / (source.end - source.begin) * (right - left),
                                 bottom - (value - low) / (high - low) * (bottom - top))
                  for at, value in points if not math.isnan(value) and not math.isinf(value)]
        out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>' % (" ".join(places), colour))
        if number < LINES:
            level = bottom + 18 + 13 * number
            out.append('<rect x="%.1f" y="%.1f" width="10" height="3" fill="%s"/>' % (x + 10, level - 5, colour))
            last = next((value for _, value in reversed(points) if not math.isnan(value)), None)
            out.append(text(x + 26, level, title[:int((width - 110) / 5.6)], 10))
            out.append(text(right, level, shown(last, unit), 10, "#ccccdc", "end"))
    return out


def draw_panel(panel, source):
    x, y, width, height = frame(panel)
    if panel["type"] == "row":
        return [text(x + 4, y + 15, "▾ " + panel["title"], 13, "#ccccdc", "start", "bold")]
    unit = panel["fieldConfig"]["defaults"].get("unit", "short")
    found = [(target, labels, points) for target in panel["targets"] for labels, points in source.series(target["expr"])]
    out = ['<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#181b1f" stroke="#2c3235"/>' % (x, y, width, height),
           text(x + 8, y + 17, panel["title"], 12, "#ccccdc", "start", "bold")]
    if not found:
        return out + [text(x + width / 2, y + height / 2, "No data", 12, "#8e8e9b", "middle")]
    if panel["type"] == "stat":
        return out + draw_stat(panel, [(labels, points) for _, labels, points in found], unit)
    titled = [(title_of(target, labels), points) for target, labels, points in found]
    return out + draw_lines(panel, source, titled, unit)


def main():
    parser = argparse.ArgumentParser(usage=__doc__[__doc__.index("usage:") + 7:].split("\n")[0], description=__doc__)
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--job", default="toyou")
    parser.add_argument("file")
    options = parser.parse_args()
    with open(os.path.join(TOP, "charts", "toyou", "files", "dashboard.json"), encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    source = Source(options)
    width = 24 * CELL_WIDTH
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) * CELL_HEIGHT
    with open(options.file, "w", encoding="utf-8") as file:
        file.write('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="Inter, Helvetica, Arial, sans-serif">\n'
                   '<rect width="%d" height="%d" fill="#111217"/>\n' % (width, height, width, height))
        for panel in panels:
            file.write("\n".join(draw_panel(panel, source)) + "\n")
        file.write("</svg>\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
