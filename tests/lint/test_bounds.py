"""The bounds of what a spec may ask for: beyond each there is a diagnostic, soon, and nothing is opened or run."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from netspec.lint.many import Job, lint_file
from netspec.syntax.load import ReadOptions

HEAD = "netspec: 1\ninput: [8]\n"
LAUGHS = "".join(f"  x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 9))
DOUBLING = "".join(f"  b{n}: {{layers: [b{n - 1}, b{n - 1}]}}\n" for n in range(1, 40))
CHAIN = "".join(f"  b{n}: {{layers: [b{n - 1}]}}\n" for n in range(1, 70))

TEXTS = {
    "file size": (HEAD + "# " + "x" * 2**21, "NS007"),
    "nesting of values": (HEAD + "layers: " + "[" * 5000 + "]" * 5000, "NS012"),
    "alias expansion": (HEAD + f"vars:\n  x0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n{LAUGHS}layers: [relu]\n", "NS004"),
    "magnitude of a number": (HEAD + "layers: [{dense: $(9**9**9)}]\n", "NS110"),
    "length of an expression": (HEAD + f"layers: [{{dense: $({'1+' * 3000}1)}}]\n", "NS110"),
    "digits of a number": (HEAD + f"layers: [{{dense: {'9' * 5000}}}]\n", "NS014"),
    "numbers of a layer": (HEAD + "layers: [{dense: 1000000000}, {dense: 1000000000}]\n", "NS236"),
    "repeats": (HEAD + "layers:\n  - relu:\n    repeat: 1000000000\n", "NS126"),
    "expanded blocks": (HEAD + f"blocks:\n  b0: {{layers: [relu]}}\n{DOUBLING}layers: [b39]\n", "NS126"),
    "levels of blocks": (HEAD + f"blocks:\n  b0: {{layers: [relu]}}\n{CHAIN}layers: [b69]\n", "NS127"),
    "unsafe tags": (HEAD + "layers: [!!python/object/apply:os.system [exit]]\n", "NS003"),
}


def codes(path: Path) -> set[str]:
    """What is found in a file; it takes no longer than a person would wait."""
    start = time.process_time()
    job = Job(options=ReadOptions(layer_limit=5_000), plugins=False)  # each layer takes its time: 200,000 may be meant
    found = {diagnostic.code for diagnostic in lint_file(str(path), job).diagnostics}
    assert time.process_time() - start < 2.0
    return found


@pytest.mark.parametrize("bound", TEXTS)
def test_a_bound(bound: str, tmp_path: Path) -> None:
    text, code = TEXTS[bound]
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    assert code in codes(path)


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert codes(tmp_path / "pipe.yaml") == {"NS008"}
    assert codes(tmp_path) == {"NS008"}
    (tmp_path / "device.yaml").symlink_to("/dev/zero")
    assert codes(tmp_path / "device.yaml") == {"NS008"}


@pytest.mark.parametrize("key", ["include: [{}]", "extends: {}"])
@pytest.mark.parametrize("name", ["../secret.yaml", "link.yaml", "folder/secret.yaml", "/etc/hostname"])
def test_paths_stay_inside_whatever_links_say(tmp_path: Path, key: str, name: str) -> None:
    secret, inside = tmp_path / "secret.yaml", tmp_path / "inside"
    secret.write_text("netspec: 1\nblocks: {told: {layers: [relu]}}\n", encoding="utf-8")
    inside.mkdir()
    (inside / "pyproject.toml").write_text("", encoding="utf-8")
    (inside / "link.yaml").symlink_to(secret)
    (inside / "folder").symlink_to(tmp_path)
    path = inside / "spec.yaml"
    path.write_text(HEAD + key.format(name) + "\nlayers: [relu]\n", encoding="utf-8")
    assert "NS123" in codes(path)


def test_data_is_looked_for_inside_alone(tmp_path: Path) -> None:
    """The header of an idx file outside of the spec's folder is not read, by whatever way it is named."""
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    for folder in (outside, inside):
        folder.mkdir()
    header = (0x803).to_bytes(4, "big") + b"".join(n.to_bytes(4, "big") for n in (100, 20, 24))
    (outside / "train-images-idx3-ubyte").write_bytes(header)
    (inside / "link").symlink_to(outside)
    text = "netspec: 1\ninput: [28, 28, 1]\nlayers: [flatten, {{dense: 10}}]\ntrain: {{data: {{idx: {}}}}}\n"
    for name, found in (("../outside", False), ("link", False), (str(outside), False)):
        (inside / "spec.yaml").write_text(text.format(name), encoding="utf-8")
        assert ("NS502" in codes(inside / "spec.yaml")) is found
    (inside / "link").unlink()
    (outside / "train-images-idx3-ubyte").rename(inside / "train-images-idx3-ubyte")
    (inside / "spec.yaml").write_text(text.format("."), encoding="utf-8")
    assert "NS502" in codes(inside / "spec.yaml")
