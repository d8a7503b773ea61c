"""Tensors of the batch are stored as bfloat16 between kernels that allow it, and converted where one does not."""

from __future__ import annotations

from collections.abc import Callable

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Node, Param, Storage
from netspec.core.types import TensorType
from netspec.core.verify import verify
from netspec.declarations.ops.activations import Relu, Sigmoid, Tanh
from netspec.declarations.ops.dense import Dense
from netspec.passes.storage import assign_storage

EITHER = Storage("either", "either")
FACTORS = Storage("either", "either", factors=2)
ALL = Storage("bfloat16", "bfloat16")


def by_op(**storages: Storage) -> Callable[[Node], Storage]:
    return lambda node: storages.get(node.op.name, Storage())


def types(graph: Graph) -> dict[str, str]:
    return {node.op.name: node.output.type.dtype for node in graph}


def chain(*attrs: object) -> Graph:
    g = Builder("chain")
    value = g.input("x", TensorType((6,)))
    for each in attrs:
        value = g.add(each, value)
    return g.graph({"y": value})


def stored(graph: Graph, **storages: Storage) -> Graph:
    made = assign_storage(graph, by_op(**storages))
    verify(made)
    return made


def test_what_lies_between_two_kernels_that_allow_it_is_narrow() -> None:
    made = stored(chain(Relu(), Tanh(), Sigmoid()), relu=EITHER, tanh=EITHER, sigmoid=EITHER)
    assert types(made) == {"relu": "bfloat16", "tanh": "bfloat16", "sigmoid": "float32"}
    assert made.inputs[0].type.dtype == "float32"


def test_what_is_read_in_float32_alone_stays() -> None:
    made = stored(chain(Relu(), Tanh()), relu=EITHER)
    assert types(made) == {"relu": "float32", "tanh": "float32"}


def test_a_kernel_that_wants_bfloat16_is_given_it_and_its_reader_float32() -> None:
    made = stored(chain(Relu(), Tanh(), Sigmoid()), tanh=ALL)
    assert [node.op.name for node in made] == ["relu", "storage.convert", "tanh", "storage.convert", "sigmoid"]
    assert [node.output.type.dtype for node in made] == ["float32", "bfloat16", "bfloat16", "float32", "float32"]


def layers() -> Graph:
    """Two dense layers that share their weight."""
    g = Builder("layers")
    x = g.input("x", TensorType((6,)))
    weight = g.state("w", Param((6, 6), "zeros"), "parameter")
    g.path = "dense"
    first = g.apply(Dense(units=6, bias=False), x, weight=weight)
    return g.graph({"y": g.apply(Dense(units=6, bias=False), first, weight=weight)})


def test_a_weight_is_rounded_once_and_first_of_all() -> None:
    made = stored(layers(), dense=FACTORS)
    assert [node.op.name for node in made] == ["storage.convert", "storage.convert", "dense", "dense"]
    weight, x, first, last = made
    assert (weight.inputs[0].role, x.inputs[0].name) == ("state", "x")
    assert first.inputs[1] is last.inputs[1] is weight.output
    assert (first.output.type.dtype, last.output.type.dtype) == ("bfloat16", "float32")


def test_a_second_time_nothing_is_changed() -> None:
    made = stored(layers(), dense=FACTORS)
    again = stored(made, **{"dense": FACTORS, "storage.convert": EITHER})
    assert [repr(node) for node in again] == [repr(node) for node in made]
