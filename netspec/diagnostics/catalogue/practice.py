"""Wording of what a network costs, NS4, and of where frameworks differ, NS6."""

from __future__ import annotations

from netspec.diagnostics.catalogue.entry import Entry

PRACTICE: dict[str, Entry] = {
    "NS401": Entry(
        "warning",
        "parameters over the budget",
        "the network has {found} parameters, more than the {limit} of its budget; '{layer}' has the most, {share}",
        "fewer channels there, or global_avg_pool before a dense layer, save most",
    ),
    "NS402": Entry(
        "warning",
        "multiply-accumulates over the budget",
        "a sample takes {found} multiply-accumulates, more than the {limit} of the budget; '{layer}' the most, {share}",
        "fewer channels there, or a stride or pooling before it, save most",
    ),
    "NS403": Entry(
        "warning",
        "memory over the budget",
        "training takes {found} at batch {batch}, more than the {limit} of the budget; '{layer}' the most, {share}",
        "a smaller batch takes less, and so does a stride or pooling before that layer",
    ),
    "NS404": Entry(
        "warning",
        "batch that does not fit in memory",
        "training takes {found} at batch {batch}, but the machine has {limit}",
        ("a batch of {fitting} fits", "not even a batch of 1 fits"),
    ),
    "NS405": Entry(
        "info",
        "width that does not suit the hardware",
        "{width} channels of '{layer}' are no multiple of {group}",
        "{wider} take about the same time",
    ),
    "NS406": Entry(
        "info",
        "convolution that could be lighter",
        "'{layer}' takes {share} of all multiply-accumulates, {now}; depthwise-separable it would take {then}",
        "write separable_conv; 'netspec explain SPEC {layer}' shows other lighter forms",
    ),
    "NS601": Entry(
        "info",
        "sizes rounded up",
        (
            "'{layer}' and {others} more round their size up, here to {sides}; Keras and PyTorch round down by default",
            "'{layer}' rounds its size up to {sides}; Keras and PyTorch round down by default",
        ),
        "with another framework pad the input, or set ceil_mode in PyTorch",
    ),
    "NS602": Entry(
        "info",
        "same padding with an odd cell",
        (
            "padding: same of '{layer}' and {others} more adds one cell more behind; PyTorch pads alike on both sides",
            "padding: same of '{layer}' adds one cell more behind; PyTorch pads alike on both sides",
        ),
        "write the padding as a number, or 'dialect: torch', where weights come from there",
    ),
    "NS603": Entry(
        "info",
        "momentum of the other convention",
        "momentum {momentum} of '{layer}' is the share of the old mean that is kept; in PyTorch it is that of the new",
        "what PyTorch calls {momentum} is momentum: {other} here",
    ),
    "NS604": Entry(
        "info",
        "alpha of the other convention",
        "alpha {alpha} of '{layer}' is times the sum over its window; Caffe and PyTorch take the mean",
        "what is alpha {alpha} here is {mean} there; 'dialect: caffe' reads it as they do",
    ),
}
