"""Calls of compiled functions, one after another, made without Python.

Entering a function that Numba has compiled takes 0.4 to 3 microseconds: Python's arguments are looked at, taken apart
and kept alive one by one. What a step calls is the same at every run, so all of that is done once: the arguments of
every call are laid out in memory as the function takes them, and a loop goes through the table of calls
(:mod:`netspec_numba.machine_code`). The functions are those that Python calls; nothing of them is compiled again.

Numba's own models say how an argument is taken apart, and its calling convention what a function looks like: it is
given a place for its result, one for what it raises, then the scalars that all arguments consist of, and returns 0
where it has raised nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numba
import numpy as np
from llvmlite import binding
from numba import types
from numba.core.dispatcher import Dispatcher

from netspec_numba.contract import Array, Call
from netspec_numba.machine_code import Signature, machine_code


@dataclass(frozen=True, slots=True)
class Stretch:
    """Calls that are made without Python. It keeps alive all that they read and write."""

    rows: Array
    """(calls, 3), addresses of trampolines, functions and, in ``arguments``, their arguments."""
    arguments: Array
    calls: tuple[Call, ...]

    def __call__(self) -> None:
        """Make all calls; others may run Python meanwhile. What a call raises it raises again, called by Python."""
        failed = machine_code().run(self.rows.ctypes.data, len(self.calls))
        if failed != len(self.calls):
            function, arguments = self.calls[failed]
            function(*arguments)
            raise RuntimeError(f"{function} failed, and did not when it was called again")


def stretches(calls: Iterable[Call]) -> Iterator[Callable[[], None]]:
    """What makes these calls in their order: a :class:`Stretch` as long as may be, then Python, and so on.

    Left to Python are functions that Numba has not compiled, or not for just these types of arguments.
    """
    pending: list[tuple[Call, _Native]] = []
    for function, arguments in calls:
        native = _native(function, arguments)
        if native is not None:
            pending.append(((function, arguments), native))
            continue
        if pending:
            yield _stretch(pending)
            pending = []
        yield partial(function, *arguments)
    if pending:
        yield _stretch(pending)


@dataclass(frozen=True, slots=True)
class _Native:
    """A call as compiled code makes it."""

    function: int
    """Its address."""
    scalars: tuple[int, ...]
    """The bits of all its arguments."""
    signature: Signature | None
    """``None`` for Numba's function that sets the number of threads."""


def _native(function: Callable[..., None], arguments: tuple[Any, ...]) -> _Native | None:
    """How compiled code makes this call; ``None`` where it cannot."""
    if function is numba.set_num_threads:
        setter = binding.address_of_symbol("set_num_threads")
        return None if setter is None else _Native(setter, arguments, None)
    if not isinstance(function, Dispatcher):
        return None
    given = tuple(function.typeof_pyval(argument) for argument in arguments)
    compiled = function.overloads.get(given)
    if compiled is None or compiled.objectmode or compiled.signature.return_type != types.none:
        return None
    facts, context = compiled.fndesc, compiled.target_context
    try:
        scalars = tuple(bits for pair in zip(given, arguments, strict=True) for bits in _scalars(context, *pair))
    except TypeError:
        return None
    _, _, *expected = context.call_conv.get_function_type(facts.restype, facts.argtypes).args
    assert len(scalars) == len(expected), f"Numba takes the arguments of {function} apart in another way"
    address = compiled.library.get_pointer_to_function(facts.llvm_func_name)
    return _Native(address, scalars, tuple(map(_name, expected))) if address else None


def _name(type: Any) -> str:
    return "ptr" if type.is_pointer else str(type)


def _scalars(context: Any, type: types.Type, value: Any) -> Iterator[int]:
    """The bits of the scalars that an argument is taken apart into. Raises TypeError for what no kernel takes."""
    if isinstance(type, types.Array):
        found = {
            "meminfo": (0,),  # nobody counts references to it: the stretch keeps the array
            "parent": (0,),
            "nitems": (value.size,),
            "itemsize": (value.itemsize,),
            "data": (value.__array_interface__["data"][0],),
            "shape": value.shape,
            "strides": value.strides,
        }
        for name in context.data_model_manager[type]._fields:
            yield from found[name]
    elif isinstance(type, types.BaseTuple):
        for element, part in zip(type.types, value, strict=True):
            yield from _scalars(context, element, part)
    elif isinstance(type, types.Integer | types.Boolean):
        yield int(value)
    elif isinstance(type, types.Float):
        yield from struct.unpack("<Q", struct.pack("<d" if type.bitwidth == 64 else "<f4x", value))
    else:
        raise TypeError(f"{type} is none of the types that kernels are given")


def _stretch(pending: Sequence[tuple[Call, _Native]]) -> Stretch:
    """Lay out the table and what it points to."""
    calls, natives = zip(*pending, strict=True)
    code = machine_code()
    trampolines = code.trampolines(native.signature for native in natives if native.signature is not None)
    arguments = np.array([bits % 2**64 for native in natives for bits in native.scalars], np.uint64)
    rows, at = np.empty((len(natives), 3), np.uint64), arguments.ctypes.data
    for row, native in zip(rows, natives, strict=True):
        trampoline = code.set_threads if native.signature is None else trampolines[native.signature]
        row[:] = trampoline, native.function, at
        at += arguments.itemsize * len(native.scalars)
    return Stretch(rows, arguments, calls)
