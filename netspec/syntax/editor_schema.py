"""The JSON Schema as a document for editors and SchemaStore: draft 7, which all of them read, with examples.

It is the schema that specs are validated with, but for two things. Any block's name may stand as an op, since blocks
may come from other files. And of a spec that ``extends`` another nothing is asked that may stand in that one: mappings
are merged before they are validated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from netspec.syntax.schema import spec_schema

ADDRESS = "https://raw.githubusercontent.com/netspec/netspec/main/docs/netspec.schema.json"
"""Where the schema can be had."""
_DIALECT = "http://json-schema.org/draft-07/schema#"


def schema_text() -> str:
    """The schema as a JSON document."""
    return json.dumps(editor_schema(), indent=2, ensure_ascii=False) + "\n"


def editor_schema() -> dict[str, Any]:
    """The schema for editors."""
    schema = spec_schema()
    layer = {**schema["$defs"]["layer"], "additionalProperties": {"description": "A block of this spec."}}
    head = {"$schema": _DIALECT, "$id": ADDRESS}
    body = {key: value for key, value in schema.items() if key not in ("$schema", "$defs")}
    found: dict[str, Any] = {**head, **_plain(_without_requirements(body))}
    found["if"], found["else"] = {"required": ["extends"]}, _requirements(body)
    return {**found, "$defs": {"layer": _plain(layer)}}


def _plain(schema: Any) -> Any:
    """The schema with words of ours as words that editors know."""
    if isinstance(schema, list | tuple):
        return [_plain(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {}
    for key, value in schema.items():
        if key == "choices" and not isinstance(value, Mapping):
            found["examples"] = list(value)
        elif key == "example" and not isinstance(value, Mapping):
            found["examples"] = [json.loads(value) if isinstance(value, str) else value]
        else:
            found[key] = _plain(value)
    return found


def _mappings(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a schema about what stands under the keys of a mapping, which are merged one by one."""
    found = {"properties": schema["properties"]} if "properties" in schema else {}
    others = schema.get("additionalProperties")
    return found | ({"additionalProperties": others} if isinstance(others, Mapping) else {})


def _without_requirements(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with nothing that must be there, save in lists, which are replaced as a whole."""
    found = {key: value for key, value in schema.items() if key != "required"}
    for key, inner in _mappings(schema).items():
        if key == "properties":
            found[key] = {name: _without_requirements(part) for name, part in inner.items()}
        else:
            found[key] = _without_requirements(inner)
    return found


def _requirements(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What has been left out by :func:`_without_requirements`, and nothing else."""
    found: dict[str, Any] = {"required": schema["required"]} if "required" in schema else {}
    for key, inner in _mappings(schema).items():
        if key == "properties":
            parts = {name: _requirements(part) for name, part in inner.items()}
            kept = {name: part for name, part in parts.items() if part}
        else:
            kept = _requirements(inner)
        if kept:
            found[key] = kept
    return found
