"""What people hand to the Python API by mistake, and what it says."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import netspec

SPEC = """\
netspec: 1
name: tiny
input: [4, 4, 1]
layers:
  - conv: {filters: 2, kernel: 3}
  - relu
  - flatten
  - dense: 2
train: {batch: 8, epochs: 1}
"""
BYTES = SPEC.replace("epochs: 1", "epochs: 1, preprocess: [{divide: 255}]")
LABELS = np.arange(8) % 2
IMAGES = np.random.default_rng(2).random((8, 4, 4, 1))


def model(text: str = SPEC) -> netspec.Model:
    return netspec.load(text).compile(threads=1)


def test_floats_up_to_one_are_told_once_where_bytes_are_expected() -> None:
    given = model(BYTES)
    with pytest.warns(netspec.InputWarning, match=r"'input' holds floats from .* divides by 255 once more") as told:
        given.step(IMAGES, LABELS)
    assert told[0].filename == __file__
    given.fit(IMAGES, LABELS)  # a second warning would be an error here
    for call in (given.predict, model(BYTES).predict):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            call(IMAGES)
        assert [each.filename for each in seen] == ([] if call.__self__ is given else [__file__])


@pytest.mark.parametrize(
    ("text", "images"),
    [
        (BYTES, IMAGES * 255),
        (BYTES, (IMAGES * 255).astype(np.uint8)),
        (BYTES, np.zeros_like(IMAGES)),
        (BYTES, IMAGES - 0.5),
        (BYTES.replace("255", "2"), IMAGES),
        (SPEC, IMAGES),
    ],
)
def test_numbers_that_may_be_meant_are_no_warning(text: str, images: np.ndarray) -> None:
    assert model(text).predict(images).shape == (8, 2)
