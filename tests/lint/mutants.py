"""Specs of the zoo with something broken in them, and a program that lints a range of them within bounds.

``python tests/lint/mutants.py FIRST LAST`` prints as JSON what went wrong, the slowest mutant, the peak of memory.
Mutant number n is the same on every machine.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ZOO = sorted((Path(__file__).resolve().parents[2] / "specs").rglob("*.yaml"))
SECONDS = 2.0
"""CPU time that the answer to one mutant may take."""
LAYERS = 5_000
"""Layers that a mutant may expand to, as by ``--max-layers``; each takes its time, and so many are no mistake."""
MEGABYTES = 500
"""Memory that the process may have held at its peak."""
_ADDRESS_SPACE = 4 * 2**30
"""What keeps a mutant from taking the machine with it; a MemoryError is a failure like any other."""

Random = random.Random

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 3, 7, 1000, 10**6, 10**12, 10**80, -(10**80), 0.5, -0.0, 1e308, 1e-320),
    *(float("nan"), float("inf"), "", " ", "no", "same", "valid", "3x3", "$", "$$", "$x", "$(", "$(9**9**9)", "$(1/0)"),
    *(
        "$(channels)",
        "$(i)",
        "$(1 if",
        "input",
        "main",
        "relu",
        "conv",
        "\u202e\x85\u2028",
        "a" * 5000,
        "🙂",
        "!!python/name:os",
    ),
    *([], {}, [[]], [None], [1, 2, 3, 4, 5], {"": ""}, {"relu": None}, [{"layers": []}], {"conv": {"filters": 1}}),
)
KEYS = (
    *(
        "netspec",
        "name",
        "from",
        "when",
        "repeat",
        "share",
        "freeze",
        "init",
        "layers",
        "blocks",
        "vars",
        "args",
        "doc",
    ),
    *("input", "inputs", "heads", "train", "expect", "extends", "include", "dialect", "conv", "add", "concat", "dense"),
    *(
        "filters",
        "kernel",
        "stride",
        "padding",
        "loss",
        "data",
        "lr",
        "output",
        "shapes",
        "params",
        "",
        "$x",
        "i",
        "channels",
    ),
)
CHARACTERS = "\t\r\n {}[]:,-#&*!|>'\"%@`$()\\~?\x00\x07\x85\ufeff\u2028é𝄞0129aZ"


def mutant(number: int) -> tuple[str, bytes]:
    """The name of a spec and its text, with one to three things broken."""
    path = ZOO[number % len(ZOO)]
    rng = Random(number)
    data = path.read_bytes()
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(MUTATIONS)(data, rng)
    return path.name, data


def _bytes(data: bytes, rng: Random) -> bytes:
    """A few bytes are other ones, gone, or there twice."""
    start = rng.randrange(len(data) + 1)
    end = min(len(data), start + rng.choice((0, 1, 1, 2, 5, 40)))
    new = rng.choice((b"", bytes(rng.randrange(256) for _ in range(rng.randrange(4))), data[start:end] * 2))
    return data[:start] + new + data[end:]


def _characters(data: bytes, rng: Random) -> bytes:
    """A character that means something, anywhere."""
    text = data.decode("utf-8", "replace")
    start = rng.randrange(len(text) + 1)
    return (
        text[:start] + rng.choice(CHARACTERS) * rng.choice((1, 1, 1, 2, 200)) + text[start + rng.randrange(2) :]
    ).encode()


def _lines(data: bytes, rng: Random) -> bytes:
    """A line is gone, there twice, elsewhere, or indented otherwise."""
    lines = data.split(b"\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(6)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(other, lines[at])
    elif kind == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 3:
        lines[at] = b" " * rng.randrange(1, 5) + lines[at]
    elif kind == 4:
        lines[at] = lines[at].removeprefix(b"  ")
    else:
        lines = lines[:at]
    return b"\n".join(lines)


def _nodes(data: bytes, rng: Random) -> bytes:
    """A value, or a key, is another one, gone, or a copy of one from elsewhere."""
    try:
        root = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeError, ValueError):
        return _lines(data, rng)
    places = list(_places(root))
    if not places:
        return data
    holder, key = rng.choice(places)
    kind = rng.randrange(5)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        holder[key] = rng.choice(VALUES)
    elif kind == 2:
        other, elsewhere = rng.choice(places)
        holder[key] = yaml.safe_load(yaml.safe_dump(other[elsewhere]))
    elif kind == 3 and isinstance(holder, dict):
        holder[rng.choice(KEYS)] = holder.pop(key) if rng.random() < 0.5 else rng.choice(VALUES)
    else:
        holder[key] = rng.choice(([holder[key]], {rng.choice(KEYS): holder[key]}, str(holder[key])[:200]))
    return yaml.safe_dump(root, sort_keys=False, allow_unicode=True).encode("utf-8", "replace")


def _types(data: bytes, rng: Random) -> bytes:
    """A word of the text stands for another kind of value."""
    text = data.decode("utf-8", "replace")
    words = [(i, len(word)) for word in set(text.split()) for i in [text.find(word)] if i >= 0]
    if not words:
        return data
    start, length = rng.choice(sorted(words))
    value = json.dumps(rng.choice(VALUES)) if rng.random() < 0.7 else str(rng.choice(VALUES))
    return (text[:start] + value + text[start + length :]).encode("utf-8", "replace")


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Each value with what holds it."""
    inner = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    return [place for key, value in inner for place in [(node, key), *_places(value)]]


MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (_bytes, _characters, _lines, _nodes, _nodes, _types)


def peak_megabytes() -> float:
    """The most memory that this program has held. Not ru_maxrss, which starts from what the parent process held."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def examine_range(first: int, last: int) -> dict[str, object]:
    """What came of the mutants from ``first`` to before ``last``."""
    from netspec.cli.lint_formats import render
    from netspec.diagnostics import Diagnostic
    from netspec.diagnostics.render import render_text
    from netspec.lint.many import Job, lint_source
    from netspec.syntax.load import ReadOptions
    from netspec.syntax.source import decode_source

    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    failures: list[str] = []
    slowest, codes = (0.0, -1), set[str]()
    job = Job(options=ReadOptions(layer_limit=LAYERS), plugins=False)
    for number in range(first, last):
        name, data = mutant(number)
        start = time.process_time()
        try:
            source = decode_source(str(ZOO[0].parent / name), data)
            if not isinstance(source, Diagnostic):
                outcome = lint_source(source, job._replace(mend=number % 10 == 0, unsafe=number % 20 == 0))
                found = list(outcome.diagnostics)
                codes.update(diagnostic.code for diagnostic in found)
                render_text(found, outcome.texts, color=False)
                for format_ in ("json", "sarif", "junit", "github"):
                    render(found, [source.name], format_, False)
        except Exception:  # that there is none, of whatever kind, is what is examined
            failures.append(f"mutant {number} of {name}: {traceback.format_exc(limit=-4)}")
        seconds = time.process_time() - start
        slowest = max(slowest, (seconds, number))
        if seconds > SECONDS:
            failures.append(f"mutant {number} of {name} took {seconds:.1f} s")
    peak = peak_megabytes()
    if peak > MEGABYTES:
        failures.append(f"{peak:.0f} MB were held at the peak")
    return {"failures": failures, "slowest": slowest, "peak": peak, "codes": sorted(codes)}


if __name__ == "__main__":
    print(json.dumps(examine_range(int(sys.argv[1]), int(sys.argv[2]))))
