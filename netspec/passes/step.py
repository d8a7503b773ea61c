"""From a network to what is run: a training step, its gradients alone, a score, or a prediction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from netspec.core.builder import Builder
from netspec.core.declare import REGISTRIES
from netspec.core.graph import Graph, Param, Value
from netspec.core.op import ShapeError
from netspec.core.types import DType
from netspec.declarations.ops.accumulation import Accumulate, KeepWhere, MoveAverage
from netspec.declarations.ops.clipping import ClipNorm, ClipValue, GlobalNorm
from netspec.declarations.ops.merge import Add, Times
from netspec.declarations.ops.reductions import AllFinite
from netspec.declarations.recipe import Head, Recipe
from netspec.declarations.transforms import Divide, add_to_graph
from netspec.diagnostics.errors import RunError
from netspec.passes.autodiff import differentiate
from netspec.passes.dead_code import remove_dead_code
from netspec.passes.fake_quantization import fake_quantized, rounded_places
from netspec.passes.folding import fold_batch_norm
from netspec.passes.forms import inference_form, training_form
from netspec.passes.lower import lower
from netspec.passes.rewrite import finish, rewire
from netspec.passes.sharing import (
    SAMPLES,
    WHOLE,
    at_border,
    exchanged,
    part_of_loss,
    sent_early,
    share_statistics,
    synchronized,
    unbiased_by_batch,
    with_whole_divisors,
)

SUM, AVERAGE, MASK = "sum", "average", "mask"
"""What state is called, behind the name of what it is of, that holds a sum over batches, an average of weights,
or 1 where a weight is learnt and 0 where it was pruned."""


def prepare(network: Graph, recipe: Recipe, dtype: DType) -> Graph:
    """The network, lowered, with data of ``dtype`` coming in and the recipe's transforms before the first layer.

    Bytes that no transform makes numbers of are taken as they are, 0 to 255.
    """
    transforms = recipe.graph_preprocess or ((Divide(by=1.0),) if dtype == "uint8" else ())
    g = Builder(network.name)
    g.slots = {s.name: s for s in network.slots}
    g.derived_from = "preprocessing"
    mapping: dict[Value, Value] = {}
    for old in network.inputs:
        g.path = old.name
        value = g.input(old.name, replace(old.type, dtype=dtype))
        for transform in transforms:
            value = add_to_graph(transform, g, value)
        mapping[old] = value
    later = Builder.continuing(replace(network, inputs=tuple(g.inputs), nodes=tuple(g.nodes)), tuple(g.nodes))
    later.nodes += [rewire(node, mapping) for node in network.nodes]
    return lower(finish(later, network, mapping))


def main_part(network: Graph, recipe: Recipe) -> Graph:
    """The network without the heads that are there while training only."""
    kept = {name: head for name, head in network.heads.items() if not recipe.head(name).train_only}
    if len(kept) == len(network.heads):
        return network
    return remove_dead_code(replace(network, outputs=kept, heads=kept))


def rounding(network: Graph, recipe: Recipe, dtype: DType, learns: bool) -> Graph:
    """The prepared network as it is trained: rounding as its form in bytes will, where the recipe wants that."""
    graph = prepare(network, recipe, dtype)
    if recipe.quantize is None:
        return graph
    return fake_quantized(graph, rounded_places(main_part(graph, recipe)), learns)


def inference(network: Graph, recipe: Recipe, dtype: DType = "float32", rounds: bool = False) -> Graph:
    """The network for prediction. A head whose loss is taken of a softmax or sigmoid ends in one, written or not.

    Where it ``rounds``, it does so as while training, in ranges that are state; here and in :func:`evaluation`.
    """
    graph = _scored_form(network, recipe, dtype, rounds)
    g = Builder.continuing(graph, graph.nodes)
    g.derived_from = "probabilities"
    producers = graph.producer()
    outputs = {}
    for name, head in graph.heads.items():
        absorbed = recipe.predicted_by(name)
        ends_in = producers[head].op.name if head in producers else None
        outputs[name] = g.add(_activation(absorbed), head) if absorbed and ends_in != absorbed else head
    return remove_dead_code(g.graph(outputs, outputs))


def activations(network: Graph, recipe: Recipe, dtype: DType, layers: Iterable[str] | None = None) -> Graph:
    """The network for prediction, its outputs being those of ``layers`` by their paths: of all there are if left out.

    What matters while training only, such as a dropout, is no layer of it. A KeyError for a layer that is not there.
    """
    graph = inference_form(prepare(main_part(network, recipe), recipe, dtype))
    written = {node.path for node in network.nodes}
    found = {node.path: node.output for node in graph.nodes if node.path in written}
    wanted = found if layers is None else {name: found[name] for name in layers}
    return remove_dead_code(replace(graph, outputs=wanted, heads={}))


def evaluation(network: Graph, recipe: Recipe, dtype: DType = "float32", rounds: bool = False) -> Graph:
    """The inference form with the loss behind it and nothing to learn: how a network is scored.

    Inputs and outputs are those of :func:`training_step`, without heads that are there while training only.
    """
    g, _, loss, heads = _with_loss(_scored_form(network, recipe, dtype, rounds), recipe)
    return remove_dead_code(g.graph({"loss": loss, **heads}, heads))


def _scored_form(network: Graph, recipe: Recipe, dtype: DType, rounds: bool) -> Graph:
    """The inference form, normalisations folded."""
    part = main_part(network, recipe)
    prepared = rounding(part, recipe, dtype, learns=False) if rounds else prepare(part, recipe, dtype)
    return fold_batch_norm(inference_form(prepared))


def _activation(name: str) -> Any:
    """The activation of that name, with its defaults."""
    return REGISTRIES["op"][name].make()


def _with_loss(graph: Graph, recipe: Recipe, shared: bool = False) -> tuple[Builder, Graph, Value, dict[str, Value]]:
    """A builder holding the graph up to the loss; the graph; the loss; per head the value that metrics take.

    The loss is the sum over the heads of each one's loss times its weight; where batches are ``shared`` among ranks it
    is this rank's part of that.
    """
    g = Builder.continuing(graph, graph.nodes)
    g.derived_from = "loss"
    producers = graph.producer()
    heads: dict[str, Value] = {}
    losses = []
    for name, head in graph.heads.items():
        said = recipe.head(name)
        last = producers.get(head)
        absorbed = last is not None and last.op.name == said.loss.absorbs
        logits = last.inputs[0] if last is not None and absorbed else head
        g.path = "loss" if len(graph.heads) == 1 else f"loss/{name}"
        target = g.input("target" if len(graph.heads) == 1 else f"target/{name}", said.loss.target(head.type))
        try:
            loss = said.loss.apply(g, logits, target)
        except ShapeError as error:
            raise RunError.of(error.code, **error.fields, head=name) from error
        loss = part_of_loss(g, loss) if shared else loss
        losses.append(loss if said.weight == 1.0 else g.add(Times(factor=said.weight), loss))
        heads[name] = _measured(g, head, logits, said)
    return g, graph, losses[0] if len(losses) == 1 else g.add(Add(), *losses), heads


def _measured(g: Builder, head: Value, logits: Value, said: Head) -> Value:
    """What metrics take of a head: what is predicted, but no softmax where only the order of channels matters."""
    absorbs = said.loss.absorbs
    if absorbs == "softmax" and all(metric.ranks for _, metric in said.metrics or ()):
        return logits
    return g.add(_activation(absorbs), head) if absorbs and logits is head else head


def training_step(network: Graph, recipe: Recipe, dtype: DType = "float32", shared: bool = False) -> Graph:
    """One step of training: forward, backward and update as regions of one graph.

    Scalars: ``learning_rate``, ``step`` (from 1), and ``seed`` where something is random. Outputs: ``loss``; each head
    as metrics take it; ``gradients_finite``, 1 if all of them are, where anything is trained.

    Where gradients are summed over several batches before an update, ``step`` counts batches, and there are the scalars
    ``share``, this batch's share of the samples, ``first``, 1 at the first batch of an update, and ``update``, the
    update's number (from 1); where variances move, also ``rank_samples``, the samples of this batch. Where an average
    is made of the weights, ``average_share`` says how far it moves, and ``range_share`` of the ranges of activations,
    where they are learnt.

    Where each batch is ``shared`` among ranks, what they exchange is marked (see :mod:`netspec.passes.sharing`), and
    the loss is this rank's part of the whole batch's.
    """
    form = training_form(rounding(network, recipe, dtype, learns=True))
    synchronizes = shared and recipe.sync_batch_norm
    g, graph, loss, heads = _with_loss(synchronized(form) if synchronizes else form, recipe, shared)
    trained = [s for s in graph.slots if s.param.trained]
    gradients = differentiate(g, loss, [s.value for s in trained])
    g.region, g.derived_from, g.path, g.where = "backward", "check", "", None
    summed = recipe.accumulate > 1
    if shared:
        with_whole_divisors(g)
        share_statistics(g, WHOLE if synchronizes else SAMPLES)
    elif summed:
        unbiased_by_batch(g, SAMPLES)
    if summed:
        gradients = _accumulated(g, gradients)
    if shared:
        gradients = exchanged(g, gradients)
    finite = {"gradients_finite": g.add(AllFinite(), *gradients.values())} if gradients else {}
    g.region = "update" if summed else "backward"
    gradients = _clipped(g, recipe.optimizer, gradients)
    g.region, g.derived_from = "update", "update"
    rate, step = g.scalar("learning_rate"), g.scalar("update" if summed else "step", "int32")
    for slot in trained:
        if slot.value not in gradients:
            continue
        g.path = slot.name
        zeros = Param(slot.param.shape, "zeros", trained=False)
        moments = [g.state(f"{slot.name}:{name}", zeros, "moment") for name in recipe.optimizer.moments]
        rule = recipe.optimizer.update(slot.param)
        new = g.node(rule, slot.value, gradients[slot.value], rate, step, *moments).outputs
        for old, value in zip((slot.value, *moments), new, strict=True):
            g.write(old, value)
    if recipe.prune is not None:
        _mask_weights(g, recipe.prune)
    if recipe.average is not None:
        _add_average(g)
    if shared:
        sent_early(g)
    return remove_dead_code(g.graph({"loss": loss, **finite, **heads}, heads))


def _accumulated(g: Builder, gradients: dict[Value, Value]) -> dict[Value, Value]:
    """The sums of the gradients, with this batch's in them; the statistics that updates go by become such sums too."""
    at_border(g, lambda value: _sum(g, value, value.name))
    return {value: _sum(g, gradient, value.name) for value, gradient in gradients.items()}


def _sum(g: Builder, value: Value, name: str) -> Value:
    """A value summed over the batches of an update: state, since it stays from batch to batch."""
    g.path = name
    held = g.state(f"{name}:{SUM}", Param(value.type.shape, "zeros", trained=False), "moment")
    new = g.add(Accumulate(), held, value, g.scalar("share"), g.scalar("first"))
    g.write(held, new)
    g.path = ""
    return new


def _mask_weights(g: Builder, prune: Any) -> None:
    """Keep pruned weights at 0, whatever the update made of them. The masks change between steps."""
    g.derived_from = "pruning"
    for slot in prune.weights(g.slots.values()):
        if slot.written is not None:
            g.path = slot.name
            mask = g.state(f"{slot.name}:{MASK}", Param(slot.param.shape, "ones", trained=False), "moment")
            g.write(slot.value, g.add(KeepWhere(), slot.written, mask))


def _add_average(g: Builder) -> None:
    """Move the average of whatever a step changes: parameters, and the statistics that normalise by them."""
    g.derived_from = "average"
    share = g.scalar("average_share")
    for slot in [s for s in g.slots.values() if s.kind != "moment" and s.written is not None]:
        assert slot.written is not None
        g.path = slot.name
        held = g.state(f"{slot.name}:{AVERAGE}", Param(slot.param.shape, "zeros", trained=False), "moment")
        g.write(held, g.add(MoveAverage(), held, slot.written, share))


def _clipped(g: Builder, optimizer: Any, gradients: dict[Value, Value]) -> dict[Value, Value]:
    """The gradients as the optimiser wants them clipped: number by number first, then all as one vector."""
    g.derived_from = "clipping"
    if optimizer.clip_value is not None:
        limit = ClipValue(limit=optimizer.clip_value)
        gradients = {value: g.add(limit, gradient) for value, gradient in gradients.items()}
    if optimizer.clip_norm is not None and gradients:
        norm = g.add(GlobalNorm(), *gradients.values())
        shorten = ClipNorm(limit=optimizer.clip_norm)
        gradients = {value: g.add(shorten, gradient, norm) for value, gradient in gradients.items()}
    return gradients


def gradients(network: Graph, recipe: Recipe, dtype: DType = "float32", of_input: bool = False) -> Graph:
    """Forward and backward only; outputs are ``loss`` and one gradient per trained parameter, by its name.

    With ``of_input`` also ``input``, the gradient of the input, or ``input/NAME`` for each of several; they must be
    float32 then.
    """
    g, graph, loss, _ = _with_loss(training_form(rounding(network, recipe, dtype, learns=True)), recipe)
    wanted = {s.name: s.value for s in graph.slots if s.param.trained}
    if of_input:
        wanted |= {"input" if len(graph.inputs) == 1 else f"input/{x.name}": x for x in graph.inputs}
    found = differentiate(g, loss, wanted.values())
    g.slots = {name: replace(s, written=None) for name, s in g.slots.items()}
    return remove_dead_code(g.graph({"loss": loss} | {name: found[v] for name, v in wanted.items() if v in found}))
