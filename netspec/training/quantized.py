"""A quantised network in a folder: the manifest and spec of its run, its weights as bytes, the ranges of activations.

``manifest.json`` is that of the run, without checkpoints and with what quantisation did under ``quantized``;
``weights.safetensors`` holds the weights of quantised layers as int8 with a scale per channel and all else as float32;
``ranges.json`` the smallest and the largest number of each activation that is a byte. The batch normalisation behind a
layer is not folded in the file: a factor per channel changes the scales of its weights and not their bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netspec.backend import Backend
from netspec.core.graph import Graph
from netspec.data.dataset import Array
from netspec.diagnostics.errors import RunError
from netspec.interop.packed import pack_bytes
from netspec.interop.safetensors import encode_packed
from netspec.passes.quantization import Range, Ranges, quantize
from netspec.passes.step import inference
from netspec.training.files import write_atomic, write_json, writing
from netspec.training.fitted import FITTED
from netspec.training.runs import MANIFEST, SPEC, read_manifest

if TYPE_CHECKING:
    from netspec.training.runtime import Runtime

RANGES, WEIGHTS = "ranges.json", "weights.safetensors"
VERSION = 1


def is_quantized(folder: Path) -> bool:
    """Whether ``netspec quantize`` wrote the folder."""
    return (folder / RANGES).is_file()


def quantized_graph(runtime: Runtime) -> Graph:
    """The prediction of a runtime that has ranges, in bytes, of float32 inputs; not yet planned."""
    assert runtime.ranges is not None  # the caller has asked
    return quantize(inference(runtime.network, runtime.recipe, "float32"), runtime.ranges).graph


def inputs_within(runtime: Runtime, samples: int) -> dict[str, Array]:
    """Numbers that a quantised network can tell apart: evenly spread over the ranges of its inputs, always the same."""
    generator, ranges = np.random.default_rng(0), runtime.ranges or {}
    limits = {value.name: ranges.get(value.name, Range(-1.0, 1.0)) for value in runtime.network.inputs}
    return {
        value.name: generator.uniform(*limits[value.name], (samples, *value.type.shape)).astype(np.float32)
        for value in runtime.network.inputs
    }


def read_ranges(folder: Path) -> dict[str, Range]:
    """The ranges of a quantised network; NS904 where they cannot be read."""
    path = folder / RANGES
    try:
        document = json.loads(path.read_bytes())
        found = {name: Range(float(low), float(high)) for name, (low, high) in document["ranges"].items()}
    except OSError as error:
        raise RunError.of("NS904", path=str(path), problem=error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError.of("NS904", path=str(path), problem=f"it does not hold ranges ({error})") from error
    if not all(isfinite(limit) for limits in found.values() for limit in limits):
        raise RunError.of("NS904", path=str(path), problem="a range is not finite")
    return found


def write_quantized(
    folder: Path,
    run: Path,
    weights: Mapping[str, Array],
    packed: frozenset[str],
    ranges: Ranges,
    facts: Mapping[str, Any],
) -> int:
    """Write the folder, which is new or empty, from a run's; returns the bytes of its weights.

    ``packed`` names the weights that become bytes. NS863 where the folder is in use, NS993 where it cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise RunError.of("NS863", path=str(folder))
        arrays: dict[str, Array] = {}
        for name, array in weights.items():
            arrays |= pack_bytes(name, array) if name in packed else {name: array}
        data = encode_packed(arrays, {"format": "netspec"})
        write_atomic(folder / WEIGHTS, data)
        write_json(
            folder / RANGES, {"version": VERSION, "ranges": {name: list(limits) for name, limits in ranges.items()}}
        )
        for name in (SPEC, FITTED):
            if (run / name).is_file():
                shutil.copyfile(run / name, folder / name)
        write_json(folder / MANIFEST, {**read_manifest(run), "best": None, "last": None, "quantized": dict(facts)})
    return len(data)


def refuse_without_bytes(backend: Backend) -> None:
    """NS861 where the backend has no kernels for layers of bytes."""
    if backend.kernel("conv.int8") not in ("written", "generated"):
        raise RunError.of("NS861", backend=backend.name)
