"""Where the time of a training step goes, measured layer by layer."""

from __future__ import annotations

from statistics import median

import numpy as np

from netspec.backend import Profiled
from netspec.data.batches import Batches
from netspec.data.dataset import Part
from netspec.diagnostics.errors import RunError
from netspec.training.report.content import LayerTime, Times
from netspec.training.runtime import Runtime

RUNS = 5
"""Measured steps, after one that is not."""

OTHER = "preparation, loss, layout"
"""What belongs to no layer."""


def measure_times(runtime: Runtime, train: Part, step: int) -> Times:
    """Milliseconds of every layer, forward and backward, on the first samples of the training part; no update is run.

    A RunError where the backend does not measure its steps.
    """
    size = min(runtime.batch, len(train))
    batch = next(Batches(train, size, runtime.augmenter(train)).in_order(np.arange(size), 0))
    dtype = runtime.input_type(batch.inputs)
    loaded = runtime.load("gradients", dtype)
    executable = loaded.executable
    if not isinstance(executable, Profiled):
        raise RunError(f"the back end '{runtime.backend.name}' does not measure its steps")
    fed = runtime.prepared(batch)
    arrays, scalars = loaded.feed(fed.inputs, fed.targets), runtime.scalars(0.0, step)
    runs = [executable.profile(arrays, scalars, size, ("forward", "backward")) for _ in range(RUNS + 1)][1:]
    layers = {node.path: {"forward": 0.0, "backward": 0.0} for node in runtime.network.nodes}
    layers[OTHER] = {"forward": 0.0, "backward": 0.0}
    steps = runtime.plan("gradients", dtype).steps
    for place in runs[0]:
        node = steps[place].node
        own = layers.get(node.path, layers[OTHER])
        own[node.region] += 1000 * median(run[place] for run in runs)
    found = tuple(LayerTime(name, each["forward"], each["backward"]) for name, each in layers.items())
    return Times(size, runtime.threads, RUNS, tuple(each for each in found if each.forward or each.backward))
