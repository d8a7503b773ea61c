"""Calls made without Python: the same functions, with the same arguments, in the same order, and the same bits."""

from __future__ import annotations

import ctypes
import gc
import threading
import weakref
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import kernel_operands  # noqa: F401 - selects the kernel cache, before any kernel is imported
import numba
import numpy as np
import pytest
from numba import njit
from numba.core.dispatcher import Dispatcher

import netspec
from netspec.analysis.memory import plan_for
from netspec.plan import Mode, Plan
from netspec_numba.backend import NumbaBackend
from netspec_numba.contract import NOTHING, Call, Calls, Prepared, calls_of
from netspec_numba.executable import REGIONS, NumbaExecutable
from netspec_numba.native import Stretch, stretches

BATCH = 5
IN_PYTHON: Mapping[int, Callable[[], None]] = MappingProxyType({-1: lambda: None})
"""Something to do after a step that there is not: such a run is made by Python."""

CLASSIFIER = """\
netspec: 1
name: classifier
input: [12, 12, 3]
layers:
  - conv: {filters: 20, kernel: 5, padding: same}
  - max_pool: 2
  - tanh
  - conv: {filters: 16, kernel: 3}
  - relu
  - flatten
  - dense: 30
  - relu
  - dense: 10
  - softmax
train: {batch: 5}
"""

RESIDUAL = """\
netspec: 1
name: residual
input: [10, 10, 3]
layers:
  - conv: {filters: 16, kernel: 3, padding: same}
  - batch_norm
  - relu
  - add:
      body:
        - conv: {filters: 16, kernel: 3, padding: same}
        - batch_norm
      shortcut: []
  - relu
  - depthwise_conv: {kernel: 3, stride: 2, padding: same}
  - batch_norm
  - relu
  - conv: {filters: 32, kernel: 1}
  - global_avg_pool
  - dropout: 0.3
  - dense: 7
  - softmax
train: {batch: 5, optimizer: {adam: {}}}
"""


def loaded(spec: str, mode: Mode, threads: int) -> tuple[Plan, NumbaExecutable, Any]:
    backend = NumbaBackend()
    plan = plan_for(netspec.load(spec), backend.target(threads), BATCH, mode)
    state, random = backend.state(plan), np.random.default_rng(3)
    for slot in plan.graph.slots:
        state.hold(slot)[...] = random.random(state.hold(slot).shape) / 4
    return plan, backend.load(plan, state, threads), state


def fed(plan: Plan, samples: int) -> dict[str, Any]:
    random = np.random.default_rng(samples)
    return {
        value.name: random.integers(0, 7, (samples, *value.type.shape)).astype(value.type.dtype)
        for value in plan.graph.inputs
    }


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("spec", [CLASSIFIER, RESIDUAL], ids=["classifier", "residual"])
def test_no_python_and_the_same_bits(spec: str, mode: Mode, threads: int) -> None:
    plan, ours, ours_state = loaded(spec, mode, threads)
    _, theirs, theirs_state = loaded(spec, mode, threads)
    scalars = dict.fromkeys((value.name for value in plan.graph.scalars), 1.0)
    for samples in (BATCH, BATCH, 2, BATCH, 2, 1, 1):
        given = fed(plan, samples)
        ours.run(given, scalars, samples)
        theirs.run(given, scalars, samples, REGIONS, IN_PYTHON)
        for name in plan.graph.outputs:
            assert ours.output(name).tobytes() == theirs.output(name).tobytes()
        for slot in plan.graph.slots:
            assert ours_state.hold(slot).tobytes() == theirs_state.hold(slot).tobytes()
    (whole,) = stretches(ours._calls(BATCH, REGIONS))
    assert isinstance(whole, Stretch)


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("name", ["lenet5", "resnet20", "mobilenet_v1", "squeezenet1_1"])
def test_networks_of_the_zoo_call_compiled_functions_alone(name: str, mode: Mode) -> None:
    backend = NumbaBackend()
    plan = plan_for(netspec.load(f"zoo:{name}"), backend.target(1), 1, mode)
    called = [function for function, _ in backend.load(plan, backend.state(plan), 1)._calls(1, REGIONS)]
    assert {function for function in called if not isinstance(function, Dispatcher)} == {numba.set_num_threads}


@pytest.mark.parametrize("regions", [("forward",), ("backward",), ("update",), ()])
def test_some_regions_only(regions: tuple[Any, ...]) -> None:
    plan, ours, ours_state = loaded(CLASSIFIER, "train", 1)
    _, theirs, theirs_state = loaded(CLASSIFIER, "train", 1)
    given, scalars = fed(plan, BATCH), dict.fromkeys((value.name for value in plan.graph.scalars), 1.0)
    for executable, after in ((ours, {}), (theirs, IN_PYTHON)):
        for _ in range(2):
            executable.run(given, scalars, BATCH, REGIONS, IN_PYTHON)
            for _ in range(2):
                executable.run({}, {}, BATCH, regions, after)
    for slot in plan.graph.slots:
        assert ours_state.hold(slot).tobytes() == theirs_state.hold(slot).tobytes()


def test_predictions_follow_the_weights() -> None:
    model = netspec.load(CLASSIFIER).compile(threads=1)
    images = np.random.default_rng(1).random((BATCH, 12, 12, 3)).astype(np.float32)
    before = [model.predict(images) for _ in range(3)]
    for name, weights in model.weights.items():
        model.weights[name] = 2 * weights
    after = model.predict(images)
    assert not np.array_equal(before[2], after)
    for name, weights in model.weights.items():
        model.weights[name] = weights / 2
    np.testing.assert_array_equal(model.predict(images), before[0])


class Sizes(NamedTuple):
    rows: int
    scale: float
    table: Any


def compiled(function: Callable[..., None], *arguments: Any) -> Call:
    """A call of this function, which was compiled by a call."""
    compiled = njit(nogil=True)(function)
    compiled(*arguments)
    return compiled, arguments


def take(made: Any, sizes: Any, small: Any, byte: Any, truth: Any, plain: Any, grid: Any, nested: Any) -> None:
    made[0] += sizes.rows + 10 * sizes.scale + 100 * sizes.table[1]
    made[1] += small / 4
    made[2] += 2.0 * byte if truth else 1.0 * byte
    made[3] += plain[0] + 10 * plain[1]
    made[4] += grid.shape[0] * 100 + grid.shape[1] * 10 + grid[1, 2]
    made[5] += nested[0][1][0][0] - nested[1]


def test_arguments_of_all_types_arrive() -> None:
    made, table = np.zeros(6), np.array([3, -7], np.int32)
    grid = np.arange(40, dtype=np.float32).reshape(5, 8)[::2, 1::3]
    arguments = (made, Sizes(-5, 0.5, table), np.float32(-2.5), np.uint8(250), True, (1, -2), grid)
    call = compiled(take, *arguments, ((4, (table,)), -1))
    expected = made.copy()
    (stretch,) = stretches([call])
    assert isinstance(stretch, Stretch)
    for times in (2, 3):
        stretch()
        np.testing.assert_array_equal(made, times * expected)
    assert expected.tolist() == [-5 + 5 - 700, -0.625, 500, -19, 300 + 30 + grid[1, 2], 4]


def add(numbers: Any, number: Any) -> None:
    numbers[0] = 10 * numbers[0] + number


def refuse(numbers: Any) -> None:
    if numbers[0] > 0:
        raise ValueError("more than nothing")


def test_what_is_raised_is_raised_and_nothing_after_it_is_done() -> None:
    numbers = np.zeros(1)
    checked = compiled(refuse, np.zeros(1))[0]
    added = compiled(add, np.zeros(1), 1)[0]
    (stretch,) = stretches([(added, (numbers, 0)), (checked, (numbers,)), (added, (numbers, 7)), (added, (numbers, 8))])
    stretch()
    assert numbers[0] == 78
    with pytest.raises(ValueError, match="more than nothing"):
        stretch()
    assert numbers[0] == 780


def test_python_is_called_in_between() -> None:
    numbers = np.zeros(1)
    added = compiled(add, np.zeros(1), 1)[0]

    @Calls
    def inner(n: int) -> list[Call]:
        return [(added, (numbers, n)), (add, (numbers, 5)), (added, (numbers, 6))]

    @Calls
    def outer(n: int) -> list[Call]:
        other_types: Any = (numbers, 7.0)
        return [(NOTHING, (n,)), (Prepared(inner, inner), (n + 1,)), (added, other_types), (added, (numbers, 9))]

    pieces = tuple(stretches(calls_of(outer, 1)))
    assert [isinstance(piece, Stretch) for piece in pieces] == [True, False, True, False, True, False, True]
    for piece in pieces:
        piece()
    assert numbers[0] == 25625679
    numbers[0] = 0
    outer(1)
    assert numbers[0] == 25625679


def test_a_launch_in_python_is_one_call() -> None:
    seen: list[int] = []
    ((function, arguments),) = calls_of(seen.append, 3)
    function(*arguments)
    assert seen == [3]


def see(threads: Any, place: Any) -> None:
    threads[place] = numba.get_num_threads()


def test_threads_are_set_in_between() -> None:
    available, seen = numba.get_num_threads(), np.zeros(2, np.int64)
    function, _ = compiled(see, seen, 0)
    threads = numba.set_num_threads
    (stretch,) = stretches([(threads, (1,)), (function, (seen, 0)), (threads, (available,)), (function, (seen, 1))])
    stretch()
    assert seen.tolist() == [1, available]


def test_arrays_live_as_long_as_what_uses_them() -> None:
    numbers = np.zeros(1)
    (stretch,) = stretches([compiled(add, numbers, 1)])
    alive = weakref.ref(numbers)
    del numbers
    gc.collect()
    stretch()
    held = alive()
    assert held is not None
    assert held[0] == 11
    del held, stretch
    gc.collect()
    assert alive() is None


def test_others_may_run_python_meanwhile() -> None:
    pause = ctypes.CDLL(None).usleep
    pause.argtypes, pause.restype = (ctypes.c_uint,), ctypes.c_int

    def wait(flags: Any) -> None:
        for _ in range(3000):
            if flags[0] != 0:
                flags[1] = 1
                return
            pause(10_000)

    flags = np.ones(2)
    (stretch,) = stretches([compiled(wait, flags)])
    flags[:] = 0
    waiting = threading.Thread(target=stretch)
    waiting.start()
    flags[0] = 1
    waiting.join()
    assert flags[1] == 1
