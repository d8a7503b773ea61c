"""A quantised network against float32 and against ONNX Runtime's int8 of the same model, in one process.

    python tools/compare_int8.py runs/resnet20-20260131-142500 --batch 64

ONNX Runtime gets the network as `netspec export` writes it, prepared and quantised by its own tools: weights per
channel, activations as unsigned bytes, calibrated on the same samples. It is measured in both of its forms (QDQ and
QOperator), of which the faster one counts, and without the transforms of the data, which netspec does in its own time.
One thread; rounds are interleaved, and times are those of the processor, not of the clock on the wall, so that other
programs disturb them less. Takes the extra onnx.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np

from netspec.data.dataset import Array, Part
from netspec.data.download import cache_folder
from netspec.data.preprocess import transformed
from netspec.data.read import data_folder, read_dataset
from netspec.interop.onnx.model import onnx_model
from netspec.interop.onnx.session import feed, open_session
from netspec.passes.quantization import Ranges
from netspec.slimming.calibration import METHODS, calibrate
from netspec.training.open_run import OpenRun, open_run
from netspec.training.runtime import Runtime
from netspec.training.state import read_state

ROUNDS = 30
Run = Callable[[Part], Array]
"""What a network says of a part of a batch or less: a row for each sample."""


def ours(run: OpenRun, batch: int, ranges: Ranges | None) -> Run:
    """The network in netspec, in bytes where ranges are given. Data come in as bytes."""
    old = run.runtime
    runtime = Runtime(old.network, old.recipe, old.backend, batch, 1, False, ranges=ranges)
    for name, array in read_state(old.state, old.weights).items():
        runtime.state.write(name, array)
    head = next(iter(old.network.heads))

    def predict(part: Part) -> Array:
        loaded = runtime.load("predict", runtime.input_type(part.inputs))
        loaded.executable.run(loaded.feed(runtime.prepared_inputs(part.inputs), {}), {}, len(part))
        return loaded.executable.output(head)

    return predict


def theirs(run: OpenRun, model: bytes) -> Run:
    """A model in ONNX Runtime. Transforms are none of its work: they are done before its clock starts."""
    session = open_session(model, 1)
    fed: dict[int, dict[str, Array]] = {}

    def predict(part: Part) -> Array:
        key = id(part)
        if key not in fed:
            fed.clear()
            fed[key] = prepared(run, part)
        return np.asarray(session.run(None, fed[key])[0])

    return predict


def prepared(run: OpenRun, part: Part) -> dict[str, Array]:
    """Inputs as ONNX Runtime takes them."""
    return feed({name: transformed(run.spec.recipe.preprocess, x) for name, x in part.inputs.items()})


def onnx_models(run: OpenRun, train: Part, samples: int) -> Iterator[tuple[str, bytes]]:
    """The exported model, and what ONNX Runtime's tools make of it."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    logging.disable(logging.WARNING)
    runtime = run.runtime
    model = onnx_model(run.spec.graph, run.spec.recipe, read_state(runtime.state, runtime.weights)).encoded()
    yield "ONNX Runtime float32", model

    class Samples(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types; this is how it asks for data
        """One sample after the other, those that calibrate netspec too."""

        def __init__(self) -> None:
            self._order = iter(np.linspace(0, len(train) - 1, samples).round().astype(np.int64))

        def get_next(self) -> dict[str, Array] | None:
            place = next(self._order, None)
            return None if place is None else prepared(run, train.take(np.array([place])))

    with tempfile.TemporaryDirectory() as folder:
        plain, ready, made = (Path(folder) / name for name in ("plain.onnx", "ready.onnx", "made.onnx"))
        plain.write_bytes(model)
        quant_pre_process(str(plain), str(ready))
        for form in (QuantFormat.QDQ, QuantFormat.QOperator):
            quantize_static(
                str(ready),
                str(made),
                Samples(),
                quant_format=form,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            yield f"ONNX Runtime int8, {form.name}", made.read_bytes()


def accuracy(predict: Run, part: Part, batch: int) -> float:
    """The share of a part whose likeliest class is the right one."""
    right = 0
    for start in range(0, len(part), batch):
        some = part.take(np.arange(start, min(start + batch, len(part))))
        labels = next(iter(some.targets.values())).reshape(-1)
        right += int((predict(some).reshape(len(some), -1).argmax(axis=1) == labels).sum())
    return right / len(part)


def times(runs: dict[str, Run], part: Part) -> dict[str, float]:
    """Seconds of a batch, the median of interleaved rounds."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(ROUNDS + 2):
        for name, run in runs.items():
            begun = time.process_time()
            run(part)
            if number >= 2:
                found[name].append(time.process_time() - begun)
    return {name: median(each) for name, each in found.items()}


def main() -> None:
    """Print a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--scored", type=int, default=10_000, help="samples of the test part that are scored")
    parser.add_argument("--method", choices=METHODS, default="percentile")
    parser.add_argument("--data-dir")
    given = parser.parse_args()
    run = open_run(given.run, "last", "numba", 1)
    data = read_dataset(run.spec, data_folder(given.data_dir), run.spec_folder, cache_folder())
    ranges = calibrate(run.runtime, data.train, given.method, given.samples)
    runs = {"netspec float32": ours(run, given.batch, None), "netspec int8": ours(run, given.batch, ranges)}
    runs |= {name: theirs(run, model) for name, model in onnx_models(run, data.train, given.samples)}
    test = data.test.take(
        np.linspace(0, len(data.test) - 1, min(given.scored, len(data.test))).round().astype(np.int64)
    )
    scores = {name: accuracy(each, test, given.batch) for name, each in runs.items()}
    seconds = times(runs, data.test.take(np.arange(given.batch)))
    reference = seconds["netspec int8"]
    for name, each in seconds.items():
        micro = 1e6 * each / given.batch
        print(
            f"{name:30} accuracy {scores[name]:.4f}  {micro:8.2f} µs a sample  {each / reference:5.2f} of netspec int8"
        )


if __name__ == "__main__":
    main()
