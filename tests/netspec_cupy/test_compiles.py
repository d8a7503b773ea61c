"""Every kernel compiles for every architecture, spills nothing, and keeps within the registers that it declares."""

from __future__ import annotations

from functools import cache

import pytest
from recording_device import Way, kernels_of

from netspec.diagnostics import RunError
from netspec.testing import all_cases, byte_trials, inference_trial, network_trials, training_trial
from netspec_cupy import nvrtc, sources


@cache
def generated() -> sources.Module:
    """All generated kernels of all cases, and those of networks stored as bfloat16, as one module."""
    trials = (trial(case) for case in all_cases() for trial in (inference_trial, training_trial))
    found = kernels_of((*trials, *byte_trials())) | kernels_of(network_trials(), Way("bfloat16"))
    texts = dict.fromkeys(text for text in found.values() if text is not None)
    return sources.module("generated", "\n".join(texts))


def complaints(module: sources.Module, target: str) -> list[str]:
    compiled = nvrtc.compile_source(module.text, target)
    found = compiled.figures
    assert found.keys() == module.kernels.keys()
    return [*compiled.warnings] + [
        f"{name}: {figures} where {module.kernels[name]} is declared"
        for name, figures in found.items()
        if figures.spilled or figures.stack or figures.registers > module.kernels[name].registers
    ]


@pytest.mark.parametrize(
    ("module", "target"),
    [
        (name, each)
        for name, module in sources.written().items()
        for each in nvrtc.ARCHITECTURES
        if module.compiles_for(each)
    ],
)
def test_written_kernels(module: str, target: str) -> None:
    assert complaints(sources.written()[module], target) == []


def test_sources_say_what_they_need() -> None:
    on_tensor_cores = sources.written()["convolution_tf32"]
    assert [each for each in nvrtc.ARCHITECTURES if on_tensor_cores.compiles_for(each)] == ["sm_80", "sm_90a", "sm_100"]
    only_hopper = sources.module("hopper", "// needs sm_90a\n")
    assert [each for each in nvrtc.ARCHITECTURES if only_hopper.compiles_for(each)] == ["sm_90a"]
    assert all(sources.written()["convolution"].compiles_for(each) for each in nvrtc.ARCHITECTURES)


@pytest.mark.parametrize("target", nvrtc.ARCHITECTURES)
def test_generated_kernels(target: str) -> None:
    assert complaints(generated(), target) == []


def test_a_mistake_is_told_with_its_line() -> None:
    with pytest.raises(RunError, match=r"NVRTC cannot compile a kernel: for sm_80: kernels.cu\(2\): error: "):
        nvrtc.compile_source('#include "device.cuh"\nint wrong(', "sm_80")


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "candidates", lambda: ("/nowhere/libnvrtc.so.13",))
    with pytest.raises(RunError, match="NVRTC cannot compile a kernel: it is not installed") as caught:
        nvrtc.library.__wrapped__()
    assert "help: install netspec[cuda13]" in str(caught.value)


@pytest.mark.parametrize(("capability", "target"), [(75, "sm_75"), (90, "sm_90a"), (100, "sm_100")])
def test_the_architecture_of_a_device(capability: int, target: str) -> None:
    assert nvrtc.architecture(capability) == target


def test_every_kernel_is_declared_once_and_exported() -> None:
    with pytest.raises(ValueError, match="every KERNEL is declared once"):
        sources.module("wrong", "KERNEL(a, 32, 32)() {}\n")
    assert len(sources.module_of()) == sum(len(module.kernels) for module in sources.written().values())


def test_elementwise_products_are_not_contracted() -> None:
    """Else a chain would differ from its links in the last bit; docs/adr/0011."""
    texts = [text for text in kernels_of([training_trial(all_cases()[0])]).values() if text is not None]
    assert texts
    assert all(sources.options(text) == ["--fmad=false"] for text in texts)
    kernel = (
        '#include "device.cuh"\nKERNEL(f, 32, 32)(float* y, float a, float b) { y[0] = a * b + y[0]; }\nEXPORT(f)\n'
    )
    contracted, apart = (
        nvrtc.compile_source(text, "sm_80").cubin for text in (kernel, f"{sources.NOT_CONTRACTED}\n{kernel}")
    )
    assert contracted != apart


def test_figures_are_read_from_a_log() -> None:
    log = (
        "ptxas info    : Compiling entry function 'move' for 'sm_80'\nptxas info    : Function properties for move\n"
        "    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads\nptxas info    : Used 40 registers\n"
    )
    assert nvrtc.figures(log) == {"move": nvrtc.Figures(registers=40, stack=16, spilled=20)}
