"""The source ``folder``: images in a folder for each class, below ``train``, ``val`` and ``test`` or without parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from netspec.data.contents import Paths
from netspec.data.dataset import IMAGE, Dataset, Files, ReadContext, dataset_of, labelled
from netspec.data.files import fault, inside, written_folder
from netspec.data.images import SUFFIXES, ImageFiles, refuse_shape
from netspec.data.ondemand import fields

VALIDATION_NAMES = ("validation", "val", "valid")
"""What the folder of a validation part may be called."""
_LITTER = frozenset(("thumbs.db", "desktop.ini"))
"""What systems leave in folders of images, lower case; names that begin with a dot too."""


def load(source: Any, context: ReadContext) -> Dataset:
    """Images (N, H, W, C) with the numbers of their classes, which are sorted by name; a RunError names the fault."""
    folder = written_folder(source.path, context)
    parts = part_folders(folder, context.validation)
    classes = _classes(parts["train"])
    members = {name: _members(place, folder, classes) for name, place in parts.items()}
    refuse_shape(context.input_shape, folder)
    decoders = {name: ImageFiles(files, context.input_shape, source.resize) for name, (files, _) in members.items()}
    images = fields(decoders, context.cache)
    found = {name: labelled(images[name], np.array(labels, np.int32)) for name, (_, labels) in members.items()}
    files = {IMAGE: Files(tuple(paths for paths, _ in members.values()), source.resize)}
    return dataset_of("folder", classes, found["train"], found.get("validation"), found.get("test"), files=files)


def part_folders(folder: Path, validation: str | None) -> dict[str, Path]:
    """The folder of each part there is; without a folder ``train`` all is the training part."""
    if not (folder / "train").is_dir():
        return {"train": folder}
    parts = {"train": folder / "train", "test": folder / "test"}
    names = VALIDATION_NAMES if validation in (None, "test", *VALIDATION_NAMES) else (validation,)
    known = [name for name in names if (folder / name).is_dir()]
    if len(known) > 1:
        raise fault(folder, f"it has several validation parts: {', '.join(known)}", "say which: validation: NAME")
    if known:
        parts["validation"] = folder / known[0]
    return {name: place for name, place in parts.items() if place.is_dir()}


def _classes(train: Path) -> tuple[str, ...]:
    classes = tuple(sorted(path.name for path in visible(train) if path.is_dir()))
    if len(classes) < 2:
        problem = f"it has {'one class folder' if classes else 'no class folders'}, and a classifier wants at least two"
        flat = any(path.suffix.lower() in SUFFIXES for path in visible(train))
        advice = "images stand in a folder for each class, PATH/CLASS/IMAGE or PATH/train/CLASS/IMAGE"
        raise fault(train, problem, f"{advice}; 'netspec predict' takes images of no class" if flat else advice)
    return classes


def _members(place: Path, root: Path, classes: tuple[str, ...]) -> tuple[Paths, list[int]]:
    """All images of a part, by class and then by name, with their class numbers."""
    strangers = [path for path in visible(place) if path.name not in classes]
    if strangers:
        what = (
            "class folder that the training part does not have" if strangers[0].is_dir() else "file beside the classes"
        )
        raise fault(strangers[0], f"it is a {what}")
    labels: list[int] = []

    def found(number: int, name: str) -> list[Path]:
        members = image_files(place / name, root) if (place / name).is_dir() else []
        if not members and place.name == "train":
            raise fault(place / name, "the class has no image")
        labels.extend([number] * len(members))
        return members

    files = Paths.of(root, (path for number, name in enumerate(classes) for path in found(number, name)))
    if not files:
        raise fault(place, "it holds no image")
    return files, labels


def visible(folder: Path) -> list[Path]:
    """What is in a folder, sorted by name, without what systems leave there."""
    return sorted(
        path for path in folder.iterdir() if not path.name.startswith(".") and path.name.lower() not in _LITTER
    )


def image_files(folder: Path, root: Path) -> list[Path]:
    """The image files of a folder, sorted by name; a RunError names one that is no image or not below ``root``."""
    files = visible(folder)
    for path in files:
        if path.suffix.lower() not in SUFFIXES:
            what = "it is a folder within a class" if path.is_dir() else "it is no image by its name"
            raise fault(path, what, f"endings of images: {', '.join(sorted(SUFFIXES))}")
    return [inside(root, path) for path in files]
