"""Something that `expect:` says is not so.

`expect:` is a spec's own test: shapes, parameters and multiply-accumulates that must come out. Take the numbers from
the paper, not from `netspec summary`, and the linter proves that the spec is the paper's network.

Fails:

    netspec: 1
    input: [4]
    layers:
      - dense: 3
    expect:
      params: 12

Passes:

    netspec: 1
    input: [4]
    layers:
      - dense: 3
    expect:
      params: 15
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.formulas import times
from netspec.diagnostics.model import Diagnostic
from netspec.lint.engine import Facts, rule
from netspec.syntax.spec import Expectation


@rule("NS209")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at each expectation that does not hold; silent while parts of the network are unknown."""
    if not facts.complete:
        return
    for expected in facts.spec.expectations:
        found = _total(facts, expected) if expected.kind == "total" else _shape(facts, expected)
        if found is not None:
            wanted, actual = found
            fields = {"subject": expected.subject, "expected": wanted, "found": actual}
            yield Diagnostic("NS209", expected.span, fields)


def _total(facts: Facts, expected: Expectation) -> tuple[str, str] | None:
    actual = getattr(facts.cost, expected.subject)
    low, high = expected.minimum, expected.maximum
    if (low is None or actual >= low) and (high is None or actual <= high):
        return None
    if low == high:
        return f"{low:,}", f"{actual:,}"
    return (f"at least {low:,}" if high is None or (low is not None and actual < low) else f"at most {high:,}", f"{actual:,}")


def _shape(facts: Facts, expected: Expectation) -> tuple[str, str] | None:
    assert expected.shape is not None
    if expected.kind == "output":
        value = facts.graph.heads.get(expected.subject)
    else:
        value = next((line.output for line in facts.spec.layers if line.path == expected.subject), None)
    actual = times(value.type.shape) if value is not None else "no such layer"
    wanted = times(expected.shape)
    return None if actual == wanted else (wanted, actual)
