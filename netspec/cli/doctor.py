"""``netspec doctor``: what is installed, what is missing, and which command mends it."""

from __future__ import annotations

import json
import os
import platform
import re
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple

import click

from netspec.cli.common import format_option

State = Literal["fine", "missing", "wrong"]

MARKS: dict[State, str] = {"fine": "ok", "missing": "--", "wrong": "!!"}
"""Missing is what netspec can do without; wrong is what it cannot."""


class Finding(NamedTuple):
    """One thing that was looked at: what it is, how it is, in words, and what mends it."""

    subject: str
    state: State
    detail: str
    mend: str = ""


@click.command("doctor")
@format_option
def command(format_: str) -> int:
    """What is installed on this machine, what is missing, and what mends it. Status 1 if netspec cannot run.

    \b
    Example:
      netspec doctor
      netspec doctor --format json
    """
    findings = list(examine())
    if format_ == "json":
        document = {"version": 1, "findings": [finding._asdict() for finding in findings]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        width = max(len(finding.subject) for finding in findings)
        for finding in findings:
            click.echo(f"{MARKS[finding.state]}  {finding.subject:<{width}}  {finding.detail}")
            if finding.mend:
                click.echo(f"    {'':<{width}}  mend: {finding.mend}")
    return int(any(finding.state == "wrong" for finding in findings))


def examine() -> Iterator[Finding]:
    """All findings, from the ground up. What an examination raises is a finding, too."""
    for subject, examination in EXAMINATIONS.items():
        try:
            yield from examination()
        except Exception as error:  # a broken installation raises whatever it likes
            yield Finding(subject, "wrong", f"cannot be examined: {_line(error)}")


def _line(error: Exception) -> str:
    """The first line of what an error says, or its type."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _ground() -> Iterator[Finding]:
    from netspec import __version__

    yield Finding("netspec", "fine", __version__)
    yield Finding("Python", "fine", f"{platform.python_version()}, {platform.system()} {platform.machine()}")
    yield Finding("NumPy", "fine", metadata.version("numpy"))


THREADING_LAYERS = {"omp": "OpenMP", "tbb": "TBB", "workqueue": "Numba's own"}
POOLS = {"omp": "omppool", "tbb": "tbbpool", "workqueue": "workqueue"}


def _processor() -> Iterator[Finding]:
    """Numba: what it compiles for, how it runs threads."""
    numba = import_module("numba")
    yield Finding("Numba", "fine", numba.__version__)
    layer = next(name for name, module in POOLS.items() if _can_be_imported(f"numba.np.ufunc.{module}"))
    slow = "install libgomp (apt-get install libgomp1), and threads start faster" if layer == "workqueue" else ""
    yield Finding("threads", "missing" if slow else "fine", THREADING_LAYERS[layer], slow)
    binding = import_module("llvmlite.binding")
    features = binding.get_host_cpu_features()
    bits = 512 if features.get("avx512f") else 256 if features.get("avx2") and features.get("fma") else 128
    detail = f"{binding.get_host_cpu_name()}, vectors of {bits} bits, {os.cpu_count()} logical cores"
    yield Finding("processor", "fine", detail)


def _can_be_imported(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def _cache() -> Iterator[Finding]:
    """Where compiled kernels are kept."""
    import platformdirs

    folder = Path(os.environ.get("NETSPEC_CACHE_DIR") or platformdirs.user_cache_dir("netspec"))
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if existing.is_dir() and os.access(existing, os.W_OK):
        yield Finding("kernel cache", "fine", str(folder))
    else:
        mend = "export NETSPEC_CACHE_DIR=a folder that you may write to"
        yield Finding("kernel cache", "missing", f"{folder} cannot be written: every run compiles its kernels", mend)


def _gpu() -> Iterator[Finding]:
    """CuPy, driver, device, and NVRTC, each as far as those before it allow."""
    mend = 'pip install "netspec[cuda13]", or netspec[cuda12] for a driver of CUDA 12'
    try:
        cupy = import_module("cupy")
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == "cupy"
        detail = "not installed; only --backend cupy needs it" if absent else f"cannot be imported: {_line(error)}"
        yield Finding("CuPy", "missing", detail, mend)
        return
    yield Finding("CuPy", "fine", str(cupy.__version__))
    yield _asked("NVRTC", lambda: ".".join(map(str, cupy.cuda.nvrtc.getVersion())), mend)
    yield _nccl()
    driver = int(cupy.cuda.runtime.driverGetVersion())
    if driver == 0:
        yield Finding("NVIDIA driver", "missing", "there is none on this machine", "install it: nvidia.com/drivers")
        return
    yield Finding("NVIDIA driver", "fine", f"for CUDA {driver // 1000}.{driver % 1000 // 10}")
    yield _asked("GPU", lambda: _devices(cupy), "look at nvidia-smi, and at CUDA_VISIBLE_DEVICES")


def _nccl() -> Finding:
    """What sums between GPUs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy warns where there is none
        library = import_module("cupy.cuda.nccl")
    if not library.available:
        detail = "not installed; only ranks that train on several GPUs need it"
        return Finding("NCCL", "missing", detail, 'pip install "netspec[nccl]", or nvidia-nccl-cu12 for CUDA 12')
    return _asked("NCCL", lambda: str(library.get_version()), 'pip install "netspec[nccl]"')


def _asked(subject: str, question: Callable[[], str], mend: str) -> Finding:
    """The answer to a question about CUDA, or that there is none."""
    try:
        answer = question()
    except Exception as error:  # CuPy's errors have no common type
        return Finding(subject, "missing", _line(error), mend)
    return Finding(subject, "fine", answer) if answer else Finding(subject, "missing", "none is visible", mend)


def _devices(cupy: Any) -> str:
    found = []
    for number in range(cupy.cuda.runtime.getDeviceCount()):
        facts = cupy.cuda.runtime.getDeviceProperties(number)
        name, capability = facts["name"].decode(), f"{facts['major']}.{facts['minor']}"
        found.append(f"{name}, compute capability {capability}, {facts['totalGlobalMem'] / 2**30:.0f} GiB")
    return "; ".join(found)


def _backends() -> Iterator[Finding]:
    """What each of them says itself; netspec runs if one of them does."""
    from netspec.backend import find_backend, installed_backends
    from netspec.diagnostics import RunError

    refusals: dict[str, str] = {}
    for name in installed_backends():
        try:
            find_backend(name)
        except RunError as error:
            refusals[name] = _line(error).partition("cannot be used: ")[2]
    usable = [name for name in installed_backends() if name not in refusals]
    for name in installed_backends():
        if name in usable:
            detail = "can run here" + (", and is what --backend auto takes" if name == usable[0] else "")
            yield Finding(f"backend {name}", "fine", detail)
        else:
            yield Finding(f"backend {name}", "missing" if usable else "wrong", refusals[name])


_REQUIREMENT = re.compile(r"^([\w.-]+).*;.*\bextra == ['\"]([\w-]+)['\"]")


def _extras() -> Iterator[Finding]:
    """What netspec's extras bring, and what of it is not there; those of the GPU are told with the GPU."""
    wanted: dict[str, list[str]] = {}
    for requirement in metadata.requires("netspec") or ():
        match = _REQUIREMENT.match(requirement)
        if match and not match[2].startswith("cuda"):
            wanted.setdefault(match[2], []).append(match[1])
    for extra, names in wanted.items():
        lacking = [name for name in names if not _installed(name)]
        if lacking:
            yield Finding(
                f"extra {extra}", "missing", f"without {', '.join(lacking)}", f'pip install "netspec[{extra}]"'
            )
        else:
            yield Finding(f"extra {extra}", "fine", ", ".join(names))


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


EXAMINATIONS: dict[str, Callable[[], Iterator[Finding]]] = {
    "Python": _ground,
    "Numba": _processor,
    "kernel cache": _cache,
    "CuPy": _gpu,
    "backends": _backends,
    "extras": _extras,
}
"""What is looked at, in order: the subject that a failure is told of, and the examination."""
