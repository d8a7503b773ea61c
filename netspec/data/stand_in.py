"""What stands for a published data set that is not here, where nothing is to be fetched: images of no meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from netspec.core.declare import declaration_of
from netspec.data.dataset import Dataset, Part, dataset_of, labelled
from netspec.data.download import PUBLISHED, Download, downloads


def missing(source: Any, data_dir: Path | None, cache_dir: Path) -> tuple[Download, ...]:
    """What reading a source would fetch; nothing where it is read from files that a person has."""
    folder = getattr(source, "folder", None)
    if folder not in PUBLISHED or (data_dir is not None and (data_dir / folder).is_dir()):
        return ()
    return downloads(folder, cache_dir)


def stand_in(source: Any) -> Dataset:
    """A data set of the shape, the classes and the number of samples of a published one, in next to no memory."""
    names = tuple(map(str, range(source.classes)))
    counts = source.training_samples, PUBLISHED[source.folder].test_samples
    train, test = (_part(count, source) for count in counts)
    return dataset_of(declaration_of(source).name, names, train, None, test)


def _part(count: int, source: Any) -> Part:
    """Every image has all brightnesses, so that what preprocessing learns of it can be divided by."""
    shape = source.image_shape
    image = (np.arange(np.prod(shape)) % (source.brightest + 1)).astype(np.uint8).reshape(shape)
    labels = (np.arange(count) % source.classes).astype(np.int32)
    return labelled(np.broadcast_to(image, (count, *shape)), labels)
