"""The matrix of kernels: no cell is left open, and the backends keep what they say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from netspec.core.declare import REGISTRIES
from netspec.testing.matrix import UNDECLARED, kernels, matrix_page, rows, undeclared
from netspec_cupy.backend import CupyBackend
from netspec_numba.backend import NumbaBackend
from netspec_numba.kernels import find

BACKENDS = (NumbaBackend(), CupyBackend())


@dataclass(frozen=True)
class Half:
    """Says of one op that it has a kernel, of all others nothing."""

    name: str = "half"
    states: dict[str, str] = field(default_factory=lambda: {"conv": "written"})

    def kernel(self, op: str) -> str | None:
        return self.states.get(op)


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
def test_every_cell_is_declared(backend: Any) -> None:
    assert undeclared(backend) == ()


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
def test_a_backend_speaks_only_of_what_there_is(backend: Any) -> None:
    assert backend.kernel("no_such.op") is None


def test_what_numba_says_it_has_is_there() -> None:
    for op in kernels():
        assert NumbaBackend().kernel(op) in ("written", "generated")
        assert find(REGISTRIES["op"][op].make.__new__(REGISTRIES["op"][op].make)).build


def test_an_open_cell_is_found_and_shown() -> None:
    assert set(undeclared(Half())) == set(kernels()) - {"conv"}
    lines = {line.split("|")[1].strip(): line for line in matrix_page((Half(),)).splitlines() if line.startswith("| [")}
    assert lines["[`conv`](ops/conv.md)"].endswith(f"| written | {UNDECLARED} |")
    assert lines["[`depthwise_conv`](ops/depthwise_conv.md)"].endswith(f"| written | {UNDECLARED} |")
    assert lines["[`identity`](ops/identity.md)"].endswith("| none needed | none needed |")


def test_every_public_op_has_a_row() -> None:
    assert [row.op for row in rows()] == [declaration.name for declaration in REGISTRIES["op"].public()]
