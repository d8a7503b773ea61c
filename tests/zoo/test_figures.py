"""Every network of the zoo is the published one, to the parameter, layer by layer."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

import pytest
from zoo_figures import Layer, Slide, comparable, figures, kind_of_op, of_keras, table, totals, windows

from netspec.analysis.cost import LayerCost, cost, nodes_only_for
from netspec.core.graph import Graph, Node
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.syntax.spec import Spec
from netspec.zoo import zoo_names, zoo_path


class Twin(NamedTuple):
    """A network of the table, and the spec that is it."""

    entry: str
    spec: str
    sets: tuple[str, ...] = ()
    """What ``--set`` changes of the spec."""
    unlisted: tuple[str, ...] = ()
    """Layers that the table leaves out: pools that torch's code calls as functions, so that tracing missed them."""


TWINS = (
    Twin("lenet5_common", "lenet5"),
    Twin("cifar10_quick_caffe", "cifar10_quick"),
    Twin("cifar10_full_caffe", "cifar10_full"),
    Twin("alexnet_caffe", "alexnet"),
    Twin("alexnet_torchvision", "alexnet_torchvision"),
    *(Twin(f"vgg{depth}", f"vgg{depth}") for depth in (11, 13, 16, 19)),
    *(Twin(f"vgg{depth}_bn", f"vgg{depth}_bn") for depth in (11, 16, 19)),
    Twin("googlenet_caffe", "googlenet"),
    Twin("googlenet_torchvision", "googlenet_bn"),
    Twin("inception_v3", "inception_v3", unlisted=("*/pool/*_pool",)),
    Twin("inception_v3_keras", "inception_v3", ("dialect=keras", "norm_scale=false")),
    *(Twin(f"resnet{depth}", f"resnet{depth}") for depth in (18, 34, 50, 101, 152)),
    Twin("resnet50_keras", "resnet50", ("dialect=keras", "early=true", "bias=true")),
    *(
        Twin(f"resnet{depth}_cifar_A", f"resnet{depth}", unlisted=("*/subsample/max_pool",))
        for depth in (20, 32, 56, 110)
    ),
    Twin("resnet20_cifar_B", "resnet20_b"),
    Twin("densenet121", "densenet121", unlisted=("global_avg_pool",)),
    Twin("densenet121_keras", "densenet121", ("dialect=keras", "eps=1.001e-5")),
    Twin("squeezenet1_0", "squeezenet1_0"),
    Twin("squeezenet1_1", "squeezenet1_1"),
    Twin("xception", "xception"),
    Twin("mobilenet_v1", "mobilenet_v1"),
    Twin("mobilenet_v1_keras", "mobilenet_v1", ("dialect=keras", "act=relu6")),
    Twin("mobilenet_v2", "mobilenet_v2", unlisted=("global_avg_pool",)),
    Twin("mobilenet_v2_keras", "mobilenet_v2", ("dialect=keras",)),
    Twin("shufflenet_v1_g3", "shufflenet_v1_g3"),
    Twin("shufflenet_v2_x1_0", "shufflenet_v2_x1_0", unlisted=("global_avg_pool",)),
)


class Aux(NamedTuple):
    """A network of the table with the heads that are there while training only; ``heads`` begin their layers' names."""

    entry: str
    main: str
    heads: tuple[str, ...]
    unlisted: tuple[str, ...] = ()


AUXILIARY = (
    Aux("googlenet_caffe_aux", "googlenet_caffe", ("loss1/", "loss2/")),
    Aux("googlenet_torchvision_aux", "googlenet_torchvision", ("aux1.", "aux2."), ("aux?/*/adaptive_avg_pool",)),
    Aux("inception_v3_aux", "inception_v3", ("AuxLogits.",), ("aux/avg_pool",)),
)

TOTALS_ONLY = {"vgg11_bn_cifar": "vgg11_bn_cifar", "voxnet": "volume_3d"}
"""Networks of which the totals are published, but no table of layers."""
BY_CONNECTIONS = {"lenet5_1998": "lenet5_1998"}
"""The network whose paper counts connections."""
OWN = frozenset({"cifar_fast", "fashion_cnn", "inpainting", "mlp", "siamese", "signal_1d", "two_tasks", "unet_small"})
"""Specs of our own, of which nobody else published figures."""

twins = pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.entry)
auxiliary = pytest.mark.parametrize("aux", AUXILIARY, ids=lambda aux: aux.entry)


def load(name: str, sets: tuple[str, ...] = ()) -> Spec:
    source = read_source(zoo_path(name))
    assert isinstance(source, Source)
    return load_spec(source, sets)


def main_twin(aux: Aux) -> Twin:
    return next(twin for twin in TWINS if twin.entry == aux.main)


def test_every_figure_has_its_spec_and_every_spec_its_figures() -> None:
    entries = [*(twin.entry for twin in TWINS), *(aux.entry for aux in AUXILIARY), *TOTALS_ONLY, *BY_CONNECTIONS]
    assert sorted(entries) == sorted(figures())
    specs = {*(twin.spec for twin in TWINS), *TOTALS_ONLY.values(), *BY_CONNECTIONS.values()}
    assert specs | OWN == set(zoo_names())
    assert not specs & OWN


def test_every_figure_has_its_source_and_is_as_published() -> None:
    for known in figures().values():
        assert known["source"]
        assert known["params"] == known.get("published", {}).get("num_params", known["params"])


@pytest.mark.parametrize(
    "twin", [*TWINS, *(Twin(entry, spec) for entry, spec in TOTALS_ONLY.items())], ids=lambda twin: twin.entry
)
def test_totals(twin: Twin) -> None:
    spec = load(twin.spec, twin.sets)
    found = cost(spec.graph, spec.train_only).totals
    assert {name: getattr(found, name) for name in totals(twin.entry)} == totals(twin.entry)
    assert spec.graph.inputs[0].type.shape == tuple(figures()[twin.entry]["input"])


@auxiliary
def test_totals_with_the_heads_of_training(aux: Aux) -> None:
    spec = load(main_twin(aux).spec)
    main, heads = cost(spec.graph, spec.train_only)[1:]
    assert {name: getattr(main, name) + getattr(heads, name) for name in totals(aux.entry)} == totals(aux.entry)


@pytest.mark.parametrize(
    ("entry", "name"), [*((twin.entry, twin.spec) for twin in TWINS if not twin.sets), *TOTALS_ONLY.items()]
)
def test_a_spec_says_what_is_expected_of_it(entry: str, name: str) -> None:
    spec = load(name)
    said = {e.subject: e.minimum for e in spec.expectations if e.kind == "total" and e.minimum == e.maximum}
    assert said == totals(entry)
    assert {e.subject for e in spec.expectations if e.kind == "output"} == spec.graph.heads.keys()


@auxiliary
def test_a_spec_says_what_its_heads_of_training_cost(aux: Aux) -> None:
    spec = load(main_twin(aux).spec)
    said = {e.subject: e.minimum for e in spec.expectations if e.kind == "train_only"}
    with_heads, without = totals(aux.entry), totals(aux.main)
    more = {name: with_heads[name] - without[name] for name in with_heads}
    assert said == {name: more[name] for name in said}
    assert said.keys() >= {"params", "macs"}


def compared(rows: list[LayerCost], unlisted: tuple[str, ...]) -> Iterator[tuple[str, Layer]]:
    """The layers that a table should list. Every pattern of what it leaves out has to stand for something."""
    unused = set(unlisted)
    for row in rows:
        kind = kind_of_op(row.op)
        left_out = [pattern for pattern in unlisted if fnmatchcase(row.name, pattern)]
        unused.difference_update(left_out)
        if kind and not left_out:
            yield row.name, comparable(kind, row.output, row.params, row.macs)
        else:
            assert not row.params or left_out
    assert not unused


@pytest.mark.parametrize("twin", [twin for twin in TWINS if not of_keras(twin.entry)], ids=lambda t: t.entry)
def test_layers(twin: Twin) -> None:
    spec = load(twin.spec, twin.sets)
    rows = [row for row in cost(spec.graph, spec.train_only).layers if not row.train_only]
    expected = list(table(twin.entry))
    found = list(compared(rows, twin.unlisted))
    for (name, layer), (path, ours) in zip(expected, found, strict=False):
        assert ours == layer, f"{path} is not {name}"
    assert len(found) == len(expected)


@pytest.mark.parametrize("twin", [twin for twin in TWINS if any(windows(twin.entry))], ids=lambda twin: twin.entry)
def test_windows(twin: Twin) -> None:
    """A 1x7 counts as much as a 7x1, a stride here as one there: windows are compared by themselves."""
    spec = load(twin.spec, twin.sets)
    auxiliary = nodes_only_for(spec.graph, spec.train_only)
    found = [
        (node.path, slide(node))
        for node in spec.graph.nodes
        if kind_of_op(node.op.name) and node.op.has("geometry") and node not in auxiliary
        if not any(fnmatchcase(node.path, pattern) for pattern in twin.unlisted)
    ]
    for (path, ours), (name, theirs) in zip(found, windows(twin.entry), strict=True):
        assert ours == theirs, f"{path} is not {name}"


def slide(node: Node) -> Slide:
    x = node.data[0].type
    window = node.attrs.geometry(x)
    groups = x.channels if node.op.name == "depthwise_conv" else getattr(node.attrs, "groups", 1)
    return Slide(window.size, window.stride, window.before, window.dilation, groups)


@auxiliary
def test_layers_of_the_heads_of_training(aux: Aux) -> None:
    spec = load(main_twin(aux).spec)
    rows = [row for row in cost(spec.graph, spec.train_only).layers if row.train_only]
    listed = list(table(aux.entry))
    expected = [layer for name, layer in listed if name.startswith(aux.heads)]
    assert [layer for _, layer in compared(rows, aux.unlisted)] == expected
    assert [layer for name, layer in listed if not name.startswith(aux.heads)] == [
        layer for _, layer in table(aux.main)
    ]


@pytest.mark.parametrize("twin", [twin for twin in TWINS if of_keras(twin.entry)], ids=lambda t: t.entry)
def test_layers_of_keras(twin: Twin) -> None:
    """Keras lists layers by how far they are from the end, those of parallel branches mixed."""
    spec = load(twin.spec, twin.sets)
    rows = {row.name: row for row in cost(spec.graph, spec.train_only).layers if not row.train_only}
    expected = iter(table(twin.entry))
    for level in levels(spec.graph):
        ours = [layer for _, layer in compared([rows[node.path] for node in level if node.path in rows], ())]
        names, theirs = zip(*itertools.islice(expected, len(ours)), strict=True) if ours else ((), ())
        assert Counter(ours) == Counter(theirs), f"{[node.path for node in level]} are not {names}"
    assert not list(expected)


def levels(graph: Graph) -> list[list[Node]]:
    """The nodes of the main network by the length of the longest way from them to its output, the longest first."""
    consumers = graph.consumers()
    distance = {graph.heads["main"]: 0}
    found: dict[int, list[Node]] = {}
    for node in reversed(graph.nodes):
        readers = [distance[n.output] for n in consumers.get(node.output, ()) if n.output in distance]
        if readers:
            distance[node.output] = 1 + max(readers)
        if node.output in distance:
            found.setdefault(distance[node.output], []).append(node)
    return [found[far] for far in sorted(found, reverse=True)]
