"""Ten independent mistakes come out in one run, and one mistake comes out once.

Clean networks are made at random from a seed; mistakes of many kinds are put into them, each at a place of its own. As
many errors as mistakes must come out, at exactly those places.
"""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from netspec.lint.engine import lint
from netspec.syntax.source import Source

SEEDS = range(200)
BESIDE: tuple[dict[str, str], ...] = (
    {},
    {"repeat": "2"},
    {"repeat": "$(1 + 1)", "when": "$(i < 5)"},
    {"freeze": "true"},
)
"""What may stand beside the use of a block."""
BESIDE = ({}, {"repeat": "2"}, {"repeat": "$(1 + 1)", "when": "$(i < 5)"}, {"freeze": "true"})
"""What may stand beside the use of a block."""


class Item:
    """One layer of a spec in the making; what a mistake changes is marked with ``«»``, so that its place is known."""

    def __init__(
        self,
        op: str,
        attributes: dict[str, str],
        name: str = "",
        source: str = "",
        beside: dict[str, str] | None = None,
    ) -> None:
        self.op = op
        self.attributes = attributes
        self.name = name
        self.source = source
        self.beside = beside or {}
        self.level: int | None = None
        self.touched = False
        self.incomplete = False

    def text(self) -> str:
        attributes = f"{{{', '.join(f'{key}: {value}' for key, value in self.attributes.items())}}}"
        parts = [f"{self.op}: {f'«{attributes}»' if self.incomplete else attributes}"]
        parts += [f"name: {self.name}"] if self.name else []
        parts += [f"from: {self.source}"] if self.source else []
        parts += [f"{key}: {value}" for key, value in self.beside.items()]
        return "\n    ".join(parts)


class Draft(NamedTuple):
    """A spec in the making; ``blocks`` are blocks with the arguments ``filters`` and ``kernel``.

    What an argument carries wrongly cannot be seen where the block does not use it for another mistake: of the items
    with a level, from the use of a block inward, only those of ``level`` get mistakes in their attributes.
    """

    level: int

    blocks: dict[str, list[Item]]
    layers: list[Item]
    variables: dict[str, str]
    train: dict[str, str]

    @property
    def items(self) -> list[Item]:
        """All layers, those of blocks too."""
        return [*(item for block in self.blocks.values() for item in block), *self.layers]

    @property
    def of_unknown_shape(self) -> bool:
        """Whether a layer may make any shape: then no mistake about the shapes behind it can be told from none."""
        return any(item.op == "«transmogrify»" for item in self.items)

    @property
    def about_shapes(self) -> bool:
        """Whether one of the mistakes is about shapes."""
        return any({item.op, *item.attributes.values()} & {"«dense»", "«11»", "«1000»"} for item in self.items)

    def text(self) -> str:
        lines = ["netspec: 1", "vars:"]
        lines += [f"  {name}: {value}" for name, value in self.variables.items()]
        lines += ["input: [64, 64, 1]", "blocks:"]
        for name, layers in self.blocks.items():
            lines += [f"  {name}:", "    args: {filters: required, kernel: 3}", "    layers:"]
            lines += [textwrap.indent(f"  - {item.text()}", "    ") for item in layers]
        lines += ["layers:"]
        lines += [f"  - {item.text()}" for item in self.layers]
        lines += ["train:"]
        lines += [f"  {key}: {value}" for key, value in self.train.items()]
        return "\n".join(lines) + "\n"


def conv_bn() -> list[Item]:
    """The layers of a block of arguments ``filters`` and ``kernel``."""
    conv = {"filters": "$filters", "kernel": "$kernel", "padding": "same", "bias": "false"}
    return [Item("conv", conv), Item("batch_norm", {"momentum": "0.9"}), Item("relu", {})]


def draft(numbers: random.Random) -> Draft:
    """A clean network of 15 to 25 layers: stages of convolutions, some of them in blocks, then dense layers."""
    twice = [{"filters": "$(2 * filters)", "kernel": "$kernel"}, {"filters": "$filters"}]
    blocks = {"conv_bn": conv_bn(), "twice": [Item("conv_bn", attributes) for attributes in twice]}
    layers: list[Item] = []
    for stage in range(numbers.randint(2, 3)):
        for number in range(numbers.randint(1, 2)):
            width = numbers.choice(["$width", "$(2 * width)", "16", "32"])
            attributes = {"filters": width, "kernel": numbers.choice(["3", "5", "[3, 3]"]), "padding": "same"}
            if numbers.random() < 0.5:
                attributes["stride"] = "1"
            layers.append(Item("conv", attributes, name=f"stage{stage}_conv{number}"))
            if numbers.random() < 0.4:
                attributes["bias"] = "false"
                layers.append(Item("batch_norm", {"momentum": "0.9"}))
            layers.append(Item("relu", {}))
        for number in range(numbers.randint(1, 2)):
            block = {"filters": "$width"} | numbers.choice([{}, {"kernel": "5"}])
            layers.append(Item(["twice", "conv_bn"][number], block, beside=dict(numbers.choice(BESIDE))))
        layers.append(Item(numbers.choice(["max_pool", "avg_pool"]), {"size": "2"}))
    layers.append(Item("flatten", {}, name="features"))
    for number in range(numbers.randint(2, 3)):
        source = "features" if number == 0 else f"dense_relu{number - 1}"
        layers.append(Item("dense", {"units": "$hidden"}, source=source))
        layers.append(Item("relu", {}, name=f"dense_relu{number}"))
        layers.append(Item("dropout", {"rate": "0.5"}))
    layers += [Item("dense", {"units": "$classes", "bias": "true"}), Item("softmax", {})]
    train = {"data": "digits", "loss": "cross_entropy", "epochs": "3", "batch": "32", "lr": "{cosine: {peak: 0.1}}"}
    train["optimizer"] = "{sgd: {momentum: 0.9}}"
    for item in (*blocks["conv_bn"], *blocks["twice"], *layers):
        if item in blocks["conv_bn"]:
            item.level = 2
        elif item in blocks["twice"]:
            item.level = 1
        elif item.op in blocks:
            item.level = 0
    return Draft(numbers.randrange(3), blocks, layers, {"classes": "10", "width": "16", "hidden": "120"}, train)


def typo(word: str, numbers: random.Random) -> str:
    """The word with two neighbours swapped, a letter doubled, or one left out; never the word itself."""
    while True:
        at = numbers.randrange(1, len(word))
        changed = numbers.choice(
            [
                word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],
                word[:at] + word[at - 1 :],
                word[:at] + word[at + 1 :],
            ]
        )
        if changed != word and len(changed) > 2:
            return changed


Mistake = Callable[[Draft, random.Random], bool]
"""Makes one mistake, if there is a place for it, and marks where it is reported."""


def free(draft: Draft, numbers: random.Random, **wanted: Any) -> Item | None:
    """A layer without a mistake that has the op, and the attribute, that are wanted."""
    fitting = [
        item
        for item in draft.items
        if not item.touched
        and (item.level in (None, draft.level) or not {"op", "attribute"} & wanted.keys())
        and wanted.get("op", item.op) == item.op
        and ("attribute" not in wanted or wanted["attribute"] in item.attributes)
        and ("source" not in wanted or item.source)
        and ("name" not in wanted or item.name.startswith("stage"))
        and ("beside" not in wanted or wanted["beside"] in item.beside)
    ]
    if not fitting:
        return None
    item = numbers.choice(fitting)
    item.touched = True
    return item


def misspelt_op(draft: Draft, numbers: random.Random) -> bool:
    item = free(draft, numbers)
    if item is None:
        return False
    item.op = f"«{typo(item.op, numbers)}»"
    return True


def unknown_op(draft: Draft, numbers: random.Random) -> bool:
    item = None if draft.about_shapes else free(draft, numbers)
    if item is None:
        return False
    item.op = "«transmogrify»"
    return True


def misspelt_key(draft: Draft, numbers: random.Random) -> bool:
    item = free(draft, numbers, **numbers.choice([{"op": "conv"}, {"op": "dense"}, {"op": "dropout"}]))
    if item is None:
        return False
    key = numbers.choice(list(item.attributes))
    item.attributes = {
        (f"«{typo(key, numbers)}»" if name == key else name): value for name, value in item.attributes.items()
    }
    return True


def changed_value(key: str, *values: str) -> Mistake:
    """A mistake that puts one of the values into an attribute."""

    def mistake(draft: Draft, numbers: random.Random) -> bool:
        item = free(draft, numbers, attribute=key)
        if item is None:
            return False
        item.attributes[key] = f"«{numbers.choice(values)}»"
        return True

    return mistake


def changed_beside(key: str, *values: str) -> Mistake:
    """A mistake that puts one of the values beside an op."""

    def mistake(draft: Draft, numbers: random.Random) -> bool:
        item = free(draft, numbers, beside=key)
        if item is None:
            return False
        item.beside[key] = f"«{numbers.choice(values)}»"
        return True

    return mistake


def misspelt_beside(draft: Draft, numbers: random.Random) -> bool:
    item = free(draft, numbers, beside=numbers.choice(["repeat", "freeze"]))
    if item is None:
        return False
    key = next(iter(item.beside))
    item.beside = {f"«{typo(name, numbers)}»" if name == key else name: value for name, value in item.beside.items()}
    return True


def unknown_variable(draft: Draft, numbers: random.Random) -> bool:
    item = free(draft, numbers, attribute=numbers.choice(["filters", "units"]))
    if item is None:
        return False
    key = "filters" if "filters" in item.attributes else "units"
    item.attributes[key] = numbers.choice(["$«widht»", "$(2 * «hiden»)", "$«clases»", "$(«nothing_like_it» + 1)"])
    return True


def missing_key(draft: Draft, numbers: random.Random) -> bool:
    item = free(draft, numbers, op="conv")
    if item is None:
        return False
    item.attributes.pop(numbers.choice(["filters", "kernel"]))
    item.incomplete = True
    return True


def dense_on_an_image(draft: Draft, numbers: random.Random) -> bool:
    position = next(index for index, item in enumerate(draft.layers) if item.name == "features")
    flatten, dense = draft.layers[position : position + 2]
    if flatten.touched or dense.touched or draft.of_unknown_shape:
        return False
    flatten.touched = dense.touched = True
    flatten.op, dense.op = "relu", "«dense»"
    return True


def groups_that_do_not_divide(draft: Draft, numbers: random.Random) -> bool:
    item = None if draft.of_unknown_shape else free(draft, numbers, op="conv")
    if item is None:
        return False
    item.attributes["groups"] = "«11»"
    return True


def window_too_large(draft: Draft, numbers: random.Random) -> bool:
    item = None if draft.of_unknown_shape else free(draft, numbers, attribute="size")
    if item is None:
        return False
    item.attributes["size"] = "«1000»"
    return True


def unknown_source(draft: Draft, numbers: random.Random) -> bool:
    item = free(draft, numbers, source=True)
    if item is None:
        return False
    item.source = f"«{numbers.choice(['dense_rleu0', 'elsewhere'])}»"
    return True


def duplicate_name(draft: Draft, numbers: random.Random) -> bool:
    item = free(draft, numbers, name=True)
    if item is None:
        return False
    position = draft.layers.index(item)
    others = [other for other in draft.layers[:position] if other.name and not other.touched]
    if not others:
        return False
    other = numbers.choice(others)
    other.touched = True
    item.name = f"«{other.name}»"
    return True


def in_train(key: str, *values: str) -> Mistake:
    """A mistake in the recipe; each key takes one at most."""

    def mistake(draft: Draft, numbers: random.Random) -> bool:
        if key not in draft.train or "«" in draft.train[key]:
            return False
        draft.train[key] = numbers.choice(values)
        return True

    return mistake


def misspelt_train_key(draft: Draft, numbers: random.Random) -> bool:
    keys = [key for key, value in draft.train.items() if "«" not in key + value]
    if not keys:
        return False
    key = numbers.choice(keys)
    if len(key) < 4:
        return False
    value = draft.train.pop(key)
    draft.train[f"«{typo(key, numbers)}»"] = value
    return True


MISTAKES: tuple[Mistake, ...] = (
    misspelt_op,
    unknown_op,
    misspelt_key,
    misspelt_key,
    missing_key,
    unknown_variable,
    unknown_source,
    duplicate_name,
    dense_on_an_image,
    groups_that_do_not_divide,
    window_too_large,
    changed_value("filters", "0", "-3", "2.5", "many", "true", "$(1 / 2)", "[1]"),
    changed_value("kernel", "0", "three", "{a: 1}"),
    changed_value("padding", "smae", "sideways", "-1"),
    changed_value("stride", "0", "fast", "$(-1)"),
    changed_value("bias", "5", "maybe"),
    changed_value("size", "0", "big"),
    changed_value("rate", "1.5", "1", "some"),
    changed_beside("repeat", "-1", "2.5", "often", "$(1 / 2)"),
    changed_beside("when", "perhaps", "3", "$(1 + 1)"),
    changed_beside("freeze", "3", "icy"),
    misspelt_beside,
    in_train("optimizer", "«sdg»", "{«adm»: {}}", "{sgd: {«momentun»: 0.9}}", "{sgd: {momentum: «2»}}", "«7»"),
    in_train("lr", "«-0.1»", "{cosine: {«peek»: 0.1}}", "{step: «{start: 0.1}»}", "«cosyne»"),
    in_train("data", "«digitz»", "{«mnits»: {}}"),
    in_train("loss", "«cros_entropy»", "{cross_entropy: {label_smoothing: «1»}}"),
    in_train("epochs", "«0»", "«2.5»", "«many»"),
    in_train("batch", "«-1»", "«[1]»"),
    misspelt_train_key,
)


def marked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its marks, and line and column of each place that was marked."""
    places = []
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        while "«" in line:
            places.append((number, line.index("«") + 1))
            line = line.replace("«", "", 1).replace("»", "", 1)
        lines[number - 1] = line
    return "\n".join(lines), places


def errors(text: str) -> Iterator[tuple[int, int, str]]:
    for diagnostic in lint(Source("spec.yaml", text)):
        if diagnostic.severity == "error":
            yield diagnostic.span.line, diagnostic.span.column, f"{diagnostic.code} {diagnostic.message}"


@pytest.mark.parametrize("first", range(0, len(SEEDS), 20))
def test_as_many_errors_as_mistakes_each_in_its_place(first: int) -> None:
    for seed in SEEDS[first : first + 20]:
        numbers = random.Random(seed)
        spec = draft(numbers)
        assert list(errors(spec.text())) == [], f"seed {seed} is not clean"
        wanted = seed % 10 + 1
        made = 0
        while made < wanted:
            made += numbers.choice(MISTAKES)(spec, numbers)
        text, places = marked(spec.text())
        found = list(errors(text))
        assert [place[:2] for place in found] == sorted(places), f"seed {seed}\n{text}\n" + "\n".join(map(str, found))
        assert len(places) == wanted


def test_every_mistake_is_found_where_it_is_alone() -> None:
    for mistake in MISTAKES:
        for seed in range(10):
            numbers = random.Random(seed)
            spec = draft(numbers)
            if not mistake(spec, numbers):
                continue
            text, places = marked(spec.text())
            found = list(errors(text))
            assert [place[:2] for place in found] == places, f"seed {seed}\n{text}\n" + "\n".join(map(str, found))
