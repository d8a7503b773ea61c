"""Cases of what ranks exchange; what is computed follows from the expressions."""

from __future__ import annotations

from netspec.core.reference import Case
from netspec.core.types import TensorType, scalar
from netspec.declarations.ops.exchange import ExchangePart, ExchangeShare, ExchangeSum, ExchangeUnbiased

_NUMBERS = TensorType((3, 3, 2, 5), batched=False)
_IMAGES = TensorType((4, 5, 3))

CASES = {
    "exchange.sum": (Case(ExchangeSum(per_update=True), (_NUMBERS,)),),
    "exchange.part": (Case(ExchangePart(), (_IMAGES, _IMAGES), constants=(1,)),),
    "exchange.share": (Case(ExchangeShare(), (_NUMBERS, _NUMBERS)),),
    "exchange.unbiased": (Case(ExchangeUnbiased(positions=3), (TensorType((5,), batched=False), scalar())),),
}
