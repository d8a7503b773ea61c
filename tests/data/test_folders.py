"""Folders of images, and of images with masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec.data.dataset import Array, Dataset, ReadContext
from netspec.data.folder import load
from netspec.data.masks import load as load_masks
from netspec.declarations.sources import Folder, Masks
from netspec.diagnostics.errors import RunError


def grey(path: Path, value: int, size: tuple[int, int] = (4, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    for part, count in (("train", 3), ("val", 2), ("test", 1)):
        for base, name in ((10, "cat"), (50, "Dog"), (90, "ant")):
            for number in range(count):
                grey(tmp_path / "pets" / part / name / f"{number}.png", base + number)
    return tmp_path / "pets"


def read(folder: Path, validation: str | None = None, **options: Any) -> Dataset:
    source = Folder(path=folder.name, **options)
    return load(source, ReadContext(None, folder.parent, (6, 4, 1), validation))


def test_classes_by_name_and_images_by_class(pets: Path) -> None:
    (pets / ".DS_Store").touch()
    (pets / "train" / "cat" / "Thumbs.db").touch()
    dataset = read(pets)
    assert dataset.class_names == ("Dog", "ant", "cat")
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [9, 6, 3]
    assert dataset.train["image"][:, 0, 0, 0].tolist() == [50, 51, 52, 90, 91, 92, 10, 11, 12]
    assert dataset.train["label"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert dataset.train["label"].dtype == np.int32


def test_a_folder_without_parts_is_the_training_part(pets: Path) -> None:
    dataset = read(pets / "train")
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [9, 0, 0]


def test_which_part_validates_can_be_said(pets: Path) -> None:
    (pets / "val").rename(pets / "dev")
    assert len(read(pets).validation) == 0
    assert len(read(pets, "dev").validation) == 6
    (pets / "dev").rename(pets / "valid")
    assert len(read(pets, "validation").validation) == 6
    grey(pets / "validation" / "cat" / "1.png", 1)
    with pytest.raises(RunError, match="several validation parts: validation, valid"):
        read(pets)


def empty_class(pets: Path) -> None:
    (pets / "train" / "eel").mkdir()


def unknown_class(pets: Path) -> None:
    grey(pets / "test" / "eel" / "1.png", 1)


def stray_file(pets: Path) -> None:
    (pets / "train" / "notes.txt").touch()


def foreign_file(pets: Path) -> None:
    (pets / "train" / "cat" / "list.csv").touch()


def folder_in_class(pets: Path) -> None:
    (pets / "train" / "cat" / "more").mkdir()


def other_size(pets: Path) -> None:
    grey(pets / "val" / "cat" / "9.png", 1, (5, 6))


def damaged(pets: Path) -> None:
    (pets / "val" / "cat" / "1.png").write_bytes(b"\x89PNG\r\n")


def link_outside(pets: Path) -> None:
    grey(pets.parent / "secret.png", 1)
    (pets / "train" / "cat" / "7.png").symlink_to(pets.parent / "secret.png")


def no_classes(pets: Path) -> None:
    for place in list((pets / "train").iterdir()):
        place.rename(pets.parent / place.name)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (empty_class, r"train/eel': the class has no image"),
        (unknown_class, r"test/eel': it is a class folder that the training part does not have"),
        (stray_file, r"train/notes\.txt': it is a file beside the classes"),
        (foreign_file, r"cat/list\.csv': it is no image by its name"),
        (folder_in_class, r"cat/more': it is a folder within a class"),
        (other_size, r"val/cat/9\.png': the image is 6x5"),
        (damaged, r"val/cat/1\.png': "),
        (link_outside, r"cat/7\.png': it lies, or leads by a link, outside"),
        (no_classes, r"train': it has no class folders"),
    ],
)
def test_what_is_wrong_is_named_before_training(pets: Path, spoil: Any, message: str) -> None:
    spoil(pets)
    with pytest.raises(RunError, match=rf"NS905.*{message}"):
        read(pets)


MASK = np.arange(24, dtype=np.uint8).reshape(6, 4) % 3


def write_pair(folder: Path, name: str, mask: Array, mode: str = "L") -> None:
    grey(folder / "images" / f"{name}.png", 7)
    (folder / "masks").mkdir(exist_ok=True)
    image = Image.fromarray(mask) if mode == "L" else Image.fromarray(mask, mode)
    if mode == "P":
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    image.save(folder / "masks" / f"{name}.png")


def read_masks(folder: Path, shape: tuple[int, ...] = (6, 4, 1), **options: Any) -> Dataset:
    return load_masks(Masks(path=folder.name, **options), ReadContext(None, folder.parent, shape))


def test_masks_of_grey_and_of_palettes_are_class_numbers(tmp_path: Path) -> None:
    write_pair(tmp_path / "set", "a", MASK)
    write_pair(tmp_path / "set", "b", MASK, "P")
    dataset = read_masks(tmp_path / "set", classes=3)
    assert (dataset.label, dataset.class_names) == ("mask", ("0", "1", "2"))
    assert dataset.train["mask"].dtype == np.int32
    assert np.array_equal(dataset.train["mask"], [MASK, MASK])


def test_black_and_white_are_two_classes(tmp_path: Path) -> None:
    write_pair(tmp_path / "set" / "train", "a", (MASK == 1).astype(np.uint8) * 255)
    assert np.array_equal(read_masks(tmp_path / "set").train["mask"][0], MASK == 1)


def test_black_and_white_among_more_classes_is_told_its_way_out(tmp_path: Path) -> None:
    write_pair(tmp_path / "set", "a", (MASK == 1).astype(np.uint8) * 255)
    with pytest.raises(RunError, match=r"(?s)a\.png': it holds the number 255, .*two classes where 'classes' is 2"):
        read_masks(tmp_path / "set", classes=3)


def test_masks_follow_their_images_and_mix_no_classes(tmp_path: Path) -> None:
    write_pair(tmp_path / "set", "a", np.repeat(np.repeat(MASK, 2, axis=0), 2, axis=1))
    grey(tmp_path / "set" / "images" / "a.png", 7, (8, 12))
    found = read_masks(tmp_path / "set", classes=3, resize="stretch").train["mask"][0]
    assert np.array_equal(found, MASK)


def test_what_is_wrong_with_masks_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write_pair(folder, "a", MASK)
    with pytest.raises(RunError, match=r"masks/a\.png': it holds the number 2, which is not one of the 2 classes"):
        read_masks(folder)
    grey(folder / "images" / "b.png", 1)
    with pytest.raises(RunError, match=r"images/b\.png': there is no mask of its name"):
        read_masks(folder, classes=3)
    (folder / "images" / "b.png").unlink()
    grey(folder / "masks" / "c.png", 1)
    with pytest.raises(RunError, match=r"masks/c\.png': there is no image of its name"):
        read_masks(folder, classes=3)
    (folder / "masks" / "c.png").unlink()
    grey(folder / "masks" / "a.png", 1, (3, 6))
    with pytest.raises(RunError, match=r"masks/a\.png': the mask is 6x3 \(height x width\), but its image 6x4"):
        read_masks(folder, classes=3)
    Image.new("RGB", (4, 6)).save(folder / "masks" / "a.png")
    with pytest.raises(RunError, match=r"masks/a\.png': it is of mode RGB"):
        read_masks(folder, classes=3)
