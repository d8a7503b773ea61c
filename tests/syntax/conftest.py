"""Ways to read a spec from a text and to look at what was found in it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.syntax.load import read_spec
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec

HEAD = "netspec: 1\ninput: [28, 28, 1]\n"


class Reading(NamedTuple):
    """A spec as far as it was understood, and what was found, in the order of the file."""

    spec: Spec | None
    found: tuple[Diagnostic, ...]
    text: str

    @property
    def codes(self) -> list[str]:
        return [diagnostic.code for diagnostic in self.found]

    @property
    def marked(self) -> list[str]:
        """The text that each finding points at."""
        lines = self.text.split("\n")
        return [lines[d.span.line - 1][d.span.column - 1 : d.span.end_column - 1] for d in self.found]

    @property
    def messages(self) -> list[str]:
        return [diagnostic.message for diagnostic in self.found]

    @property
    def helps(self) -> list[str | None]:
        return [diagnostic.help_text for diagnostic in self.found]

    @property
    def network(self) -> Spec:
        """The spec, which was read without any finding."""
        assert self.codes == [], self.messages
        assert self.spec is not None
        return self.spec

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The output shape of each layer of the graph, by path."""
        assert self.spec is not None
        return {node.path: node.output.type.shape for node in self.spec.graph.nodes}


Read = Callable[..., Reading]


@pytest.fixture
def read_layers(read: Read) -> Read:
    """``read_layers(text, shape)``: a spec of this input shape with these layers, each line indented as it is."""

    def reading(text: str, shape: str = "[28, 28, 1]") -> Reading:
        return read(f"input: {shape}\nlayers:\n{textwrap.indent(textwrap.dedent(text).strip(), '  ')}\n")

    return reading


@pytest.fixture
def read() -> Read:
    """``read(text, overrides)``: a text without the version line gets one, and an input of 28x28x1 if it has none."""

    def reading(text: str, overrides: Sequence[str] = ()) -> Reading:
        if "netspec:" not in text:
            text = (HEAD if "input:" not in text else "netspec: 1\n") + text
        diagnostics = Diagnostics()
        spec = read_spec(Source("spec.yaml", text), overrides, diagnostics)
        return Reading(spec, diagnostics.sorted(), text)

    return reading
