"""Can this machine run the CuPy backend? If not: why, and what to do, in one line."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

OLDEST_CAPABILITY = 75
"""Compute capability, major and minor in one number: 75 is Turing, the first with tensor cores that CUDA 13 knows."""

Check = Callable[[Any], str | None]
"""Takes the module ``cupy`` and gives the reason not to go on, or None."""


def probe() -> str | None:
    """Return None if the CuPy backend is usable, else one line that says why it is not and what to do.

    Never raises, and prints nothing. The checks are ordered so that each may rely on those before it.
    """
    try:
        cupy = import_module("cupy")
    except ModuleNotFoundError as error:
        if error.name == "cupy":
            return "CuPy is not installed; install netspec[cuda13], or netspec[cuda12] for a driver of CUDA 12"
        return f"CuPy cannot be imported ({_one_line(error)}); reinstall netspec[cuda13]"
    except Exception as error:  # a cache folder that cannot be used raises FileNotFoundError, and there is more
        return f"CuPy cannot be imported ({_one_line(error)})"
    for check in _CHECKS:
        reason = check(cupy)
        if reason is not None:
            return reason
    return None


def _driver(cupy: Any) -> str | None:
    """Ask for the driver's version, which is 0 where there is none."""
    try:
        version = cupy.cuda.runtime.driverGetVersion()
    except Exception as error:
        return f"the NVIDIA driver does not answer ({_one_line(error)}); reinstall it"
    if version == 0:
        return "no NVIDIA driver on this machine; install one, or use --backend numba"
    return None


def _device(cupy: Any) -> str | None:
    """Count the devices; this fails where the driver is older than CuPy's toolkit."""
    runtime = cupy.cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except Exception as error:
        version = _cuda_version(runtime.driverGetVersion())
        return (
            f"the NVIDIA driver (CUDA {version}) is not usable ({_one_line(error)}); update it, or use netspec[cuda12]"
        )
    if count == 0:
        return "no CUDA device is visible; look at CUDA_VISIBLE_DEVICES, or use --backend numba"
    return None


def _compiler(cupy: Any) -> str | None:
    """Ask for NVRTC, which compiles the kernels and is not part of CuPy's wheel."""
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception as error:
        return f"NVRTC, the CUDA compiler, is missing ({_one_line(error)}); install netspec[cuda13] or netspec[cuda12]"
    return None


def _capability(cupy: Any) -> str | None:
    """Refuse a GPU that is too old."""
    try:
        capability = int(cupy.cuda.Device(0).compute_capability)
    except Exception as error:
        return f"CUDA device 0 cannot be opened ({_one_line(error)}); another program may hold it"
    if capability < OLDEST_CAPABILITY:
        has, wanted = _capability_name(capability), _capability_name(OLDEST_CAPABILITY)
        return f"the GPU has compute capability {has}, {wanted} or newer is needed; use --backend numba"
    return None


def _execution(cupy: Any) -> str | None:
    """Let the device do something: a broken one may answer every question until then."""
    try:
        cupy.zeros(1)
        cupy.cuda.runtime.deviceSynchronize()
    except Exception as error:
        return f"CUDA device 0 does not execute ({_one_line(error)}); its memory may be full"
    return None


_CHECKS: tuple[Check, ...] = (_driver, _device, _compiler, _capability, _execution)


def _one_line(error: Exception) -> str:
    """Return the first line of an error's text, or its type where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def _cuda_version(number: int) -> str:
    """Write CUDA's 12040 as 12.4."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _capability_name(number: int) -> str:
    """Write 75 as 7.5, and 100 as 10.0."""
    return f"{number // 10}.{number % 10}"
