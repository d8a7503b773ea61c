"""Small networks, one for each way in which channels hang together, with weights that are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netspec.core.graph import Graph
from netspec.passes.lower import lower
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec
from netspec.testing import interpret

Array = np.ndarray[Any, np.dtype[Any]]

HEAD = "  - flatten\n  - dense: 3\n"
BODIES = {
    "plain": """\
  - conv: {filters: 8, kernel: 3, padding: same}
  - batch_norm
  - prelu
  - max_pool: 2
  - conv: {filters: 6, kernel: 3}
  - scale
  - relu
""",
    "residual": """\
  - conv: {filters: 8, kernel: 3, padding: same}
  - add:
      shortcut: []
      body:
        - conv: {filters: 8, kernel: 3, padding: same, bias: false}
        - batch_norm
        - relu
        - conv: {filters: 8, kernel: 1}
  - relu
""",
    "shortcut_of_zeros": """\
  - conv: {filters: 8, kernel: 3, padding: same}
  - add:
      shortcut: [{max_pool: {size: 1, stride: 2}}, {pad: {channels: [4, 4]}}]
      body: [{conv: {filters: 16, kernel: 3, padding: 1, stride: 2}}]
  - relu
""",
    "concat": """\
  - conv: {filters: 6, kernel: 3, padding: same}
  - relu:
    name: early
  - conv: {filters: 4, kernel: 3, padding: same}
  - relu:
    name: late
  - concat:
    from: [late, early, late]
  - conv: {filters: 8, kernel: 3}
  - avg_pool: 2
""",
    "separable": """\
  - separable_conv: {filters: 8, kernel: 3, padding: same}
  - batch_norm
  - relu
  - separable_conv: {filters: 6, kernel: 3, multiplier: 2}
  - relu
""",
    "depthwise": """\
  - conv: {filters: 8, kernel: 1}
  - depthwise_conv: {kernel: 3, multiplier: 2, padding: same}
  - batch_norm
  - relu6
  - conv: {filters: 4, kernel: 1}
""",
    "grouped": """\
  - conv: {filters: 12, kernel: 1}
  - channel_shuffle: 3
  - conv: {filters: 6, kernel: 3, groups: 3, padding: same}
  - relu
  - conv: {filters: 4, kernel: 1}
""",
    "parts": """\
  - conv: {filters: 8, kernel: 1}
    name: whole
  - part: {index: 0, of: 2}
    name: first
  - part: {index: 1, of: 2}
    from: whole
  - conv: {filters: 4, kernel: 1}
    name: second
  - add:
    from: [second, first]
  - select: [3, 0, 2]
  - conv: {filters: 4, kernel: 1}
""",
    "gate": """\
  - conv: {filters: 8, kernel: 3, padding: same}
  - relu
  - multiply:
      features: []
      gate: [global_avg_pool, {dense: 4}, relu, {dense: 8}, sigmoid]
  - upsample: 2
  - conv_transpose: {filters: 4, kernel: 2, stride: 2}
  - global_max_pool: true
""",
    "cells": """\
  - conv: {filters: 16, kernel: 3, padding: same}
  - instance_norm
  - depth_to_space: 2
  - pad: {amount: 1, mode: reflect}
  - crop: 6
  - conv: {filters: 4, kernel: 3}
""",
    "nothing_said": """\
  - conv: {filters: 8, kernel: 3, padding: same}
  - lrn
  - conv: {filters: 8, kernel: 3, padding: same}
  - group_norm: 2
  - conv: {filters: 6, kernel: 3}
  - relu
""",
}


def spec_of(body: str) -> Spec:
    """A body of the table between an input of 6x6x2 and three numbers."""
    return load_spec(Source("net.yaml", f"netspec: 1\ninput: [6, 6, 2]\nlayers:\n{BODIES[body]}{HEAD}"))


def drawn(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """All weights at random; variances and normalising factors are positive."""
    random = np.random.default_rng(seed)
    weights = {s.name: random.normal(0, 0.5, s.param.shape).astype(np.float32) for s in graph.slots}
    positive = ("moving_variance", "batch_norm.scale")
    return {n: np.abs(a) + np.float32(0.1) if n.endswith(positive) else a for n, a in weights.items()}


def outputs(graph: Graph, weights: Mapping[str, Array], samples: int = 2) -> dict[str, Array]:
    """What every head is on drawn inputs, by the definitions of the ops in float64."""
    random = np.random.default_rng(1)
    inputs = {v.name: random.normal(size=(samples, *v.type.shape)) for v in graph.inputs}
    state = {name: array.astype(np.float64) for name, array in weights.items()}
    found: dict[str, Array] = interpret(lower(graph), inputs, samples, state).outputs
    return found
