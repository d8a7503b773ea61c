"""idx files: what is right is read, and everything else is refused by name."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from netspec.data.dataset import Array, Dataset, ReadContext
from netspec.data.idx import load, read_idx
from netspec.data.split import with_validation
from netspec.declarations.sources import FashionMnist, Idx, Mnist
from netspec.diagnostics.errors import RunError

NAMES = {
    ("train", 3): "train-images-idx3-ubyte",
    ("train", 1): "train-labels-idx1-ubyte",
    ("test", 3): "t10k-images-idx3-ubyte",
    ("test", 1): "t10k-labels-idx1-ubyte",
}
RANDOM = np.random.default_rng(5)
IMAGES = {"train": RANDOM.integers(0, 256, (20, 4, 5), np.uint8), "test": RANDOM.integers(0, 256, (7, 4, 5), np.uint8)}
LABELS = {"train": np.arange(20, dtype=np.uint8) % 10, "test": np.arange(7, dtype=np.uint8)}


def encoded(array: Array) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_folder(folder: Path, compressed: bool = False) -> Path:
    folder.mkdir(parents=True)
    for (part, axes), name in NAMES.items():
        data = encoded((IMAGES if axes == 3 else LABELS)[part])
        (folder / (name + ".gz" * compressed)).write_bytes(gzip.compress(data) if compressed else data)
    return folder


def read(folder: Path, validation: float = 0.0, classes: int = 10) -> Dataset:
    source = Idx(path=folder.name, classes=classes)
    return with_validation(load(source, ReadContext(None, folder.parent, (4, 5, 1))), validation, seed=1)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_folder_is_read_as_it_was_written(tmp_path: Path, compressed: bool) -> None:
    dataset = read(write_folder(tmp_path / "set", compressed))
    assert dataset.name == "idx"
    assert dataset.class_names == tuple("0123456789")
    assert len(dataset.validation) == 0
    for name in ("train", "test"):
        part = dataset.part(name)
        assert part["image"].dtype == np.uint8
        assert part["label"].dtype == np.int32
        assert np.array_equal(part["image"], IMAGES[name][..., np.newaxis])
        assert np.array_equal(part["label"], LABELS[name])


def test_validation_is_taken_from_the_training_part(tmp_path: Path) -> None:
    dataset = read(write_folder(tmp_path / "set"), validation=0.5)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (10, 10, 7)
    together = np.concatenate([dataset.train["image"], dataset.validation["image"]])
    assert sorted(map(bytes, together)) == sorted(map(bytes, IMAGES["train"]))


def test_a_named_set_lies_below_the_data_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "fashion-mnist")
    source = FashionMnist()
    dataset = load(source, ReadContext(tmp_path, Path("/nowhere"), (4, 5, 1)))
    assert (dataset.name, len(dataset.train)) == ("fashion_mnist", 20)


def test_without_a_data_folder_the_message_says_what_to_set() -> None:
    with pytest.raises(
        RunError, match=r"'mnist'.*--data-dir DIR, or set NETSPEC_DATA, to the folder that holds mnist/"
    ):
        load(Mnist(), ReadContext(None, Path(), (28, 28, 1)))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"NS905.*mnist': there is no such folder") as caught:
        load(Mnist(), ReadContext(tmp_path, Path(), (28, 28, 1)))
    assert str(tmp_path / "mnist") in str(caught.value)
    assert "NETSPEC_DATA" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set")
    (folder / NAMES["test", 1]).unlink()
    with pytest.raises(RunError, match=r"t10k-labels-idx1-ubyte': there is no such file, nor one with \.gz behind it"):
        read(folder)


def test_a_spec_reaches_no_folder_elsewhere(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "elsewhere" / "set")
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "link").symlink_to(folder)
    for path in (str(folder), "../elsewhere/set", "link"):
        source = Idx(path=path)
        with pytest.raises(RunError, match="outside the spec's folder and the data folder"):
            load(source, ReadContext(None, tmp_path / "specs", (4, 5, 1)))
        dataset = load(source, ReadContext(folder.parent, tmp_path / "specs", (4, 5, 1)))
        assert len(dataset.train) == 20


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kept", [0, 3, 9, 16, 100, 415])
def test_a_cut_file_is_refused(tmp_path: Path, kept: int, compressed: bool) -> None:
    path = tmp_path / "images"
    data = encoded(IMAGES["train"])[:kept]
    path.write_bytes(gzip.compress(data) if compressed else data)
    with pytest.raises(RunError, match=r"NS905.*images': it(s header announces| is cut off| begins with)"):
        read_idx(path, axes=3)


def test_every_cut_of_a_compressed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    whole = gzip.compress(encoded(IMAGES["train"]))
    for kept in range(len(whole)):
        path.write_bytes(whole[:kept])
        with pytest.raises(RunError, match="NS905"):
            read_idx(path, axes=3)


def test_every_flipped_byte_of_a_compressed_file_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "labels.gz"
    whole = gzip.compress(encoded(LABELS["train"]))
    refused = 0
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes((whole[position] ^ 0x55,)) + whole[position + 1 :])
        try:
            labels = read_idx(path, axes=1)
        except RunError:
            refused += 1
        else:  # the time stamp, for one, is read by nobody
            assert np.array_equal(labels, LABELS["train"])
    assert refused > len(whole) / 2


@pytest.mark.parametrize("compressed", [False, True])
def test_bytes_behind_the_end_are_refused(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "images"
    data = encoded(IMAGES["train"]) + b"\0"
    path.write_bytes(gzip.compress(data) if compressed else data)
    with pytest.raises(RunError, match="more follows the 400 bytes that its header announces"):
        read_idx(path, axes=3)


def test_garbage_behind_the_gzip_stream_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(encoded(IMAGES["train"])) + b"garbage")
    with pytest.raises(RunError, match="gzip stream is damaged"):
        read_idx(path, axes=3)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    with pytest.raises(
        RunError, match=r"begins with 89 50 4e 47, but an idx file .* with 1 axis begins with 00 00 08 01"
    ):
        read_idx(path, axes=1)
    path.write_bytes(encoded(IMAGES["train"]))
    with pytest.raises(RunError, match="begins with 00 00 08 03"):
        read_idx(path, axes=1)


def test_a_header_that_announces_too_much_unpacks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    for shape, message in (
        ((60_000, 60_000, 60_000), "216,000,000,000,000 bytes; at most"),
        ((1000, 1000, 1000), "1,000,000,000 bytes, more than the file can hold"),
    ):
        header = bytes((0, 0, 8, 3)) + struct.pack(">3I", *shape)
        path.write_bytes(gzip.compress(header + bytes(100)))
        with pytest.raises(RunError, match=message):
            read_idx(path, axes=3)


def test_a_bomb_is_unpacked_no_further_than_announced(tmp_path: Path) -> None:
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(encoded(LABELS["train"]) + bytes(50_000_000)))
    assert path.stat().st_size < 60_000
    with pytest.raises(RunError, match="more follows the 20 bytes"):
        read_idx(path, axes=1)


def test_images_and_labels_must_be_equally_many(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set")
    (folder / NAMES["train", 1]).write_bytes(encoded(LABELS["train"][:-1]))
    with pytest.raises(RunError, match="it holds 19 labels, but train-images-idx3-ubyte holds 20 images"):
        read(folder)


def test_labels_must_be_classes(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set")
    with pytest.raises(
        RunError, match="train-labels-idx1-ubyte': label 9 of sample 9 is not one of the 9 classes from 0"
    ):
        read(folder, classes=9)


def test_both_parts_must_have_images_of_one_size(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set")
    (folder / NAMES["test", 3]).write_bytes(encoded(IMAGES["test"][:, :, :4]))
    with pytest.raises(RunError, match="its images are 4x4, those of the training part 4x5"):
        read(folder)


def test_a_set_without_images_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set")
    (folder / NAMES["train", 3]).write_bytes(encoded(IMAGES["train"][:0]))
    with pytest.raises(RunError, match="it holds no image"):
        read(folder)
