"""What lighter forms of a layer would take: the alternatives of the literature with this layer's numbers.

Depthwise-separable convolutions: Howard and others, MobileNets, 2017, section 3.1. A window as a column and a row, and
a large one as several of 3x3: Szegedy and others, Rethinking the Inception architecture, 2016, sections 3.1 and 3.2. A
bottleneck of 1x1 convolutions: Lin, Chen and Yan, Network in network, 2013, as used by Iandola and others, SqueezeNet,
2016. Global pooling in place of flatten: Lin, Chen and Yan, section 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from netspec.core import formulas
from netspec.core.formulas import Formula
from netspec.core.graph import Graph, Node
from netspec.core.window import WindowGeometry

SQUEEZE = 4
"""How many times narrower a bottleneck is than what comes out (He and others 2015, figure 5)."""
SMALL = 3


class LighterForm(NamedTuple):
    """An alternative: how it is written, its parameters and MACs beside those of now, and what it gives up."""

    name: str
    written: str
    params: Formula
    params_now: int
    macs: Formula
    macs_now: int
    remark: str

    @property
    def share(self) -> float:
        """MACs that are left, as a share of those of now."""
        return int_of(self.macs) / self.macs_now


def int_of(formula: Formula) -> int:
    """The result of a formula that has one number."""
    assert isinstance(formula.result, int)
    return formula.result


def lighter_forms(graph: Graph, node: Node) -> tuple[LighterForm, ...]:
    """The forms of a layer that take fewer MACs or parameters than it does, those with the fewest MACs first."""
    if node.op.name == "conv":
        found = _of_convolution(node)
    elif node.op.name == "dense":
        found = _of_dense(graph, node)
    else:
        found = iter(())
    paying = [form for form in found if int_of(form.macs) < form.macs_now or int_of(form.params) < form.params_now]
    return tuple(sorted(paying, key=lambda form: int_of(form.macs)))


def _of_convolution(node: Node) -> Iterator[LighterForm]:
    """The forms of a convolution that mixes all channels under a window of several cells."""
    x, conv = node.data[0].type, node.attrs
    window: WindowGeometry = conv.geometry(x)
    if conv.groups != 1 or window.taps == 1 or min(x.channels, conv.filters) < 2:
        return
    yield _separable(node, window)
    yield from _bottleneck(node, window)
    side, plain = window.size[0], {*window.stride, *window.dilation} == {1}
    between = _sides_between(window)
    if plain and set(window.size) == {side} and between is not None and side % 2:
        if len(window.size) == 2:
            yield _factorised(node, window)
        if side > SMALL:
            yield _stack(node, window, between)


def _sides_between(window: WindowGeometry) -> int | None:
    """Cells that each axis loses from the input to the output: none with padding ``same``, all without padding."""
    lost = {n - m for n, m in zip(window.input, window.output, strict=True)}
    return lost.pop() if lost in ({0}, {window.size[0] - 1}) else None


class _Part(NamedTuple):
    """A convolution of a lighter form: output positions, window, and channels; depthwise where no filters are said."""

    positions: int
    window: tuple[int, ...]
    channels: int
    filters: int | None

    @property
    def weights(self) -> int:
        groups, filters = (self.channels, self.channels) if self.filters is None else (1, self.filters)
        return formulas.convolution_weights(self.window, self.channels, groups, filters)

    def factors(self) -> str:
        numbers = [*(n for n in self.window if len(self.window) and n > 1), self.channels]
        return "·".join(map(str, numbers if self.filters is None else [*numbers, self.filters]))


def _form(
    node: Node, name: str, written: str, symbols: tuple[str, str], parts: list[_Part], biases: int, remark: str
) -> LighterForm:
    """The form that consists of these convolutions one after the other, with so many numbers as biases."""
    x, y = node.data[0].type, node.output.type
    conv, window = node.attrs, node.attrs.geometry(x)
    extra = biases if conv.bias else 0
    params = Formula(
        "parameters",
        symbols[0],
        " + ".join([*(part.factors() for part in parts), *([str(extra)] if extra else [])]),
        sum(part.weights for part in parts) + extra,
    )
    macs = Formula(
        "MACs",
        symbols[1],
        " + ".join(f"{part.positions}·{part.factors()}" for part in parts),
        sum(part.positions * part.weights for part in parts),
    )
    params_now = formulas.convolution_weights(window.size, x.channels, 1, conv.filters) + (
        conv.filters if conv.bias else 0
    )
    macs_now = formulas.convolution_macs(y.positions, window.size, x.channels, 1, conv.filters)
    return LighterForm(name, written, params, params_now, macs, macs_now, remark)


def _separable(node: Node, window: WindowGeometry) -> LighterForm:
    x, y, filters = node.data[0].type, node.output.type, node.attrs.filters
    parts = [_Part(y.positions, window.size, x.channels, None), _Part(y.positions, (), x.channels, filters)]
    share = 1 / filters + 1 / window.taps
    return _form(
        node,
        "depthwise-separable",
        f"separable_conv: {{filters: {filters}, kernel: {_kernel(window)}}}",
        ("kernel cells · c_in + c_in · c_out", "output positions · (kernel cells · c_in + c_in · c_out)"),
        parts,
        filters,
        f"1/c_out + 1/kernel cells = 1/{filters} + 1/{window.taps} = {share:.3f} of the MACs (Howard and others 2017)",
    )


def _factorised(node: Node, window: WindowGeometry) -> LighterForm:
    x, filters, side = node.data[0].type, node.attrs.filters, window.size[0]
    between = window.output[0] * window.input[1]  # the column is shortened first, the row still has its length
    parts = [
        _Part(between, (side, 1), x.channels, filters),
        _Part(math.prod(window.output), (1, side), filters, filters),
    ]
    return _form(
        node,
        "factorised",
        f"conv: {{filters: {filters}, kernel: [{side}, 1]}}, then conv: {{filters: {filters}, kernel: [1, {side}]}}",
        ("k · c_in · c_out + k · c_out · c_out", "positions · k · c_in · c_out + output positions · k · c_out · c_out"),
        parts,
        2 * filters,
        "a column, then a row; it does not work well on early layers (Szegedy and others 2016, section 3.2)",
    )


def _stack(node: Node, window: WindowGeometry, lost: int) -> LighterForm:
    x, filters = node.data[0].type, node.attrs.filters
    count = (window.size[0] - 1) // (SMALL - 1)
    small = (SMALL,) * len(window.size)
    parts = []
    for number in range(1, count + 1):
        missing = lost * number // count
        positions = math.prod(n - missing for n in window.input)
        parts.append(_Part(positions, small, x.channels if number == 1 else filters, filters))
    return _form(
        node,
        f"{count} of {formulas.times(small)}",
        f"{count} times conv: {{filters: {filters}, kernel: {SMALL}}}, an activation between them",
        (
            "small cells · c_in · c_out + (n − 1) · small cells · c_out · c_out",
            "the same, each at its own output positions",
        ),
        parts,
        count * filters,
        "the last one sees as many cells as the large window (Szegedy and others 2016, section 3.1)",
    )


def _bottleneck(node: Node, window: WindowGeometry) -> Iterator[LighterForm]:
    x, y, filters = node.data[0].type, node.output.type, node.attrs.filters
    narrow = filters // SQUEEZE
    if filters % SQUEEZE or narrow >= x.channels:
        return
    parts = [
        _Part(x.positions, (), x.channels, narrow),
        _Part(y.positions, window.size, narrow, narrow),
        _Part(y.positions, (), narrow, filters),
    ]
    yield _form(
        node,
        "bottleneck",
        f"conv: {{filters: {narrow}, kernel: 1}}, then conv: {{filters: {narrow}, kernel: {_kernel(window)}}}, "
        f"then conv: {{filters: {filters}, kernel: 1}}",
        ("c_in · r + kernel cells · r · r + r · c_out", "the same, each at its own output positions"),
        parts,
        2 * narrow + filters,
        f"r = c_out/{SQUEEZE}; fewer channels pass through (Lin, Chen and Yan 2013; Iandola and others 2016)",
    )


def _of_dense(graph: Graph, node: Node) -> Iterator[LighterForm]:
    """Global pooling in the place of the flatten before a dense layer."""
    producers = graph.producer()
    before = producers.get(node.data[0])
    while before is not None and before.op.name == "dropout":
        before = producers.get(before.data[0])
    if before is None or before.op.name != "flatten" or before.data[0].type.positions == 1:
        return
    image, units = before.data[0].type, node.attrs.units
    bias = units if node.attrs.bias else 0
    weights = formulas.dense_weights(image.channels, units)
    now = formulas.dense_weights(node.data[0].type.elements, units)
    yield LighterForm(
        "global pooling",
        f"global_avg_pool in the place of {before.path}",
        Formula(
            "parameters", "c_in · units", f"{image.channels}·{units}" + (f" + {bias}" if bias else ""), weights + bias
        ),
        now + bias,
        Formula("MACs", "c_in · units", f"{image.channels}·{units}", weights),
        now,
        f"1/{image.positions} of the weights: one number for each channel, not for each place (Lin, Chen and Yan 2013)",
    )


def _kernel(window: WindowGeometry) -> str:
    return str(window.size[0]) if len(set(window.size)) == 1 else str(list(window.size))
