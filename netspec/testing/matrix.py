"""Which op has a kernel on which backend, forward and backward: worked out from the registry, nothing kept by hand.

An op is run as the ops that the passes make of it; those are found by making its cases into graphs, as in conformance
tests. What a backend has for each of them, it says itself (:meth:`netspec.backend.Backend.kernel`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple, Protocol

from netspec.analysis.pages.markup import GENERATED, code, table
from netspec.core.declare import REGISTRIES, Declaration
from netspec.testing.cases import cases, is_optional
from netspec.testing.trials import Trial, inference_trial, training_trial

UNDECLARED = "undeclared"

_ABOUT = f"""\
Which backend can run which layer, and its gradient. A kernel is *written* by hand or *generated* from the expression of
its op; a layer that is run as several ops has what each of them has. Every definition, every gradient and every kernel
is proved by the conformance tests. An op of which a backend says nothing is *{UNDECLARED}*, and fails the tests."""


class Provider(Protocol):
    """What is asked of a backend."""

    @property
    def name(self) -> str:
        """What it is called."""

    def kernel(self, op: str) -> str | None:
        """``written``, ``generated`` or ``missing``; None where the backend does not know of the op."""


class Row(NamedTuple):
    """A public op with the ops that it is run as, in either direction."""

    op: str
    forward: frozenset[str]
    backward: frozenset[str]


@cache
def rows() -> tuple[Row, ...]:
    """The public ops, by name."""
    return tuple(_row(declaration) for declaration in REGISTRIES["op"].public())


def kernels() -> tuple[str, ...]:
    """Every op that each backend is given: all but those that the passes replace by others, those that they make for
    targets that ask for them, and the loss of the tests."""
    return tuple(d.name for d in REGISTRIES["op"].all() if reaches_backends(d))


def reaches_backends(declaration: Declaration) -> bool:
    """Whether the op is left when a network is lowered and brought into either of its forms."""
    replaced = declaration.has("lower") or (declaration.has("training") and declaration.has("inference"))
    return not replaced and not is_optional(declaration) and not declaration.module.startswith("netspec.testing")


def undeclared(provider: Provider) -> tuple[str, ...]:
    """Ops of which the backend does not say whether it has a kernel."""
    return tuple(op for op in kernels() if provider.kernel(op) is None)


def matrix_page(providers: Sequence[Provider]) -> str:
    """The page in Markdown."""
    head = ["layer", *(f"{p.name}, {way}" for p in providers for way in ("forward", "gradient"))]
    layers = [(f"[{code(row.op)}](ops/{row.op}.md)", *_cells(row, providers)) for row in rows()]
    single = [(code(op), *(p.kernel(op) or UNDECLARED for p in providers)) for op in kernels()]
    sections = (
        GENERATED,
        "# Kernels",
        _ABOUT,
        "## Layers",
        table(head, layers),
        "## Single ops",
        "All that a backend is given, with what training adds: gradients, losses, updates.",
        table(["op", *(p.name for p in providers)], single),
    )
    return "\n\n".join(sections) + "\n"


def _row(declaration: Declaration) -> Row:
    forward: set[str] = set()
    backward: set[str] = set()
    for case in cases(declaration):
        trained = training_trial(case)
        forward |= _ops(inference_trial(case), "forward") | _ops(trained, "forward", "update")
        backward |= _ops(trained, "backward")
    return Row(declaration.name, frozenset(forward), frozenset(backward))


def _ops(trial: Trial, *regions: str) -> set[str]:
    return {node.op.name for node in trial.graph if node.region in regions}


def _cells(row: Row, providers: Sequence[Provider]) -> Iterator[str]:
    for provider in providers:
        for ops in (row.forward, row.backward):
            yield _cell({op: provider.kernel(op) or UNDECLARED for op in sorted(ops)})


def _cell(states: Mapping[str, str]) -> str:
    """One word where all agree; nothing to do is nothing to lack."""
    if not states:
        return "none needed"
    return ", ".join(sorted(set(states.values())))
