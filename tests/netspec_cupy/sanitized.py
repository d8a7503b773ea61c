"""Runs every kernel once under the address and the undefined-behaviour sanitizer: to be started with libasan preloaded.

Every value has memory of its own, so that a step out of it ends the process with the line that took it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from recording_device import CHOSEN, Way, kernels_of, plan_of
from waiting_kernels import FORCED, SPLIT, layers_of_bytes, rounded_trials

from netspec.testing import Trial, all_cases, byte_trials, inference_trial, network_trials, training_trial
from netspec_cupy import sources
from netspec_cupy.backend import CupyBackend
from netspec_cupy.executable import CupyExecutable
from netspec_cupy.host_device import SANITIZED, HostDevice
from netspec_cupy.state import CupyState


def covering() -> Iterator[tuple[Trial, Way]]:
    """Trials that run every kernel written by hand, and one of the generated ones of each kind; and the way they go."""
    seen: set[str | int] = set()
    cases = (SPLIT, *all_cases())
    plain = (make(case) for case in cases for make in (inference_trial, training_trial))
    given = [(trial, CHOSEN) for trial in plain]
    for trial in rounded_trials():
        given += [(trial, Way("tf32")), (trial, Way("bfloat16"))]
    given += [(trial, Way("bfloat16")) for trial, _ in given[: 2 * len(cases)]]
    for trial in (*byte_trials(), *layers_of_bytes()):
        given += [(trial, Way(capability=75)), (trial, CHOSEN)]
    given += [(trial, Way("bfloat16")) for trial in network_trials()]  # where sums are taken of what is stored so
    for trial, way in (*given, *FORCED):
        kernels = kernels_of([trial], way).items()
        new = {name if source is None else source.count("a1") for name, source in kernels}
        if not new <= seen:
            seen |= new
            yield trial, way
    lacking = set(sources.module_of()) - seen
    if lacking:
        raise SystemExit(f"no case runs {', '.join(sorted(lacking))}")


def main() -> None:
    count = 0
    for trial, way in covering():
        device = HostDevice(flags=SANITIZED, capability=way.capability)
        plan = plan_of(CupyBackend(device), trial, way)
        state = CupyState(device)
        executable = CupyExecutable(plan, state, device, apart=True)
        for name, array in trial.state.items():
            state.write(name, array)
        for samples in (trial.batch, 1):
            inputs = {name: array[:samples] for name, array in trial.inputs.items()}
            executable.run(inputs, trial.scalars, samples)
        count += 1
    print(f"{count} trials")


if __name__ == "__main__":
    main()
    sys.exit(0)
