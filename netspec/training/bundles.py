"""Bundles: a network that was checked and planned, in one file that can be trained or, with weights, put to use.

A bundle is a zip archive, such as ``lenet5.netspec``, of ``bundle.json`` and ``spec.resolved.yaml``. Any program shows
what is in it, and nothing in it is executed: machine code is compiled where it runs. The JSON holds the hash of the
spec and one of itself, so that what was changed or cut off is told from what was written. Two bundles of the same
network, by the same version, are the same to the byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from netspec import __version__
from netspec.diagnostics import Diagnostic, Span
from netspec.plan import Plan
from netspec.syntax.resolved import resolved_text
from netspec.syntax.source import RESOLVED, SIZE_LIMIT, Source, decode_source
from netspec.syntax.spec import Spec

FORMAT = "netspec bundle"
VERSION = 1
DESCRIPTION, SPEC = "bundle.json", RESOLVED
_LIMIT = 16 * SIZE_LIMIT
"""Bytes that a bundle may have, and each of its members unpacked: a resolved spec is longer than what was written."""
_WRITTEN_AT = (1980, 1, 1, 0, 0, 0)
"""The time of every member, the first that a zip archive can hold: the bytes are to follow from the network alone."""


class _FaultError(Exception):
    """What is wrong with a bundle: a code and its fields."""

    def __init__(self, code: str, **fields: object) -> None:
        self.code, self.fields = code, fields
        super().__init__(code, fields)


def encode_bundle(spec: Spec, plan: Plan) -> bytes:
    """The content of the bundle of a spec without mistakes, and of the plan that was made of it."""
    text = resolved_text(spec).encode()
    document = _description(spec, plan, text)
    described = json.dumps({**document, "sha256": _own_sha256(document)}, indent=2, ensure_ascii=False) + "\n"
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in ((DESCRIPTION, described.encode()), (SPEC, text)):
            member = zipfile.ZipInfo(name, _WRITTEN_AT)
            member.external_attr = 0o644 << 16  # what unzip makes of it can be read
            archive.writestr(member, data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _description(spec: Spec, plan: Plan, text: bytes) -> dict[str, Any]:
    facts = json.dumps(plan.computation(), sort_keys=True).encode()
    return {
        "format": FORMAT,
        "version": VERSION,
        "netspec": __version__,
        "name": spec.name,
        "spec": {"file": SPEC, "sha256": hashlib.sha256(text).hexdigest()},
        "inputs": {value.name: list(value.type.shape) for value in spec.graph.inputs},
        "heads": {name: list(head.type.shape) for name, head in spec.graph.heads.items()},
        "weights": {slot.name: list(slot.param.shape) for slot in spec.graph.slots},
        "plan": {
            "mode": plan.mode,
            "target": plan.target,
            "batch": plan.batch,
            "steps": len(plan.steps),
            "arena_bytes": plan.arena_bytes,
            "state_bytes": plan.state_bytes,
            "sha256": hashlib.sha256(facts).hexdigest(),
        },
    }


def read_bundle(path: str | os.PathLike[str]) -> Source | Diagnostic:
    """The spec in a bundle, or why there is none: NS008, NS918 damaged, NS919 changed, NS920 of a newer version."""
    name = os.fspath(path)
    try:
        text = _checked_spec(Path(path))
    except OSError as error:
        return Diagnostic("NS008", Span.of_file(name), {"problem": error.strerror or str(error)})
    except _FaultError as fault:
        return Diagnostic(fault.code, Span.of_file(name), fault.fields)
    return decode_source(name, text, _LIMIT)


def _checked_spec(path: Path) -> bytes:
    with path.open("rb") as file:
        members = _members(file.read(_LIMIT + 1))
    document = _document(members[DESCRIPTION])
    claimed = document.pop("sha256", None)
    version = document.get("version")
    if document.get("format") != FORMAT or not isinstance(version, int):
        raise _FaultError("NS918", problem=f"{DESCRIPTION} does not describe a bundle")
    if version > VERSION:  # what else a newer version writes, its hash included, is not for this one to judge
        raise _FaultError("NS920", found=version, known=VERSION, writer=str(document.get("netspec")))
    if claimed != _own_sha256(document):
        raise _FaultError("NS919", member=DESCRIPTION)
    if document["spec"]["sha256"] != hashlib.sha256(members[SPEC]).hexdigest():
        raise _FaultError("NS919", member=SPEC)
    return members[SPEC]


def _members(data: bytes) -> dict[str, bytes]:
    """What is in the archive, unpacked."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
            for name in (DESCRIPTION, SPEC):
                if name not in sizes:
                    raise _FaultError("NS918", problem=f"it has no {name}")
                if sizes[name] > _LIMIT:
                    raise _FaultError("NS918", problem=f"{name} unpacks to {sizes[name]:,} bytes")
            return {name: archive.read(name) for name in (DESCRIPTION, SPEC)}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        # the last two: places that are none, and ciphers or ways of packing that this Python lacks
        raise _FaultError("NS918", problem=f"it is no whole zip archive ({error})") from error


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise _FaultError("NS918", problem=f"{DESCRIPTION} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise _FaultError("NS918", problem=f"{DESCRIPTION} does not describe a bundle")
    return document


def _own_sha256(document: Mapping[str, Any]) -> str:
    """Hash of a description, whatever the spaces and the order in its file."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
