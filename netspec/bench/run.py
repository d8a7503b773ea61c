"""A measurement from beginning to end: compare, then time, then say what came out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netspec.bench.case import Array, Case, write_case, write_quantized_case
from netspec.bench.driver import Notice, Timing, compare, measure
from netspec.bench.machine import machine
from netspec.bench.variants import variants
from netspec.passes.quantization import Ranges
from netspec.syntax.spec import Spec

VERSION = 1
"""Of the JSON document."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What was measured."""

    name: str
    case: Case
    timings: tuple[Timing, ...]
    agreement: Mapping[str, Mapping[str, float]]
    """By variant and result, how far it is from ours, relative to the largest number."""
    machine: Mapping[str, Any]

    @property
    def ours(self) -> Timing:
        """The variant that ratios are taken of."""
        return self.timings[0]

    def ratios(self) -> dict[str, float]:
        """By peer, the median of its best variant over ours; ``best`` is the least of them: above 1 we are ahead."""
        best: dict[str, float] = {}
        for timing in self.timings:
            if timing.variant.side != "netspec":
                ratio = timing.median / self.ours.median
                best[timing.variant.side] = min(ratio, best.get(timing.variant.side, ratio))
        return best | ({"best": min(best.values())} if best else {})

    def worst_agreement(self) -> dict[str, float]:
        """By result, the largest error of any variant."""
        names = next(iter(self.agreement.values()))
        return {name: max(errors[name] for errors in self.agreement.values()) for name in names}

    def memory_ratios(self) -> dict[str, float]:
        """By peer, our peak over the least peak of its variants: below 1 we take less."""
        least: dict[str, int] = {}
        for timing in self.timings:
            if timing.variant.side != "netspec" and timing.peak_bytes:
                least[timing.variant.side] = min(timing.peak_bytes, least.get(timing.variant.side, timing.peak_bytes))
        return {side: self.ours.peak_bytes / peak for side, peak in least.items()}

    def document(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        rows = [
            {
                "side": timing.variant.side,
                "variant": timing.variant.name,
                "mode": self.case.mode,
                "batch": self.case.batch,
                "threads": self.case.threads,
                "median_ms": timing.median * 1e3,
                "min_ms": min(timing.seconds) * 1e3,
                "max_ms": max(timing.seconds) * 1e3,
                "runs": len(timing.seconds),
                "peak_bytes": timing.peak_bytes,
            }
            for timing in self.timings
        ]
        return {
            "version": VERSION,
            "name": self.name,
            "rows": rows,
            "ratios": self.ratios(),
            "memory_ratios": self.memory_ratios(),
            "machine": dict(self.machine),
            "agreement": {title: dict(errors) for title, errors in self.agreement.items()},
        }


@dataclass(frozen=True, slots=True)
class QuantizedNetwork:
    """A folder that ``netspec quantize`` wrote, as it was read."""

    folder: str
    ranges: Ranges
    weights: Mapping[str, Array]


def bench(
    spec: Spec,
    case: Case,
    peers: Sequence[str],
    runs: int | None,
    notice: Notice,
    quantized: QuantizedNetwork | None = None,
) -> Bench:
    """Measure our variants and these peers'; a RunError where one cannot be run or computes something else."""
    chosen = variants(peers, case.mode, None if quantized is None else quantized.folder)
    for_torch = any(peer.startswith("torch") for peer in peers)
    for_onnx = "onnxruntime" in peers and case.mode == "infer"
    if quantized is not None:
        case = replace(case, ranges={name: (low, high) for name, (low, high) in quantized.ranges.items()})
    with tempfile.TemporaryDirectory(prefix="netspec-bench-") as scratch:
        compared, timed = Path(scratch, "compared"), Path(scratch, "timed")
        for folder, compares in ((compared, True), (timed, False)):
            folder.mkdir()
            written = replace(case, compared=compares)
            if quantized is None:
                write_case(folder, spec, written, for_torch, for_onnx)
            else:
                write_quantized_case(folder, spec, written, quantized.weights, for_onnx)
        agreement = compare(chosen, compared, case, notice)
        timings = measure(chosen, timed, case, runs, notice)
    return Bench(spec.name, case, tuple(timings), agreement, machine(chosen))
