"""The program of a rank: trains courses on a simulated GPU and NCCL, whose sums go over MPI, and compares.

All ranks have to have the same bits, a second time too, and what one process on the processor has but for rounding.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
from courses import run
from mpi4py import MPI
from simulated_gpu import SimulatedCuda, simulated_device
from simulated_nccl import Array, SimulatedNccl

from netspec.distributed.mpi import MpiWorld
from netspec.training.state import weights_sha256
from netspec_cupy import nccl
from netspec_cupy.backend import CupyBackend

ROUNDING = {"rtol": 5e-5, "atol": 5e-6}
"""As in tests/distributed/test_courses.py."""
world = MpiWorld(30)
sums = MPI.COMM_WORLD.Dup()


def gather(numbers: Array) -> Any:
    found = np.empty((world.size, len(numbers)), np.float32)
    sums.Allgather(np.ascontiguousarray(numbers), found)
    return found


def trained(name: str) -> Any:
    cuda = SimulatedCuda()
    library = SimulatedNccl(cuda, gather)
    nccl._library = lambda: library
    device = simulated_device(cuda, SimpleNamespace(setattr=setattr))
    device.identity = f"GPU {world.rank}"
    weights, scores = run(name, world, CupyBackend(device))
    assert library.sums > 0
    return weights, scores


for name in sys.argv[1:]:
    weights, scores = trained(name)
    again, _ = trained(name)
    digests = world.gather([weights_sha256(weights), weights_sha256(again), scores])
    assert all(each == digests[0] for each in digests), (name, digests)
    assert digests[0][0] == digests[0][1], name
    if world.rank == 0:
        alone, own = run(name)
        for key, array in alone.items():
            np.testing.assert_allclose(weights[key], array, **ROUNDING, err_msg=f"{key} of {name}")
        for epoch, other in zip(scores, own, strict=True):
            assert abs(epoch[0]["loss"] - other[0]["loss"]) < 1e-4, name
        print(name)
