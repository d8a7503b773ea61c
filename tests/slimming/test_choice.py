"""Which channels go, and how many."""

from __future__ import annotations

import numpy as np
import pytest
from slim_networks import drawn, spec_of

from netspec.diagnostics.errors import RunError
from netspec.slimming.channels import Group, follow_channels, groups
from netspec.slimming.choice import free, has_scales, importance, refuse_unknown, removed_classes

WIDE = Group(("wide",), tuple(range(24)), 1)
NARROW = Group(("narrow",), (24, 25, 26), 1)
COUNTS = {each: float(each) for each in range(27)}


def left(group: Group, removed: frozenset[int]) -> list[int]:
    return [each for each in group.classes if each not in removed]


def test_those_that_count_least_go() -> None:
    assert removed_classes([WIDE], COUNTS, 0.25) == set(range(6))
    assert removed_classes([WIDE], {**COUNTS, 0: 99.0}, 0.25) == set(range(1, 7))


@pytest.mark.parametrize(
    ("share", "multiple", "kept"), [(0.5, 8, 16), (0.7, 8, 8), (0.5, 1, 12), (0.9, 8, 8), (0.1, 8, 24)]
)
def test_what_stays_is_a_multiple(share: float, multiple: int, kept: int) -> None:
    assert len(left(WIDE, removed_classes([WIDE], COUNTS, share, multiple=multiple))) == kept


def test_a_narrow_group_is_cut_freely_and_keeps_one_channel() -> None:
    assert len(left(NARROW, removed_classes([NARROW], COUNTS, 0.99, multiple=8))) == 1
    assert len(left(NARROW, removed_classes([NARROW], COUNTS, 0.99, minimum=2))) == 2
    assert len(left(NARROW, removed_classes([NARROW], COUNTS, 0.99, minimum=9))) == 3


def test_by_network_the_least_of_all_go() -> None:
    removed = removed_classes([WIDE, NARROW], COUNTS, 1 / 3, "network")
    assert removed == set(range(9))  # 9 of 27, all from the group whose channels count less


def test_a_class_of_several_channels_is_rounded_by_channels() -> None:
    pairs = Group(("grouped",), tuple(range(16)), 2)
    assert len(left(pairs, removed_classes([pairs], COUNTS, 0.5, multiple=8))) == 8  # 16 channels
    assert len(left(pairs, removed_classes([pairs], COUNTS, 0.7, multiple=8))) == 4


def test_measures_are_those_of_the_papers() -> None:
    spec = spec_of("residual")
    weights, found = drawn(spec.graph), follow_channels(spec.graph)
    inner = next(group for group in groups(found) if group.layers == ("add/body/conv",))
    filters = weights["add/body/conv.weight"].reshape(-1, 8).astype(np.float64)
    for measure, wanted in (
        ("l1", np.abs(filters).mean(axis=0)),
        ("l2", np.sqrt((filters**2).mean(axis=0))),
        ("bn-scale", np.abs(weights["add/body/batch_norm.scale"])),
    ):
        counts = importance(spec.graph, weights, found, measure)  # type: ignore[arg-type]  # a word of the literal
        np.testing.assert_allclose([counts[each] for each in inner.classes], wanted)
    assert has_scales(spec.graph, found, [inner])
    assert not has_scales(spec.graph, found, free(groups(found)))


def test_an_unknown_layer_to_leave_is_refused_with_those_there_are() -> None:
    with pytest.raises(RunError, match=r"\[NS852\] no layer called 'wdie'.*\n.*wide, narrow"):
        refuse_unknown([WIDE, NARROW], ["wdie"])
    assert free([WIDE, NARROW], ["wide"]) == (NARROW,)
