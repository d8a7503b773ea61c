"""What editors and the documentation say of the keys that belong to the language and not to a declaration."""

from __future__ import annotations

TOP_KEYS = {
    "netspec": "Version of the language.",
    "name": "What the network is called.",
    "doc": "What it is, in a sentence.",
    "vars": "Names for values; $name stands for one, and --set gives it another value.",
    "dialect": "Which framework's defaults hold where frameworks differ.",
    "include": "Files whose blocks can be used.",
    "extends": "The spec that this one changes.",
    "input": "Shape of what goes in, channels last: [height, width, channels]. The batch is no part of it.",
    "inputs": "Shapes of several inputs, by name.",
    "blocks": "Layer lists with arguments; a block is used like an op.",
    "layers": "The layers in their order; each takes the output of the one before it.",
    "heads": "Outputs by name, where there is more than one.",
    "train": "How the network is trained.",
    "expect": "What must be true of the network; lint checks it.",
}

LAYER_KEYS = {
    "name": "What the layer is called, unique in its list.",
    "from": "The earlier layer whose output is taken instead of that of the layer before; a merge takes several.",
    "when": "Whether the layer is there.",
    "repeat": "How many copies follow one another.",
    "share": "The earlier layer whose parameters are used.",
    "freeze": "Whether training leaves the parameters as they are.",
    "init": "How the parameters start.",
    "layers": "A list of layers that is used as one.",
}

BLOCK_KEYS = {
    "args": "Arguments with their defaults, or 'required'; the first is the main one.",
    "vars": "Names for values that are worked out where the block is used.",
    "doc": "What the block is, in a sentence.",
    "layers": "The layers that stand in the place of each use.",
}

HEAD_KEYS = {
    "from": "The layer that the head takes; without it the last one.",
    "layers": "Layers of this head alone.",
    "loss": "What is made small at this head; without it train.loss.",
    "weight": "Factor of its loss in the sum over the heads.",
    "metrics": "What is measured at this head; without it what usually goes with its own loss, else train.metrics.",
    "target": "The field of the data that the head learns; without it the one of its name, else the labels.",
    "only": "train: the head is there while training only.",
}

TRAIN_KEYS = {
    "data": "What is learnt from.",
    "validation": "Share of the training part that is kept aside, or a part by its name, to see what was learnt.",
    "preprocess": "What is done to each sample before it goes in.",
    "augment": "What is done at random to training samples.",
    "loss": "What is made small.",
    "metrics": "What is measured beside the loss.",
    "optimizer": "How a step changes the parameters.",
    "lr": "Learning rate: how far a step goes.",
    "epochs": "How often each sample of the training part is seen.",
    "batch": "Samples of a step.",
    "seed": "What all that is random follows from.",
    "workers": "Processes that decode and augment samples; 0 for none. No bit of a run depends on it.",
    "cache": "MiB of decoded images that are held in memory; what is beyond is decoded when it is needed.",
    "sync_batch_norm": "Whether batch normalisation takes its statistics over the batch of all ranks.",
    "accumulate": "Batches whose gradients are summed before an update.",
    "init": "Weights to start from.",
    "precision": "The numbers that are computed with.",
    "math": "fast: any algorithm whose error is documented; exact: plain sums only.",
    "on_nan": "What happens at a loss or gradient that is not finite: the run stops, or the step is skipped.",
}

EXPECT_KEYS = {
    "output": "Shape of the output, or of each head.",
    "shapes": "Shapes of layers, by their path.",
    "params": "All stored numbers, moving statistics too.",
    "params_trained": "The numbers that training moves.",
    "macs": "Multiply-accumulates of convolutions and dense layers, for one sample.",
    "flops": "Twice the multiply-accumulates.",
    "memory_train_bytes": "Memory of a training step of the spec's batch, as planned.",
    "memory_infer_bytes": "Memory of a prediction for the spec's batch, as planned.",
    "train_only": "The totals of the heads that are there while training only.",
}
