"""What the zoo has to meet: figures that others published or that were traced from their code, layer by layer.

``tests/zoo/figures`` holds them, with their sources. Nothing in there was made by netspec.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FIGURES = Path(__file__).resolve().parent / "zoo" / "figures"

KINDS = {
    "conv": ("Conv2d", "Convolution", "Conv2D", "DepthwiseConv2D", "SeparableConv2D"),
    "dense": ("Linear", "InnerProduct", "Dense"),
    "norm": ("BatchNorm2d", "BatchNormalization"),
    "pool": (
        *("MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d"),
        *("MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D"),
        "Pooling",
    ),
    "": (
        *("Input", "InputLayer", "Data", "Flatten", "Reshape", "ZeroPadding2D", "Dropout"),
        *("ReLU", "ReLU6", "Activation", "Softmax", "LRN", "Add", "Concat", "Concatenate"),
    ),
}
"""What torch, Caffe and Keras call layers with weights and pools; and the rest, which is not compared one by one."""

_KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}


class Layer(NamedTuple):
    """A layer with weights or a pool: the same in a table and in a spec, but for its name.

    ``shape`` is channels last, and of one number where there is one place only; ``stored`` counts moving means and
    variances too.
    """

    kind: str
    shape: tuple[int, ...]
    stored: int
    macs: int


class Slide(NamedTuple):
    """How a window moves, per axis, and in how many groups the channels are."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


@functools.cache
def figures() -> dict[str, Any]:
    """The totals and sources of every network, by the name of the table."""
    found: dict[str, Any] = yaml.safe_load((FIGURES / "architectures.yaml").read_text(encoding="utf-8"))
    return found


def totals(entry: str) -> dict[str, int]:
    """What ``netspec summary`` counts, of one network of the table."""
    known = figures()[entry]
    return {
        "params": known["params"] + known["statistics"],
        "params_trained": known["params"],
        "macs": known["macs"],
    }


def table(entry: str) -> Iterator[tuple[str, Layer]]:
    """Name and figures of each layer with weights and of each pool, in the order of the table."""
    channels_last = of_keras(entry)
    for row in _rows(entry):
        kind = _KIND_OF[row["type"]]
        pools_nothing = kind == "pool" and row.get("in_shape") == row["out_shape"] and row.get("kernel") == ""
        if not kind or pools_nothing:
            continue
        shape = _numbers(row["out_shape"])
        stored = int(row["params"]) + int(row.get("bn_running_stats") or 0)
        last = shape if channels_last else (*shape[1:], shape[0])
        yield row["name"], comparable(kind, last, stored, int(row["macs"]))


def comparable(kind: str, shape: tuple[int, ...], stored: int, macs: int) -> Layer:
    """A layer as it is compared: a convolution with one place left is a dense layer, which some write as the other."""
    numbers = without_places(shape)
    return Layer("dense" if kind == "conv" and len(numbers) == 1 else kind, numbers, stored, macs)


def of_keras(entry: str) -> bool:
    """Whether a table lists its layers as Keras does."""
    return "keras.applications" in figures()[entry]["source"]


def windows(entry: str) -> Iterator[tuple[str, Slide]]:
    """Name and window of each convolution and pool, in the order of the table; only those of torch list them."""
    for row in _rows(entry):
        if row.get("kernel"):
            sides = [_numbers(row[name]) for name in ("kernel", "stride", "padding", "dilation")]
            yield row["name"], Slide(*(s * 2 if len(s) == 1 else s for s in sides), groups=int(row["groups"] or 1))


def _rows(entry: str) -> Iterator[dict[str, str]]:
    with (FIGURES / "layers" / f"{entry}.csv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _numbers(text: str) -> tuple[int, ...]:
    """``"3x224x224"`` as numbers."""
    return tuple(int(side) for side in text.split("x"))


def without_places(shape: tuple[int, ...]) -> tuple[int, ...]:
    """``(1, 1, C)`` as ``(C,)``: whether a single place is written differs between frameworks."""
    return shape[-1:] if set(shape[:-1]) == {1} else shape


def kind_of_op(op: str) -> str:
    """What a table would call an op of netspec; empty for what has neither weights nor a window."""
    if op in ("conv", "depthwise_conv", "separable_conv"):
        return "conv"
    if op.endswith("_pool"):
        return "pool"
    return {"dense": "dense", "batch_norm": "norm"}.get(op, "")
