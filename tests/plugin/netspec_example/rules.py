"""A gate that is squeezed to a single number can hardly tell its channels apart.

Fails:

    netspec: 1
    input: [8, 8, 4]
    layers:
      - squeeze_excite: 4

Passes:

    netspec: 1
    input: [8, 8, 4]
    layers:
      - squeeze_excite: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.diagnostics.catalogue import Entry, register
from netspec.lint.engine import Facts, layers, rule

register(
    "EX101",
    Entry(
        "warning",
        "gate of one number",
        "'{layer}' squeezes {channels} channels to one number",
        "a ratio below {channels} leaves more",
    ),
)


@rule("EX101")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the ratio."""
    for node in layers(facts):
        channels = node.output.type.channels
        if node.op.name == "squeeze_excite" and node.attrs.squeezed(node.data[0].type) == 1 and channels > 1:
            yield Diagnostic("EX101", facts.place(node, "ratio"), {"layer": node.path, "channels": channels})
