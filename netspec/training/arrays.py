"""What a person hands in as images and labels, checked against the network and brought to the types of its plans."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from netspec.core.graph import Graph, Value
from netspec.core.types import TensorType
from netspec.data.dataset import Array, Feed, Part
from netspec.data.finite import not_finite
from netspec.declarations.recipe import Recipe
from netspec.declarations.transforms import Divide
from netspec.diagnostics.errors import NetspecError


class InputError(NetspecError, ValueError):
    """Arrays or settings that do not fit the network."""


class InputWarning(UserWarning):
    """Arrays that fit the network, but most likely are not what was meant."""


class UnknownNameError(InputError, KeyError):
    """No weights of that name: the KeyError of a mapping."""

    def __str__(self) -> str:
        """The message; a KeyError would show it in quotes."""
        return str(self.args[0])


def path_of(given: object, what: str) -> Path:
    """A path that was given; an InputError where it is none, which says ``what`` is kept there."""
    if not isinstance(given, (str, os.PathLike)):
        raise InputError(f"{what} is a path, but {given!r} was given")
    named = os.fspath(given)
    if not isinstance(named, str):
        raise InputError(f"{what} is a path as text, but {named!r} was given")
    return Path(named)


def whole_number(name: str, given: Any, least: int) -> int:
    """A setting that counts, of Python or NumPy; an InputError for anything else, or what is smaller than ``least``."""
    if not isinstance(given, Integral) or given < least:
        raise InputError(f"{name} is {given!r}, but must be a whole number of at least {least}")
    return int(given)


BYTE_SCALE = 100.0
"""What divides by so much is meant for bytes, or for numbers of their size."""


def warn_of_scaled(inputs: Mapping[str, Array], recipe: Recipe, stacklevel: int) -> bool:
    """An InputWarning, and True, where floats from 0 to 1 are about to be divided once more, as bytes would be."""
    first = next(iter(recipe.preprocess), None)
    if not isinstance(first, Divide) or first.by < BYTE_SCALE:
        return False
    for name, array in inputs.items():
        # Most arrays are told by their first sample.
        if array.dtype == np.float32 and _in_unit(array[:1]) and _in_unit(array) and array.any():
            warnings.warn(
                f"'{name}' holds floats from {array.min():g} to {array.max():g}, which preprocess divides by "
                f"{first.by:g} once more: give the numbers as the data set holds them, 0 to 255",
                InputWarning,
                stacklevel=stacklevel + 1,
            )
            return True
    return False


def _in_unit(array: Array) -> bool:
    return bool(array.min() >= 0 and array.max() <= 1)


def checked_inputs(x: Any, network: Graph) -> dict[str, Array]:
    """What goes in, by the input's name, each contiguous (N, ...): uint8 where it is bytes, else float32.

    ``x`` is one array for a network of one input, or a mapping of inputs to arrays. An InputError if they do not fit.
    """
    given = _by_name(x, [value.name for value in network.inputs], "input")
    found = {value.name: _checked_input(given[value.name], value, len(network.inputs)) for value in network.inputs}
    lengths = {name: len(array) for name, array in found.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"inputs have as many samples as one another, but there are {_counts(lengths)}")
    return found


def _by_name(given: Any, names: list[str], what: str) -> Mapping[str, Any]:
    """One array for each name: of a mapping, or the array itself where there is one name."""
    if not isinstance(given, Mapping):
        if len(names) == 1:
            return {names[0]: given}
        raise InputError(f"the network has several {what}s: give a mapping of {', '.join(names)} to arrays")
    missing, unknown = [n for n in names if n not in given], [str(n) for n in given if n not in names]
    if missing or unknown:
        said = [f"{', '.join(missing)} is missing"] if missing else []
        said += [f"{', '.join(unknown)} is none of them"] if unknown else []
        raise InputError(f"the network's {what}s are {', '.join(names)}, but {' and '.join(said)}")
    return given


def _checked_input(x: Any, value: Value, of: int) -> Array:
    array, expected = _array(x, "images" if of == 1 else f"input '{value.name}'"), value.type.shape
    wants = "the network wants images" if of == 1 else f"input '{value.name}' wants"
    if array.shape[1:] != expected or array.ndim != len(expected) + 1:
        raise InputError(
            f"{wants} {shape_text(('N', *expected))} (channels last), "
            f"but {shape_text(array.shape)} was given{_hint(array, expected)}"
        )
    if not len(array):
        raise InputError("there are no images: the array is empty")
    if array.dtype.kind not in "fiub":
        raise InputError(f"images are numbers, but {array.dtype} was given")
    return np.ascontiguousarray(array, np.uint8 if array.dtype == np.uint8 else np.float32)


def _counts(lengths: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} of '{name}'" for name, count in lengths.items())


def _array(given: Any, what: str) -> Array:
    """One array of what may be nested lists."""
    if given is None or isinstance(given, (str, bytes, PurePath)):
        raise InputError(f"{what} are a NumPy array, but {given!r} ({type(given).__name__}) was given")
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
    """Inputs with their targets, in a form that :func:`as_target` takes; an InputError if they do not fit.

    ``y`` is one array, which every head learns, or a mapping of heads to arrays.
    """
    inputs = checked_inputs(x, network)
    samples = len(next(iter(inputs.values())))
    heads = network.heads
    given = _by_name(y, list(heads), "head") if isinstance(y, Mapping) else dict.fromkeys(heads, y)
    fields, targets = dict(inputs), {}
    known: dict[int, str] = {}
    for name, head in heads.items():
        labels = _array(given[name], "labels")
        if labels.dtype.kind not in "fiub":
            raise InputError(f"labels are numbers, but {labels.dtype} was given")
        _check_labels(labels, samples, name, recipe.head(name).loss.target(head.type), head.type.channels)
        # An array that several heads learn is one field.
        targets[name] = known.setdefault(id(given[name]), f"target/{name}")
        if targets[name] not in fields:
            kind = np.float32 if labels.dtype.kind == "f" else np.int32
            fields[targets[name]] = np.ascontiguousarray(labels, kind)
    _refuse_not_finite({f"input '{name}'": array for name, array in inputs.items()})
    _refuse_not_finite({f"the target of head '{name}'": fields[field] for name, field in targets.items()})
    return Part(fields, Feed({name: name for name in inputs}, targets))


def _refuse_not_finite(arrays: Mapping[str, Array]) -> None:
    for what, array in arrays.items():
        found = not_finite(array)
        if found:
            raise InputError(f"{what} holds {found[1]} in sample {found[0]}: nothing can be learnt from it")


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
