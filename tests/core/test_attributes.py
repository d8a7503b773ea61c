from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from netspec.core.attributes import KINDS, Attribute, attr, bind


def attribute(kind: str, **limits: Any) -> Attribute:
    return bind("it", kind, attr(doc="it", **limits), public=True)


ACCEPTED: list[tuple[Attribute, Any, Any]] = [
    (attribute("int", minimum=1), 3, 3),
    (attribute("int"), 3.0, 3),
    (attribute("float"), 3, 3.0),
    (attribute("float", exclusiveMinimum=0), 0.5, 0.5),
    (attribute("bool"), True, True),
    (attribute("str", enum=("floor", "ceil")), "ceil", "ceil"),
    (attribute("str"), "any", "any"),
    (attribute("Window", minimum=1), 3, 3),
    (attribute("Window"), [3, 5.0], (3, 5)),
    (attribute("Padding"), "same", "same"),
    (attribute("Padding"), 0, 0),
    (attribute("Padding"), [1, [0, 2.0]], (1, (0, 2))),
    (attribute("Margins"), 2, 2),
    (attribute("Margins"), [1, [0, 2.0]], (1, (0, 2))),
    (attribute("Margin"), 0, 0),
    (attribute("Margin"), [3, 0], (3, 0)),
    (attribute("Indices"), 0, 0),
    (attribute("Indices"), [2.0, 0, 2], (2, 0, 2)),
    (attribute("Shape"), [4, -1, 3.0], (4, -1, 3)),
    (attribute("Factor"), "learned", "learned"),
    (attribute("Factor"), 2, 2.0),
    (attribute("Factor", minimum=0), 0.5, 0.5),
    (attribute("LayerShape"), "encoder/conv2", "encoder/conv2"),
    (attribute("Numbers"), 255, (255.0,)),
    (attribute("Numbers"), [0.5, 1], (0.5, 1.0)),
    (attribute("NumberTree"), [1, 0.5], (1.0, 0.5)),
    (attribute("NumberTree"), [[1, 2], [3, 4]], ((1.0, 2.0), (3.0, 4.0))),
    (attribute("NumberTree"), [[[[[1]]]]], (((((1.0,),),),),)),
    (attribute("NumbersOrWord", enum=("even",)), "even", "even"),
    (attribute("NumbersOrWord", enum=("even",)), [1, 2.5], (1.0, 2.5)),
]

REFUSED: list[tuple[Attribute, Any]] = [
    (attribute("int", minimum=1), 0),
    (attribute("int"), 2.5),
    (attribute("int"), "3"),
    (attribute("int"), True),
    (attribute("float", exclusiveMinimum=0), 0),
    (attribute("float", minimum=0, exclusiveMaximum=1), 1),
    (attribute("bool"), 1),
    (attribute("str", enum=("floor", "ceil")), "round"),
    (attribute("str", enum=("floor", "ceil")), "floors"),
    (attribute("Window"), 0),
    (attribute("Window"), []),
    (attribute("Window"), [1, 2, 3, 4]),
    (attribute("Window"), [1, 0]),
    (attribute("Window"), "3"),
    (attribute("Padding"), "reflect"),
    (attribute("Padding"), -1),
    (attribute("Padding"), [[1, 2, 3]]),
    (attribute("Padding"), [[1, -1]]),
    (attribute("Margins"), "same"),
    (attribute("Margins"), -1),
    (attribute("Margins"), [1, 1, 1, 1]),
    (attribute("Margins"), [[1, 2, 3]]),
    (attribute("Margin"), [1]),
    (attribute("Margin"), [1, -1]),
    (attribute("Margin"), [[0, 1], 2]),
    (attribute("Indices"), -1),
    (attribute("Indices"), []),
    (attribute("Indices"), 1.5),
    (attribute("Shape"), 12),
    (attribute("Shape"), []),
    (attribute("Shape"), [4, -2]),
    (attribute("Shape"), [1, 2, 3, 4, 5]),
    (attribute("Factor"), "taught"),
    (attribute("Factor", minimum=0), -0.5),
    (attribute("Numbers", exclusiveMinimum=0), [0.5, 0]),
    (attribute("Numbers"), []),
    (attribute("NumberTree"), 1),
    (attribute("NumberTree"), []),
    (attribute("NumberTree"), [[]]),
    (attribute("NumberTree"), [["1"]]),
    (attribute("NumbersOrWord", enum=("even",)), "odd"),
    (attribute("NumbersOrWord", enum=("even",)), ["even"]),
    (attribute("NumberTree"), [[[[[[1]]]]]]),
]


@pytest.mark.parametrize(("it", "written", "value"), ACCEPTED, ids=lambda v: str(getattr(v, "kind", v)))
def test_what_fits_is_accepted_and_becomes_its_python_value(it: Attribute, written: Any, value: Any) -> None:
    Draft202012Validator(it.schema()).validate(written)
    python = it.python(written)
    assert python == value
    assert type(python) is type(value)


@pytest.mark.parametrize(("it", "written"), REFUSED, ids=lambda v: str(getattr(v, "kind", v)))
def test_what_does_not_fit_is_refused(it: Attribute, written: Any) -> None:
    assert not Draft202012Validator(it.schema()).is_valid(written)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_schema_is_one_and_says_what_is_expected(kind: str) -> None:
    schema = attribute(kind).schema()
    Draft202012Validator.check_schema(schema)
    assert schema["title"]


@pytest.mark.parametrize(
    ("limits", "phrase"),
    [
        ({"minimum": 1}, "a whole number of at least 1"),
        ({"exclusiveMinimum": 0, "maximum": 9}, "a whole number of more than 0 and at most 9"),
        ({"minimum": 0, "exclusiveMaximum": 5}, "a whole number of at least 0 and less than 5"),
        ({}, "a whole number"),
    ],
)
def test_limits_are_spelled_out(limits: dict[str, Any], phrase: str) -> None:
    assert attribute("int", **limits).schema()["title"] == phrase


def test_an_attribute_without_default_is_required() -> None:
    assert attribute("int").required
    assert not bind("it", "int", attr(default=None, doc="it"), public=True).required
    assert repr(attribute("int").default) == "required"


def test_an_attribute_may_have_another_default_in_another_dialect() -> None:
    eps = bind("eps", "float", attr(default=1e-5, doc="it", dialects={"keras": 1e-3}), public=True)
    assert [eps.default_in(dialect) for dialect in ("textbook", "keras", "torch")] == [1e-5, 1e-3, 1e-5]


def test_a_default_for_an_unknown_dialect_is_a_mistake_of_the_declaring_code() -> None:
    with pytest.raises(TypeError, match="unknown dialect"):
        bind("eps", "float", attr(default=1e-5, doc="it", dialects={"mxnet": 1e-3}), public=True)
