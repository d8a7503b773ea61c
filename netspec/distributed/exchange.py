"""Running a step whose plan says what is exchanged: sent as soon as it is computed, waited for when it is read.

Neighbours are sent together, in buckets of some megabytes: one message for each of many small gradients would cost its
latency each time, and one for all of them could begin only after the last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from netspec.backend import Exchanging, Executable, Message, Opened
from netspec.core.graph import Region
from netspec.diagnostics.errors import RunError
from netspec.distributed.communicator import Array, Communicator, Pending
from netspec.plan import Plan, Step

BUCKET_BYTES = 4 << 20
"""Bytes from which a bucket is sent. Sums over shared memory took 3 to 4 times as long in one piece of 45 MB."""
EXCHANGE = "exchange.sum"


@dataclass(slots=True, eq=False)
class Bucket:
    """Values that are sent together, by their names; they are complete after the step ``sent``, and first read by the
    one behind ``needed``.
    """

    names: list[str] = field(default_factory=list)
    sent: int = -1
    needed: int = -1


def buckets(steps: Sequence[Step], sizes: Callable[[str], int], limit: int, whole_update: bool) -> list[Bucket]:
    """The buckets of a plan in the order in which they are sent; ``sizes`` tells the bytes of a value.

    Without ``whole_update`` only of what is summed for each batch of an update.
    """
    found: list[Bucket] = []
    # What is summed for each batch may be waited for at once, and does not make gradients wait with it.
    filling = {per_update: Bucket() for per_update in (False, True)}
    where: dict[str, Bucket] = {}
    last = max((place for place, step in enumerate(steps) if step.node.region != "update"), default=0)

    def send(per_update: bool, place: int) -> None:
        bucket = filling[per_update]
        if bucket.names:
            bucket.sent, bucket.needed = place, max(last, place)
            found.append(bucket)
            filling[per_update] = Bucket()

    for place, step in enumerate(steps):
        read = [where[value.name] for value in step.node.inputs if value.name in where]
        for per_update, bucket in tuple(filling.items()):
            if bucket in read:
                send(per_update, place - 1)
        for bucket in read:
            bucket.needed = min(bucket.needed, max(place - 1, bucket.sent))
        if step.node.op.name == EXCHANGE and (whole_update or not step.node.attrs.per_update):
            bucket = filling[step.node.attrs.per_update]
            bucket.names.append(step.node.output.name)
            where[step.node.output.name] = bucket
            if sum(map(sizes, bucket.names)) >= limit:
                send(step.node.attrs.per_update, place)
    for per_update in filling:
        send(per_update, last)
    return found


class _InOnePiece:
    """A bucket in the processor's memory, which lies in one piece."""

    def __init__(self, values: Sequence[Array], world: Communicator) -> None:
        self._values, self._world = values, world
        self._numbers = np.empty(sum(value.size for value in values), np.float32)
        self._pending: Pending | None = None

    def send(self) -> None:
        """Begin to sum."""
        np.concatenate(self._values, out=self._numbers)
        self._pending = self._world.start(self._numbers)

    def poll(self) -> None:
        """Let the sum go on, if it is under way."""
        if self._pending is not None:
            self._pending.poll()

    def receive(self) -> None:
        """Wait for the sum, and put it where the numbers were."""
        if self._pending is None:
            return
        self._pending.wait()
        self._pending = None
        begin = 0
        for value in self._values:
            value[...] = self._numbers[begin : begin + value.size]
            begin += value.size


class Exchange:
    """Runs the forward and backward regions of a plan, and meanwhile exchanges what the plan says with the other ranks.

    NS953 where ranks have something to exchange, and the backend cannot let them at it.
    """

    def __init__(self, plan: Plan, executable: Executable, world: Communicator, backend: str) -> None:
        self._executable = executable
        self._exchanges = any(step.node.op.name == EXCHANGE for step in plan.steps)
        self._after: dict[bool, Mapping[int, Callable[[], None]]] = {}
        if not self._exchanges:
            return
        size, message = _ways(executable, world, backend)
        polls = not isinstance(executable, Exchanging)  # a device goes on by itself
        for whole_update in (False, True):
            found = buckets(plan.steps, size, BUCKET_BYTES, whole_update)
            self._after[whole_update] = _actions(found, message, polls)

    def run(
        self, inputs: Mapping[str, Array], scalars: Mapping[str, float], samples: int, whole_update: bool = True
    ) -> None:
        """Run both regions for so many samples.

        Without ``whole_update`` further batches will be added before the update, and gradients are not yet exchanged.
        """
        regions: tuple[Region, ...] = ("forward", "backward")
        if not self._exchanges:
            self._executable.run(inputs, scalars, samples, regions)
            return
        opened = cast("Opened | Exchanging", self._executable)
        opened.run(inputs, scalars, samples, regions, self._after[whole_update])
        if isinstance(opened, Exchanging):
            opened.settle()


def _ways(
    executable: Executable, world: Communicator, backend: str
) -> tuple[Callable[[str], int], Callable[[Sequence[str]], Message]]:
    """How large a value is, and what sends some of them: the executable's own way, or the world's."""
    if isinstance(executable, Exchanging):
        return executable.size, executable.message
    if not isinstance(executable, Opened):
        raise RunError.of("NS953", backend=backend)
    memory = executable.memory
    return lambda name: memory(name).nbytes, lambda names: _InOnePiece([memory(name) for name in names], world)


def _actions(
    found: Sequence[Bucket], message_of: Callable[[Sequence[str]], Message], polls: bool
) -> Mapping[int, Callable[[], None]]:
    """What is to be done after which step: send, let go on where that ``polls``, receive."""
    actions: dict[int, list[Callable[[], None]]] = defaultdict(list)
    for bucket in found:
        message = message_of(bucket.names)
        actions[bucket.sent].append(message.send)
        for place in range(bucket.sent + 1, bucket.needed) if polls else ():
            actions[place].append(message.poll)
        actions[bucket.needed].append(message.receive)
    return {place: _in_order(each) for place, each in actions.items()}


def _in_order(actions: Sequence[Callable[[], None]]) -> Callable[[], None]:
    def act() -> None:
        for action in actions:
            action()

    return act
