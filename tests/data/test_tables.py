"""Archives of arrays, and tables."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec.data.dataset import Dataset, ReadContext
from netspec.data.finite import not_finite
from netspec.data.npz import load as load_npz
from netspec.data.table import load as load_csv
from netspec.declarations.sources import Csv, Npz
from netspec.diagnostics.errors import RunError

IMAGES = np.random.default_rng(1).integers(0, 256, (6, 4, 5), np.uint8)


def npz(folder: Path, source: Npz | None = None, **arrays: Any) -> Dataset:
    np.savez(folder / "set.npz", **arrays)
    return load_npz(source or Npz(path="set.npz"), ReadContext(None, folder, (4, 5, 1)))


def test_arrays_are_fields_of_their_part(tmp_path: Path) -> None:
    labels = np.arange(6, dtype=np.uint8)[:, None] % 3
    depth = np.ones((6, 2))
    dataset = npz(
        tmp_path,
        x_train=IMAGES,
        y_train=labels,
        train_depth=depth,
        x_val=IMAGES[:2],
        y_val=labels[:2],
        val_depth=depth[:2],
        class_names=np.array(["a", "b", "c"]),
    )
    assert (dataset.image, dataset.label, dataset.class_names) == ("x", "y", ("a", "b", "c"))
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [6, 2, 0]
    assert np.array_equal(dataset.train["x"], IMAGES[..., None])
    assert dataset.train["x"].dtype == np.uint8
    assert (dataset.train["y"].dtype, dataset.train["depth"].dtype) == (np.int32, np.float32)
    assert dataset.train["y"].tolist() == [0, 1, 2, 0, 1, 2]


def test_the_fields_can_be_said(tmp_path: Path) -> None:
    source = Npz(path="set.npz", image="left", label="kind")
    dataset = npz(tmp_path, source, left=IMAGES, kind=np.arange(6), y=np.ones(6))
    assert (dataset.image, dataset.label, len(dataset.class_names)) == ("left", "kind", 6)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": IMAGES, "y": np.arange(5)}, "different lengths: 6 of 'x', 5 of 'y'"),
        ({"x": IMAGES, "y": np.arange(6) - 1}, "'y' holds -1, which is no number of 5 classes"),
        ({"x": IMAGES, "y": np.arange(6), "class_names": np.array(["a"])}, "'y' holds 5, which is no number of 1"),
        ({"x": IMAGES, "y": np.array(list("abcdef"))}, "'y' is <U1 of shape"),
        ({"x_test": IMAGES}, "no array of a training part"),
        ({"x_train": IMAGES, "x_test": IMAGES, "y_test": np.arange(6)}, "'y' is not in both"),
        ({"x": IMAGES[:0]}, "holds no sample"),
        ({"x": np.array([{}, {}])}, "cannot be read: Object arrays cannot be loaded"),
    ],
    ids=str,
)
def test_arrays_that_make_no_data_set(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(RunError, match=rf"NS905.*set\.npz': .*{message}"):
        npz(tmp_path, **arrays)


def test_damaged_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ReadContext(None, tmp_path, (4, 5, 1))
    npz(tmp_path, x=IMAGES, y=np.arange(6))
    file = tmp_path / "set.npz"
    whole = file.read_bytes()
    for data in (b"", whole[:50], whole[: len(whole) // 2], b"hello" * 100, pickle.dumps({"x": 1})):
        file.write_bytes(data)
        with pytest.raises(RunError, match=r"NS905.*set\.npz'"):
            load_npz(Npz(path="set.npz"), context)
    file.write_bytes(whole.replace(bytes(IMAGES[0]), bytes(20)))  # the checksum notices
    with pytest.raises(RunError, match=r"set\.npz': .*CRC"):
        load_npz(Npz(path="set.npz"), context)
    file.write_bytes(whole)
    monkeypatch.setattr("netspec.data.npz.LARGEST_SET", 100)
    with pytest.raises(RunError, match="it unpacks to"):
        load_npz(Npz(path="set.npz"), context)


def table(folder: Path, text: str, shape: tuple[int, ...] = (2, 1), **options: Any) -> Dataset:
    (folder / "set.csv").write_text(text)
    return load_csv(Csv(path="set.csv", **options), ReadContext(None, folder, shape))


def test_numbers_of_a_row_are_the_sample(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("label,a,b\ncat,5,6\n")
    dataset = table(tmp_path, "label,a,b\ndog,1,2\ncat,3,-4e1\n\n", test="test.csv")
    assert dataset.class_names == ("cat", "dog")
    assert dataset.train["image"].tolist() == [[[1], [2]], [[3], [-40]]]
    assert dataset.train["label"].tolist() == [1, 0]
    assert (len(dataset.validation), dataset.test["image"].tolist()) == (0, [[[5], [6]]])


def test_a_column_names_image_files_and_others_are_fields(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("L", (5, 4), number).save(tmp_path / f"{number}.png")
    text = "file,kind,age,note\n0.png,2,1.5,x\n2.png,00,3,y\n"
    dataset = table(tmp_path, text, (4, 5, 1), image="file", label="kind")
    assert list(dataset.train.fields) == ["image", "age", "label"]
    assert dataset.train["image"][:, 0, 0, 0].tolist() == [0, 2]
    assert dataset.train["age"].tolist() == [1.5, 3]
    assert (dataset.train["label"].tolist(), dataset.class_names) == ([2, 0], ("0", "1", "2"))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "its first line is to name the columns"),
        ("a,a,label\n1,2,3\n", {}, "each differently"),
        ("a,b,label\n", {}, "it has no row"),
        ("a,b,label\n1,2\n", {}, "line 2 has 2 cells, but there are 3 columns"),
        ("a,b,kind\n1,2,0\n", {}, r"it has no column 'label'\n.*its columns are a, b, kind"),
        ("a,b,label\n1,,0\n", {}, "row 1, column 'b': '' is no finite number"),
        ("a,b,label\n1,2,0\n1,inf,0\n", {}, "row 2, column 'b': 'inf' is no finite number"),
        ("a,label\n1,0\n", {}, r"it has 1 columns of numbers beside the label, but the input takes 2 \(2x1\)"),
        ('a,b,label\n1,"2,0\n', {}, "is no CSV"),
        ("a,b,label\n../x.png,2,0\n", {"image": "a"}, "x.png': it lies, or leads by a link, outside"),
    ],
)
def test_what_is_wrong_with_a_table(tmp_path: Path, text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RunError, match=rf"(?s)NS905.*{message}"):
        table(tmp_path, text, **options)


def test_a_class_that_training_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("label,a,b\neel,5,6\n")
    with pytest.raises(RunError, match=r"test\.csv': row 1, column 'label': 'eel' is no class of the training part"):
        table(tmp_path, "label,a,b\ndog,1,2\n", test="test.csv")


def test_a_table_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_bytes(b"a,b\n\xff\xfe\n")
    with pytest.raises(RunError, match="it is not UTF-8"):
        load_csv(Csv(path="set.csv"), ReadContext(None, tmp_path, (2, 1)))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_number_of_an_archive_that_is_not_finite_is_named_before_training(tmp_path: Path, number: float) -> None:
    images = np.zeros((6, 4, 5, 1), np.float32)
    images[3, 1, 2] = number
    with pytest.raises(RunError, match=rf"set\.npz': array 'x_train' holds {number} in sample 3\b"):
        npz(tmp_path, x_train=images, y_train=np.arange(6))


def test_the_first_sample_that_is_not_finite_is_found_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.data.finite._CHUNK", 4)
    array = np.zeros((9, 3), np.float32)
    assert not_finite(array) is None
    array[7, 1] = -np.inf
    assert not_finite(array) == (7, -np.inf)
