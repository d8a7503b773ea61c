"""A training step with one thread against one with several, interleaved; the weights must end in the same bits.

python tools/compare_threads.py tools/six_convolutions.yaml --batch 128
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

import netspec


def main() -> None:
    """Measure, then compare the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    spec = netspec.load(given.spec)
    generator = np.random.default_rng(0)
    images = generator.standard_normal((given.batch, *spec.graph.inputs[0].type.shape), dtype=np.float32)
    labels = generator.integers(0, spec.graph.heads["main"].type.channels, given.batch)
    models = {count: spec.compile(batch=given.batch, threads=count, seed=1) for count in (1, given.threads)}
    times: dict[int, list[float]] = {count: [] for count in models}
    for turn in range(given.rounds + 1):
        for count, model in models.items():
            start = time.perf_counter()
            model.step(images, labels, rate=1e-3)
            if turn:  # kernels are compiled in the first
                times[count].append(time.perf_counter() - start)
    medians = {count: statistics.median(found) for count, found in times.items()}
    for count, median in medians.items():
        print(f"{count} threads: median {median * 1e3:8.3f} ms, ratio {medians[1] / median:.2f}")
    one, several = (model.weights for model in models.values())
    if not all(np.array_equal(one[name], several[name]) for name in one):
        raise SystemExit("the weights differ")
    print(f"all {len(one)} weights are the same to the bit")


if __name__ == "__main__":
    main()
