"""Memory of a run, as the planner lays it out for a target."""

from __future__ import annotations

from collections.abc import Mapping

from netspec.core.types import DType
from netspec.passes.step import evaluation, inference, training_step
from netspec.plan import Mode, Plan, make_plan
from netspec.syntax.spec import Spec
from netspec.target import ChoosingTarget, Precision, Target


def planned_bytes(spec: Spec, target: Target, batch: int) -> dict[str, int]:
    """Memory of a training step and of inference, under the names that ``summary`` and ``expect:`` give them."""
    precision = _precision(spec, target)
    return {
        "memory_train_bytes": plan_for(spec, target, batch, "train", precision).total_bytes,
        "memory_infer_bytes": plan_for(spec, target, batch, "infer", precision).total_bytes,
    }


def _precision(spec: Spec, target: Target) -> Precision:
    """The recipe's, where the target computes in it: in bfloat16 it may take less memory."""
    precision = spec.recipe.precision
    return precision if isinstance(target, ChoosingTarget) and precision in target.precisions else "float32"


def validation_bytes(spec: Spec, target: Target, batch: int) -> int:
    """Memory that a run needs beside that of its training step while it validates; 0 where the spec keeps no samples
    aside. The weights are those that are trained.
    """
    if not spec.recipe.validation:
        return 0
    graph = evaluation(spec.graph, spec.recipe, _fed_as(spec))
    return make_plan(graph, target, batch, "infer", precision=_precision(spec, target)).arena_bytes


def plan_for(
    spec: Spec,
    target: Target,
    batch: int,
    mode: Mode,
    precision: Precision = "float32",
    algorithms: Mapping[str, str] | None = None,
) -> Plan:
    """The plan of a training step, or of inference, for up to ``batch`` samples.

    ``algorithms`` as for ``make_plan``.
    """
    build = training_step if mode == "train" else inference
    budget = spec.recipe.memory_budget if mode == "train" else None
    graph = build(spec.graph, spec.recipe, _fed_as(spec))
    return make_plan(graph, target, batch, mode, spec.recipe.math, algorithms, budget, precision=precision)


def _fed_as(spec: Spec) -> DType:
    """What samples are most likely to come as: data sets hold bytes."""
    return "uint8" if spec.recipe.data else "float32"
