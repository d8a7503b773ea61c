"""Generated pages: every example is clean and runs, every refusal is listed, nothing is left over in docs/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.analysis.pages import KINDS, example_lines, example_spec, kind_page, op_page
from netspec.analysis.pages.markup import code, escaped, formula, table, written
from netspec.analysis.pages.refusals import refusals
from netspec.core import expression, op
from netspec.core.declare import REGISTRIES, Declaration
from netspec.core.op import ShapeError
from netspec.core.types import TensorType
from netspec.lint.engine import lint
from netspec.syntax.source import Source
from netspec.testing import cases

DECLARATIONS = tuple(d for registry in REGISTRIES.values() for d in registry.public())
COMPILED = tuple(d for d in DECLARATIONS if d.kind in ("op", "loss", "optimizer", "initializer"))
OPS = tuple(REGISTRIES["op"].public())


def title(declaration: Declaration) -> str:
    return f"{declaration.kind} {declaration.name}"


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=title)
def test_example_is_clean(declaration: Declaration) -> None:
    found = lint(Source("example.yaml", example_spec(declaration)))
    assert [d.message for d in found if d.severity != "info"] == []


@pytest.mark.parametrize("declaration", COMPILED, ids=title)
def test_example_learns(declaration: Declaration) -> None:
    """One step on three images, after which the loss of the same images is a number."""
    spec = netspec.load(example_spec(declaration))
    model = spec.compile(batch=3, threads=1)
    generator = np.random.default_rng(1)
    images = generator.integers(0, 256, (3, 8, 8, 1)).astype(np.uint8)
    target = spec.recipe.loss.target(TensorType((10,)))
    whole = generator.integers(0, 10, 3).astype(np.int32)
    targets = whole if target.dtype == "int32" else generator.random((3, 10), np.float32)
    assert np.isfinite(model.step(images, targets, 0.01)["loss"])
    assert all(np.isfinite(model.weights[name]).all() for name in model.weights)


@pytest.mark.parametrize("declaration", OPS, ids=title)
def test_example_takes_numbers_however_they_are_stored(declaration: Declaration) -> None:
    model = netspec.load(example_spec(declaration)).compile(batch=3, threads=1, mode="infer")
    x = np.random.default_rng(2).uniform(0, 255, (3, 8, 8, 1)).astype(np.float32)
    wanted = model.predict(x)
    strided = np.repeat(x, 2, axis=2)[:, :, ::2]
    backwards = x[::-1].copy()[::-1]
    assert not strided.flags.c_contiguous
    for given in (x.astype(np.float64), np.asfortranarray(x), strided, backwards):
        np.testing.assert_array_equal(model.predict(given), wanted)
    np.testing.assert_array_equal(model.predict(x[:2]), wanted[:2])


@pytest.mark.parametrize("declaration", OPS, ids=title)
def test_page_of_an_op(declaration: Declaration) -> None:
    page = op_page(declaration)
    assert page.startswith("<!-- Generated")
    assert f"# {code(declaration.name)}\n\n{escaped(declaration.doc)}\n" in page
    assert example_spec(declaration) in page
    assert all(f"| {code(attribute.name)} |" in page.replace("**", "") for attribute in declaration.attributes)


@pytest.mark.parametrize("kind", KINDS)
def test_page_of_a_kind(kind: str) -> None:
    page = kind_page(KINDS[kind], REGISTRIES[kind].public())
    for declaration in REGISTRIES[kind].public():
        assert f"\n## {code(declaration.name)}\n" in page
        assert example_lines(declaration) in page


def test_every_kind_has_its_pages() -> None:
    assert {"op", *KINDS} == set(REGISTRIES)


def test_no_page_outlives_its_op(repository: Path) -> None:
    expected = {"README", *(declaration.name for declaration in OPS)}
    assert {path.stem for path in (repository / "docs" / "ops").iterdir()} == expected


SHAPES = ((1,), (6,), (5, 6), (1, 6), (4, 6, 6), (1, 1, 3), (7, 6, 4), (3, 4, 5, 6), (2, 2, 2, 2, 2))


@pytest.mark.parametrize("declaration", OPS, ids=title)
def test_every_refusal_is_on_the_page(declaration: Declaration) -> None:
    """Whatever shapes an op is put on, it refuses them for a reason that its page names."""
    counts = (1, 2, 3) if declaration.has("merges") else (1,)
    given = [(shape,) * count for shape in SHAPES for count in counts]
    given += [(*each, SHAPES[0]) for each in given if declaration.has("merges")]
    attributes = dict.fromkeys(case.attrs for case in cases(declaration))
    found = {refusal(attrs, shapes) for attrs in attributes for shapes in given}
    assert found <= {None, *refusals(declaration)}


def refusal(attrs: Any, shapes: tuple[tuple[int, ...], ...]) -> str | None:
    try:
        op.infer(attrs, tuple(map(TensorType, shapes)))
    except ShapeError as error:
        return error.code
    return None


def test_refusals_of_what_an_op_is_made_of_are_its_own() -> None:
    ops = REGISTRIES["op"]
    assert refusals(ops["conv"]) == ("NS201", "NS202", "NS210", "NS212", "NS213")
    assert refusals(ops["separable_conv"]) == refusals(ops["conv"])
    assert refusals(ops["relu"]) == ()


def test_markup_shows_what_was_written() -> None:
    assert escaped("a|b *c* <d> [e] `f` g_h #") == r"a\|b \*c\* \<d\> \[e\] \`f\` g\_h \#"
    assert table(("a",), [("b",)]) == "| a |\n| --- |\n| b |"
    values: list[tuple[Any, str]] = [(None, "none"), (True, "true"), ((1, 0.5), "[1, 0.5]"), (1e-5, "1e-05")]
    assert [written(value) for value, _ in values] == [text for _, text in values]


def test_a_formula_is_free_of_rounding() -> None:
    (x,) = expression.inputs(1)
    assert formula((1 - 0.9) * x + 0.1 / 3) == "0.1 * x0 + 0.03333333333"
