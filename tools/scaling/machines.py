"""Networks, and machines that are not here, whose figures are assumed. Each says where it comes from."""

from __future__ import annotations

from typing import NamedTuple

from scaling.model import Gradient, Link

SUSTAINED = 0.9
"""Of a network's nominal bandwidth, what long messages get of it."""


class World(NamedTuple):
    """Ranks that are alike, and what joins them."""

    name: str
    ranks: int
    link: Link
    speeds: dict[str, float]
    """FLOP/s that a rank reaches in a step, by the network."""


def _network(gigabits: float, latency: float, overhead: float, work: float) -> Link:
    return Link(latency, overhead, SUSTAINED * gigabits * 1e9 / 8, work)


_GPU = {"resnet20": 4e12, "resnet50": 20e12, "vgg16": 35e12}
"""Assumed of a GPU with 312 TFLOP/s for half and 156 for TensorFloat-32 numbers: small kernels reach less of it."""
_MACHINE = {"resnet20": 0.5e12, "resnet50": 1e12, "vgg16": 1.5e12}
"""Assumed of a machine with 32 cores, each of which has a peak of some 80 GFLOP/s."""
_GPU_WORK = 6 / 1.5e12
"""Packing, adding and unpacking read and write a number six times, in memory of 1.5 TB/s."""
_TCP = {"latency": 30e-6, "overhead": 20e-6, "work": 0.3e-9}
"""Assumed of TCP: 30 us to another machine, 20 us in the kernels of both, and copies at 3 GB/s."""
_RDMA = {"latency": 3e-6, "overhead": 2e-6, "work": 0.15e-9}
"""Assumed where the network writes into the memory of a process: packing and adding remain."""

WORLDS = (
    World("8 GPUs, NVLink (assumed 200 of 300 GB/s)", 8, Link(5e-6, 5e-6, 200e9, _GPU_WORK), _GPU),
    World("8 GPUs, PCIe 4 (assumed 12 of 32 GB/s)", 8, Link(10e-6, 5e-6, 12e9, _GPU_WORK), _GPU),
    World("64 machines, 10 Gbit/s, TCP", 64, _network(10, **_TCP), _MACHINE),
    World("64 machines, 25 Gbit/s, TCP", 64, _network(25, **_TCP), _MACHINE),
    World("64 machines, 100 Gbit/s, RDMA", 64, _network(100, **_RDMA), _MACHINE),
)
NETWORKS = {"resnet20": 128, "resnet50": 32, "vgg16": 32}
"""By name in the zoo, samples of each rank in a step."""


def work_of(name: str, samples: int) -> tuple[list[Gradient], float]:
    """The gradients of a network in the order of its backward pass, and the FLOPs of a step of so many samples.

    Layers have the parameters and MACs that ``netspec summary`` counts. A layer's share of the backward pass is that of
    its MACs; forward and backward are three times the forward pass's FLOPs, two to a MAC.
    """
    from netspec.analysis.cost import cost
    from netspec.cli.common import find_source
    from netspec.syntax.load import load_spec

    counted = cost(load_spec(find_source(f"zoo:{name}")).graph)
    gradients = [Gradient(4 * row.params_trained, row.macs / counted.macs) for row in reversed(counted.layers)]
    return gradients, 3.0 * counted.flops * samples
