"""The JSON Schema is valid, describes all that can be written, and says the same as the linter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from netspec.core.declare import REGISTRIES
from netspec.diagnostics import Diagnostics
from netspec.syntax import tree
from netspec.syntax.editor_schema import editor_schema, schema_text
from netspec.syntax.schema import spec_schema
from netspec.syntax.source import Source
from netspec.syntax.vocabulary import ALIASES, MODIFIERS

Read = Callable[..., Any]


def properties(schema: object, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every key that the schema knows, with its schema."""
    if isinstance(schema, Mapping):
        for key, inner in schema.get("properties", {}).items():
            yield f"{path}/{key}", inner
            yield from properties(inner, f"{path}/{key}")
        for keyword in ("items", "additionalProperties", "$defs", "layer"):
            yield from properties(schema.get(keyword), path)


def test_it_is_valid() -> None:
    Draft202012Validator.check_schema(spec_schema())


def test_every_key_is_described() -> None:
    assert {path for path, schema in properties(spec_schema()) if not schema.get("description")} == set()


@pytest.mark.parametrize("kind", sorted(REGISTRIES))
def test_every_declaration_can_be_written(kind: str) -> None:
    for declaration in REGISTRIES[kind].public():
        found = [
            schema
            for path, schema in properties(spec_schema())
            if path.endswith(f"/{declaration.name}") and schema["description"] == declaration.doc
        ]
        assert found, declaration.name
        schema = found[0]
        assert set(schema["properties"]) == {attribute.name for attribute in declaration.attributes}
        for attribute in declaration.attributes:
            assert schema["properties"][attribute.name]["description"] == attribute.doc
        assert schema.get("required", []) == [a.name for a in declaration.attributes if a.required]


def test_internal_ops_cannot_be_written() -> None:
    known = spec_schema()["$defs"]["layer"]["properties"]
    assert not [d.name for d in REGISTRIES["op"].all() if not d.public and d.name in known]


def test_no_attribute_bears_the_name_of_a_modifier() -> None:
    for declaration in REGISTRIES["op"].public():
        assert not {a.name for a in declaration.attributes} & set(MODIFIERS), declaration.name


def test_words_of_other_tools_lead_to_words_of_ours() -> None:
    known = {path.rsplit("/", 1)[-1] for path, _ in properties(spec_schema())}
    assert {word for words in ALIASES.values() for word in words} <= known
    assert all(word == word.lower() and "_" not in word for word in ALIASES)


def test_the_specs_that_ship_are_valid_to_an_editor(repository: Path) -> None:
    validator = Draft7Validator(json.loads(schema_text()))
    for path in (repository / "specs").glob("**/*.yaml"):
        parsed = tree.parse(Source(path.name, path.read_text(encoding="utf-8")), Diagnostics())
        assert parsed is not None
        plain = tree.to_plain(parsed.root)
        assert isinstance(plain, dict)
        errors = list(validator.iter_errors(plain))
        assert not errors, (path, errors[0])


@pytest.mark.parametrize(
    ("spec", "valid"),
    [
        ({"netspec": 1, "layers": ["relu"]}, True),
        ({"layers": ["relu"]}, False),
        ({"extends": "base.yaml"}, True),
        ({"extends": "base.yaml", "train": {"lr": {"step": {"factor": 0.5}}}}, True),
        ({"netspec": 1, "train": {"lr": {"step": {"factor": 0.5}}}}, False),
        ({"extends": "base.yaml", "blocks": {"unit": {"doc": "Other words."}}}, True),
        ({"netspec": 1, "blocks": {"unit": {"doc": "Other words."}}}, False),
        ({"extends": "base.yaml", "layers": [{"conv": {"kernel": 3}}]}, False),
        ({"extends": "base.yaml", "epochs": 3}, False),
    ],
)
def test_what_a_spec_extends_may_hold_the_rest(spec: object, valid: bool) -> None:
    assert Draft7Validator(editor_schema()).is_valid(spec) is valid


def test_editors_read_every_word_of_it() -> None:
    schema = editor_schema()
    Draft7Validator.check_schema(schema)
    assert schema["$id"].endswith("/docs/netspec.schema.json")
    found = list(properties(schema))
    assert {path for path, part in found if not part.get("description")} == set()
    padding = next(part for path, part in found if path.endswith("/conv/padding"))
    assert padding["examples"] == ["valid", "same", "full", "causal"]
    assert '"choices"' not in schema_text()
    assert '"example"' not in schema_text()


@pytest.mark.parametrize(
    ("layer", "valid"),
    [
        ("relu", True),
        ({"relu": None}, True),
        ({"relu": {}}, True),
        ({"conv": {"filters": 4, "kernel": 3}}, True),
        ({"conv": {"filters": "$n", "kernel": ["$k", 3]}}, True),
        ({"conv": {"filters": 4}}, False),
        ({"conv": {"filters": "n", "kernel": 3}}, False),
        ({"conv": {"filters": 4, "kernel": 3, "size": 3}}, False),
        ({"cnov": {"filters": 4, "kernel": 3}}, False),
        ({"max_pool": [2, 2], "name": "p", "from": ["a", "b"]}, True),
        ({"max_pool": [2, 0]}, False),
        ({"relu": None, "name": "a b"}, False),
        ({"add": {"a": ["relu"], "b": []}}, True),
        ({"add": [["relu"], [{"dense": 3}]]}, True),
        ({"add": [["relu"], [{"dense": 0}]]}, False),
        ({"layers": ["relu", {"dense": 3}]}, True),
        ({"layers": ["relu", {"dense": "x"}]}, False),
    ],
)
def test_layers(layer: object, valid: bool) -> None:
    spec = {"netspec": 1, "input": [8, 8, 3], "layers": [layer]}
    assert Draft202012Validator(spec_schema()).is_valid(spec) == valid
