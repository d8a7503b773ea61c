"""What is said of networks that are made smaller: NS850 to NS869."""

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
    "NS861": Entry(
        "error",
        "backend without kernels for bytes",
        "backend '{backend}' has no kernels for layers of bytes",
        "run the quantised network with --backend numba",
    ),
    "NS862": Entry(
        "error",
        "quantised network where a run is needed",
        "'{path}' is a quantised network: it has bytes alone, without float32 weights, checkpoints or averages",
        "give the run that it was made of; 'netspec eval', 'predict', 'bench', 'export' and 'report' take it as it is",
    ),
    "NS863": Entry(
        "error",
        "folder that is in use",
        "a quantised network goes into a folder of its own, but '{path}' is not empty",
        "name another folder with -o, or remove what is in it",
    ),
    "NS864": Entry(
        "error",
        "nothing to quantise",
        "no layer of '{network}' can be computed in bytes",
        "bytes are for conv and dense layers; --kmeans stores any weights in fewer bits",
    ),
    "NS865": Entry(
        "error",
        "calibration that is not finite",
        "'{layer}' gives {found} for a sample of the calibration data, so that its numbers have no range",
        "look for what makes it: netspec verify-run, or other data",
    ),
    "NS866": Entry(
        "error",
        "nothing to share",
        "'{network}' has no weights of more than {numbers} numbers, so that none can be shared",
        "weight sharing is for layers with weights, such as conv and dense",
    ),
    "NS867": Entry(
        "error",
        "backend that cannot train for bytes",
        "train.quantize asks for kernels that backend '{backend}' does not have",
        "train with --backend numba, or without 'quantize' and let 'netspec quantize' calibrate",
    ),
    "NS868": Entry(
        "error",
        "precision that cannot train for bytes",
        "train.quantize rounds float32 numbers, but the precision is {precision}",
        "leave out 'precision', or 'quantize'",
    ),
    "NS869": Entry(
        "error",
        "quantisation that outlasts the run",
        "train.quantize rounds activations after {start} updates, but the run has {updates}",
        "a smaller 'start', or more epochs, so that ranges are learnt and the network learns with them",
    ),
}
