"""What is left computes what the whole network computes when nothing takes notice of the channels that went."""

from __future__ import annotations

import numpy as np
import pytest
from slim_networks import BODIES, drawn, outputs, spec_of

from netspec.analysis.cost import cost
from netspec.core.channels import channel_sources
from netspec.core.declare import declaration_of
from netspec.lint.engine import lint
from netspec.slimming.channels import follow_channels, groups
from netspec.slimming.choice import free, importance, removed_classes
from netspec.slimming.narrow import Narrowed, narrowed, without_channels
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.syntax.spec import Spec
from netspec.testing import all_cases, interpret
from netspec.testing.trials import untouched_trial
from netspec.zoo import zoo_path

SAME = 1e-9
"""Both are sums in float64, of which one has more zeros: relative to the largest number."""
ZOO = {
    "lenet5": (),
    "cifar_fast": ("width=8",),
    "resnet20": ("input=[16, 16, 3]",),
    "resnet20_b": ("input=[16, 16, 3]",),
    "unet_small": (),
    "siamese": (),
    "two_tasks": (),
    "inpainting": (),
    "signal_1d": (),
    "volume_3d": (),
    "mobilenet_v2": ("input=[32, 32, 3]",),
    "shufflenet_v2_x1_0": ("input=[32, 32, 3]",),
    "densenet121": ("input=[32, 32, 3]",),
    "googlenet_bn": ("input=[32, 32, 3]",),
}


def halved(
    spec: Spec, share: float = 0.5, multiple: int = 1
) -> tuple[Narrowed, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The network without a share of its channels; its own weights; and those that take no notice of them."""
    weights = drawn(spec.graph)
    found = follow_channels(spec.graph)
    among = free(groups(found))
    counts = importance(spec.graph, weights, found, "l1")
    removed = removed_classes(among, counts, share, multiple=multiple)
    return narrowed(spec, weights, found, removed, "half.yaml"), weights, without_channels(weights, found, removed)


def agrees(spec: Spec, made: Narrowed, blind: dict[str, np.ndarray]) -> None:
    """The smaller network against the whole one that takes no notice of what went."""
    wanted, found = outputs(spec.graph, blind), outputs(made.spec.graph, made.weights)
    assert found.keys() == wanted.keys()
    for head, array in wanted.items():
        np.testing.assert_allclose(found[head], array, rtol=SAME, atol=SAME * np.abs(array).max(), err_msg=head)


@pytest.mark.parametrize("body", BODIES)
def test_each_way_in_which_channels_hang_together(body: str) -> None:
    spec = spec_of(body)
    made, weights, blind = halved(spec)
    agrees(spec, made, blind)
    assert made.widths
    assert cost(made.spec.graph).params < cost(spec.graph).params
    assert any(not np.array_equal(blind[name], weights[name]) for name in weights)


@pytest.mark.parametrize("name", ZOO)
def test_networks_of_the_zoo(name: str) -> None:
    source = read_source(zoo_path(name))
    assert isinstance(source, Source)
    spec = load_spec(source, ZOO[name])
    made, _, blind = halved(spec)
    agrees(spec, made, blind)
    before, after = cost(spec.graph), cost(made.spec.graph)
    assert after.macs < 0.55 * before.macs
    assert after.params < 0.6 * before.params


def test_channels_around_an_op_that_says_nothing_of_them_stay() -> None:
    spec = spec_of("nothing_said")
    found = groups(follow_channels(spec.graph))
    assert {group.name: group.reason for group in found} == {
        "conv": "'lrn' (lrn) takes each of them for the place where it stands",
        "conv2": "'group_norm' (group_norm) takes each of them for the place where it stands",
        "conv3": "",
        "dense": "they are the output 'main'",
    }
    made, *_ = halved(spec)
    assert made.widths == {"conv3": (6, 3)}


@pytest.mark.parametrize("share", [0.1, 0.3, 0.9])
def test_other_shares(share: float) -> None:
    spec = spec_of("shortcut_of_zeros")
    made, _, blind = halved(spec, share)
    agrees(spec, made, blind)
    assert made.widths["conv"] == (8, max(1, round(8 * (1 - share))))


def test_filters_of_zeros_are_channels_of_zeros() -> None:
    """Said independently of the code that removes: what a filter, its bias and its normalisation make is 0."""
    spec = spec_of("residual")
    made, weights, _ = halved(spec)
    found = follow_channels(spec.graph)
    zeroed = {name: array.copy() for name, array in weights.items()}
    removed = removed_classes(free(groups(found)), importance(spec.graph, weights, found, "l1"), 0.5)
    for node in spec.graph.nodes:
        gone = np.isin(found.of[node.output], list(removed))
        for parameter in node.parameters:
            if not parameter.startswith("moving_"):
                zeroed[node.parameter(parameter).name][..., gone] = 0
    normalised = {name: np.zeros_like(a) if name.endswith("moving_mean") else a for name, a in zeroed.items()}
    kept = {name: np.zeros_like(a) if name.endswith("moving_mean") else a for name, a in made.weights.items()}
    wanted, got = outputs(spec.graph, normalised)["main"], outputs(made.spec.graph, kept)["main"]
    np.testing.assert_allclose(got, wanted, rtol=SAME, atol=SAME * np.abs(wanted).max())


def test_what_is_written_lints_clean_where_the_original_does() -> None:
    source = read_source(zoo_path("resnet20"))
    assert isinstance(source, Source)
    assert lint(source) == []
    made, *_ = halved(load_spec(source), multiple=8)
    assert lint(Source("half.yaml", made.text)) == []
    assert "# stage3/2/add/body/conv_bn/conv: 64 channels, 32 left\n" in made.text


STATED = [
    case
    for case in all_cases()
    if declaration_of(case.attrs).public
    and not declaration_of(case.attrs).has("weighs_channels")
    and all(type.dtype == "float32" and type.elements < 500 for type in case.types)
    and channel_sources(case.attrs, case.types) is not None
]


@pytest.mark.parametrize("name", sorted({declaration_of(case.attrs).name for case in STATED}))
def test_what_ops_state_of_their_channels_is_so(name: str) -> None:
    """A channel that comes in changes those channels alone which are said to be made of it."""
    for case in [case for case in STATED if declaration_of(case.attrs).name == name][:40]:
        trial = untouched_trial(case)
        sources = channel_sources(case.attrs, case.types)
        assert sources is not None
        before = interpret(trial.graph, trial.inputs, trial.batch, trial.state).outputs["y"]
        assert before.shape[-1] == len(sources)
        for number, value in enumerate(trial.graph.inputs[: len(case.types)]):
            for channel in range(min(4, value.type.channels)):
                inputs = {key: array.copy() for key, array in trial.inputs.items()}
                inputs[value.name][..., channel] += 0.37
                after = interpret(trial.graph, inputs, trial.batch, trial.state).outputs["y"]
                changed = {
                    place for place in range(len(sources)) if not np.array_equal(after[..., place], before[..., place])
                }
                assert changed <= {place for place, made_of in enumerate(sources) if (number, channel) in made_of}, case
