"""The specs that ``netspec new`` writes: small, commented, clean, and trained in a minute."""

from __future__ import annotations

from typing import NamedTuple

SMALLEST_SIDE = 4
"""Pixels that a template with two halvings wants at least."""

_HEAD = """\
# {doc}
#
#   netspec lint    {file}        is everything in here right?
#   netspec summary {file}        layers, shapes, parameters, memory
#   netspec draw    {file} -o {stem}.svg
#   netspec train   {file}

netspec: 1                              # version of the language
name: {name}
doc: {doc}

vars: {{classes: {classes}}}{after}# $classes below stands for it; --set classes=5 changes it

input: [{input}]{blanks}# {axes}; how many samples at once is said when it runs

"""

_CLASSIFIER = """\
layers:
  # A convolution slides small windows over the image. `same` pads it, so that the maps keep its size. Its bias is
  # left out where a normalisation follows, which would take it away again.
  - conv: {filters: 16, kernel: 3, padding: same, bias: false}
  - batch_norm                          # mean 0, variance 1 in each channel: larger steps become safe
  - relu                                # without it, all layers together would be one linear map
  - max_pool: {size: 2, padding: same}  # half the height, half the width

  - conv: {filters: 32, kernel: 3, padding: same, bias: false}
  - batch_norm
  - relu
  - max_pool: {size: 2, padding: same}

  - conv: {filters: 64, kernel: 3, padding: same, bias: false}
  - batch_norm
  - relu

  - global_avg_pool                     # one number per channel, whatever the size of the image
  - dropout: 0.2                        # while training, a fifth of them is left out at random
  - dense: $classes                     # one number per class; the loss takes the softmax of them
"""

_RESIDUAL = """\
layers:
  - conv: {filters: 16, kernel: 3, padding: same, bias: false}
  - batch_norm
  - relu

  # A residual group: its body learns what to add to what comes in. Paths are stage1/add/body/conv, and so on.
  - name: stage1
    layers:
      - add:
          body:
            - conv: {filters: 16, kernel: 3, padding: same, bias: false}
            - batch_norm
            - relu
            - conv: {filters: 16, kernel: 3, padding: same, bias: false}
            - batch_norm
          shortcut: []                  # nothing in it: what comes in, as it is
      - relu

  # Half the size, twice the channels: the shortcut needs a convolution of its own, so that both have one shape.
  - name: stage2
    layers:
      - add:
          body:
            - conv: {filters: 32, kernel: 3, stride: 2, padding: same, bias: false}
            - batch_norm
            - relu
            - conv: {filters: 32, kernel: 3, padding: same, bias: false}
            - batch_norm
          shortcut:
            - conv: {filters: 32, kernel: 2, stride: 2, padding: same, bias: false}
            - batch_norm
      - relu

  - global_avg_pool                     # one number per channel, whatever the size of the image
  - dense: $classes                     # one number per class; the loss takes the softmax of them
"""

_MLP = """\
layers:
{flatten}  - dense: 128                          # every output is a weighted sum of all inputs, and a bias
  - relu                                # without it, all layers together would be one linear map
  - dropout: 0.2                        # while training, a fifth of the numbers is left out at random
  - dense: 64
  - relu
  - dense: $classes                     # one number per class; the loss takes the softmax of them
"""

_FLATTEN = "  - flatten                             # the pixels in one row\n"

_TAIL = """
train:
{data}  validation: 0.1                       # a tenth of the training part is kept aside, to see what was learnt
{preprocess}  loss: cross_entropy
  optimizer:
    sgd: {{momentum: 0.9, weight_decay: 5.0e-4}}
  lr: {{cosine: {{peak: {rate}}}}}            # how far a step goes: less and less, along half a cosine
  epochs: 10                            # how often each training sample is seen
  batch: 32                             # samples per step
  seed: 1                               # same seed, same weights, to the bit

expect:                                 # lint checks what stands here: a spec can carry its own test
  output: [$classes]
"""

_BYTES = """\
  preprocess:
    - divide: 255                       # bytes to numbers from 0 to 1
"""

_DIGITS = "  data: digits                          # 1,797 handwritten digits of scikit-learn, brought to this size\n"

_NO_DATA = """\
  # data: name it here, or say --set train.data=NAME. `digits` has one channel and ten classes; `netspec schema`
  # lists what there is.
"""


class Template(NamedTuple):
    """A spec to start from: what it is in one line, its layers, its learning rate, whether it wants an image."""

    doc: str
    layers: str
    rate: float
    image: bool


TEMPLATES = {
    "classifier": Template("Three convolutions that tell classes of images apart.", _CLASSIFIER, 0.05, True),
    "residual": Template("A small residual network that tells classes of images apart.", _RESIDUAL, 0.05, True),
    "mlp": Template("Three dense layers that tell classes apart.", _MLP, 0.02, False),
}

_WORDS = frozenset({"true", "false", "null"})
"""What YAML takes for something else than a text."""

_AXES = {1: "features", 2: "length, channels", 3: "height, width, channels", 4: "depth, height, width, channels"}


def fill(name: str, file: str, template: Template, shape: tuple[int, ...], classes: int) -> str:
    """The text of a spec of that name for samples of that shape, channels last."""
    sides = ", ".join(map(str, shape))
    digits = len(shape) == 3 and shape[-1] == 1 and classes == 10
    head = _HEAD.format(
        doc=template.doc,
        name=f'"{name}"' if name.lower() in _WORDS else name,
        file=file,
        stem=file.removesuffix(".yaml"),
        classes=classes,
        after=" " * max(22 - len(str(classes)), 2),
        input=sides,
        blanks=" " * max(31 - len(sides), 2),
        axes=_AXES[len(shape)],
    )
    layers = template.layers.replace("{flatten}", _FLATTEN if len(shape) > 1 else "")
    preprocess = _BYTES if len(shape) > 1 else ""
    return head + layers + _TAIL.format(data=_DIGITS if digits else _NO_DATA, preprocess=preprocess, rate=template.rate)
