"""How tensors are turned for other programs, and how far two arrays lie apart."""

from __future__ import annotations

import math

import numpy as np

from netspec.interop.tensors import Exchanged, as_it_is, filters_first, flattened_rows, inputs_first, relative_error

GENERATOR = np.random.default_rng(0)


def test_filters_come_first() -> None:
    weight = GENERATOR.standard_normal((3, 5, 4, 8)).astype(np.float32)
    turned = filters_first(weight.shape).apply(weight)
    assert turned.shape == (8, 4, 3, 5)
    assert turned[7, 2, 1, 4] == weight[1, 4, 2, 7]


def test_groups_of_a_transposed_convolution() -> None:
    weight = GENERATOR.standard_normal((2, 2, 3, 8)).astype(np.float32)  # 2 groups of 3 inputs and 4 outputs
    turned = inputs_first(weight.shape, 2).apply(weight)
    assert turned.shape == (6, 4, 2, 2)
    assert turned[4, 3, 0, 1] == weight[0, 1, 1, 7]


def test_rows_follow_an_image_that_is_flattened_channels_first() -> None:
    image = GENERATOR.standard_normal((2, 3, 4)).astype(np.float32)
    weight = GENERATOR.standard_normal((24, 5)).astype(np.float32)
    turned = flattened_rows(weight.shape, image.shape, transposed=True).apply(weight)
    np.testing.assert_allclose(
        turned @ np.moveaxis(image, -1, 0).reshape(-1),
        image.reshape(-1) @ weight,
        rtol=1e-5,  # sums of 24 float32 products in another order
    )


def test_the_report_says_what_is_done() -> None:
    turn = flattened_rows((24, 5), (2, 3, 4), transposed=True)
    row = Exchanged("fc.weight", "dense.weight", (24, 5), turn).row()
    assert row["change"] == "read as [2, 3, 4, 5], axes [3, 2, 0, 1], read as [5, 24]"
    assert Exchanged("a", "b", (3,), as_it_is((3,))).row()["change"] == ""
    assert Exchanged("bias", None, (), as_it_is((3,)), 0.0).row()["change"] == "filled with 0"


def test_relative_error() -> None:
    wanted = np.array([1.0, -4.0])
    assert relative_error(np.array([1.0, -3.5]), wanted) == 0.125
    assert relative_error(np.array([np.nan, 1.0]), wanted) == math.inf
    assert relative_error(np.zeros(3), wanted) == math.inf
    assert relative_error(np.zeros(2), np.zeros(2)) == 0.0
