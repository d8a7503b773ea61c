"""Common mistakes: wrong forms of the textbook formulas that are found in print, with a layer's own numbers.

Each function looks at a layer and says what somebody would get who holds the wrong form, and why it is wrong; ``None``
where the layer shows no difference. They are kept by the names of ops, so one for an op that is not installed rests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from netspec.core import formulas
from netspec.core.formulas import times
from netspec.core.graph import Node
from netspec.core.window import WindowGeometry


class CommonMistake(NamedTuple):
    """A wrong form with a layer's numbers, the figure it gives (if it is about one), and why it is wrong."""

    claim: str
    wrong: int | tuple[int, ...] | None
    why: str


Finder = Callable[[Node], CommonMistake | None]

CATALOGUE: dict[str, list[Finder]] = {}
"""What looks for mistakes at layers of an op, in the order in which they are told."""

CONVOLUTIONS = ("conv", "depthwise_conv")
POOLS = ("max_pool", "avg_pool", "median_pool", "lp_pool")


def common_mistakes(node: Node) -> Iterator[CommonMistake]:
    """The mistakes that are often made with a layer like this."""
    for finder in CATALOGUE.get(node.op.name, ()):
        found = finder(node)
        if found is not None:
            yield found


def _about(*ops: str) -> Callable[[Finder], Finder]:
    def enter(finder: Finder) -> Finder:
        for op in ops:
            CATALOGUE.setdefault(op, []).append(finder)
        return finder

    return enter


def _window(node: Node) -> WindowGeometry:
    geometry: WindowGeometry = node.attrs.geometry(node.data[0].type)
    return geometry


def _sides(numbers: Sequence[int]) -> str:
    return "·".join(map(str, numbers))


def _bias(node: Node) -> int:
    return int(node.attrs.bias)


def _right_count(node: Node) -> str:
    """The parameters of a convolution as they are: ``(5·5·6 + 1)·16 = 2,416``."""
    window, channels = _window(node).size, node.data[0].type.channels // node.attrs.groups
    weights = formulas.convolution_weights(window, node.data[0].type.channels, node.attrs.groups, node.attrs.filters)
    plus, biases = (" + 1", node.attrs.filters) if _bias(node) else ("", 0)
    return f"({_sides(window)}·{channels}{plus})·{node.attrs.filters} = {weights + biases:,}"


@_about("conv")
def _parameters_by_image_size(node: Node) -> CommonMistake:
    x, y, window = node.data[0].type, node.output.type, _window(node)
    wrong = (window.taps + 1) * x.positions
    cells = window.taps * (x.channels // node.attrs.groups) + 1
    return CommonMistake(
        f"(k·k + 1)·M·N = ({_sides(window.size)} + 1)·{_sides(x.spatial)} = {wrong:,} parameters, by the image's M·N",
        wrong,
        f"all positions share the same weights, so the image's size does not enter: {_right_count(node)}. With the "
        f"output's sides one counts connections: {cells:,}·{_sides(y.spatial)}·{y.channels} = "
        f"{cells * y.elements:,}",
    )


@_about("conv")
def _channels_left_out(node: Node) -> CommonMistake | None:
    window, channels = _window(node), node.data[0].type.channels // node.attrs.groups
    if channels == 1 or window.taps == 1:
        return None
    wrong = window.taps * node.attrs.filters
    return CommonMistake(
        f"height · width · filters = {_sides(window.size)}·{node.attrs.filters} = {wrong:,} weights",
        wrong,
        f"a filter has a window for each of the {channels} channels that it sees: {_right_count(node)}",
    )


@_about("conv")
def _filters_left_out(node: Node) -> CommonMistake | None:
    channels, filters = node.data[0].type.channels // node.attrs.groups, node.attrs.filters
    if _window(node).taps > 1 or filters == 1:
        return None
    ones = _sides(_window(node).size)
    return CommonMistake(
        f"{ones}·{channels} = {channels:,} weights of a pointwise convolution",
        channels,
        f"that is one filter; there are {filters}: {ones}·{channels}·{filters} = {channels * filters:,}",
    )


@_about("conv")
def _slip_of_a_product(node: Node) -> CommonMistake | None:
    cells = _window(node).taps * (node.data[0].type.channels // node.attrs.groups) + 1
    if (cells, node.attrs.filters, _bias(node)) != (289, 32, 1):
        return None
    return CommonMistake(
        "((9·32) + 1)·32 = 289·32 = 9,247 parameters",
        9_247,
        "289·32 = 9,248; a count with one bias per filter is a multiple of the filters, and 9,247 is none of 32",
    )


@_about("conv")
def _groups_left_out(node: Node) -> CommonMistake | None:
    groups, channels = node.attrs.groups, node.data[0].type.channels
    if groups == 1:
        return None
    window, filters = _window(node), node.attrs.filters
    wrong = formulas.convolution_weights(window.size, channels, 1, filters) + _bias(node) * filters
    plus = " + 1" if _bias(node) else ""
    return CommonMistake(
        f"({_sides(window.size)}·{channels}{plus})·{filters} = {wrong:,} parameters, as if there were no groups",
        wrong,
        f"a filter sees only the {channels // groups} channels of its group: {_right_count(node)}",
    )


@_about("conv")
def _order_of_the_weights(node: Node) -> CommonMistake | None:
    window, channels, filters = _window(node).size, node.data[0].type.channels, node.attrs.filters
    if len(window) != 2 or (channels == filters and window[0] == window[1]):
        return None
    wrong = (channels, filters, window[0], window[0])
    inner = channels // node.attrs.groups
    return CommonMistake(
        f"weights of shape [c_in, c_out, k_h, k_h] = {times(wrong)}",
        wrong,
        f"here, as in Keras, it is [k_h, k_w, c_in/groups, c_out] = {times((*window, inner, filters))}; in PyTorch "
        f"[c_out, c_in/groups, k_h, k_w] = {times((filters, inner, *window))}",
    )


@_about("conv")
def _turned_window(node: Node) -> CommonMistake | None:
    if _window(node).taps == 1:
        return None
    return CommonMistake(
        "y[m, n] = Σ h[j, k]·x[m − j, n − k], the convolution of mathematics",
        None,
        "a layer computes the cross-correlation Σ h[j, k]·x[m + j, n + k]: its window is not turned; what turns it by "
        "180° is the gradient for the input",
    )


@_about(*CONVOLUTIONS, *POOLS)
def _same_with_a_stride(node: Node) -> CommonMistake | None:
    window = _window(node)
    if node.attrs.padding != "same" or max(window.stride) == 1 or window.output == window.input:
        return None
    n, s, m = next(z for z in zip(window.input, window.stride, window.output, strict=True) if z[1] > 1)
    return CommonMistake(
        f"`same` keeps the size: {times(window.input)}",
        window.input,
        f"at stride 1 it does; at stride s a side becomes ⌈n/s⌉ = ⌈{n}/{s}⌉ = {m}",
    )


@_about(*CONVOLUTIONS)
def _same_as_padding_of_one(node: Node) -> CommonMistake | None:
    window = _window(node)
    spans = [formulas.window_span(k, d) for k, d in zip(window.size, window.dilation, strict=True)]
    if node.attrs.padding != "same" or max(window.stride) > 1 or set(spans) == {3} or any(e % 2 == 0 for e in spans):
        return None
    wrong = tuple(formulas.window_output(n, e, 1, 2) for n, e in zip(window.input, spans, strict=True))
    axis = next(axis for axis, span in enumerate(spans) if span != 3)
    text = formulas.show_window_output(window.input[axis], spans[axis], 1, 1, 1)
    return CommonMistake(
        f"`same` is a padding of 1: {text}",
        wrong,
        f"1 belongs to a window of 3; p = (k − 1)/2 = ({spans[axis]} − 1)/2 = {(spans[axis] - 1) // 2} keeps "
        f"{window.input[axis]}",
    )


@_about(*CONVOLUTIONS)
def _even_window(node: Node) -> CommonMistake | None:
    window = _window(node)
    even = [axis for axis, k in enumerate(window.size) if k % 2 == 0 and window.dilation[axis] == 1]
    if node.attrs.padding != "same" or max(window.stride) > 1 or not even:
        return None
    n, k = window.input[even[0]], window.size[even[0]]
    wrong = formulas.window_output(n, k, 1, 2 * ((k - 1) // 2))
    return CommonMistake(
        f"an even window cannot keep the size: p = ⌊({k} − 1)/2⌋ on both sides gives {wrong}",
        wrong,
        f"`same` adds k − 1 = {k - 1} in all, one more behind than before, and keeps {n}; what is lost is symmetry",
    )


@_about(*CONVOLUTIONS)
def _rounded_up(node: Node) -> CommonMistake | None:
    window = _window(node)
    if node.attrs.padding == "same":
        return None
    for axis, (n, k, s, d) in enumerate(zip(window.input, window.size, window.stride, window.dilation, strict=True)):
        before, after = window.before[axis], node.attrs.padding_after(node.data[0].type)[axis]
        left = formulas.columns_left_over(n, k, s, before + after, d)
        if left:
            exact = (n + before + after - formulas.window_span(k, d)) / s + 1
            return CommonMistake(
                f"(n + 2p − k)/s + 1 = {exact:g}, so {math.ceil(exact)}",
                math.ceil(exact),
                f"only the whole part is kept, {window.output[axis]}; no window reads the last {left} of the "
                f"{n + before + after}. A side of {n + s - left} would give {math.ceil(exact)} exactly",
            )
    return None


@_about("conv")
def _stride_for_pooling(node: Node) -> CommonMistake | None:
    if max(_window(node).stride) == 1:
        return None
    return CommonMistake(
        "a stride cannot take the place of pooling, since it throws information away",
        None,
        "pooling throws as much away; networks with strides alone lose no accuracy (Springenberg et al. 2015, "
        "arXiv:1412.6806), and most of today's have few pools",
    )


@_about("separable_conv")
def _separable_without_its_factor(node: Node) -> CommonMistake | None:
    x, filters, multiplier = node.data[0].type, node.attrs.filters, getattr(node.attrs, "multiplier", 1)
    kernel = node.attrs.kernel
    window = kernel if isinstance(kernel, tuple) else (kernel,) * len(x.spatial)
    middle = x.channels * multiplier
    wrong, right = math.prod(window) * middle + middle, math.prod(window) * middle + middle * filters
    if filters == 1:
        return None
    ones = _sides((1,) * len(window))
    return CommonMistake(
        f"{_sides(window)}·{middle} + {ones}·{middle} = {wrong:,} weights",
        wrong,
        f"the pointwise part has a weight for each channel in each of {filters} filters: "
        f"{_sides(window)}·{middle} + {ones}·{middle}·{filters} = {right:,}",
    )


@_about("conv_transpose")
def _transposed_as_inverse(node: Node) -> CommonMistake:
    return CommonMistake(
        "a transposed convolution is the inverse of a convolution and brings its input back",
        None,
        f"it brings back the shape, {times(node.output.type.spatial)}, not the numbers: it multiplies by the transpose "
        "of the convolution's matrix, which is its gradient for the input",
    )


@_about(*POOLS)
def _padding_left_out(node: Node) -> CommonMistake | None:
    window, after = _window(node), node.attrs.padding_after(node.data[0].type)
    for n, k, s, p, q, m in zip(
        window.input, window.size, window.stride, window.before, after, window.output, strict=True
    ):
        wrong = formulas.window_output(n, k, s, 0)
        if p + q and wrong != m:
            return CommonMistake(
                f"⌊(w − F)/s⌋ + 1 = ⌊({n} − {k})/{s}⌋ + 1 = {wrong}",
                wrong,
                f"the padding counts in a pooling too: {n} + {p} + {q} cells give {m}",
            )
    return None


@_about(*POOLS)
def _rounding_of_pools(node: Node) -> CommonMistake | None:
    window, after = _window(node), node.attrs.padding_after(node.data[0].type)
    for n, k, s, p, q, m in zip(
        window.input, window.size, window.stride, window.before, after, window.output, strict=True
    ):
        down, up = formulas.window_output(n, k, s, p + q), formulas.window_output_ceil(n, k, s, p, q)
        if node.attrs.padding == "same" or down == up:
            continue
        if m == up:
            why = f"`round: ceil` keeps a last window that is only partly filled: {up}, as Caffe does"
            return CommonMistake(f"pools round down: ⌊({n + p + q} − {k})/{s}⌋ + 1 = {down}", down, why)
        why = f"`round: floor` drops a window that is only partly filled, as Keras and PyTorch do: {down}"
        return CommonMistake(f"⌈({n + p + q} − {k})/{s}⌉ + 1 = {up}, as in Caffe", up, why)
    return None


@_about("dense")
def _bias_beside_the_units(node: Node) -> CommonMistake | None:
    inputs, units = node.data[0].type.elements, node.attrs.units
    if not _bias(node) or inputs == units:
        return None
    wrong = inputs * (units + 1)
    return CommonMistake(
        f"n_in·(n_out + 1) = {inputs}·({units} + 1) = {wrong:,} parameters",
        wrong,
        f"every output has one bias, so the 1 stands beside n_in: {_right_dense(inputs, units)}",
    )


@_about("dense")
def _biases_left_out(node: Node) -> CommonMistake | None:
    inputs, units = node.data[0].type.elements, node.attrs.units
    if not _bias(node):
        return None
    wrong = formulas.dense_weights(inputs, units)
    return CommonMistake(
        f"n_in·n_out = {inputs}·{units} = {wrong:,} parameters",
        wrong,
        f"those are the weights (and the MACs); with {units} biases {_right_dense(inputs, units)}",
    )


def _right_dense(inputs: int, units: int) -> str:
    return f"({inputs} + 1)·{units} = {formulas.dense_weights(inputs, units) + units:,}"


@_about("batch_norm")
def _statistics_as_trained(node: Node) -> CommonMistake:
    channels = node.data[0].type.channels
    trained = channels * (bool(node.attrs.scale) + bool(node.attrs.center))
    stored = trained + 2 * channels
    return CommonMistake(
        f"all {stored:,} parameters are trained",
        stored,
        f"training moves scale and shift by gradients, {trained:,} numbers; the moving mean and variance, "
        f"{2 * channels:,}, are averages of what came by",
    )


@_about("lrn")
def _lrn_as_a_maximum(node: Node) -> CommonMistake:
    names = ("size", "alpha", "beta", "k")
    size, alpha, beta, k = (getattr(node.attrs, name, sign) for name, sign in zip(names, "nαβk", strict=True))
    over = "mean of x²" if getattr(node.attrs, "scaling", "sum") == "mean" else "Σx²"
    return CommonMistake(
        f"local response normalisation takes the largest of {size} neighbouring channels",
        None,
        f"it divides each number by ({k} + {alpha}·{over})^{beta}, taken over {size} neighbours; no maximum is taken",
    )


@_about("softmax")
def _index_of_softmax(node: Node) -> CommonMistake | None:
    if node.output.type.channels == 1:
        return None
    return CommonMistake(
        "softmax(z)_t = e^z_i / Σ_j e^z_j, between 0 and 1 inclusive",
        None,
        f"the index is the same on both sides, and each of the {node.output.type.channels} numbers lies strictly "
        "between 0 and 1, since every e^z is positive",
    )


@_about("relu")
def _range_of_relu(node: Node) -> CommonMistake:
    return CommonMistake(
        "relu presses its output into an interval such as [0, 1], and keeps neurons from dying",
        None,
        "its range is [0, ∞), and a neuron that is negative for all samples has gradient 0 and stays so; sigmoid and "
        "tanh are the bounded ones, leaky_relu keeps neurons alive",
    )
