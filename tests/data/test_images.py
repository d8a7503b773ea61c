"""Image files of every kind become bytes of the input's shape, and what cannot is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec.data.images import ImageFiles, read_image, refuse_shape
from netspec.data.ondemand import fields
from netspec.diagnostics.errors import RunError

RANDOM = np.random.default_rng(3)
GREY = RANDOM.integers(0, 256, (6, 4), np.uint8)
COLOUR = RANDOM.integers(0, 256, (6, 4, 3), np.uint8)


def saved(folder: Path, image: Image.Image, name: str = "a.png", **options: Any) -> Path:
    image.save(folder / name, **options)
    return folder / name


def test_grey_and_colour_are_read_as_they_are(tmp_path: Path) -> None:
    assert np.array_equal(read_image(saved(tmp_path, Image.fromarray(GREY)), (6, 4, 1), "none")[..., 0], GREY)
    assert np.array_equal(read_image(saved(tmp_path, Image.fromarray(COLOUR)), (6, 4, 3), "none"), COLOUR)


def test_colour_becomes_luma_and_grey_three_times_itself(tmp_path: Path) -> None:
    luma = COLOUR @ np.array([0.299, 0.587, 0.114])
    found = read_image(saved(tmp_path, Image.fromarray(COLOUR)), (6, 4, 1), "none")[..., 0]
    assert np.abs(found - luma).max() <= 1  # Pillow works with whole numbers
    spread = read_image(saved(tmp_path, Image.fromarray(GREY)), (6, 4, 3), "none")
    assert np.array_equal(spread, np.repeat(GREY[..., None], 3, axis=2))


def test_what_is_transparent_lies_over_white(tmp_path: Path) -> None:
    alpha = np.zeros((6, 4, 1), np.uint8)
    alpha[:3] = 255
    file = saved(tmp_path, Image.fromarray(np.concatenate([COLOUR, alpha], axis=2)))
    found = read_image(file, (6, 4, 3), "none")
    assert np.array_equal(found[:3], COLOUR[:3])
    assert (found[3:] == 255).all()
    assert np.array_equal(read_image(file, (6, 4, 4), "none")[..., 3:], alpha)


def test_palettes_become_colours_with_and_without_a_transparent_one(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0])
    file = saved(tmp_path, image)
    assert read_image(file, (2, 2, 3), "none").tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 255, 0], [255, 0, 0]]]
    file = saved(tmp_path, image, transparency=1)
    assert read_image(file, (2, 2, 3), "none").tolist()[0] == [[255, 0, 0], [255, 255, 255]]


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    values = np.array([[0, 257, 128, 129], [65535, 65407, 32896, 1]], np.uint16)
    file = saved(tmp_path, Image.fromarray(values))
    assert read_image(file, (2, 4, 1), "none")[..., 0].tolist() == [[0, 1, 0, 1], [255, 255, 128, 0]]


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    image = Image.new("CMYK", (4, 6), (255, 0, 0, 0))
    found = read_image(saved(tmp_path, image, "a.tif"), (6, 4, 3), "none")
    assert found[0, 0].tolist() == [0, 255, 255]


def test_the_turn_that_a_camera_noted_is_carried_out(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    file = saved(tmp_path, Image.fromarray(GREY), "a.png", exif=exif)
    assert np.array_equal(read_image(file, (4, 6, 1), "none")[..., 0], np.rot90(GREY, -1))


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    file = saved(tmp_path, Image.fromarray(np.zeros((6, 4), np.float32)), "a.tif")
    with pytest.raises(RunError, match=r"NS905.*a\.tif': its pixels are floating-point"):
        read_image(file, (6, 4, 1), "none")


def test_another_size_is_refused_unless_a_policy_is_written(tmp_path: Path) -> None:
    file = saved(tmp_path, Image.fromarray(GREY))
    with pytest.raises(
        RunError, match=r"a\.png': the image is 6x4 \(height x width\), but the input is 4x4.*\n.*resize"
    ):
        read_image(file, (4, 4, 1), "none")


def bands(width: int, height: int) -> Image.Image:
    """Black left quarter, grey middle, white right quarter."""
    row = np.full(width, 100, np.uint8)
    row[: width // 4], row[-(width // 4) :] = 0, 255
    return Image.fromarray(np.broadcast_to(row, (height, width)).copy())


def test_the_three_policies(tmp_path: Path) -> None:
    file = saved(tmp_path, bands(80, 40))
    stretched, cropped, framed = (
        read_image(file, (20, 20, 1), policy)[..., 0] for policy in ("stretch", "crop", "letterbox")
    )
    assert stretched[10].tolist()[:4] == [0, 0, 0, 0]
    assert stretched[10].tolist()[-4:] == [255, 255, 255, 255]
    assert (cropped[:, 1:-1] == 100).all()  # the outer quarters are cut off, but for the filter's reach
    assert (framed[:5] == 0).all()
    assert (framed[-5:] == 0).all()
    assert (framed[5:15, -2:] == 255).all()
    tall = read_image(saved(tmp_path, bands(80, 160)), (20, 20, 1), "letterbox")[..., 0]
    assert (tall[:, :5] == 0).all()
    assert (tall[:, 13:15] == 255).all()


def test_shrinking_does_not_alias(tmp_path: Path) -> None:
    stripes = Image.fromarray(np.broadcast_to(np.array([0, 255] * 32, np.uint8), (64, 64)).copy())
    found = read_image(saved(tmp_path, stripes), (8, 8, 1), "stretch")
    assert np.abs(found.astype(int) - 127).max() < 10  # every other pixel alone would be all black or all white


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of TIFF before it fails
@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "tif", "webp"])
def test_damaged_files_are_named(tmp_path: Path, ending: str) -> None:
    file = saved(tmp_path, Image.fromarray(RANDOM.integers(0, 256, (64, 64, 3), np.uint8)), f"a.{ending}")
    whole = file.read_bytes()
    for kept in (0, 3, 20, len(whole) // 2):
        file.write_bytes(whole[:kept])
        with pytest.raises(RunError, match=rf"NS905.*a\.{ending}'"):
            read_image(file, (64, 64, 3), "none")


def test_foreign_and_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no image\n" * 100)
    with pytest.raises(RunError, match=r"a\.png': it is no image"):
        read_image(tmp_path / "a.png", (6, 4, 1), "none")
    with pytest.raises(RunError, match=r"b\.png': the image is damaged or cut off: .*No such file"):
        read_image(tmp_path / "b.png", (6, 4, 1), "none")


def test_an_image_of_too_many_pixels_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.data.images.LARGEST_IMAGE", 23)
    with pytest.raises(RunError, match=r"it has 4x6 pixels; at most 23 are read"):
        read_image(saved(tmp_path, Image.fromarray(GREY)), (6, 4, 1), "none")


def test_images_keep_their_order_and_want_an_input_of_images(tmp_path: Path) -> None:
    files = [saved(tmp_path, Image.new("L", (4, 6), number), f"{number}.png") for number in range(30)]
    found = fields({"all": ImageFiles(files, (6, 4, 1), "none")}, 2**20)["all"]
    assert found[:, 0, 0, 0].tolist() == list(range(30))
    with pytest.raises(RunError, match="it holds images, but the network's input is 6x4x7"):
        refuse_shape((6, 4, 7), tmp_path)
