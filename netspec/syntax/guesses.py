"""Going on after a mistake: what to take for a value that cannot be known, and for a shape that an op refuses.

Every guess comes in two versions that are unlike each other. What is wrong under one of them only was caused by the
guess and is not reported; what is wrong under both is a mistake of its own, and an axis that is the same in both is
certain. So ten mistakes come out in one run, and one mistake comes out once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from netspec.core import op as ops
from netspec.core.attributes import REQUIRED, Attribute
from netspec.core.declare import attributes_of, declaration_of
from netspec.core.op import ShapeError
from netspec.core.types import TensorType

_DIVISIBLE = 720
"""A number of channels that nearly every number of groups divides."""
_SIDES = (64, 96)
"""Sides of the image that is put in the place of a row of features."""

_STAND_INS: dict[str, Any] = {
    "int": _DIVISIBLE,
    "float": 0.5,
    "bool": False,
    "str": "",
    "Window": 1,
    "Padding": "valid",
    "Margins": 0,
    "Margin": 0,
    "Indices": 0,
    "Shape": (-1,),
    "Factor": 1.0,
    "Numbers": (1.0,),
    "NumberTree": (0.0,),
}
"""What is taken for a required attribute of unknown value, by its kind."""


class Outcome(NamedTuple):
    """What an op makes of its inputs: a type, or the best guess at it with the error that it answers with."""

    type: TensorType | None
    error: ShapeError | None = None


def stand_in(attribute: Attribute) -> Any:
    """What is taken for an attribute of unknown value: its default, else something that fits most networks."""
    if attribute.default is not REQUIRED:
        return attribute.default
    return attribute.limits["enum"][0] if "enum" in attribute.limits else _STAND_INS[attribute.kind]


def another(attribute: Attribute, value: Any) -> Any:
    """A value of the attribute that is unlike ``value``: its default, else one that makes another shape."""
    if attribute.default is not REQUIRED and attribute.default != value:
        return attribute.default
    if "enum" in attribute.limits:
        return next(word for word in attribute.limits["enum"] if word != value)
    if isinstance(value, bool):
        return not value
    if attribute.kind == "Padding":
        return "same" if value != "same" else "valid"
    if attribute.kind == "Window" and value is None:
        return 1
    if attribute.kind == "LayerShape" and value is None:
        return (_SIDES[0], _SIDES[0], _DIVISIBLE)
    if attribute.kind == "Factor":
        return _STAND_INS["Factor"]
    if attribute.kind == "Shape":
        return (*value, 1)
    if isinstance(value, tuple) and attribute.kind in ("Window", "Indices"):
        return tuple(number + 1 for number in value)
    return value + 1 if isinstance(value, int) else value


def outcome(attrs: Any, types: tuple[TensorType, ...], second: bool, side: int) -> Outcome:
    """Type of the first output; where the op refuses, the best guess, or for ``second`` one that is unlike it.

    ``side`` is the longest side of the image that enters the network.
    """
    try:
        return Outcome(ops.infer(attrs, types)[0])
    except ShapeError as error:
        if error.makes is not None:
            return Outcome(error.makes, error)
        for mend in _mends(attrs, types, error, side if second else None):
            try:
                found = ops.infer(mend.attrs, mend.types)[0]
            except ShapeError:
                continue
            return Outcome(replace(found, shape=(*mend.around, *found.shape)), error)
        return Outcome(None, error)


class _Mend(NamedTuple):
    """An op and inputs that it might accept; the axes ``around`` stand before those of its output."""

    attrs: Any
    types: tuple[TensorType, ...]
    around: tuple[int, ...] = ()


def _mends(attrs: Any, types: tuple[TensorType, ...], error: ShapeError, side: int | None) -> Iterator[_Mend]:
    """Ways in which the op might accept its inputs, the least change first; others where there is a ``side``."""
    second = side is not None
    if side is not None:  # as if nothing had made the image smaller
        yield _Mend(attrs, tuple(replace(x, shape=(*(max(side, n) for n in x.spatial), x.channels)) for x in types))
    blamed = declaration_of(attrs).attribute(error.attr) if error.attr else None
    if blamed is not None:
        value = stand_in(blamed)
        for choice in (another(blamed, value), value) if second else (value,):
            yield _Mend(_changed(attrs, blamed.name, choice), types)
    yield _Mend(attrs, (types[-1 if second else 0],) * len(types))
    if second:  # one row of features at each place, as Keras takes a dense layer on an image
        yield _Mend(attrs, tuple(replace(x, shape=(x.channels,)) for x in types), types[0].spatial)
    yield _Mend(attrs, tuple(replace(x, shape=(x.elements,)) for x in types))
    sides = (_SIDES[second],) * 2
    yield _Mend(attrs, tuple(replace(x, shape=(*sides, x.channels)) for x in types))


def _changed(attrs: Any, name: str, value: Any) -> Any:
    return type(attrs)(**{**attributes_of(attrs), name: value})


def unlike_in_rank(x: TensorType) -> TensorType:
    """A type of which not even the number of axes is the same."""
    return replace(x, shape=(_DIVISIBLE,)) if x.spatial else replace(x, shape=(_SIDES[0], _SIDES[0], _DIVISIBLE))


def agreed_fields(code: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, object]:
    """The fields of a message on which the two versions of a guess agree.

    What the message names shows a ``?`` for each number on which they differ; what only the help would name is left
    out, and so is that of which no number is known, where the message has a wording without it.
    """
    from netspec.diagnostics.catalogue import lookup

    message = lookup(code).message
    wordings = (message,) if isinstance(message, str) else message
    fields: dict[str, object] = {}
    for name, value in first.items():
        naming = [f"{{{name}}}" in wording for wording in wordings]
        if value == second.get(name):
            fields[name] = value
        elif any(naming):
            agreed = _agreed(value, second.get(name))
            if all(naming) or re.search(r"\d", agreed):
                fields[name] = agreed
    return fields


def _agreed(first: object, second: object) -> str:
    texts = [", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value) for value in (first, second)]
    left, right = (re.split(r"(\d+)", text) for text in texts)
    if len(left) != len(right) or left[::2] != right[::2]:
        return texts[0]
    return "".join(one if one == other else "?" for one, other in zip(left, right, strict=True))
