"""How weights of other programs are matched with a network, and what is said where they do not match."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save, save_file

from netspec.core.graph import Graph
from netspec.diagnostics import RunError
from netspec.interop.pytorch.source import torch_source
from netspec.interop.weights.found import Found, FoundLayer
from netspec.interop.weights.match import matched
from netspec.interop.weights.take import Imported, import_weights
from netspec.interop.weights.wanted import wanted_layers
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec

Array = np.ndarray[Any, np.dtype[Any]]

RESIDUAL = """\
netspec: 1
name: residual
input: [8, 8, 3]
layers:
  - conv: {filters: 4, kernel: 3, padding: same, bias: false}
  - add:
      shortcut:
        - conv: {filters: 6, kernel: 1, bias: false}
        - batch_norm
      body:
        - conv: {filters: 6, kernel: 3, padding: same, bias: false}
        - batch_norm
        - relu
        - conv: {filters: 6, kernel: 3, padding: same, bias: false}
        - batch_norm
  - relu
  - flatten
  - dense: 5
"""
"""The shortcut is written before the body: the norms stand in another order than in PyTorch's usual form."""
BRANCHES = """\
netspec: 1
name: branches
input: [8, 8, 3]
layers:
  - concat:
      a: [{conv: {filters: 4, kernel: 1}}]
      b: [{conv: {filters: 4, kernel: 1}}]
"""
STACK = """\
netspec: 1
name: stack
input: [6]
layers:
  - dense: 6
  - relu
  - dense: 6
  - relu
  - dense: 6
"""
RESNET_NAMES = {
    "conv": "conv1",
    "add_body_conv": "layer1.0.conv1",
    "add_body_batch_norm": "layer1.0.bn1",
    "add_body_conv2": "layer1.0.conv2",
    "add_body_batch_norm2": "layer1.0.bn2",
    "add_shortcut_conv": "layer1.0.downsample.0",
    "add_shortcut_batch_norm": "layer1.0.downsample.1",
    "dense": "fc",
}


def spec_of(text: str) -> Spec:
    return load_spec(Source("spec.yaml", text))


def drawn(graph: Graph) -> dict[str, Array]:
    generator = np.random.default_rng(0)
    return {slot.name: generator.standard_normal(slot.value.type.shape, np.float32) for slot in graph.slots}


def renamed(spec: Spec, names: Mapping[str, str]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Weights of the network, and the same as a module would have them whose layers are called otherwise."""
    weights = drawn(spec.graph)
    state = {}
    for name, array in torch_source(spec.graph, spec.recipe).state(weights).items():
        layer, _, part = name.rpartition(".")
        state[f"{names.get(layer, layer)}.{part}"] = array
    return weights, state


def taken(spec: Spec, file: Path, *pairs: str, strict: bool = True) -> Imported:
    return import_weights(spec.graph, spec.recipe, file, pairs, strict)


def assert_same(found: Mapping[str, Array], wanted: Mapping[str, Array]) -> None:
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_the_names_of_export_are_known(tmp_path: Path) -> None:
    spec = spec_of(RESIDUAL)
    weights, state = renamed(spec, {})
    save_file(state, tmp_path / "w.safetensors")
    found = taken(spec, tmp_path / "w.safetensors")
    assert_same(found.weights, weights)
    assert {each.by for each in found.taken} == {"name"}
    assert set(found.ignored.values()) == {"a counter that netspec does not keep"}


def test_a_norm_is_that_of_the_convolution_before_it(tmp_path: Path) -> None:
    spec = spec_of(RESIDUAL)
    weights, state = renamed(spec, RESNET_NAMES)
    save_file(state, tmp_path / "w.safetensors")
    found = taken(spec, tmp_path / "w.safetensors")
    assert_same(found.weights, weights)
    rows = {each.weight: each for each in found.taken}
    assert rows["add/shortcut/batch_norm.scale"].tensor == "layer1.0.downsample.1.weight"
    assert rows["dense.weight"].row() == {
        "tensor": "fc.weight",
        "weight": "dense.weight",
        "tensor_shape": [5, 384],
        "weight_shape": [384, 5],
        "change": "rows permuted for flatten: read as [5, 6, 8, 8], axes [2, 3, 1, 0], read as [384, 5]",
        "by": "shape",
    }


def test_names_that_are_not_of_a_known_network_pair_norms_too(tmp_path: Path) -> None:
    spec = spec_of(RESIDUAL)
    names = {key: f"my.{name}" for key, name in RESNET_NAMES.items()}
    weights, state = renamed(spec, names)
    save_file(state, tmp_path / "w.safetensors")
    assert_same(taken(spec, tmp_path / "w.safetensors").weights, weights)


def test_numbers_in_names_tell_the_order_of_a_chain(tmp_path: Path) -> None:
    spec = spec_of(STACK)
    weights, state = renamed(spec, {"dense": "layer2", "dense2": "layer10", "dense3": "layer11"})
    save_file(state, tmp_path / "w.safetensors")
    assert_same(taken(spec, tmp_path / "w.safetensors").weights, weights)


def test_words_in_names_do_not(tmp_path: Path) -> None:
    spec = spec_of(STACK)
    _, state = renamed(spec, {"dense": "one", "dense2": "two", "dense3": "three"})
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(RunError) as caught:
        taken(spec, tmp_path / "w.safetensors")
    assert str(caught.value) == (
        f"[NS983] 3 layers of '{tmp_path / 'w.safetensors'}' have the same shapes, and their names do not tell their "
        "order\n"
        "  in the file: one, three, two\n"
        "  in the network: dense, dense2, dense3\n"
        "  help: name their pairs with --map LAYER=LAYER; a .pt file keeps the order of definition"
    )


def test_branches_side_by_side_are_not_guessed_but_may_be_said(tmp_path: Path) -> None:
    spec = spec_of(BRANCHES)
    weights, state = renamed(spec, {"concat_a_conv": "x1", "concat_b_conv": "x2"})
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(RunError, match=r"NS983.*side by side"):
        taken(spec, tmp_path / "w.safetensors")
    found = taken(spec, tmp_path / "w.safetensors", "x1=concat/a/conv", "x2=concat/b/conv")
    assert_same(found.weights, weights)
    assert {each.by for each in found.taken} == {"map"}


def test_single_tensors_may_be_said(tmp_path: Path) -> None:
    spec = spec_of(BRANCHES)
    weights, state = renamed(spec, {})
    state["lonely"] = state.pop("concat_a_conv.bias")
    save_file(state, tmp_path / "w.safetensors")
    found = taken(spec, tmp_path / "w.safetensors", "lonely=concat/a/conv.bias", "concat_a_conv=concat/a/conv.weight")
    assert_same(found.weights, weights)


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("nothing", "it has no two names"),
        ("x3=concat/a/conv", "the file has no layer or tensor 'x3'"),
        ("x1=concat/c/conv", "the network has no layer or weight 'concat/c/conv'"),
        ("x1=concat/a/conv.bias", r"it holds .*weight \[4, 3, 1, 1\].* but bias \[4\] is wanted"),
    ],
)
def test_pairs_that_cannot_be_made(pair: str, said: str, tmp_path: Path) -> None:
    spec = spec_of(BRANCHES)
    _, state = renamed(spec, {"concat_a_conv": "x1", "concat_b_conv": "x2"})
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(RunError, match=f"NS984.*{said}"):
        taken(spec, tmp_path / "w.safetensors", pair)


def test_what_is_left_over_is_listed_with_guesses(tmp_path: Path) -> None:
    spec = spec_of(STACK)
    weights, state = renamed(spec, {"dense": "layer1", "dense2": "layer2", "dense3": "layer3"})
    state["layer3.weight"] = state["layer3.weight"][:4]
    state["layer3.bias"] = state["layer3.bias"][:4]
    file = tmp_path / "w.safetensors"
    save_file(state, file)
    names = ["--map", "layer1=dense", "layer2=dense2"]
    with pytest.raises(RunError) as caught:
        taken(spec, file, *names[1:])
    assert str(caught.value) == (
        f"[NS982] '{file}' and the network do not match: 2 of 6 weights have no tensor, 2 of 6 tensors have no weight\n"
        "  dense3.weight wants a tensor of [6, 6]\n"
        "  dense3.bias wants a tensor of [6]\n"
        "  'layer3.bias' [4] is taken by no weight\n"
        "  'layer3.weight' [4, 6] is taken by no weight\n"
        "  help: name the pairs with --map TENSOR=WEIGHT, change the spec, or take over what matches with --no-strict"
    )
    found = taken(spec, file, *names[1:], strict=False)
    assert_same(found.weights, {name: array for name, array in weights.items() if not name.startswith("dense3")})
    assert found.missing == ("dense3.weight", "dense3.bias")
    assert found.unused == ("layer3.bias", "layer3.weight")


def test_a_flattened_image_that_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    spec = spec_of(STACK.replace("[6]", "[2, 2, 3]").replace("layers:\n", "layers:\n  - flatten\n  - batch_norm\n"))
    weights, state = renamed(spec, {})
    save_file(state, tmp_path / "ours.safetensors")
    assert_same(taken(spec, tmp_path / "ours.safetensors").weights, weights)
    _, state = renamed(spec, {"dense": "dense1"})
    save_file(state, tmp_path / "theirs.safetensors")
    with pytest.raises(RunError, match="NS985"):
        taken(spec, tmp_path / "theirs.safetensors")


def test_what_the_file_does_not_say_of_norms_is_told(tmp_path: Path) -> None:
    spec = spec_of(RESIDUAL)
    save_file(renamed(spec, {})[1], tmp_path / "w.safetensors")
    (note,) = taken(spec, tmp_path / "w.safetensors").notes
    assert note == (
        "the file does not say the eps and momentum of its batch normalisations; the spec has 1e-05 and 0.9 "
        "(PyTorch's own are 1e-05 and 0.9, as the spec counts momentum)"
    )


def test_damaged_files_end_in_a_diagnostic(tmp_path: Path) -> None:
    spec = spec_of(STACK)
    whole = save(renamed(spec, {})[1])
    generator = np.random.default_rng(0)
    file = tmp_path / "w.safetensors"
    refused = 0
    for number in range(200):
        data = bytearray(whole[: int(generator.integers(len(whole)))] if number % 2 else whole)
        for place in generator.integers(0, min(len(data), 400) or 1, 4 if number % 2 == 0 else 0):
            data[place] ^= int(generator.integers(1, 256))
        file.write_bytes(bytes(data))
        try:
            taken(spec, file)  # a change of numbers alone is not to be seen
        except RunError:
            refused += 1
    assert refused >= 100, "every file that was cut off, and others"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    spec = spec_of(STACK)
    for ending in (".safetensors", ".h5", ".keras"):
        with pytest.raises(RunError, match=r"NS980.*No such file"):
            taken(spec, tmp_path / f"none{ending}")


def test_libraries_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.diagnostics.libraries.find_spec", lambda name: None)
    spec = spec_of(STACK)
    for ending, extra in ((".pt", "torch"), (".h5", "keras"), (".keras", "keras")):
        with pytest.raises(RunError, match=rf"pip install 'netspec\[{extra}\]'"):
            taken(spec, tmp_path / f"none{ending}")


FORK = """\
netspec: 1
name: fork
input: [8, 8, 3]
layers:
  - concat:
      down: [{conv: {filters: 4, kernel: 1}}, {conv: {filters: 4, kernel: [7, 1], padding: same}}]
      along: [{conv: {filters: 4, kernel: 1}}, {conv: {filters: 4, kernel: [1, 7], padding: same}}]
"""
FORK_NAMES = {
    "concat_along_conv": "Mixed_6b.branch7x7_1.conv",
    "concat_along_conv2": "Mixed_6b.branch7x7_2.conv",
    "concat_down_conv": "Mixed_6b.branch7x7dbl_1.conv",
    "concat_down_conv2": "Mixed_6b.branch7x7dbl_2.conv",
}


def test_an_order_is_refused_in_which_layers_stand_among_others(tmp_path: Path) -> None:
    spec = spec_of(FORK)
    _, state = renamed(spec, FORK_NAMES)
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(RunError, match=r"NS983.*branch7x7_1.*stand among other layers than in the network"):
        taken(spec, tmp_path / "w.safetensors")


def test_an_order_of_definition_is_refused_that_numbers_contradict() -> None:
    spec = spec_of(STACK)
    tensors = {"weight": np.zeros((6, 6), np.float32), "bias": np.zeros(6, np.float32)}
    layers = [FoundLayer(name, tensors, {part: f"{name}.{part}" for part in tensors}) for name in ("a2", "a1", "a3")]
    wanted = wanted_layers(spec.graph, spec.recipe, "torch")
    with pytest.raises(RunError, match=r"NS983.*'a2' is defined before 'a1'"):
        matched(wanted, Found("w.pt", "torch", tuple(layers), "definition"))
    by_number = [layers[1], layers[0], layers[2]]
    pairs = matched(wanted, Found("w.pt", "torch", tuple(by_number), "definition"))
    assert [(pair.wanted.path, pair.found.name) for pair in pairs] == [
        ("dense", "a1"),
        ("dense2", "a2"),
        ("dense3", "a3"),
    ]


def test_the_order_of_a_known_network_tells_branches_apart(tmp_path: Path) -> None:
    branches = FORK.splitlines()
    spec = spec_of("\n".join([*branches[:5], branches[6], branches[5]]))
    weights, state = renamed(spec, FORK_NAMES)
    save_file(state, tmp_path / "w.safetensors")
    found = taken(spec, tmp_path / "w.safetensors")
    assert_same(found.weights, weights)
    assert {each.weight: each.by for each in found.taken}["concat/along/conv.weight"] == "order"


def test_a_guess_is_of_the_same_kind(tmp_path: Path) -> None:
    spec = spec_of(RESIDUAL)
    _, state = renamed(spec, RESNET_NAMES)
    smaller = {name: array for name, array in state.items() if not name.startswith("layer1.0.conv2")}
    save_file(smaller, tmp_path / "w.safetensors")
    with pytest.raises(RunError, match="NS982") as caught:
        taken(spec, tmp_path / "w.safetensors")
    assert "add/body/conv2.weight wants a tensor of [6, 6, 3, 3]\n" in str(caught.value)
    assert "add/body/batch_norm2.scale wants a tensor of [6]; 'layer1.0.bn1.weight' [6] may be meant" in str(
        caught.value
    )
