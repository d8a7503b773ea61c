"""From a trained network to a smaller one: without some of its channels, or with most of its weights at 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from netspec.analysis.cost import Totals, cost
from netspec.declarations.options import Prune
from netspec.diagnostics.errors import RunError
from netspec.diagnostics.model import Span
from netspec.interop.safetensors import encode
from netspec.slimming.channels import Array, Classes, Group, follow_channels, groups
from netspec.slimming.choice import (
    Measure,
    Scope,
    free,
    has_scales,
    importance,
    refuse_unknown,
    removed_classes,
)
from netspec.slimming.narrow import narrowed
from netspec.syntax.load import load_spec
from netspec.syntax.resolved import resolved_text
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec
from netspec.training.files import write_output
from netspec.training.pruning import masks


class Wish(NamedTuple):
    """How channels are to be chosen. Without a measure it is that of batch normalisation where all groups have one."""

    share: float
    measure: Measure | None = None
    scope: Scope = "layer"
    multiple: int = 8
    minimum: int = 1
    leave: tuple[str, ...] = ()


class Row(NamedTuple):
    """What became of the channels of some layers, or of the weights of one: how many there were, how many are left."""

    name: str
    layers: tuple[str, ...]
    before: int
    left: int
    reason: str = ""

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "layers": list(self.layers),
            "before": self.before,
            "left": self.left,
            "kept_since": self.reason or None,
        }


@dataclass(frozen=True, slots=True)
class Slimmed:
    """A network that was made smaller: spec and text, all weights, a row per group or layer, and the totals."""

    spec: Spec
    text: str
    weights: Mapping[str, Array]
    rows: tuple[Row, ...]
    by: str
    before: Totals
    after: Totals
    zeros: int = 0
    """Weights that are 0 now, of those that are stored."""

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        totals = {"params": (self.before.params, self.after.params), "macs": (self.before.macs, self.after.macs)}
        return {
            "version": 1,
            "by": self.by,
            "rows": [row.document() for row in self.rows],
            **{name: {"before": before, "after": after} for name, (before, after) in totals.items()},
            "zeros": self.zeros,
        }


class Candidates(NamedTuple):
    """The channels of a network: their classes, the groups of these, which of them may go, and how each counts."""

    classes: Classes
    groups: tuple[Group, ...]
    free: tuple[Group, ...]
    measure: Measure
    importance: Mapping[int, float]


def candidates(spec: Spec, weights: Mapping[str, Array], measure: Measure | None, leave: Sequence[str]) -> Candidates:
    """The channels that may go. A RunError where there are none, or a layer of them lacks what is measured."""
    found = follow_channels(spec.graph)
    among = groups(found)
    refuse_unknown(among, leave)
    open_ones = free(among, leave)
    if not open_ones:
        reasons = sorted({group.reason for group in among if group.reason})
        raise RunError.of("NS853", problem="; ".join(reasons) or "no layer makes channels, or all are to be left whole")
    scaled = has_scales(spec.graph, found, open_ones)
    chosen: Measure = measure or ("bn-scale" if scaled else "l1")
    if chosen == "bn-scale" and not scaled:
        lacking = next(group for group in open_ones if not has_scales(spec.graph, found, [group]))
        raise RunError.of("NS854", layer=lacking.layers[0])
    return Candidates(found, among, open_ones, chosen, importance(spec.graph, weights, found, chosen))


def prune_channels(spec: Spec, weights: Mapping[str, Array], wish: Wish, output: Path) -> Slimmed:
    """The network without the channels that count least, to be written as ``output`` with its weights beside it."""
    among = candidates(spec, weights, wish.measure, wish.leave)
    removed = removed_classes(among.free, among.importance, wish.share, wish.scope, wish.multiple, wish.minimum)
    made = narrowed(_starting(spec, output), weights, among.classes, removed, str(output))
    rows = tuple(_row(group, removed, wish.leave) for group in among.groups)
    return Slimmed(
        made.spec, made.text, made.weights, rows, among.measure, cost(spec.graph).totals, cost(made.spec.graph).totals
    )


def _row(group: Group, removed: frozenset[int], leave: Sequence[str]) -> Row:
    left = sum(each not in removed for each in group.classes)
    reason = group.reason or ("they are to be left whole" if set(leave) & set(group.layers) else "")
    return Row(group.name, group.layers, len(group.classes) * group.each, left * group.each, reason)


def prune_weights(spec: Spec, weights: Mapping[str, Array], prune: Prune, output: Path) -> Slimmed:
    """The same network with its smallest weights at 0, and a recipe under which they stay it."""
    chosen = prune.weights(spec.graph.slots)
    if not chosen:
        raise RunError.of("NS853", problem="it has no trained weights, or all are to be left whole")
    kept = masks({slot.name: weights[slot.name] for slot in chosen}, prune.sparsity, prune.scope)
    sparse = {**weights, **{name: np.where(mask > 0, weights[name], np.float32(0)) for name, mask in kept.items()}}
    text = resolved_text(_starting(spec, output, prune))
    rows = tuple(Row(name, (name.rpartition(".")[0],), m.size, int(np.count_nonzero(m))) for name, m in kept.items())
    totals = cost(spec.graph).totals
    zeros = sum(row.before - row.left for row in rows)
    return Slimmed(load_spec(Source(str(output), text)), text, sparse, rows, "magnitude", totals, totals, zeros)


def _starting(spec: Spec, output: Path, prune: Prune | None = None) -> Spec:
    """The spec with a recipe that starts from the weights beside ``output``, and prunes as is said."""
    changes: dict[str, Any] = {"init": {"from": weights_beside(output).name}, "prune": prune}
    nowhere = Span.of_file(spec.file)
    spans = {key: span for key, span in spec.recipe_spans.items() if key not in changes}
    spans |= {key: nowhere for key, value in changes.items() if value is not None}
    return replace(spec, recipe=replace(spec.recipe, **changes), recipe_spans=spans)


def weights_beside(output: Path) -> Path:
    """The file of the weights that belong to a spec which is written."""
    return output.with_suffix(".safetensors")


def write_slimmed(slimmed: Slimmed, output: Path) -> None:
    """Write the spec, and its weights beside it; NS993 where that cannot be."""
    write_output(weights_beside(output), encode(slimmed.weights, {"format": "netspec"}))
    write_output(output, slimmed.text.encode())
