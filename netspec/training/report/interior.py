"""The parts of the page about the network itself: its drawing and layers, filters and maps, numbers, and time."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence

from netspec.core.formulas import times as by
from netspec.diagnostics.text import size
from netspec.training.report.charts import histogram
from netspec.training.report.confusion import scrolled
from netspec.training.report.content import Layer, LayerTime, Network, Report, Spread, Tiles, Times
from netspec.training.report.markup import Content, Element, element
from netspec.training.report.outcome import image
from netspec.training.report.scales import written

FEW = 40
"""Layers whose table is open at once."""

NARROW = 460.0
"""Pixels of a drawing that leaves room for the table beside it."""

SLOWEST = 15
"""Layers whose time is shown at once."""

NUMBERS = ("number", "number", "number", "number roomy")
"""Classes of the columns of a layer: what is ``roomy`` is left out on a phone."""

FILTER_WORDS = {
    "colour": "as colours, grey is zero",
    "signed": "blue negative, orange positive",
    "channels": "a column per filter, a row per input channel; blue negative, orange positive",
}


def path(name: str) -> Content:
    """The name of a layer, which a narrow column may break behind a stroke."""
    first, *others = name.split("/")
    return first, *(("/", element("wbr"), other) for other in others)


def network(found: Network) -> Content:
    """The drawing in a frame that scrolls, and the table of layers: beside it, where it is narrow."""
    drawing, width = _drawing(found)
    words = f"{len(found.layers):,} layers, {found.params_trained:,} trained parameters"
    few = len(found.layers) <= FEW
    table = element("details", element("summary", words), scrolled(_layers(found), "layers"), open=few)
    return element("div", drawing, table, class_="beside" if few and width < NARROW else None)


def _drawing(found: Network) -> tuple[Element, float]:
    """The drawing, and its width in pixels."""
    if not found.drawing:
        words = "The network is too large for a drawing here; netspec draw makes one."
        return element("p", words, class_="missing"), NARROW
    address = "data:image/svg+xml;base64," + base64.b64encode(found.drawing.encode()).decode()
    width, height = _drawn_size(found.drawing)
    alone = "the network as a graph; its layers are in the table"
    image = element("img", src=address, alt=alone, width=round(width), height=round(height))
    frame = element("div", image, class_="drawing", tabindex="0", role="region", aria_label="the network as a graph")
    return frame, width


def _layers(found: Network) -> Element:
    names = ("layer", "op", "output", "parameters", "MACs", "activations")
    totals = [element("td", f"{count:,}", class_="number") for count in (found.params, found.macs)]
    blanks = element("td", class_="roomy"), element("td")
    foot = element("tr", element("th", "in all", scope="row"), blanks, totals, element("td", class_="roomy"))
    return element(
        "table",
        element("thead", element("tr", map(_head, names))),
        element("tbody", map(_layer, found.layers)),
        element("tfoot", foot),
    )


def _drawn_size(drawing: str) -> tuple[float, float]:
    """Width and height that the SVG states."""
    found = re.search(r'width="([0-9.]+)" height="([0-9.]+)"', drawing)
    return (float(found.group(1)), float(found.group(2))) if found else (NARROW, NARROW)


def _head(name: str) -> Element:
    kinds = {"layer": None, "op": "roomy", "activations": "number roomy"}
    return element("th", name, scope="col", class_=kinds.get(name, "number"))


def _layer(layer: Layer) -> Element:
    counts = (f"{count:,}" if count else "" for count in (layer.params, layer.macs))
    cells = (by(layer.output), *counts, size(layer.activation_bytes))
    numbers = [element("td", text, class_=kind) for text, kind in zip(cells, NUMBERS, strict=True)]
    return element("tr", element("th", path(layer.name), scope="row"), element("td", layer.op, class_="roomy"), numbers)


def filters(report: Report) -> Iterator[Content]:
    """Filters of the first convolutions, and the maps of a sample on its way through the layers."""
    if report.filters:
        yield element("h3", "Filters")
        for tiles in report.filters:
            yield _tiles(tiles, FILTER_WORDS[tiles.what], "filters", _filter_scale(tiles))
    if report.features:
        yield element("h3", "Feature maps")
        pictures = element("div", [image(picture) for picture in report.feature_input])
        maps = element("div", [_tiles(tiles, "", "maps", None) for tiles in report.features])
        yield element("div", pictures, maps, class_="with-input")


def _filter_scale(tiles: Tiles) -> float:
    """So that a filter is about as large as a letter of a headline, however few its pixels."""
    return max(2.0, round((36 if tiles.what != "channels" else 26) / max(tiles.shape[:2])))


def _tiles(tiles: Tiles, words: str, what: str, scale: float | None) -> Element:
    shown = f"{tiles.of} {what}" if tiles.shown == tiles.of else f"{tiles.shown} of {tiles.of} {what}"
    about = ", ".join(text for text in (by(tiles.shape), shown, words) if text)
    caption = element("figcaption", element("b", path(tiles.layer)), f" · {about}")
    wanted = scale or max(1.0, min(12.0, 620 / tiles.picture.width))
    return element("figure", caption, image(tiles.picture, wanted), class_="tiles")


def spreads(report: Report) -> Iterator[Content]:
    """A row for each parameter."""
    names = [element("th", name, scope="col") for name in ("parameter", "weights", "gradients")]
    table = element("table", element("thead", element("tr", names)), element("tbody", map(_spread, report.spreads)))
    yield element("div", scrolled(table, "weights and gradients"), class_="spreads")
    if report.more_spreads:
        yield element("p", f"{report.more_spreads:,} parameters between these are left out.", class_="quiet")


def _spread(spread: Spread) -> Element:
    name = element("th", path(spread.name), element("div", by(spread.shape), class_="aside"), scope="row")
    cells = [
        element("td", histogram(found, kind, f"{what} of {spread.name}"))
        for found, kind, what in ((spread.weights, "train", "weights"), (spread.gradients, "held", "gradients"))
    ]
    return element("tr", name, cells)


def layer_times(found: Times) -> Iterator[Content]:
    """A bar for each layer, forward and backward; of many layers the slowest first."""
    slowest = sorted(found.layers, key=_milliseconds, reverse=True)[:SLOWEST]
    if len(found.layers) <= 2 * SLOWEST:
        yield _time_table(found, found.layers)
        return
    yield element("h3", f"The {SLOWEST} slowest of {len(found.layers)}")
    yield _time_table(found, slowest)
    everything = "All layers, in their order"
    yield element("details", element("summary", everything), _time_table(found, found.layers))


def _milliseconds(layer: LayerTime) -> float:
    return layer.forward + layer.backward


def _time_table(found: Times, layers: Sequence[LayerTime]) -> Element:
    longest = max(map(_milliseconds, found.layers)) or 1.0
    whole = sum(map(_milliseconds, found.layers)) or 1.0
    kinds = ("number", "number", "number roomy")
    rows = []
    for each in layers:
        parts = ((each.forward, "train"), (each.backward, "held"))
        bars = [element("i", class_=kind, style=f"width:{100 * part / longest:.1f}%") for part, kind in parts if part]
        numbers = [f"{each.forward:.3f}", f"{each.backward:.3f}", f"{100 * _milliseconds(each) / whole:.0f}"]
        rows.append(
            element(
                "tr",
                element("th", path(each.layer), scope="row"),
                [element("td", text, class_=kind) for text, kind in zip(numbers, kinds, strict=True)],
                element("td", element("div", bars, class_="bar"), class_="bars"),
            )
        )
    names, colors = ("forward, ms", "backward, ms", "share, %"), ("train", "held", "")
    keys = [
        element("th", element("i", class_=f"key {color}") if color else None, name, scope="col", class_=kind)
        for name, color, kind in zip(names, colors, kinds, strict=True)
    ]
    head = element("thead", element("tr", element("th", "layer", scope="col"), keys, element("td")))
    return scrolled(element("table", head, element("tbody", rows), class_="times"), "time per layer")


def times_text(found: Times) -> str:
    """How the times were measured, and what they come to."""
    whole = sum(each.forward + each.backward for each in found.layers)
    threads = f"{found.threads} thread{'' if found.threads == 1 else 's'}"
    measured = f"Medians of {found.runs} steps of {found.samples} samples on {threads}, {written(whole, 2)} ms in all."
    return f"{measured} The update is not in it. A layer without a line is done within the one before it."
