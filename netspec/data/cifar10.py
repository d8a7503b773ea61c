"""The source ``cifar10``: 60,000 colour images of 32x32 in ten classes (Krizhevsky 2009), in the forms it is found in.

``DATA_DIR/cifar10/`` may hold, in this order of preference: the original binary files (``cifar-10-batches-bin/`` or
``cifar-10-binary.tar.gz``), the original Python files (``cifar-10-batches-py/`` or ``cifar-10-python.tar.gz``), all
images as JPEG (``cifar10_jpg_full.tar.xz``: ``cifar10/{train,test}/CLASS/NUMBER.jpg``), or an archive of arrays
(``cifar10_subset.npz``: 4,000 and 1,000 images). JPEG copies are lossy: the images are near, not equal to the original.
"""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from netspec.data.dataset import Dataset, Part, ReadContext, dataset_of, labelled
from netspec.data.download import fetch_folder
from netspec.data.files import fault
from netspec.data.images import read_image
from netspec.data.npz import archive_dataset
from netspec.diagnostics.errors import RunError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (32, 32, 3)
_PIXELS = 32 * 32 * 3
_LARGEST_MEMBER = 64 * 2**20
"""Bytes of one file within an archive; those of the original hold 31 million."""
_LARGEST_ARCHIVE = 100_000
"""Files that an archive may hold."""
_DECODERS = 8

Members = Iterator[tuple[str, bytes]]


def load(source: Any, context: ReadContext) -> Dataset:
    """The set in the first form that is there, else fetched; a RunError names the file that is missing or at fault."""
    folder = None if context.data_dir is None else context.data_dir / "cifar10"
    if (folder is None or not folder.is_dir()) and context.cache_dir is not None:
        folder = fetch_folder("cifar10", context.cache_dir)
    if folder is None:
        raise RunError(
            "data 'cifar10' is read from files, and no folder for them is set: give --data-dir DIR, or set "
            "NETSPEC_DATA, to the folder that holds cifar10/"
        )
    for name, read in _FORMS.items():
        if (folder / name).exists():
            return read(folder / name, context)
    raise fault(folder, f"it holds none of {', '.join(_FORMS)}")


def _from_binary(place: Path, context: ReadContext) -> Dataset:
    """Records of one label and 3,072 bytes, channel by channel."""
    parts: dict[str, list[bytes]] = {"train": [], "test": []}
    for name, data in sorted(_members(place, (".bin",))):
        part = _original_part(name)
        if part is None:
            continue
        if not data or len(data) % (1 + _PIXELS):
            raise fault(f"{place}/{name}", f"its {len(data):,} bytes are no whole number of records of {1 + _PIXELS:,}")
        parts[part].append(data)
    rows = {part: np.frombuffer(b"".join(found), np.uint8).reshape(-1, 1 + _PIXELS) for part, found in parts.items()}
    return _dataset(place, {part: _records(place, array[:, 1:], array[:, 0]) for part, array in rows.items()})


def _from_pickles(place: Path, context: ReadContext) -> Dataset:
    """Pickled mappings of ``data`` (n, 3072) and ``labels``; nothing but arrays and plain data is unpickled."""
    parts: dict[str, list[Part]] = {"train": [], "test": []}
    for name, data in sorted(_members(place, ("",))):
        part = _original_part(name)
        if part is None:
            continue
        try:
            batch = _PlainUnpickler(io.BytesIO(data), encoding="bytes").load()
            pixels, labels = batch[b"data"], np.array(batch[b"labels"])
            if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape != (len(labels), _PIXELS):
                raise ValueError(f"its data is {pixels.dtype} of shape {pixels.shape}")
        except (pickle.UnpicklingError, ValueError, KeyError, TypeError, AttributeError, EOFError, IndexError) as error:
            raise fault(f"{place}/{name}", f"it is no batch of the original set: {error}") from error
        parts[part].append(_records(place, pixels, labels))
    joined = {
        part: Part({key: np.concatenate([each[key] for each in found]) for key in found[0].fields})
        for part, found in parts.items()
        if found
    }
    return _dataset(place, joined)


def _from_jpegs(place: Path, context: ReadContext) -> Dataset:
    """Images in ``{train,test}/CLASS/``, in the order of their names."""
    files = sorted(_members(place, (".jpg", ".jpeg", ".png")))
    found: dict[str, tuple[list[tuple[str, bytes]], list[int]]] = {"train": ([], []), "test": ([], [])}
    for name, data in files:
        *_, part, cls, _ = ("", "", *name.split("/"))
        if part not in found or cls not in CLASSES:
            raise fault(f"{place}/{name}", "an image is to stand in train or test, in the folder of its class")
        found[part][0].append((f"{place}/{name}", data))
        found[part][1].append(CLASSES.index(cls))
    with ThreadPoolExecutor(_DECODERS) as pool:
        parts = {
            part: labelled(
                np.array(list(pool.map(_decoded, members)), np.uint8).reshape(-1, *SHAPE), np.array(labels, np.int32)
            )
            for part, (members, labels) in found.items()
        }
    return _dataset(place, parts)


def _decoded(member: tuple[str, bytes]) -> Any:
    name, data = member
    return read_image(io.BytesIO(data), SHAPE, "none", name)


def _from_npz(place: Path, context: ReadContext) -> Dataset:
    dataset = archive_dataset("cifar10", place, context)
    if dataset.label not in dataset.train.fields or dataset.image not in dataset.train.fields:
        raise fault(place, "it lacks images or labels: x_train, y_train, x_test, y_test")
    parts = {
        name: labelled(part[dataset.image], part[dataset.label])
        for name, part in (("train", dataset.train), ("test", dataset.test))
    }
    return replace(_dataset(place, parts), class_names=dataset.class_names)


_FORMS: dict[str, Callable[[Path, ReadContext], Dataset]] = {
    "cifar-10-batches-bin": _from_binary,
    "cifar-10-binary.tar.gz": _from_binary,
    "cifar-10-batches-py": _from_pickles,
    "cifar-10-python.tar.gz": _from_pickles,
    "cifar10_jpg_full.tar.xz": _from_jpegs,
    "cifar10_subset.npz": _from_npz,
}


def _members(place: Path, endings: tuple[str, ...]) -> Members:
    """Names and contents of the regular files of a folder or an archive. Nothing is unpacked to the disk."""
    try:
        if place.is_dir():
            for path in place.iterdir():
                if path.is_file() and path.name.endswith(endings):
                    yield path.name, path.read_bytes()
            return
        with tarfile.open(place) as archive:
            for count, member in enumerate(archive):
                if count >= _LARGEST_ARCHIVE or member.size > _LARGEST_MEMBER:
                    raise fault(place, f"'{member.name}' is larger, or one more file, than such an archive holds")
                stream = archive.extractfile(member) if member.isreg() and member.name.endswith(endings) else None
                if stream is not None:
                    yield member.name, stream.read()
    except (tarfile.TarError, EOFError) as error:
        raise fault(place, f"the archive is damaged or cut off: {error}") from error
    except OSError as error:
        raise fault(place, f"it cannot be read: {error.strerror or error}") from error
    except Exception as error:
        if type(error).__module__ in ("zlib", "lzma", "_lzma"):  # which of them there are depends on Python's build
            raise fault(place, f"the archive is damaged: {error}") from error
        raise


def _original_part(name: str) -> str | None:
    """The part of an original file, by its name."""
    stem = name.rsplit("/", 1)[-1]
    return "train" if stem.startswith("data_batch") else "test" if stem.startswith("test_batch") else None


def _records(place: Path, pixels: Any, labels: Any) -> Part:
    """Images (n, 32, 32, 3) of rows with one channel after the other."""
    if labels.size and (labels.min() < 0 or labels.max() >= len(CLASSES)):
        raise fault(place, f"it holds the label {labels.max()}, which is not one of the ten classes from 0")
    images = np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return labelled(images, labels.astype(np.int32))


def _dataset(place: Path, parts: dict[str, Part]) -> Dataset:
    for name in ("train", "test"):
        if name not in parts or not len(parts[name]):
            raise fault(place, f"it holds nothing of the {'training' if name == 'train' else name} part")
    return dataset_of("cifar10", CLASSES, parts["train"], None, parts["test"])


class _PlainUnpickler(pickle.Unpickler):
    """Unpickles arrays and plain data, and refuses to call anything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Only what NumPy's own arrays need."""
        plain = {"_reconstruct", "ndarray", "dtype"}
        if module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray") and name in plain:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes for Python 2
            return lambda text, encoding: text.encode("latin-1")
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")
