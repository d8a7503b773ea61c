"""Ranks that would not train the same are refused before they begin, with what differs."""

from __future__ import annotations

from typing import Any

import pytest

from netspec.diagnostics import RunError
from netspec.distributed.communicator import Communicator
from netspec.distributed.together import together
from netspec.training import ranks

FACTS: dict[str, Any] = {
    "seed": 3,
    "epochs": 2,
    "batch": 64,
    "backend": "numba",
    "recipe": {"loss": "cross_entropy", "lr": "0.1"},
    "data": {"name": "digits", "sha256": "d" * 64},
    "plan_sha256": "a" * 64,
    "checkpoint_every": None,
    "versions": {"netspec": "1.0", "numpy": "2.0", "numba": "0.68"},
}


def compared(*facts: dict[str, Any]) -> list[int]:
    """The ranks that are let begin with these manifests, each on a host of its own."""

    def act(world: Communicator) -> int:
        ranks.refuse_other_runs(world, f"host{world.rank}", facts[world.rank])
        return world.rank

    return together(len(facts), act)


def test_ranks_that_are_alike_begin() -> None:
    assert compared(FACTS, dict(FACTS), {**FACTS, "threads": 2, "command": ["elsewhere"]}) == [0, 1, 2]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            {"data": {"name": "digits", "sha256": "e" * 64}},
            "its data is eeeeeeeeeeee, that of rank 0 on host0 dddddddddddd",
        ),
        (
            {"plan_sha256": "b" * 64},
            "its plan, which follows from the network, its training and the processor, is bbbb",
        ),
        ({"recipe": {"loss": "cross_entropy", "lr": "0.2"}}, "its recipe is lr: 0.2, that of rank 0 on host0 lr: 0.1"),
        ({"recipe": {"loss": "cross_entropy"}}, "its recipe is lr: None, that of rank 0 on host0 lr: 0.1"),
        (
            {"versions": FACTS["versions"] | {"numba": "0.67"}},
            "its installed version is numba: 0.67, that of rank 0 on",
        ),
        ({"batch": 32}, "its batch is 32, that of rank 0 on host0 64"),
        ({"backend": "cupy"}, "its backend is cupy"),
        ({"epochs": 3}, "its number of epochs is 3"),
        ({"checkpoint_every": 5}, "its --checkpoint-every is 5"),
    ],
    ids=["data", "plan", "recipe", "part of the recipe", "versions", "batch", "backend", "epochs", "checkpoints"],
)
def test_the_rank_that_differs_is_named_with_what_it_has(other: dict[str, Any], said: str) -> None:
    with pytest.raises(RunError) as caught:
        compared(FACTS, FACTS, FACTS | other)
    assert str(caught.value).startswith("[NS952] rank 2 on host2 would not train the same: ")
    assert said in str(caught.value)


def test_another_netspec_is_refused_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def act(world: Communicator) -> None:
        monkeypatch.setattr(ranks, "__version__", f"1.{world.rank}")
        ranks.refuse_other_versions(world, f"host{world.rank}")

    with pytest.raises(RunError, match=r"NS952.*its version of netspec is 1\.1, that of rank 0 on host0 1\.0"):
        together(2, act)
