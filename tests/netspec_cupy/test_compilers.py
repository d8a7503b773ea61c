"""Where compilers are looked for, where what they make is kept, and what is said where there is none."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from netspec.diagnostics import RunError
from netspec_cupy import cache, host_device, nvrtc


def test_a_missing_compiler_for_the_host_half_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RunError, match=r"\[NS938\] g\+\+ cannot compile a kernel: it cannot be run \("):
        host_device._compiler.__wrapped__()


def test_a_kernel_that_does_not_compile_is_told_with_its_line() -> None:
    text = '#include "device.cuh"\nKERNEL(wrong, 32, 32)() { there is a mistake }\nEXPORT(wrong)\n'
    with pytest.raises(RunError, match=r"g\+\+ cannot compile a kernel: .*source.cpp"):
        host_device.HostDevice().function("wrong", text)


def test_nvrtc_is_found_in_its_wheel_first() -> None:
    first = Path(nvrtc.candidates()[0])
    assert first.is_file()
    assert first.name.startswith("libnvrtc.so.")
    assert nvrtc.version() >= (12, 0)


def test_what_is_compiled_is_kept_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "folder", cache.folder.__wrapped__)
    kept = cache.keep("kernels.so", b"code")
    assert kept.read_bytes() == b"code"
    assert kept.parent.parent == tmp_path
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert [path.name for path in kept.parent.iterdir()] == ["kernels.so"]


def test_without_a_cache_there_is_a_folder_for_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path / "file"))
    found = cache.folder.__wrapped__()
    assert found.is_dir()
    assert tmp_path not in found.parents


def test_a_cubin_comes_from_the_cache_the_second_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "folder", cache.folder.__wrapped__)
    text = '#include "device.cuh"\nKERNEL(one, 32, 32)(float* y) { y[threadIdx.x] = 1.f; }\nEXPORT(one)\n'
    first = nvrtc.cubin(text, "sm_80")
    assert first.startswith(b"\x7fELF")
    monkeypatch.setattr(nvrtc, "compile_source", None)
    assert nvrtc.cubin(text, "sm_80") == first
