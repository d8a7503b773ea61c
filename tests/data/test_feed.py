"""Which field goes in where, and what is said where none fits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from netspec.data.dataset import Array, Dataset, Part, dataset_of
from netspec.data.feed import find_feed, mismatches
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec

IMAGES = np.zeros((6, 8, 8, 3), np.uint8)
FIELDS = {
    "image": IMAGES,
    "depth": np.zeros((6, 8, 8, 1), np.float32),
    "label": np.arange(6, dtype=np.int32) % 2,
    "mask": np.zeros((6, 8, 8), np.int32),
    "age": np.zeros(6, np.float32),
}


def data(fields: Mapping[str, Array] = FIELDS) -> Dataset:
    return dataset_of("pets", ("cat", "dog"), Part(fields), None, None, other_classes={"mask": ("no", "yes")})


def spec(inputs: str, heads: str, train: str = "") -> Spec:
    first = "depth" if "depth" in inputs else "input"
    text = f"netspec: 1\n{inputs}\nlayers: [{{conv: {{filters: 2, kernel: 1}}, from: {first}, name: trunk}}]\n"
    return load_spec(Source("spec.yaml", f"{text}heads: {heads}\n{train}"))


FLAT = "layers: [global_avg_pool, {dense: 2}]"


def test_names_then_the_image_and_the_label() -> None:
    found, mistakes = find_feed(
        spec(
            "inputs: {depth: [8, 8, 1], view: [8, 8, 3], again: {shape: [8, 8, 3], source: image}}",
            f"{{main: {{{FLAT}}}, aux: {{{FLAT}, only: train}}, mask: {{}}, old: {{{FLAT}, target: age}}}}",
        ),
        data(),
    )
    assert not mistakes
    assert found.inputs == {"depth": "depth", "view": "image", "again": "image"}
    assert found.targets == {"main": "label", "aux": "label", "mask": "mask", "old": "age"}
    assert found.fields == ("depth", "image", "label", "mask", "age")


def test_a_field_that_is_not_there_is_named_with_what_is() -> None:
    wanted = spec(
        "inputs: {input: {shape: [8, 8, 3], source: picture}}", f"{{main: {{{FLAT}, target: species}}, mask: {{}}}}"
    )
    _, mistakes = find_feed(wanted, data())
    assert [d.code for d in mistakes] == ["NS507", "NS507"]
    assert "the input 'input' wants the field 'picture', but data 'pets' has none" in mistakes[0].message
    assert "its fields are image, depth, label, mask, age" in str(mistakes[0].help_text)
    assert "the head 'main' wants the field 'species'" in mistakes[1].message
    assert mistakes[0].span.line == 2


def test_data_without_labels_has_none_to_learn() -> None:
    _, mistakes = find_feed(spec("input: [8, 8, 3]", "{main: {}}"), data({"image": IMAGES}))
    assert [(d.code, d.message) for d in mistakes] == [
        ("NS507", "the head 'main' wants the field 'label', but data 'pets' has none of that name")
    ]


@pytest.mark.parametrize(
    ("inputs", "heads", "train", "found"),
    [
        ("input: [8, 8, 3]", f"{{main: {{{FLAT}}}}}", "", None),
        ("input: [8, 8, 3]", "{mask: {}}", "", None),
        ("input: [8, 8, 3]", "{mask: {loss: mean_squared_error}}", "", None),  # one-hot rows
        ("input: [8, 8, 3]", "{x: {layers: [{conv: {filters: 3, kernel: 1}}], target: image, loss: huber}}", "", None),
        ("input: [8, 8, 3]", "{main: {layers: [global_avg_pool, {dense: 1}], loss: huber, target: age}}", "", None),
        ("input: [8, 8, 1]", f"{{main: {{{FLAT}}}}}", "", "'pets' gives 8x8x3, but the input is 8x8x1"),
        (
            "inputs: {input: [8, 8, 3], depth: [9, 8, 1]}",
            f"{{main: {{{FLAT}}}}}",
            "",
            "gives 8x8x1 to the input 'depth', which is 9x8x1",
        ),
        ("input: [8, 8, 3]", "{main: {}}", "", "has 2 classes, but 'trunk' gives 8x8x2"),
        (
            "input: [8, 8, 3]",
            "{mask: {layers: [{conv: {filters: 5, kernel: 1}}]}}",
            "",
            "head 'mask' of 5 channels learns class numbers of 8x8 for each sample, but field 'mask' of data "
            "'pets' has 2 classes, 8x8 for each sample",
        ),
        (
            "input: [8, 8, 3]",
            f"{{main: {{{FLAT}, target: age}}}}",
            "",
            "but field 'age' of data 'pets' has numbers, one for each sample",
        ),
        (
            "input: [8, 8, 3]",
            "{main: {target: image, loss: huber}}",
            "",
            "head 'main' learns numbers of 8x8x2 for each sample, but field 'image' of data 'pets' has numbers, "
            "8x8x3 for each sample",
        ),
    ],
)
def test_what_does_not_go_together_is_found(inputs: str, heads: str, train: str, found: str | None) -> None:
    wanted = spec(inputs, heads, train)
    feed, missing = find_feed(wanted, data())
    assert not missing
    messages = [diagnostic.message for diagnostic in mismatches(wanted, data(), feed)]
    if found is None:
        assert not messages
    else:
        assert len(messages) == 1
        assert found in messages[0]
