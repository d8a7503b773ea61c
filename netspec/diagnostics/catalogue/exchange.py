"""Wording of what shows when a network or its weights go to another program, or come from one: NS93, NS96 to NS98."""

from __future__ import annotations

from netspec.diagnostics.catalogue.entry import Entry

EXCHANGE: dict[str, Entry] = {
    "NS930": Entry(
        "error",
        "layer that another program has no form of",
        "'{layer}' cannot be exported to {target}: {reason}",
        "write the layer in other terms, or export the network without it",
    ),
    "NS931": Entry(
        "error",
        "library that is not installed",
        "{what} wants {library}, which is not installed",
        "pip install 'netspec[{extra}]'",
    ),
    "NS932": Entry(
        "error",
        "exported network that computes something else",
        "{target} differs from netspec by {error} of the largest number, but {tolerance} is allowed",
        "nothing was written that can be relied on; please report it with the spec",
    ),
    "NS960": Entry(
        "error",
        "network of a solver that is not there",
        "the solver's network '{file}' is not found: looked for {tried}",
        "put it beside the solver, or import the network alone and write 'train:' by hand",
    ),
    "NS961": Entry(
        "error",
        "iterations that cannot be told in epochs",
        (
            "'{field}' counts iterations and a spec epochs, but no layer of data of the network has a '{batch}'",
            "'{field}' counts iterations and a spec epochs, but the files do not say how many {samples} there are",
        ),
        (
            "say '{batch}' in the network's layer of data",
            "name the data, as with --data mnist, or count its training part: --{samples} 60000",
        ),
    ),
    "NS962": Entry(
        "warning",
        "setting of a solver that is left out",
        "{what} is left out of 'train': {instead}",
        "see whether it matters here; all else was taken over",
    ),
    "NS963": Entry(
        "error",
        "solver of a type that is not known",
        "'{type}' is no type of solver that a spec has an optimiser for",
        "SGD, Nesterov, AdaGrad, RMSProp, AdaDelta and Adam are known",
    ),
    "NS966": Entry(
        "error",
        "model that cannot be read",
        "this is no {format} model that can be read: {problem}",
        "export it again, and check it where it comes from",
    ),
    "NS967": Entry(
        "error",
        "node of a model that is not understood",
        (
            "node {number}, {op} '{node}', is not understood: {reason}",
            "'{node}' is not understood: {reason}",
        ),
        "export the model in other terms (simplified, for inference, with a fixed size), or without that part",
    ),
    "NS968": Entry(
        "error",
        "version of operators that is not known",
        "the model is written in opset {found}, but {first} to {last} are known",
        "onnx.version_converter.convert_version turns it into another",
    ),
    "NS969": Entry(
        "error",
        "model that is too large",
        "the model has {found:,} {what}, but at most {limit:,} are read",
        "a CNN has far fewer; check where the file comes from",
    ),
    "NS970": Entry(
        "error",
        "data of a model that is out of reach",
        "the data of tensor '{tensor}' is said to lie in '{place}', {reason}",
        "data is read from below the model's own folder only; put it there, or save the model in one file",
    ),
    "NS971": Entry(
        "error",
        "input of a model without a size",
        (
            "input '{input}' of the model is [{shape}], channels last, but --input gives it [{given}]",
            "input '{input}' of the model is [{shape}], channels last, and a network has fixed sides",
        ),
        "give its {axes} sides, channels last: --input {input}=224,224,3",
    ),
    "NS972": Entry(
        "error",
        "imported network that computes something else",
        "netspec differs from {target} by {error} of the largest number, but {tolerance} is allowed",
        "nothing was written; please report it with the model",
    ),
    "NS973": Entry(
        "error",
        "text that is no prototxt",
        "this is not the network of a prototxt: {problem}",
        "a field has a colon and a value behind it, or a message in braces, as in the files that come with Caffe",
    ),
    "NS974": Entry(
        "error",
        "layer of Caffe that is not understood",
        "layer '{layer}' ({type}) is not understood: {reason}",
        "write it in other terms, or import the network without it and add what is missing to the spec",
    ),
    "NS975": Entry(
        "warning",
        "setting of Caffe that is left out",
        "{what} is left out of '{layer}': a spec has no words for it",
        "see whether it matters here; all else was taken over",
    ),
    "NS980": Entry(
        "error",
        "file of weights that cannot be read",
        "'{file}' is no readable {format} file: {problem}",
        "check that it was fetched whole, and that its ending says what it is",
    ),
    "NS981": Entry(
        "error",
        "file of weights that holds more than tensors",
        "'{file}' holds more than tensors, and to read the rest would execute code: {problem}",
        "where you trust it, save its tensors alone, as with safetensors.torch.save_file(model.state_dict(), FILE)",
    ),
    "NS982": Entry(
        "error",
        "weights that are not all accounted for",
        "'{file}' and the network do not match: {missing} of {wanted} weights have no tensor, {unused} of {given} "
        "tensors have no weight",
        "name the pairs with --map TENSOR=WEIGHT, change the spec, or take over what matches with --no-strict",
    ),
    "NS983": Entry(
        "error",
        "layers that cannot be told apart",
        "{count} layers of '{file}' have the same shapes, and {reason}",
        "name their pairs with --map LAYER=LAYER{more}",
    ),
    "NS984": Entry(
        "error",
        "pair that cannot be made",
        "--map {pair}: {problem}",
        "{advice}",
    ),
    "NS985": Entry(
        "error",
        "flattened image that is read in an unknown order",
        "'{layer}' flattens an image, and its numbers go on to layers whose weights cannot be put in netspec's order",
        "let a dense layer follow, with nothing between that tells the numbers apart, or use --no-strict",
    ),
    "NS986": Entry(
        "error",
        "quantised network that another program cannot take",
        "'{path}' is a quantised network, and {target} has no form of layers of bytes",
        "write it with --to onnx, or give the run that it was made of",
    ),
    "NS987": Entry(
        "error",
        "quantised network that is to train",
        "'{path}' is a quantised network: it predicts, and its steps of training cannot be measured",
        "leave out --mode, or give the spec that it was trained by",
    ),
    "NS988": Entry(
        "error",
        "peer that does not compute in bytes",
        "'{path}' is a quantised network, which '{peer}' is not given: it has no form there",
        "measure it against onnxruntime, or the spec that it was trained by against '{peer}'",
    ),
}
