"""Whatever a file holds, it is read or refused: nothing of it makes netspec fail."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from netspec.diagnostics import SpecError
from netspec.diagnostics.render import render_text
from netspec.lint.engine import lint
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source

BRANCHES = """\
netspec: 1
vars: {width: 4}
input: [8, 8, 3]
layers:
  - layers:
      - conv: {filters: $width, kernel: 3, padding: same}
      - relu
    name: stem
  - add:
      body:
        - conv: {filters: $(channels), kernel: 3, padding: same}
        - add: [[relu], []]
      shortcut: []
  - concat: {axis: channels, a: [relu], b: []}
  - add:
    from: [stem/conv, add/body/conv]
  - flatten
  - dense: 3
"""

PIECES = (
    *("null", "-1", "0", "1.5", "true", "~", "foo", ".nan", ".inf", "99999999999999", "1e400"),
    *("[]", "{}", "[1, [2]]", "{a: 1}", "[[[]]]", "{conv: 3}", "{relu: {}}", "[relu]", "- relu"),
    *("$x", "$width", "$channels", "$(1/0)", '"$("', "$(channels)", "layers", "from", "name", "input", "conv"),
)


def changed(text: str, numbers: random.Random) -> str:
    """The text with one word replaced, left out or swapped, or one line indented otherwise or swapped."""
    words = re.split(r"([\w$.]+)", text)
    places = range(1, len(words), 2)
    lines = text.split("\n")
    one, other = numbers.randrange(len(lines)), numbers.randrange(len(lines))
    kind = numbers.random()
    if kind < 0.5:
        words[numbers.choice(places)] = numbers.choice(PIECES)
    elif kind < 0.7:
        words[numbers.choice(places)] = words[numbers.choice(places)]
    elif kind < 0.8:
        words[numbers.choice(places)] = ""
    elif kind < 0.9:
        lines[one] = "  " * numbers.randint(0, 4) + lines[one].strip()
        return "\n".join(lines)
    else:
        lines[one], lines[other] = lines[other], lines[one]
        return "\n".join(lines)
    return "".join(words)


@pytest.mark.parametrize("first", range(0, 600, 100))
def test_it_is_read_or_refused(first: int, repository: Path) -> None:
    lenet = re.sub(r" *#.*", "", (repository / "specs" / "lenet5.yaml").read_text(encoding="utf-8"))
    for seed in range(first, first + 100):
        numbers = random.Random(seed)
        text = numbers.choice([lenet, BRANCHES])
        for _ in range(numbers.randint(1, 4)):
            text = changed(text, numbers)
        source = Source("spec.yaml", text)
        found = lint(source)
        assert render_text(found, {"spec.yaml": text}).count("spec.yaml:") >= len(found)
        if any(d.severity == "error" and d.code not in ("NS207", "NS208", "NS209", "NS501") for d in found):
            with pytest.raises(SpecError):
                load_spec(source)
        else:
            load_spec(source)
