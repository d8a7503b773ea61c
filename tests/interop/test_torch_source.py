"""The text that is written for PyTorch, which can be read without it."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from zoo_networks import network

from netspec.core.builder import Builder
from netspec.core.declare import REGISTRIES
from netspec.core.types import TensorType
from netspec.declarations.ops.activations import Relu
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense, Flatten
from netspec.declarations.recipe import Recipe
from netspec.interop.pytorch.names import Names, class_name, identifier
from netspec.interop.pytorch.source import torch_source
from netspec.interop.pytorch.writer import FORMS
from netspec.zoo import zoo_names


def test_every_op_has_a_form_in_pytorch() -> None:
    assert FORMS.keys() == {declaration.name for declaration in REGISTRIES["op"].public()}


def test_lenet5_reads_as_a_person_would_write_it() -> None:
    net = network("lenet5", "train")
    text = torch_source(net.graph, net.recipe).text
    lines = [line.strip() for line in text.splitlines()]
    assert "self.conv = nn.Conv2d(1, 6, 5, padding=2)" in lines
    assert "x = F.max_pool2d(x, 2, 2)  # 6x14x14" in lines
    assert "x = x.flatten(1)  # 400" in lines
    assert lines[-1] == "return F.softmax(x, dim=1)"


@pytest.mark.parametrize("name", zoo_names())
def test_what_is_written_is_python_and_has_every_weight(name: str) -> None:
    import netspec

    spec = netspec.load(f"zoo:{name}")
    source = torch_source(spec.graph, spec.recipe)
    ast.parse(source.text)
    assert {tensor.source for tensor in source.tensors} >= {slot.name for slot in spec.graph.slots}
    assert max(map(len, source.text.splitlines())) < 160


def small(*layers: tuple[str, Any]) -> Any:
    """A graph of layers in a row on a 4x4x3 image."""
    g = Builder("small net")
    value = g.input("input", TensorType((4, 4, 3)))
    for path, attrs in layers:
        g.path = path
        value = g.layer(attrs, value).output
    return g.graph({"main": value}, {"main": value})


def test_names_that_pytorch_uses_itself_get_a_number() -> None:
    graph = small(("train", Conv(filters=2, kernel=1)), ("for", Conv(filters=2, kernel=1)))
    names = [tensor.name for tensor in torch_source(graph, Recipe()).tensors]
    assert names == ["train_2.weight", "train_2.bias", "for_2.weight", "for_2.bias"]


def test_rows_are_turned_only_where_all_readers_can_be() -> None:
    into_dense = small(("flatten", Flatten()), ("relu", Relu()), ("dense", Dense(units=2)))
    as_output = small(("flatten", Flatten()), ("relu", Relu()))
    assert "x.flatten(1)" in torch_source(into_dense, Recipe()).text
    assert "x.movedim(1, -1).flatten(1)" in torch_source(as_output, Recipe()).text


@pytest.mark.parametrize(
    ("text", "name"), [("stage2/0/conv", "stage2_0_conv"), ("3x3", "_3x3"), ("größe", "größe"), ("a.b-c", "a_b_c")]
)
def test_identifiers(text: str, name: str) -> None:
    assert identifier(text) == name


def test_fresh_names_differ() -> None:
    names = Names()
    assert [names.fresh("a/b"), names.fresh("a_b"), names.fresh("class")] == ["a_b", "a_b_2", "class_2"]


@pytest.mark.parametrize(
    ("text", "name"), [("resnet20_cifar", "Resnet20Cifar"), ("1d net", "Net1dNet"), ('"""', "Net")]
)
def test_class_names(text: str, name: str) -> None:
    assert class_name(text) == name
