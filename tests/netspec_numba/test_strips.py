"""Strips of a weight gradient: each pair of channels of a group is in one, and no table is as long as the weights."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.core.types import TensorType
from netspec_numba.host import LANES, configure

configure()

from netspec_numba.kernels.convolution import _strips, partial_sums  # noqa: E402 - the cache has to be selected first
from netspec_numba.kernels.drivers import STRIP_CHANNELS, strip_at  # noqa: E402
from netspec_numba.kernels.views import View  # noqa: E402

CASES = {
    "one group": (3 * LANES + 5, LANES, 5 * LANES + 1, 1),
    "plain": (3 * LANES + 5, 3 * LANES + 5, 2 * LANES, 1),
    "a folded row": (15, 15, 6, 1),
    "two groups": (6 * LANES, LANES, 4 * LANES, 2),
    "groups across blocks": (9 * 7, LANES, 9 * 5, 9),
    "plain groups": (20 * 3, 60, 3 * 70, 3),
    "narrow groups": (64, LANES, 96, 32),
}


@pytest.mark.parametrize("name", CASES)
def test_every_pair_of_channels_of_a_group_is_in_one_strip(name: str) -> None:
    channels, lanes, columns, groups = CASES[name]
    view = View(channels, lanes, lanes, 0, 0)
    panels, strips, most = _strips(view, columns, groups)
    met = np.zeros((channels, columns), np.int64)
    for number in range(strips):
        column, vectors, block, lane, channel, rows = strip_at(panels, lanes, number)
        assert 1 <= rows <= most <= STRIP_CHANNELS
        assert channel == block * lanes + lane
        assert lane + rows <= lanes
        met[channel : channel + rows, column : column + vectors * LANES] += 1
    assert met.max() == 1
    group = np.arange(channels)[:, None] // (channels // groups) == np.arange(columns) // (columns // groups)
    assert met[group].all()


def test_planning_a_dense_layer_takes_no_time_that_grows_with_its_weights() -> None:
    channels, columns = 100_000, 50_000
    view = View(channels, channels, channels, 0, channels)
    panels, strips, _ = _strips(view, columns, 1)
    assert len(panels) == -(-columns // (2 * LANES))
    assert strips == len(panels) * -(-channels // STRIP_CHANNELS)
    assert partial_sums(view, 1, TensorType((columns,)), 1, 8, 2) == 2 * STRIP_CHANNELS * 2 * LANES
