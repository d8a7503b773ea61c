"""The JSON Schema of a spec, generated from the declarations: for validation here and for editors.

Alternatives are told apart by type, not by ``oneOf`` or ``anyOf``: a failed alternative has no message worth reading,
and ``if``/``then`` over all ops is slow. That a layer has exactly one op key is counted by the expansion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from netspec.core.attributes import DIALECTS
from netspec.core.declare import REGISTRIES, Declaration
from netspec.syntax.descriptions import BLOCK_KEYS, EXPECT_KEYS, HEAD_KEYS, LAYER_KEYS, TOP_KEYS, TRAIN_KEYS
from netspec.syntax.vocabulary import GROUP, LANGUAGE_VERSION, PARAMETERS, TOTALS, TRAIN_CHOICES

_EXPRESSION = r"^\$(?!\$)"
_NAME = r"^[\w-]+$"
_VALUE = ["number", "string", "boolean", "array"]
FLAG: dict[str, Any] = {"type": ["boolean"], "title": "true or false"}
"""What ``when`` and ``freeze`` want."""
REPEAT: dict[str, Any] = {"type": ["integer"], "title": "a whole number of at least 0", "minimum": 0}
"""What ``repeat`` wants."""
_TEXT: dict[str, Any] = {"type": ["string"], "title": "a text"}
_EARLIER: dict[str, Any] = {"type": ["string"], "title": "the name of an earlier layer"}
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
    """A merging op: its attributes, and branches by name or in a list; a branch may be left out by ``when``."""
    found = declaration_schema(declaration)
    branch = {
        "type": ["array", "object"],
        "title": "a list of layers, or a mapping of when and layers",
        "items": {"$ref": "#/$defs/layer"},
        "properties": {
            "when": {**or_expression(FLAG), "description": LAYER_KEYS["when"]},
            GROUP: {**_LAYER_LIST, "description": LAYER_KEYS[GROUP]},
        },
        "required": [GROUP],
        "additionalProperties": False,
    }
    found["type"] = ["object", "array", "null"]
    found["title"] = "branches: a mapping of names to lists of layers, or a list of lists"
    found["additionalProperties"] = branch
    found["items"] = branch
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


def _one_of(words: tuple[str, ...]) -> dict[str, Any]:
    return {
        "type": ["string"],
        "title": "one of " + ", ".join(words),
        "pattern": f"^({'|'.join(words)})$",
        "choices": words,
    }


def _described(properties: dict[str, Any], descriptions: Mapping[str, str]) -> dict[str, Any]:
    """The properties with what editors show beside each key."""
    return {key: {**schema, "description": descriptions[key]} for key, schema in properties.items()}


def _initializers() -> dict[str, Any]:
    """One initialiser, or one for each of some parameters."""
    found = _named(REGISTRIES["initializer"].public())
    one = dict(found)
    found["title"] = "an initialiser, or a mapping of parameters to initialisers: " + found["title"]
    one["description"] = "How this parameter starts."
    found["properties"] = {**found["properties"], **dict.fromkeys(PARAMETERS, one)}
    del found["maxProperties"]
    return found


def _layer() -> dict[str, Any]:
    ops = {d.name: (_merge_schema if d.has("merges") else declaration_schema)(d) for d in REGISTRIES["op"].public()}
    modifiers: dict[str, Any] = {
        "name": {"type": ["string"], "title": "a name of letters, digits, _ and -", "pattern": _NAME},
        "from": {
            "type": ["string", "array"],
            "title": "the name of an earlier layer, or a list of names",
            "items": _EARLIER,
            "minItems": 1,
        },
        "when": or_expression(FLAG),
        "repeat": or_expression(REPEAT),
        "share": _EARLIER,
        "freeze": or_expression(FLAG),
        "init": _initializers(),
    }
    return {
        "type": ["string", "object"],
        "title": "a layer: the name of an op, or a mapping with one op key",
        "properties": _described({**modifiers, GROUP: _LAYER_LIST}, LAYER_KEYS) | ops,
        "patternProperties": {_EXPRESSION: {}},
        "additionalProperties": False,
    }


def _blocks() -> dict[str, Any]:
    value = {"type": _VALUE, "title": "a number, a text, true or false, or a list"}
    names = {"type": ["object"], "title": "a mapping of names to values", "additionalProperties": value}
    properties = {"args": names, "vars": names, "doc": _TEXT, GROUP: _LAYER_LIST}
    block = {
        "type": ["object"],
        "title": "a mapping of args, vars, doc and layers",
        "properties": _described(properties, BLOCK_KEYS),
        "required": [GROUP],
        "additionalProperties": False,
    }
    return {"type": ["object"], "title": "a mapping of names to blocks", "additionalProperties": block}


def block_call_schema(arguments: Mapping[str, bool] | None) -> dict[str, Any]:
    """What may stand behind the name of a block with these arguments, each with whether it is required.

    Anything may, where the definition could not be read.
    """
    if arguments is None:
        return {}
    if not arguments:
        return {
            "type": ["object", "null"],
            "title": "nothing, for this block has no arguments",
            "properties": {},
            "additionalProperties": False,
        }
    value = {"type": _VALUE, "title": "a number, a text, true or false, or a list"}
    return {
        "type": ["object", *_VALUE, "null"],
        "title": f"a mapping of {', '.join(arguments)}, or {next(iter(arguments))} alone",
        "properties": dict.fromkeys(arguments, value),
        "required": [name for name, required in arguments.items() if required],
        "additionalProperties": False,
    }


def with_blocks(blocks: Mapping[str, Mapping[str, bool] | None]) -> dict[str, Any]:
    """The schema of a spec in which these blocks can be used; see :func:`block_call_schema`."""
    schema = spec_schema()
    if not blocks:
        return schema
    layer = schema["$defs"]["layer"]
    calls = {
        name: block_call_schema(arguments) for name, arguments in blocks.items() if name not in layer["properties"]
    }
    return {**schema, "$defs": {"layer": {**layer, "properties": {**layer["properties"], **calls}}}}


def _train() -> dict[str, Any]:
    whole = {"type": ["integer"], "title": "a whole number of at least 1", "minimum": 1}
    count = {"type": ["integer"], "title": "a whole number of at least 0", "minimum": 0}
    properties: dict[str, Any] = {key: _one_of(words) for key, words in TRAIN_CHOICES.items()}
    properties |= {
        "data": _named(REGISTRIES["source"].public()),
        "validation": or_expression(
            {
                "type": ["number", "string"],
                "title": "a share of at least 0 and less than 1, or the name of a part",
                "minimum": 0,
                "exclusiveMaximum": 1,
                "pattern": _NAME,
            }
        ),
        "preprocess": {
            "type": ["array"],
            "title": "a list of transforms",
            "items": _named(REGISTRIES["transform"].public()),
        },
        "augment": {
            "type": ["array"],
            "title": "a list of augmentations",
            "items": _named(REGISTRIES["augmentation"].public()),
        },
        "loss": _named(REGISTRIES["loss"].public()),
        "metrics": _metrics(),
        "optimizer": _named(REGISTRIES["optimizer"].public()),
        "init": {
            "type": ["object"],
            "title": "a mapping of from and match",
            "properties": {
                "from": {**_TEXT, "description": "A safetensors file, or the folder of a run."},
                "match": {
                    "type": ["string"],
                    "title": "name or shape",
                    "pattern": "^(name|shape)$",
                    "choices": ("name", "shape"),
                    "default": "name",
                    "description": "Whether weights are known by their names, or by their order and shapes.",
                },
            },
            "required": ["from"],
            "additionalProperties": False,
        },
        "lr": _rate(),
        "epochs": or_expression(whole),
        "batch": or_expression(whole),
        "accumulate": or_expression(whole),
        "sync_batch_norm": FLAG,
        **{key: or_expression(count) for key in ("seed", "workers", "cache")},
    }
    return {
        "type": ["object"],
        "title": "a mapping that says how to train",
        "properties": _described(properties, TRAIN_KEYS)
        | {d.name: declaration_schema(d) for d in REGISTRIES["option"].public()},
        "additionalProperties": False,
    }


def _metrics() -> dict[str, Any]:
    """Metrics, of which a single one may stand without a list around it."""
    one = _named(REGISTRIES["metric"].public())
    return {**one, "type": ["array", *one["type"]], "title": "a metric, or a list of metrics", "items": one}


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


def _shape(title: str) -> dict[str, Any]:
    length = or_expression({"type": ["integer"], "title": "a whole number of at least 1", "minimum": 1})
    return {"type": ["array"], "title": title, "items": length, "minItems": 1, "maxItems": 4, "example": "[32, 32, 3]"}


def _expect() -> dict[str, Any]:
    items = or_expression({"type": ["integer"], "title": "a whole number"})
    shape = {"type": ["array"], "title": "a shape: a list of whole numbers", "items": items}
    shapes = {"type": ["object"], "title": "a mapping of layers to shapes", "additionalProperties": shape}
    output = {
        **shapes,
        "type": ["array", "object"],
        "title": "a shape, or a mapping of heads to shapes",
        "items": items,
    }
    count = _count("a number (k, M, G, or KiB, MiB, GiB allowed), or a mapping of min and max")
    totals = dict.fromkeys(TOTALS, count)
    train_only = {
        "type": ["object"],
        "title": "a mapping of totals",
        "properties": _described(totals, EXPECT_KEYS),
        "additionalProperties": False,
    }
    properties = {"output": output, "shapes": shapes, **totals, "train_only": train_only}
    return {
        "type": ["object"],
        "title": "a mapping of what must be true",
        "properties": _described(properties, EXPECT_KEYS),
        "additionalProperties": False,
    }


def _inputs() -> dict[str, Any]:
    shape = _shape("a shape, channels last, such as [32, 32, 3]")
    field = {
        **shape,
        "type": ["array", "object"],
        "title": "a shape, or a mapping of shape and source",
        "properties": {
            "shape": {**shape, "description": TOP_KEYS["input"]},
            "source": {**_TEXT, "description": "The field of the data that goes in."},
        },
        "required": ["shape"],
        "additionalProperties": False,
    }
    return {
        "type": ["object"],
        "title": "a mapping of names to shapes",
        "additionalProperties": field,
        "propertyNames": {"pattern": _NAME},
        "minProperties": 1,
    }


def _heads() -> dict[str, Any]:
    properties = {
        "from": _EARLIER,
        GROUP: _LAYER_LIST,
        "loss": _named(REGISTRIES["loss"].public()),
        "weight": or_expression({"type": ["number"], "title": "a number of at least 0", "minimum": 0}),
        "metrics": _metrics(),
        "target": _TEXT,
        "only": {"type": ["string"], "title": "train", "pattern": "^train$", "choices": ["train"]},
    }
    head = {
        "type": ["object", "null"],
        "title": "a mapping that says of an output where it comes from and how it is trained",
        "properties": _described(properties, HEAD_KEYS),
        "additionalProperties": False,
    }
    return {
        "type": ["object"],
        "title": "a mapping of names to heads",
        "additionalProperties": head,
        "propertyNames": {"pattern": _NAME},
        "minProperties": 1,
    }


@cache
def spec_schema() -> dict[str, Any]:
    """The schema of a whole spec file that has no blocks of its own."""
    value = {"type": _VALUE, "title": "a number, a text, true or false, or a list"}
    properties: dict[str, Any] = {
        "netspec": {
            "type": ["integer"],
            "title": f"the language version, {LANGUAGE_VERSION}",
            "example": LANGUAGE_VERSION,
        },
        "name": _TEXT,
        "doc": _TEXT,
        "include": {"type": ["array"], "title": "a list of files", "items": {"type": ["string"], "title": "a path"}},
        "extends": {"type": ["string"], "title": "the path of a spec"},
        "dialect": _one_of(DIALECTS),
        "vars": {"type": ["object"], "title": "a mapping of names to values", "additionalProperties": value},
        "input": _shape("a shape, channels last, such as [32, 32, 3]"),
        "inputs": _inputs(),
        "blocks": _blocks(),
        "layers": _LAYER_LIST,
        "heads": _heads(),
        "train": _train(),
        "expect": _expect(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "netspec",
        "description": "A network: what goes in, which layers follow, how it is trained, what must be true of it.",
        "type": ["object"],
        "properties": _described(properties, TOP_KEYS),
        "required": ["netspec"],
        "additionalProperties": False,
        "$defs": {"layer": _layer()},
    }
