"""Variants of the optimisers that conformance tests try besides the defaults.

An update is given by expressions, which are its definition.
"""

from __future__ import annotations

from netspec.declarations.optimizers import Adadelta, Adagrad, Adam, AdamW, Rmsprop, Sgd

CASES = {
    "sgd": (
        Sgd(clip_norm=0.01),
        Sgd(clip_value=0.001, clip_norm=0.01, weight_decay=0.01, decay_on="weights"),
        Sgd(momentum=0.9),
        Sgd(momentum=0.9, nesterov=True, weight_decay=5e-4),
    ),
    "adam": (Adam(beta1=0.0, beta2=0.0, eps=1e-3, weight_decay=0.01),),
    "adamw": (AdamW(weight_decay=0.0),),
    "adagrad": (Adagrad(weight_decay=0.01),),
    "rmsprop": (Rmsprop(momentum=0.9, weight_decay=0.01),),
    "adadelta": (Adadelta(rho=0.0, weight_decay=0.01),),
}
