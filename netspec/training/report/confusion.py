"""How often each class was taken for each: a table of numbers where they can be read, else a picture."""

from __future__ import annotations

import numpy as np

from netspec.training.report.content import ClassHead
from netspec.training.report.markup import Content, Element, element
from netspec.training.report.pictures import png
from netspec.training.report.scales import marked, whole

TABLE = 16
"""Classes of which a table of numbers is still read."""

PAIRS = 12
"""Confusions that are listed beside a picture."""

RIGHT, WRONG = (46, 130, 205), (214, 92, 30)
"""Colours that are told apart on a light and on a dark page."""

TINT = 0.42
"""Opacity of the strongest cell: the number in it has to be read, dark on light and light on dark."""


def confusion(head: ClassHead) -> Content:
    """The matrix of a head, by the number of its classes."""
    return _table(head) if has_table(head) else _picture(head)


def has_table(head: ClassHead) -> bool:
    """Whether the matrix is a table of numbers."""
    return len(head.classes) <= TABLE


def _table(head: ClassHead) -> Content:
    counts = np.array(head.counts)
    most_wrong = max(1, int((counts - np.diag(np.diag(counts))).max()))
    rows = [
        element(
            "tr",
            element("th", name, scope="row"),
            [_cell(int(counts[row, k]), row == k, counts[row].sum(), most_wrong) for k in range(len(head.classes))],
            element("td", _percent(counts[row, row], counts[row].sum()), class_="sum"),
        )
        for row, name in enumerate(head.classes)
    ]
    precision = [
        element("td", _percent(counts[k, k], counts[:, k].sum()), class_="sum") for k in range(len(head.classes))
    ]
    top = element("tr", element("td", class_="sum"), element("th", "answer", class_="wide", colspan=len(head.classes)))
    names = element(
        "tr",
        element("th", "label"),
        [element("th", name, scope="col") for name in head.classes],
        element("th", "recall", scope="col", class_="sum"),
    )
    foot = element("tfoot", element("tr", element("th", "precision", scope="row"), precision))
    table = element("table", element("thead", top, names), element("tbody", rows), foot, class_="confusion")
    return scrolled(table, f"confusion matrix of {head.name}")


def _cell(count: int, hit: bool, samples: int, most_wrong: int) -> Element:
    """Right answers are tinted by their share of the class, wrong ones by the root of theirs of the most frequent."""
    if not count:
        return element("td", "0", class_="none")
    share = count / max(1, samples) if hit else (count / most_wrong) ** 0.5
    return element("td", f"{count:,}", class_="hit" if hit else "miss", style=f"--share:{TINT * share:.2f}")


def _picture(head: ClassHead) -> Content:
    """A pixel for each pair of classes, and the worst pairs."""
    words = f"confusion matrix of {head.name}, {len(head.classes)} classes"
    note = (
        "Classes by their numbers, from 0. Blue is right, orange wrong, on a scale of its own: the root of its share."
    )
    figure = element("figure", _matrix(head, words), element("p", note, class_="readout"), class_="matrix")
    return element(
        "div", figure, element("div", element("h3", "Most frequent confusions"), _pairs(head)), class_="pairs"
    )


def _matrix(head: ClassHead, words: str) -> Element:
    """The pixels with both axes. Wrong answers are far fewer than right ones, so they have their own scale."""
    counts = np.array(head.counts, np.float64)
    right = np.eye(len(counts), dtype=bool)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    wrong = np.where(right, 0, shares)
    pixels = np.zeros((*counts.shape, 4), np.uint8)
    pixels[..., :3] = np.where(right[..., np.newaxis], RIGHT, WRONG)
    pixels[..., 3] = (255 * np.where(right, shares, np.sqrt(wrong / (wrong.max() or 1.0)))).round()
    start, side = 44.0, 400.0
    scale = whole(0, len(counts) - 1, start + side / len(counts) / 2, start + side - side / len(counts) / 2)
    place = {"x": start, "y": start, "width": side, "height": side}
    marks = []
    for tick in scale.ticks:
        at = scale.at(tick)
        marks.append(element("text", marked(tick), x=at, y=start - 6, text_anchor="middle"))
        marks.append(element("text", marked(tick), x=start - 6, y=at + 4, text_anchor="end"))
    middle = start + side / 2
    marks.append(element("text", "answer", x=middle, y=14, text_anchor="middle"))
    turned = f"rotate(-90 12 {middle:.0f})"
    marks.append(element("text", "label", x=12, y=middle, text_anchor="middle", transform=turned))
    return element(
        "svg",
        element("image", href=png(pixels, words).address, preserveAspectRatio="none", class_="pixels", **place),
        element("rect", class_="frame", **place),
        marks,
        viewBox="0 0 450 450",
        role="img",
        aria_label=words,
    )


def _pairs(head: ClassHead) -> Element:
    counts = np.array(head.counts)
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    rows = [
        element(
            "tr",
            element("th", _numbered(head, place // len(counts)), scope="row"),
            element("td", _numbered(head, place % len(counts))),
            element("td", f"{wrong.flat[place]:,} of {counts[place // len(counts)].sum():,}", class_="number"),
        )
        for place in map(int, order)
        if wrong.flat[place]
    ]
    names = [element("th", name, scope="col") for name in ("label", "answer")]
    top = element("thead", element("tr", names, element("th", "samples", scope="col", class_="number")))
    return element("table", top, element("tbody", rows))


def _numbered(head: ClassHead, number: int) -> str:
    """A class by its number, which stands at the axes, and its name."""
    name = head.classes[number]
    return name if name == str(number) else f"{number} · {name}"


def scrolled(table: Element, name: str) -> Element:
    """A table that scrolls by itself where it is wider than the page, by keyboard too."""
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=name)


def _percent(part: int, whole: int) -> str:
    """A share, rounded down: 100 means every one."""
    return str(100 * int(part) // int(whole)) if whole else "–"
