from __future__ import annotations

from dataclasses import replace

import pytest

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Value
from netspec.core.types import TensorType
from netspec.core.verify import GraphError, verify
from netspec.declarations.ops.activations import Relu, Tanh
from netspec.declarations.ops.dense import Dense
from netspec.declarations.recipe import Recipe
from netspec.passes.step import training_step
from netspec.testing import all_cases, inference_trial, network_trials, training_trial


def chain() -> Graph:
    g = Builder("net")
    x = g.input("x", TensorType((4,)))
    first = g.layer(Relu(), x).output
    return g.graph({"main": g.layer(Tanh(), first).output})


def step() -> Graph:
    g = Builder("net")
    x = g.input("x", TensorType((4,)))
    g.path = "dense"
    head = g.layer(Dense(units=3), x).output
    return training_step(g.graph({"main": head}, {"main": head}), Recipe())


def test_sound_graphs_pass() -> None:
    verify(chain())
    verify(step())


def test_the_graphs_of_every_case_are_sound() -> None:
    for case in all_cases():
        verify(inference_trial(case).graph)
        verify(training_trial(case).graph)
    for trial in network_trials():
        verify(trial.graph)


def test_a_value_is_made_before_it_is_read() -> None:
    graph = chain()
    with pytest.raises(GraphError, match="is not made before it"):
        verify(replace(graph, nodes=graph.nodes[::-1]))


def test_a_value_is_made_once() -> None:
    graph = chain()
    with pytest.raises(GraphError, match="is made twice"):
        verify(replace(graph, nodes=(*graph.nodes, graph.nodes[0])))


def test_an_output_is_made() -> None:
    with pytest.raises(GraphError, match="output lost is never made"):
        verify(replace(chain(), outputs={"lost": Value("lost", TensorType((4,)))}))


def test_types_are_those_of_inference() -> None:
    graph = chain()
    wrong = replace(graph.nodes[1], outputs=(Value("wrong", TensorType((5,))),))
    with pytest.raises(GraphError, match="inference says"):
        verify(replace(graph, nodes=(graph.nodes[0], wrong), outputs={}))


def test_a_layout_is_no_difference_of_type() -> None:
    graph = chain()
    blocked = replace(graph.nodes[1], outputs=(Value("y", TensorType((4,), block=8)),))
    verify(replace(graph, nodes=(graph.nodes[0], blocked), outputs={}))


def test_regions_come_in_order() -> None:
    graph = chain()
    late = replace(graph.nodes[0], region="backward")
    with pytest.raises(GraphError, match="comes too late"):
        verify(replace(graph, nodes=(late, graph.nodes[1])))


def test_state_is_not_read_after_it_was_written() -> None:
    graph = step()
    update = next(n for n in graph.nodes if n.op.name == "update.sgd" and n.path == "dense.weight")
    before = [n for n in graph.nodes if n is not update]
    reader = replace(update, outputs=tuple(Value(f"late{i}", v.type) for i, v in enumerate(update.outputs)))
    with pytest.raises(GraphError, match=r"dense\.weight is read after it was written"):
        verify(replace(graph, nodes=(*before, update, reader)))


def test_state_is_written_by_one_value_of_its_type() -> None:
    graph = step()
    weight, bias = graph.slot("dense.weight"), graph.slot("dense.bias")
    others = tuple(s for s in graph.slots if s not in (weight, bias))
    with pytest.raises(GraphError, match="written to two pieces of state"):
        verify(replace(graph, slots=(*others, weight, replace(bias, written=weight.written))))
    with pytest.raises(GraphError, match="but is written as"):
        verify(replace(graph, slots=(*others, replace(weight, written=bias.written), replace(bias, written=None))))
    with pytest.raises(GraphError, match="with something no node makes"):
        verify(replace(graph, slots=(*others, replace(weight, written=graph.inputs[0]), bias)))
