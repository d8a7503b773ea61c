"""The source ``csv``: a row for each sample, in a file with a header.

With ``image`` that column names an image file, relative to the table. Without it, the columns of numbers that nothing
else claims are the sample, in their order, brought to the input's shape: a signal, or the pixels of an image. Every
other column of numbers is a field of its name. ``label`` is a column of class names, or of class numbers from 0.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from netspec.core.formulas import times
from netspec.data.contents import Paths
from netspec.data.dataset import IMAGE, LABEL, Array, Dataset, Files, Part, ReadContext, dataset_of
from netspec.data.files import fault, inside, refuse_size, written_file
from netspec.data.images import ImageFiles, refuse_shape
from netspec.data.ondemand import fields

Columns = dict[str, list[str]]


def load(source: Any, context: ReadContext) -> Dataset:
    """The table's columns as fields; a RunError names the file, and the line of a cell at fault."""
    paths = {"train": source.path, "validation": source.validation, "test": source.test}
    files = {part: written_file(path, context) for part, path in paths.items() if path}
    tables = {part: _read(file) for part, file in files.items()}
    classes = _classes(tables["train"], source.label, files["train"])
    found = {part: Part(_fields(table, files[part], source, classes, context)) for part, table in tables.items()}
    others = found.get("validation"), found.get("test")
    if not source.image:
        return dataset_of("csv", classes, found["train"], *others)
    images_of = {part: _image_files(table, files[part], source) for part, table in tables.items()}
    refuse_shape(context.input_shape, files["train"])
    decoders = {part: ImageFiles(each, context.input_shape, source.resize) for part, each in images_of.items()}
    images = fields(decoders, context.cache)
    parts = {part: Part({IMAGE: images[part], **each.fields}) for part, each in found.items()}
    others = parts.get("validation"), parts.get("test")
    decoded = {IMAGE: Files(tuple(images_of.values()), source.resize)}
    return dataset_of("csv", classes, parts["train"], *others, files=decoded)


def _image_files(table: Columns, file: Path, source: Any) -> Paths:
    """The files that the column of images names."""
    names = _column(table, source.image, file)
    return Paths.of(file.parent.resolve(), (inside(file.parent, file.parent / name) for name in names))


def _read(file: Path) -> Columns:
    """The cells of every column, by the header's names."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(rows, [])]
            if not header or len(set(header)) < len(header) or not all(header):
                raise fault(file, "its first line is to name the columns, each differently")
            cells: list[list[str]] = []
            for row in rows:
                if row and len(row) != len(header):
                    raise fault(file, f"line {rows.line_num} has {len(row)} cells, but there are {len(header)} columns")
                cells += [row] if row else []
    except UnicodeDecodeError as error:
        raise fault(file, f"it is not UTF-8: {error}") from error
    except csv.Error as error:
        raise fault(file, f"line {rows.line_num} is no CSV: {error}") from error
    except OSError as error:
        raise fault(file, f"it cannot be read: {error.strerror or error}") from error
    if not cells:
        raise fault(file, "it has no row of data")
    return {name: [row[place].strip() for row in cells] for place, name in enumerate(header)}


def _column(table: Columns, name: str, file: Path) -> list[str]:
    if name not in table:
        raise fault(file, f"it has no column '{name}'", f"its columns are {', '.join(table)}")
    return table[name]


def _classes(table: Columns, label: str, file: Path) -> tuple[str, ...]:
    """Class names in their order: as numbers where all labels are whole numbers from 0, else sorted."""
    if not label:
        return ()
    names = set(_column(table, label, file))
    if all(name.isdecimal() for name in names):
        return tuple(map(str, range(max(map(int, names)) + 1)))
    return tuple(sorted(names))


def _fields(table: Columns, file: Path, source: Any, classes: Sequence[str], context: ReadContext) -> dict[str, Array]:
    found: dict[str, Array] = {}
    rest = {name: cells for name, cells in table.items() if name not in (source.image, source.label)}
    if source.image:
        found |= {name: _numbers(cells, name, file) for name, cells in rest.items() if _is_numeric(cells)}
    else:
        found[IMAGE] = _samples(rest, file, context.input_shape)
    if source.label:
        found[LABEL] = _labels(_column(table, source.label, file), classes, source.label, file)
    return found


def _samples(columns: Columns, file: Path, shape: tuple[int, ...]) -> Array:
    """float32 (N, *shape) of all columns, side by side."""
    if len(columns) != prod(shape):
        wanted = f"{prod(shape)} ({times(shape)})"
        raise fault(file, f"it has {len(columns)} columns of numbers beside the label, but the input takes {wanted}")
    rows = len(next(iter(columns.values())))
    refuse_size(file, rows, (4 * prod(shape),))
    numbers = np.stack([_numbers(cells, name, file) for name, cells in columns.items()], axis=1)
    return np.ascontiguousarray(numbers.reshape(rows, *shape))


def _is_numeric(cells: Sequence[str]) -> bool:
    try:
        np.array(cells, np.float64)
    except ValueError:
        return False
    return True


def _numbers(cells: Sequence[str], name: str, file: Path) -> Array:
    """float32 (N,) of a column; a cell that is no finite number is at fault."""
    for row, cell in enumerate(cells):
        try:
            finite = np.isfinite(float(cell))
        except ValueError:
            finite = False
        if not finite:
            raise fault(file, f"row {row + 1}, column '{name}': '{cell}' is no finite number")
    return np.array(cells, np.float64).astype(np.float32)


def _labels(cells: Sequence[str], classes: Sequence[str], name: str, file: Path) -> Array:
    numbers = {cls: number for number, cls in enumerate(classes)}
    for row, cell in enumerate(cells):
        if cell not in numbers and not (cell.isdecimal() and str(int(cell)) in numbers):
            raise fault(file, f"row {row + 1}, column '{name}': '{cell}' is no class of the training part")
    return np.array([numbers[cell] if cell in numbers else numbers[str(int(cell))] for cell in cells], np.int32)
