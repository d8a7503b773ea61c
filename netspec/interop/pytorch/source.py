"""The source of a module that is a network: what a PyTorch user would have written, with the weights' names kept.

Images are channels first. While training the module returns what losses take (logits, and auxiliary heads too), else
what netspec predicts (probabilities).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from netspec import __version__
from netspec.core.graph import Graph, Node, Value
from netspec.declarations.recipe import Recipe
from netspec.interop.forms import NoFormError, find, refusal
from netspec.interop.pytorch import layers, shapes
from netspec.interop.pytorch.names import Names, class_name
from netspec.interop.pytorch.writer import FORMS, HELPERS, Writer
from netspec.interop.tensors import Array, Exchanged
from netspec.passes.step import main_part

FORM_MODULES = (layers, shapes)
"""What enters forms into the table."""
PREDICTED = {"softmax": "F.softmax({x}, dim=1)", "sigmoid": "torch.sigmoid({x})"}
"""What predictions end in where the loss is taken of logits."""


@dataclass(frozen=True, slots=True)
class TorchSource:
    """The text of a Python file, the class in it, and its tensors in the order of the network."""

    text: str
    class_name: str
    tensors: tuple[Exchanged, ...]

    def state(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """The arrays of the module's ``state_dict``, all of them, made of netspec's weights."""
        return {tensor.name: tensor.array(weights) for tensor in self.tensors}


def torch_source(graph: Graph, recipe: Recipe) -> TorchSource:
    """The network as a module; a SpecError at the first layer that PyTorch has no form of."""
    writer, body = Writer(graph), _Body(graph, recipe)
    lines = _forward(writer, body)
    name = class_name(graph.name)
    helpers = "".join(f"\n{HELPERS[helper]}\n" for helper in sorted(writer.helpers))
    arguments = ", ".join(f"{body.local(value)}: Tensor" for value in graph.inputs)
    text = (
        f'"""{_docstring(graph, name)}"""\n\n'
        "from __future__ import annotations\n\n"
        "import torch\nimport torch.nn.functional as F\nfrom torch import Tensor, nn\n"
        f"{helpers}\n\nclass {name}(nn.Module):\n"
        f"    def __init__(self) -> None:\n        super().__init__()\n{_indented(writer.init, 2)}\n"
        f"    def forward(self, {arguments}) -> {_returns(body)}:\n{_indented(lines, 2)}"
    )
    return TorchSource(text, name, tuple(writer.tensors))


def _docstring(graph: Graph, name: str) -> str:
    plain = re.sub(r"[^\w .-]", "_", graph.name)
    inputs = ", ".join("x".join(map(str, ("N", *_first(value)))) for value in graph.inputs)
    return (
        f"The network {plain} for PyTorch, written by netspec {__version__}.\n\n"
        f"    net = {name}()\n"
        "    net.load_state_dict(safetensors.torch.load_file(FILE))  # the .safetensors beside this file\n\n"
        f"It takes {inputs}, channels first, as the first layer sees it: after preprocessing. While\n"
        "training it returns what its losses take, otherwise what is predicted.\n"
    )


def _returns(body: _Body) -> str:
    several = len(body.graph.heads) > 1
    return ("dict[str, Tensor]" if len(body.predicted) > 1 else "Tensor | dict[str, Tensor]") if several else "Tensor"


def _first(value: Value) -> tuple[int, ...]:
    """Shape with the channels first."""
    shape = value.type.shape
    return (shape[-1], *shape[:-1]) if shape else ()


def _indented(lines: Iterable[str], depth: int) -> str:
    return "".join(f"{'    ' * depth}{line}\n" for line in lines)


class _Body:
    """Which nodes run when, and the names of local variables: a variable is used again when its value is done with."""

    def __init__(self, graph: Graph, recipe: Recipe) -> None:
        self.graph = graph
        main = main_part(graph, recipe)
        kept, producers, consumers = set(main.nodes), graph.producer(), graph.consumers()
        self.predicted = tuple(main.heads)
        self.learnt: dict[str, Value] = {}
        self.activations: dict[str, str] = {}
        """By head, what predictions do to what is learnt from, where that is not the same."""
        taken: set[Node] = set()
        for name, head in graph.heads.items():
            absorbs, last = recipe.head(name).loss.absorbs, producers.get(head)
            absorbed = last is not None and absorbs is not None and last.op.name == absorbs
            self.learnt[name] = last.data[0] if absorbed and last is not None else head
            if absorbs is not None and (absorbed or recipe.stated):
                self.activations[name] = PREDICTED[absorbs]
            if absorbed and last is not None and not consumers.get(head):
                taken.add(last)
        self.common = [node for node in graph.nodes if node in kept and node not in taken]
        self.training = [node for node in graph.nodes if node not in kept and node not in taken]
        self._last_use = self._last_uses()
        self._names = Names()
        self._free: list[str] = []
        texts = ["x"] if len(graph.inputs) == 1 else [value.name for value in graph.inputs]
        self._locals = {value: self._names.fresh(text) for value, text in zip(graph.inputs, texts, strict=True)}

    def _last_uses(self) -> dict[Value, Node | None]:
        """The last node that reads each value; None of what is returned."""
        last: dict[Value, Node | None] = {}
        for node in (*self.common, *self.training):
            last |= dict.fromkeys(node.data, node)
        return last | dict.fromkeys(self.learnt.values(), None)

    def local(self, value: Value) -> str:
        """The variable that holds a value."""
        return self._locals[value]

    def assign(self, node: Node) -> tuple[str, list[str]]:
        """The variable for a node's output, that of a value it uses up where there is one; and variables then free."""
        done = [value for value in dict.fromkeys(node.data) if self._last_use[value] is node]
        names = [self._locals[value] for value in done]
        if names:
            name, rest = names[0], names[1:]
        else:
            name, rest = (self._free.pop(0) if self._free else self._names.fresh("x")), []
        self._free += rest
        self._locals[node.output] = name
        return name, rest


def _forward(writer: Writer, body: _Body) -> list[str]:
    """The lines of ``forward``."""
    lines = [line for node in body.common for line in _line(writer, body, node)]
    training = [line for node in body.training for line in _line(writer, body, node)]
    learnt = {name: body.local(value) for name, value in body.learnt.items()}
    predicted = {name: body.activations.get(name, "{x}").format(x=learnt[name]) for name in body.predicted}
    if learnt == predicted:
        return [*lines, f"return {_returned(predicted)}"]
    learning = [f"    {line}" for line in (*training, f"return {_returned(learnt)}")]
    return [*lines, "if self.training:", *learning, f"return {_returned(predicted)}"]


def _returned(heads: Mapping[str, str]) -> str:
    if len(heads) == 1:
        return next(iter(heads.values()))
    return "{" + ", ".join(f"{name!r}: {text}" for name, text in heads.items()) + "}"


def _line(writer: Writer, body: _Body, node: Node) -> list[str]:
    """The assignment of a node, with its shape where that is new; nothing where it changes nothing."""
    variables = [body.local(value) for value in node.data]
    try:
        made = find(FORMS, node, "PyTorch")(writer, node, variables)
    except NoFormError as error:
        raise refusal(node, "PyTorch", str(error)) from error
    name, done = body.assign(node)
    shape = "x".join(map(str, _first(node.output)))
    comment = f"  # {shape}" if _first(node.output) != _first(node.data[0]) else ""
    lines = [f"{name} = {made}{comment}"] if made != name else []
    return [*lines, f"del {', '.join(done)}"] if done else lines


def load_class(path: Any, name: str) -> Any:
    """The class of a written file, imported from it. Whoever calls this trusts the file: it was just written."""
    import importlib.util

    specification = importlib.util.spec_from_file_location("netspec_exported_network", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return getattr(module, name)
