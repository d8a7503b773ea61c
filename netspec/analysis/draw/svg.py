"""A picture as SVG: its own layout, no script, light or dark as the reader's system is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from netspec.analysis.draw.layout import Area, Curve, Layout, lay_out
from netspec.analysis.draw.picture import Box, Cluster, Picture, below
from netspec.diagnostics.markup import as_markup
from netspec.diagnostics.text import cells, escape

MARGIN = 24.0
"""Around the whole."""

LINE = 15.0
"""From one line of text to the next."""

PAD = 11.0
"""Between the border of a box and its text."""

NARROWEST = 172.0
"""Width of a box with little text, so that chains stand in a column."""

WRAP = 42
"""Cells of a line of text at most, where it can be broken at a comma."""

BOLD, SMALL = 7.9, 6.5
"""Width of a cell of text, generously, of the names and of the rest."""

ARROW = 7.0
"""Height of the head of an arrow."""

STYLE = """\
text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Helvetica, Arial, sans-serif; }
.page { fill: #ffffff; }
.box rect { fill: #ffffff; stroke: #c5ccd6; }
.name { font-size: 12.5px; font-weight: 600; fill: #1b2430; }
.text { fill: #46505d; }
.shape { fill: #6a7482; }
.cluster rect { fill: #5b6b80; fill-opacity: .06; stroke: #c5ccd6; }
.label { fill: #6a7482; font-weight: 600; }
.edge { fill: none; stroke: #7f8a98; stroke-width: 1.3; }
.head { fill: #7f8a98; }
.input .stripe, .output .stripe { fill: #7f8a98; }
.convolution .stripe { fill: #2f7de1; }
.dense .stripe { fill: #8a5cf0; }
.pooling .stripe { fill: #12a594; }
.merge .stripe { fill: #e08a1e; }
.other .stripe { fill: #a9b3c0; }
@media (prefers-color-scheme: dark) {
  .page { fill: #0f141a; }
  .box rect { fill: #1a212a; stroke: #3a4553; }
  .name { fill: #e8edf3; }
  .text { fill: #b6c0cc; }
  .shape, .label { fill: #8f9bab; }
  .cluster rect { fill: #9fb0c6; stroke: #3a4553; }
}
"""


class _Text(NamedTuple):
    """What stands in a box: its name, and the lines below it."""

    name: str
    lines: tuple[str, ...]


def svg(picture: Picture) -> str:
    """The picture as an SVG document. Names are escaped; the same picture gives the same bytes."""
    texts = {box: _text(box, around) for box, around in _homes(picture.root, "")}
    sizes = {box: _size(box, text) for box, text in texts.items()}
    labels = dict(_labels(picture.root, ""))
    layout = lay_out(picture, sizes, {cluster: cells(label) * SMALL for cluster, label in labels.items()})
    return "\n".join(_document(picture, layout, texts, labels)) + "\n"


def _homes(cluster: Cluster, around: str) -> Iterator[tuple[Box, str]]:
    """Every box with the name of the innermost frame around it."""
    inner = cluster.name if cluster.framed else around
    for item in cluster.items:
        if isinstance(item, Box):
            yield item, inner
        else:
            yield from _homes(item, inner)


def _labels(cluster: Cluster, around: str) -> Iterator[tuple[Cluster, str]]:
    """Every framed cluster with what is written in its frame."""
    if cluster.framed:
        yield cluster, escape(below(cluster.name, around))
    inner = cluster.name if cluster.framed else around
    for item in cluster.items:
        if isinstance(item, Cluster):
            yield from _labels(item, inner)


def _text(box: Box, around: str) -> _Text:
    name = below(box.name, around)
    lines = box.lines[1:] if box.lines[0] == name else box.lines
    return _Text(escape(name), tuple(_wrapped(lines)))


def _wrapped(lines: tuple[str, ...]) -> Iterator[str]:
    """Lines broken behind commas; ops that are folded in stand behind one another as long as they fit."""
    shown = [escape(line) for line in lines]
    folded = ", ".join(line.removeprefix("+ ") for line in shown if line.startswith("+ "))
    for line in (*(line for line in shown if not line.startswith("+ ")), *([f"+ {folded}"] if folded else [])):
        start, *more = line.split(", ")
        for part in more:
            if cells(f"{start}, {part}") > WRAP:
                yield f"{start},"
                start = part
            else:
                start = f"{start}, {part}"
        yield start


def _size(box: Box, text: _Text) -> tuple[float, float]:
    head = cells(text.name) * BOLD + 14 + cells(box.shape) * SMALL
    width = max(head, *(cells(line) * SMALL for line in text.lines), NARROWEST - 2 * PAD)
    return round(width + 2 * PAD, 1), 2 * PAD - 3 + LINE * (1 + len(text.lines))


def _document(
    picture: Picture, layout: Layout, texts: Mapping[Box, _Text], labels: Mapping[Cluster, str]
) -> Iterator[str]:
    width, height = (_number(side + 2 * MARGIN) for side in (layout.width, layout.height))
    title = as_markup(picture.name)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{title}">'
    )
    yield f"<title>{title}</title>\n<style>\n{STYLE}</style>"
    yield f'<rect class="page" width="{width}" height="{height}"/>'
    yield f'<g transform="translate({_number(MARGIN)} {_number(MARGIN)})">'
    for cluster, area in layout.clusters.items():
        yield f'<g class="cluster">{_rectangle(area, 8)}{_line(area.x + 10, area.y + 15, "label", labels[cluster])}</g>'
    for curve in layout.curves:
        yield f'<path class="edge" d="{_path(curve)}"/>'
    for box in dict.fromkeys(last for _, last in picture.edges):
        area = layout.boxes[box]
        tip, base = area.x + area.width / 2, area.y - ARROW
        yield f'<path class="head" d="M{_number(tip - 4)} {_number(base)}h8l-4 {_number(ARROW)}z"/>'
    for box, area in layout.boxes.items():
        yield from _box(box, area, texts[box])
    yield "</g>\n</svg>"


def _box(box: Box, area: Area, text: _Text) -> Iterator[str]:
    yield f'<g class="box {box.kind}">'
    if box.remark:
        yield f"<title>{as_markup(box.remark)}</title>"
    round_corners = area.height / 2 if box.kind in ("input", "output") else 6
    yield _rectangle(area, min(round_corners, 16))
    x, y, right = area.x + PAD, area.y + PAD + 8, area.x + area.width - PAD
    if box.kind not in ("input", "output"):
        yield (
            f'<rect class="stripe" x="{_number(area.x)}" y="{_number(area.y + 7)}" width="3.5" '
            f'height="{_number(area.height - 14)}" rx="1.7" style="stroke:none"/>'
        )
    yield _line(x, y, "name", text.name)
    yield f'<text class="shape" x="{_number(right)}" y="{_number(y)}" text-anchor="end">{as_markup(box.shape)}</text>'
    for number, line in enumerate(text.lines, 1):
        yield _line(x, y + number * LINE, "text", line)
    yield "</g>"


def _rectangle(area: Area, corner: float) -> str:
    x, y, width, height = (_number(value) for value in area)
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{_number(corner)}"/>'


def _line(x: float, y: float, kind: str, text: str) -> str:
    return f'<text class="{kind}" x="{_number(x)}" y="{_number(y)}">{as_markup(text)}</text>'


def _path(curve: Curve) -> str:
    """Straight down, a curve with upright ends where the edge changes its column, straight down."""
    x0, y0, bend0, bend1, x1, y1 = (_number(value) for value in curve)
    if abs(curve.x0 - curve.x1) < 0.5:
        return f"M{x0} {y0}V{y1}"
    middle = _number((curve.bend0 + curve.bend1) / 2)
    return f"M{x0} {y0}V{bend0}C{x0} {middle} {x1} {middle} {x1} {bend1}V{y1}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
