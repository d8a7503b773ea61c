"""``netspec doctor`` on machines of several kinds, each played by a stand-in for the module ``cupy``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from netspec.cli import doctor

Netspec = Callable[..., Any]

H200 = {"name": b"NVIDIA H200", "major": 9, "minor": 0, "totalGlobalMem": 141 * 2**30}


class CudaError(RuntimeError):
    """Stands for CUDARuntimeError."""


def fails(*_: Any) -> Any:
    raise CudaError("cudaErrorInsufficientDriver: too old\nand more")


def machine(
    driver: int = 13000, devices: Any = lambda: 1, compiler: Any = lambda: (13, 0), sums: bool = True
) -> SimpleNamespace:
    """What CuPy says on a machine with one H200, but for the differences."""
    runtime = SimpleNamespace(
        driverGetVersion=lambda: driver,
        getDeviceCount=devices,
        getDeviceProperties=lambda number: H200,
        deviceSynchronize=lambda: None,
    )
    cuda = SimpleNamespace(
        runtime=runtime,
        nvrtc=SimpleNamespace(getVersion=compiler),
        nccl=SimpleNamespace(available=sums, get_version=lambda: 22707),
        Device=lambda number: SimpleNamespace(compute_capability="90"),
    )
    return SimpleNamespace(cuda=cuda, zeros=lambda count: None, __version__="14.2.0")


@pytest.fixture
def examined(netspec: Netspec, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], dict[str, Any]]:
    def examine(cupy: Any) -> dict[str, Any]:
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        monkeypatch.setitem(sys.modules, "cupy.cuda.nccl", getattr(getattr(cupy, "cuda", None), "nccl", None))
        status, out, _ = netspec("doctor", "--format", "json")
        findings = {finding["subject"]: finding for finding in json.loads(out)["findings"]}
        assert status == int(any(finding["state"] == "wrong" for finding in findings.values()))
        return findings

    return examine


def test_a_machine_with_everything(examined: Callable[[Any], dict[str, Any]]) -> None:
    found = examined(machine())
    assert found["GPU"]["detail"] == "NVIDIA H200, compute capability 9.0, 141 GiB"
    assert found["NVIDIA driver"]["detail"] == "for CUDA 13.0"
    assert found["backend cupy"]["detail"] == "can run here, and is what --backend auto takes"
    assert found["backend numba"]["state"] == "fine"
    assert found["NCCL"]["detail"] == "22707"
    assert {found[each]["state"] for each in ("Python", "NumPy", "Numba", "processor", "kernel cache")} == {"fine"}


@pytest.mark.parametrize(
    ("cupy", "subject", "detail", "mend"),
    [
        (None, "CuPy", "not installed; only --backend cupy needs it", 'pip install "netspec[cuda13]"'),
        (machine(driver=0), "NVIDIA driver", "there is none on this machine", "install it"),
        (machine(devices=fails), "GPU", "cudaErrorInsufficientDriver: too old", "look at nvidia-smi"),
        (machine(devices=lambda: 0), "GPU", "none is visible", "look at nvidia-smi, and at CUDA_VISIBLE_DEVICES"),
        (machine(compiler=fails), "NVRTC", "cudaErrorInsufficientDriver: too old", 'pip install "netspec[cuda13]"'),
    ],
    ids=["no CuPy", "no driver", "old driver", "no device", "no NVRTC"],
)
def test_what_is_missing_is_told_with_what_mends_it(
    examined: Callable[[Any], dict[str, Any]], cupy: Any, subject: str, detail: str, mend: str
) -> None:
    found = examined(cupy)
    assert found[subject]["state"] == "missing"
    assert found[subject]["detail"] == detail
    assert found[subject]["mend"].startswith(mend)
    assert found["backend cupy"]["state"] == "missing"
    assert found["backend numba"]["detail"] == "can run here, and is what --backend auto takes"


def test_sums_between_gpus_are_for_several_ranks_alone(examined: Callable[[Any], dict[str, Any]]) -> None:
    found = examined(machine(sums=False))
    assert found["NCCL"]["state"] == "missing"
    assert found["NCCL"]["mend"].startswith('pip install "netspec[nccl]"')
    assert found["backend cupy"]["detail"] == "can run here, and is what --backend auto takes"


def test_a_cache_that_cannot_be_written(netspec: Netspec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path / "file" / "cache"))
    lines = netspec("doctor").out.splitlines()
    at = next(number for number, line in enumerate(lines) if "kernel cache" in line)
    assert lines[at].startswith("--")
    assert "cannot be written" in lines[at]
    assert "export NETSPEC_CACHE_DIR=" in lines[at + 1]


def test_an_extra_that_lacks_a_package(netspec: Netspec, monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version

    def without(name: str) -> str:
        if name == "scikit-learn":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(doctor.metadata, "version", without)
    out = netspec("doctor").out
    assert "without scikit-learn" in out
    assert 'mend: pip install "netspec[demo]"' in out


def test_no_backend_is_wrong(netspec: Netspec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", machine(driver=0))
    monkeypatch.setattr("netspec_numba.backend.NumbaBackend.probe", lambda self: "numba cannot be imported: why not")
    result = netspec("doctor")
    assert result.status == 1
    found = [" ".join(line.split()) for line in result.out.splitlines()]  # the width of columns is the machine's
    assert "!! backend numba numba cannot be imported: why not" in found


def test_an_examination_that_breaks_is_a_finding(netspec: Netspec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.EXAMINATIONS, "CuPy", fails)
    result = netspec("doctor")
    assert result.status == 1
    assert "!!  CuPy" in result.out
    assert "cannot be examined: cudaErrorInsufficientDriver: too old" in result.out


def test_auto_takes_the_gpu_where_it_can(netspec: Netspec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", machine())
    status, _, err = netspec("summary", "zoo:lenet5", "--backend", "auto")
    assert (status, err) == (0, "backend: cupy (the fastest that is installed)\n")


def test_auto_says_why_it_takes_the_processor(netspec: Netspec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", machine(driver=0))
    status, out, err = netspec("compile", "zoo:lenet5", "--backend", "auto", "--format", "json")
    assert status == 0
    assert err.splitlines()[0] == "backend: numba (cupy cannot be used here: no NVIDIA driver on this machine)"
    assert json.loads(out)["plan"]["target"] == "numba"


def test_auto_without_any_backend_is_one_error(netspec: Netspec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr("netspec_numba.backend.NumbaBackend.probe", lambda self: "numba cannot be imported: why not")
    status, _, err = netspec("compile", "zoo:lenet5", "--backend", "auto")
    assert status == 3
    assert err.startswith(
        "error: [NS901] back end 'auto' cannot be used: cupy cannot be used here: CuPy is not installed; "
        "numba cannot be used here: numba cannot be imported: why not\n"
    )
