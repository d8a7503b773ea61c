"""The sources that are folders of idx files: MNIST, Fashion-MNIST, and whatever is stored in the same way.

Format (LeCun, "The MNIST database"): two zero bytes, the element type (8: unsigned byte), the number of axes, one
big-endian 32-bit length per axis, then the elements in row-major order. Every file may be compressed with gzip.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np

from netspec.core.declare import declaration_of
from netspec.data.dataset import IMAGE, Array, Dataset, Part, ReadContext, dataset_of, labelled
from netspec.data.download import fetch_folder
from netspec.data.files import fault, written_folder
from netspec.diagnostics.errors import RunError

LARGEST_FILE = 4 * 2**30
"""Bytes that one file may unpack to."""
LARGEST_RATIO = 1032
"""Deflate cannot shrink data by more than this factor (zlib's technical notes)."""
_UNSIGNED_BYTE = 8
_GZIP_MAGIC = b"\x1f\x8b"


def load(source: Any, context: ReadContext) -> Dataset:
    """The folder's four files as uint8 images (N, H, W, 1); a RunError names the file that is missing or at fault."""
    folder = _folder(source, context)
    name = declaration_of(source).name
    whole = _part(folder, "train", source.classes)
    test = _part(folder, "t10k", source.classes)
    if whole[IMAGE].shape[1:] != test[IMAGE].shape[1:]:
        raise fault(
            folder / "t10k-images-idx3-ubyte",
            f"its images are {_size(test[IMAGE])}, those of the training part {_size(whole[IMAGE])}",
        )
    return dataset_of(name, tuple(map(str, range(source.classes))), whole, None, test)


def _folder(source: Any, context: ReadContext) -> Path:
    """The folder of a source: below the data folder for a named set, else where its ``path`` leads."""
    if hasattr(source, "path"):
        return written_folder(source.path, context)
    folder: Path | None = None if context.data_dir is None else context.data_dir / source.folder
    if folder is not None and folder.is_dir():
        return folder
    if context.cache_dir is not None:
        return fetch_folder(source.folder, context.cache_dir)
    if folder is None:
        raise RunError(
            f"data '{declaration_of(source).name}' is read from files, and no folder for them is set: "
            f"give --data-dir DIR, or set NETSPEC_DATA, to the folder that holds {source.folder}/"
        )
    advice = f"set --data-dir or NETSPEC_DATA to the folder that holds {source.folder}/"
    raise fault(folder, "there is no such folder", advice)


def _part(folder: Path, prefix: str, classes: int) -> Part:
    """Images and labels of the training part (``train``) or the test part (``t10k``)."""
    image_file = _find(folder, f"{prefix}-images-idx3-ubyte")
    label_file = _find(folder, f"{prefix}-labels-idx1-ubyte")
    images, labels = read_idx(image_file, axes=3), read_idx(label_file, axes=1)
    if not len(images):
        raise fault(image_file, "it holds no image")
    if len(images) != len(labels):
        raise fault(label_file, f"it holds {len(labels):,} labels, but {image_file.name} holds {len(images):,} images")
    if labels.max() >= classes:
        first = int(np.argmax(labels >= classes))
        raise fault(label_file, f"label {labels[first]} of sample {first} is not one of the {classes} classes from 0")
    return labelled(images[..., np.newaxis], labels.astype(np.int32))


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise fault(folder / name, "there is no such file, nor one with .gz behind it")


def read_idx(path: Path, axes: int) -> Array:
    """The uint8 array of an idx file with so many axes; a RunError where it is not exactly that.

    Not more than the header announces is unpacked, and nothing when it announces more than the file can hold.
    """
    try:
        with path.open("rb") as raw:
            compressed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            raw.seek(0)
            stored = path.stat().st_size
            if not compressed:
                return _read(raw, path, axes, stored)
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return _read(unpacked, path, axes, stored * LARGEST_RATIO)
    except EOFError as error:
        raise fault(path, "the gzip stream is cut off") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise fault(path, f"the gzip stream is damaged: {error}") from error
    except OSError as error:
        raise fault(path, f"it cannot be read: {error.strerror or error}") from error


def _read(stream: BufferedIOBase, path: Path, axes: int, possible: int) -> Array:
    """Header and elements of a file that cannot hold more than ``possible`` bytes."""
    shape = _header(stream, path, axes)
    size = math.prod(shape)
    if size > LARGEST_FILE:
        raise fault(path, f"its header announces {size:,} bytes; at most {LARGEST_FILE:,} are read")
    if size > possible:
        raise fault(path, f"its header announces {size:,} bytes, more than the file can hold: it is cut off or damaged")
    data = stream.read(size)
    if len(data) < size:
        raise fault(path, f"it is cut off: {len(data):,} of the {size:,} bytes that its header announces")
    if stream.read(1):
        raise fault(path, f"more follows the {size:,} bytes that its header announces")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _header(stream: BufferedIOBase, path: Path, axes: int) -> tuple[int, ...]:
    """The lengths of the axes."""
    magic = stream.read(4)
    expected = bytes((0, 0, _UNSIGNED_BYTE, axes))
    if magic != expected:
        raise fault(
            path,
            f"it begins with {magic.hex(' ') or 'nothing'}, but an idx file of unsigned bytes with {axes} "
            f"{'axis' if axes == 1 else 'axes'} begins with {expected.hex(' ')}",
        )
    lengths = stream.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise fault(path, "it is cut off within its header")
    return struct.unpack(f">{axes}I", lengths)


def _size(images: Array) -> str:
    return "x".join(map(str, images.shape[1:3]))
