"""Charts as SVG, drawn by ourselves: lines with a readout, points, histograms. Colours are the page's, by class."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from netspec.training.report.content import Histogram
from netspec.training.report.markup import Content, Element, element, short
from netspec.training.report.scales import Scale, linear, logarithmic, marked, wants_logarithm, whole, written

WIDTH, HEIGHT = 420.0, 236.0
"""Of a chart, in units that are about a pixel at the width of a phone and in the columns of a desktop."""

LEFT, RIGHT, TOP, BOTTOM = 54.0, 12.0, 10.0, 36.0
"""Room around the plotted area."""

LONGEST = 34
"""Letters of what an upright axis is called."""

DOTTED = 40
"""A line of at most so many points shows each as a dot."""


class Line(NamedTuple):
    """A line of a chart: what it is, the class that gives it its colour, and (x, y) in order; no y leaves a gap."""

    name: str
    kind: str
    points: tuple[tuple[float, float | None], ...]


def line_chart(title: str, lines: Sequence[Line], unit: str, x_name: str = "epoch") -> Element:
    """Lines over a common x. The readout below shows the last values, and those at the pointer where scripts run."""
    places = sorted({x for line in lines for x, _ in line.points})
    values = [y for line in lines for _, y in line.points if y is not None]
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    if all(x == int(x) for x in places):
        across = whole(int(places[0]), int(places[-1]), LEFT, right)
    else:
        across = linear((0.0, *places), LEFT, right)
    logs = wants_logarithm(values)
    up = logarithmic(values, bottom, TOP) if logs else linear(values, bottom, TOP, marks=4, room=0.05)
    named = f"{unit}, log scale" if logs else unit
    tables = [dict(line.points) for line in lines]
    readings = [[_reading(x), *(written(table.get(x)) for table in tables)] for x in places]
    drawing = element(
        "svg",
        _frame(across, up, x_name, named),
        (_drawn(line, across, up) for line in lines),
        element("line", class_="rule", x1=LEFT, x2=LEFT, y1=TOP, y2=bottom, visibility="hidden"),
        viewBox=f"0 0 {short(WIDTH)} {short(HEIGHT)}",
        role="img",
        tabindex="0",
        aria_label=f"{title}: {_said(lines)}",
        data_places=" ".join(short(across.at(x)) for x in places),
        data_readings=json.dumps(readings, ensure_ascii=False, separators=(",", ":")),
    )
    readout = element(
        "p",
        element("span", f"{x_name} ", element("b", readings[-1][0])),
        (
            element("span", element("i", class_=f"key {line.kind}"), f"{line.name} ", element("b", value))
            for line, value in zip(lines, readings[-1][1:], strict=True)
        ),
        class_="readout",
    )
    return element("figure", element("figcaption", title), drawing, readout, class_="chart")


def scatter(title: str, points: Sequence[tuple[float, float]], caption: str) -> Element:
    """Answers over targets, with the line on which they would agree."""
    values = [value for point in points for value in point]
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    across, up = linear(values, LEFT, right, room=0.03), linear(values, bottom, TOP, room=0.03)
    low, high = across.low, across.high
    drawing = element(
        "svg",
        _frame(across, up, "target", "answer"),
        element("line", class_="equal", x1=across.at(low), y1=up.at(low), x2=across.at(high), y2=up.at(high)),
        (element("circle", cx=across.at(x), cy=up.at(y), r=2, class_="point") for x, y in points),
        viewBox=f"0 0 {short(WIDTH)} {short(HEIGHT)}",
        role="img",
        aria_label=f"{title}: answers over targets, {len(points)} samples",
    )
    return element(
        "figure", element("figcaption", title), drawing, element("p", caption, class_="readout"), class_="chart"
    )


def histogram(found: Histogram | None, kind: str, name: str) -> Element:
    """A small histogram without axes; its ends stand below it, and the root of the mean square."""
    if found is None:
        return element("span", "–", class_="quiet")
    width, height = 150.0, 34.0
    most, step = max(found.counts) or 1, width / len(found.counts)
    path = f"M0 {short(height)}"
    for place, count in enumerate(found.counts):
        path += f"V{short(height * (1 - count / most))}H{short(step * (place + 1))}"
    zero = width * (0 - found.low) / (found.high - found.low)
    drawing = element(
        "svg",
        element("path", d=f"{path}V{short(height)}Z", class_=kind),
        element("line", x1=zero, x2=zero, y1=0, y2=height, class_="zero") if 0 < zero < width else None,
        viewBox=f"0 0 {short(width)} {short(height)}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"histogram of {name}: from {marked_short(found.low)} to {marked_short(found.high)}",
        class_="histogram",
    )
    texts = (marked_short(found.low), f"rms {marked_short(found.rms)}", marked_short(found.high))
    ends = element("span", [element("span", text) for text in texts], class_="ends")
    return element("div", drawing, ends)


def marked_short(value: float) -> str:
    """A number in two digits."""
    return marked(float(f"{value:.2g}"))


def _frame(across: Scale, up: Scale, x_name: str, y_name: str) -> Iterator[Content]:
    """Both axes: hairlines at the marks of the upright one, marks at the other, and what they are."""
    for tick in up.ticks:
        y = up.at(tick)
        yield element("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y)
        yield element("text", marked(tick), x=LEFT - 6, y=y + 4, text_anchor="end")
    bottom = HEIGHT - BOTTOM
    yield element("line", class_="axis", x1=LEFT, x2=WIDTH - RIGHT, y1=bottom, y2=bottom)
    for tick in across.ticks:
        x = across.at(tick)
        yield element("line", class_="axis", x1=x, x2=x, y1=bottom, y2=bottom + 4)
        yield element("text", marked(tick), x=x, y=bottom + 16, text_anchor="middle")
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield element("text", x_name, x=middle, y=HEIGHT - 4, text_anchor="middle", class_="unit")
    y = (TOP + bottom) / 2
    turned = f"rotate(-90 11 {short(y)})"
    yield element("text", _short(y_name), x=11, y=y, text_anchor="middle", class_="unit", transform=turned)


def _short(name: str) -> str:
    """The name of an axis, as far as there is room for it: a person may call a metric whatever they like."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _drawn(line: Line, across: Scale, up: Scale) -> Iterator[Element]:
    """The line with its gaps; few points are dots too, and a single one is nothing else."""
    path, pen = "", "M"
    for x, y in line.points:
        if y is None:
            pen = "M"
            continue
        path += f"{pen}{short(across.at(x))} {short(up.at(y))}"
        pen = "L"
    if path:
        yield element("path", d=path, class_=f"line {line.kind}")
    if len(line.points) <= DOTTED:
        for x, y in line.points:
            if y is not None:
                yield element("circle", cx=across.at(x), cy=up.at(y), r=2.2, class_=f"dot {line.kind}")


def _reading(x: float) -> str:
    return f"{x:,.2f}" if x != int(x) else f"{int(x):,}"


def _said(lines: Sequence[Line]) -> str:
    """The chart in words: where each line begins and ends."""
    parts = []
    for line in lines:
        known = [y for _, y in line.points if y is not None]
        if known:
            parts.append(f"{line.name} from {written(known[0])} to {written(known[-1])}")
    return "; ".join(parts)
