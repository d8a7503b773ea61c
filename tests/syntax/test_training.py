"""``train:``: every key, the defaults, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netspec.core.declare import declaration_of
from netspec.declarations.recipe import Recipe

Read = Callable[..., Any]


@pytest.fixture
def recipe(read: Read) -> Read:
    """``recipe(text)``: the reading of a spec with this ``train:``."""
    return lambda text: read(f"vars: {{n: 4, rate: 0.5}}\nlayers:\n  - flatten\n  - dense: 10\ntrain:\n{text}\n")


def read_recipe(reading: Any) -> Recipe:
    assert [code for code in reading.codes if code != "NS117"] == [], reading.messages
    found: Recipe = reading.spec.recipe
    return found


def test_the_defaults(read: Read) -> None:
    found = read("layers:\n  - flatten\n").network.recipe
    assert found == Recipe()
    assert (found.epochs, found.batch, found.seed, found.validation, found.data) == (10, 64, 0, 0.0, None)


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("epochs: 3", "epochs", 3),
        ("epochs: 3.0", "epochs", 3),
        ("epochs: $n", "epochs", 4),
        ("batch: $(2 * n)", "batch", 8),
        ("seed: 0", "seed", 0),
        ("validation: 0.1", "validation", 0.1),
        ("validation: 0", "validation", 0.0),
        ("validation: $rate", "validation", 0.5),
        ("validation: val", "validation", "val"),
    ],
)
def test_numbers(recipe: Read, line: str, key: str, value: float | str) -> None:
    found = getattr(read_recipe(recipe(f"  {line}")), key)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("line", "key", "shown"),
    [
        ("data: digits", "data", "digits()"),
        ("data: {idx: some/folder}", "data", "idx(path='some/folder')"),
        ("data: {idx: {path: some/folder, classes: 4}}", "data", "idx(path='some/folder', classes=4)"),
        ("loss: cross_entropy", "loss", "cross_entropy()"),
        ("loss: {cross_entropy: 0.1}", "loss", "cross_entropy(label_smoothing=0.1)"),
        ("optimizer: adam", "optimizer", "adam()"),
        ("optimizer: {sgd: 0.5}", "optimizer", "sgd(momentum=0.5)"),
        (
            "optimizer: {sgd: {nesterov: true, weight_decay: 5e-4}}",
            "optimizer",
            "sgd(nesterov=True, weight_decay=0.0005)",
        ),
        ("optimizer: {sgd: {momentum: $rate}}", "optimizer", "sgd(momentum=0.5)"),
        ("lr: 0.05", "lr", "constant(rate=0.05)"),
        ("lr: 1", "lr", "constant(rate=1.0)"),
        ("lr: $rate", "lr", "constant(rate=0.5)"),
        ("lr: {constant: 0.05}", "lr", "constant(rate=0.05)"),
        ("lr: {cosine: 0.1}", "lr", "cosine(peak=0.1)"),
        ("lr: {step: {start: 0.1, every: 30}}", "lr", "step(start=0.1, every=30)"),
    ],
)
def test_what_is_written_like_a_layer(recipe: Read, line: str, key: str, shown: str) -> None:
    assert repr(getattr(read_recipe(recipe(f"  {line}")), key)) == shown


def test_lists(recipe: Read) -> None:
    found = read_recipe(
        recipe("  preprocess: [{divide: 255}, {normalize: {mean: 0.5, std: [0.25]}}]\n  metrics: [accuracy]")
    )
    assert list(map(repr, found.preprocess)) == ["divide(by=255.0)", "normalize(mean=(0.5,), std=(0.25,))"]
    assert [name for name, _ in found.metrics] == ["accuracy"]
    assert read_recipe(recipe("  preprocess: []\n  metrics: []")).metrics == ()
    found = read_recipe(recipe("  augment: [{random_crop: {padding: $n}}, {random_flip: vertical}, mixup]"))
    assert list(map(repr, found.augment)) == ["random_crop(padding=4)", "random_flip(axis='vertical')", "mixup()"]


def test_the_rate_follows_the_optimizer_where_none_is_written(recipe: Read) -> None:
    assert read_recipe(recipe("  optimizer: adam")).lr.rate == 0.001
    assert read_recipe(recipe("  optimizer: sgd")).lr.rate == 0.01


def test_where_each_value_stands(recipe: Read) -> None:
    spans = recipe("  data: digits\n  lr: 0.5").spec.recipe_spans
    assert {key: span[1:3] for key, span in spans.items()} == {"data": (8, 9), "lr": (9, 7)}


@pytest.mark.parametrize(
    ("line", "code", "marked"),
    [
        ("epochs: 0", "NS109", "0"),
        ("epochs: 1.5", "NS102", "1.5"),
        ("epochs: $(n / 8)", "NS108", "$(n / 8)"),
        ("epochs: $(n - 4)", "NS109", "$(n - 4)"),
        ("batch: many", "NS102", "many"),
        ("seed: -1", "NS109", "-1"),
        ("validation: 1", "NS109", "1"),
        ("validation: $(2 * rate)", "NS109", "$(2 * rate)"),
        ("data: digit", "NS109", "digit"),
        ("data: {digit: {}}", "NS101", "digit"),
        ("data: {idx: {}}", "NS103", "{}"),
        ("data: idx", "NS103", "idx"),
        ("data: 5", "NS102", "5"),
        ("loss: {cross_entropy: {smoothing: 0.1}}", "NS101", "smoothing"),
        ("loss: {cross_entropy: 1}", "NS109", "1"),
        ("optimizer: sdg", "NS109", "sdg"),
        ("optimizer: {}", "NS102", "{}"),
        ("optimizer: {sgd: {}, adam: {}}", "NS102", "{sgd: {}, adam: {}}"),
        ("optimizer: {sgd: {momentum: 1}}", "NS109", "1"),
        ("optimizer: {sgd: {momentum: $(2 * rate)}}", "NS109", "$(2 * rate)"),
        ("optimizer: [sgd]", "NS102", "[sgd]"),
        ("lr: 0", "NS109", "0"),
        ("lr: -0.1", "NS109", "-0.1"),
        ("lr: $(0 - rate)", "NS109", "$(0 - rate)"),
        ("lr: fast", "NS109", "fast"),
        ("lr: true", "NS102", "true"),
        ("lr: {step: {start: 0.1}}", "NS103", "{start: 0.1}"),
        ("preprocess: {divide: 255}", "NS102", "{divide: 255}"),
        ("preprocess: [{divide: 0}]", "NS109", "0"),
        ("preprocess: [dvide]", "NS109", "dvide"),
        ("metrics: [acuracy]", "NS109", "acuracy"),
        ("epohcs: 3", "NS101", "epohcs"),
        ("augment: [random_flop]", "NS109", "random_flop"),
    ],
)
def test_what_is_refused(recipe: Read, line: str, code: str, marked: str) -> None:
    reading = recipe(f"  {line}")
    found = [(d.code, text) for d, text in zip(reading.found, reading.marked, strict=True) if d.severity == "error"]
    assert found == [(code, marked)]


def test_what_is_refused_keeps_its_default(recipe: Read) -> None:
    found = recipe("  epochs: 0\n  batch: 8\n  optimizer: sdg\n  lr: fast").spec.recipe
    assert (found.epochs, found.batch, found.optimizer, found.lr) == (10, 8, Recipe().optimizer, Recipe().lr)


def test_every_kind_of_declaration_can_be_named(recipe: Read) -> None:
    found = read_recipe(recipe("  data: mnist\n  loss: cross_entropy\n  optimizer: adam\n  lr: {cosine: 1}"))
    kinds = [declaration_of(getattr(found, key)).kind for key in ("data", "loss", "optimizer", "lr")]
    assert kinds == ["source", "loss", "optimizer", "schedule"]


@pytest.mark.parametrize(
    "numbers", ["mean: [0.4, 0.5], std: 0.2", "mean: 0.4, std: [0.2, 0.3]", "mean: [1, 2], std: [1, 2, 3]"]
)
def test_a_transform_has_one_number_or_one_per_channel(read: Read, numbers: str) -> None:
    preprocess = f"preprocess: [{{normalize: {{{numbers}}}}}]"
    reading = read(f"layers:\n  - flatten\n  - dense: 10\ntrain: {{{preprocess}}}\n")
    assert reading.codes == ["NS503"]
    assert "'normalize' has 2 numbers, but the input has 1 channels" in reading.messages[0]
