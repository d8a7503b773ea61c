"""Which layer a number that is not finite comes from: the step is computed again, and every value looked at.

Only the forward and backward regions are run, which leave the state as it was, so that what is found is what happened.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from netspec.core.graph import Graph, Node, Value
from netspec.data.dataset import Array
from netspec.diagnostics.errors import RunError
from netspec.diagnostics.model import Span
from netspec.distributed.split import Piece
from netspec.passes.dead_code import remove_dead_code
from netspec.passes.step import training_step
from netspec.plan import make_plan
from netspec.training.accumulate import Turn
from netspec.training.runtime import Fed, Loaded, Runtime


@dataclass(frozen=True, slots=True)
class Blame:
    """The first value of a step that is not finite: the layer whose it is, and what it was computed from."""

    layer: str
    gradient: bool
    """Whether it is a gradient of the layer, and not its output."""
    where: Span | None
    wrong: int
    numbers: int
    read: str
    """In which range its inputs lie, in words."""

    def __str__(self) -> str:
        place = f" ({self.where.file}:{self.where.line}:{self.where.column})" if self.where else ""
        what = "the gradients" if self.gradient else "the output"
        count = f"{self.wrong:,} of {self.numbers:,} numbers"
        return f"first in {what} of '{self.layer}'{place}: {count}, computed from {self.read}"


class Replayed(NamedTuple):
    """A step that is to be computed again: what it was given. Of one that ranks share it is this rank's piece."""

    runtime: Runtime
    loaded: Loaded
    fed: Fed
    rate: float
    step: int
    turn: Turn | None = None
    piece: Piece | None = None


def what_is_odd(step: Replayed, own: float, loss: float) -> dict[str, object]:
    """The fields of NS903 for a step whose ``loss`` over all ranks, of which this one has its ``own``, or one of whose
    gradients is not finite. All ranks return those of the first whose numbers are to blame, and say which it is.

    Where steps are skipped nothing is computed again.
    """
    runtime = step.runtime
    blame = None if runtime.recipe.on_nan == "skip" else find_blame(step)
    seen = {
        "loss": repr(own) if not math.isfinite(own) else "",
        "blame": str(blame or ""),
        "host": socket.gethostname(),
    }
    ranks = runtime.world.gather(seen)
    rank = min(range(len(ranks)), key=lambda each: (not ranks[each]["loss"], not ranks[each]["blame"], each))
    found: dict[str, object] = {"quantity": "a gradient", "value": "infinite or NaN"}
    if ranks[rank]["loss"] or not math.isfinite(loss):
        found = {"quantity": "the loss", "value": ranks[rank]["loss"] or loss}
    if len(ranks) > 1:
        found["quantity"] = f"{found['quantity']} of rank {rank} on {ranks[rank]['host']}"
    return found | ({"blame": ranks[rank]["blame"]} if ranks[rank]["blame"] else {})


def find_blame(step: Replayed) -> Blame | None:
    """What was not finite first in a step without update; None where that cannot be told, as for lack of memory."""
    runtime, fed = step.runtime, step.fed
    graph = _all_values(training_step(runtime.network, runtime.recipe, step.loaded.dtype, runtime.world.size > 1))
    try:
        target, recipe = runtime.backend.target(runtime.threads), runtime.recipe
        plan = make_plan(graph, target, fed.samples, "gradients", recipe.math, precision=recipe.precision)
        executable = runtime.backend.load(plan, runtime.state, runtime.threads)
    except (RunError, MemoryError):
        return None
    given = step.loaded.feed(fed.inputs, fed.targets)
    scalars = runtime.scalars(step.rate, step.step, step.turn, step.piece)
    executable.run(given, scalars, fed.samples, ("forward", "backward"))
    known = dict(given)
    for node in graph.nodes:
        for value in (each for each in node.outputs if each.name in graph.outputs):
            known[value.name] = executable.output(value.name)
            wrong = int(np.count_nonzero(~np.isfinite(known[value.name])))
            if wrong:
                return _blame(runtime, node, value, wrong, known)
    return None


def _all_values(step: Graph) -> Graph:
    """Forward and backward of a step with every float32 value as an output, so that none is fused away."""
    nodes = tuple(node for node in step.nodes if node.region != "update")
    values = {v.name: v for node in nodes for v in node.outputs if v.type.dtype == "float32"}
    slots = tuple(replace(slot, written=None) for slot in step.slots)
    return remove_dead_code(replace(step, nodes=nodes, outputs=values, slots=slots, heads={}))


def _blame(runtime: Runtime, node: Node, value: Value, wrong: int, known: Mapping[str, Array]) -> Blame:
    read = [_range(each.name, _numbers(runtime, each, known)) for each in node.inputs]
    where = node.where.layer if node.where is not None else None
    size = int(known[value.name].size)
    told = ", ".join(text for text in read if text) or "nothing that was kept"
    return Blame(node.path or node.op.name, node.region == "backward", where, wrong, size, told)


def _numbers(runtime: Runtime, value: Value, known: Mapping[str, Array]) -> Array | None:
    if value.name in known:
        return known[value.name]
    return runtime.state.read(value.name) if value.role == "state" else None


def _range(name: str, numbers: Array | None) -> str:
    """``'conv.weight' from -0.2 to 0.3``; empty of what is not known or holds no numbers."""
    if numbers is None or not numbers.size:
        return ""
    with np.errstate(invalid="ignore"):
        return f"'{name}' from {numbers.min():.3g} to {numbers.max():.3g}"
