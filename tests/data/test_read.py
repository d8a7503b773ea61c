"""From ``train:`` to parts that are fed: validation, bytes as class numbers, labels that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.data.dataset import Dataset
from netspec.data.read import read_dataset
from netspec.diagnostics.errors import RunError, SpecError
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source

IMAGES = np.arange(20 * 16, dtype=np.uint8).reshape(20, 4, 4, 1)
LABELS = np.arange(20) % 2


def read(folder: Path, train: str, layers: str = "[flatten, {dense: 2}]", more: str = "", **arrays: Any) -> Dataset:
    if arrays:
        np.savez(folder / "set.npz", **arrays)
    text = f"netspec: 1\ninput: [4, 4, 1]\nlayers: {layers}\n{more}train: {{data: {{npz: set.npz}}{train}}}\n"
    return read_dataset(load_spec(Source("spec.yaml", text)), None, folder)


def sizes(dataset: Dataset) -> list[int]:
    return [len(part) for part in (dataset.train, dataset.validation, dataset.test)]


OWN = {"x_val": IMAGES[:4], "y_val": LABELS[:4]}


def test_a_share_of_the_training_part_is_held_out(tmp_path: Path) -> None:
    dataset = read(tmp_path, ", validation: 0.2", x=IMAGES, y=LABELS)
    assert sizes(dataset) == [16, 4, 0]
    assert np.bincount(dataset.validation["y"]).tolist() == [2, 2]


def test_the_data_may_have_a_validation_part_of_its_own(tmp_path: Path) -> None:
    assert sizes(read(tmp_path, "", x_train=IMAGES, y_train=LABELS, **OWN)) == [20, 4, 0]
    assert sizes(read(tmp_path, ", validation: val")) == [20, 4, 0]
    assert sizes(read(tmp_path, ", validation: 0.5")) == [10, 10, 0]


def test_no_choice_is_made_on_the_test_part(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"NS908.*the part 'test' of data 'npz' is there to be tested on"):
        read(tmp_path, ", validation: test", x=IMAGES, y=LABELS)


def test_a_part_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"NS909.*data 'npz' has no part 'val'"):
        read(tmp_path, ", validation: val", x=IMAGES, y=LABELS)


def test_parts_say_what_goes_where(tmp_path: Path) -> None:
    dataset = read(tmp_path, "", x=IMAGES, y=LABELS)
    assert np.array_equal(dataset.train.inputs["input"], IMAGES)
    assert np.array_equal(dataset.train.targets["main"], LABELS)


def test_bytes_are_class_numbers_where_a_head_learns_them_so(tmp_path: Path) -> None:
    masks = (IMAGES[..., 0] > 99).astype(np.uint8)
    dataset = read(tmp_path, "", "[{conv: {filters: 2, kernel: 1}}]", "heads: {mask: {}}\n", x=IMAGES, mask=masks)
    assert dataset.train.targets["mask"].dtype == np.int32


def test_a_label_that_the_head_cannot_say(tmp_path: Path) -> None:
    masks = np.zeros((20, 4, 4), np.int32)
    masks[7, 1, 2] = 2
    with pytest.raises(RunError, match=r"NS910.*field 'mask' of data 'npz' holds 2 in sample 7 of its train part, but"):
        read(tmp_path, "", "[{conv: {filters: 2, kernel: 1}}]", "heads: {mask: {}}\n", x=IMAGES, mask=masks)


def test_what_does_not_fit_is_told_at_its_place(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        read(tmp_path, "", "[flatten, {dense: 3}]", x=IMAGES, y=LABELS)
    assert "spec.yaml:4" in str(raised.value)
    assert "NS501" in str(raised.value)
