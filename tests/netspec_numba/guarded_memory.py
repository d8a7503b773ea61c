"""Memory in which a step out of a buffer ends the process: every buffer of a plan lies against a page of nobody's."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal
from unittest.mock import patch

import numpy as np

from netspec.passes.memory import ALIGNMENT, SLACK, Buffer
from netspec.plan import Plan

Array = np.ndarray[Any, np.dtype[Any]]
Side = Literal["before", "behind"]
"""Where a buffer's page of nobody's begins at once; on its other side it may be up to a page away."""

PAGE = mmap.PAGESIZE
UNTOUCHED = 0xA5
"""What bytes between buffers hold before a run, and after it."""

_libc = ctypes.CDLL(None, use_errno=True)


class GuardedMemory:
    """Allocates as ``netspec_numba.state.aligned`` does, and knows what must not have been written."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._between: list[Array] = []

    def apart(self, plan: Plan) -> tuple[Plan, Callable[[int], Array]]:
        """The plan with every buffer of the arena in pages of its own, and what allocates that arena."""
        roots = [each for each in plan.buffers if each.kind != "state" and each.within is None]
        starts, top = {}, PAGE
        for buffer in roots:
            pages = -(-(buffer.bytes + SLACK) // PAGE) * PAGE
            starts[buffer.index] = top + self._offset(buffer.bytes)
            top += pages + PAGE

        def placed(buffer: Buffer) -> Buffer:
            if buffer.kind == "state":
                return buffer
            root = buffer if buffer.within is None else plan.buffers[buffer.within]
            return replace(buffer, offset=starts[root.index] + buffer.offset - root.offset)

        stretches = [(starts[each.index], each.bytes) for each in roots]
        apart = replace(plan, buffers=tuple(map(placed, plan.buffers)), arena_bytes=top)
        return apart, lambda bytes: self._pages(bytes, stretches)

    def alone(self, bytes: int) -> Array:
        """Zeroed memory for one array."""
        start = PAGE + self._offset(bytes)
        whole = self._pages(2 * PAGE + -(-(bytes + SLACK) // PAGE) * PAGE, [(start, bytes)])
        return whole[start : start + bytes]

    def is_intact(self) -> bool:
        """Whether nothing was written beside the buffers, where no page ends."""
        return all((each == UNTOUCHED).all() for each in self._between)

    def _offset(self, bytes: int) -> int:
        """Of a buffer in its pages: readable slack behind it is part of it."""
        return -(bytes + SLACK) % PAGE // ALIGNMENT * ALIGNMENT if self._side == "behind" else 0

    def _pages(self, bytes: int, stretches: list[tuple[int, int]]) -> Array:
        """Memory in which only the pages that hold the stretches (start, bytes) can be read or written."""
        memory = np.frombuffer(mmap.mmap(-1, bytes), np.uint8)
        closed = 0
        for start, size in stretches:
            first, end = start // PAGE * PAGE, -(-(start + size + SLACK) // PAGE) * PAGE
            self._close(memory, closed, first)
            closed = end
            for between in (memory[first:start], memory[start + size : end]):
                between[:] = UNTOUCHED
                self._between.append(between)
        self._close(memory, closed, bytes)
        return memory

    @staticmethod
    def _close(memory: Array, start: int, end: int) -> None:
        address = ctypes.c_void_p(memory.ctypes.data + start)
        if end > start and _libc.mprotect(address, ctypes.c_size_t(end - start), 0):
            raise OSError(ctypes.get_errno(), "mprotect")


@contextmanager
def guarded(plan: Plan, side: Side) -> Iterator[tuple[Plan, GuardedMemory]]:
    """While it lasts, executables and states of the plan it yields are made in guarded memory."""
    memory = GuardedMemory(side)
    apart, arena = memory.apart(plan)
    with patch("netspec_numba.executable.aligned", arena), patch("netspec_numba.state.aligned", memory.alone):
        yield apart, memory
