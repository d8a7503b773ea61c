"""Files that were cut, flipped or made up: every one ends in a diagnostic or a spec, never in anything else, soon."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from prototxts import CIFAR10_QUICK, LENET, LENET_SOLVER, RESNET_BLOCK
from zoo_networks import network

from netspec.diagnostics import SpecError
from netspec.interop.caffe.network import import_prototxt
from netspec.interop.caffe.solver import TrainingData, import_solver
from netspec.interop.onnx.model import onnx_model
from netspec.interop.onnx_in.file import read_model
from netspec.interop.onnx_in.model import imported
from netspec.syntax.source import Source

MUTANTS = 300


@pytest.fixture(scope="module")
def models() -> list[bytes]:
    """Small models: their weights are few, so that what is flipped is mostly the graph."""
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("BatchNormalization", ["c", "b", "b", "b", "b"], ["n"]),
        helper.make_node("Clip", ["n", "zero", "six"], ["r"]),
        helper.make_node("Shape", ["r"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["batch"], axis=0),
        helper.make_node("Concat", ["batch", "left"], ["target"], axis=0),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[1, 1]),
        helper.make_node("Add", ["r", "p"], ["s"]),
        helper.make_node("Reshape", ["s", "target"], ["f"]),
        helper.make_node("Gemm", ["f", "m", "d"], ["g"], transB=1),
        helper.make_node("Softmax", ["g"], ["y"], axis=1),
    ]
    arrays = {
        "w": np.ones((2, 1, 3, 3), np.float32),
        "b": np.ones(2, np.float32),
        "zero": np.float32(0),
        "six": np.float32(6),
        "first": np.array([0], np.int64),
        "left": np.array([-1], np.int64),
        "m": np.ones((3, 8), np.float32),
        "d": np.ones(3, np.float32),
    }
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "small",
        [value("x", TensorProto.FLOAT, ["N", 1, 4, 4])],
        [value("y", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    small = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert imported(small, "small.onnx", {}).nodes
    lenet = network("lenet5", "infer")
    proto = onnx_model(lenet.graph, lenet.recipe, lenet.weights).proto
    return [small.SerializeToString(), proto.SerializeToString()]


def mutant(data: bytes, number: int) -> bytes:
    """The data cut off, with bits flipped, or with a stretch of it repeated or taken out."""
    chance = random.Random(number)
    found = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(found))
        kind = chance.random()
        if kind < 0.15:
            del found[max(place, 1) :]
        elif kind < 0.7:
            found[place] ^= 1 << chance.randrange(8)
        elif kind < 0.85:
            found[place:place] = found[place : place + chance.randint(1, 40)]
        else:
            del found[place : place + chance.randint(1, 20)]
        if not found:
            return b""
    return bytes(found)


def outcome(attempt: Callable[[], object]) -> set[str]:
    """The codes that an import ends in, each with words, or that it made a spec; anything else is an error."""
    try:
        attempt()
    except SpecError as error:
        told = error.diagnostics
    else:
        return {"spec"}
    assert all(each.message for each in told)
    return {each.code for each in told}


@pytest.mark.parametrize(("which", "count"), [(0, MUTANTS), (1, MUTANTS // 5)])
def test_models_that_are_damaged(models: list[bytes], which: int, count: int, tmp_path: Path) -> None:
    file = tmp_path / "mutant.onnx"
    outcomes: set[str] = set()
    for number in range(count):
        file.write_bytes(mutant(models[which], number))
        outcomes |= outcome(lambda: imported(read_model(file), str(file), {}))
    assert {"spec", "NS966"} <= outcomes


NUMBERS = (-(2**63), -7, -1, 0, 1, 2, 3, 5, 64, 10**6, 2**31, 2**40, 2**63 - 1)


def misled(data: bytes, number: int) -> onnx.ModelProto:
    """A whole model that says other numbers, or joins other values, than it should."""
    chance = random.Random(number)
    model = onnx.ModelProto.FromString(data)
    node = chance.choice(model.graph.node)
    kind = chance.random()
    if kind < 0.4 and node.attribute:
        attribute = chance.choice(node.attribute)
        attribute.i = chance.choice(NUMBERS)
        if attribute.ints:
            attribute.ints[chance.randrange(len(attribute.ints))] = chance.choice(NUMBERS)
    elif kind < 0.7:
        known = [name for each in model.graph.node for name in (*each.input, *each.output)]
        node.input[chance.randrange(len(node.input))] = chance.choice(known)
    elif kind < 0.85:
        chance.choice(model.graph.input[0].type.tensor_type.shape.dim).dim_value = chance.choice(NUMBERS)
    else:
        node.op_type = chance.choice(model.graph.node).op_type
    return model


@pytest.mark.parametrize(("which", "count"), [(0, MUTANTS), (1, MUTANTS // 5)])
def test_models_that_say_other_things(models: list[bytes], which: int, count: int) -> None:
    outcomes: set[str] = set()
    for number in range(count):
        model = misled(models[which], number)
        outcomes |= outcome(lambda: imported(model, "misled.onnx", {}))  # noqa: B023  # called at once
    assert {"spec", "NS967"} <= outcomes


@pytest.mark.parametrize(
    ("text", "sizes"),
    [(LENET, {"": (28, 28, 1)}), (CIFAR10_QUICK, {"": (32, 32, 3)}), (RESNET_BLOCK, {})],
    ids=["lenet", "cifar10_quick", "block"],
)
def test_prototxts_that_are_damaged(text: str, sizes: dict[str, tuple[int, ...]]) -> None:
    outcomes: set[str] = set()
    for number in range(MUTANTS):
        damaged = Source("mutant.prototxt", mutant(text.encode(), number).decode("latin-1"))
        outcomes |= outcome(lambda: import_prototxt(damaged, sizes))  # noqa: B023  # called at once
    assert {"spec", "NS973", "NS974"} <= outcomes


def test_solvers_that_are_damaged(tmp_path: Path) -> None:
    (tmp_path / "lenet_train_test.prototxt").write_text(LENET, encoding="utf-8")
    outcomes: set[str] = set()
    policies = (LENET_SOLVER, LENET_SOLVER.replace('"inv"', '"exp"'), LENET_SOLVER.replace('"inv"', '"multistep"'))
    for number in range(MUTANTS):
        text = mutant(policies[number % 3].encode(), number).decode("latin-1")
        damaged = Source(str(tmp_path / "mutant.prototxt"), text)
        data = TrainingData("mnist", 60_000)
        outcomes |= outcome(lambda: import_solver(damaged, {"": (28, 28, 1)}, data))  # noqa: B023  # called at once
    assert {"spec", "NS960", "NS973"} <= outcomes


# What is made up


def with_external(folder: Path, **entries: str) -> Path:
    """A model whose weight lies elsewhere."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, entry in entries.items():
        tensor.external_data.add(key=key, value=entry)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("PRelu", ["x", "w"], ["y"])],
        "outside",
        [value("x", TensorProto.FLOAT, ["N", 2])],
        [value("y", TensorProto.FLOAT, ["N", 2])],
        [tensor],
    )
    folder.mkdir(exist_ok=True)
    file = folder / "model.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file.write_bytes(model.SerializeToString())
    return file


def test_data_beside_the_model_is_read(tmp_path: Path) -> None:
    file = with_external(tmp_path / "m", location="data/w.bin", offset="4", length="8")
    (tmp_path / "m" / "data").mkdir()
    (tmp_path / "m" / "data" / "w.bin").write_bytes(np.array([9, 1, 2], np.float32).tobytes())
    (layer,) = imported(read_model(file), str(file), {}).draft.layers
    assert layer.weights["slope"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "entries",
    [
        {"location": "../secret.bin"},
        {"location": "/etc/hostname"},
        {"location": "link.bin"},
        {"location": ""},
        {"location": "."},
        {"location": "a\0b"},
        {"location": "w.bin", "offset": "-4"},
        {"location": "w.bin", "offset": "4", "length": "9"},
        {"location": "w.bin", "offset": "many"},
        {"location": "none.bin"},
    ],
    ids=str,
)
def test_data_elsewhere_is_out_of_reach(tmp_path: Path, entries: dict[str, str]) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(8))
    file = with_external(tmp_path / "m", **entries)
    (tmp_path / "m" / "w.bin").write_bytes(bytes(8))
    (tmp_path / "m" / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(SpecError) as caught:
        read_model(file)
    assert [each.code for each in caught.value.diagnostics] == ["NS970"]


@pytest.mark.parametrize(
    ("op", "arrays"),
    [
        ("Expand", {"a": np.ones(1, np.float32), "b": np.array([10**6, 10**6, 10**6], np.int64)}),
        ("ConstantOfShape", {"a": np.array([10**12], np.int64)}),
        ("Tile", {"a": np.ones(100, np.float32), "b": np.array([10**10], np.int64)}),
        ("Range", {"a": np.int64(0), "b": np.int64(10**15), "c": np.int64(1)}),
        ("Add", {"a": np.ones((10**5, 1), np.float32), "b": np.ones((1, 10**5), np.float32)}),
    ],
)
def test_constants_that_no_machine_holds(op: str, arrays: dict[str, np.ndarray]) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(op, list(arrays), ["k"]), helper.make_node("Add", ["x", "k"], ["y"])],
        "large",
        [value("x", TensorProto.FLOAT, ["N", 2])],
        [value("y", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    with pytest.raises(SpecError, match="would be worked out"):
        imported(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), "large.onnx", {})


def test_other_files_and_versions(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    for content in (b"", b"PK\x03\x04 a zip file", bytes(1000), b"\x08" * 100):
        file.write_bytes(content)
        with pytest.raises(SpecError, match="NS966"):
            read_model(file)
    with pytest.raises(SpecError, match="NS966"):
        read_model(tmp_path)
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "old",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 6)], ir_version=3), file)
    with pytest.raises(SpecError, match=r"NS968.*opset 6, but 7 to 24 are known"):
        read_model(file)
