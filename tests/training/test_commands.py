"""`netspec train` and `netspec eval`, on a backend that only notes what it is asked to do."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from netspec.cli import evaluate, train
from netspec.cli.main import main
from netspec.diagnostics.errors import RunError, SpecError
from netspec.interop.safetensors import read_weights
from netspec.training.state import weights_sha256

SPEC = """\
netspec: 1
name: small
input: [8, 8, 1]
layers: [flatten, {dense: 10}, softmax]
train: {data: digits, validation: 0.1, epochs: 2, batch: 500}
"""


@pytest.fixture
def spec_file(tmp_path: Path, backend: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec in a folder of its own, and a fake backend under every name."""
    monkeypatch.chdir(tmp_path)
    # The second is imported to be changed: were the first changed before, it would keep the fake backend for ever.
    monkeypatch.setattr("netspec.training.open_run.find_backend", lambda name: backend)
    monkeypatch.setattr("netspec.backend.find_backend", lambda name: backend)
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    backend.classes = 10
    file = tmp_path / "small.yaml"
    file.write_text(SPEC)
    return file


def call(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def run_json(command: Any, *arguments: str) -> dict[str, Any]:
    result = call(command, *arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_train_then_eval(spec_file: Path, backend: Any) -> None:
    document = run_json(train.command, str(spec_file), "--run-dir", "run", "--seed", "5")
    promised = {"version", "run_dir", "epochs", "steps", "seconds", "compile_seconds", "metrics", "weights_sha256"}
    assert set(document) == promised | {"waited_share", "skipped_steps"}
    assert (document["version"], document["run_dir"], document["epochs"], document["steps"]) == (1, "run", 2, 6)
    manifest = json.loads(Path("run/manifest.json").read_text())
    assert manifest["seed"] == 5
    assert manifest["weights_sha256"] == document["weights_sha256"]

    scores = run_json(evaluate.command, "run")
    assert set(scores) == {"version", "samples", "loss", "metrics", "per_class", "confusion"}
    assert scores["samples"] == 359
    assert {"loss": scores["loss"], **scores["metrics"]} == document["metrics"]["test"]
    assert sum(map(sum, scores["confusion"])) == 359
    assert [row["class"] for row in scores["per_class"]] == list("0123456789")
    assert run_json(evaluate.command, "run", "--part", "validation", "--checkpoint", "best")["samples"] == 144


def test_eval_uses_the_weights_of_the_run(spec_file: Path, backend: Any) -> None:
    document = run_json(train.command, str(spec_file), "--run-dir", "run")
    run_json(evaluate.command, "run")
    last = {name: array for name, array in backend.states[-1].arrays.items() if ":" not in name}
    assert weights_sha256(last) == document["weights_sha256"]


def test_eval_takes_other_data(spec_file: Path, backend: Any) -> None:
    run_json(train.command, str(spec_file), "--run-dir", "run", "--epochs", "1")
    images, labels = np.zeros((10, 8, 8, 1), np.uint8), np.arange(10)
    np.savez("other.npz", x_train=images[5:], y_train=labels[5:], x_test=images, y_test=labels)
    assert run_json(evaluate.command, "run", "--data", "other.npz")["samples"] == 10
    assert run_json(evaluate.command, "run", "--data", "{npz: other.npz}", "--part", "train")["samples"] == 5
    missing = call(evaluate.command, "run", "--data", "other.npz", "--part", "validation")
    assert "has no validation part: --part train or test" in str(missing.exception)


def test_eval_says_in_its_own_name_what_is_wrong_with_data(spec_file: Path, backend: Any) -> None:
    run_json(train.command, str(spec_file), "--run-dir", "run", "--epochs", "1")
    refused = str(call(evaluate.command, "run", "--data", "digit").exception)
    assert "[NS905] data file 'digit': there is no such file or folder, and no source of that name" in refused
    assert "did you mean 'digits'?" in refused
    broken = call(evaluate.command, "run", "--data", "digits: {a: 1").exception
    assert isinstance(broken, SpecError)
    assert [each.span.file for each in broken.diagnostics] == ["--data"]
    assert "--data" in broken.sources


def test_the_time_of_compiling_is_told_apart(spec_file: Path, backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    load = backend.load

    def slowly(*arguments: Any) -> Any:
        time.sleep(0.3)
        return load(*arguments)

    monkeypatch.setattr(backend, "load", slowly)
    begun = time.perf_counter()
    document = run_json(train.command, str(spec_file), "--run-dir", "run", "--no-report")
    took = time.perf_counter() - begun
    assert document["compile_seconds"] >= 0.6  # a step of training, and scores
    assert 0 < document["seconds"] <= took - document["compile_seconds"]
    told = call(train.command, str(spec_file), "--run-dir", "again", "--no-report").stdout
    assert re.search(r"^2 epochs, 6 steps in \d+\.\d s, and \d+\.\d s to compile", told, re.MULTILINE)


def test_eval_takes_some_of_the_classes_by_their_names(spec_file: Path, backend: Any) -> None:
    run_json(train.command, str(spec_file), "--run-dir", "run", "--epochs", "1")
    for name, count in (("7", 3), ("0", 2)):
        for part in ("train", "test"):
            folder = Path("some", part, name)
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / f"{number}.png")
    found = run_json(evaluate.command, "run", "--data", "some")
    samples = {row["class"]: row["samples"] for row in found["per_class"]}
    assert samples == {**dict.fromkeys("0123456789", 0), "0": 2, "7": 3}
    assert found["metrics"]["accuracy"] == pytest.approx(2 / 5)  # the fake backend takes all for class 0


def test_eval_of_a_flat_folder_says_how_images_stand(spec_file: Path, backend: Any) -> None:
    run_json(train.command, str(spec_file), "--run-dir", "run", "--epochs", "1")
    Path("flat").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(Path("flat", "1.png"))
    refused = str(call(evaluate.command, "run", "--data", "flat").exception)
    assert "PATH/CLASS/IMAGE or PATH/train/CLASS/IMAGE; 'netspec predict' takes images of no class" in refused


@pytest.mark.parametrize("name", ["my/letters", "letters.npz"])
def test_eval_says_where_nothing_is(name: str, spec_file: Path, backend: Any) -> None:
    run_json(train.command, str(spec_file), "--run-dir", "run", "--epochs", "1")
    refused = str(call(evaluate.command, "run", "--data", name).exception)
    assert "[NS905]" in refused
    assert name in refused
    assert "there is no such file or folder" in refused
    assert "a folder for each class" in refused


def test_eval_refuses_data_of_other_classes(spec_file: Path, backend: Any) -> None:
    run_json(train.command, str(spec_file), "--run-dir", "run", "--epochs", "1")
    for name in "abcdefghij":
        for part in ("train", "test"):
            folder = Path("letters", part, name)
            folder.mkdir(parents=True)
            Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "1.png")
    refused = call(evaluate.command, "run", "--data", "letters")
    assert "[NS949] the classes of 'folder' are a, b, c, d, e, f, g, h, i, j; the network has learnt 0, 1, 2" in str(
        refused.exception
    )


def test_eval_says_which_class_was_taken_for_which(spec_file: Path, backend: Any) -> None:
    run_json(train.command, str(spec_file), "--run-dir", "run", "--epochs", "1")
    lines = call(evaluate.command, "run").stdout.splitlines()
    assert lines[2].split() == ["class", "samples", "recall", "precision"]
    at = next(number for number, line in enumerate(lines) if line.startswith("is, taken for"))
    assert lines[at + 2].split() == ["1", "36", *"........."]  # the fake backend takes all for class 0


def test_early_stopping_ends_a_run_and_a_resumed_one_stays_ended(spec_file: Path, backend: Any) -> None:
    """The fake backend's loss stays the same: the first epoch is the best, and two more are waited for."""
    spec_file.write_text(SPEC.replace("epochs: 2", "epochs: 9, early_stopping: 2"))
    result = call(train.command, str(spec_file), "--run-dir", "run")
    assert "3 epochs, 9 steps" in result.stdout
    assert "stopped early, before 9 epochs" in result.stdout
    assert run_json(train.command, str(spec_file), "--run-dir", "run", "--resume")["epochs"] == 3
    spec_file.write_text(SPEC.replace("validation: 0.1", "early_stopping: 2"))
    refused = call(train.command, str(spec_file), "--run-dir", "other").exception
    assert "NS520] 'early_stopping' goes by the loss on a validation part" in str(refused)


def test_eval_takes_the_averaged_weights_of_a_run(spec_file: Path, backend: Any) -> None:
    spec_file.write_text(SPEC.replace("epochs: 2", "epochs: 2, average: 0.5"))
    run_json(train.command, str(spec_file), "--run-dir", "run")
    assert "averaged_accuracy" in Path("run/metrics.csv").read_text()
    run_json(evaluate.command, "run", "--averaged")
    found = backend.states[-1].arrays
    shapes = {"dense.weight": (64, 10), "dense.bias": (10,)}
    written = read_weights(Path("run/average.safetensors"), shapes)
    assert all(np.array_equal(found[name], array) for name, array in written.items())
    run_json(evaluate.command, "run")
    assert not np.array_equal(found["dense.weight"], backend.states[-1].arrays["dense.weight"])
    spec_file.write_text(SPEC)
    run_json(train.command, str(spec_file), "--run-dir", "other", "--epochs", "1")
    refused = call(evaluate.command, "other", "--averaged").exception
    assert "NS922] the run 'other' made no average of its weights" in str(refused)


def test_progress_goes_to_stderr_and_quiet_silences_it(spec_file: Path, backend: Any) -> None:
    loud = call(train.command, str(spec_file), "--run-dir", "loud", "--format", "json")
    assert json.loads(loud.stdout)["epochs"] == 2
    assert loud.stderr.startswith("compiling kernels ...\nepoch 1/2  loss 1.0000")
    quiet = call(train.command, str(spec_file), "--run-dir", "quiet", "--quiet")
    assert quiet.stderr == ""
    assert "run directory: quiet" in quiet.stdout
    assert quiet.stdout.startswith("train       loss 1.0000  accuracy 0.")


def test_a_run_gets_a_folder_of_its_own(spec_file: Path, backend: Any) -> None:
    first, second = (run_json(train.command, str(spec_file), "--epochs", "1") for _ in range(2))
    assert first["run_dir"] != second["run_dir"]
    assert Path(first["run_dir"]).parent == Path("runs")
    assert Path(first["run_dir"]).name.startswith("small-")


def test_a_dry_run_trains_nothing_and_writes_nothing(spec_file: Path, backend: Any) -> None:
    document = run_json(train.command, str(spec_file), "--dry-run", "--batch", "100", "--threads", "1")
    assert (document["steps"], document["batch"], document["threads"]) == (26, 100, 1)
    assert document["samples"] == {"train": 1294, "validation": 144, "test": 359}
    assert backend.calls == []
    assert sorted(path.name for path in Path().iterdir()) == ["small.yaml"]
    assert "nothing was trained" in call(train.command, str(spec_file), "--dry-run").stdout


def test_a_dry_run_says_what_would_be_fetched_and_checks_the_rest(
    spec_file: Path, backend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*_: object) -> None:
        raise AssertionError("a dry run fetches nothing")

    monkeypatch.setattr("netspec.data.download._fetch", fetch)
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    there = tmp_path / "cache" / "data" / "mnist" / "t10k-labels-idx1-ubyte.gz"
    there.parent.mkdir(parents=True)
    there.touch()
    spec_file.write_text(SPEC.replace("[8, 8, 1]", "[28, 28, 1]"))
    arguments = (str(spec_file), "--dry-run", "--set", "train.data=mnist", "--set", "train.preprocess=[min_max]")
    document = run_json(train.command, *arguments)
    assert document["samples"] == {"train": 54000, "validation": 6000, "test": 10000}
    first = document["fetch"][0]
    assert first["address"] == "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz"
    assert (first["bytes"], Path(first["file"])) == (9912422, there.with_name("train-images-idx3-ubyte.gz"))
    assert len(document["fetch"]) == 3  # the fourth is there
    lines = call(train.command, *arguments).stdout.splitlines()
    assert lines[0] == f"would be fetched: {first['address']} (9.5 MiB) to {first['file']}"
    assert [line.partition(":")[0] for line in lines] == ["would be fetched"] * 3 + ["small"]
    assert list(there.parent.iterdir()) == [there]
    wrong = call(train.command, str(spec_file), "--dry-run", "--set", "train.data=cifar10")
    assert "32x32x3" in str(wrong.exception)  # that data and network do not go together is found all the same


def test_resume_goes_on_with_the_settings_that_the_run_was_given(spec_file: Path, backend: Any) -> None:
    first = run_json(train.command, str(spec_file), "--run-dir", "run", "--seed", "5", "--batch", "400")
    again = run_json(train.command, str(spec_file), "--run-dir", "run", "--resume")
    assert again["weights_sha256"] == first["weights_sha256"]
    longer = run_json(train.command, str(spec_file), "--run-dir", "run", "--resume", "--epochs", "3")
    assert (longer["epochs"], longer["steps"]) == (3, 12)
    assert json.loads(Path("run/manifest.json").read_text())["given"] == {"seed": 5, "batch": 400, "epochs": 3}
    refused = call(train.command, str(spec_file), "--run-dir", "run", "--resume", "--batch", "300")
    assert isinstance(refused.exception, RunError)
    assert "batch: 400 → 300" in str(refused.exception)
    allowed = ("--resume", "--batch", "300", "--epochs", "4", "--allow-changes")
    assert run_json(train.command, str(spec_file), "--run-dir", "run", *allowed)["steps"] == 17


def test_resume_begins_a_run_that_is_not_there(spec_file: Path, backend: Any) -> None:
    result = call(train.command, str(spec_file), "--run-dir", "new", "--resume", "--epochs", "1")
    assert result.exit_code == 0
    assert result.stderr.startswith("'new' holds no run yet: this one starts from the start\n")
    usage = call(train.command, str(spec_file), "--resume")
    assert usage.exit_code == 2
    assert "--run-dir DIR" in usage.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_the_status_of_its_signal_and_says_how_to_go_on(
    number: int, spec_file: Path, backend: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["netspec", "train", str(spec_file), "--run-dir", "a run"])
    done = itertools.count()  # the first step compiles, and is none of the training's
    backend.loss = lambda: (next(done) and os.kill(os.getpid(), number)) or 1.0
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 128 + number
    said = capfd.readouterr().err
    assert "stopping after this step" in said
    assert f"to go on: netspec train {spec_file} --run-dir 'a run' --resume\n" in said
    del backend.loss
    resumed = call(train.command, str(spec_file), "--run-dir", "a run", "--resume")
    assert "epoch 1 goes on after batch 1" in resumed.stderr


def test_data_that_does_not_fit_is_a_diagnostic_at_its_place(spec_file: Path) -> None:
    spec_file.write_text(SPEC.replace("[8, 8, 1]", "[8, 8, 3]").replace("dense: 10", "dense: 7"))
    error = call(train.command, str(spec_file)).exception
    assert isinstance(error, SpecError)
    assert [(d.code, d.span.line, d.span.column) for d in error.diagnostics] == [("NS501", 5, 15), ("NS502", 5, 15)]
    assert "data 'digits' gives 8x8x1, but the input is 8x8x3" in str(error)
    assert "data 'digits' has 10 classes, but 'softmax' gives 7 numbers" in str(error)


def test_a_spec_without_data_says_how_to_name_some(spec_file: Path) -> None:
    spec_file.write_text(SPEC.replace("data: digits, ", ""))
    error = call(train.command, str(spec_file)).exception
    assert isinstance(error, RunError)
    assert "--set train.data=digits" in str(error)


def test_eval_of_something_else_is_refused(spec_file: Path) -> None:
    error = call(evaluate.command, str(spec_file.parent)).exception
    assert isinstance(error, RunError)
    assert "is not a run directory" in str(error)


def test_eval_of_a_part_that_is_empty_is_refused(spec_file: Path, backend: Any) -> None:
    run_json(train.command, str(spec_file), "--set", "train.validation=0", "--run-dir", "run")
    error = call(evaluate.command, "run", "--part", "validation").exception
    assert isinstance(error, RunError)
    assert "has no validation part" in str(error)


def test_eval_of_a_run_whose_manifest_lacks_something_is_refused(spec_file: Path, backend: Any) -> None:
    run_json(train.command, str(spec_file), "--run-dir", "run")
    manifest = Path("run/manifest.json")
    document = json.loads(manifest.read_text())
    del document["spec"]["folder"]
    manifest.write_text(json.dumps(document))
    error = call(evaluate.command, "run").exception
    assert isinstance(error, RunError)
    assert "manifest.json' is damaged" in str(error)


def test_a_head_with_a_number_per_place_does_not_go_with_a_label_per_image(spec_file: Path) -> None:
    spec_file.write_text(SPEC.replace("flatten, {dense: 10}", "{conv: {filters: 10, kernel: 3}}"))
    error = call(train.command, str(spec_file)).exception
    assert isinstance(error, SpecError)
    assert "has 10 classes, but 'softmax' gives 6x6x10 numbers" in str(error)
