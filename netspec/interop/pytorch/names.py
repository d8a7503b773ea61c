"""Names of layers as identifiers of Python: `stage2/0/conv` becomes `stage2_0_conv`."""

from __future__ import annotations

import keyword
import re
import unicodedata

# What nn.Module and its instances use themselves, so that a layer of that name would break them.
TAKEN = frozenset(
    (
        *("add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "compile", "cpu", "cuda"),
        *("double", "dump_patches", "eval", "extra_repr", "float", "forward", "get_buffer", "get_parameter"),
        *("get_submodule", "half", "ipu", "load_state_dict", "modules", "mtia", "named_buffers", "named_children"),
        *("named_modules", "named_parameters", "parameters", "register_buffer", "register_module"),
        *("register_parameter", "requires_grad_", "self", "set_submodule", "share_memory", "state_dict", "to"),
        *("to_empty", "train", "training", "type", "xpu", "zero_grad"),
    )
)


def identifier(text: str) -> str:
    """The text with all that an identifier cannot hold as underscores; a digit in front gets one before it.

    Python reads identifiers in the normal form NFKC, so that they are written in it.
    """
    name = re.sub(r"\W", "_", unicodedata.normalize("NFKC", text))
    return name if name.isidentifier() else f"_{name}"


def class_name(text: str) -> str:
    """A network's name as a class: `resnet20_cifar` becomes `Resnet20Cifar`."""
    words = [word for word in re.split(r"[\W_]+", unicodedata.normalize("NFKC", text)) if word]
    name = "".join(word[:1].upper() + word[1:] for word in words)
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"Net{name}"


class Names:
    """Identifiers, each given once."""

    def __init__(self) -> None:
        self._given: set[str] = set(TAKEN)

    def fresh(self, text: str) -> str:
        """An identifier like ``text`` that nothing else has."""
        wanted = name = identifier(text)
        count = 1
        while name in self._given or keyword.iskeyword(name) or keyword.issoftkeyword(name):
            count += 1
            name = f"{wanted}_{count}"
        self._given.add(name)
        return name
