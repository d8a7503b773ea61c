"""A spec with every convolution: named weights, counts, training, prediction, and a second run from its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netspec

LAYERS = """
  - separable_conv: {filters: 8, kernel: 3, padding: same, multiplier: 2}
  - relu
  - depthwise_conv: {kernel: 3, stride: 2, padding: same}
  - relu
  - conv_transpose: {filters: 6, kernel: 4, stride: 2, padding: same}
  - relu
  - conv: {filters: 6, kernel: 3, groups: 3, padding: full}
  - relu
  - locally_connected: {filters: 3, kernel: 3, stride: 3}
  - tanh
  - flatten
"""
SPEC = f"""
netspec: 1
name: family
input: [7, 6, 3]
layers:{LAYERS}
  - dense: 4
train: {{loss: cross_entropy, optimizer: adam, lr: 0.01, seed: 3}}
"""


def images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of four classes: each has a bright quarter."""
    random = np.random.default_rng(0)
    x = random.normal(size=(count, 7, 6, 3)).astype(np.float32)
    labels = random.integers(0, 4, count).astype(np.int32)
    for image, label in zip(x, labels, strict=True):
        image[3 * (label // 2) :, 3 * (label % 2) :][:4, :3] += 2
    return x, labels


def test_a_network_of_all_convolutions_learns(tmp_path: Path) -> None:
    model = netspec.load(SPEC).compile(batch=32)
    assert {name: array.shape for name, array in model.weights.items()} == {
        "separable_conv.depthwise_weight": (3, 3, 1, 6),
        "separable_conv.pointwise_weight": (1, 1, 6, 8),
        "separable_conv.bias": (8,),
        "depthwise_conv.weight": (3, 3, 1, 8),
        "depthwise_conv.bias": (8,),
        "conv_transpose.weight": (4, 4, 8, 6),
        "conv_transpose.bias": (6,),
        "conv.weight": (3, 3, 2, 6),
        "conv.bias": (6,),
        "locally_connected.weight": (3, 2, 3, 3, 6, 3),
        "locally_connected.bias": (3, 2, 3),
        "dense.weight": (18, 4),
        "dense.bias": (4,),
    }
    x, labels = images(32)
    losses = [model.step(x, labels)["loss"] for _ in range(60)]
    assert losses[-1] < losses[0] / 4
    model.save(tmp_path / "weights.safetensors")
    other = netspec.load(SPEC).compile(batch=32)
    other.load_weights(tmp_path / "weights.safetensors")
    np.testing.assert_array_equal(other.predict(x), model.predict(x))


def test_a_separable_layer_stays_one_layer_for_its_reader() -> None:
    from netspec.analysis.cost import cost

    spec = netspec.load(SPEC)
    rows = {row.name: (row.op, row.output, row.params) for row in cost(spec.graph).layers}
    assert rows["separable_conv"] == ("separable_conv", (7, 6, 8), 9 * 6 + 6 * 8 + 8)
    assert rows["depthwise_conv"] == ("depthwise_conv", (4, 3, 8), 9 * 8 + 8)


@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_are_the_same_bits_for_any_number_of_threads(threads: int) -> None:
    x, labels = images(32)
    one, other = (netspec.load(SPEC).compile(batch=32, threads=each).gradients(x, labels) for each in (1, threads))
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        assert np.asarray(gradient).tobytes() == np.asarray(other[name]).tobytes(), name


RADIAL = """
netspec: 1
input: [6]
layers:
  - dense: 12
  - tanh
  - rbf: 3
"""


def test_radial_units_give_squared_distances() -> None:
    model = netspec.load(RADIAL).compile(batch=5, mode="infer")
    assert set(np.unique(model.weights["rbf.weight"])) == {-1.0, 1.0}
    x = np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32)
    hidden = np.tanh(x @ model.weights["dense.weight"] + model.weights["dense.bias"])
    apart = hidden[:, :, None] - model.weights["rbf.weight"]
    distances = (apart**2).sum(axis=1)
    np.testing.assert_allclose(model.predict(x), distances, rtol=1e-5)  # sums of some dozens of float32 squares
