"""What is known of data before any of it is read: what a source declares, and what headers of files say."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

_IMAGES = "train-images-idx3-ubyte"
_HEADER = 16
_MAGIC = 0x00000803
"""Two zero bytes, unsigned bytes, three axes (LeCun, The MNIST database)."""

_NUMPY, _LONGEST = b"\x93NUMPY", 10_000
"""How an array of NumPy begins, and bytes of its header that are read."""
_NO_HEADER = (SyntaxError, ValueError, TypeError, KeyError, IndexError, RecursionError, MemoryError, RuntimeError)
"""What is raised where a header of NumPy is none, or its archive has a password."""


class DataFacts(NamedTuple):
    """Shape of an image (height, width, channels), number of training samples and largest number, None if unknown."""

    image: tuple[int, ...] | None
    samples: int | None
    brightest: int | None = None


def data_facts(source: Any, spec_file: str, shape: tuple[int, ...] | None = None) -> DataFacts:
    """What is known of a source that the spec in a file names; a folder is looked at only within the spec's own.

    ``shape`` is that of the network's input, if it has one, to whose sides some sources bring their images.
    """
    channels = getattr(source, "image_channels", None)
    if channels is not None:
        image = None if shape is None or len(shape) < 2 else (*shape[:2], channels)
        return DataFacts(image, source.training_samples)
    if source.declaration.name == "idx":
        return _idx_facts(Path(spec_file).parent, source.path)
    if source.declaration.name == "npz":
        return _npz_facts(Path(spec_file).parent, source)
    return DataFacts(getattr(source, "image_shape", None), getattr(source, "training_samples", None))


def _npz_facts(root: Path, source: Any) -> DataFacts:
    """What the header of the training images says; nothing is known of the other arrays."""
    unknown, file = DataFacts(None, None), (root / source.path).resolve()
    if not file.is_relative_to(root.resolve()) or not file.is_file():
        return unknown
    from ast import literal_eval
    from zipfile import BadZipFile, ZipFile

    names = (source.image,) if source.image else source.image_names
    wanted = [each for name in names for each in (f"{name}_train.npy", f"train_{name}.npy", f"{name}.npy")]
    try:
        with ZipFile(file) as archive:
            member = next((name for name in wanted if name in archive.namelist()), None)
            if member is None:
                return unknown
            with archive.open(member) as stream:
                magic, major, _ = struct.unpack("<6sBB", stream.read(8))
                (length,) = struct.unpack("<H", stream.read(2)) if major == 1 else struct.unpack("<I", stream.read(4))
                header = literal_eval(stream.read(min(length, _LONGEST)).decode("latin-1").strip())
        samples = int(header["shape"][0])
        return DataFacts(None, samples, 255 if header["descr"] == "|u1" else None) if magic == _NUMPY else unknown
    except (OSError, EOFError, BadZipFile, zlib.error, struct.error, *_NO_HEADER):
        return unknown  # of a damaged file the run speaks


def _idx_facts(root: Path, path: str) -> DataFacts:
    folder = (root / path).resolve()
    unknown = DataFacts(None, None)
    if not folder.is_relative_to(root.resolve()):
        return unknown
    for file in (folder / _IMAGES, folder / f"{_IMAGES}.gz"):
        if file.is_file():
            import gzip

            try:
                with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
                    header = stream.read(_HEADER)
            except (OSError, EOFError, zlib.error):
                return unknown  # of a damaged file the run speaks
            if len(header) == _HEADER:
                magic, samples, height, width = struct.unpack(">4I", header)
                return DataFacts((height, width, 1), samples) if magic == _MAGIC else unknown
    return unknown
