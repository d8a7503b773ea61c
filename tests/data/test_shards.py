"""Images in tar files: the same numbers as from a folder, read where they lie; every fault names its member."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec.data.batches import epoch_order
from netspec.data.contents import Members, Names, Paths
from netspec.data.dataset import Dataset, ReadContext
from netspec.data.folder import load as load_folder
from netspec.data.ondemand import on_demand
from netspec.data.shard_index import indexed
from netspec.data.shards import load
from netspec.declarations.sources import Folder, Tar
from netspec.diagnostics.errors import RunError
from netspec.distributed.split import Split

SHAPE = (6, 4, 3)
Written = Sequence[tuple[str, bytes]]


def png(value: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(value).integers(0, 256, SHAPE, np.uint8)
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def tar(file: Path, members: Written) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file


def sample(name: str, value: int, cls: str) -> Written:
    return [(f"{name}.png", png(value)), (f"{name}.cls", cls.encode())]


def read(folder: Path, files: str = "train-{0..1}.tar", cache: int = 2**30, **options: Any) -> Dataset:
    context = ReadContext(None, folder, SHAPE, cache_dir=folder / "cache", cache=cache)
    return load(Tar(files=files, **options), context)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """12 images of two classes in two files, in the order of a folder that lies beside them; 2 to test on."""
    members = []
    for number in range(12):
        name = "ant" if number < 6 else "bee"
        file = tmp_path / "insects" / "train" / name / f"{number:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(number))
        members.append(sample(f"{name}/{number:02}", number, name))
    for shard in (0, 1):
        half = members[6 * shard : 6 * shard + 6]
        tar(tmp_path / f"train-{shard}.tar", [member for each in half for member in each])
    tar(tmp_path / "test.tar", [*sample("x", 20, "bee"), *sample("y", 21, "ant")])
    return tmp_path


@pytest.mark.parametrize("cache", [2**30, 0])
def test_a_folder_of_the_same_images_is_the_same_data(shards: Path, cache: int) -> None:
    found = read(shards, cache=cache)
    folder = load_folder(Folder(path="insects"), ReadContext(None, shards, SHAPE, cache=cache))
    assert found.class_names == folder.class_names == ("ant", "bee")
    assert (on_demand(found.train["image"]) is None) == bool(cache)
    np.testing.assert_array_equal(np.asarray(found.train["image"]), np.asarray(folder.train["image"]))
    np.testing.assert_array_equal(found.train["label"], folder.train["label"])
    assert found.sha256() == folder.sha256()


def test_ranks_share_an_epoch_in_the_order_of_all(shards: Path) -> None:
    images = read(shards, cache=0).train["image"]
    order = epoch_order(12, 3, 1)
    own = [Split(4, rank, 2).of_order(order) for rank in (0, 1)]
    assert sorted(np.concatenate(own).tolist()) == list(range(12))
    dealt = np.stack([np.asarray(images[places]) for places in own], axis=1).reshape(12, *SHAPE)
    np.testing.assert_array_equal(dealt, np.asarray(images[order]))


def test_parts_patterns_and_ranges(shards: Path) -> None:
    found = read(shards, "train-*.tar", test="test.tar")
    assert [len(part) for part in (found.train, found.validation, found.test)] == [12, 0, 2]
    assert found.test["label"].tolist() == [1, 0]
    assert len(read(shards, "train-?.tar").train) == len(read(shards).train) == 12
    with pytest.raises(RunError, match=r"train-2\.tar"):
        read(shards, "train-{0..2}.tar")
    with pytest.raises(RunError, match="is no range"):
        read(shards, "train-{1..0}.tar")
    with pytest.raises(RunError, match=r"no file in .* is named like it"):
        read(shards, "valid-*.tar")


def test_classes_are_numbers_where_all_are_and_json_holds_them_too(tmp_path: Path) -> None:
    named = [("a.png", png(1)), ("a.json", json.dumps({"label": 2}).encode()), *sample("b", 2, "007\n")]
    tar(tmp_path / "one.tar", named)
    found = read(tmp_path, "one.tar")
    assert found.class_names == tuple(map(str, range(8)))
    assert found.train["label"].tolist() == [2, 7]
    tar(tmp_path / "two.tar", [("a.json", b'{"kind": "cat"}'), ("a.png", png(1)), *sample("b", 2, "dog")])
    assert read(tmp_path, "two.tar", label="kind").class_names == ("cat", "dog")


FAULTS: list[tuple[Written, str]] = [
    ([("a.png", png(1))], r"bad\.tar/a\.png': the image has no class beside it"),
    ([("a.cls", b"1")], r"bad\.tar/a': there is no image of this name"),
    ([*sample("a", 1, "x"), *sample("b", 2, "y"), *sample("a", 3, "x")], r"bad\.tar/a': the sample occurs twice"),
    ([*sample("a", 1, "x"), *sample("a", 1, "x")], r"bad\.tar/a\.png': the sample occurs twice"),
    ([*sample("a", 1, "x"), ("a.txt", b"a cat")], r"bad\.tar/a\.txt': it is neither an image nor a class"),
    ([*sample("a", 1, "x"), ("a.jpg", png(1))], "several images of this name"),
    ([("a.png", png(1)), ("a.cls", b"")], "it holds no class"),
    ([("a.png", png(1)), ("a.cls", b"\xff")], "it cannot be read"),
    ([("a.png", png(1)), ("a.cls", b"x" * (1 << 21))], "at most 1,048,576 are read"),
    ([("a.png", png(1)), ("a.json", b"{")], "it cannot be read"),
    ([("a.png", png(1)), ("a.json", b"[" * 100_000)], "it cannot be read"),
    ([("a.png", png(1)), ("a.json", b"[1]")], 'at the key "label"'),
    ([("a.png", png(1)), ("a.json", b'{"label": true}')], 'at the key "label"'),
    ([("a.png", png(1)), ("a.json", b'{"label": -1}')], 'at the key "label"'),
    (sample("a", 1, "x"), "all images are of the class 'x'"),
    ([*sample("a", 1, "0"), *sample("b", 1, "99999999999")], "class number 99,999,999,999"),
    ([], "it holds no image"),
    ([*sample("a", 1, "x"), ("b.png", b"no image"), ("b.cls", b"y")], r"bad\.tar/b\.png': it is no image"),
]


@pytest.mark.parametrize(("members", "said"), FAULTS, ids=range(len(FAULTS)))
def test_what_is_no_sample_is_named(tmp_path: Path, members: Written, said: str) -> None:
    tar(tmp_path / "bad.tar", members)
    with pytest.raises(RunError, match=said):
        read(tmp_path, "bad.tar")


def test_a_class_that_the_training_part_does_not_have(shards: Path) -> None:
    tar(shards / "test.tar", sample("x", 20, "moth"))
    with pytest.raises(RunError, match="'moth' is no class of the training part"):
        read(shards, test="test.tar")


def test_links_and_compression_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "bad.tar", "w") as archive:
        link = tarfile.TarInfo("a.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(RunError, match="it is a link"):
        read(tmp_path, "bad.tar")
    with tarfile.open(tmp_path / "bad.tar", "w:gz"):
        pass
    with pytest.raises(RunError, match="not compressed"):
        read(tmp_path, "bad.tar")


def test_a_tar_file_cut_anywhere_or_with_a_bit_turned_ends_in_an_error_or_is_read(shards: Path) -> None:
    file = shards / "train-1.tar"
    whole = file.read_bytes()
    with tarfile.open(file) as archive:
        content = max(member.offset_data + member.size for member in archive)
    for cut in (*range(0, content, 1024), content - 1, content // 2 + 7):
        file.write_bytes(whole[:cut])
        with pytest.raises(RunError):
            read(shards)
    rng = np.random.default_rng(1)
    for place in rng.integers(0, content, 60):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        try:
            read(shards)
        except RunError:
            continue


def test_the_index_is_kept_until_the_file_changes_and_made_anew_where_damaged(shards: Path) -> None:
    file, cache = shards / "train-0.tar", shards / "cache"
    first = indexed(file, "label", cache)
    (kept,) = (cache / "tar").iterdir()
    before = kept.stat().st_mtime_ns
    again = indexed(file, "label", cache)
    assert kept.stat().st_mtime_ns == before
    assert list(again.names) == list(first.names)
    assert again.classes == first.classes
    np.testing.assert_array_equal(again.spans, first.spans)
    kept.write_bytes(kept.read_bytes()[:100])
    assert list(indexed(file, "label", cache).names) == list(first.names)
    assert kept.stat().st_size > 100
    tar(file, sample("new", 1, "ant"))
    os.utime(file, ns=(1, 1))
    assert list(indexed(file, "label", cache).names) == ["new.png"]
    assert list(indexed(file, "label", None).names) == ["new.png"]


def test_a_shard_that_shrinks_behind_our_back_is_named(shards: Path) -> None:
    images = read(shards, cache=0).train["image"]
    os.truncate(shards / "train-1.tar", 1024)
    with pytest.raises(RunError, match=r"train-1\.tar/bee/11\.png.*too early"):
        images[11]


def test_a_list_of_the_size_of_imagenet_takes_little_more_than_its_names() -> None:
    """Names of 29 bytes, with 8 for where each ends."""
    count = 130_000
    tracemalloc.start()
    paths = Paths.of(Path("/d"), (Path(f"/d/n{i // 1300:08}/n{i // 1300:08}_{i:04}.JPEG") for i in range(count)))
    held, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 120 * count  # pathlib keeps a table of names beside it; as paths they take 340
    assert most < 160 * count
    assert len(paths) == count
    assert str(paths[-1]) == "/d/n00000099/n00000099_129999.JPEG"
    assert [path.name for path in paths[1:3]] == ["n00000000_0001.JPEG", "n00000000_0002.JPEG"]
    assert len(pickle.dumps(paths)) < 40 * count


def test_names_that_are_no_text_are_kept() -> None:
    written = [os.fsdecode(b"a\xff"), "", "ä"]
    assert list(Names.of(written)) == written


def test_a_member_is_found_in_its_archive() -> None:
    names = [Names.of(["a", "b"]), Names.of(["c"])]
    spans = [np.array([[512, 1], [1536, 2]]), np.array([[512, 3]])]
    members = Members.of([Path("x.tar"), Path("y.tar")], names, spans)
    assert list(map(str, members)) == ["x.tar/a", "x.tar/b", "y.tar/c"]
    assert members[2] == (Path("y.tar"), "c", 512, 3)
