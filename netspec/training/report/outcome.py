"""The parts of the page about what came out: curves, and what the heads say of samples they did not learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netspec.training.report.charts import Line, line_chart, scatter
from netspec.training.report.confusion import confusion, has_table, scrolled
from netspec.training.report.content import (
    Answer,
    Answers,
    ClassHead,
    Curve,
    Head,
    History,
    MapHead,
    MapRow,
    NumberHead,
    Picture,
)
from netspec.training.report.markup import Content, Element, element
from netspec.training.report.scales import share, written

UNITS = {"psnr": "dB"}
"""Units of metrics that have one."""


def curves(history: History) -> Content:
    """A chart for each loss and metric, the learning rate, and what an epoch took."""
    if not history.epochs:
        return element("p", "No epoch is done, so there is nothing to draw.", class_="missing")
    charts = [_curve(history, curve) for curve in history.curves]
    if history.rates:
        lines = [Line("rate", "third", history.rates)]
        charts.append(line_chart("Learning rate", lines, "rate per step"))
    if any(second is not None for second in history.seconds):
        lines = [Line("training steps", "third", tuple(zip(history.epochs, history.seconds, strict=False)))]
        charts.append(line_chart("Time of an epoch", lines, "seconds"))
    if history.waiting:
        points = tuple(
            (epoch, None if share is None else 100 * share)
            for epoch, share in zip(history.epochs, history.waiting, strict=False)
        )
        charts.append(line_chart("Waiting for data", [Line("waiting", "third", points)], "% of an epoch"))
    return element("div", charts, class_="charts")


def _curve(history: History, curve: Curve) -> Element:
    parts = (("training", "train", curve.train), ("validation", "held", curve.validation))
    lines = [
        Line(name, kind, tuple(zip(history.epochs, values, strict=True)))
        for name, kind, values in parts
        if any(value is not None for value in values)
    ]
    title = metric_title(curve.name)
    if not lines:
        words = element("p", "never a finite number", class_="missing")
        return element("figure", element("figcaption", title), words, class_="chart")
    return line_chart(title, lines, title)


def metric_title(name: str) -> str:
    """What a loss or metric is called, with its unit if it has one."""
    unit = UNITS.get(name.rpartition("/")[2])
    return name.replace("_", " ") + (f", {unit}" if unit else "")


def answers_text(answers: Answers) -> str:
    """Which samples the answers are for."""
    which = {"train": "training"}.get(answers.part, answers.part)
    first = "" if answers.samples == answers.of else "the first "
    of = f" of {answers.of:,}" if first else ""
    learnt = ", which they learnt from: there is no other" if answers.part == "train" else ""
    return f"{first}{answers.samples:,}{of} samples of the {which} part{learnt}"


def answers(found: Answers) -> Iterator[Content]:
    """What every head says."""
    for head in found.heads:
        if len(found.heads) > 1:
            yield element("h3", f"Head {head.name}")
        yield from _head(head)


def _head(head: Head) -> Iterator[Content]:
    if isinstance(head, ClassHead):
        right, all_of_them = sum(row[k] for k, row in enumerate(head.counts)), sum(map(sum, head.counts))
        words = f"{right:,} of {all_of_them:,} answers are right: {written(100 * right / max(1, all_of_them), 3)} %."
        yield element("p", words, " Recall and precision are in %, rounded down." if has_table(head) else None)
        yield confusion(head)
        if head.mistakes:
            wrong = all_of_them - right
            shown = len(head.mistakes)
            mistakes = [_mistake(each, head.weight == "probability") for each in head.mistakes]
            title = "Mistakes" if shown == wrong else f"The {shown} worst of {wrong:,} mistakes"
            yield element("h3", title)
            yield element("p", f"Label and answer, each with its {head.weight}.", class_="quiet")
            yield element("div", mistakes, class_="samples")
    elif isinstance(head, MapHead):
        yield from _maps(head)
    else:
        yield from _numbers(head)


def image(picture: Picture, scale: float | None = None) -> Element:
    """A picture of pixels that are shown as such; ``scale`` times as large where there is room."""
    width, height = picture.width * (scale or 1), picture.height * (scale or 1)
    return element(
        "img", src=picture.address, alt=picture.text, width=round(width), height=round(height), class_="pixels"
    )


def _mistake(answer: Answer, probable: bool) -> Element:
    texts = [share(each) if probable else written(each, 2) for each in answer.weights]
    lines = [
        element("div", verb, element("b", name), element("span", f" · {text}", class_="quiet"))
        for verb, name, text in (("is ", answer.target, texts[1]), ("taken for ", answer.answer, texts[0]))
    ]
    words = element("div", lines, title=f"sample {answer.sample}")
    return element("div", element("div", map(image, answer.pictures), class_="inputs"), words, class_="sample")


def _maps(head: MapHead) -> Iterator[Content]:
    if head.classes:
        rows = [
            element(
                "tr",
                element("th", element("i", class_="swatch", style=f"background:{each.color}"), each.name, scope="row"),
                element("td", f"{written(100 * each.share, 2)}", class_="number"),
                element("td", written(each.iou), class_="number"),
            )
            for each in head.classes
        ]
        top = element("thead", element("tr", _names("class", "pixels, %", "IoU")))
        yield scrolled(element("table", top, element("tbody", rows)), f"classes of {head.name}")
        yield element("h3", "Input, target and output")
    half = len(head.rows) // 2
    worst, middle = head.rows[:half], head.rows[half:]
    parts: tuple[tuple[str, Sequence[MapRow]], ...] = (("The worst", worst), ("In the middle", middle))
    columns = max((len(row.inputs) for row in head.rows), default=1)
    inputs = ["input"] if columns == 1 else [f"input {place + 1}" for place in range(columns)]
    bodies = [
        element(
            "tbody",
            element("tr", element("th", words, colspan=columns + 3, scope="rowgroup")) if words else None,
            map(_map_row, rows),
        )
        for words, rows in parts
        if rows
    ]
    top = element(
        "thead", element("tr", _names(*inputs, "target", "output", f"difference; {head.error}", number=False))
    )
    yield element("table", top, bodies, class_="maps")


def _map_row(row: MapRow) -> Element:
    cells = [element("td", image(picture)) for picture in (*row.inputs, row.target, row.answer)]
    words = element("div", written(row.error, 3), class_="aside")
    return element("tr", cells, element("td", image(row.difference), words))


def _numbers(head: NumberHead) -> Iterator[Content]:
    charts = []
    for channel in head.channels:
        caption = f"mean absolute error {written(channel.mean_absolute_error)}; {len(channel.points):,} samples drawn"
        title = head.name if len(head.channels) == 1 else channel.name
        if channel.points:
            charts.append(scatter(f"{title}: answer over target", channel.points, caption))
    yield element("div", charts, class_="charts")
    if head.more_channels:
        yield element("p", f"{head.more_channels:,} more numbers of this head are not drawn.", class_="quiet")
    if head.mistakes:
        yield element("h3", "Farthest off")
        yield element("div", map(_far_off, head.mistakes), class_="samples")


def _far_off(answer: Answer) -> Element:
    words = element(
        "div",
        element("div", "is ", element("b", answer.target)),
        element("div", "answer ", element("b", answer.answer)),
        title=f"sample {answer.sample}",
    )
    return element("div", element("div", map(image, answer.pictures), class_="inputs"), words, class_="sample")


def _names(first: str, *others: str, number: bool = True) -> list[Element]:
    kind = "number" if number else None
    return [element("th", first, scope="col"), *(element("th", name, scope="col", class_=kind) for name in others)]
