"""Training on changed samples: the whole way, and where holes are seen."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

import netspec
from netspec.data.batches import epoch_order
from netspec.data.dataset import Feed, Part, labelled
from netspec.declarations.augmentations import CutHoles, RandomFlip
from netspec.training.evaluate import evaluate
from netspec.training.loop import run_epochs
from netspec.training.position import Position, Underway
from netspec.training.progress import Silence
from netspec.training.runtime import Runtime
from netspec.training.state import read_state

MakeRuntime = Callable[..., Runtime]


def asymmetric(samples: int) -> Part:
    numbers = np.arange(samples * 4, dtype=np.uint8).reshape(samples, 2, 2, 1)
    return labelled(numbers, (np.arange(samples) % 3).astype(np.int32))


def test_only_what_is_learnt_from_is_changed(backend: Any, make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(augment=(RandomFlip(),), epochs=1)
    list(run_epochs(runtime, asymmetric(12), asymmetric(6), Silence(), 1))
    learnt = np.concatenate([call.inputs["input"] for call in backend.steps()])
    scored = np.concatenate([call.inputs["input"] for call in backend.calls if call.mode == "infer"])
    flipped = sorted(map(bytes, learnt)) != sorted(map(bytes, asymmetric(12)["image"]))
    assert flipped
    assert np.array_equal(scored, asymmetric(6)["image"])


def test_an_epoch_that_goes_on_changes_samples_as_it_would_have(backend: Any, make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(augment=(RandomFlip(),))
    list(run_epochs(runtime, asymmetric(12), asymmetric(0), Silence(), 2))
    whole = [call.inputs["input"] for call in backend.steps()]
    backend.calls.clear()
    begin = Position(1, 4, Underway(1, 0.0, {}))
    list(run_epochs(runtime, asymmetric(12), asymmetric(0), Silence(), 2, begin=begin))
    for before, after in zip(whole[4:], [call.inputs["input"] for call in backend.steps()], strict=True):
        assert np.array_equal(before, after)


def test_holes_are_scored_too_and_are_the_same_every_time(backend: Any, make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(augment=(RandomFlip(), CutHoles(size=0.5, value=255)))
    found = []
    for _ in range(2):
        backend.calls.clear()
        evaluate(runtime, asymmetric(6))
        found.append(np.concatenate([call.inputs["input"] for call in backend.calls]))
    assert np.array_equal(*found)
    assert ((found[0] == 255).sum(axis=(1, 2, 3)) == 1).all()
    rest = found[0] != 255
    assert np.array_equal(found[0][rest], asymmetric(6)["image"][rest])  # and nothing else is changed


INPAINTING = """
netspec: 1
input: [8, 8, 1]
layers:
  - conv: {filters: 8, kernel: 3, padding: same}
  - relu
  - conv: {filters: 1, kernel: 3, padding: same}
train:
  preprocess: [{divide: 255}]
  augment: [{cut_holes: 0.4}]
  loss: mean_squared_error
  metrics: [psnr]
  optimizer: adam
  lr: 0.01
  batch: 16
  seed: 1
"""


def test_an_image_learns_itself_on_the_scale_of_what_goes_in() -> None:
    """A ramp whose holes are black: what is learnt is the whole ramp, divided as the input is."""
    spec = netspec.load(INPAINTING)
    ramps = np.broadcast_to(np.linspace(60, 250, 8).astype(np.uint8)[None, :, None, None], (64, 8, 8, 1)).copy()
    part = Part({"image": ramps}, Feed({"input": "image"}, {"main": "image"}))
    model = spec.compile(threads=1)
    runtime = model._runtime
    results = list(run_epochs(runtime, part, part, Silence(), 30))
    assert results[0].validation is not None
    assert results[-1].validation is not None
    assert results[-1].validation.loss < 0.02 < results[0].train.loss
    assert results[-1].validation.metrics["psnr"] > results[0].validation.metrics["psnr"]
    assert runtime.prepared(part).targets["main"].max() == np.float32(250) * np.float32(1 / 255)


def test_mixup_trains_on_bytes_and_scores_class_numbers() -> None:
    text = INPAINTING.replace("{cut_holes: 0.4}", "mixup").replace(
        "mean_squared_error", "{cross_entropy: {targets: probabilities}}"
    )
    text = text.replace("psnr", "accuracy").replace(
        "  - conv: {filters: 1, kernel: 3, padding: same}", "  - flatten\n  - dense: 2"
    )
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), np.uint8)
    labels = (images[:, :4].mean(axis=(1, 2, 3)) > images[:, 4:].mean(axis=(1, 2, 3))).astype(int)
    history = netspec.load(text).compile(threads=1).fit(images, labels, epochs=25, validation=(images, labels))
    assert history[-1]["validation"]["metrics"]["accuracy"] > 0.85


def test_a_sample_that_is_no_number_is_left_out_where_that_is_wanted() -> None:
    """One NaN makes the loss of its batch NaN: the step changes neither parameters nor moving statistics."""
    text = INPAINTING.replace("{cut_holes: 0.4}", "random_flip").replace("psnr", "mean_absolute_error")
    text = text.replace("  - relu\n", "  - batch_norm\n  - relu\n").replace("seed: 1", "seed: 1\n  on_nan: skip")
    images = np.random.default_rng(0).random((64, 8, 8, 1), np.float32)
    images[7, 2, 2, 0] = np.nan
    part = Part({"image": images}, Feed({"input": "image"}, {"main": "image"}))
    runtime = netspec.load(text).compile(threads=1)._runtime
    states: list[dict[str, np.ndarray[Any, Any]]] = []

    def keep(position: Position) -> None:
        states.append(read_state(runtime.state, (*runtime.weights, *runtime.moments)))

    results = list(run_epochs(runtime, part, part.take(np.arange(0)), Silence(), 3, after_step=keep))
    assert [result.skipped for result in results] == [1, 1, 1]
    assert all(
        np.isfinite(result.train.loss) and np.isfinite(result.train.metrics["mean_absolute_error"])
        for result in results
    )
    still = [all(np.array_equal(now[name], before[name]) for name in now) for before, now in pairwise(states)]
    assert len(states) == 12
    assert sum(still) + (7 in epoch_order(64, 1, 0)[:16]) == 3  # the first step has none before it
    assert all(np.isfinite(array).all() for state in states for array in state.values())
