"""Checkpoints: the weights, what the optimiser remembers, and where in the run this was.

A checkpoint ``NAME`` is three files: ``NAME.safetensors`` with the weights and statistics, ``NAME.moments.safetensors``
with the optimiser's moments, and ``NAME.json``, written last, with the hashes of the two. So a checkpoint without its
JSON, or one whose hashes differ, is told from a whole one. Everything random is keyed by seed, epoch and step, which
are therefore all that a generator's position takes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.data.dataset import Array
from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import encode
from netspec.training.files import write_atomic, write_json

FORMAT_VERSION = 1
_ENDINGS = (".safetensors", ".moments.safetensors", ".json")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was found whole."""

    weights: Path
    moments: Path
    epoch: int
    step: int
    seed: int


def write_checkpoint(
    folder: Path,
    name: str,
    weights: Mapping[str, Array],
    moments: Mapping[str, Array],
    position: Mapping[str, int],
) -> None:
    """Write the checkpoint ``name``; ``position`` holds ``epoch`` and ``step`` that are done, and the ``seed``."""
    hashes = {}
    for key, arrays, ending in (("weights", weights, _ENDINGS[0]), ("moments", moments, _ENDINGS[1])):
        data = encode(arrays, {"format": "netspec", "holds": key})
        write_atomic(folder / f"{name}{ending}", data)
        hashes[key] = {"file": f"{name}{ending}", "sha256": hashlib.sha256(data).hexdigest()}
    write_json(folder / f"{name}.json", {"version": FORMAT_VERSION, **position, **hashes})


def read_checkpoint(folder: Path, name: str) -> Checkpoint:
    """The checkpoint ``name``; a RunError says what is damaged."""
    description = folder / f"{name}.json"
    try:
        document: dict[str, Any] = json.loads(description.read_bytes())
        position = {key: int(document[key]) for key in ("epoch", "step", "seed")}
        hashes = {key: str(document[key]["sha256"]) for key in ("weights", "moments")}
    except OSError as error:
        raise _damaged(description, f"it cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(description, "it does not describe a checkpoint") from error
    files = {"weights": folder / f"{name}{_ENDINGS[0]}", "moments": folder / f"{name}{_ENDINGS[1]}"}
    for key, file in files.items():
        if not file.is_file():
            raise _damaged(file, "the file is missing")
        if hashlib.sha256(file.read_bytes()).hexdigest() != hashes[key]:
            raise _damaged(file, "its content is not what was written")
    return Checkpoint(files["weights"], files["moments"], **position)


def remove_checkpoint(folder: Path, name: str) -> None:
    """Delete the files of a checkpoint; its description first, so that it never looks whole without being so."""
    for ending in reversed(_ENDINGS):
        (folder / f"{name}{ending}").unlink(missing_ok=True)


def _damaged(path: Path, problem: str) -> RunError:
    return RunError.of("NS904", path=str(path), problem=problem)
