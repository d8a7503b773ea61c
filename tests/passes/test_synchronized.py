"""Batch normalisation over the batch of all ranks: what stands in the graph for it, and that its formulas are right."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.core.verify import verify
from netspec.declarations.recipe import Recipe
from netspec.diagnostics import SpecError
from netspec.distributed.exchange import EXCHANGE, buckets
from netspec.passes.sharing import SAMPLES, SHARE, WHOLE
from netspec.passes.step import training_step
from netspec.plan import Plan, make_plan
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.testing import interpret
from netspec.testing.networks import residual_network
from netspec_numba.backend import NumbaBackend

ALONE, TOGETHER = Recipe(), Recipe(sync_batch_norm=True)


@pytest.fixture(name="plan", scope="module")
def _plan() -> Plan:
    step = training_step(residual_network((7, 6, 3)), TOGETHER, shared=True)
    return make_plan(step, NumbaBackend().target(1), 4, "train")


def test_one_process_has_the_step_that_it_had() -> None:
    network = residual_network((7, 6, 3))
    assert list(map(repr, training_step(network, TOGETHER))) == list(map(repr, training_step(network, ALONE)))


def test_the_statistics_and_gradients_of_a_single_rank_are_those_of_batch_norm() -> None:
    """In float64, in which an error in a formula cannot hide behind rounding."""
    network = residual_network((7, 6, 3))
    random = np.random.default_rng(0)
    data = {"x": random.normal(40, 3, (4, 7, 6, 3)), "target": np.array([0, 3, 16, 3])}
    scalars = {"learning_rate": 0.5, "step": 1, "seed": 3, SHARE: 1.0, SAMPLES: 4.0, WHOLE: 4.0}
    plain, shared = training_step(network, ALONE), training_step(network, TOGETHER, shared=True)
    verify(shared)
    state = {s.name: random.uniform(0.5, 1, s.param.shape) for s in plain.slots}
    expected, found = (interpret(step, data, 4, state, scalars) for step in (plain, shared))
    assert found.outputs["loss"] == pytest.approx(expected.outputs["loss"], rel=1e-12)
    for name, array in expected.state.items():
        np.testing.assert_allclose(found.state[name], array, rtol=1e-9, atol=1e-12, err_msg=name)


def test_convolutions_still_gather_the_moments(plan: Plan) -> None:
    nodes = [step.node for step in plan.steps]
    given = [node.attrs.given for node in nodes if node.op.name == "batch_norm.moments"]
    assert given == [True, True]
    assert any(node.epilogue and node.epilogue.low == 0 for node in nodes if node.op.name == "batch_norm.synchronized")


def test_sums_that_are_waited_for_at_once_do_not_take_gradients_with_them(plan: Plan) -> None:
    steps = plan.steps
    found = buckets(steps, lambda name: 4, 1 << 20, True)
    per_update = {s.node.output.name: s.node.attrs.per_update for s in steps if s.node.op.name == EXCHANGE}
    kinds = [{per_update[name] for name in bucket.names} for bucket in found]
    assert kinds == [{False}] * 6 + [{True}]  # of two layers each the means, the rest of the moments, the gradient's
    assert all(bucket.sent == bucket.needed for bucket in found)


@pytest.mark.parametrize("written", [True, False])
def test_the_key_is_a_flag(written: bool) -> None:
    text = "netspec: 1\ninput: [4]\nlayers: [{{dense: 2}}]\ntrain: {{sync_batch_norm: {}}}\n"
    assert load_spec(Source("s.yaml", text.format(str(written).lower()))).recipe == Recipe(sync_batch_norm=written)
    with pytest.raises(SpecError, match="sync_batch_norm"):
        load_spec(Source("s.yaml", text.format("perhaps")))
