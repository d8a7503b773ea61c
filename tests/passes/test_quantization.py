"""What becomes bytes, what stays, and what is taken into what."""

from __future__ import annotations

import pytest

from netspec.core.graph import Graph
from netspec.core.types import Quantized
from netspec.core.verify import verify
from netspec.declarations.ops.quantization import ConvInt8
from netspec.passes.quantization import QuantizedGraph, Range, calibrated_values, parameters, quantize
from netspec.passes.step import evaluation, inference
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec

SPEC = """\
netspec: 1
name: small
input: [8, 8, 3]
layers:
  - conv: {filters: 8, kernel: 3, padding: same}
    name: first
  - batch_norm
  - relu6
  - add:
      body:
        - conv: {filters: 8, kernel: 3, padding: same}
          name: second
        - batch_norm
      shortcut: []
  - relu
  - conv: {filters: 8, kernel: 3, groups: 2}
    name: grouped
  - max_pool: 2
  - conv_transpose: {filters: 8, kernel: 2}
    name: upwards
  - flatten
  - dense: 4
  - softmax
train:
  preprocess:
    - divide: 255
    - normalize: {mean: [0.1, 0.2, 0.3], std: 0.5}
"""


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load_spec(Source("small.yaml", SPEC))


def ranged(graph: Graph) -> QuantizedGraph:
    found = quantize(graph, {name: Range(-1.0, 4.0) for name in calibrated_values(graph)})
    verify(found.graph)
    return found


def test_residual_and_activation_go_into_the_layer(spec: Spec) -> None:
    made = ranged(inference(spec.graph, spec.recipe, "uint8"))
    layers = {node.path: node for node in made.layers}
    second = next(node for path, node in layers.items() if path.endswith("second"))
    assert len(second.inputs) == 5
    y = parameters(Range(-1.0, 4.0))
    assert isinstance(second.attrs, ConvInt8)
    assert (second.attrs.low, second.attrs.high) == (y.zero, 255)
    first = layers["first"].attrs
    assert (first.low, first.high) == (y.zero, 255)  # 6 lies above the range
    assert not any(node.op.name in ("relu", "relu6", "add", "batch_norm", "affine") for node in made.graph)


def test_transforms_go_into_the_first_bytes(spec: Spec) -> None:
    made = ranged(inference(spec.graph, spec.recipe, "uint8"))
    first = next(node for node in made.graph if node.op.name == "quantize")
    assert first.inputs[0].role == "input"
    assert first.attrs.factor == pytest.approx([1 / 255 / 0.5] * 3)
    assert first.attrs.summand == pytest.approx([-0.2, -0.4, -0.6])


def test_what_has_no_form_in_bytes_stays(spec: Spec) -> None:
    made = ranged(inference(spec.graph, spec.recipe, "uint8"))
    assert [(node.path, node.op.name) for node in made.left] == [
        ("upwards", "conv_transpose"),
        ("flatten", "flatten"),
    ]
    assert "grouped" in {node.path for node in made.layers}
    last = made.layers[-1]
    assert last.attrs.y is None, "only softmax reads it"
    assert last.output.type.dtype == "float32"


def test_ranges_have_the_same_names_in_every_form(spec: Spec) -> None:
    forms = [inference(spec.graph, spec.recipe, "uint8"), inference(spec.graph, spec.recipe, "float32"),
             evaluation(spec.graph, spec.recipe, "uint8")]  # fmt: skip
    names = [set(calibrated_values(graph)) for graph in forms]
    assert names[0] == names[1]
    assert names[0] <= names[2]


def test_without_ranges_nothing_changes_but_what_is_fused(spec: Spec) -> None:
    made = quantize(inference(spec.graph, spec.recipe, "uint8"), {})
    assert made.layers == ()
    assert made.bytes == {}


def test_bytes_of_a_range() -> None:
    assert parameters(Range(0.0, 255.0)) == Quantized(1.0, 0)
    assert parameters(Range(-127.5, 127.5)) == Quantized(1.0, 128)
