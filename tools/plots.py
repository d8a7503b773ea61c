"""Draws docs/images/results/*.svg, the curves of docs/results.md, from the tables in docs/results/.

python tools/plots.py
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from netspec.training.report.charts import HEIGHT, WIDTH, Line, line_chart
from netspec.training.report.markup import Content, Element, Trusted, element, render

ROOT = Path(__file__).resolve().parent.parent
TABLES = ROOT / "docs" / "results"
IMAGES = ROOT / "docs" / "images" / "results"
KINDS = ("train", "held", "third")
"""What gives the first, second and third line of a chart its colour."""
TOP, GAP, LETTER = 44, 24, 6.0
"""Room for the title and the legend over a chart, between two charts, and about what a letter takes."""
STYLE = """\
svg { --page: #ffffff; --ink: #16191d; --quiet: #565e67; --hair: #d8dbdd; --axis: #858d95;
  --train: #0f62a8; --held: #b2440f; --third: #0a7360; }
@media (prefers-color-scheme: dark) { svg { --page: #0f141a; --ink: #e7eaec; --quiet: #a2abb3; --hair: #2f353b;
  --axis: #78828b; --train: #6fb3f2; --held: #f2945c; --third: #4cc9ae; } }
text { font: 11px system-ui, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: var(--quiet); }
text.title { font-size: 13px; font-weight: 600; fill: var(--ink); }
.page { fill: var(--page); } .grid { stroke: var(--hair); } .axis { stroke: var(--axis); }
.line { fill: none; stroke-width: 1.5; stroke-linejoin: round; stroke-linecap: round; }
.line.train { stroke: var(--train); } .line.held { stroke: var(--held); } .line.third { stroke: var(--third); }
.dot.train, rect.train { fill: var(--train); } .dot.held, rect.held { fill: var(--held); }
.dot.third, rect.third { fill: var(--third); }
"""

Row = Mapping[str, str]
Points = tuple[tuple[float, float | None], ...]


def table(name: str) -> list[Row]:
    """The rows of a table."""
    with (TABLES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def column(name: str, key: str, x: str = "epoch", of: Callable[[float], float] = lambda y: y) -> Points:
    """A column of a table over another."""
    return tuple((float(row[x]), of(float(row[key]))) for row in table(name))


def chart(title: str, unit: str, lines: Mapping[str, Points], x_name: str = "epoch") -> tuple[str, list[Line], Content]:
    """A chart with what its lines are called, in their order."""
    drawn = [Line(name, kind, points) for (name, points), kind in zip(lines.items(), KINDS, strict=False)]
    figure = line_chart(title, drawn, unit, x_name)
    return (
        title,
        drawn,
        next(child for child in figure.children if isinstance(child, Element) and child.tag == "svg").children,
    )


def picture(name: str, charts: Sequence[tuple[str, list[Line], Content]]) -> None:
    """Charts side by side."""
    width, height = len(charts) * (WIDTH + GAP) + GAP, TOP + HEIGHT + 10
    drawing = element(
        "svg",
        element("style", Trusted(STYLE)),
        element("rect", class_="page", width=width, height=height, rx=6),
        (
            element(
                "g",
                _head(title, lines),
                element("g", drawn, transform=f"translate(0 {TOP})"),
                transform=f"translate({GAP + place * (WIDTH + GAP)} 0)",
            )
            for place, (title, lines, drawn) in enumerate(charts)
        ),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
    )
    text = re.sub(r'<line[^>]*visibility="hidden"[^>]*>(</line>)?', "", render(drawing))
    IMAGES.mkdir(parents=True, exist_ok=True)
    (IMAGES / f"{name}.svg").write_text(text.replace("><", ">\n<") + "\n", encoding="utf-8")


def _head(title: str, lines: Sequence[Line]) -> Iterator[Content]:
    yield element("text", title, x=0, y=18, class_="title")
    x = 0.0
    for line in lines:
        yield element("rect", class_=line.kind, x=x, y=29, width=14, height=4, rx=2)
        yield element("text", line.name, x=x + 19, y=35)
        x += 35 + LETTER * len(line.name)


def curves(name: str, title: str) -> None:
    """Losses of netspec and PyTorch, and how far those in float32 are from float64."""
    rows = table(f"curves-{name}")

    def over(sides: Sequence[str], of: Callable[[Row, str], float | None]) -> Points:
        return tuple((float(row["step"]), of(row, sides[0])) for row in rows)

    def loss(row: Row, side: str) -> float:
        return float(row[side])

    def off(row: Row, side: str) -> float | None:
        return abs(float(row[side]) - float(row["float64"])) or None

    both = {"netspec": over(["netspec"], loss), "PyTorch": over(["float32"], loss)}
    far = {
        "netspec": over(["netspec"], off),
        "PyTorch": over(["float32"], off),
        "PyTorch, channels_last": over(["channels_last"], off),
    }
    picture(
        f"curves-{name}",
        [
            chart(f"{title}: loss of each batch", "loss", both, "step"),
            chart("How far from PyTorch in float64", "difference of the loss", far, "step"),
        ],
    )


def seeds(name: str, title: str) -> None:
    """Accuracy on the validation part, epoch by epoch, of the runs with seeds 1 to 3; and their loss."""
    runs = {f"seed {seed}": f"{name}-{seed}" for seed in (1, 2, 3)}
    picture(
        name,
        [
            chart(f"{title}: {of} on the validation part", of, each(runs, f"validation_{of}"))
            for of in ("accuracy", "loss")
        ],
    )


def each(runs: Mapping[str, str], key: str) -> dict[str, Points]:
    """The same column of several runs."""
    return {called: column(name, key) for called, name in runs.items()}


def both_parts(name: str, of: str) -> dict[str, Points]:
    """A score on the training part and on the validation part."""
    return {part: column(name, f"{part}_{of}") for part in ("train", "validation")}


def main() -> None:
    """Draw all of them."""
    curves("lenet5", "LeNet-5, MNIST")
    curves("vgg_a", "VGG-11 without normalisation, CIFAR-10")
    curves("resnet20", "ResNet-20, CIFAR-10")
    seeds("lenet5", "MNIST")
    seeds("fashion_cnn", "Fashion-MNIST")
    seeds("cifar_fast", "CIFAR-10")
    staged = {"VGG-11": "vgg_a", "VGG-16, from VGG-11": "vgg_d", "VGG-16, cold": "vgg_d_cold"}
    picture(
        "staged",
        [
            chart("Loss on the training part", "loss", each(staged, "train_loss")),
            chart("Accuracy on the validation part", "accuracy", each(staged, "validation_accuracy")),
        ],
    )
    picture(
        "resnet20", [chart(f"ResNet-20, CIFAR-10: {of}", of, both_parts("resnet20", of)) for of in ("accuracy", "loss")]
    )
    picture(
        "inpainting",
        [
            chart("Inpainting: PSNR", "decibels", both_parts("inpainting", "psnr")),
            chart("Inpainting: squared error", "loss", both_parts("inpainting", "loss")),
        ],
    )


if __name__ == "__main__":
    main()
