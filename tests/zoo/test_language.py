"""Networks that do not ship prove the language: each is said in YAML alone, from its paper, and comes out exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.analysis.cost import cost
from netspec.lint.engine import lint
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source

FILES = sorted((Path(__file__).resolve().parent / "language").glob("*.yaml"))
LINES = 140

# torchvision's documentation of its weights: num_params
SCALED = {
    ("efficientnet_b0", "depth=1.1"): 7_794_184,
    ("efficientnet_b0", "width=1.1", "depth=1.2"): 9_109_994,
    ("efficientnet_b0", "width=1.2", "depth=1.4"): 12_233_232,
    ("efficientnet_b0", "width=1.4", "depth=1.8"): 19_341_616,
    ("efficientnet_b0", "width=2.0", "depth=3.1"): 66_347_960,
    ("mnasnet1_0", "alpha=0.5"): 2_218_512,
    ("mnasnet1_0", "alpha=0.75"): 3_170_208,
    ("mnasnet1_0", "alpha=1.3"): 6_282_256,
}

every_network = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def read(path: Path) -> Source:
    source = read_source(path)
    assert isinstance(source, Source)
    return source


@every_network
def test_it_is_as_published(path: Path) -> None:
    """Its ``expect:`` holds the figures; whence they are stands in its first lines."""
    text = path.read_text(encoding="utf-8")
    assert "Figure" in text.partition("netspec: 1")[0]
    assert [str(found) for found in lint(read(path)) if found.severity != "info"] == []
    assert len(text.splitlines()) <= LINES


@every_network
def test_its_figures_leave_no_room(path: Path) -> None:
    """Parameters to the last one, or every shape of the paper; sums of MACs as closely as they are published."""
    said = load_spec(read(path)).expectations
    exact = {e.subject for e in said if e.kind == "total" and e.minimum == e.maximum}
    shapes = [e for e in said if e.kind == "shape"]
    assert exact & {"params", "params_trained"} or len(shapes) >= 10
    for each in said:
        if each.kind == "total" and each.minimum is not None and each.maximum is not None:
            assert each.maximum - each.minimum <= 0.01 * each.maximum


@pytest.mark.parametrize(("chosen", "params"), SCALED.items(), ids=[" ".join(chosen) for chosen in SCALED])
def test_widths_and_depths_are_rounded_as_in_the_papers(chosen: tuple[str, ...], params: int) -> None:
    name, *sets = chosen
    path = next(path for path in FILES if path.stem == name)
    spec = load_spec(read(path), tuple(sets))
    assert cost(spec.graph, spec.train_only).params_trained == params
