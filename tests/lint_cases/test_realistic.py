"""A hundred mistakes as people make them, written before the rules were looked at: are they told, and where they are?

``python tests/lint_cases/test_realistic.py`` prints what lint says of each, to be read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Report, examine
from netspec.syntax.source import Source

CASES = sorted((Path(__file__).parent / "realistic").glob("*.yaml"))
EXPECTED = re.compile(r"# mistake: line (?P<lines>[0-9 or]+) \((?P<words>[^)]+)\): .+")

KNOWN_MISSES = {
    "sigmoid_deep": "told at the first of the sigmoids, which hardly learns; expected at the last, which does the harm",
    "vgg_padding_forgotten": "told at the pooling, which is the first that does not fit; expected at a convolution",
}
"""Cases that are told on another line than was expected, and why it stays so."""

FURTHER = {
    "alexnet_11x11_lost": {"NS306"},  # the pooling behind it loses a column as well
    "keras_activation_argument": set[str](),
    "two_inputs_no_from": set[str](),
    "conv_after_flatten": set[str](),
    "three_means_for_grey": set[str](),
    "cifar_channels_first": set[str](),
    "include_forgotten": {"NS104"},  # its second use
    "unet_odd_side": {"NS306"},  # the pooling that halves 25
    "skip_other_stride": set[str](),
    "vgg_padding_forgotten": {"NS117", "NS201"},  # an argument that was copied and not used, and the pooling
    "stride_too_large": set[str](),
}
"""Codes of errors and warnings that a case gives beside its mistake: each is true. All other cases give none."""


class Mistake(NamedTuple):
    """One line of expectation: the lines that count, and words of which one must be told."""

    lines: tuple[int, ...]
    words: tuple[str, ...]

    def told_by(self, diagnostic: Diagnostic) -> bool:
        """Whether the finding speaks of it, at its place."""
        parts = (diagnostic.message, diagnostic.formula, diagnostic.help_text, *(n.text for n in diagnostic.notes))
        text = " ".join(part for part in parts if part).lower()
        return diagnostic.span.line in self.lines and any(word.lower() in text for word in self.words)


def mistakes(text: str) -> list[Mistake]:
    """What the head of a case says."""
    heads = (EXPECTED.fullmatch(line) for line in text.splitlines())
    return [
        Mistake(tuple(map(int, head["lines"].split(" or "))), tuple(head["words"].split("|"))) for head in heads if head
    ]


def report(path: Path) -> Report:
    return examine(Source(str(path), path.read_text(encoding="utf-8")))


def test_there_are_a_hundred() -> None:
    assert len(CASES) == 100
    assert set(FURTHER) | set(KNOWN_MISSES) <= {path.stem for path in CASES}
    assert len(KNOWN_MISSES) <= 5


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_mistake_is_told_where_it_is_and_nothing_else(path: Path) -> None:
    expected = mistakes(path.read_text(encoding="utf-8"))
    assert expected
    found = report(path).diagnostics
    told = all(any(mistake.told_by(d) for d in found) for mistake in expected)
    assert told != (path.stem in KNOWN_MISSES)
    lines = {line for mistake in expected for line in mistake.lines}
    others = {d.code for d in found if d.severity != "info" and d.span.line not in lines}
    assert others == FURTHER.get(path.stem, set())


if __name__ == "__main__":
    from netspec.diagnostics.render import render_text

    for case in CASES:
        shown = report(case)
        print(f"\n===== {case.stem}\n{render_text(shown.diagnostics, shown.texts, color=False)}")
