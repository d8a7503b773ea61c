"""Machines that are none: a network namespace for each rank on one switch, whose ports are shaped. Linux, as root.

What a rank sends is limited where it leaves its namespace, and what it receives where it leaves the switch, each by a
token bucket (``tc-tbf``). A delay would be ``tc-netem``'s, which not every kernel has.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_SWITCH = "netspec-switch"
_ADDRESS = "10.77.0.{}"
_BURST = 256 << 10
"""Bytes that may pass at full speed: a token bucket has to hold what goes by between two ticks of its clock."""
_QUEUE = "50ms"
"""How long a packet may wait before it is dropped."""
LAUNCHER = """#!/bin/sh
# What mpiexec calls in the place of ssh: [options] address command.
while [ "${1#-}" != "$1" ]; do shift; done
address=$1; shift
name=netspec-${address##*.}
exec ip netns exec "$name" unshare --uts sh -c "hostname $name && $*"
"""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def namespaces(ranks: int, megabits: float | None, folder: Path) -> Iterator[list[str]]:
    """So many namespaces of so many Mbit/s each; gives how MPICH's ``mpiexec`` is called to start a rank in each.

    ``folder`` takes the program that stands in for ssh. A CalledProcessError says which command was refused.
    """
    launcher = folder / "into-namespace"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o700)
    names = [_SWITCH, *(f"netspec-{number}" for number in range(1, ranks + 1))]
    _remove(names)  # of a run that was killed
    try:
        _ip("netns", "add", _SWITCH)
        _ip("-n", _SWITCH, "link", "add", "switch", "type", "bridge")
        _ip("-n", _SWITCH, "addr", "add", _ADDRESS.format(254) + "/24", "dev", "switch")
        _ip("-n", _SWITCH, "link", "set", "switch", "up")
        for number in range(1, ranks + 1):
            _ip("netns", "add", f"netspec-{number}")
            _join(number, megabits)
        hosts = ",".join(_ADDRESS.format(number) for number in range(1, ranks + 1))
        start = ["-launcher", "ssh", "-launcher-exec", str(launcher), "-localhost", _ADDRESS.format(254)]
        yield ["ip", "netns", "exec", _SWITCH, "mpiexec", *start, "-hosts", hosts, "-ppn", "1"]
    finally:
        _remove(names)


def _remove(names: Sequence[str]) -> None:
    """Delete those of the namespaces that there are."""
    there = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout.split()
    for name in there:
        if name in names:
            _ip("netns", "del", name)


def _join(number: int, megabits: float | None) -> None:
    """Join a namespace to the switch by a pair of ends, both shaped."""
    own, port = f"netspec-{number}", f"port{number}"
    _ip("link", "add", "eth0", "netns", own, "type", "veth", "peer", "name", port, "netns", _SWITCH)
    _ip("-n", own, "addr", "add", _ADDRESS.format(number) + "/24", "dev", "eth0")
    for place, end in ((own, "lo"), (own, "eth0"), (_SWITCH, port)):
        _ip("-n", place, "link", "set", end, "up")
    _ip("-n", _SWITCH, "link", "set", port, "master", "switch")
    if megabits is not None:
        shape: Sequence[str] = ("root", "tbf", "rate", f"{megabits:g}mbit", "burst", str(_BURST), "latency", _QUEUE)
        for place, end in ((own, "eth0"), (_SWITCH, port)):
            subprocess.run(["ip", "netns", "exec", place, "tc", "qdisc", "add", "dev", end, *shape], check=True)
