"""The model that was imported, run in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from netspec.interop.onnx.session import open_session
from netspec.interop.onnx_in.model import Imported
from netspec.interop.tensors import Array

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
"""What inputs may be there, by ONNX Runtime's names."""


def outputs(
    model: Callable[[], bytes], found: Imported, inputs: Mapping[str, Array], threads: int
) -> dict[str, Array] | str:
    """Every output by the name of its head here, channels last, for inputs by their names here; or why there is none.

    ``model`` gives the content of the file.
    """
    try:
        session = open_session(model(), threads)
        kinds = {value.name: TYPES.get(value.type, np.float32) for value in session.get_inputs()}
        given = {
            name: np.ascontiguousarray(_theirs(inputs[ours], name, found), kinds[name])
            for name, ours in found.inputs.items()
        }
        made: list[Any] = session.run(list(found.outputs), given)
    except Exception as error:  # ONNX Runtime has a class for each of its errors, and none above them
        return f"ONNX Runtime cannot run the model ({' '.join(str(error).split())[:200]})"
    arrays = zip(found.outputs.items(), made, strict=True)
    return {head: _ours(np.asarray(array, np.float32), name, found) for (name, head), array in arrays}


def _theirs(array: Array, name: str, found: Imported) -> Array:
    return array if name in found.channels_last else np.moveaxis(array, -1, 1)


def _ours(array: Array, name: str, found: Imported) -> Array:
    return array if name in found.channels_last else np.moveaxis(array, 1, -1)
