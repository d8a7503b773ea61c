"""What may be written at a cursor, which stands at the sign ¦ of each text."""

from __future__ import annotations

import pytest

from netspec.lsp.completion import Item, complete
from netspec.lsp.documents import Documents

HEAD = """\
netspec: 1
vars: {classes: 10, width: 16}
input: [32, 32, 3]
blocks:
  unit:
    args: {filters: required, kernel: 3}
    vars: {half: 2}
    layers:
      - conv: {filters: $filters, kernel: $kernel}
"""


def offered(text: str) -> dict[str, Item]:
    """The items by label; first the text without the word is known, as while typing."""
    documents = Documents()
    line = next(number for number, row in enumerate(text.split("\n"), 1) if "¦" in row)
    column = text.split("\n")[line - 1].index("¦") + 1
    documents.put("/spec.yaml", "\n".join(row for row in text.split("\n") if "¦" not in row))
    documents.examined("/spec.yaml")
    documents.put("/spec.yaml", text.replace("¦", ""))
    found = complete(documents, "/spec.yaml", line, column)
    return {item.label: item for item in found.items} if found else {}


@pytest.mark.parametrize(
    ("text", "there", "absent"),
    [
        ("layers:\n  - co¦\n", ["conv", "concat", "unit", "layers"], ["name"]),
        ("layers:\n  - ¦\n  - relu\n", ["relu", "unit"], []),
        ("layers:\n  - co¦: 3\n", ["conv", "unit", "name"], ["filters"]),
        ("layers:\n  - conv: {filters: 3, ¦}\n", ["kernel", "padding"], ["filters", "relu"]),
        ("layers:\n  - conv: {filters: 3, ker¦\n", ["kernel", "padding"], ["filters"]),
        ("layers:\n  - conv: {filters: 3, padding: ¦}\n", ["valid", "same", "full", "causal"], ["kernel"]),
        ("layers:\n  - conv:\n      filters: 3\n      ke¦\n", ["kernel"], ["filters"]),
        ("layers:\n  - conv:\n      ¦\n", ["kernel", "filters"], ["relu"]),
        ("layers:\n  - conv: {filters: 3, bias: ¦}\n", ["true", "false"], []),
        ("layers:\n  - unit: {¦}\n", ["filters", "kernel"], ["width"]),
        ("layers:\n  - relu:\n    ¦\n", ["name", "from", "repeat", "share"], ["conv"]),
        ("layers:\n  - relu:\n    name: first\n  - relu:\n    from: ¦\n", ["first", "input"], ["conv"]),
        ("layers:\n  - relu:\n    name: first\n  - upsample: {like: ¦}\n", ["first"], ["nearest"]),
        (
            "layers:\n  - relu:\n    name: first\n  - add:\n      a:\n        - relu:\n          from: fi¦\n",
            ["first"],
            [],
        ),
        ("layers:\n  - dense: $¦\n", ["classes", "width", "channels", "min"], ["filters"]),
        ("layers:\n  - dense: $(2 * wi¦)\n", ["width"], ["relu"]),
        ("layers:\n  - relu:\n    init: ¦\n", ["he", "zeros"], ["conv"]),
        ("layers: [relu]\n¦\n", ["train", "expect", "heads"], ["layers", "netspec", "conv"]),
        ("layers: [relu]\ntrain:\n  ¦\n", ["optimizer", "lr", "epochs", "batch", "seed"], ["layers"]),
        ("layers: [relu]\ntrain:\n  optimizer: ¦\n", ["sgd", "adam"], ["momentum"]),
        ("layers: [relu]\ntrain:\n  optimizer: {sgd: {mo¦\n", ["momentum"], ["sgd"]),
        ("layers: [relu]\ntrain:\n  precision: ¦\n", ["float32"], []),
        ("layers: [relu]\ntrain:\n  preprocess:\n    - ¦\n", ["normalize", "divide"], ["conv"]),
        ("layers: [relu]\nexpect:\n  ¦\n", ["output", "params", "macs"], ["relu"]),
        ("dialect: ¦\n", ["textbook", "caffe", "torch", "keras"], []),
        ("heads: {main: {from: ¦}}\nlayers:\n  - relu:\n    name: last\n", ["input"], []),
    ],
)
def test_what_is_offered(text: str, there: list[str], absent: list[str]) -> None:
    found = offered(HEAD + text)
    assert set(there) <= found.keys()
    assert found.keys().isdisjoint(absent)


def test_names_of_a_block_are_offered_in_it() -> None:
    found = offered(HEAD + "      - dense: $¦\nlayers: [relu]\n")
    assert {"filters", "kernel", "half", "width", "channels"} <= found.keys()


def test_items_explain_themselves() -> None:
    found = offered(HEAD + "layers:\n  - ¦\n")
    assert found["conv"].snippet == "conv: {filters: ${1:filters}, kernel: ${2:kernel}}"
    assert found["dense"].snippet == "dense: ${1:units}"
    assert found["relu"].insert == "relu"
    assert "output channels" in found["conv"].documentation
    assert found["unit"].detail == "block (filters, kernel)"
    inside = offered(HEAD + "layers:\n  - conv: {filters: 3, ¦}\n")
    assert inside["kernel"].insert == "kernel: "
    assert inside["kernel"].detail == "required"
    assert "step of the window" in inside["stride"].documentation


def test_other_yaml_is_left_alone() -> None:
    assert offered("services:\n  ¦\n") == {}
    assert offered("# comment\n¦\n").keys() == {"netspec"}
    documents = Documents()
    documents.put("/compose.yaml", "services: {web: {image: nginx}}\n")
    assert documents.examined("/compose.yaml").diagnostics == ()


@pytest.mark.parametrize(
    "text", ["", "a", "\t¦", "netspec: '¦", 'netspec: "{[¦', "- - -¦", "? ¦", "|\n ¦", "*¦", "&a ¦"]
)
def test_any_place_of_any_text_is_answered(text: str) -> None:
    documents = Documents()
    documents.put("/x.netspec.yaml", text)
    for line in range(4):
        for column in range(1, 12):
            found = complete(documents, "/x.netspec.yaml", line, column)
            assert found is None or (found.span.line == line and found.span.column <= found.span.end_column)
