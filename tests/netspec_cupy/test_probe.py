"""The probe against machines of every kind, each played by a stand-in for the module ``cupy``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from netspec_cupy.backend import CupyBackend
from netspec_cupy.probe import probe


class CudaError(RuntimeError):
    """Stands for cupy.cuda.runtime.CUDARuntimeError."""


def fails(text: str) -> Callable[..., Any]:
    def call(*_arguments: object) -> None:
        raise CudaError(text)

    return call


def machine(**differences: Any) -> SimpleNamespace:
    """A machine with one H200 and all it needs, but for the ``differences``."""
    parts: dict[str, Any] = {
        "driver": lambda: 13000,
        "devices": lambda: 1,
        "compiler": lambda: (13, 0),
        "device": lambda _index: SimpleNamespace(compute_capability="90"),
        "zeros": lambda _count: None,
        "synchronize": lambda: None,
    } | differences
    return SimpleNamespace(
        cuda=SimpleNamespace(
            runtime=SimpleNamespace(
                driverGetVersion=parts["driver"],
                getDeviceCount=parts["devices"],
                deviceSynchronize=parts["synchronize"],
            ),
            nvrtc=SimpleNamespace(getVersion=parts["compiler"]),
            Device=parts["device"],
        ),
        zeros=parts["zeros"],
    )


def device(capability: str) -> Callable[[int], SimpleNamespace]:
    return lambda _index: SimpleNamespace(compute_capability=capability)


CONDITIONS: dict[str, tuple[dict[str, Any], str | None]] = {
    "driver absent": (
        {"driver": lambda: 0},
        "no NVIDIA driver on this machine; install one, or use --backend numba",
    ),
    "driver silent": (
        {"driver": fails("cudaErrorUnknown: unknown error")},
        "the NVIDIA driver does not answer (cudaErrorUnknown: unknown error); reinstall it",
    ),
    "driver too old for the toolkit": (
        {"driver": lambda: 12040, "devices": fails("cudaErrorInsufficientDriver: too old")},
        "the NVIDIA driver (CUDA 12.4) is not usable (cudaErrorInsufficientDriver: too old); "
        "update it, or use netspec[cuda12]",
    ),
    "no device": (
        {"devices": lambda: 0},
        "no CUDA device is visible; look at CUDA_VISIBLE_DEVICES, or use --backend numba",
    ),
    "no compiler": (
        {"compiler": fails("cannot open libnvrtc.so.13\nand a second line\n")},
        "NVRTC, the CUDA compiler, is missing (cannot open libnvrtc.so.13); install netspec[cuda13] or netspec[cuda12]",
    ),
    "device held": (
        {"device": fails("cudaErrorDevicesUnavailable")},
        "CUDA device 0 cannot be opened (cudaErrorDevicesUnavailable); another program may hold it",
    ),
    "device too old": (
        {"device": device("70")},
        "the GPU has compute capability 7.0, 7.5 or newer is needed; use --backend numba",
    ),
    "allocation fails": (
        {"zeros": fails("")},
        "CUDA device 0 does not execute (CudaError); its memory may be full",
    ),
    "execution fails": (
        {"synchronize": fails("cudaErrorLaunchFailure")},
        "CUDA device 0 does not execute (cudaErrorLaunchFailure); its memory may be full",
    ),
    "oldest device that would do": ({"device": device("75")}, None),
    "device with three digits": ({"device": device("100")}, None),
    "nothing wrong": ({}, None),
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_each_condition_is_told_in_one_line(condition: str, monkeypatch: pytest.MonkeyPatch) -> None:
    differences, expected = CONDITIONS[condition]
    monkeypatch.setitem(sys.modules, "cupy", machine(**differences))
    assert probe() == expected
    assert "\n" not in (expected or "")


def test_cupy_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)  # Python's own way to say that a module is not there
    assert probe() == "CuPy is not installed; install netspec[cuda13], or netspec[cuda12] for a driver of CUDA 12"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "raise FileNotFoundError(2, 'No such file or directory', '/nowhere')",
            "CuPy cannot be imported ([Errno 2] No such file or directory: '/nowhere')",
        ),
        ("raise ImportError('libcuda is broken\\nmore')", "CuPy cannot be imported (libcuda is broken)"),
        (
            "import a_module_that_is_not_there",
            "CuPy cannot be imported (No module named 'a_module_that_is_not_there'); reinstall netspec[cuda13]",
        ),
    ],
    ids=["cache folder unusable", "library broken", "dependency missing"],
)
def test_cupy_that_cannot_be_imported(
    source: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cupy.py").write_text(source)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert probe() == expected


def test_the_backend_asks_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", machine())
    backend = CupyBackend()
    assert backend.name == "cupy"
    assert backend.probe() is None
