"""Arrays as pictures."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from netspec.training.report.content import Picture
from netspec.training.report.pictures import (
    CLASS_COLORS,
    LARGEST,
    STRIP,
    TRACE,
    class_picture,
    color_table,
    sample_picture,
    signed,
    tiled,
)


def pixels(picture: Picture) -> np.ndarray:
    """What a browser would show."""
    head, _, data = picture.address.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_bytes_are_shown_as_they_are() -> None:
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    assert np.array_equal(pixels(sample_picture(image, "")), image)
    assert np.array_equal(pixels(sample_picture(image[..., :1], "")), image[..., 0])


def test_floats_go_from_black_to_white_and_what_is_no_number_is_black() -> None:
    image = np.array([[[-1.0], [0.0], [1.0], [np.nan]]])
    assert pixels(sample_picture(image, "")).tolist() == [[0, 128, 255, 0]]
    assert pixels(sample_picture(np.ones((1, 2, 1)), "")).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    "shape", [(7,), (9, 4), (5, 6, 1), (5, 6, 3), (5, 6, 17), (4, 5, 6, 1), (300, 200, 3), (1, 500, 1)]
)
def test_any_sample_has_a_picture_of_bounded_size(shape: tuple[int, ...]) -> None:
    picture = sample_picture(np.random.default_rng(0).normal(size=shape), "text")
    height, width = pixels(picture).shape[:2]
    assert (picture.width, picture.height, picture.text) == (width, height, "text")
    assert max(height, width) <= LARGEST


def test_a_signal_is_its_traces_and_a_list_a_row_of_pixels() -> None:
    wave = np.sin(np.linspace(0, 6, 1000))
    found = pixels(sample_picture(np.stack([wave, -wave], axis=1), ""))
    assert found.shape == (2 * TRACE, LARGEST)
    highest = found[:TRACE, LARGEST // 4].nonzero()[0]  # there is the crest of one and the trough of the other
    assert highest.max() < 4
    assert found[TRACE:, LARGEST // 4].nonzero()[0].min() > TRACE - 5
    assert pixels(sample_picture(np.arange(500.0), "")).shape == (STRIP, LARGEST)
    assert pixels(sample_picture(np.ones((500, 60)), "")).shape == (60, LARGEST)


def test_classes_keep_their_colours_when_reduced() -> None:
    classes = np.zeros((200, 200), int)
    classes[100:] = 3
    found = {tuple(color) for row in pixels(class_picture(classes, "")) for color in row.tolist()}
    assert found == {tuple(color_table()[number].tolist()) for number in (0, 3)}
    assert len(set(CLASS_COLORS)) == len(CLASS_COLORS)


def test_signed_numbers_are_blue_or_vermilion() -> None:
    negative, zero, positive = signed(np.array([[-2.0, 0.0, 2.0]]), 2.0)[0].astype(int)
    assert negative[2] > negative[0]
    assert positive[0] > positive[2]
    assert zero.min() > 230


def test_tiles_stand_apart() -> None:
    tiles = [np.full((2, 2, 3), 10 * number, np.uint8) for number in range(3)]
    found = pixels(tiled(tiles, 2, ""))
    assert found.shape == (5, 5, 4)
    assert found[0, 2, 3] == 0
    assert found[3, 0].tolist() == [20, 20, 20, 255]
    assert found[3, 3, 3] == 0  # no fourth tile
