"""The source ``masks``: images with a mask beside each, of one class number per pixel.

``PATH/images/NAME.jpg`` goes with ``PATH/masks/NAME.png``; both folders stand below ``train``, ``val`` and ``test``
where there are parts. A mask is grey, or of a palette whose places are the class numbers. One of two classes may be
black and white (0 and 255).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netspec.data.contents import Paths
from netspec.data.dataset import IMAGE, Array, Dataset, Files, Part, ReadContext, dataset_of
from netspec.data.files import fault, written_folder
from netspec.data.folder import image_files, part_folders
from netspec.data.images import ImageFiles, check_image, fitted, opened, refuse_shape
from netspec.data.ondemand import Decoder, fields

MASK = "mask"
_WHITE = 255


def load(source: Any, context: ReadContext) -> Dataset:
    """Images (N, H, W, C) and masks (N, H, W); a RunError names the file that is missing or at fault."""
    folder = written_folder(source.path, context)
    parts = part_folders(folder, context.validation)
    pairs = {name: _pairs(place, folder, source) for name, place in parts.items()}
    refuse_shape(context.input_shape, folder)
    decoders: dict[tuple[str, str], Decoder] = {}
    paths: dict[str, dict[str, Paths]] = {}
    for name, found in pairs.items():
        images, masks = (Paths.of(folder, paths) for paths in zip(*found, strict=True))
        paths[name] = {IMAGE: images, MASK: masks}
        decoders[name, IMAGE] = ImageFiles(images, context.input_shape, source.resize)
        decoders[name, MASK] = MaskFiles(masks, images, context.input_shape[:2], source.resize, source.classes)
    arrays = fields(decoders, context.cache)
    made = {name: Part({key: arrays[name, key] for key in (IMAGE, MASK)}) for name in parts}
    files = {key: Files(tuple(each[key] for each in paths.values()), source.resize) for key in (IMAGE, MASK)}
    classes = tuple(map(str, range(source.classes)))
    others = made.get("validation"), made.get("test")
    return dataset_of("masks", classes, made["train"], *others, label=MASK, files=files)


def _pairs(place: Path, root: Path, source: Any) -> list[tuple[Path, Path]]:
    """The images of a part, each with its mask."""
    folders = place / source.images, place / source.masks
    for folder in folders:
        if not folder.is_dir():
            raise fault(folder, "there is no such folder")
    images, masks = (image_files(folder, root) for folder in folders)
    if not images:
        raise fault(folders[0], "it holds no image")
    by_name = {path.stem: path for path in masks}
    for path in images:
        if path.stem not in by_name:
            raise fault(path, f"there is no mask of its name in {folders[1]}")
    if len(masks) > len(images):
        lonely = sorted(by_name.keys() - {path.stem for path in images})
        raise fault(by_name[lonely[0]] if lonely else folders[1], "there is no image of its name")
    return [(path, by_name[path.stem]) for path in images]


@dataclass(frozen=True, slots=True)
class MaskFiles:
    """Decodes masks to the size (H, W) of an input; ``images`` are what each is the mask of."""

    paths: Sequence[Path]
    images: Sequence[Path]
    size: tuple[int, ...]
    resize: str
    classes: int
    dtype = "int32"

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W)."""
        return (len(self.paths), *self.size)

    def files(self, row: int) -> Sequence[Path]:
        """The one file of a mask."""
        return (self.paths[row],)

    def check(self, row: int) -> None:
        """Refuse what is no image, or one of a size that is not wanted."""
        height, width = self.size
        check_image(self.paths[row], (width, height), self.resize)

    def decode(self, row: int) -> Array:
        """int32 (H, W): the class of every pixel."""
        file, (height, width) = self.paths[row], self.size
        mask, image = opened(file, str(file)), opened(self.images[row], str(self.images[row]))
        if mask.size != image.size:
            sizes = (f"{each.height}x{each.width}" for each in (mask, image))
            raise fault(file, "the mask is {} (height x width), but its image {}".format(*sizes))
        if mask.mode not in ("1", "L", "P"):
            said = f"it is of mode {mask.mode}, but a mask has one number of 8 bits per pixel: grey or a palette"
            raise fault(file, said)
        found = np.asarray(fitted(mask, (width, height), self.resize, str(file), smooth=False)).astype(np.int32)
        if self.classes == 2 and mask.mode == "L" and not ((found != 0) & (found != _WHITE)).any():
            found //= _WHITE
        if found.max() >= self.classes:
            problem = f"it holds the number {found.max()}, which is not one of the {self.classes} classes from 0"
            raise fault(file, problem, _way_out(found))
        return found


def _way_out(found: Array) -> str:
    """How a mask comes to hold class numbers."""
    if found.max() == _WHITE and not ((found != 0) & (found != _WHITE)).any():
        return (
            "black and white (0 and 255) are two classes where 'classes' is 2 and the mask is grey; else divide by 255"
        )
    return "let 'classes' be one more than the largest number of any mask, or write the masks with class numbers from 0"
