"""From a network to what is run: a training step, its gradients alone, a score, or a prediction."""

from __future__ import annotations

from dataclasses import replace

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Param, Value
from netspec.core.types import DType
from netspec.declarations.ops.activations import Softmax
from netspec.declarations.ops.merge import Add
from netspec.declarations.ops.reductions import AllFinite
from netspec.declarations.recipe import Recipe
from netspec.declarations.transforms import Divide
from netspec.passes.autodiff import differentiate
from netspec.passes.dead_code import remove_dead_code
from netspec.passes.forms import inference_form, training_form
from netspec.passes.lower import lower
from netspec.passes.rewrite import finish, rewire


def prepare(network: Graph, recipe: Recipe, dtype: DType) -> Graph:
    """The network, lowered, with raw data of ``dtype`` coming in and the recipe's transforms before the first layer.

    Bytes that no transform makes numbers of are taken as they are, 0 to 255.
    """
    transforms = recipe.preprocess or ((Divide(by=1.0),) if dtype == "uint8" else ())
    g = Builder(network.name)
    g.slots = {s.name: s for s in network.slots}
    g.derived_from = "preprocessing"
    mapping: dict[Value, Value] = {}
    for old in network.inputs:
        g.path = old.name
        value = g.input(old.name, replace(old.type, dtype=dtype))
        for transform in transforms:
            value = transform.apply(g, value)
        mapping[old] = value
    later = Builder.continuing(replace(network, inputs=tuple(g.inputs), nodes=tuple(g.nodes)), tuple(g.nodes))
    later.nodes += [rewire(node, mapping) for node in network.nodes]
    return lower(finish(later, network, mapping))


def inference(network: Graph, recipe: Recipe, dtype: DType = "float32") -> Graph:
    """The network for prediction. A head whose loss is taken of a softmax ends in one, written or not."""
    graph = inference_form(prepare(network, recipe, dtype))
    g = Builder.continuing(graph, graph.nodes)
    g.derived_from = "probabilities"
    producers = graph.producer()
    outputs = {}
    for name, head in graph.heads.items():
        absorbed = getattr(recipe.loss, "absorbs", None)
        ends_in = producers[head].op.name if head in producers else None
        outputs[name] = g.add(Softmax(), head) if absorbed == "softmax" and ends_in != absorbed else head
    return remove_dead_code(g.graph(outputs, outputs))


def evaluation(network: Graph, recipe: Recipe, dtype: DType = "float32") -> Graph:
    """The inference form with the loss behind it and nothing to learn: how a network is scored.

    Inputs and outputs are those of :func:`training_step`.
    """
    g, _, loss, heads = _with_loss(inference_form(prepare(network, recipe, dtype)), recipe)
    return remove_dead_code(g.graph({"loss": loss, **heads}, heads))


def _with_loss(graph: Graph, recipe: Recipe) -> tuple[Builder, Graph, Value, dict[str, Value]]:
    """A builder holding the graph up to the loss; the graph; the loss; per head the value that the loss takes."""
    g = Builder.continuing(graph, graph.nodes)
    g.derived_from = "loss"
    producers = graph.producer()
    heads: dict[str, Value] = {}
    losses = []
    for name, head in graph.heads.items():
        last = producers.get(head)
        absorbed = last is not None and last.op.name == recipe.loss.absorbs
        heads[name] = last.inputs[0] if last is not None and absorbed else head
        g.path = "loss"
        target = g.input("target" if len(graph.heads) == 1 else f"target/{name}", recipe.loss.target(head.type))
        losses.append(recipe.loss.apply(g, heads[name], target))
    return g, graph, losses[0] if len(losses) == 1 else g.add(Add(), *losses), heads


def training_step(network: Graph, recipe: Recipe, dtype: DType = "float32") -> Graph:
    """One step of training: forward, backward and update as regions of one graph.

    Scalars: ``learning_rate``, ``step`` (from 1), and ``seed`` where something is random. Outputs: ``loss``; each head
    before the activation that its loss absorbs; ``gradients_finite``, 1 if all of them are, where anything is trained.
    """
    g, graph, loss, heads = _with_loss(training_form(prepare(network, recipe, dtype)), recipe)
    trained = [s for s in graph.slots if s.param.trained]
    gradients = differentiate(g, loss, [s.value for s in trained])
    g.region, g.derived_from, g.path, g.where = "backward", "check", "", None
    finite = {"gradients_finite": g.add(AllFinite(), *gradients.values())} if gradients else {}
    g.region, g.derived_from = "update", "update"
    rate, step = g.scalar("learning_rate"), g.scalar("step", "int32")
    rule = recipe.optimizer.update()
    for slot in trained:
        if slot.value not in gradients:
            continue
        g.path = slot.name
        zeros = Param(slot.param.shape, "zeros", trained=False)
        moments = [g.state(f"{slot.name}:{name}", zeros, "moment") for name in recipe.optimizer.moments]
        new = g.node(rule, slot.value, gradients[slot.value], rate, step, *moments).outputs
        for old, value in zip((slot.value, *moments), new, strict=True):
            g.write(old, value)
    return remove_dead_code(g.graph({"loss": loss, **finite, **heads}, heads))


def gradients(network: Graph, recipe: Recipe, dtype: DType = "float32", of_input: bool = False) -> Graph:
    """Forward and backward only; outputs are ``loss`` and one gradient per trained parameter, by its name.

    With ``of_input`` also ``input``, the gradient of the first input (which must then be float32).
    """
    g, graph, loss, _ = _with_loss(training_form(prepare(network, recipe, dtype)), recipe)
    wanted = {s.name: s.value for s in graph.slots if s.param.trained}
    if of_input:
        wanted["input"] = graph.inputs[0]
    found = differentiate(g, loss, wanted.values())
    g.slots = {name: replace(s, written=None) for name, s in g.slots.items()}
    return remove_dead_code(g.graph({"loss": loss} | {name: found[v] for name, v in wanted.items() if v in found}))
