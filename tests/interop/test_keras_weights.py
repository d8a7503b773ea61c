"""Weights in the files of Keras: of every form, of untrusted ones, and, where Keras is installed, real ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from netspec.backend import find_backend
from netspec.diagnostics import RunError
from netspec.interop.tensors import relative_error
from netspec.interop.weights.keras_files import _feeding
from netspec.interop.weights.take import Imported, import_weights
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec
from netspec.training.evaluate import predict
from netspec.training.runtime import Runtime

Array = np.ndarray[Any, np.dtype[Any]]

SPEC = """\
netspec: 1
name: small
dialect: keras
input: [6, 5, 3]
layers:
  - conv: {filters: 8, kernel: 3, padding: same}
  - batch_norm: {eps: 1e-3}
  - relu
  - depthwise_conv: {kernel: 3, multiplier: 2, padding: same}
  - separable_conv: {filters: 5, kernel: 3, padding: same}
  - prelu
  - conv_transpose: {filters: 6, kernel: 2, stride: 2}
  - layer_norm: {axes: channels}
  - flatten
  - dense: 4
"""
LAYERS = {
    "conv2d": ("Conv2D", {"kernel": (3, 3, 3, 8), "bias": (8,)}),
    "batch_normalization": (
        "BatchNormalization",
        {"gamma": (8,), "beta": (8,), "moving_mean": (8,), "moving_variance": (8,)},
    ),
    "re_lu": ("ReLU", {}),
    "depthwise_conv2d": ("DepthwiseConv2D", {"depthwise_kernel": (3, 3, 8, 2), "bias": (16,)}),
    "separable_conv2d": (
        "SeparableConv2D",
        {"depthwise_kernel": (3, 3, 16, 1), "pointwise_kernel": (1, 1, 16, 5), "bias": (5,)},
    ),
    "p_re_lu": ("PReLU", {"alpha": (1, 1, 5)}),
    "conv2d_transpose": ("Conv2DTranspose", {"kernel": (2, 2, 6, 5), "bias": (6,)}),
    "layer_normalization": ("LayerNormalization", {"gamma": (6,), "beta": (6,)}),
    "flatten": ("Flatten", {}),
    "dense": ("Dense", {"kernel": (12 * 10 * 6, 4), "bias": (4,)}),
}
"""What the same network is in Keras: layers, classes, and the shapes of variables in Keras' order."""


def spec() -> Spec:
    return load_spec(Source("small.yaml", SPEC))


def variables() -> dict[str, dict[str, Array]]:
    generator = np.random.default_rng(0)
    return {
        name: {part: generator.standard_normal(shape, np.float32) for part, shape in parts.items()}
        for name, (_, parts) in LAYERS.items()
    }


def description(momentum: float = 0.99) -> str:
    norm = {"epsilon": 1e-3, "momentum": momentum}
    layers = [
        {"class_name": kind, "config": {"name": name, **(norm if kind == "BatchNormalization" else {})}}
        for name, (kind, _) in LAYERS.items()
    ]
    return json.dumps({"class_name": "Sequential", "config": {"name": "small", "layers": layers}})


def write_numbered(file: Any) -> None:
    """As Keras 3 writes ``.weights.h5``."""
    for name, parts in variables().items():
        group = file.create_group(f"layers/{name}/vars")
        group.attrs["name"] = name
        for number, array in enumerate(parts.values()):
            group[str(number)] = array
    file.create_group("optimizer/vars")["0"] = np.int64(3)
    file.create_group("layers/dropout/seed_generator/vars")["0"] = np.zeros(2, np.uint32)


def write_named(root: Any, suffix: str) -> None:
    """As Keras 2 and ``model.save(FILE.h5)`` write."""
    root.attrs["layer_names"] = [name.encode() for name in LAYERS]
    for name, parts in variables().items():
        group = root.create_group(name)
        group.attrs["weight_names"] = [f"{name}/{part}{suffix}".encode() for part in parts]
        for part, array in parts.items():
            group[f"{name}/{part}{suffix}"] = array


def archive(members: Mapping[str, bytes]) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, data in members.items():
            made.writestr(name, data)
    return stream.getvalue()


def weights_file() -> bytes:
    stream = BytesIO()
    with h5py.File(stream, "w") as file:
        write_numbered(file)
    return stream.getvalue()


def write(form: str, folder: Path) -> Path:
    """A file of one of the forms that Keras writes."""
    if form == "keras":
        path = folder / "model.keras"
        members = {"metadata.json": b"{}", "config.json": description().encode(), "model.weights.h5": weights_file()}
        path.write_bytes(archive(members))
        return path
    path = folder / ("model.weights.h5" if form == "numbered" else "model.h5")
    with h5py.File(path, "w") as file:
        if form == "numbered":
            write_numbered(file)
        elif form == "weights":
            write_named(file, ":0")
        else:
            file.attrs["model_config"] = description()
            write_named(file.create_group("model_weights"), "")
            file.create_group("optimizer_weights")["step"] = np.int64(3)
    return path


def taken(path: Path, strict: bool = True) -> Imported:
    return import_weights(spec().graph, spec().recipe, path, (), strict)


@pytest.mark.parametrize("form", ["numbered", "weights", "model", "keras"])
def test_every_form(form: str, tmp_path: Path) -> None:
    found = taken(write(form, tmp_path))
    theirs = variables()
    ours = found.weights
    np.testing.assert_array_equal(ours["conv.weight"], theirs["conv2d"]["kernel"])
    names = ("scale", "shift", "moving_mean", "moving_variance")
    for name, part in zip(names, theirs["batch_normalization"].values(), strict=True):
        np.testing.assert_array_equal(ours[f"batch_norm.{name}"], part)
    depthwise = theirs["depthwise_conv2d"]["depthwise_kernel"]
    np.testing.assert_array_equal(ours["depthwise_conv.weight"], depthwise.reshape(3, 3, 1, 16))
    separable = theirs["separable_conv2d"]
    np.testing.assert_array_equal(
        ours["separable_conv.depthwise_weight"], separable["depthwise_kernel"].reshape(3, 3, 1, 16)
    )
    np.testing.assert_array_equal(ours["separable_conv.pointwise_weight"], separable["pointwise_kernel"])
    np.testing.assert_array_equal(ours["prelu.slope"], theirs["p_re_lu"]["alpha"].reshape(5))
    up = theirs["conv2d_transpose"]["kernel"].transpose(0, 1, 3, 2)
    np.testing.assert_array_equal(ours["conv_transpose.weight"], up)
    np.testing.assert_array_equal(ours["dense.weight"], theirs["dense"]["kernel"])
    assert len(ours) == sum(map(len, theirs.values()))
    assert found.missing == found.unused == ()


def test_what_is_no_weight_is_told(tmp_path: Path) -> None:
    assert taken(write("numbered", tmp_path)).ignored == {
        "optimizer": "of the optimiser",
        "layers/dropout/seed_generator": "the state of random numbers",
    }
    assert taken(write("model", tmp_path)).ignored == {"optimizer_weights": "of the optimiser"}


def test_eps_and_momentum_are_compared_with_the_spec(tmp_path: Path) -> None:
    assert taken(write("keras", tmp_path)).notes == ()
    other = {"config.json": description(0.9).encode(), "model.weights.h5": weights_file()}
    (tmp_path / "other.keras").write_bytes(archive(other))
    assert taken(tmp_path / "other.keras").notes == (
        "batch_norm has eps 0.001 and momentum 0.99, but in the file 0.001 and 0.9",
    )
    assert len(taken(write("weights", tmp_path)).notes) == 1


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"config.json": b"{}"}, "it has no model.weights.h5"),
        ({"config.json": b"{", "model.weights.h5": b""}, "file signature|cannot be read"),
        ({"config.json": b"[1]", "model.weights.h5": weights_file()}, "its description of the model cannot be read"),
    ],
)
def test_archives_that_lack_something(members: dict[str, bytes], said: str, tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(archive(members))
    with pytest.raises(RunError, match=rf"NS980.*({said})"):
        taken(tmp_path / "model.keras")


def test_numbers_kept_in_another_file_are_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\0" * 64)
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        group = file.create_group("layers/dense/vars")
        group.create_dataset("0", (16,), "float32", external=[(str(tmp_path / "secret"), 0, 64)])
    with pytest.raises(RunError, match=r"NS980.*is no plain array"):
        taken(tmp_path / "model.weights.h5")


@pytest.mark.parametrize("form", ["numbered", "model", "keras"])
def test_damaged_files_end_in_a_diagnostic(form: str, tmp_path: Path) -> None:
    path = write(form, tmp_path)
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for number in range(60):
        data = bytearray(whole[: int(generator.integers(len(whole)))] if number % 2 else whole)
        for place in generator.integers(0, len(data) or 1, 30 if number % 2 == 0 else 0):
            data[place] ^= int(generator.integers(1, 256))
        path.write_bytes(bytes(data))
        try:
            taken(path)  # a change of numbers alone is not to be seen
        except RunError:
            refused += 1
    assert refused >= 30, "every file that was cut off, and others"


def test_what_a_description_says_of_branches() -> None:
    inner = {"class_name": "__keras_tensor__", "config": {"keras_history": ["a", 0, 0]}}
    nodes = [{"args": [[inner, {"config": {"keras_history": ["b", 0, 0]}}]], "kwargs": {}}]
    assert _feeding(nodes, {"a", "b"}) == ["a", "b"]
    assert _feeding([[["a", 0, 0, {}], ["b", 0, 0, {}]]], {"a", "b"}) == ["a", "b"]  # Keras 2


REAL = """\
import sys
import keras
import numpy as np
from keras import layers as L

image = keras.Input((8, 8, 3))
x = L.ReLU()(L.BatchNormalization()(L.Conv2D(6, 3, padding="same", use_bias=False)(image)))
side = L.BatchNormalization()(L.Conv2D(6, 1, use_bias=False)(x))
y = L.ReLU()(L.BatchNormalization()(L.Conv2D(6, 3, padding="same", use_bias=False)(x)))
y = L.BatchNormalization()(L.Conv2D(6, 3, padding="same", use_bias=False)(y))
x = L.Add()([y, side])
x = L.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(x)
x = L.SeparableConv2D(5, 3, padding="same")(x)
x = L.PReLU(shared_axes=[1, 2])(x)
x = L.Conv2DTranspose(4, 2, strides=2)(x)
model = keras.Model(image, L.Dense(7)(L.Flatten()(x)))
random = np.random.default_rng(0)
for each in model.weights:
    each.assign(random.uniform(0.5, 1.5, each.shape) if "variance" in each.path else random.normal(0, 0.3, each.shape))
model.save(sys.argv[1] + "/model.keras")
model.save(sys.argv[1] + "/model.h5")
pictures = random.standard_normal((2, 8, 8, 3), np.float32)
np.savez(sys.argv[1] + "/told.npz", x=pictures, y=model.predict(pictures, verbose=0))
"""
REAL_SPEC = """\
netspec: 1
name: real
dialect: keras
input: [8, 8, 3]
layers:
  - conv: {filters: 6, kernel: 3, padding: same, bias: false}
  - batch_norm
  - relu
  - add:
      body:
        - conv: {filters: 6, kernel: 3, padding: same, bias: false}
        - batch_norm
        - relu
        - conv: {filters: 6, kernel: 3, padding: same, bias: false}
        - batch_norm
      side: [{conv: {filters: 6, kernel: 1, bias: false}}, batch_norm]
  - depthwise_conv: {kernel: 3, multiplier: 2, padding: same}
  - separable_conv: {filters: 5, kernel: 3, padding: same}
  - prelu
  - conv_transpose: {filters: 4, kernel: 2, stride: 2}
  - flatten
  - dense: 7
train: {loss: mean_squared_error}
"""


@pytest.mark.peer
@pytest.mark.keras
@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_network_of_keras_predicts_the_same(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    subprocess.run([sys.executable, "-c", REAL, str(tmp_path)], env=environment, check=True, capture_output=True)
    network = load_spec(Source("real.yaml", REAL_SPEC))
    imported = import_weights(network.graph, network.recipe, tmp_path / name)
    runtime = Runtime(network.graph, network.recipe, find_backend("numba"), 2, 1, trains=False)
    for weight in runtime.weight_shapes:
        runtime.state.write(weight, imported.weights[weight])
    told = np.load(tmp_path / "told.npz")
    (found,) = predict(runtime, {network.graph.inputs[0].name: told["x"]}).values()
    assert imported.notes == ()
    assert relative_error(found, told["y"]) < 1e-5  # float32 sums in another order, through ten layers
