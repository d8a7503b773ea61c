"""Weights to start from: those of another network, as far as they fit, with a report of what was taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.data.dataset import Array
from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import decode
from netspec.training.runs import MANIFEST, find_checkpoint
from netspec.training.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Transfer:
    """What came of it: ``taken`` maps weights of the network to those of the file, ``kept`` weights that start as
    drawn to why, ``unused`` are the names in the file that nothing took.
    """

    file: Path
    taken: Mapping[str, str]
    kept: Mapping[str, str]
    unused: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "file": str(self.file),
            "taken": dict(self.taken),
            "kept": dict(self.kept),
            "unused": list(self.unused),
        }

    def lines(self) -> list[str]:
        """The report, a line for each weight that was not taken over."""
        whole = len(self.taken) + len(self.kept)
        lines = [f"{len(self.taken)} of {whole} weights start from '{self.file}'"]
        lines += [f"  {name} starts as drawn: {reason}" for name, reason in self.kept.items()]
        return lines + [f"  {name} of the file is not used" for name in self.unused]


def take_weights(runtime: Runtime, init: Mapping[str, str], spec_folder: Path) -> Transfer:
    """Start from the weights that ``train.init`` names: a safetensors file, or the last checkpoint of a run directory.

    By ``name`` a weight takes the one that is called as it is; by ``shape`` a layer takes those of the next layer whose
    weights are of its kinds and shapes, in the order of the two networks.
    A RunError where there is no such file, it is damaged, or nothing in it fits.
    """
    file = _file(init["from"], spec_folder)
    try:
        arrays = decode(file.read_bytes(), str(file))
    except OSError as error:
        raise RunError(f"train.init: '{file}' cannot be read: {error.strerror or error}") from error
    taken, kept = (_by_shape if init.get("match") == "shape" else _by_name)(runtime.weight_shapes, arrays)
    if not taken:
        raise RunError(f"train.init: no weight in '{file}' fits this network; 'match: shape' goes by their order")
    for name, source in taken.items():
        runtime.state.write(name, arrays[source].astype("float32"))
    return Transfer(file, taken, kept, tuple(sorted(arrays.keys() - set(taken.values()))))


def _file(written: str, spec_folder: Path) -> Path:
    """The file below the spec's folder: a spec may not reach elsewhere."""
    place = (spec_folder / written).resolve()
    if not place.is_relative_to(spec_folder.resolve()):
        raise RunError(f"train.init: '{written}' lies outside of the spec's folder '{spec_folder}'")
    return find_checkpoint(place, "last").weights if (place / MANIFEST).is_file() else place


def _by_name(
    shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, Array]
) -> tuple[dict[str, str], dict[str, str]]:
    taken, kept = {}, {}
    for name, shape in shapes.items():
        if name not in arrays:
            kept[name] = "the file has none of that name"
        elif arrays[name].shape != shape:
            kept[name] = f"it is {list(shape)}, in the file {list(arrays[name].shape)}"
        else:
            taken[name] = name
    return taken, kept


def _layer_order(name: str) -> list[tuple[str, int]]:
    """Sorts names as unnamed layers are numbered: ``conv``, ``conv2``, ``conv10``. A file keeps no order of its own."""
    parts = (re.fullmatch(r"(.*?)([0-9]*)", part) for part in re.split("[/.]", name))
    return [(found.group(1), int(found.group(2) or 1)) for found in parts if found is not None]


def _by_shape(
    shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, Array]
) -> tuple[dict[str, str], dict[str, str]]:
    """A layer takes all of its weights from one layer: of two that stood side by side, none gets the other's bias."""
    taken: dict[str, str] = {}
    kept: dict[str, str] = {}
    layers, free = _by_layer(shapes), _by_layer({name: arrays[name].shape for name in sorted(arrays, key=_layer_order)})
    for path, wanted in layers.items():
        found = next((other for other, has in free.items() if wanted.items() <= has.items()), None)
        if found is None:
            described = ", ".join(f"{kind} {list(shape)}" for kind, shape in wanted.items())
            kept |= {_name(path, kind): f"the file has no further layer of {described}" for kind in wanted}
        else:
            taken |= {_name(path, kind): _name(found, kind) for kind in wanted}
            del free[found]
    return taken, kept


def _by_layer(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, dict[str, tuple[int, ...]]]:
    """The shapes of weights by their layer's path, and there by what they are."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        path, _, kind = name.rpartition(".")
        found.setdefault(path, {})[kind] = shape
    return found


def _name(path: str, kind: str) -> str:
    return f"{path}.{kind}" if path else kind
