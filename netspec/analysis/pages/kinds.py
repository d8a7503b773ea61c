"""One page for all losses, one for all optimisers, and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from netspec.analysis.pages.examples import example_lines
from netspec.analysis.pages.markup import GENERATED, attribute_table, block, code, escaped, formula, table
from netspec.core import expression
from netspec.core.declare import REGISTRIES, Declaration
from netspec.core.expression import Expression
from netspec.core.graph import Param
from netspec.core.types import TensorType
from netspec.syntax.descriptions import TRAIN_KEYS

_EPOCHS, _STEPS = 10, 100


class Kind(NamedTuple):
    """What the page of a kind is called, what it says first, and what it says of each besides its attributes."""

    page: str
    title: str
    about: str
    facts: Callable[[Declaration], str]


def kind_page(kind: Kind, declarations: Iterable[Declaration]) -> str:
    """The page in Markdown."""
    parts = [GENERATED, f"# {kind.title}", kind.about]
    for declaration in declarations:
        parts += [f"## {code(declaration.name)}", escaped(declaration.doc)]
        parts += [attribute_table(declaration)] if declaration.attributes else []
        parts += [block("yaml", example_lines(declaration))]
        facts = kind.facts(declaration)
        parts += [facts] if facts else []
    return "\n\n".join(parts) + "\n"


def _nothing(declaration: Declaration) -> str:
    return ""


def _loss(declaration: Declaration) -> str:
    """What the loss takes for a target, and what it takes into itself."""
    loss, head = declaration.make(), TensorType((4, 4, 10))
    lines = [f"For a head of 4x4x10, targets are {loss.target(head)}."]
    if loss.absorbs:
        lines.append(f"It takes in the {code(loss.absorbs)} that a head ends in, or adds it for predictions.")
    measured = ", ".join(code(name) for name, _ in loss.metrics)
    return " ".join([*lines, f"Measured where the spec does not say: {measured}."])


def _optimizer(declaration: Declaration) -> str:
    """The update as it is computed, with the defaults."""
    rule = declaration.make()
    names = ("w", "g", "rate", "step", *rule.moments)
    update = rule.update(Param((1, 1), "zeros"))
    known: dict[Expression, Expression]
    known = dict(zip(expression.inputs(len(names)), map(expression.Variable, names), strict=True))
    formulas: tuple[Expression, ...] = update.expressions(len(names))
    renamed = (expression.substitute(each, known) for each in formulas)
    shown = [f"{name} ← {formula(each)}" for name, each in zip(("w", *rule.moments), renamed, strict=True)]
    return f"The rate where the spec gives none: {rule.default_rate:g}. By its defaults, number by number:\n\n" + block(
        "text", "\n".join(shown)
    )


def _schedule(declaration: Declaration) -> str:
    """The rate over a run."""
    import yaml

    example = yaml.safe_load(declaration.example)
    given: dict[str, Any] = example if isinstance(example, dict) else {str(declaration.main): example}
    schedule = declaration.make(**given)
    rates = [schedule.at(epoch * _STEPS, _STEPS, _EPOCHS) for epoch in range(_EPOCHS)]
    head = ("epoch", *map(str, range(_EPOCHS)))
    return "At the start of each of ten epochs:\n\n" + table(head, [("rate", *(f"{rate:.3g}" for rate in rates))])


def _train_keys() -> list[tuple[str, str]]:
    """Every key of ``train:`` with what it means, by name."""
    declared = {option.name: option.doc for option in REGISTRIES["option"].public()}
    return sorted((TRAIN_KEYS | declared).items())


KINDS: dict[str, Kind] = {
    "loss": Kind("losses", "Losses", "What `train.loss` may name, and `loss` of a head.", _loss),
    "optimizer": Kind("optimizers", "Optimisers", "What `train.optimizer` may name.", _optimizer),
    "schedule": Kind("schedules", "Schedules", "What `train.lr` may name; a bare number is `constant`.", _schedule),
    "initializer": Kind(
        "initializers", "Initialisers", "What `init:` of a layer may name, for all its parameters or for one.", _nothing
    ),
    "metric": Kind("metrics", "Metrics", "What `train.metrics` may name.", _nothing),
    "transform": Kind("transforms", "Transforms", "What `train.preprocess` may name.", _nothing),
    "augmentation": Kind("augmentations", "Augmentations", "What `train.augment` may name.", _nothing),
    "option": Kind(
        "options",
        "Options of training",
        "All keys of `train:`; below the table, those with attributes of their own that have no page of their kind.\n\n"
        + table(("key", "meaning"), [(code(key), escaped(text)) for key, text in _train_keys()]),
        _nothing,
    ),
    "source": Kind("sources", "Data", "What `train.data` may name.", _nothing),
}
