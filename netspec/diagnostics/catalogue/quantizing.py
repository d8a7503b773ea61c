"""Wording of what shows when a network is quantised, NS86."""

from __future__ import annotations

from netspec.diagnostics.catalogue.entry import Entry

QUANTIZING: dict[str, Entry] = {
    "NS861": Entry(
        "error",
        "backend without kernels for bytes",
        "backend '{backend}' has no kernels for layers of bytes",
        "run the quantised network with --backend numba",
    ),
    "NS862": Entry(
        "error",
        "quantised network where a run is needed",
        "'{path}' is a quantised network: it has one set of weights, and neither checkpoints nor an average of weights",
        "give the run that it was made of",
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
        "bytes are for conv and dense layers without groups; --kmeans stores any weights in fewer bits",
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
}
