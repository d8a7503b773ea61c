"""Wording of what shows when a network is made smaller, NS8."""

from __future__ import annotations

from netspec.diagnostics.catalogue.entry import Entry

SLIMMING: dict[str, Entry] = {
    "NS850": Entry(
        "error",
        "pruning that outlasts the run",
        "train.prune comes to its sparsity of {sparsity} after {end} updates, but the run has {updates}",
        "let it end before the run, so that what is left can learn on: a smaller 'start' or 'over', or more epochs",
    ),
    "NS851": Entry(
        "error",
        "layer that cannot be narrowed",
        "'{layer}' ({op}) says that it can do with fewer channels, but would not do the same to them",
        "leave the layers before it whole with --leave; this is a bug of netspec, or of the plug-in that it comes with",
    ),
    "NS852": Entry(
        "error",
        "unknown layer to be left whole",
        "no layer called '{layer}' makes channels",
        "those that do: {known}",
    ),
    "NS853": Entry(
        "error",
        "nothing to prune",
        "no channel of this network can be removed: {problem}",
        "--weights prunes single weights, of any network",
    ),
    "NS854": Entry(
        "error",
        "measure that a layer lacks",
        "'{layer}' passes no batch normalisation with a scale, by which its channels could be measured",
        "--by l1 or --by l2 measures filters",
    ),
}
