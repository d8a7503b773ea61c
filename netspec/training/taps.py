"""Looking into a network: what its layers give, and the gradients of the loss by its parameters. All state stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netspec.data.dataset import Array, Part
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
