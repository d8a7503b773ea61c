"""Finding the files that a spec names, and saying what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from netspec.data.dataset import ReadContext
from netspec.diagnostics.errors import RunError

LARGEST_SET = 64 * 2**30
"""Bytes that the arrays of a data set may take."""


def fault(path: Path | str, problem: str, advice: str | None = None) -> RunError:
    """What is wrong with a data file, as an error."""
    return RunError.of("NS905", path=str(path), problem=problem, advice=advice)


def written_folder(path: str, context: ReadContext) -> Path:
    """The folder that a spec names, below the spec's folder or the data folder: a spec may not reach elsewhere."""
    return _written(path, context, Path.is_dir, "folder")


def written_file(path: str, context: ReadContext) -> Path:
    """The file that a spec names, below the spec's folder or the data folder."""
    return _written(path, context, Path.is_file, "file")


def _written(path: str, context: ReadContext, exists: Callable[[Path], bool], what: str) -> Path:
    roots = [context.spec_folder, *([context.data_dir] if context.data_dir else [])]
    found = [root / path for root in roots if exists(root / path)]
    if not found:
        looked = " or ".join(dict.fromkeys(str(root / path) for root in roots))
        raise fault(path, f"there is no {what} {looked}")
    place = found[0].resolve()
    if not any(place.is_relative_to(root.resolve()) for root in roots):
        advice = (
            f"a {what} elsewhere is read when --data-dir names its folder or one above it: --data-dir {place.parent}"
        )
        raise fault(path, "it lies outside the spec's folder and the data folder", advice)
    return place


def inside(folder: Path, path: Path) -> Path:
    """A file below a folder that may be read, with symbolic links resolved; a RunError if it is none."""
    place = path.resolve()
    if not place.is_relative_to(folder.resolve()):
        raise fault(path, "it lies, or leads by a link, outside of its data set's folder")
    if not place.is_file():
        raise fault(path, "it is no regular file")
    return place


def refuse_size(where: Path | str, samples: int, numbers: Iterable[int]) -> None:
    """A RunError where so many samples of arrays of so many bytes are more than is read into memory."""
    needed = samples * sum(numbers)
    if needed > LARGEST_SET:
        raise fault(where, f"its {samples:,} samples take {needed:,} bytes in memory; at most {LARGEST_SET:,} are read")
