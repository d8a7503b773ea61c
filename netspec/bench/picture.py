"""Pictures of a measurement as SVG: bars for the sides, a roofline for the steps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from netspec.bench.driver import Timing
from netspec.bench.layers import Layers, StepTime
from netspec.bench.run import Bench
from netspec.training.report.markup import Element, Trusted, element, render, short

WIDTH = 760
"""Of the picture."""
LABEL, VALUE = 270, 90
"""Room for a bar's name before it, and for its figure behind it."""
ROW, HEAD, FOOT = 24, 46, 34
"""Heights of a bar's row, and of what stands above and below."""
PLOT_HEIGHT, LEFT, BOTTOM = 420, 64, 52
"""Of the roofline: height, room for the figures at its left and below."""
COLOURS = {"netspec": "#2f7de1", "torch": "#e0701e", "torch-compile": "#c23b6a", "onnxruntime": "#12a594"}
REGION_COLOURS = {"forward": "#2f7de1", "backward": "#e0701e", "update": "#12a594"}
_LINE = Trusted("\n")
STYLE = """\
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Helvetica, Arial, sans-serif; }
text { fill: #46505d; }
.page { fill: #ffffff; } .title { font-size: 14px; font-weight: 600; fill: #1b2430; }
.spread { stroke: #1b2430; stroke-width: 1; } .roof { fill: none; stroke: #7f8a98; stroke-width: 1.5; }
.grid { stroke: #c5ccd6; stroke-width: .5; }
@media (prefers-color-scheme: dark) {
  text { fill: #b6c0cc; } .page { fill: #0f141a; } .title { fill: #e8edf3; } .spread { stroke: #e8edf3; }
  .grid { stroke: #3a4553; }
}
"""


def bars(bench: Bench) -> str:
    """A bar for each variant, as long as its median, with a line from its fastest to its slowest run."""
    case = bench.case
    kind = "training step" if case.mode == "train" else "prediction"
    title = f"{bench.name}: {kind}, batch {case.batch}, {case.threads} threads, milliseconds"
    height = HEAD + ROW * len(bench.timings) + FOOT
    scale = (WIDTH - LABEL - VALUE) / max(timing.median for timing in bench.timings)
    rows = [line for place, timing in enumerate(bench.timings) for line in _bar(timing, HEAD + place * ROW, scale)]
    foot = _text(
        12, height - 12, f"median; the line goes from the fastest run to the slowest. {_machine(bench.machine)}"
    )
    return _document(height, title, [*rows, foot])


def _bar(timing: Timing, top: float, scale: float) -> Iterator[Element]:
    width = timing.median * scale
    low, high = (LABEL + min(end * scale, WIDTH - LABEL - 4) for end in (min(timing.seconds), max(timing.seconds)))
    middle = top + ROW / 2
    yield _text(LABEL - 8, middle + 4, timing.variant.title, "end")
    colour = COLOURS[timing.variant.side]
    yield element("rect", x=LABEL, y=top + 4, width=width, height=ROW - 8, rx=2, fill=colour)
    yield element("line", class_="spread", x1=low, y1=middle, x2=high, y2=middle)
    yield _text(LABEL + width + 8, top + 14, f"{timing.median * 1e3:.3g}")


def roofline(layers: Layers) -> str:
    """Steps with arithmetic as dots: operations per byte to the right, operations per second upwards, both logarithmic.

    Above is what the machine could do: a slope that memory sets, and a ceiling that arithmetic sets. A dot's size grows
    with its share of the time.
    """
    counted = [row for row in layers.rows if row.flops]
    plot = _Plot(layers, counted)
    title = f"{layers.name}: {layers.mode}, batch {layers.batch}, {layers.threads} threads: roofline"
    height = HEAD + PLOT_HEIGHT + BOTTOM
    ridge = layers.roof.flops / layers.roof.bandwidth
    corners = [(plot.least_x, plot.least_x * layers.roof.bandwidth), (ridge, layers.roof.flops)]
    points = [*corners, (plot.most_x, layers.roof.flops)]
    path = " ".join(f"{short(plot.x(x))},{short(plot.y(y))}" for x, y in points)
    dots = [_dot(plot, row, row.seconds / layers.seconds) for row in counted]
    labels = [
        _text(WIDTH - 12, plot.y(layers.roof.flops) - 8, f"{layers.roof.flops / 1e9:.0f} GFLOP/s", "end"),
        _text(plot.x(plot.least_x) + 8, HEAD + 14, f"{layers.roof.bandwidth / 1e9:.1f} GB/s from memory (the slope)"),
        _text(LEFT, height - 12, "operations per byte; blue forward, orange backward; larger: more of the time"),
    ]
    return _document(height, title, [*plot.grid(), element("polyline", class_="roof", points=path), *dots, *labels])


class _Plot:
    """Both axes, logarithmic."""

    def __init__(self, layers: Layers, rows: list[StepTime]) -> None:
        ridge = layers.roof.flops / layers.roof.bandwidth
        intensities = [row.flops / row.bytes for row in rows] + [ridge]
        speeds = [row.flops / row.seconds for row in rows] + [layers.roof.flops]
        self.least_x, self.most_x = (10.0**end for end in (_floor(min(intensities)), _floor(max(intensities)) + 1))
        self.least_y, self.most_y = (10.0**end for end in (_floor(min(speeds)), _floor(max(speeds)) + 1))

    def x(self, intensity: float) -> float:
        """Across, of operations per byte."""
        share = math.log(max(intensity, self.least_x) / self.least_x) / math.log(self.most_x / self.least_x)
        return LEFT + share * (WIDTH - LEFT - 12)

    def y(self, speed: float) -> float:
        """Down, of operations per second."""
        share = math.log(max(speed, self.least_y) / self.least_y) / math.log(self.most_y / self.least_y)
        return HEAD + (1 - share) * PLOT_HEIGHT

    def grid(self) -> Iterator[Element]:
        """A line for each power of ten."""
        for power in range(_floor(self.least_x), _floor(self.most_x) + 1):
            x = self.x(10.0**power)
            yield element("line", class_="grid", x1=x, y1=HEAD, x2=x, y2=HEAD + PLOT_HEIGHT)
            yield _text(x, HEAD + PLOT_HEIGHT + 16, f"{10.0**power:g}", "middle")
        for power in range(_floor(self.least_y), _floor(self.most_y) + 1):
            y = self.y(10.0**power)
            yield element("line", class_="grid", x1=LEFT, y1=y, x2=WIDTH - 12, y2=y)
            yield _text(LEFT - 6, y + 4, f"{10.0**power / 1e9:g} G", "end")


def _floor(number: float) -> int:
    return math.floor(math.log10(number) + 1e-9)


def _dot(plot: _Plot, row: StepTime, share: float) -> Element:
    told = f"{row.path}, {row.op}: {row.seconds * 1e3:.3f} ms, {row.flops / row.seconds / 1e9:.1f} GFLOP/s"
    return element(
        "circle",
        element("title", told),
        cx=plot.x(row.flops / row.bytes),
        cy=plot.y(row.flops / row.seconds),
        r=3 + 14 * math.sqrt(share),
        fill_opacity=".6",
        fill=REGION_COLOURS[row.region],
    )


def _machine(machine: Mapping[str, Any]) -> str:
    return f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}"


def _text(x: float, y: float, text: str, anchor: str = "start") -> Element:
    return element("text", text, x=x, y=y, text_anchor=anchor)


def _document(height: int, title: str, lines: list[Element]) -> str:
    content = [
        element("style", Trusted(f"\n{STYLE}")),
        element("rect", class_="page", width=WIDTH, height=height),
        element("text", title, class_="title", x=12, y=28),
        *lines,
    ]
    spaced = [part for each in content for part in (_LINE, each)]
    size = f"0 0 {WIDTH} {height}"
    drawn = element("svg", spaced, _LINE, xmlns="http://www.w3.org/2000/svg", viewBox=size, width=WIDTH, height=height)
    return render(drawn) + "\n"
