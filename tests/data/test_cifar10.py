"""CIFAR-10 in each of the forms it is found in, and published sets that are fetched."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from netspec.data.cifar10 import CLASSES, load
from netspec.data.dataset import Array, Dataset, ReadContext
from netspec.data.download import PUBLISHED, cache_folder, fetch_folder
from netspec.diagnostics.errors import RunError

RANDOM = np.random.default_rng(2)
IMAGES = RANDOM.integers(0, 256, (12, 32, 32, 3), np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 10


def read(folder: Path) -> Dataset:
    return load(None, ReadContext(folder, Path(), (32, 32, 3)))


def planes(images: Array) -> Array:
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def record_file(start: int, stop: int) -> bytes:
    return np.concatenate([LABELS[start:stop, None], planes(IMAGES[start:stop])], axis=1).tobytes()


BINARY = {
    "data_batch_2.bin": record_file(5, 9),
    "data_batch_1.bin": record_file(0, 5),
    "test_batch.bin": record_file(9, 12),
}
PICKLED = {
    name: pickle.dumps({b"data": planes(IMAGES[a:b]), b"labels": LABELS[a:b].tolist()}, protocol=2)
    for name, a, b in (("data_batch_1", 0, 5), ("data_batch_2", 5, 9), ("test_batch", 9, 12))
}


def archive(file: Path, members: dict[str, bytes], mode: Any) -> None:
    with tarfile.open(file, mode) as target:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            target.addfile(entry, io.BytesIO(data))


def write_folder(place: Path, members: dict[str, bytes]) -> None:
    place.mkdir(parents=True)
    for name, data in members.items():
        (place / name).write_bytes(data)
    (place / "batches.meta.txt").write_text("airplane\n")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "cifar10").mkdir()
    return tmp_path / "cifar10"


@pytest.mark.parametrize("form", ["bin", "bin archive", "py", "py archive"])
def test_the_original_files(place: Path, form: str) -> None:
    members, name = (BINARY, "bin") if form.startswith("bin") else (PICKLED, "py")
    if form.endswith("archive"):
        file = {"bin": "cifar-10-binary.tar.gz", "py": "cifar-10-python.tar.gz"}[name]
        archive(place / file, {f"cifar-10-batches-{name}/{key}": data for key, data in members.items()}, "w:gz")
    else:
        write_folder(place / f"cifar-10-batches-{name}", members)
    dataset = read(place.parent)
    assert dataset.class_names == CLASSES
    assert np.array_equal(dataset.train["image"], IMAGES[:9])
    assert np.array_equal(dataset.train["label"], LABELS[:9])
    assert np.array_equal(dataset.test["image"], IMAGES[9:])


def encoded(color: tuple[int, int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), color).save(stream, "JPEG", quality=100)
    return stream.getvalue()


def test_images_in_an_archive(place: Path) -> None:
    members = {
        "cifar10/train/truck/0001.jpg": encoded((9, 9, 9)),
        "cifar10/train/cat/0002.jpg": encoded((250, 250, 250)),
        "cifar10/test/dog/0001.jpg": encoded((0, 0, 0)),
    }
    archive(place / "cifar10_jpg_full.tar.xz", members, "w:xz")
    dataset = read(place.parent)
    assert dataset.train["label"].tolist() == [CLASSES.index("cat"), CLASSES.index("truck")]
    assert np.abs(dataset.train["image"].mean(axis=(1, 2, 3)) - [250, 9]).max() <= 1  # JPEG is lossy


def test_an_archive_of_arrays(place: Path) -> None:
    arrays = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:2], "y_test": LABELS[:2]}
    np.savez(place / "cifar10_subset.npz", **arrays, class_names=np.array(CLASSES))
    dataset = read(place.parent)
    assert (dataset.name, dataset.class_names, len(dataset.test)) == ("cifar10", CLASSES, 2)
    assert np.array_equal(dataset.train["image"], IMAGES)


class Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, ("trapped",)


def test_what_a_pickle_asks_to_call_is_not_called(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    write_folder(place / "cifar-10-batches-py", {**PICKLED, "data_batch_1": pickle.dumps({b"data": Trap()})})
    with pytest.raises(RunError, match=r"data_batch_1': it is no batch of the original set: it asks for posix\.mkdir"):
        read(place.parent)
    assert not (place / "trapped").exists()


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        ({"data_batch_1.bin": record_file(0, 5)[:-1]}, r"data_batch_1\.bin': its 15,364 bytes are no whole number"),
        ({"data_batch_1.bin": b"\x0a" + record_file(0, 1)[1:]}, "holds the label 10"),
        ({"data_batch_1.bin": b""}, "its 0 bytes"),
    ],
)
def test_damaged_records(place: Path, spoilt: dict[str, bytes], message: str) -> None:
    write_folder(place / "cifar-10-batches-bin", {**BINARY, **spoilt})
    with pytest.raises(RunError, match=f"NS905.*{message}"):
        read(place.parent)


def test_a_part_that_is_missing(place: Path) -> None:
    write_folder(place / "cifar-10-batches-bin", {"test_batch.bin": BINARY["test_batch.bin"]})
    with pytest.raises(RunError, match="holds nothing of the training part"):
        read(place.parent)


@pytest.mark.parametrize("name", ["cifar-10-binary.tar.gz", "cifar10_jpg_full.tar.xz"])
def test_damaged_archives(place: Path, name: str) -> None:
    members = {f"cifar-10-batches-bin/{key}": data for key, data in BINARY.items()}
    archive(place / name, members, "w:gz" if name.endswith("gz") else "w:xz")
    whole = (place / name).read_bytes()
    for data in (b"", b"hello" * 99, whole[: len(whole) // 2], whole[:500] + bytes(200) + whole[700:]):
        (place / name).write_bytes(data)
        with pytest.raises(RunError, match=f"NS905.*{name}"):
            read(place.parent)


def test_nothing_there(place: Path) -> None:
    with pytest.raises(RunError, match="it holds none of cifar-10-batches-bin, "):
        read(place.parent)
    with pytest.raises(RunError, match="no folder for them is set"):
        load(None, ReadContext(None, Path(), (32, 32, 3)))


def test_a_set_that_is_not_there_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(tmp_path / "source", {f"cifar-10-batches-bin/{key}": data for key, data in BINARY.items()}, "w:gz")
    asked = []

    def fetch(address: str, sha256: str, file: Path) -> None:
        asked.append((address, sha256))
        file.write_bytes((tmp_path / "source").read_bytes())

    monkeypatch.setattr("netspec.data.download._fetch", fetch)
    context = ReadContext(tmp_path / "data", Path(), (32, 32, 3), cache_dir=tmp_path / "cache")
    assert len(load(None, context).train) == 9
    assert asked == [
        ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", next(iter(PUBLISHED["cifar10"].files.values())))
    ]


def test_pooch_takes_a_file_of_the_right_hash_and_refuses_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"four files"
    monkeypatch.setattr(
        "netspec.data.download.PUBLISHED",
        {
            "set": PUBLISHED["mnist"]._replace(
                files={"a.gz": hashlib.sha256(data).hexdigest()}, bytes={"a.gz": len(data)}
            )
        },
    )
    served: list[bytes] = []

    class Downloader:
        def __call__(self, url: str, output_file: Any, pooch: Any) -> None:
            Path(output_file).write_bytes(served.pop())

    monkeypatch.setattr("pooch.core.choose_downloader", lambda *arguments, **options: Downloader())
    served.append(b"something else")
    with pytest.raises(RunError, match=r"NS911.*mnist/a\.gz cannot be had: .*hash.*\n.*put it into a folder set/"):
        fetch_folder("set", tmp_path)
    served.append(data)
    assert (fetch_folder("set", tmp_path) / "a.gz").read_bytes() == data
    assert (fetch_folder("set", tmp_path) / "a.gz").read_bytes() == data  # from the cache: nothing is served


def test_no_connection_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    def fetch(address: str, sha256: str, file: Path) -> None:
        raise ConnectionError("no route to host")

    with pytest.raises(
        RunError, match=r"NS911.*ubyte\.gz cannot be had: no route to host\n.*folder mnist/.*--data-dir"
    ):
        fetch_folder("mnist", tmp_path, fetch)


def test_what_requests_wraps_is_told_in_its_own_words(tmp_path: Path) -> None:
    def fetch(address: str, sha256: str, file: Path) -> None:
        with requests.Session() as session:
            session.trust_env = False  # no proxy
            session.get("http://127.0.0.1:1/file", timeout=5)

    with pytest.raises(RunError, match=r"cannot be had: Failed to establish a new connection: .* refused\n"):
        fetch_folder("mnist", tmp_path, fetch)


def test_the_cache_is_where_the_environment_says() -> None:
    assert cache_folder({"NETSPEC_CACHE_DIR": "/there"}) == Path("/there/data")
    assert cache_folder({}).parts[-2:] == ("netspec", "data")


@pytest.mark.data
def test_the_copy_that_is_shared() -> None:
    dataset = read(Path(os.environ["NETSPEC_DATA"]))
    assert (len(dataset.train), len(dataset.test)) == (50_000, 10_000)
    means = dataset.train["image"].reshape(-1, 3).mean(axis=0) / 255
    # The figures of the original; a copy of lossy JPEGs comes near.
    np.testing.assert_allclose(means, [0.4914, 0.4822, 0.4465], atol=2e-3)
