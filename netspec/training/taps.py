"""Looking into a network: what its layers give, and the gradients of the loss by its parameters. All state stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from netspec.core.graph import Graph, Value
from netspec.data.dataset import Array, Part
from netspec.passes.dead_code import remove_dead_code
from netspec.passes.step import activations as activations_graph
from netspec.plan import make_plan
from netspec.training.runtime import Purpose, Runtime


def activations(runtime: Runtime, inputs: Mapping[str, Array], layers: Iterable[str] | None = None) -> dict[str, Array]:
    """What these layers give, by their paths, (N, ...) channels-last: all of inference's if none are named.

    ``inputs`` are (N, ...) of uint8 or float32, by name. A KeyError names a layer that inference has not;
    a RunError, a transform that was not fitted.
    """
    runtime.refuse_unfitted()
    dtype, samples = runtime.input_type(inputs), len(next(iter(inputs.values())))
    graph = activations_graph(runtime.network, runtime.recipe, dtype, layers)
    plan = make_plan(graph, runtime.backend.target(runtime.threads), samples, "infer")
    executable = runtime.backend.load(plan, runtime.state, runtime.threads)
    fed = {name: array.astype(dtype, copy=False) for name, array in runtime.prepared_inputs(inputs).items()}
    executable.run(fed, {}, samples)
    return {name: executable.output(name) for name in graph.outputs}


def gradients(runtime: Runtime, part: Part, step: int, of_input: bool = False) -> dict[str, Array]:
    """Gradients of the loss of at most one batch by the name of the parameter, as step number ``step`` would see them.

    With ``of_input`` also that of the input as ``input``, or those of several as ``input/NAME``.
    """
    purpose: Purpose = "input_gradients" if of_input else "gradients"
    dtype = "float32" if of_input else runtime.input_type(part.inputs)
    loaded = runtime.load(purpose, dtype)
    inputs, targets, samples = runtime.prepared(part)
    loaded.executable.run(loaded.feed(inputs, targets), runtime.scalars(0.0, step), samples, ("forward", "backward"))
    outputs = runtime.plan(purpose, dtype).graph.outputs
    return {name: loaded.executable.output(name) for name in outputs if name != "loss"}


Watch = Callable[[Mapping[str, Array], int], dict[str, Array]]
"""(inputs by name, samples) -> values by name."""


def watch(runtime: Runtime, graph: Graph, values: Mapping[str, Value]) -> Watch:
    """A run of ``graph`` that tells these of its values."""
    told = remove_dead_code(replace(graph, outputs=dict(values), heads={}))
    plan = make_plan(told, runtime.backend.target(runtime.threads), runtime.batch, "infer", runtime.recipe.math)
    executable = runtime.backend.load(plan, runtime.state, runtime.threads)

    def run(inputs: Mapping[str, Array], samples: int) -> dict[str, Array]:
        known = {value.name for value in told.inputs}
        executable.run({name: array for name, array in inputs.items() if name in known}, {}, samples)
        return {name: executable.output(name) for name in values}

    return run


def constants(runtime: Runtime, graph: Graph) -> dict[str, Array]:
    """By name, what the steps of a prediction read that follows from the state alone, such as packed weights."""
    read = (value for node in graph.nodes if node.output.type.batched for value in node.inputs)
    return watch(runtime, graph, {value.name: value for value in read if not value.type.batched})({}, 1)
