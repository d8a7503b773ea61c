"""What must be true of every declaration, whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netspec.core import op as ops
from netspec.core.attributes import KINDS
from netspec.core.declare import REGISTRIES, Declaration
from netspec.plan import make_plan
from netspec.testing import (
    Trial,
    all_cases,
    byte_trials,
    inference_trial,
    network_trials,
    optional_cases,
    training_trial,
)
from netspec.testing.matrix import kernels

OPS = tuple(REGISTRIES["op"].all())
DECLARATIONS = tuple(declaration for registry in REGISTRIES.values() for declaration in registry.all())


def trials() -> Iterator[Trial]:
    for case in all_cases():
        yield inference_trial(case)
        yield training_trial(case)
    yield from map(inference_trial, optional_cases())
    yield from network_trials()
    yield from byte_trials()


@pytest.mark.parametrize("declaration", OPS, ids=lambda d: d.name)
def test_op_has_a_definition(declaration: Declaration) -> None:
    assert declaration.has("infer")
    assert declaration.has("expressions") or callable(ops.reference(declaration))


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=lambda d: f"{d.kind} {d.name}")
def test_declaration_is_documented(declaration: Declaration) -> None:
    assert declaration.doc.strip()
    for attribute in declaration.attributes:
        assert attribute.doc.strip(), attribute.name


@pytest.mark.parametrize("declaration", [d for d in DECLARATIONS if d.public], ids=lambda d: f"{d.kind} {d.name}")
def test_public_attributes_can_be_written(declaration: Declaration) -> None:
    for attribute in declaration.attributes:
        assert attribute.kind in KINDS
        assert attribute.schema()["title"]
    if declaration.main is not None:
        assert declaration.attribute(declaration.main) is not None


def test_every_op_has_a_case_and_a_numba_kernel() -> None:
    from netspec_numba.backend import NumbaBackend
    from netspec_numba.kernels import find

    target = NumbaBackend().target(2)
    planned = {}
    for trial in trials():
        for step in make_plan(trial.graph, target, trial.batch, trial.mode).steps:
            planned[step.node.op.name] = step.node.attrs
    assert set(planned) == {*kernels(), *(case.attrs.declaration.name for case in optional_cases())}
    for attrs in planned.values():
        assert find(attrs)


def test_trials_have_names_of_their_own() -> None:
    names = [trial.name for trial in trials()]
    assert len(names) == len(set(names))
