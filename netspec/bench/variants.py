"""The sides of a measurement, and the ways in which each is run: a peer's best one is what counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from netspec.diagnostics.errors import RunError
from netspec.diagnostics.libraries import require

Mode = Literal["train", "infer"]

TUNED = {
    "MALLOC_MMAP_THRESHOLD_": str(2**32),
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "OMP_PROC_BIND": "close",
}
"""With these glibc keeps what is freed, so that a program that allocates anew at every step does not fault in every
page again; and asks for huge pages. Threads stay where they are."""

CLEARED = ("OMP_", "KMP_", "GOMP_", "MKL_", "MALLOC_", "GLIBC_TUNABLES", "NUMBA_NUM_THREADS")
"""Beginnings of environment variables that a side does not inherit: each sets its own."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run one side. ``options`` are the side's own; ``environment`` is set for its process."""

    side: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """How messages call it."""
        return f"{self.side} ({self.name})"

    def document(self) -> dict[str, Any]:
        """What its process is told."""
        return {"side": self.side, "name": self.name, "options": dict(self.options)}


OURS = (Variant("netspec", "fast", {"math": "fast"}), Variant("netspec", "exact", {"math": "exact"}))
"""Our own: the first is what ratios are taken of; the other computes nothing but plain sums."""

OURS_OF_BYTES = (
    Variant("netspec", "int8", {"math": "fast", "in_bytes": True}),
    Variant("netspec", "float32", {"math": "fast", "compared": False}),
)
"""Of a quantised network. Float32 is another network, which is timed but not held to give the same."""

_EAGER = {
    "eager": {"layout": "channels_first", "form": "eager"},
    "eager, channels_last": {"layout": "channels_last", "form": "eager"},
}
_FROZEN = {
    "jit frozen": {"layout": "channels_first", "form": "jit"},
    "jit frozen, channels_last": {"layout": "channels_last", "form": "jit"},
}
_COMPILED = {"compile": {"layout": "channels_first", "form": "compile"}}
_COMPILED_FROZEN = {"compile frozen": {"layout": "channels_first", "form": "compile_frozen"}}

PEERS: dict[str, dict[Mode, Mapping[str, Mapping[str, Any]]]] = {
    "torch": {"train": _EAGER, "infer": {**_EAGER, **_FROZEN}},
    "torch-compile": {"train": _COMPILED, "infer": {**_COMPILED, **_COMPILED_FROZEN}},
    "onnxruntime": {"train": {}, "infer": {"all optimisations": {}}},
}
"""By peer and mode, the variants by name with their options. Onnxruntime does not train."""

PEERS_OF_BYTES: dict[str, Mapping[str, Mapping[str, Any]]] = {
    "onnxruntime": {"int8, QDQ": {}, "int8, QDQ, sums rounded": {"rounds_sums": True}},
}
"""By peer, the variants that compute a quantised network; the second rounds once more, before a residual is added."""

LIBRARIES = {"torch": "torch", "torch-compile": "torch", "onnxruntime": "onnxruntime"}
"""What has to be installed for a peer."""


def variants(peers: Sequence[str], mode: Mode, quantized: str | None = None) -> tuple[Variant, ...]:
    """Our variants, then all of these peers', each in the environment as it is and in a tuned one.

    ``quantized`` is the folder of a quantised network. A RunError where a peer is unknown, not installed, does not
    train, or not compute in bytes.
    """
    found = list(OURS if quantized is None else OURS_OF_BYTES)
    for peer in peers:
        if peer not in PEERS:
            raise RunError.of("NS935", peer=peer, known=list(PEERS))
        offered = PEERS[peer][mode] if quantized is None else PEERS_OF_BYTES.get(peer)
        if offered is None:
            raise RunError.of("NS988", peer=peer, path=quantized)
        if not offered:
            raise RunError.of("NS936", peer=peer)
        require(LIBRARIES[peer], f"--against {peer}", "bench")
        for name, options in offered.items():
            found.append(Variant(peer, name, options))
            found.append(Variant(peer, f"{name}, tuned", options, TUNED))
    return tuple(found)
