"""The source ``npz``: arrays of a NumPy archive, each a field.

An array's name may begin or end in its part: ``x_train`` and ``train_x`` are the field ``x`` of the training part. All
others are of the training part. An array ``class_names`` of texts names the classes.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from netspec.data.dataset import Array, Dataset, Part, PartName, ReadContext, dataset_of
from netspec.data.files import LARGEST_SET, fault, written_file
from netspec.data.finite import not_finite
from netspec.declarations.sources import Npz

CLASS_NAMES = "class_names"
IMAGE_NAMES = Npz.image_names
"""What the field of the images may be called, where the spec does not say."""
LABEL_NAMES = ("y", "label", "labels", "target", "targets")
"""What the field of the labels may be called."""
_PARTS: dict[str, PartName] = {
    "train": "train",
    "test": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
}


def load(source: Any, context: ReadContext) -> Dataset:
    """The archive's arrays as fields; a RunError names the file and what is wrong with it."""
    file = written_file(source.path, context)
    return archive_dataset("npz", file, context, source.image, source.label)


def archive_dataset(name: str, file: Path, context: ReadContext, image: str = "", label: str = "") -> Dataset:
    """A data set of an archive's arrays; ``image`` and ``label`` name those fields, else their usual names do."""
    arrays = read_archive(file)
    written = arrays.pop(CLASS_NAMES, None)
    parts: dict[PartName, dict[str, Array]] = {}
    for key, array in arrays.items():
        field, part = _field(key)
        parts.setdefault(part, {})[field] = array
    if "train" not in parts:
        raise fault(file, "it holds no array of a training part")
    image = image or _usual(parts["train"], IMAGE_NAMES)
    label = label or _usual(parts["train"], LABEL_NAMES)
    _refuse_not_finite(arrays, file)
    made = {part: _part(fields, part, file, image, label, context) for part, fields in parts.items()}
    for part, other in made.items():
        missing = made["train"].fields.keys() ^ other.fields.keys()
        if missing:
            raise fault(file, f"'{sorted(missing)[0]}' is not in both the part 'train' and the part '{part}'")
    classes = _class_names(written, made, label, file)
    others = made.get("validation"), made.get("test")
    return dataset_of(name, classes, made["train"], *others, image=image or "image", label=label or "label")


def read_archive(file: Path) -> dict[str, Array]:
    """The arrays of an archive by name, in its order. Nothing in it is executed, and not more unpacked than is held."""
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST_SET:
            raise fault(file, f"it unpacks to {size:,} bytes; at most {LARGEST_SET:,} are read")
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except zipfile.BadZipFile as error:
        raise fault(file, f"it is no .npz archive, or damaged: {error}") from error
    except (ValueError, EOFError, KeyError, zlib.error) as error:
        raise fault(file, f"an array in it cannot be read: {error}") from error
    except OSError as error:
        raise fault(file, f"it cannot be read: {error.strerror or error}") from error


def _refuse_not_finite(arrays: dict[str, Array], file: Path) -> None:
    for name, array in arrays.items():
        found = not_finite(array) if array.ndim else None
        if found:
            advice = "mend the sample or leave it out: nothing can be learnt from it"
            raise fault(file, f"array '{name}' holds {found[1]} in sample {found[0]}", advice)


def _field(key: str) -> tuple[str, PartName]:
    """The field and the part of an array's name."""
    words = key.split("_")
    if len(words) > 1 and words[-1] in _PARTS:
        return "_".join(words[:-1]), _PARTS[words[-1]]
    if len(words) > 1 and words[0] in _PARTS:
        return "_".join(words[1:]), _PARTS[words[0]]
    return key, "train"


def _usual(fields: dict[str, Array], names: tuple[str, ...]) -> str:
    return next((name for name in names if name in fields), "")


def _part(fields: dict[str, Array], part: str, file: Path, image: str, label: str, context: ReadContext) -> Part:
    found: dict[str, Array] = {}
    for name, array in fields.items():
        if array.ndim == 0 or array.dtype.kind not in "fiub":
            raise fault(
                file, f"'{name}' is {array.dtype} of shape {array.shape}, but a field is numbers, (samples, ...)"
            )
        if name == image and (*array.shape[1:], 1) == context.input_shape:
            array = array[..., np.newaxis]
        if name == label and array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        found[name] = _typed(array, name == label)
    lengths = {name: len(array) for name, array in found.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{count:,} of '{name}'" for name, count in lengths.items())
        raise fault(file, f"the fields of the part '{part}' are of different lengths: {counts}")
    if not len(next(iter(found.values()))):
        raise fault(file, f"the part '{part}' holds no sample")
    return Part(found)


def _typed(array: Array, is_label: bool) -> Array:
    """Bytes stay bytes, unless they are labels; other whole numbers become int32, all else float32."""
    if array.dtype == np.uint8 and not is_label:
        return np.ascontiguousarray(array)
    return np.ascontiguousarray(array, np.float32 if array.dtype.kind == "f" else np.int32)


def _class_names(written: Array | None, parts: dict[PartName, Part], label: str, file: Path) -> tuple[str, ...]:
    """The names of the classes that the labels number, as far as they do; every label has to be one of them."""
    labels = [part.fields[label] for part in parts.values() if label in part.fields]
    if not labels or labels[0].dtype != np.int32:
        return ()
    low, high = min(int(each.min()) for each in labels), max(int(each.max()) for each in labels)
    if written is not None and written.dtype.kind not in "US":
        raise fault(file, f"'{CLASS_NAMES}' is {written.dtype}, but names are texts")
    names = tuple(map(str, range(high + 1) if written is None else written.astype(str).tolist()))
    if low < 0 or high >= len(names):
        raise fault(
            file, f"'{label}' holds {low if low < 0 else high}, which is no number of {len(names)} classes from 0"
        )
    return names
