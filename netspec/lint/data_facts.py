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


class DataFacts(NamedTuple):
    """Shape of an image (height, width, channels) and number of training samples, None where not known."""

    image: tuple[int, ...] | None
    samples: int | None


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
    return DataFacts(getattr(source, "image_shape", None), getattr(source, "training_samples", None))


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
