"""Cases of what stands beside an update; what they compute follows from their expressions."""

from __future__ import annotations

from netspec.core.reference import Case
from netspec.core.types import TensorType, scalar
from netspec.declarations.ops.accumulation import Accumulate, KeepWhere, MoveAverage

_NUMBERS = TensorType((3, 3, 2, 5), batched=False)

CASES = {
    "accumulate": (Case(Accumulate(), (_NUMBERS, _NUMBERS, scalar(), scalar())),),
    "keep_where": (Case(KeepWhere(), (_NUMBERS, _NUMBERS)),),
    "average": (Case(MoveAverage(), (_NUMBERS, _NUMBERS, scalar())),),
}
