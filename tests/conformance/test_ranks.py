"""Every op is tried over every number of axes that it can be built on, in both directions; nothing is kept by hand."""

from __future__ import annotations

from functools import cache

import pytest

from netspec.core import op as ops
from netspec.core.declare import REGISTRIES, Declaration
from netspec.core.op import ShapeError
from netspec.core.reference import Case
from netspec.core.types import TensorType
from netspec.testing import cases, differentiable_cases
from netspec.testing.cases import SHAPES
from netspec.testing.trials import is_differentiable

PUBLIC = tuple(REGISTRIES["op"].public())
CUBES = tuple((side,) * axes + (channels,) for axes in range(5) for side in (1, 4, 6, 12) for channels in (1, 6, 12))
"""Shapes that windows, groups, factors and parts of the usual sizes fit, of up to one axis more than there may be."""


def over(tried: tuple[Case, ...]) -> set[int]:
    """The numbers of axes of the cases."""
    return {len(case.types[0].spatial) for case in tried}


@cache
def buildable(declaration: Declaration) -> set[int]:
    """The numbers of axes on which some use of the op that is tried anywhere can be built, on some shape."""
    known = cases(declaration)
    shapes = {*SHAPES, *CUBES, *(case.types[0].shape for case in known)}
    uses = {(case.attrs, len(case.types)) for case in known}
    return {len(shape) - 1 for shape in shapes for attrs, count in uses if fits(attrs, (TensorType(shape),) * count)}


def fits(attrs: object, types: tuple[TensorType, ...]) -> bool:
    try:
        ops.infer(attrs, types)
        ops.params(attrs, types)
    except ShapeError:
        return False
    return True


@pytest.mark.parametrize("declaration", PUBLIC, ids=lambda d: d.name)
def test_an_op_is_tried_on_all_it_can_be_built_on(declaration: Declaration) -> None:
    assert over(cases(declaration)) == buildable(declaration) & {0, 1, 2, 3}


@pytest.mark.parametrize("declaration", PUBLIC, ids=lambda d: d.name)
def test_its_gradient_is_proved_on_all_of_them(declaration: Declaration) -> None:
    found = cases(declaration)
    assert all(is_differentiable(case) for case in found)
    assert over(differentiable_cases(found)) == over(found)


@pytest.mark.parametrize("declaration", PUBLIC, ids=lambda d: d.name)
def test_it_is_tried_on_few_and_on_many_channels(declaration: Declaration) -> None:
    """Fewer than a vector of 16 holds, and more: so that padding lanes and several blocks occur."""
    channels = {types.channels for case in cases(declaration) for types in case.types}
    assert min(channels) < 16
    assert max(channels) > 16


@pytest.mark.parametrize("declaration", PUBLIC, ids=lambda d: d.name)
def test_it_is_tried_on_a_single_place_and_a_single_channel(declaration: Declaration) -> None:
    """Wherever it can be built on such."""
    shapes = {case.types[0].shape for case in cases(declaration)}
    if max(map(len, shapes)) > 1:
        assert any(1 in shape[:-1] for shape in shapes)
    assert any(shape[-1] == 1 for shape in shapes) or not any(
        fits(case.attrs, (TensorType(shape),) * len(case.types))
        for case in cases(declaration)
        for shape in CUBES
        if shape[-1] == 1
    )
