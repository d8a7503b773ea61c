"""Sets that are too large to be held: decoded when needed, held as far as they fit, and the same numbers anyway."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec.core.types import TensorType
from netspec.data.augment import Augmenter
from netspec.data.batches import Batches, Supply, epoch_order
from netspec.data.dataset import Dataset, Part, ReadContext
from netspec.data.feed import find_feed, mismatches, refuse_strange_labels
from netspec.data.folder import load
from netspec.data.images import ImageFiles
from netspec.data.masks import load as load_masks
from netspec.data.ondemand import OnDemand, on_demand
from netspec.data.shared import Block
from netspec.data.split import with_validation
from netspec.data.table import load as load_table
from netspec.declarations.augmentations import RandomFlip
from netspec.declarations.sources import Csv, Folder, Masks
from netspec.diagnostics.errors import RunError
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source

SHAPE = (6, 4, 3)
BYTES = 6 * 4 * 3
RANDOM = np.random.default_rng(4)
TARGETS = {"main": TensorType((), "int32")}


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 images to learn from and 4 to test on, in two classes."""
    folder = tmp_path_factory.mktemp("data") / "pets"
    for part, count in (("train", 8), ("test", 2)):
        for name in ("cat", "dog"):
            for number in range(count):
                file = folder / part / name / f"{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(RANDOM.integers(0, 256, SHAPE, np.uint8)).save(file)
    return folder


def read(folder: Path, cache: int, **options: Any) -> Dataset:
    context = ReadContext(None, folder.parent, SHAPE, cache=cache)
    return load(Folder(path=folder.name, **options), context)


def later(part: Part, name: str = "image") -> OnDemand:
    found = on_demand(part[name])
    assert found is not None
    return found


def test_a_set_that_fits_is_decoded_and_a_larger_one_is_not(pets: Path) -> None:
    whole, large = read(pets, 20 * BYTES), read(pets, 20 * BYTES - 1)
    assert isinstance(whole.train["image"], np.ndarray)
    field = later(large.train)
    assert (field.shape, field.dtype, field.ndim, len(field)) == ((16, *SHAPE), np.uint8, 4, 16)
    assert len(large.train) == 16
    assert np.array_equal(np.asarray(field), whole.train["image"])
    assert np.array_equal(field[3], whole.train["image"][3])
    some = large.train.take(np.array([5, 1]))
    assert np.array_equal(np.asarray(some["image"]), whole.train["image"][[5, 1]])
    assert some["label"].tolist() == [0, 0]
    held = with_validation(large, 0.25, 3)
    assert np.array_equal(np.asarray(held.validation["image"]), with_validation(whole, 0.25, 3).validation["image"])
    assert len(held.train) == 12
    assert field.nbytes == field.block.size
    assert [later(part).nbytes for part in (held.train, held.validation)] == [field.nbytes * n // 16 for n in (12, 4)]


def test_the_hash_of_a_set_is_that_of_its_files_however_much_is_held(pets: Path, tmp_path: Path) -> None:
    first = read(pets, 2**20).sha256()
    assert read(pets, 5 * BYTES).sha256() == read(pets, 0).sha256() == first
    assert read(pets, 2**20, resize="crop").sha256() != first
    other = tmp_path / "pets"
    for path in pets.rglob("*.png"):
        place = other / path.relative_to(pets)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    assert read(other, 0).sha256() == first
    Image.new("RGB", (4, 6)).save(other / "train" / "dog" / "3.png")
    assert read(other, 0).sha256() != first


@pytest.mark.parametrize(("cache", "decoded"), [(0, 32), (10 * BYTES, 16 + 8), (19 * BYTES, 16 + 1)])
def test_what_fits_is_held_and_decoded_once(
    pets: Path, cache: int, decoded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 20 samples the cache holds this share; in the second epoch of the 16 only the others are decoded again."""
    rows = []
    decode = ImageFiles.decode
    monkeypatch.setattr(ImageFiles, "decode", lambda self, row: rows.append(row) or decode(self, row))
    part = read(pets, cache).train
    whole = read(pets, 2**20).train
    rows.clear()
    for epoch in range(2):
        found = Batches(part, 5).in_order(epoch_order(16, 0, epoch), epoch)
        for batch, wanted in zip(found, Batches(whole, 5).in_order(epoch_order(16, 0, epoch), epoch), strict=True):
            assert np.array_equal(batch["image"], wanted["image"])
            assert np.array_equal(batch["label"], wanted["label"])
    assert len(rows) == decoded


def test_a_row_that_is_half_written_is_decoded_again(pets: Path) -> None:
    field = later(read(pets, 19 * BYTES).train)
    wanted = field[2].copy()
    field._held._rows[2, 0] ^= 1
    assert np.array_equal(field[2], wanted)


@pytest.mark.parametrize("augment", [(), (RandomFlip(),)])
def test_workers_decode_too_and_share_what_is_held(pets: Path, augment: tuple[Any, ...]) -> None:
    whole, part = read(pets, 2**20).train, read(pets, 10 * BYTES).train
    wanted = Augmenter(whole, augment, 1, TARGETS)
    made = Supply({"train": Augmenter(part, augment, 1, TARGETS)}, 3, 2)
    workers = made._workers
    assert workers is not None
    try:
        while not all(worker.ready for worker in workers._workers):
            workers._listen(None)
        for epoch in range(2):
            order = epoch_order(16, 1, epoch)
            for number, batch in enumerate(made.batches("train", 3).in_order(order, epoch)):
                theirs = wanted.batch(order[number * 3 : number * 3 + 3], epoch)
                assert np.array_equal(batch.inputs["input"], theirs.inputs["input"])
                assert np.array_equal(batch.targets["main"], theirs.targets["main"])
    finally:
        made.close()
    assert np.count_nonzero(later(part)._held._sums) == len(later(part)._held) == 8


def test_a_file_that_becomes_damaged_is_named_with_worker_and_sample(pets: Path, tmp_path: Path) -> None:
    file = tmp_path / "pets" / "train" / "dog" / "0.png"
    for path in pets.rglob("*.png"):
        place = tmp_path / "pets" / path.relative_to(pets)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    file.write_bytes(file.read_bytes()[:60])  # its header is whole
    part = read(tmp_path / "pets", 0).train
    made = Supply({"validation": Augmenter(part, (), 1, TARGETS)}, 4, 1)
    workers = made._workers
    assert workers is not None
    try:
        workers._listen(None)
        with pytest.raises(
            RunError,
            match=r"(?s)NS912.*worker 1 cannot make sample 8 of the 16 of the validation part .*dog/0\.png.*NS905",
        ):
            list(made.batches("validation", 4).in_order(np.arange(16)))
    finally:
        made.close()
    with pytest.raises(RunError, match=r"NS905.*dog/0\.png"):
        list(Batches(part, 4).in_order(np.arange(16)))
    with pytest.raises(RunError, match=r"NS905.*dog/0\.png"):
        read(tmp_path / "pets", 2**20)  # what is decoded before training is found before training


def test_a_wrong_size_and_a_foreign_file_are_found_before_training(tmp_path: Path, pets: Path) -> None:
    for name, size in (("cat", (4, 6)), ("dog", (6, 4))):
        (tmp_path / "odd" / name).mkdir(parents=True)
        image = Image.new("RGB", size)
        exif = image.getexif()
        exif[0x0112] = 6 if name == "cat" else 1
        image.save(tmp_path / "odd" / name / "1.jpg", exif=exif)
    with pytest.raises(RunError, match=r"cat/1\.jpg': the image is 4x6 .* but the input is 6x4"):
        read(tmp_path / "odd", 0)  # it lies on its side
    assert len(read(tmp_path / "odd", 0, resize="stretch").train) == 2
    (tmp_path / "odd" / "cat" / "1.jpg").write_text("no image")
    with pytest.raises(RunError, match=r"cat/1\.jpg': it is no image"):
        read(tmp_path / "odd", 0, resize="stretch")


def test_masks_and_tables_are_decoded_on_demand_too(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / "road" / folder).mkdir(parents=True)
    for number in range(4):
        Image.fromarray(RANDOM.integers(0, 256, SHAPE, np.uint8)).save(tmp_path / "road" / "images" / f"{number}.png")
        mask = RANDOM.integers(0, 3, SHAPE[:2], np.uint8)
        Image.fromarray(mask).save(tmp_path / "road" / "masks" / f"{number}.png")
    rows = "\n".join(f"road/images/{number}.png,{number % 2}" for number in range(4))
    (tmp_path / "set.csv").write_text(f"file,label\n{rows}\n")
    small, large = (ReadContext(None, tmp_path, SHAPE, cache=cache) for cache in (0, 2**20))
    for name, load_set, source in (
        ("mask", load_masks, Masks(path="road", classes=3)),
        ("image", load_table, Csv(path="set.csv", image="file")),
    ):
        on_disk, held = load_set(source, small), load_set(source, large)
        assert isinstance(held.train[name], np.ndarray)
        assert np.array_equal(np.asarray(later(on_disk.train, name)), held.train[name])
        assert on_disk.sha256() == held.sha256()


def test_what_is_decoded_later_goes_with_its_network_now(tmp_path: Path, pets: Path) -> None:
    text = "netspec: 1\ninput: [6, 4, 3]\nlayers: [flatten, {dense: 2}, softmax]\n"
    spec, data = load_spec(Source("spec.yaml", text)), read(pets, 0)
    feed, missing = find_feed(spec, data)
    assert not missing
    assert not mismatches(spec, data, feed)
    refuse_strange_labels(spec, data, feed)


def test_shared_memory_is_sent_by_its_descriptor() -> None:
    block = Block(64)
    again = pickle.loads(pickle.dumps(block))
    assert (again.size, again.descriptor) == (64, block.descriptor)
    block.close()
