"""How often each class was taken for each: a table of numbers where they can be read, else a picture."""

from __future__ import annotations

import numpy as np

from netspec.training.report.content import ClassHead
from netspec.training.report.markup import Content, Element, element
from netspec.training.report.pictures import png

TABLE = 16
"""Classes of which a table of numbers is still read."""

PAIRS = 12
"""Confusions that are listed beside a picture."""

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
    hits = element("td", _percent(np.trace(counts), counts.sum()), class_="sum")
    top = element("tr", element("td", class_="sum"), element("th", "answer", class_="wide", colspan=len(head.classes)))
    names = element(
        "tr",
        element("th", "label"),
        [element("th", name, scope="col") for name in head.classes],
        element("th", "recall", scope="col", class_="sum"),
    )
    foot = element("tfoot", element("tr", element("th", "precision", scope="row"), precision, hits))
    table = element("table", element("thead", top, names), element("tbody", rows), foot, class_="confusion")
    return scrolled(table, f"confusion matrix of {head.name}")


def _cell(count: int, hit: bool, samples: int, most_wrong: int) -> Element:
    """Right answers are tinted by their share of the class, wrong ones by the root of theirs of the most frequent."""
    if not count:
        return element("td", "0", class_="none")
    share = count / max(1, samples) if hit else (count / most_wrong) ** 0.5
    return element("td", f"{count:,}", class_="hit" if hit else "miss", style=f"--share:{TINT * share:.2f}")


def _picture(head: ClassHead) -> Content:
    """A pixel for each pair of classes, and the worst pairs. Wrong answers are far fewer: they have their own scale."""
    counts = np.array(head.counts, np.float64)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    wrong = shares * (1 - np.eye(len(counts)))
    pixels = np.zeros((*counts.shape, 4), np.uint8)
    pixels[..., :3] = np.where(np.eye(len(counts), dtype=bool)[..., np.newaxis], (46, 130, 205), (214, 92, 30))
    strength = np.where(np.eye(len(counts), dtype=bool), shares, np.sqrt(wrong / (wrong.max() or 1.0)))
    pixels[..., 3] = (255 * strength).round().astype(np.uint8)
    picture = png(pixels, f"confusion matrix of {head.name}, {len(counts)} classes")
    sides = {"width": picture.width, "height": picture.height}
    image = element("img", src=picture.address, alt=picture.text, class_="matrix", **sides)
    words = "rows: labels, columns: answers, in the order of the classes; blue right, orange wrong (root scale)"
    figure = element("figure", image, element("p", words, class_="readout"))
    pairs = element("div", element("h3", "Most frequent confusions"), _pairs(head))
    return element("div", figure, pairs, class_="pairs")


def _pairs(head: ClassHead) -> Element:
    counts = np.array(head.counts)
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    rows = [
        element(
            "tr",
            element("th", head.classes[place // len(counts)], scope="row"),
            element("td", head.classes[place % len(counts)]),
            element("td", f"{wrong.flat[place]:,} of {counts[place // len(counts)].sum():,}", class_="number"),
        )
        for place in map(int, order)
        if wrong.flat[place]
    ]
    names = [element("th", name, scope="col") for name in ("label", "answer")]
    top = element("thead", element("tr", names, element("th", "samples", scope="col", class_="number")))
    return element("table", top, element("tbody", rows))


def scrolled(table: Element, name: str) -> Element:
    """A table that scrolls by itself where it is wider than the page, by keyboard too."""
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=name)


def _percent(part: int, whole: int) -> str:
    """A share with as many digits as its samples carry."""
    if not whole:
        return "–"
    return f"{100 * part / whole:.{0 if whole < 1000 else 1 if whole < 10_000 else 2}f}"
