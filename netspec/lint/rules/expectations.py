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
from netspec.diagnostics import Diagnostic
from netspec.diagnostics.severity import Severity
from netspec.lint.engine import Facts, rule
from netspec.syntax.spec import Expectation

MEMORY = ("memory_train_bytes", "memory_infer_bytes")


@rule("NS209")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at each expectation that does not hold; silent on what is unknown or guessed after a mistake."""
    for expected in facts.spec.expectations:
        fields = _total(facts, expected) if expected.kind in ("total", "train_only") else _shape(facts, expected)
        if fields is not None:
            # What a spec says of itself holds as it is written: another width, set for once, is no mistake.
            changed = any(not override.startswith("train.") for override in facts.spec.overrides)
            what = f"train_only {expected.subject}" if expected.kind == "train_only" else expected.subject
            severity: Severity | None = "info" if changed else None
            yield Diagnostic("NS209", expected.span, {"what": what, **fields}, severity_override=severity)


def _total(facts: Facts, expected: Expectation) -> dict[str, object] | None:
    if not facts.spec.complete:
        return None
    if expected.subject in MEMORY:
        actual = facts.memory[expected.subject]
    else:
        cost = facts.cost
        actual = getattr(cost.train_only if expected.kind == "train_only" else cost.totals, expected.subject)
    low, high = expected.minimum, expected.maximum
    found: dict[str, object] = {"found": f"{actual:,}"}
    if low is not None and low == high:
        return None if actual == low else found | {"expected": f"{low:,}"}
    if low is not None and actual < low:
        return found | {"minimum": f"{low:,}"}
    return found | {"maximum": f"{high:,}"} if high is not None and actual > high else None


def _shape(facts: Facts, expected: Expectation) -> dict[str, object] | None:
    assert expected.shape is not None
    wanted = times(expected.shape)
    if expected.kind == "shape" and expected.subject not in facts.lines:
        from netspec.syntax.suggestions import closest

        guess = closest(expected.subject, facts.lines)
        if guess is None and not facts.spec.complete:
            return None  # it may be a layer that could not be read
        return {"expected": wanted, "found": "not a layer of this network", "suggestion": guess}
    value = facts.graph.heads.get(expected.subject) if expected.kind == "output" else facts.lines[expected.subject]
    if value is None or value in facts.spec.guessed or value.type.shape == expected.shape:
        return None
    return {"expected": wanted, "found": times(value.type.shape)}
