"""Losses and optimisers of a recipe in PyTorch, and arrays that go there and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from netspec.core.graph import Graph
from netspec.declarations.recipe import Head, Recipe
from netspec.interop.tensors import Array, Exchanged

Tensor = Any
"""A ``torch.Tensor``; PyTorch is imported when something is run, and is not there when types are checked."""


def to_torch(array: Array) -> Tensor:
    """A batch with its channels behind it: (N, ..., C) to (N, C, ...). Whole numbers are int64, without channels."""
    import torch

    if array.dtype.kind in "iu":
        return torch.from_numpy(np.ascontiguousarray(array, np.int64))
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, 1)))


def from_torch(tensor: Tensor) -> Array:
    """A batch with its channels last."""
    array: Array = tensor.detach().numpy()
    return np.ascontiguousarray(np.moveaxis(array, 1, -1)) if array.ndim > 1 else array


def loss_function(graph: Graph, recipe: Recipe) -> Callable[[Tensor, Mapping[str, Tensor]], Tensor]:
    """The loss of what the module returns while training, by targets as :func:`to_torch` makes them."""
    heads = {name: (recipe.head(name), _loss(recipe.head(name))) for name in graph.heads}

    def total(outputs: Any, targets: Mapping[str, Tensor]) -> Tensor:
        by_head = outputs if isinstance(outputs, dict) else {next(iter(heads)): outputs}
        losses = [said.weight * loss(by_head[name], targets[name]) for name, (said, loss) in heads.items()]
        return sum(losses[1:], losses[0])

    return total


def _loss(head: Head) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of one head."""
    import torch
    import torch.nn.functional as F

    loss = head.loss
    name = type(loss).__name__
    if name == "CrossEntropy":
        weight = None if loss.class_weights is None else torch.tensor(loss.class_weights)
        return lambda x, target: F.cross_entropy(x, target, weight, label_smoothing=loss.label_smoothing)
    if name == "Huber":
        return lambda x, target: F.huber_loss(x, target, delta=loss.delta)
    plain: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "BinaryCrossEntropy": F.binary_cross_entropy_with_logits,
        "MeanSquaredError": F.mse_loss,
        "MeanAbsoluteError": F.l1_loss,
    }
    return plain[name]


def optimizer(module: Any, recipe: Recipe, rate: float, tensors: Sequence[Exchanged]) -> Any:
    """The recipe's optimiser over the module's trained parameters, in PyTorch's fused form where it has one."""
    import torch

    rule = recipe.optimizer
    decaying = {each.name for each in tensors if rule.decay_on == "all" or len(each.source_shape) > 1}
    groups: list[dict[str, Any]] = []
    for share, wanted in ((rule.weight_decay, True), (0.0, False)):
        chosen = [p for name, p in module.named_parameters() if p.requires_grad and (name in decaying) is wanted]
        if chosen:
            groups.append({"params": chosen, "weight_decay": share})
    name, options = _optimizer_options(rule)
    return getattr(torch.optim, name)(groups, lr=rate, **options)


def _optimizer_options(rule: Any) -> tuple[str, dict[str, Any]]:
    """What PyTorch calls an optimiser, and its attributes there."""
    name = type(rule).__name__
    if name == "Sgd":
        return "SGD", {"momentum": rule.momentum, "nesterov": rule.nesterov, "fused": True}
    if name in ("Adam", "AdamW"):
        return name, {"betas": (rule.beta1, rule.beta2), "eps": rule.eps, "fused": True}
    if name == "Adagrad":
        return "Adagrad", {"eps": rule.eps, "fused": True}
    if name == "Rmsprop":
        return "RMSprop", {"alpha": rule.rho, "eps": rule.eps, "momentum": rule.momentum}
    return "Adadelta", {"rho": rule.rho, "eps": rule.eps}


def clip(module: Any, recipe: Recipe) -> None:
    """Clip the gradients as the recipe says: number by number first, then all as one vector."""
    import torch

    rule, parameters = recipe.optimizer, list(_with_gradients(module))
    if rule.clip_value is not None:
        torch.nn.utils.clip_grad_value_(parameters, rule.clip_value)
    if rule.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(parameters, rule.clip_norm)


def _with_gradients(module: Any) -> Iterator[Any]:
    return (parameter for parameter in module.parameters() if parameter.grad is not None)
