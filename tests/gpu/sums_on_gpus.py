"""The program of a rank: a sum over the GPUs of all ranks, and where there are several, a training that they share."""

from __future__ import annotations

import sys

import numpy as np
from courses import run

from netspec.distributed.mpi import MpiWorld
from netspec.training.state import weights_sha256
from netspec_cupy.backend import CupyBackend
from netspec_cupy.nccl import connect

NUMBERS = 5000
world = MpiWorld(30)
device, link = connect(world)
memory = device.allocate(4 * NUMBERS)
found = np.empty(NUMBERS, np.float32)
message = link.message([(memory.address, NUMBERS - 1)])
for turn in range(3):
    device.send([(memory.address, np.full(NUMBERS, world.rank + turn, np.float32))])
    message.send()
    message.receive()
    link.settle()
    device.fetch(memory.address, found)
    assert (found[:-1] == sum(rank + turn for rank in range(world.size))).all(), found
    assert found[-1] == world.rank + turn
for name in sys.argv[1:] if world.size > 1 else ():
    trained = [run(name, world, CupyBackend(device=device, link=link)) for _ in range(2)]
    digests = world.gather([weights_sha256(weights) for weights, _ in trained])
    assert len({digest for each in digests for digest in each}) == 1, (name, digests)
    alone, _ = run(name)
    for key, array in alone.items():
        np.testing.assert_allclose(trained[0][0][key], array, rtol=1e-4, atol=1e-5, err_msg=f"{key} of {name}")
if world.rank == 0:
    print("summed")
