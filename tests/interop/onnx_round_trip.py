"""A model of ONNX as a spec again, with its weights, ready to be run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netspec.interop.onnx_in.model import Imported, imported
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Back:
    """What came back: the import, the spec as it was read again, and the weights by their names in it."""

    found: Imported
    spec: Spec
    weights: dict[str, Array]

    @property
    def ops(self) -> list[str]:
        return [node.op.name for node in self.spec.graph.nodes]


def back(model: Any, **sizes: tuple[int, ...]) -> Back:
    """The import of a model, its text read as any spec is."""
    found = imported(model, "model.onnx", sizes)
    spec = load_spec(Source("model.yaml", found.written.text))
    return Back(found, spec, found.weights([slot.name for slot in spec.graph.slots]))
