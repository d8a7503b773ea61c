"""A small spec for every declaration, which its page shows and a test lints and runs: images of 8x8, ten classes."""

from __future__ import annotations

import textwrap

from netspec.core.declare import Declaration
from netspec.core.graph import Graph
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source

_SHAPE = (8, 8, 1)
_BEFORE = "- conv: {filters: 8, kernel: 3}\n"
_USUAL = {"data": "digits", "validation": "0.1", "preprocess": "[divide: 255]"}
_KEYS = {"loss": "loss", "optimizer": "optimizer", "schedule": "lr", "source": "data"}
"""Key of ``train:`` for the kinds of which there is one at a time."""


def example_spec(declaration: Declaration) -> str:
    """A whole spec in YAML that uses the declaration, an op, a loss, a source or whatever it is."""
    if declaration.kind == "op":
        layers, train = _op_layers(declaration), _USUAL
    elif declaration.kind == "initializer":
        layers, train = f"{example_lines(declaration)}\n- relu\n", _USUAL
    else:
        layers, (key, value) = f"{_BEFORE}- relu\n", example_lines(declaration).split(": ", 1)
        train = {**_USUAL, key: value}
    head = _head(getattr(declaration.make, "image_shape", _SHAPE))  # that of a source whose images have only one
    body = textwrap.indent(layers + _ending(head, layers), "  ")
    return head + body + "train:\n" + "".join(f"  {key}: {value}\n" for key, value in train.items())


def example_lines(declaration: Declaration) -> str:
    """The lines of the example that are about the declaration: layers, or one key of ``train:``."""
    name = declaration.name
    use = f"{name}: {declaration.example}" if declaration.example else name
    match declaration.kind:
        case "op":
            return _op_layers(declaration).rstrip()
        case "initializer":
            flow = f"{{{use}}}" if declaration.example else use
            return f"- conv: {{filters: 1, kernel: 3, bias: false}}\n  init: {flow}"
        case "metric":
            return f"metrics: [{use}]"
        case "transform":
            return f"preprocess: [{use}]"
        case "augmentation":
            return f"augment: [{use}]"
        case "option":
            return use
    return f"{_KEYS[declaration.kind]}: {f'{{{use}}}' if declaration.example else use}"


def example_graph(declaration: Declaration) -> Graph:
    """The network of the example."""
    return _graph(example_spec(declaration))


def _op_layers(declaration: Declaration) -> str:
    return f"{declaration.example or _BEFORE + '- ' + declaration.name}\n"


def _head(shape: tuple[int, ...]) -> str:
    return f"netspec: 1\ninput: {list(shape)}\nlayers:\n"


def _ending(head: str, layers: str) -> str:
    """What makes ten numbers of the last layer."""
    (last,) = _graph(head + textwrap.indent(layers, "  ")).heads.values()
    return "- flatten\n- dense: 10\n" if last.type.spatial else "- dense: 10\n"


def _graph(text: str) -> Graph:
    return load_spec(Source("<example>", text)).graph
