"""The JSON Schema of a spec, generated from the declarations: for validation here and for editors.

Alternatives are told apart by type, not by ``oneOf`` or ``anyOf``: a failed alternative has no message worth reading,
and ``if``/``then`` over all ops is slow. That a layer has exactly one op key is counted by the expansion.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from netspec.core.declare import REGISTRIES, Declaration
from netspec.syntax.descriptions import EXPECT_KEYS, LAYER_KEYS, TOP_KEYS, TRAIN_KEYS

LANGUAGE_VERSION = 1
MODIFIERS = ("name", "from", "when", "repeat", "share", "freeze", "init")
"""Keys that may stand beside the op of a layer."""

GROUP = "layers"
"""The op key of a list of layers that is used as one layer."""

LATER_LAYER_KEYS = ("when", "repeat", "share", "freeze", "init")
LATER_TOP_KEYS = ("blocks", "include", "extends", "heads", "inputs", "dialect")
LATER_TRAIN_KEYS = ("augment", "init", "precision", "math", "on_nan")
"""Keys of the language that this version reads but does not act on; each use says so at its position."""

TOTALS = ("params", "params_trained", "macs", "flops")
"""What ``expect:`` may say of the network as a whole."""

ALIASES: Mapping[str, tuple[str, ...]] = {
    "linear": ("dense",),
    "fullyconnected": ("dense",),
    "fc": ("dense",),
    "innerproduct": ("dense",),
    "convolution": ("conv",),
    "batchnormalization": ("batch_norm",),
    "bn": ("batch_norm",),
    "maxpooling": ("max_pool",),
    "averagepooling": ("avg_pool",),
    "averagepool": ("avg_pool",),
    "globalaveragepooling": ("global_avg_pool",),
    "globalaveragepool": ("global_avg_pool",),
    "concatenate": ("concat",),
    "swish": ("silu",),
    "kernel": ("size",),
    "size": ("kernel",),
    "kernelsize": ("kernel", "size"),
    "poolsize": ("size",),
    "strides": ("stride",),
    "units": ("filters",),
    "numoutput": ("filters", "units"),
    "outchannels": ("filters",),
    "outfeatures": ("units",),
    "features": ("units", "filters"),
    "filters": ("units",),
    "pad": ("padding",),
    "dilationrate": ("dilation",),
    "usebias": ("bias",),
    "learningrate": ("lr",),
    "batchsize": ("batch",),
    "dataset": ("data",),
    "architecture": ("layers",),
    "parameters": ("params",),
    "inputshape": ("input",),
    "variables": ("vars",),
}
"""What other tools call things, lower case and without underscores; the first that fits the place is meant."""

_EXPRESSION = r"^\$"
_NAME = r"^[A-Za-z0-9_-]+$"
_LAYER_LIST: dict[str, Any] = {"type": ["array"], "title": "a list of layers", "items": {"$ref": "#/$defs/layer"}}


def or_expression(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, or an expression in the value's place (and in the place of each of its items)."""
    found = dict(schema)
    if "string" in found["type"]:
        if "pattern" in found:
            found["pattern"] = f"{found['pattern']}|{_EXPRESSION}"
    else:
        found["type"] = [*found["type"], "string"]
        found["pattern"] = _EXPRESSION
    if "items" in found:
        found["items"] = or_expression(found["items"])
    return found


def declaration_schema(declaration: Declaration) -> dict[str, Any]:
    """What may stand behind the key of a declaration: nothing, its main attribute, or a mapping."""
    properties = {
        a.name: {**or_expression(a.schema()), "description": a.doc} | ({} if a.required else {"default": a.default})
        for a in declaration.attributes
    }
    found: dict[str, Any] = {"type": ["object", "null"], "title": "a mapping of attributes"}
    if declaration.main is not None:
        main = dict(properties[declaration.main])
        main.pop("default", None)
        found = {**main, "type": [*main["type"], "object", "null"]}
        found["title"] = f"{main['title']} ({declaration.main}), or a mapping of attributes"
    found["description"] = declaration.doc
    found["properties"] = properties
    found["additionalProperties"] = False
    required = [a.name for a in declaration.attributes if a.required]
    if required:
        found["required"] = required
    return found


def _merge_schema(declaration: Declaration) -> dict[str, Any]:
    """A merging op: its attributes, and branches by name or in a list."""
    found = declaration_schema(declaration)
    found["type"] = ["object", "array", "null"]
    found["title"] = "branches: a mapping of names to lists of layers, or a list of lists"
    found["additionalProperties"] = _LAYER_LIST
    found["items"] = _LAYER_LIST
    return found


def _named(declarations: Iterable[Declaration]) -> dict[str, Any]:
    """One of several declarations, by bare name or as a mapping with one key."""
    properties = {d.name: declaration_schema(d) for d in declarations}
    return {
        "type": ["string", "object"],
        "title": "one of " + ", ".join(properties),
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _described(properties: dict[str, Any], descriptions: Mapping[str, str]) -> dict[str, Any]:
    """The properties with what editors show beside each key."""
    return {key: {**schema, "description": descriptions[key]} for key, schema in properties.items()}


def _layer() -> dict[str, Any]:
    ops = {d.name: (_merge_schema if d.has("merges") else declaration_schema)(d) for d in REGISTRIES["op"].public()}
    name = {"type": ["string"], "title": "a name of letters, digits, _ and -", "pattern": _NAME}
    modifiers: dict[str, Any] = {key: {} for key in LATER_LAYER_KEYS}
    modifiers["name"] = name
    modifiers["from"] = {
        "type": ["string", "array"],
        "title": "the name of an earlier layer, or a list of names",
        "items": {"type": ["string"], "title": "the name of an earlier layer"},
        "minItems": 1,
    }
    return {
        "type": ["string", "object"],
        "title": "a layer: the name of an op, or a mapping with one op key",
        "properties": _described({**modifiers, GROUP: _LAYER_LIST}, LAYER_KEYS) | ops,
        "additionalProperties": False,
    }


def _train() -> dict[str, Any]:
    whole = {"type": ["integer"], "title": "a whole number of at least 1", "minimum": 1}
    properties: dict[str, Any] = {key: {} for key in LATER_TRAIN_KEYS}
    properties |= {
        "data": _named(REGISTRIES["source"].public()),
        "validation": or_expression(
            {"type": ["number"], "title": "a share of at least 0 and less than 1", "minimum": 0, "exclusiveMaximum": 1}
        ),
        "preprocess": {
            "type": ["array"],
            "title": "a list of transforms",
            "items": _named(REGISTRIES["transform"].public()),
        },
        "loss": _named(REGISTRIES["loss"].public()),
        "metrics": {"type": ["array"], "title": "a list of metrics", "items": _named(REGISTRIES["metric"].public())},
        "optimizer": _named(REGISTRIES["optimizer"].public()),
        "lr": _rate(),
        "epochs": or_expression(whole),
        "batch": or_expression(whole),
        "seed": or_expression({"type": ["integer"], "title": "a whole number of at least 0", "minimum": 0}),
    }
    return {
        "type": ["object"],
        "title": "a mapping that says how to train",
        "properties": _described(properties, TRAIN_KEYS),
        "additionalProperties": False,
    }


def _rate() -> dict[str, Any]:
    """A schedule, or a number for a constant rate."""
    found = _named(REGISTRIES["schedule"].public())
    found["title"] = "a learning rate, or a schedule: " + found["title"]
    found["type"] = ["number", *found["type"]]
    found["exclusiveMinimum"] = 0
    return found


def _count(title: str) -> dict[str, Any]:
    limit = {"type": ["integer", "string"], "title": title}
    bounds = {"min": {**limit, "description": "not less"}, "max": {**limit, "description": "not more"}}
    mapping = {"properties": bounds, "additionalProperties": False}
    return {**limit, "type": ["integer", "string", "object"], **mapping}


def _expect() -> dict[str, Any]:
    shape = {
        "type": ["array"],
        "title": "a shape: a list of whole numbers",
        "items": or_expression({"type": ["integer"], "title": "a whole number"}),
    }
    count = _count("a number (k, M, G allowed), or a mapping of min and max")
    properties = {
        "output": shape,
        "shapes": {"type": ["object"], "title": "a mapping of layers to shapes", "additionalProperties": shape},
        **dict.fromkeys(TOTALS, count),
    }
    return {
        "type": ["object"],
        "title": "a mapping of what must be true",
        "properties": _described(properties, EXPECT_KEYS),
        "additionalProperties": False,
    }


@cache
def spec_schema() -> dict[str, Any]:
    """The schema of a whole spec file."""
    text = {"type": ["string"], "title": "a text"}
    length = or_expression({"type": ["integer"], "title": "a whole number of at least 1", "minimum": 1})
    properties: dict[str, Any] = {key: {} for key in LATER_TOP_KEYS}
    properties |= {
        "netspec": {
            "type": ["integer"],
            "title": f"the language version, {LANGUAGE_VERSION}",
            "example": LANGUAGE_VERSION,
        },
        "name": text,
        "doc": text,
        "vars": {
            "type": ["object"],
            "title": "a mapping of names to values",
            "additionalProperties": {
                "type": ["number", "string", "boolean", "array"],
                "title": "a number, a text, true or false, or a list",
            },
        },
        "input": {
            "type": ["array"],
            "title": "a shape, channels last, such as [32, 32, 3]",
            "items": length,
            "minItems": 1,
            "maxItems": 4,
            "example": "[32, 32, 3]",
        },
        "layers": _LAYER_LIST,
        "train": _train(),
        "expect": _expect(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "netspec",
        "description": "A network: what goes in, which layers follow, how it is trained, what must be true of it.",
        "type": ["object"],
        "properties": _described(properties, TOP_KEYS),
        "required": ["netspec", "input", "layers"],
        "additionalProperties": False,
        "$defs": {"layer": _layer()},
    }


def schema_text() -> str:
    """The schema as a JSON document."""
    return json.dumps(spec_schema(), indent=2, ensure_ascii=False) + "\n"
