from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from netspec.core.attributes import attr
from netspec.core.declare import REGISTRIES, Registry, attributes_of, declaration_of, declare
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.pooling import MaxPool

OPS = REGISTRIES["op"]


@pytest.fixture(autouse=True)
def _restored_registry() -> Iterator[None]:
    before = dict(OPS.entries)
    yield
    OPS.entries.clear()
    OPS.entries.update(before)


def test_an_instance_holds_its_attributes_with_the_defaults_filled_in() -> None:
    conv = Conv(filters=3, kernel=5)
    assert attributes_of(conv) == {
        "filters": 3,
        "kernel": 5,
        "stride": 1,
        "padding": "valid",
        "dilation": 1,
        "groups": 1,
        "bias": True,
    }
    assert declaration_of(conv) is OPS["conv"]
    assert repr(conv) == "conv(filters=3, kernel=5)"


def test_instances_are_values() -> None:
    assert Conv(filters=3, kernel=5) == Conv(kernel=5, filters=3)
    assert hash(Conv(filters=3, kernel=5)) == hash(Conv(kernel=5, filters=3))
    assert Conv(filters=3, kernel=5) != Conv(filters=4, kernel=5)
    assert MaxPool(size=2) != Conv(filters=3, kernel=2)


def test_instances_are_frozen() -> None:
    conv = Conv(filters=3, kernel=5)
    with pytest.raises(AttributeError, match="conv declaration is frozen"):
        conv.filters = 4  # type: ignore[misc]  # the point of the test
    with pytest.raises(AttributeError, match="conv declaration is frozen"):
        del conv.filters


def test_instances_can_be_pickled() -> None:
    conv = Conv(filters=3, kernel=5)
    assert pickle.loads(pickle.dumps(conv)) == conv


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"filters": 3}, "conv lacks kernel"),
        ({}, "conv lacks filters, kernel"),
        ({"filters": 3, "kernel": 5, "sides": 2, "depth": 1}, "conv has no attribute depth, sides"),
    ],
)
def test_wrong_arguments_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Conv(**given)


def test_a_name_is_declared_once() -> None:
    with pytest.raises(ValueError, match="two op declarations called 'conv'"):
        declare("op", "conv")(type("Other", (), {"__annotations__": {}}))


def test_the_main_attribute_must_exist() -> None:
    with pytest.raises(TypeError, match="has no attribute 'units' to be its main one"):

        @declare("op", "test.mainless", main="units")
        class Mainless:
            size: int = attr(doc="size")


def test_an_attribute_wants_attr() -> None:
    with pytest.raises(TypeError, match=r"'size' wants attr\(...\)"):

        @declare("op", "test.bare")
        class Bare:
            size: int = 3


def test_a_public_attribute_has_a_known_kind() -> None:
    with pytest.raises(TypeError, match="unknown kind 'complex'"):

        @declare("op", "test.strange")
        class Strange:
            size: complex = attr(doc="size")


def test_an_internal_attribute_may_be_anything() -> None:
    @declare("op", "test.internal", public=False)
    class Internal:
        conv: Conv = attr(doc="a whole declaration")

    assert Internal(conv=Conv(filters=1, kernel=1)).conv.filters == 1
    assert "test.internal" not in {d.name for d in OPS.public()}
    assert "test.internal" in {d.name for d in OPS.all()}


def test_the_docstring_stands_in_for_doc() -> None:
    @declare("op", "test.documented")
    class Documented:
        """What it does."""

    assert declaration_of(Documented()).doc == "What it does."


def test_a_registry_loads_once_and_asks_plugins_only_for_names_that_are_not_ours() -> None:
    calls: list[str] = []
    registry = Registry("op", load=lambda: calls.append("load"), load_plugins=lambda: calls.append("plugins"))
    registry.entries["known"] = OPS["conv"]
    assert registry.get("known") is OPS["conv"]
    assert registry.get("known") is OPS["conv"]
    assert calls == ["load"]
    assert registry.get("foreign") is None
    assert registry.get("foreign") is None
    assert calls == ["load", "plugins"]
    with pytest.raises(KeyError, match="no op called 'foreign'"):
        registry["foreign"]


def test_declarations_know_their_attributes_and_methods() -> None:
    conv = OPS["conv"]
    assert conv.main == "filters"
    found = conv.attribute("filters")
    assert found is not None
    assert found.required
    assert conv.attribute("sides") is None
    assert conv.has("grad")
    assert not conv.has("expressions")
