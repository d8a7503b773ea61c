"""The size formulas against counting windows one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netspec.core import formulas

SIZES = st.integers(1, 20)
SMALL = st.integers(1, 5)
PADS = st.integers(0, 5)


def starts_that_fit(size: int, kernel: int, stride: int, before: int, after: int, dilation: int) -> list[int]:
    """Where windows begin whose every cell lies in the padded input."""
    reach = dilation * (kernel - 1)
    return [s for s in range(-before, size + after, stride) if s + reach < size + after]


@given(SIZES, SMALL, SMALL, PADS, PADS, SMALL)
def test_output_counts_the_windows_that_fit(
    size: int, kernel: int, stride: int, before: int, after: int, dilation: int
) -> None:
    fitting = starts_that_fit(size, kernel, stride, before, after, dilation)
    assert max(formulas.window_output(size, kernel, stride, before + after, dilation), 0) == len(fitting)


@given(SIZES, SMALL, SMALL, PADS, PADS, SMALL)
def test_rounding_up_keeps_a_partly_filled_window_unless_it_begins_in_the_padding_after(
    size: int, kernel: int, stride: int, before: int, after: int, dilation: int
) -> None:
    reach = dilation * (kernel - 1)
    if reach >= size + before + after:
        return  # not one window fits
    kept = [s for s in range(-before, size, stride) if s + reach < size + after + stride - 1]
    assert formulas.window_output_ceil(size, kernel, stride, before, after, dilation) == len(kept)
    floor = formulas.window_output(size, kernel, stride, before + after, dilation)
    assert len(kept) <= floor + (formulas.columns_left_over(size, kernel, stride, before + after, dilation) > 0)


@given(SIZES, SMALL, SMALL, PADS, SMALL)
def test_left_over_columns_are_those_behind_the_last_window(
    size: int, kernel: int, stride: int, before: int, dilation: int
) -> None:
    fitting = starts_that_fit(size, kernel, stride, before, 0, dilation)
    if fitting:
        last_cell = fitting[-1] + dilation * (kernel - 1)
        assert formulas.columns_left_over(size, kernel, stride, before, dilation) == size - 1 - last_cell


@given(SIZES, SMALL, SMALL, SMALL)
def test_same_padding_is_the_least_that_gives_size_over_stride(
    size: int, kernel: int, stride: int, dilation: int
) -> None:
    wanted = formulas.same_output(size, stride)
    pad = formulas.same_padding_needed(size, kernel, stride, dilation)
    assert wanted == -(-size // stride)
    assert formulas.window_output(size, kernel, stride, pad, dilation) >= wanted
    if pad:
        assert formulas.window_output(size, kernel, stride, pad, dilation) == wanted
        assert formulas.window_output(size, kernel, stride, pad - 1, dilation) < wanted


@given(SIZES, SMALL, SMALL)
def test_full_padding_lets_every_window_touch_the_input(size: int, kernel: int, dilation: int) -> None:
    pad = formulas.full_padding(kernel, dilation)
    places = formulas.window_output(size, kernel, 1, 2 * pad, dilation)
    assert places == size + pad
    starts = range(-pad, size + pad - formulas.window_span(kernel, dilation) + 1)
    assert all(s + pad >= 0 and s < size for s in (starts[0], starts[-1]))


@given(SIZES, SMALL, SMALL, PADS, SMALL, PADS)
def test_a_transposed_convolution_undoes_the_size_of_a_convolution(
    size: int, kernel: int, stride: int, cut: int, dilation: int, output_padding: int
) -> None:
    more = output_padding % stride
    output = formulas.conv_transpose_output(size, kernel, stride, cut, dilation, more)
    assert formulas.window_output(output, kernel, stride, cut, dilation) == size
    assert formulas.window_output(output - more, kernel, stride, cut, dilation) == size
    assert formulas.window_output(output - more - 1, kernel, stride, cut, dilation) == size - 1


@given(SIZES, SMALL, SMALL, SMALL)
def test_same_leaves_size_times_stride(size: int, kernel: int, stride: int, dilation: int) -> None:
    cut = formulas.conv_transpose_same_cut(kernel, stride, dilation)
    assert formulas.conv_transpose_output(size, kernel, stride, cut, dilation) == size * stride
    assert max(cut, 0) == formulas.same_padding_needed(size * stride, kernel, stride, dilation)


@given(SIZES, SMALL, SMALL, SMALL)
def test_inputs_that_reach_one_output(size: int, kernel: int, stride: int, dilation: int) -> None:
    reached: dict[int, list[int]] = {}
    for source in range(size):
        for tap in range(kernel):
            reached.setdefault(source * stride + tap * dilation, []).append(source)
    widest = max(max(sources) - min(sources) + 1 for sources in reached.values())
    assert widest <= formulas.conv_transpose_inputs(kernel, stride, dilation)
    if dilation == 1 and size >= kernel:
        assert widest == formulas.conv_transpose_inputs(kernel, stride, dilation)


def test_counts_of_separable_and_locally_connected_layers() -> None:
    # A layer of MobileNet (Howard et al. 2017): 3x3 over 512 channels on 14x14, separable and in full.
    assert formulas.separable_macs(14 * 14, (3, 3), 512, 1, 512) == 52_283_392
    assert formulas.convolution_macs(14 * 14, (3, 3), 512, 1, 512) == 462_422_016
    assert formulas.separable_weights((3,), 4, 2, 5) == 3 * 8 + 8 * 5
    assert formulas.locally_connected_weights(6, (2, 2), 4, 2, 8) == 6 * 4 * 2 * 8


def test_counts_of_textbook_layers() -> None:
    # LeNet-5's second convolution, fully connected to 6 maps: 16 filters of 5x5x6 on 10x10 positions.
    assert formulas.convolution_weights((5, 5), 6, 1, 16) == 2400
    assert formulas.convolution_macs(100, (5, 5), 6, 1, 16) == 240_000
    # AlexNet's second convolution, in two groups.
    assert formulas.convolution_weights((5, 5), 96, 2, 256) == 307_200
    assert formulas.dense_weights(400, 120) == 48_000


def test_formula_with_its_numbers() -> None:
    assert formulas.show_window_output(4, 5, 1, 0, 0) == "⌊(4 + 2·0 − 5)/1⌋ + 1 = 0"
    assert formulas.show_window_output(9, 3, 2, 1, 0, 2) == "⌊(9 + 1 + 0 − (2·(3 − 1) + 1))/2⌋ + 1 = 3"
    assert formulas.show_conv_transpose_output(4, 3, 2, 1, 1, 1, 1) == "(4 − 1)·2 − 2·1 + 3 + 1 = 8"
    assert formulas.show_conv_transpose_output(4, 3, 2, 1, 0, 2) == "(4 − 1)·2 − (1 + 0) + (2·(3 − 1) + 1) = 10"
    assert formulas.times((3, 4)) == "3x4"
