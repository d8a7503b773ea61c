"""Checkpoints: the weights, what the optimiser remembers, and all that a run needs to go on from there.

A checkpoint ``NAME`` is three files: ``NAME.safetensors`` with the weights and statistics, ``NAME.moments.safetensors``
with the optimiser's moments, and ``NAME.json``, written last, with the hashes of the two and of itself. So a checkpoint
without its JSON, or one whose hashes differ, is told from a whole one. Everything random is keyed by seed, epoch and
step, which are therefore all that a generator's position takes. The rows of ``metrics.csv`` are in it too, so that the
file can be made again as it was.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.data.dataset import Array
from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import encode
from netspec.training.files import remove_leftovers, write_atomic, write_json
from netspec.training.position import Position, Underway

FORMAT_VERSION = 2
_ENDINGS = (".safetensors", ".moments.safetensors", ".json")
_FILE = re.compile(r"((?:epoch|step)-[0-9]+)(?:\.moments)?\.(?:safetensors|json)")


@dataclass(frozen=True, slots=True)
class Course:
    """How a run went up to a checkpoint.

    ``best`` names the checkpoint with the lowest validation loss so far, ``lowest`` is that loss; both are ``None``
    before there is one. ``metrics`` and ``timings`` hold the rows of the tables, one per epoch.
    """

    best: str | None = None
    lowest: float | None = None
    metrics: tuple[Mapping[str, float], ...] = ()
    timings: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was found whole."""

    name: str
    weights: Path
    moments: Path
    position: Position
    seed: int
    course: Course

    @property
    def epoch(self) -> int:
        """Epochs that are done."""
        return self.position.epoch

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.position.step


class _DamageError(Exception):
    """What is wrong with a file of a checkpoint."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(path, problem)


def write_checkpoint(
    folder: Path,
    name: str,
    weights: Mapping[str, Array],
    moments: Mapping[str, Array],
    position: Position,
    seed: int,
    course: Course,
) -> None:
    """Write the checkpoint ``name``; it is on the disk when this returns. Raises the OSError of what failed."""
    remove_checkpoint(folder, name)  # a damaged one may lie there, and would look whole or not by chance on the way
    hashes = {}
    for key, arrays, ending in (("weights", weights, _ENDINGS[0]), ("moments", moments, _ENDINGS[1])):
        hashes[key] = {"file": f"{name}{ending}", "sha256": _write_arrays(folder / f"{name}{ending}", arrays, key)}
    underway = position.underway
    document = {
        "version": FORMAT_VERSION,
        "epoch": position.epoch,
        "step": position.step,
        "seed": seed,
        "underway": underway
        and {name: getattr(underway, name) for name in ("batches", "seconds", "sums", "waited", "skipped")},
        "skipped_in_a_row": position.skipped_in_a_row,
        "best": course.best,
        "lowest": course.lowest,
        "metrics": list(map(dict, course.metrics)),
        "timings": list(map(dict, course.timings)),
        **hashes,
    }
    write_json(folder / f"{name}.json", {**document, "sha256": _sha256(document)})


def _write_arrays(file: Path, arrays: Mapping[str, Array], holds: str) -> str:
    """Write one file and return its hash; its bytes are gone when the next one is encoded."""
    data = encode(arrays, {"format": "netspec", "holds": holds})
    write_atomic(file, data)
    return hashlib.sha256(data).hexdigest()


def read_checkpoint(folder: Path, name: str) -> Checkpoint:
    """The checkpoint ``name``; a RunError says what is damaged, and which other one is whole."""
    try:
        return _read(folder, name)
    except _DamageError as damage:
        whole = [other for other in checkpoint_names(folder) if other != name and _is_whole(folder, other)]
        raise _error(damage, whole[0] if whole else None) from damage


def newest_checkpoint(folder: Path, expected: str | None) -> tuple[Checkpoint | None, dict[str, str]]:
    """The whole checkpoint with the most steps, and what is wrong with those that had more, by name.

    ``expected`` is one that has to be there. A RunError where there are checkpoints, but none of them is whole.
    """
    names = checkpoint_names(folder)
    if expected is not None and expected not in names:
        names.insert(0, expected)
    damages: dict[str, _DamageError] = {}
    found = None
    for name in names:
        try:
            found = _read(folder, name)
            break
        except _DamageError as damage:
            damages[name] = damage
    if damages and found is None:
        raise _error(next(iter(damages.values())), None)
    previous = found.name if found else None
    return found, {name: str(_error(damage, previous)) for name, damage in damages.items()}


def damaged_checkpoints(folder: Path, expected: str | None) -> list[str]:
    """What is wrong with each damaged checkpoint, its file named; ``expected`` is one that has to be there."""
    found = []
    for name in dict.fromkeys((*reversed(checkpoint_names(folder)), *([] if expected is None else [expected]))):
        try:
            _read(folder, name)
        except _DamageError as damage:
            found.append(f"the checkpoint '{name}' is damaged: '{damage.path}': {damage.problem}")
    return found


def set_aside(folder: Path, name: str) -> None:
    """Rename the files of a damaged checkpoint to ``….damaged``, where nothing overwrites or removes them.

    The description goes last: should this be cut off, the checkpoint is still there to be found damaged.
    """
    for ending in _ENDINGS:
        file = folder / f"{name}{ending}"
        if file.exists():
            file.replace(file.with_name(f"{file.name}.damaged"))


def whole_checkpoints(folder: Path) -> list[Checkpoint]:
    """The checkpoints that are whole, in the order in which the run came by them."""
    names = [name for name in reversed(checkpoint_names(folder)) if _is_whole(folder, name)]
    return [_read(folder, name) for name in names]


def checkpoint_names(folder: Path) -> list[str]:
    """Names of the checkpoints that were once complete, the one that is furthest first."""
    names = [path.stem for path in folder.glob("*.json") if _FILE.fullmatch(path.name)]
    # After its last step an epoch is scored, and only then it is done.
    return sorted(names, key=lambda name: (_steps(folder, name), name.startswith("epoch")), reverse=True)


def remove_checkpoint(folder: Path, name: str) -> None:
    """Delete the files of a checkpoint; its description first, so that it never looks whole without being so."""
    for ending in reversed(_ENDINGS):
        (folder / f"{name}{ending}").unlink(missing_ok=True)


def remove_all_but(folder: Path, kept: set[str]) -> None:
    """Delete every checkpoint that is not in ``kept``, and what a crash left of one that was being written."""
    found = (_FILE.fullmatch(path.name) for path in folder.iterdir())
    for name in {match.group(1) for match in found if match} - kept:
        remove_checkpoint(folder, name)
    remove_leftovers(folder)


def _read(folder: Path, name: str) -> Checkpoint:
    description = folder / f"{name}.json"
    try:
        document: dict[str, Any] = json.loads(description.read_bytes())
        if document.pop("sha256") != _sha256(document):
            raise _DamageError(description, "its content is not what was written")
        underway = document["underway"] and Underway(**document["underway"])
        row = int(document.get("skipped_in_a_row", 0))  # checkpoints of before steps could be skipped lack it
        position = Position(int(document["epoch"]), int(document["step"]), underway, row)
        course = Course(document["best"], document["lowest"], tuple(document["metrics"]), tuple(document["timings"]))
        hashes = {key: str(document[key]["sha256"]) for key in ("weights", "moments")}
        seed = int(document["seed"])
    except OSError as error:
        raise _DamageError(description, f"it cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _DamageError(description, "it does not describe a checkpoint") from error
    files = {"weights": folder / f"{name}{_ENDINGS[0]}", "moments": folder / f"{name}{_ENDINGS[1]}"}
    for key, file in files.items():
        if not file.is_file():
            raise _DamageError(file, "the file is missing")
        with file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != hashes[key]:
                raise _DamageError(file, "its content is not what was written")
    return Checkpoint(name, files["weights"], files["moments"], position, seed, course)


def _is_whole(folder: Path, name: str) -> bool:
    try:
        _read(folder, name)
    except _DamageError:
        return False
    return True


def _steps(folder: Path, name: str) -> int:
    """Steps that a description claims. One that cannot be read comes first, so that its damage is reported."""
    try:
        return int(json.loads((folder / f"{name}.json").read_bytes())["step"])
    except (OSError, ValueError, KeyError, TypeError):
        return 2**63


def _sha256(document: Mapping[str, Any]) -> str:
    """Hash of a description, whatever the spaces and the order in its file."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _error(damage: _DamageError, previous: str | None) -> RunError:
    fields = {} if previous is None else {"previous": previous}
    return RunError.of("NS904", path=str(damage.path), problem=damage.problem, **fields)
