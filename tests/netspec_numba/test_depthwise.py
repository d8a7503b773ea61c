"""Depthwise kernels: their tables against counting, and all three directions against the definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from convolution_cases import Case, Window, case, check
from kernel_operands import empty, logical, operand, run, tensor

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.declarations.ops.convolution import Conv, ConvDw, ConvDx
from netspec_numba.host import LANES
from netspec_numba.kernels import depthwise as depthwise_kernels
from netspec_numba.kernels.depthwise import is_depthwise
from netspec_numba.kernels.depthwise_tables import (
    CELL,
    FIRST_CELL,
    FIRST_TAP,
    INSIDE,
    KIND,
    PLACE,
    PLACES,
    TAP,
    TAPS,
    TILE_PLACES,
    Reading,
    aligned,
    backward_reading,
    forward_reading,
    gradient_segments,
    tap_steps,
)
from netspec_numba.kernels.index_tables import Positions, positions_read, positions_reading


def window(
    spatial: tuple[int, ...], size: tuple[int, ...], stride: int = 1, pad: int = 0, dilation: int = 1
) -> WindowGeometry:
    axes = len(spatial)
    pads = ((pad, pad),) * axes
    return Window(size, (stride,) * axes, pads, (dilation,) * axes).geometry(TensorType((*spatial, 1)))


GEOMETRIES = [
    window((9,), (3,)),
    window((30,), (4,), 2, 3),
    window((17,), (3,), 3, 2, 2),
    window((20,), (2,), 5, 1, 3),
    window((1,), (5,), 1, 2),
    window((3,), (7,), 1, 4),
    window((7, 7), (3, 3), 1, 1),
    window((8, 25), (3, 5), 2, 2),
    window((9, 8), (2, 3), 3, 0, 2),
    window((5, 4), (1, 1), 2),
    window((4, 5, 6), (3, 2, 3), 2, 1),
    window((3, 4, 5), (2, 1, 3), 1, 2, 2),
]


def as_table(reading: Reading, taps: int, places: int) -> Positions:
    """[taps, positions of the result]: the cell that a reading has read through a tap, or -1."""
    steps = tap_steps(reading, 1, 1)
    table = np.full((taps, places), -1)
    for number, row in enumerate(reading.rows):
        for tile, (start, count) in zip(reading.tiles, steps.spans[row[KIND]], strict=True):
            for place in range(tile[PLACES]):
                target = number * reading.row_length + tile[PLACE] + place * reading.place_step
                for cell, tap, along in steps.steps[start : start + count]:
                    in_row = tile[FIRST_CELL] + place * reading.neighbour_step + along
                    there = 0 <= in_row < reading.source_length
                    assert there or not tile[INSIDE]
                    if there:
                        read = row[CELL] + tile[FIRST_CELL] + place * reading.neighbour_step + cell
                        assert table[row[TAP] + tile[FIRST_TAP] + tap, target] == -1
                        table[row[TAP] + tile[FIRST_TAP] + tap, target] = read
    return table


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_readings_are_the_tables_of_any_convolution(geometry: WindowGeometry) -> None:
    outputs, inputs = (int(np.prod(sides)) for sides in (geometry.output, geometry.input))
    forward, backward = forward_reading(geometry), backward_reading(geometry)
    np.testing.assert_array_equal(as_table(forward, geometry.taps, outputs), positions_read(geometry))
    np.testing.assert_array_equal(as_table(backward, geometry.taps, inputs), positions_reading(geometry))
    np.testing.assert_array_equal(as_table(aligned(backward), geometry.taps, inputs), positions_reading(geometry))
    for reading in (forward, backward):
        assert 1 <= reading.tiles[:, PLACES].min() <= reading.tiles[:, PLACES].max() <= TILE_PLACES
        assert reading.tiles[:, PLACES].sum() == reading.row_length


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_gradient_segments_meet_every_pair_of_a_row_once(geometry: WindowGeometry) -> None:
    last = WindowGeometry(
        *((side[-1],) for side in (geometry.input, geometry.output, geometry.size)),
        *((side[-1],) for side in (geometry.stride, geometry.dilation, geometry.before)),
    )
    met = []
    for segment in gradient_segments(geometry):
        for place, tap in itertools.product(range(segment[PLACES]), range(segment[TAPS])):
            cell = segment[FIRST_CELL] + place * last.stride[0] + tap * last.dilation[0]
            met.append((segment[FIRST_TAP] + tap, segment[PLACE] + place, cell))
    read = positions_read(last)
    assert sorted(met) == [(tap, place, read[tap, place]) for tap, place in zip(*np.nonzero(read >= 0), strict=True)]


def depthwise(name: str, spatial: tuple[int, ...], channels: int, size: tuple[int, ...], **options: object) -> Case:
    return case(name, spatial, channels, channels, size, groups=channels, **options)


CASES = [
    depthwise("line", (19,), 5, (3,), pad=1),
    depthwise("line, causal and dilated", (20,), LANES, (3,), dilation=2, padding=((4, 0),)),
    depthwise("image", (12, 13), LANES, (3, 3), pad=1),
    depthwise("blocks and a half", (7, 9), 2 * LANES + 3, (3, 3), pad=1),
    depthwise("stride 2", (11, 10), 6, (3, 3), stride=2, pad=1),
    depthwise("stride past window", (10, 9), 5, (2, 1), stride=(3, 2)),
    depthwise("strided and dilated", (13, 12), 6, (3, 2), stride=(2, 3), dilation=(3, 2), pad=2),
    depthwise("common factor of stride and dilation", (17, 16), 3, (3, 3), stride=4, dilation=6, pad=7),
    depthwise("wide window", (16, 15), 17, (7, 7), pad=3),
    depthwise("eleven taps", (3, 30), 4, (1, 11), padding=((0, 0), (2, 7))),
    depthwise("full", (4, 5), 7, (3, 4), padding=((2, 2), (3, 3))),
    depthwise("one by one", (6, 7), 33, (1, 1)),
    depthwise("window equal to input", (5, 6), 18, (5, 6)),
    depthwise("window larger than input", (3, 2), 6, (5, 4), pad=2),
    depthwise("one position", (1, 1), 3, (3, 3), pad=1),
    depthwise("few channels, plain", (9, 8), 3, (3, 3), stride=2, pad=1),
    depthwise("plain on both sides", (6, 5), 21, (3, 3), pad=1, plain=True),
    depthwise("volume", (4, 5, 6), 6, (3, 2, 3), pad=1, stride=(1, 2, 1)),
    depthwise("no bias", (6, 6), 6, (3, 3), bias=False),
    depthwise("many samples", (4, 4), 6, (3, 3), pad=1, batch=33, n=31),
    depthwise("one of many", (5, 5), 6, (3, 3), pad=1, batch=40, n=1),
    depthwise("many positions", (40, 70), 3, (3, 3), pad=1, batch=2, n=2),
]


@pytest.mark.parametrize("trial", CASES, ids=str)
def test_three_directions_agree_with_the_definition(trial: Case) -> None:
    assert is_depthwise(trial.window.groups, TensorType((1, trial.channels)), TensorType((1, trial.outputs)))
    check(trial)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_far_tensors_are_asked_for_ahead(stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depthwise_kernels, "FAR_BYTES", 0)
    check(depthwise("far", (11, 21), LANES + 2, (3, 3), stride=stride, pad=1))


def test_a_channel_keeps_to_itself() -> None:
    """A NaN in one channel reaches no other, in any direction: there is no product of the two."""
    channels, poisoned = LANES + 4, 2
    conv = Conv(filters=channels, kernel=3, padding="same", groups=channels, bias=False)
    image, weight = TensorType((6, 7, channels)), TensorType((3, 3, 1, channels), batched=False)
    random = np.random.default_rng(0)
    for op, attrs, given, made in (
        ("conv", conv, (image, weight), image),
        ("conv.dx", ConvDx(conv=conv, x=image), (image, weight), image),
        ("conv.dw", ConvDw(conv=conv), (image, image), weight),
    ):
        arrays = [random.normal(size=(2, *t.shape) if t.batched else t.shape) for t in given]
        arrays[0][..., 3, 3, poisoned] = np.nan
        inputs = [operand(tensor(t.shape, batched=t.batched), array, 2) for t, array in zip(given, arrays, strict=True)]
        output = empty(tensor(made.shape, batched=made.batched), 2)
        run(op, attrs, inputs, [output], 2, 2)
        found = np.isnan(logical(output, 2)).reshape(-1, channels).any(axis=0)
        assert np.flatnonzero(found).tolist() == [poisoned], op


def test_only_one_filter_per_channel_and_an_image_come_here() -> None:
    image, wide, row = TensorType((5, 4, 6)), TensorType((5, 4, 12)), TensorType((6,))
    assert is_depthwise(6, image, image)
    assert not is_depthwise(6, image, wide)
    assert not is_depthwise(3, image, image)
    assert not is_depthwise(1, TensorType((5, 1)), TensorType((5, 1)))
    assert not is_depthwise(6, row, row)
