"""The source ``masks``: images with a mask beside each, of one class number per pixel.

``PATH/images/NAME.jpg`` goes with ``PATH/masks/NAME.png``; both folders stand below ``train``, ``val`` and ``test``
where there are parts. A mask is grey, or of a palette whose places are the class numbers. One of two classes may be
black and white (0 and 255).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from netspec.data.dataset import IMAGE, Array, Dataset, Part, ReadContext, dataset_of
from netspec.data.files import fault, written_folder
from netspec.data.folder import image_files, part_folders
from netspec.data.images import fitted, opened, read_images

MASK = "mask"
_WHITE = 255


def load(source: Any, context: ReadContext) -> Dataset:
    """Images (N, H, W, C) and masks (N, H, W); a RunError names the file that is missing or at fault."""
    folder = written_folder(source.path, context)
    parts = part_folders(folder, context.validation)
    found = {name: _part(place, folder, source, context) for name, place in parts.items()}
    classes = tuple(map(str, range(source.classes)))
    return dataset_of("masks", classes, found["train"], found.get("validation"), found.get("test"), label=MASK)


def _part(place: Path, root: Path, source: Any, context: ReadContext) -> Part:
    folders = place / source.images, place / source.masks
    for folder in folders:
        if not folder.is_dir():
            raise fault(folder, "there is no such folder")
    images, masks = (image_files(folder, root) for folder in folders)
    if not images:
        raise fault(folders[0], "it holds no image")
    by_name = {path.stem: path for path in masks}
    pairs = [(path, by_name.get(path.stem)) for path in images]
    for path, mask in pairs:
        if mask is None:
            raise fault(path, f"there is no mask of its name in {folders[1]}")
    if len(masks) > len(images):
        lonely = sorted(by_name.keys() - {path.stem for path in images})
        raise fault(by_name[lonely[0]] if lonely else folders[1], "there is no image of its name")
    pictures = read_images(images, context.input_shape, source.resize, place)
    numbers = np.stack([_mask(mask, path, source, context) for path, mask in pairs if mask is not None])
    return Part({IMAGE: pictures, MASK: numbers})


def _mask(file: Path, image_file: Path, source: Any, context: ReadContext) -> Array:
    """int32 (H, W): the class of every pixel, at the size of the input."""
    mask, image = opened(file, str(file)), opened(image_file, str(image_file))
    if mask.size != image.size:
        sizes = (f"{each.height}x{each.width}" for each in (mask, image))
        raise fault(file, "the mask is {} (height x width), but its image {}".format(*sizes))
    if mask.mode not in ("1", "L", "P"):
        raise fault(
            file, f"it is of mode {mask.mode}, but a mask has one number of 8 bits per pixel: grey or a palette"
        )
    height, width = context.input_shape[:2]
    found = np.asarray(fitted(mask, (width, height), source.resize, str(file), smooth=False)).astype(np.int32)
    if source.classes == 2 and mask.mode == "L" and not ((found != 0) & (found != _WHITE)).any():
        found //= _WHITE
    if found.max() >= source.classes:
        raise fault(file, f"it holds the number {found.max()}, which is not one of the {source.classes} classes from 0")
    return found
