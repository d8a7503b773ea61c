"""netspec from Python, on the Numba kernels: a small network with everything that behaves differently in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.api import InputError, Model
from netspec.diagnostics import RunError

SPEC = """\
netspec: 1
name: small
input: [6, 6, 2]
layers:
  - conv: {filters: 5, kernel: 3}
  - batch_norm
  - relu
  - max_pool: 2
  - flatten
  - dropout: 0.25
  - dense: 3
  - softmax
train:
  optimizer: {sgd: {momentum: 0.9}}
  lr: 0.05
  epochs: 2
  batch: 8
  seed: 3
"""
PLAIN = SPEC.replace("  - batch_norm\n", "").replace("  - dropout: 0.25\n", "").replace("relu", "tanh")
RANDOM = np.random.default_rng(11)
LABELS = np.arange(20) % 3
IMAGES = RANDOM.standard_normal((20, 6, 6, 2)) + LABELS[:, None, None, None]


def model(text: str = SPEC, **options: Any) -> Model:
    return netspec.load(text).compile(**{"threads": 1, **options})


def bits(trained: Model) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in trained.weights.items()}


def test_a_spec_is_loaded_from_text_file_mapping_and_zoo(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SPEC)
    mapping = {
        "netspec": 1,
        "name": "small",
        "input": [6, 6, 2],
        "layers": ["flatten", {"dense": 3}],
        "train": {"lr": 1e-5},
    }
    assert (
        netspec.load(SPEC).name == netspec.load(tmp_path / "small.yaml").name == netspec.load(mapping).name == "small"
    )
    assert netspec.load(str(tmp_path / "small.yaml")).text == SPEC
    assert netspec.load(mapping).recipe.lr.rate == 1e-5
    assert netspec.load("zoo:lenet5", ["train.epochs=3"]).recipe.epochs == 3
    assert netspec.load(SPEC).graph.heads["main"].type.shape == (3,)


def test_what_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    with pytest.raises(netspec.SpecError, match="NS008"):
        netspec.load(tmp_path / "none.yaml")
    with pytest.raises(netspec.NetspecError, match="no spec called 'lenet6' ships with netspec"):
        netspec.load("zoo:lenet6")
    with pytest.raises(netspec.SpecError) as caught:
        netspec.load(SPEC.replace("filters", "filter"))
    assert caught.value.diagnostics


def test_training_learns_and_the_same_seed_gives_the_same_bits_on_any_number_of_threads() -> None:
    first, second, other = model(), model(threads=2), model(seed=4)
    history = first.fit(IMAGES, LABELS, epochs=8, validation=(IMAGES[:6], LABELS[:6]))
    second.fit(IMAGES, LABELS, epochs=8)
    other.fit(IMAGES, LABELS, epochs=8)
    assert bits(first) == bits(second) != bits(other)
    assert [entry["epoch"] for entry in history] == list(range(1, 9))
    assert set(history[0]) == {"epoch", "loss", "metrics", "validation"}
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert first.evaluate(IMAGES, LABELS)["metrics"]["accuracy"] >= 0.9


def test_evaluation_and_prediction_agree_and_cut_what_is_larger_than_a_batch() -> None:
    trained = model()
    trained.fit(IMAGES, LABELS, epochs=3)
    probabilities = trained.predict(IMAGES)
    assert probabilities.shape == (20, 3)
    # Each row adds three float32 numbers that are rounded to half a unit in the last place of 1.
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-6)
    one_by_one = np.concatenate([trained.predict(IMAGES[i : i + 1]) for i in range(20)])
    np.testing.assert_array_equal(probabilities, one_by_one)
    scores = trained.evaluate(IMAGES, LABELS)
    assert set(scores) == {"loss", "metrics"}
    assert scores["metrics"]["accuracy"] == np.mean(probabilities.argmax(axis=1) == LABELS)
    # −log p of float32 probabilities against log-sum-exp in float32: a few units of 6e-8 each.
    expected = -np.log(probabilities[np.arange(20), LABELS].astype(float)).mean()
    assert scores["loss"] == pytest.approx(expected, rel=1e-5)


def test_arrays_of_other_types_and_layouts_are_the_same_numbers() -> None:
    trained = model()
    levels = RANDOM.integers(0, 256, (9, 6, 6, 2), np.uint8)
    expected = trained.predict(levels.astype(np.float32))
    for images in (levels, levels.astype(np.float64), levels.astype(np.int64), np.asfortranarray(levels)):
        np.testing.assert_array_equal(trained.predict(images), expected)
    turned = np.moveaxis(np.ascontiguousarray(np.moveaxis(levels, -1, 1)), 1, -1)
    assert not turned.flags.c_contiguous
    np.testing.assert_array_equal(trained.predict(turned), expected)
    np.testing.assert_array_equal(trained.predict(levels.tolist()), expected)


def test_weights_are_read_and_written_by_name() -> None:
    trained = model()
    assert list(trained.weights) == [
        "conv.weight", "conv.bias", "batch_norm.scale", "batch_norm.shift", "batch_norm.moving_mean",
        "batch_norm.moving_variance", "dense.weight", "dense.bias",
    ]  # fmt: skip
    assert trained.weights["conv.weight"].shape == (3, 3, 2, 5)
    assert trained.weights["batch_norm.moving_variance"].tolist() == [1] * 5
    before = trained.predict(IMAGES)
    trained.weights["dense.weight"] = np.zeros((20, 3))
    trained.weights["dense.bias"] = np.log([0.5, 0.25, 0.25])
    np.testing.assert_allclose(trained.predict(IMAGES), [[0.5, 0.25, 0.25]] * 20, rtol=1e-6)
    assert not np.array_equal(before, trained.predict(IMAGES))
    with pytest.raises(ValueError, match="read-only"):
        trained.weights["dense.bias"][0] = 1.0
    with pytest.raises(ValueError, match=r"dense\.bias is \(3,\), but \(4,\) was given"):
        trained.weights["dense.bias"] = np.zeros(4)
    with pytest.raises(InputError, match=r"no weights called 'dense\.biass'; did you mean dense\.bias\?"):
        trained.weights["dense.biass"] = np.zeros(3)
    with pytest.raises(KeyError):
        trained.weights["none"]


def test_steps_are_what_fit_does() -> None:
    stepped, fitted = model(PLAIN), model(PLAIN)
    losses = [stepped.step(IMAGES[:8], LABELS[:8])["loss"] for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    history = fitted.fit(IMAGES[:8], LABELS[:8], epochs=1)
    # One batch in another order: the same sums, taken in another order of at most 8·16 products.
    assert history[0]["loss"] == pytest.approx(losses[0], rel=1e-5)


def test_gradients_are_the_slopes_of_the_loss() -> None:
    trained = model(PLAIN)
    x, y = IMAGES[:8], LABELS[:8]
    gradients = trained.gradients(x, y, input=True)
    assert set(gradients) == {"conv.weight", "conv.bias", "dense.weight", "dense.bias", "input"}
    assert gradients["input"].shape == x.shape
    step = 1e-2
    for name in ("conv.weight", "conv.bias", "dense.weight", "dense.bias"):
        weights = trained.weights[name]
        direction = np.sign(gradients[name])
        losses = []
        for sign in (1, -1):
            trained.weights[name] = weights + sign * step * direction / np.sqrt(direction.size)
            losses.append(trained.evaluate(x, y)["loss"])
        trained.weights[name] = weights
        slope = float((gradients[name] * direction).sum()) / np.sqrt(direction.size)
        # float32 losses near 1 give the slope to 6e-8/1e-2, the central difference to O(step²).
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(slope, rel=5e-3, abs=1e-4), name
    direction = np.sign(gradients["input"]) * step / np.sqrt(x.size)
    difference = trained.evaluate(x + direction, y)["loss"] - trained.evaluate(x - direction, y)["loss"]
    assert difference / 2 == pytest.approx(float((gradients["input"] * direction).sum()), rel=5e-3)


def test_the_gradient_of_the_input_is_that_of_the_array_given_before_preprocessing() -> None:
    preprocess = "  preprocess:\n    - divide: 50\n    - normalize: {mean: [0.3, -0.2], std: [0.5, 2]}\n"
    given = np.random.default_rng(5).integers(0, 256, (8, 6, 6, 2), np.uint8)
    whole, inner = model(PLAIN + preprocess), model(PLAIN)
    found = whole.gradients(given, LABELS[:8], input=True)["input"]
    after = (given / 50 - [0.3, -0.2]) / [0.5, 2]
    expected = inner.gradients(after, LABELS[:8], input=True)["input"] / [25, 100]
    assert found.dtype == np.float32
    assert np.abs(expected).max() > 0
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-7)  # float32, through four layers
    as_floats = whole.gradients(given.astype(np.float32), LABELS[:8], input=True)["input"]
    assert np.array_equal(found, as_floats)


def test_gradients_leave_everything_as_it_is() -> None:
    asked, plain = model(), model()
    before = bits(asked)
    first = asked.gradients(IMAGES[:8], LABELS[:8])
    again = asked.gradients(IMAGES[:8], LABELS[:8], input=True)
    assert all(np.array_equal(first[name], again[name]) for name in first)  # the same dropout both times
    assert bits(asked) == before
    for trained in (asked, plain):
        trained.step(IMAGES[:8], LABELS[:8])
    assert bits(asked) == bits(plain) != before
    later = asked.gradients(IMAGES[:8], LABELS[:8])
    assert not np.array_equal(later["dense.weight"], first["dense.weight"])


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    trained = model()
    trained.weights["dense.weight"] = np.full_like(trained.weights["dense.weight"], 3e38)
    before = bits(trained)
    told = r"NS903.*the loss became \w+ at step 1 \(epoch 1, learning rate 0\.05\)"
    for learn in (trained.fit, trained.step):
        with pytest.raises(netspec.RunError, match=told):
            learn(IMAGES[:8], LABELS[:8])
    assert bits(trained) == before


def test_weights_travel_through_files(tmp_path: Path) -> None:
    trained = model()
    trained.fit(IMAGES, LABELS)
    trained.save(tmp_path / "w.safetensors")
    other = model(seed=9, mode="infer")
    other.load_weights(tmp_path / "w.safetensors")
    assert bits(other) == bits(trained)
    np.testing.assert_array_equal(other.predict(IMAGES), trained.predict(IMAGES))
    stranger = model(PLAIN)
    before = bits(stranger)
    with pytest.raises(netspec.RunError, match=r"batch_norm\.moving_mean \[5\] is unknown to the network"):
        stranger.load_weights(tmp_path / "w.safetensors")
    assert bits(stranger) == before


def test_a_gradient_that_overflows_behind_a_finite_loss_changes_nothing() -> None:
    layers = "netspec: 1\ninput: [2]\nlayers:\n  - dense: 2\n  - dense: 2\n"
    steep = netspec.load(layers).compile(batch=2, threads=1, seed=1)
    steep.weights["dense.weight"] = np.full((2, 2), 1e-30, np.float32)
    steep.weights["dense2.weight"] = np.array([[3e38, -3e38], [0, 0]], np.float32)
    images, labels = np.full((1, 2), 1e10, np.float32), np.array([1])
    assert np.isfinite(steep.evaluate(images, labels)["loss"])
    before = {name: array.copy() for name, array in steep.weights.items()}
    with pytest.raises(netspec.RunError, match=r"NS903.*a gradient became infinite or NaN at step 1"):
        steep.step(images, labels)
    assert all(np.array_equal(steep.weights[name], array) for name, array in before.items())


def test_a_model_for_inference_does_not_train() -> None:
    frozen = model(mode="infer")
    assert frozen.predict(IMAGES).shape == (20, 3)
    assert set(frozen.evaluate(IMAGES, LABELS)) == {"loss", "metrics"}
    with pytest.raises(netspec.RunError, match="compile it with mode='train'"):
        frozen.step(IMAGES[:8], LABELS[:8])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (IMAGES[0], LABELS[:1], r"wants images \(N, 6, 6, 2\) \(channels last\), but \(6, 6, 2\).*x\[np\.newaxis\]"),
        (np.moveaxis(IMAGES, -1, 1), LABELS, r"\(20, 2, 6, 6\) was given; np\.moveaxis"),
        (IMAGES[:, :5], LABELS, r"but \(20, 5, 6, 2\) was given$"),
        (IMAGES[:0], LABELS[:0], "there are no images"),
        (IMAGES.astype(str), LABELS, "images are numbers"),
        (IMAGES, LABELS[:19], r"head 'main' wants labels \(20,\), but \(19,\) was given"),
        (IMAGES, np.eye(3)[LABELS], "labels are class numbers of an integer type, but float64"),
        (IMAGES, LABELS + 1, "label 3 is no class of head 'main', whose classes are 0 to 2"),
        (IMAGES, LABELS - 1, "label -1 is no class"),
    ],
)
def test_arrays_that_do_not_fit_are_named(x: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        model().evaluate(x, y)
    assert isinstance(caught.value, netspec.NetspecError)


def test_a_step_takes_one_batch_at_most() -> None:
    for learn in (model().step, model().gradients):
        with pytest.raises(InputError, match="20 samples do not fit one step: the model was compiled for 8"):
            learn(IMAGES, LABELS)


@pytest.mark.parametrize("options", [{"batch": 0}, {"batch": 2.5}, {"batch": "8"}, {"threads": 0}, {"mode": "learn"}])
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="but must be"):
        model(**options)
    with pytest.raises(netspec.RunError, match="NS901"):
        model(backend="abacus")


def test_a_batch_may_be_a_number_of_numpy() -> None:
    assert len(model(batch=np.int64(8)).predict(IMAGES)) == len(IMAGES)


def test_a_mapping_that_no_file_could_hold_is_refused() -> None:
    with pytest.raises(InputError, match="there is a ndarray in it"):
        netspec.load({"netspec": 1, "input": np.array([5]), "layers": []})


def test_more_threads_than_numba_has_are_refused() -> None:
    with pytest.raises(RunError, match="100000 threads were asked for, but this process has at most"):
        model(threads=100_000)


def test_a_batch_that_does_not_fit_in_memory_is_refused() -> None:
    huge = model(batch=10**9)
    with pytest.raises(RunError, match=r"NS902.*this plan needs .* GiB"):
        huge.predict(IMAGES)
    with pytest.raises(RunError, match="NS902"):
        model("netspec: 1\ninput: [1000000]\nlayers:\n  - dense: 1000000\n", mode="infer")


def test_a_rate_or_a_number_of_epochs_that_makes_no_sense_changes_nothing() -> None:
    trained = model()
    before = bits(trained)
    for rate in (float("nan"), float("inf"), -0.1):
        with pytest.raises(InputError, match="rate is"):
            trained.step(IMAGES[:4], LABELS[:4], rate=rate)
    with pytest.raises(InputError, match="epochs is -1"):
        trained.fit(IMAGES, LABELS, epochs=-1)
    assert bits(trained) == before


def test_lists_that_make_no_array_are_refused() -> None:
    with pytest.raises(InputError, match="images do not make one array"):
        model().predict([[1.0], [1.0, 2.0]])


def test_a_spec_can_be_written_out() -> None:
    spec = netspec.load({"netspec": 1, "vars": {"n": 3}, "input": [4], "layers": [{"dense": "$n", "repeat": 2}]})
    again = netspec.load(spec.resolved)
    assert [node.path for node in again.graph.nodes] == ["dense/0", "dense/1"]
