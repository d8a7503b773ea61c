"""What a person hands in as images and labels, checked against the network and brought to the types of its plans."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.data.dataset import Array, Part
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.errors import NetspecError


class InputError(NetspecError, ValueError):
    """Arrays or settings that do not fit the network."""


def checked_images(x: Any, network: Graph) -> Array:
    """Images (N, H, W, C), contiguous: uint8 where they are bytes, else float32. An InputError if they do not fit."""
    array = _array(x, "images")
    expected = network.inputs[0].type.shape
    if array.shape[1:] != expected or array.ndim != len(expected) + 1:
        raise InputError(
            f"the network wants images {shape_text(('N', *expected))} (channels last), "
            f"but {shape_text(array.shape)} was given{_hint(array, expected)}"
        )
    if not len(array):
        raise InputError("there are no images: the array is empty")
    if array.dtype.kind not in "fiub":
        raise InputError(f"images are numbers, but {array.dtype} was given")
    return np.ascontiguousarray(array, np.uint8 if array.dtype == np.uint8 else np.float32)


def _array(given: Any, what: str) -> Array:
    """One array of what may be nested lists."""
    try:
        return np.asarray(given)
    except ValueError as error:  # lists of different lengths
        raise InputError(f"{what} do not make one array: {error}") from error


def _hint(array: Array, expected: tuple[int, ...]) -> str:
    """The likely slip behind a wrong shape."""
    if array.shape == expected:
        return "; a single image is x[np.newaxis]"
    if array.ndim == len(expected) and (*array.shape[1:], 1) == expected:
        return "; x[..., np.newaxis] adds the channel axis"
    if array.ndim == len(expected) + 1 and (*array.shape[2:], array.shape[1]) == expected:
        return "; np.moveaxis(x, 1, -1) puts the channels last"
    return ""


def checked_part(x: Any, y: Any, network: Graph, recipe: Recipe) -> Part:
    """Images with their labels or targets, in a form that :func:`as_target` takes; an InputError if they do not fit."""
    images, labels = checked_images(x, network), _array(y, "labels")
    if labels.dtype.kind not in "fiub":
        raise InputError(f"labels are numbers, but {labels.dtype} was given")
    for name, head in network.heads.items():
        target = recipe.loss.target(head.type)
        _check_labels(labels, len(images), name, target, head.type.channels)
    return Part(images, np.ascontiguousarray(labels, np.float32 if labels.dtype.kind == "f" else np.int32))


def _check_labels(labels: Array, samples: int, head: str, target: TensorType, classes: int) -> None:
    """Refuse what is neither a target of this type nor, where that has a number per class, class numbers."""
    expected = (samples, *target.shape)
    by_class = target.dtype == "int32"
    if not by_class and labels.shape == expected[:-1]:
        by_class, expected = classes > 1, expected[:-1]
    if by_class and labels.dtype.kind not in "iu":
        raise InputError(f"labels are class numbers of an integer type, but {labels.dtype} was given")
    if labels.shape != expected:
        raise InputError(f"head '{head}' wants labels {shape_text(expected)}, but {shape_text(labels.shape)} was given")
    low, high = (int(labels.min()), int(labels.max())) if by_class else (0, 0)
    if low < 0 or high >= classes:
        wrong = low if low < 0 else high
        raise InputError(f"label {wrong} is no class of head '{head}', whose classes are 0 to {classes - 1}")


def as_target(labels: Array, target: TensorType) -> Array:
    """Labels (N, ...) as a loss takes them: as they are, or as one channel, or class numbers as one-hot rows."""
    if labels.shape[1:] == target.shape:
        return labels
    rows = labels[..., np.newaxis]
    return rows if target.channels == 1 else (rows == np.arange(target.channels)).astype(np.float32)


def shape_text(shape: tuple[Any, ...]) -> str:
    """``(N, 28, 28, 1)``."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
