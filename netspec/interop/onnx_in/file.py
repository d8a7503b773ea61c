"""A model's file: of bounded size, well-formed, and with data of its own folder only."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netspec.diagnostics import Diagnostic, RunError, Span
from netspec.diagnostics.errors import SpecError
from netspec.interop.tensors import Array

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, TensorProto

SIZE_LIMIT = 2**31 - 1
"""Bytes of the model's file: more cannot be a protocol buffer."""
DATA_LIMIT = 2**34
"""Bytes of all weights together."""
NODE_LIMIT = 20_000
"""Nodes of a model."""
OPSETS = range(7, 25)
"""Versions of the operators that are understood."""
STANDARD = ("", "ai.onnx")
"""What the domain of ONNX's own operators is called."""


def refused(file: str, code: str, **fields: object) -> SpecError:
    """The error of one diagnostic about the file as a whole."""
    return SpecError([Diagnostic(code, Span.of_file(file), fields)])


def read_model(path: Path) -> ModelProto:
    """The model, checked by ONNX's own checker, with its external data in it; a SpecError says why there is none."""
    import onnx
    from google.protobuf.message import DecodeError

    data = _content(path, SIZE_LIMIT)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise refused(
            str(path), "NS966", format="ONNX", problem=f"it is damaged or something else ({error})"
        ) from error
    if not model.graph.node:
        raise refused(str(path), "NS966", format="ONNX", problem="there is no node in it")
    if len(model.graph.node) > NODE_LIMIT:
        raise refused(str(path), "NS969", what="nodes", found=len(model.graph.node), limit=NODE_LIMIT)
    _check_opset(model, str(path))
    _take_in_data(model, path)
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        problem = " ".join(str(error).split())[:300]
        raise refused(str(path), "NS966", format="ONNX", problem=f"ONNX's checker says: {problem}") from error
    return model


def without_waiting(name: str, flags: int) -> int:
    """Open a file so that a pipe does not make the program wait."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def _content(path: Path, limit: int) -> bytes:
    try:
        with open(path, "rb", opener=without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise refused(str(path), "NS966", format="ONNX", problem="it is not a regular file")
            if status.st_size > limit:
                raise refused(str(path), "NS969", what="bytes", found=status.st_size, limit=limit)
            return file.read(limit)
    except OSError as error:
        raise refused(str(path), "NS966", format="ONNX", problem=error.strerror or str(error)) from error


def _check_opset(model: ModelProto, file: str) -> None:
    """Which version of the operators holds decides what they mean."""
    versions = [each.version for each in model.opset_import if each.domain in STANDARD]
    version = versions[0] if versions else 1
    if version not in OPSETS:
        raise refused(file, "NS968", found=version, first=OPSETS[0], last=OPSETS[-1])


def opset_of(model: ModelProto) -> int:
    """The version of ONNX's own operators."""
    return int(next(each.version for each in model.opset_import if each.domain in STANDARD))


# External data


def _take_in_data(model: ModelProto, path: Path) -> None:
    """Put data that lies in other files into the model's tensors; only files below the model's folder are opened."""
    from onnx import TensorProto

    total = 0
    for tensor in _tensors(model.graph):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        said = {entry.key: entry.value for entry in tensor.external_data}
        data = _external(path, tensor.name, said)
        total += len(data)
        if total > DATA_LIMIT:
            raise refused(str(path), "NS969", what="bytes of weights", found=total, limit=DATA_LIMIT)
        tensor.raw_data = data
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def _external(path: Path, tensor: str, said: dict[str, str]) -> bytes:
    written = said.get("location", "")
    folder = path.parent.resolve()
    try:
        place = (folder / written).resolve()
        inside = bool(written) and place.is_relative_to(folder) and not Path(written).is_absolute()
        offset = int(said.get("offset", 0))
        length = int(said["length"]) if "length" in said else None
    except (ValueError, OSError, RuntimeError) as error:  # a null byte, a number that is none, a loop of links
        raise refused(str(path), "NS970", tensor=tensor, place=written, reason=str(error)) from error
    if not inside:
        reason = "which is not below the model's folder"
        raise refused(str(path), "NS970", tensor=tensor, place=written, reason=reason)
    try:
        with open(place, "rb", opener=without_waiting) as file:
            status = os.fstat(file.fileno())
            size = status.st_size - offset if length is None else length
            if not stat.S_ISREG(status.st_mode):
                raise refused(str(path), "NS970", tensor=tensor, place=written, reason="which is not a regular file")
            if offset < 0 or size < 0 or offset + size > status.st_size:
                reason = f"of which bytes {offset} to {offset + size} are wanted, but it has {status.st_size}"
                raise refused(str(path), "NS970", tensor=tensor, place=written, reason=reason)
            file.seek(offset)
            return file.read(size)
    except OSError as error:
        reason = f"which cannot be read: {error.strerror or error}"
        raise refused(str(path), "NS970", tensor=tensor, place=written, reason=reason) from error


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from _of_attribute(attribute)


def _of_attribute(attribute: AttributeProto) -> Iterator[TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors


def array_of(tensor: TensorProto) -> Array:
    """The numbers of a tensor; a RunError where they are not as many as its shape says, or of a kind NumPy lacks."""
    from onnx import numpy_helper

    wanted = math.prod(tensor.dims)
    if wanted < 0 or any(side < 0 for side in tensor.dims) or wanted * 8 > DATA_LIMIT:
        raise RunError(f"tensor '{tensor.name}' of shape {list(tensor.dims)} is too large")
    try:
        found: np.ndarray[Any, np.dtype[Any]] = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError, RuntimeError, SystemError) as error:
        problem = " ".join(str(error).split())[:200]
        raise RunError(f"tensor '{tensor.name}' of shape {list(tensor.dims)} cannot be read: {problem}") from error
    return found
