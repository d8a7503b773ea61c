"""Memory of a run, as the planner lays it out for a target."""

from __future__ import annotations

from netspec.passes.step import inference, training_step
from netspec.plan import Mode, Plan, Target, make_plan
from netspec.syntax.spec import Spec


def planned_bytes(spec: Spec, target: Target, batch: int) -> dict[str, int]:
    """Memory of a training step and of inference, under the names that ``summary`` and ``expect:`` give them."""
    return {
        "memory_train_bytes": plan_for(spec, target, batch, "train").total_bytes,
        "memory_infer_bytes": plan_for(spec, target, batch, "infer").total_bytes,
    }


def plan_for(spec: Spec, target: Target, batch: int, mode: Mode) -> Plan:
    """The plan of a training step, or of inference, for up to ``batch`` samples."""
    build = training_step if mode == "train" else inference
    graph = build(spec.graph, spec.recipe, "uint8" if spec.recipe.data else "float32")
    return make_plan(graph, target, batch, mode, spec.recipe.math)
