"""Solvers of Caffe as a spec's ``train:`` section: those that are published, every policy and type, what is left."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from prototxts import CIFAR10_FULL, CIFAR10_FULL_SOLVER, LENET, LENET_SOLVER

from netspec.cli.import_ import command
from netspec.diagnostics import SpecError
from netspec.interop.caffe.solver import ImportedSolver, TrainingData, import_solver
from netspec.lint.engine import lint
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source

NET = (
    'layer { name: "d" type: "Data" top: "data" top: "label" data_param { batch_size: 10 } }\n'
    'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }\n'
    'layer { name: "l" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "l" }\n'
)
"""Batches of 10; of 100 samples an epoch has 10 iterations."""


def solved(folder: Path, text: str, net: str = NET, data: TrainingData | None = None, side: int = 4) -> ImportedSolver:
    """The solver, its network beside it under the name ``net.prototxt``."""
    (folder / "net.prototxt").write_text(net, encoding="utf-8")
    source = Source(str(folder / "solver.prototxt"), text)
    return import_solver(source, {"": (side, side, 3)}, data or TrainingData(samples=100))


def trained(folder: Path, text: str, **more: Any) -> dict[str, Any]:
    """The ``train:`` section; the spec lints without errors."""
    found = solved(folder, f'net: "net.prototxt"\n{text}', **more)
    spec = Source("spec.yaml", found.network.written.text)
    assert [each for each in lint(spec) if each.severity == "error"] == []
    section: dict[str, Any] = yaml.safe_load(spec.text)["train"]
    return section


def test_the_solver_of_lenet(tmp_path: Path) -> None:
    caffe = tmp_path / "caffe" / "examples" / "mnist"
    caffe.mkdir(parents=True)
    (caffe / "lenet_train_test.prototxt").write_text(LENET, encoding="utf-8")
    solver = caffe / "lenet_solver.prototxt"  # it names the network by a path that begins where Caffe is started
    solver.write_text(LENET_SOLVER, encoding="utf-8")
    spec = tmp_path / "lenet.yaml"
    arguments = [str(solver), "--data", "mnist", "--input", "28,28,1", "-o", str(spec)]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    lines = [line.rstrip() for line in spec.read_text(encoding="utf-8").splitlines()]
    assert lines[lines.index("train:") :] == [
        "train:",
        "  data: mnist",
        "  preprocess: [{divide: 256}]",
        "  optimizer: {sgd: {momentum: 0.9, weight_decay: 0.0005}}",
        "  lr: {inverse: {start: 0.01, decay: 0.0938, power: 0.75}}",
        "  epochs: 11",
        "  batch: 64",
    ]
    assert "max_iter: 10000" in result.stdout
    assert "10,000 iterations are 10.7 epochs" in result.stdout
    rates = load_spec(Source(str(spec), spec.read_text(encoding="utf-8"))).recipe.lr
    for iteration in (0, 1, 500, 5000, 9999):  # a rate is that of the same iteration
        assert rates.at(iteration, 938, 11) == pytest.approx(0.01 * (1 + 1e-4 * iteration) ** -0.75)


def test_the_solver_of_cifar10_full(tmp_path: Path) -> None:
    text = CIFAR10_FULL_SOLVER.replace("examples/cifar10/cifar10_full_train_test.prototxt", "net.prototxt")
    found = solved(tmp_path, text, CIFAR10_FULL, TrainingData("cifar10", 50_000), side=32)
    spec = load_spec(Source("spec.yaml", found.network.written.text))
    assert sum(math.prod(slot.param.shape) for slot in spec.graph.slots) == (32 * 75 + 32) + (32 * 25 * 32 + 32) + (
        64 * 25 * 32 + 64
    ) + (16 * 64 * 10 + 10)
    assert yaml.safe_load(found.network.written.text)["train"] == {
        "data": "cifar10",
        "optimizer": {"sgd": {"momentum": 0.9, "weight_decay": 0.004}},
        "lr": 0.001,
        "epochs": 120,
        "batch": 100,
    }
    told = [(Path(each.span.file).name, each.span.line, each.code) for each in found.told]
    decays = next(number for number, line in enumerate(CIFAR10_FULL.splitlines(), 1) if "decay_mult: 250" in line)
    assert told == [("net.prototxt", 3, "NS975"), ("net.prototxt", decays, "NS975")]
    assert "the mean image is left out" in found.told[0].message
    rows = {row["name"]: row for row in found.rows}
    row = rows["max_iter: 60000"]
    assert (row["line"], row["type"], row["became"], row["note"]) == (9, "solver", ["epochs: 120"], "")
    assert rows["solver_mode: GPU"]["note"] == "netspec train --backend"


@pytest.mark.parametrize(
    ("said", "rate"),
    [
        ("", 0.1),
        ('lr_policy: "fixed"', 0.1),
        ('lr_policy: "step" gamma: 0.5 stepsize: 20', {"step": {"start": 0.1, "every": 2, "factor": 0.5}}),
        (
            'lr_policy: "multistep" gamma: 0.5 stepvalue: 20 stepvalue: 30 max_iter: 50',
            {"multi_step": {"start": 0.1, "drops": [2, 3], "factor": 0.5}},
        ),
        ('lr_policy: "multistep" gamma: 0.5 stepvalue: 90 max_iter: 50', 0.1),
        ('lr_policy: "exp" gamma: 0.99', {"exponential": {"start": 0.1, "factor": 0.904382075009}}),
        ('lr_policy: "inv" gamma: 0.01 power: 2', {"inverse": {"start": 0.1, "decay": 0.1, "power": 2}}),
        ('lr_policy: "poly" power: 0.5 max_iter: 50', {"polynomial": {"start": 0.1, "power": 0.5}}),
    ],
)
def test_policies(said: str, rate: Any, tmp_path: Path) -> None:
    assert trained(tmp_path, f"base_lr: 0.1 {said}")["lr"] == rate


@pytest.mark.parametrize(
    ("said", "optimizer"),
    [
        ("momentum: 0.9", {"sgd": {"momentum": 0.9}}),
        ('type: "Nesterov" momentum: 0.9', {"sgd": {"momentum": 0.9, "nesterov": True}}),
        ("solver_type: NESTEROV momentum: 0.9", {"sgd": {"momentum": 0.9, "nesterov": True}}),
        ('type: "Sgd" momentum: 0', "sgd"),
        ('type: "AdaGrad" delta: 0.001', {"adagrad": {"eps": 0.001}}),
        ('type: "RMSProp" rms_decay: 0.95', {"rmsprop": {"rho": 0.95}}),
        ('type: "RMSProp"', {"rmsprop": {"rho": 0.99}}),
        ('type: "AdaDelta" momentum: 0.9 delta: 1e-6', {"adadelta": {"rho": 0.9}}),
        ('type: "Adam" momentum: 0.9 momentum2: 0.99', {"adam": {"beta2": 0.99}}),
        ("momentum: 0.9 weight_decay: 0.01", {"sgd": {"momentum": 0.9, "weight_decay": 0.01}}),
        ("clip_gradients: 10 iter_size: 4", {"sgd": {"clip_norm": 2.5}}),
    ],
)
def test_types(said: str, optimizer: Any, tmp_path: Path) -> None:
    assert trained(tmp_path, said)["optimizer"] == optimizer


def test_sums_seeds_and_epochs(tmp_path: Path) -> None:
    found = trained(tmp_path, "iter_size: 5 random_seed: 7 max_iter: 6")
    assert [found[key] for key in ("epochs", "batch", "accumulate", "seed")] == [3, 10, 5, 7]


def test_biases_that_do_not_decay_are_said_in_one_word(tmp_path: Path) -> None:
    params = "param { decay_mult: 1 } param { decay_mult: 0 } inner_product_param"
    found = solved(
        tmp_path, 'net: "net.prototxt" weight_decay: 0.1 momentum: 0.9', NET.replace("inner_product_param", params)
    )
    sgd = {"momentum": 0.9, "weight_decay": 0.1, "decay_on": "weights"}
    assert yaml.safe_load(found.network.written.text)["train"]["optimizer"] == {"sgd": sgd}
    assert found.told == ()


def test_what_is_done_to_samples(tmp_path: Path) -> None:
    transform = "transform_param { scale: 0.0039215684 mean_value: 104 mean_value: 117 mean_value: 123 mirror: true }"
    net = NET.replace("data_param", f"{transform} data_param")
    found = trained(tmp_path, "momentum: 0.9", net=net)
    assert found["preprocess"] == [{"normalize": {"mean": [104, 117, 123], "std": 255}}]
    assert found["augment"] == ["random_flip"]


def test_a_network_within_the_solver(tmp_path: Path) -> None:
    found = solved(tmp_path, f"net_param {{ {NET} }} base_lr: 0.5")
    assert yaml.safe_load(found.network.written.text)["train"]["lr"] == 0.5


@pytest.mark.parametrize(
    ("said", "line", "message"),
    [
        ('lr_policy: "sigmoid"\ngamma: 0.1', 2, "the policy 'sigmoid' is left out of 'train': the rate stays 0.1"),
        ('lr_policy: "step"\ngamma: 0\nstepsize: 10', 3, "a rate that drops to 0 is left out of 'train'"),
        ('regularization_type: "L1"\nweight_decay: 0.1', 2, "decay by the sign of the weights (L1) is left out"),
        ("lookahead: 1", 2, "'lookahead' is left out of 'train': a spec has no words for it"),
    ],
)
def test_what_has_no_counterpart_is_told_at_its_line(said: str, line: int, message: str, tmp_path: Path) -> None:
    found = solved(tmp_path, f'net: "net.prototxt" base_lr: 0.1\n{said}')
    assert [(each.code, each.span.line) for each in found.told] == [("NS962", line)]
    assert message in found.told[0].message


@pytest.mark.parametrize(
    ("said", "net", "samples", "code", "message"),
    [
        ('net: "gone.prototxt"', NET, 100, "NS960", "the solver's network 'gone.prototxt' is not found: looked for"),
        ('net: "/etc/gone.prototxt"', NET, 100, "NS960", "is not found"),
        ("base_lr: 0.1", NET, 100, "NS973", "it is a solver that names no network"),
        ('net: "net.prototxt" type: "LBFGS"', NET, 100, "NS963", "'LBFGS' is no type of solver"),
        ('net: "net.prototxt" max_iter: 9', NET, None, "NS961", "do not say how many samples there are"),
        ('net: "net.prototxt" max_iter: 9', NET.replace("batch_size: 10", ""), 100, "NS961", "has a 'batch_size'"),
        ('net: "net.prototxt"', "layer {", 100, "NS973", "the end of the file"),
    ],
)
def test_what_is_refused(said: str, net: str, samples: int | None, code: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        solved(tmp_path, said, net, TrainingData(samples=samples))
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert message in found.message


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        (LENET_SOLVER, ["--data", "imagenet"], "--data 'imagenet' is none of the sets that are known: cifar10"),
        (NET, ["--samples", "10"], "--data and --samples are for a solver"),
    ],
)
def test_options_that_do_not_fit(text: str, more: list[str], message: str, tmp_path: Path) -> None:
    file = tmp_path / "solver.prototxt"
    file.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(command, [str(file), "--input", "4,4,3", "-o", str(tmp_path / "a.yaml"), *more])
    assert result.exit_code == 2
    assert message in result.output
