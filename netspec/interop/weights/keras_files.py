"""Files of Keras: ``.h5`` of weights or of a whole model, ``.weights.h5``, and ``.keras``.

Only arrays are read, and of a model's description the names of its layers and what goes into which. Nothing in the
description is made or called.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from netspec.diagnostics import RunError
from netspec.diagnostics.libraries import require
from netspec.interop.tensors import Array
from netspec.interop.weights.found import Found, FoundLayer, Norm, Order, natural

WEIGHTS, CONFIG = "model.weights.h5", "config.json"
"""Members of a ``.keras`` archive."""
SIZE_LIMIT = 4 << 30
"""Bytes that a member of an archive may have unpacked, and a tensor."""
CONFIG_LIMIT = 64 << 20
DEPTH_LIMIT = 32
"""Groups inside of groups, and lists inside of lists."""
OPTIMIZERS = ("optimizer", "optimizer_weights", "_optimizer")


class _DamagedError(Exception):
    """Why a file cannot be read."""


@dataclass(frozen=True, slots=True)
class _Described:
    """What a model's description says: layers in the order of the data's way, what feeds each, normalisations."""

    layers: tuple[str, ...] = ()
    follows: Mapping[str, str] = field(default_factory=dict)
    norms: Mapping[str, Norm] = field(default_factory=dict)


def read_keras(path: Path) -> Found:
    """The layers of a file of Keras; a RunError where h5py is missing (NS931) or the file is damaged (NS980)."""
    require("h5py", "to read a file of Keras", "keras")
    try:
        return _read_archive(path) if path.suffix == ".keras" else _read_hdf5(path, path.read_bytes(), None)
    except OSError as error:
        raise RunError.of("NS980", file=path, format="Keras", problem=error.strerror or str(error)) from error
    except _DamagedError as error:
        raise RunError.of("NS980", file=path, format="Keras", problem=str(error)) from error


def _read_archive(path: Path) -> Found:
    try:
        with zipfile.ZipFile(path) as archive:
            config = _member(archive, CONFIG, CONFIG_LIMIT)
            return _read_hdf5(path, _member(archive, WEIGHTS, SIZE_LIMIT), config)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError) as error:
        # the last three: places that are none, and ciphers or ways of packing that this Python lacks
        if isinstance(error, RunError):
            raise
        raise _DamagedError(f"it is no whole zip archive ({error})") from error


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    found = [entry for entry in archive.infolist() if entry.filename == name]
    if len(found) != 1:
        raise _DamagedError(f"it has {'no' if not found else 'more than one'} {name}")
    if found[0].file_size > limit:
        raise _DamagedError(f"{name} unpacks to {found[0].file_size:,} bytes")
    return archive.read(found[0])


def _read_hdf5(path: Path, data: bytes, config: bytes | None) -> Found:
    import h5py

    try:
        with h5py.File(BytesIO(data), "r") as file:
            described = _described(config if config is not None else file.attrs.get("model_config"))
            root = file.get("model_weights", file)
            ignored = {name: "of the optimiser" for name in OPTIMIZERS if name in file}
            if "layer_names" in root.attrs:
                return _found(path, _named(root), described, ignored, _texts(root.attrs["layer_names"]))
            layers = list(_numbered(file, "", 0, ignored))
            flat = all(label.count("/") == 3 for layer in layers for label in layer.labels.values())
            # In a model that holds no other one, Keras numbers the layers of each class as the data flows.
            listed = described.layers or (tuple(layer.name for layer in layers) if flat else ())
            return _found(path, layers, described, ignored, listed)
    except _DamagedError:
        raise
    except Exception as error:  # h5py's reader of a damaged file raises whatever its parts do
        raise _DamagedError((str(error).strip() or type(error).__name__).splitlines()[0]) from error


def _named(root: Any) -> Iterator[FoundLayer]:
    """Layers of the form in which attributes list all names: that of Keras 2, and of ``.h5`` until today."""
    for name in _texts(root.attrs["layer_names"]):
        group = root[name]
        parts: dict[str, list[tuple[str, Any]]] = {}
        for label in _texts(group.attrs["weight_names"]):
            inner = label.rpartition("/")[0] or name  # a model inside of a model has the layers of several
            parts.setdefault(inner.split("/")[-1], []).append((label, group[label]))
        for inner, labelled in parts.items():
            tensors = {str(i): _array(label, dataset) for i, (label, dataset) in enumerate(labelled)}
            labels = {str(i): label for i, (label, _) in enumerate(labelled)}
            yield FoundLayer(inner if len(parts) > 1 else name, tensors, labels)


def _numbered(group: Any, place: str, depth: int, ignored: dict[str, str]) -> Iterator[FoundLayer]:
    """Layers of the form of Keras 3, in which the variables of each are numbered in its group ``vars``."""
    import h5py

    if depth > DEPTH_LIMIT:
        raise _DamagedError(f"its groups are more than {DEPTH_LIMIT} deep")
    for key in sorted(group, key=natural):
        inner, where = group.get(key), f"{place}/{key}" if place else key
        if not isinstance(inner, h5py.Group) or where in OPTIMIZERS:
            continue
        if key != "vars":
            yield from _numbered(inner, where, depth + 1, ignored)
        elif "seed_generator" in place:
            ignored[place] = "the state of random numbers"
        elif len(inner):
            names = sorted(inner, key=natural)
            name = str(_text(inner.attrs["name"])) if "name" in inner.attrs else place
            tensors = {str(i): _array(f"{where}/{n}", inner[n]) for i, n in enumerate(names)}
            yield FoundLayer(name, tensors, {str(i): f"{where}/{n}" for i, n in enumerate(names)})


def _array(label: str, dataset: Any) -> Array:
    """A data set as an array; one that is larger than a file may be, or is kept elsewhere, is refused."""
    import h5py

    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise _DamagedError(f"'{label}' is no plain array")
    if dataset.dtype.kind not in "fiu" or math.prod(dataset.shape) * dataset.dtype.itemsize > SIZE_LIMIT:
        raise _DamagedError(f"'{label}' is {dataset.dtype} of {list(dataset.shape)}")
    if dataset.id.get_storage_size() == 0 and math.prod(dataset.shape):
        raise _DamagedError(f"the numbers of '{label}' are not there")
    return np.asarray(dataset[()])


def _found(
    path: Path, layers: Any, described: _Described, ignored: Mapping[str, str], listed: tuple[str, ...]
) -> Found:
    known = list(layers)
    order: Order = "names"
    place = {name: number for number, name in enumerate(listed)}
    if known and all(layer.name in place for layer in known):
        known.sort(key=lambda layer: place[layer.name])
        order = "topological"
    own = {layer.name for layer in known}
    named = tuple(
        replace(layer, follows=_weighted(described, layer.name, own), norm=described.norms.get(layer.name))
        for layer in known
    )
    return Found(str(path), "keras", named, order, ignored)


def _weighted(described: _Described, name: str, own: Collection[str]) -> str | None:
    """The layer with weights whose numbers reach a layer through no other one, nor a merge."""
    before = described.follows.get(name)
    for _ in described.layers:
        if before is None or before in own:
            return before
        before = described.follows.get(before)
    return None


def _described(config: Any) -> _Described:
    """What a description in JSON says; nothing where there is none, or it says it in an unknown way."""
    if config is None:
        return _Described()
    try:
        inner = json.loads(config)["config"]
        layers = inner if isinstance(inner, list) else inner["layers"]
        names = tuple(str(layer["config"]["name"]) for layer in layers)
        feeds = {
            name: _feeding(layer.get("inbound_nodes", []), set(names))
            for name, layer in zip(names, layers, strict=True)
        }
        if not any(feeds.values()):  # a plain sequence
            feeds = {after: [before] for before, after in pairwise(names)}
        norms = {
            name: Norm(float(layer["config"]["epsilon"]), float(layer["config"]["momentum"]))
            for name, layer in zip(names, layers, strict=True)
            if layer["class_name"] == "BatchNormalization"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _DamagedError(f"its description of the model cannot be read ({type(error).__name__})") from error
    return _Described(names, {name: fed[0] for name, fed in feeds.items() if len(fed) == 1}, norms)


def _feeding(nodes: Any, names: set[str], depth: int = 0) -> list[str]:
    """The layers named as ``[name, node, tensor, ...]`` anywhere in what goes into one."""
    if depth > DEPTH_LIMIT:
        return []
    if isinstance(nodes, list) and len(nodes) >= 3 and isinstance(nodes[0], str) and isinstance(nodes[1], int):
        return [nodes[0]] if nodes[0] in names else []
    inner = nodes.values() if isinstance(nodes, dict) else nodes if isinstance(nodes, list) else ()
    return [name for each in inner for name in _feeding(each, names, depth + 1)]


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(each) for each in value)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


READERS: Mapping[str, Callable[[Path], Found]] = {".h5": read_keras, ".hdf5": read_keras, ".keras": read_keras}
"""By the ending of the file."""
