"""Large maps, whose index tables are those of planes: the same tables, and the same results."""

from __future__ import annotations

import numpy as np
import pytest
from convolution_cases import Case, case, check, outcomes

from netspec.core.types import TensorType
from netspec_numba.host import LANES
from netspec_numba.kernels import index_tables
from netspec_numba.kernels.index_tables import (
    PLANE_BEGIN,
    PLANE_END,
    PLANE_SOURCE,
    data_gradient_planes,
    forward_planes,
    weight_gradient_pairs,
)
from netspec_numba.kernels.views import View

CASES = [
    case("image", (9, 8), 5, 7, (3, 3), pad=1),
    case("strided and dilated", (13, 12), LANES + 1, 6, (3, 2), stride=(2, 3), dilation=(3, 2), pad=2),
    case("common factor", (17, 6), 3, 5, (3, 3), stride=4, dilation=6, pad=7),
    case("stride past window", (10, 9), 5, 6, (2, 1), stride=(3, 2)),
    case("window beyond the map", (3, 2), 6, 8, (5, 4), pad=2),
    case("volume", (4, 5, 6), 6, 9, (3, 2, 3), pad=1, stride=(1, 2, 1), batch=5, n=4),
    case("groups", (6, 5, 4), 6, 12, (3, 3, 2), groups=3, padding=((2, 0), (1, 1), (0, 1))),
    case("signal", (19,), 6, 5, (4,), dilation=2, pad=2),
]


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of planes for the smallest of maps."""
    monkeypatch.setattr(index_tables, "LARGEST_TABLE", 0)
    monkeypatch.setattr(index_tables, "SMALLEST_PLANE", 1)


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("trial", CASES, ids=str)
def test_planes_agree_with_the_definition(trial: Case) -> None:
    check(trial)


@pytest.mark.parametrize("trial", CASES, ids=str)
def test_planes_give_the_bits_of_whole_maps(trial: Case, request: pytest.FixtureRequest) -> None:
    whole = outcomes(trial)
    request.getfixturevalue("cut")
    for name, outcome in outcomes(trial).items():
        if name != "dw":  # its chunks are others, so that it is summed in another order
            np.testing.assert_array_equal(outcome.computed, whole[name].computed)


def test_tables_of_a_large_volume_grow_with_a_plane_of_it() -> None:
    large, view = case("volume", (64, 64, 64), 32, 32, (3, 3, 3), pad=1), View(32, 16, 16, 64**3 * 16, 2 * 64**3 * 16)
    geometry = large.window.geometry(TensorType((*large.spatial, 32)))
    plane = 3 * 27 * 64**2  # planes at both ends, and all others
    for found in (forward_planes(geometry, view, view, 14, 8), data_gradient_planes(geometry, view, view, 14, 8)):
        assert len(found.planes) == 64
        assert found.table.sources.size + found.table.destinations.size < 1.2 * plane
        assert set(map(tuple, found.planes[1:-1, [PLANE_BEGIN, PLANE_END]])) == {tuple(found.planes[1, 2:])}
        assert found.planes[2, PLANE_SOURCE] == 64**2 * 16
    assert weight_gradient_pairs(geometry, view, view, 256, 1).table.pairs.size < 2.2 * plane
