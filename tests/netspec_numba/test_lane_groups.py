"""Convolutions with narrow groups, whose vectors hold what is read: against the definition at awkward shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from convolution_cases import Case, case, check, check_threads, outcomes, run
from kernel_operands import empty, operand, tensor

from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv, ConvDw, ConvDx
from netspec.declarations.ops.transposed import ConvTranspose, ConvTransposeDw, ConvTransposeDx
from netspec.target import DIRECT
from netspec_numba.host import LANES
from netspec_numba.kernels import algorithms
from netspec_numba.kernels.lane_group_tables import Arrangement, Unit

ALGORITHM = "lane-groups"


def grouped(
    name: str, spatial: tuple[int, ...], size: tuple[int, ...], groups: tuple[int, int, int], **options: Any
) -> Case:
    """So many groups with so many channels and results each."""
    count, channels, results = groups
    return case(name, spatial, count * channels, count * results, size, groups=count, **options)


CASES = [
    *(grouped(f"{m} filters a channel", (5, 7), (3, 3), (LANES + 3, 1, m), pad=1) for m in (2, 3, 4, 5, 7, 8, 16, 17)),
    *(grouped(f"{m} channels a filter", (5, 7), (3, 3), (LANES + 1, m, 1), pad=1) for m in (2, 3, 4, 9)),
    *(grouped(f"groups of {m}", (4, 15), (3, 3), (2 * LANES // m + 1, m, m), pad=1) for m in (2, 3, 4, 5, 8)),
    grouped("6 to 4", (6, 5), (2, 3), (7, 6, 4), pad=1),
    grouped("4 to 6", (6, 5), (3, 2), (7, 4, 6), pad=1, bias=False),
    grouped("line", (29,), (3,), (5, 1, 2), pad=1),
    grouped("line, causal and dilated", (20,), (3,), (6, 2, 3), dilation=2, padding=((4, 0),)),
    grouped("stride 2", (11, 13), (3, 3), (6, 4, 4), stride=2, pad=1),
    grouped("stride past window", (10, 9), (2, 1), (5, 1, 3), stride=(3, 2)),
    grouped("strided and dilated", (13, 12), (3, 2), (6, 2, 2), stride=(2, 3), dilation=(3, 2), pad=2),
    grouped("common factor of stride and dilation", (17, 16), (3, 3), (3, 1, 2), stride=4, dilation=6, pad=7),
    grouped("wide window", (16, 15), (7, 7), (17, 1, 2), pad=3),
    grouped("eleven taps", (3, 30), (1, 11), (4, 2, 4), padding=((0, 0), (2, 7))),
    grouped("full", (4, 5), (3, 4), (7, 1, 2), padding=((2, 2), (3, 3))),
    grouped("one by one", (6, 7), (1, 1), (33, 2, 2)),
    grouped("window equal to input", (5, 6), (5, 6), (18, 1, 2)),
    grouped("window larger than input", (3, 2), (5, 4), (6, 2, 1), pad=2),
    grouped("one position", (1, 1), (3, 3), (3, 1, 4), pad=1),
    grouped("few channels, plain", (9, 8), (3, 3), (3, 1, 4), stride=2, pad=1),
    grouped("plain on both sides", (6, 5), (3, 3), (LANES + 5, 1, 2), pad=1, plain=True),
    grouped("plain groups of 4", (6, 5), (3, 3), (5, 4, 4), pad=1, plain=True),
    grouped("volume", (4, 5, 6), (3, 2, 3), (6, 1, 2), pad=1, stride=(1, 2, 1)),
    grouped("many samples", (4, 4), (3, 3), (6, 4, 4), pad=1, batch=33, n=31),
    grouped("one of many", (5, 5), (3, 3), (6, 1, 2), pad=1, batch=40, n=1),
    grouped("many positions", (40, 70), (3, 3), (3, 1, 2), pad=1, batch=2, n=2),
]


@pytest.mark.parametrize("trial", CASES, ids=str)
def test_narrow_groups_agree_with_the_definition(trial: Case) -> None:
    assert list(outcomes(trial, algorithm=ALGORITHM)) == ["y", "dw", "dx"]
    check(trial, algorithm=ALGORITHM)


@pytest.mark.parametrize("trial", CASES[-3:], ids=str)
def test_results_do_not_depend_on_the_number_of_threads(trial: Case) -> None:
    check_threads(trial, ALGORITHM)


def arranged(arrangement: Arrangement, target: int) -> list[list[tuple[int, int]]]:
    """For each lane of a target the vectors and lanes that are added up there."""
    found: list[list[tuple[int, int]]] = [[] for _ in range(LANES)]
    start, count = arrangement.spans[target]
    for pair, lanes in zip(arrangement.vectors[start:][:count], arrangement.lanes[start:][:count], strict=True):
        for lane, number in enumerate(lanes):
            if number >= 0:
                found[lane].append((int(pair[number // LANES]), int(number % LANES)))
    return found


@pytest.mark.parametrize(("channels", "results"), [(1, 2), (1, 7), (5, 1), (3, 3), (4, 4), (6, 4), (2, 8), (8, 8)])
def test_every_product_of_a_group_is_made_once_and_goes_where_it_belongs(channels: int, results: int) -> None:
    unit = Unit(channels, results)
    met, made = unit.spreading(), unit.collecting()
    product: dict[tuple[int, int], tuple[int, int]] = {}
    for target in range(unit.sums):
        for lane, sources in enumerate(arranged(met, target)):
            ((block, place),) = sources
            product[target, lane] = (target // results * LANES + lane, block * LANES + place)
    groups = range(unit.groups)
    within = {(g * channels + c, g * results + r) for g in groups for c in range(channels) for r in range(results)}
    assert sorted(product.values()) == sorted(within)
    for block in range(unit.targets):
        for lane, sources in enumerate(arranged(made, block)):
            result = block * LANES + lane
            assert len(sources) == channels
            assert {product[source] for source in sources} == {pair for pair in within if pair[1] == result}


def chosen(channels: int, filters: int, groups: int, kernel: int = 3) -> list[str]:
    """The first algorithm of each direction, of a convolution and of a transposed one."""
    x, y = (TensorType((14, 14, each), block=LANES) for each in (channels, filters))
    weight = TensorType((kernel, kernel, channels // groups, filters), batched=False)
    conv = Conv(filters=filters, kernel=kernel, padding="same", groups=groups, bias=False)
    turned = ConvTranspose(filters=filters, kernel=kernel, padding="same", groups=groups, bias=False)
    directions = [
        (conv, (x, weight), y),
        (ConvDx(conv=conv, x=x), (y, weight), x),
        (ConvDw(conv=conv), (x, y), weight),
        (turned, (x, weight), y),
        (ConvTransposeDx(conv=turned, x=x), (y, weight), x),
        (ConvTransposeDw(conv=turned), (x, y), weight),
    ]
    return [algorithms(attrs, inputs, (output,), 8, "exact", False)[0] for attrs, inputs, output in directions]


@pytest.mark.parametrize("filters", [2, 4])
def test_several_filters_for_each_channel_are_computed_in_the_lanes_of_channels(filters: int) -> None:
    assert set(chosen(4 * LANES, filters * 4 * LANES, 4 * LANES)) == {ALGORITHM}


def test_so_are_narrow_groups_and_others_not() -> None:
    width = LANES // 4
    assert set(chosen(8 * LANES, 8 * LANES, 8 * LANES // width)) == {ALGORITHM}
    for wide in (LANES, 2 * LANES):
        assert set(chosen(8 * LANES, 8 * LANES, 8 * LANES // wide)) == {DIRECT}
    assert set(chosen(8 * LANES, 8 * LANES, 8 * LANES)) == {DIRECT}


def test_a_channel_keeps_to_its_group() -> None:
    """A NaN in one channel reaches no other group, in any direction."""
    channels, results, groups, poisoned = 2, 3, LANES + 3, 5
    conv = Conv(filters=groups * results, kernel=3, padding="same", groups=groups, bias=False)
    image, made = TensorType((6, 7, groups * channels)), TensorType((6, 7, groups * results))
    weight = TensorType((3, 3, channels, groups * results), batched=False)
    random = np.random.default_rng(0)
    for attrs, op, given, output, size in (
        (conv, "conv", (image, weight), made, results),
        (ConvDx(conv=conv, x=image), "conv.dx", (made, weight), image, channels),
        (ConvDw(conv=conv), "conv.dw", (image, made), weight, results),
    ):
        arrays = [random.normal(size=(2, *t.shape) if t.batched else t.shape) for t in given]
        width = given[0].channels // groups
        arrays[0][..., 3, 3, poisoned * width] = np.nan
        inputs = [operand(tensor(t.shape, batched=t.batched), array, 2) for t, array in zip(given, arrays, strict=True)]
        result = empty(tensor(output.shape, batched=output.batched), 2)
        values = run(op, attrs, inputs, result, 2, 2, ALGORITHM)
        found = np.isnan(values).reshape(-1, groups, size).any(axis=(0, 2))
        assert np.flatnonzero(found).tolist() == [poisoned], op
