"""The engine: order, plug-ins, and time that grows with the length of the spec and no faster."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from netspec.lint import engine
from netspec.lint.engine import lint, load_rules, rule
from netspec.syntax.source import Source


def test_findings_are_in_the_order_of_the_file() -> None:
    text = "netspec: 1\nvars: {idle: 1}\ninput: [9, 9, 3]\nlayers:\n  - max_pool: 2\n  - cnov: 3\n  - relu\n  - relu\n"
    spans = [d.span for d in lint(Source("spec.yaml", text))]
    assert spans == sorted(spans)
    assert len(spans) == 5


def test_a_text_that_is_no_yaml_is_one_finding() -> None:
    assert [d.code for d in lint(Source("spec.yaml", "a: [1"))] == ["NS001"]


def test_rules_have_codes_of_the_catalogue_in_order() -> None:
    assert list(load_rules(plugins=False)) == sorted(load_rules(plugins=False))


def test_two_rules_for_one_code_are_refused() -> None:
    code = next(iter(load_rules(plugins=False)))
    with pytest.raises(ValueError, match=f"two rules for {code}"):
        rule(code)(lambda facts: [])
    assert engine.RULES[code].page


def seconds(text: str) -> float:
    """The least of three runs."""
    times = []
    for _ in range(3):
        start = time.process_time()
        assert not [d for d in lint(Source("spec.yaml", text)) if d.severity == "error"]
        times.append(time.process_time() - start)
    return min(times)


def flat(count: int) -> str:
    lines = ["netspec: 1", "vars: {width: 16}", "input: [32, 32, 3]", "layers:"]
    for number in range(count // 2):
        name = f"\n    name: layer{number}" if number % 3 == 0 else ""
        lines += [f"  - conv: {{filters: $width, kernel: 3, padding: same}}{name}", "  - relu"]
    return "\n".join(lines)


def residual(count: int) -> str:
    lines = ["netspec: 1", "input: [8, 8, 4]", "layers:"]
    for _ in range(count // 3):
        lines += ["  - add: {body: [{conv: {filters: 4, kernel: 1}}], rest: []}", "  - relu"]
    lines += ["expect:", "  shapes:"]
    lines += [f"    add{number}/body/conv: [8, 8, 4]" for number in range(2, count // 3)]
    return "\n".join(lines)


def skipping(count: int) -> str:
    lines = ["netspec: 1", "input: [8, 8, 4]", "layers:"]
    for number in range(count // 2):
        lines += [f"  - relu:\n    name: a{number}", f"  - add:\n    from: [a{number}, {f'a{number // 2}'}]"]
    return "\n".join(lines)


@pytest.mark.parametrize("make", [flat, residual, skipping])
def test_time_is_linear(make: Callable[[int], str]) -> None:
    """Four times the layers take four times as long; a quadratic part that counts would make it ten times and more."""
    small, large = seconds(make(1_000)), seconds(make(4_000))
    assert large < 8 * small


def test_ten_thousand_layers_take_less_than_three_seconds(tmp_path: Path) -> None:
    """The whole command, in a process of its own: here a tracer may count lines, which takes longer than the lint."""
    path = tmp_path / "large.yaml"
    path.write_text(flat(10_000), encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "netspec", "lint", "--format", "concise", str(path)], capture_output=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert b"error" not in done.stdout + done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3
