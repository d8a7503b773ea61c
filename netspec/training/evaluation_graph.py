"""The graph that scores a network: its inference form, with the loss behind it and nothing to learn."""

from __future__ import annotations

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Value
from netspec.core.types import DType
from netspec.declarations.ops.merge import Add
from netspec.declarations.recipe import Recipe
from netspec.passes.dead_code import remove_dead_code
from netspec.passes.forms import inference_form
from netspec.passes.step import prepare


def evaluation(network: Graph, recipe: Recipe, dtype: DType = "float32") -> Graph:
    """Outputs are ``loss``, the mean over the live samples, and each head before the activation its loss absorbs.

    Inputs are the images and a target per head, named as those of the training step.
    """
    graph = inference_form(prepare(network, recipe, dtype))
    g = Builder.continuing(graph, graph.nodes)
    g.path = g.derived_from = "loss"
    producers = graph.producer()
    heads: dict[str, Value] = {}
    losses = []
    for name, head in graph.heads.items():
        last = producers.get(head)
        absorbed = last is not None and last.op.name == recipe.loss.absorbs
        heads[name] = last.inputs[0] if last is not None and absorbed else head
        target = g.input("target" if len(graph.heads) == 1 else f"target/{name}", recipe.loss.target(head.type))
        losses.append(recipe.loss.apply(g, heads[name], target))
    loss = losses[0] if len(losses) == 1 else g.add(Add(), *losses)
    return remove_dead_code(g.graph({"loss": loss, **heads}, heads))
