"""What a person wants predictions of: image files, folders of them, arrays, or an image on the standard input."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netspec.core.formulas import times
from netspec.data.dataset import Array
from netspec.data.files import LARGEST_SET, fault
from netspec.data.folder import visible
from netspec.data.images import SUFFIXES, read_image
from netspec.data.npz import read_archive

STDIN = "-"
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: what it is called, and what goes in at each input."""

    name: str
    inputs: Mapping[str, Array]


def read_samples(places: Sequence[str], shapes: Shapes, resize: str, stdin: Callable[[], bytes]) -> Iterator[Sample]:
    """The samples of every place in turn, for a network with inputs of these shapes.

    A place is an image, a folder (all images below it, by name), an array ``.npy`` of one sample or of many, an archive
    ``.npz`` with an array for each input, or ``-`` for what ``stdin`` gives: an image or a ``.npy``. A RunError names
    what cannot be read or is of another shape.
    """
    for place in places:
        if place == STDIN:
            yield from _from_bytes(stdin(), shapes, resize)
        elif Path(place).is_dir():
            files = list(_images_below(Path(place)))
            if not files:
                raise fault(place, "the folder holds no image")
            for file in files:
                yield _image(file, str(file), shapes, resize)
        elif not Path(place).is_file():
            raise fault(place, "there is no such file or folder")
        elif place.endswith(".npy"):
            yield from _array_samples(place, Path(place), shapes)
        elif place.endswith(".npz"):
            yield from _archive_samples(Path(place), shapes)
        else:
            yield _image(Path(place), place, shapes, resize)


def in_batches(samples: Iterator[Sample], size: int) -> Iterator[tuple[list[str], dict[str, Array]]]:
    """Names and inputs of up to so many samples at a time; bytes and other numbers do not meet in a batch."""
    held: list[Sample] = []
    for sample in samples:
        if held and (len(held) == size or _types(sample) != _types(held[0])):
            yield _joined(held)
            held = []
        held.append(sample)
    if held:
        yield _joined(held)


def _types(sample: Sample) -> list[str]:
    return [str(array.dtype) for array in sample.inputs.values()]


def _joined(samples: Sequence[Sample]) -> tuple[list[str], dict[str, Array]]:
    inputs = {name: np.stack([sample.inputs[name] for sample in samples]) for name in samples[0].inputs}
    return [sample.name for sample in samples], inputs


def _images_below(folder: Path) -> Iterator[Path]:
    for path in visible(folder):
        if path.is_dir():
            yield from _images_below(path)
        elif path.suffix.lower() in SUFFIXES:
            yield path


def _only(shapes: Shapes, called: str) -> tuple[str, tuple[int, ...]]:
    """The network's one input."""
    if len(shapes) > 1:
        advice = "give an .npz with an array for each input, by its name"
        raise fault(called, f"it is one array, but the network has the inputs {', '.join(shapes)}", advice)
    return next(iter(shapes.items()))


def _image(file: Path | io.BytesIO, called: str, shapes: Shapes, resize: str) -> Sample:
    name, shape = _only(shapes, called)
    if len(shape) != 3 or not 1 <= shape[2] <= 4:
        raise fault(called, f"images cannot go into an input of {times(shape)}", "give arrays as .npy")
    return Sample(called, {name: read_image(file, shape, resize, called)})


def _from_bytes(data: bytes, shapes: Shapes, resize: str) -> Iterator[Sample]:
    if not data:
        raise fault(STDIN, "the standard input is empty", "pipe an image or an .npy into it")
    if data.startswith(b"\x93NUMPY"):
        yield from _array_samples(STDIN, io.BytesIO(data), shapes)
    else:
        yield _image(io.BytesIO(data), STDIN, shapes, resize)


def _array_samples(called: str, file: Path | io.BytesIO, shapes: Shapes) -> Iterator[Sample]:
    name, shape = _only(shapes, called)
    try:
        if isinstance(file, Path) and file.stat().st_size > LARGEST_SET:
            raise fault(called, f"it is larger than the {LARGEST_SET:,} bytes that are read")
        array = np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise fault(called, f"it is no .npy array, or damaged: {error}") from error
    except OSError as error:
        raise fault(called, f"it cannot be read: {error.strerror or error}") from error
    if not isinstance(array, np.ndarray):
        raise fault(called, "it is no .npy array")
    rows = _rows(array, shape, called)
    single = array.ndim < len(shape) + 1 and len(rows) == 1 and array.shape != rows.shape
    for number, row in enumerate(rows):
        yield Sample(called if single else f"{called}[{number}]", {name: row})


def _archive_samples(file: Path, shapes: Shapes) -> Iterator[Sample]:
    arrays = read_archive(file)
    missing = [name for name in shapes if name not in arrays]
    if missing:
        raise fault(file, f"it has no array '{missing[0]}'", f"the network's inputs are {', '.join(shapes)}")
    rows = {name: _rows(arrays[name], shape, f"{file}/{name}") for name, shape in shapes.items()}
    if len({len(each) for each in rows.values()}) > 1:
        raise fault(file, "its arrays are of different lengths")
    for number in range(len(next(iter(rows.values())))):
        yield Sample(f"{file}[{number}]", {name: each[number] for name, each in rows.items()})


def _rows(array: Array, shape: tuple[int, ...], called: str) -> Array:
    """(N, *shape) of an array of one sample or many, whose channel axis may be missing where it is 1."""
    if array.dtype.kind not in "fiub":
        raise fault(called, f"it holds {array.dtype}, but samples are numbers")
    if not array.size:
        raise fault(called, "it is an array without a number in it")
    bare = shape[:-1] if shape[-1] == 1 else shape
    for sample in (shape, bare):
        if array.shape[1:] == sample or array.shape == sample:
            return array.reshape(-1, *shape).astype(np.uint8 if array.dtype == np.uint8 else np.float32, copy=False)
    raise fault(called, f"it is an array of {times(array.shape) or 'one number'}, but a sample is {times(shape)}")
