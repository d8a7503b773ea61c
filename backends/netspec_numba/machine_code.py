"""The little machine code that goes through a table of calls, made with LLVM in the process that needs it.

A row of a table is three addresses: of a trampoline, of the function that it calls, and of the arguments, each in
eight bytes; all processors that Numba knows are little-endian. There is a trampoline for every signature: it loads the
arguments and calls, so that one is enough for all calls, plans and sizes whose functions look alike.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping
from functools import cache

from llvmlite import binding

Signature = tuple[str, ...]
"""LLVM's names of the types of all scalars that a function is given."""

RUN = """
define i64 @run(ptr %rows, i64 %count) {
entry:
  br label %next
next:
  %index = phi i64 [0, %entry], [%following, %call]
  %done = icmp eq i64 %index, %count
  br i1 %done, label %end, label %call
call:
  %row = getelementptr [3 x ptr], ptr %rows, i64 %index
  %function.at = getelementptr ptr, ptr %row, i64 1
  %arguments.at = getelementptr ptr, ptr %row, i64 2
  %trampoline = load ptr, ptr %row
  %function = load ptr, ptr %function.at
  %arguments = load ptr, ptr %arguments.at
  %status = call i32 %trampoline(ptr %function, ptr %arguments)
  %following = add i64 %index, 1
  %fine = icmp eq i32 %status, 0
  br i1 %fine, label %next, label %end
end:
  ret i64 %index
}
"""
"""Goes through the rows of a table up to the first call that fails; its number, or that of all rows."""

SET_THREADS = """
define i32 @set_threads(ptr %function, ptr %arguments) {
  %count = load i32, ptr %arguments
  call void %function(i32 %count)
  ret i32 0
}
"""
"""The trampoline to the function of the threading layer, which returns nothing."""


class MachineCode:
    """What is compiled here: the loop through a table, and a trampoline for each signature met so far."""

    def __init__(self) -> None:
        self._engines: list[binding.ExecutionEngine] = []
        """They own the memory that the code lies in."""
        self._trampolines: dict[Signature, int] = {}
        run, self.set_threads = self._compile(RUN + SET_THREADS, ("run", "set_threads"))
        self.run = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)(run)

    def trampolines(self, signatures: Iterable[Signature]) -> Mapping[Signature, int]:
        """Addresses of trampolines to functions with at least these signatures."""
        missing = [each for each in dict.fromkeys(signatures) if each not in self._trampolines]
        if missing:
            names = [f"trampoline_{number}" for number in range(len(missing))]
            code = "".join(map(_trampoline, names, missing))
            self._trampolines |= zip(missing, self._compile(code, names), strict=True)
        return self._trampolines

    def _compile(self, code: str, names: Iterable[str]) -> list[int]:
        """Addresses of functions of ``code``. Each runs once a call, so that it is made fast rather than to be fast."""
        machine = binding.Target.from_default_triple().create_target_machine(opt=0, jit=True)
        engine = binding.create_mcjit_compiler(binding.parse_assembly(code), machine)
        engine.finalize_object()
        self._engines.append(engine)
        return [engine.get_function_address(name) for name in names]


@cache
def machine_code() -> MachineCode:
    """The one of this process."""
    return MachineCode()


def _trampoline(name: str, signature: Signature) -> str:
    """A function that loads the arguments of another and calls it; its status."""
    loads = (
        f"  %at.{place} = getelementptr i64, ptr %arguments, i64 {place}\n  %a.{place} = load {type}, ptr %at.{place}\n"
        for place, type in enumerate(signature)
    )
    loaded = "".join(f", {type} %a.{place}" for place, type in enumerate(signature))
    return (
        f"define i32 @{name}(ptr %function, ptr %arguments) {{\n  %result = alloca ptr\n  %raised = alloca ptr\n"
        f"{''.join(loads)}  %status = call i32 %function(ptr %result, ptr %raised{loaded})\n  ret i32 %status\n}}\n"
    )
