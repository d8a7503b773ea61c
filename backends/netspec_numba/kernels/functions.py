"""Elementary functions of float32 that LLVM can vectorise: no branches, no calls, no tables.

Each follows the exact function within a few units in the last place, and NaN, infinities and zeros as NumPy
does. Ranges are reduced as in Cody and Waite (1980); the polynomials of ``log`` and ``tanh`` are those of Moshier's
Cephes library, those of ``erf`` were fitted at Chebyshev nodes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec_numba.kernels.lanes import as_bits, choose, from_bits, spread
from netspec_numba.kernels.loops import device

F = np.float32

_ROUNDER = F(1.5 * 2**23)
"""Added to a float32 below 2**22 in size it pushes the fraction out: the low bits are the nearest whole number."""
_ROUNDER_BITS = np.int32(_ROUNDER.view(np.int32))
_LOG2_E = F(1.4426950408889634)
_LN2_HIGH = F(0.693359375)
_LN2_LOW = F(-2.12194440e-4)
_LARGEST, _SMALLEST = F(100.0), F(-110.0)
_EXP_7, _EXP_6, _EXP_5 = F(1.9875691500e-4), F(1.3981999507e-3), F(8.3334519073e-3)
_EXP_4, _EXP_3, _EXP_2 = F(4.1665795894e-2), F(1.6666665459e-1), F(5.0000001201e-1)


@device
def exp(x: np.float32) -> np.float32:
    """e**x within 2 units in the last place; overflows to infinity, underflows gradually to zero."""
    # Beyond these bounds the result is infinite or zero in any case; written so that NaN stays.
    x = _LARGEST if x > _LARGEST else x
    x = _SMALLEST if x < _SMALLEST else x
    shifted = x * _LOG2_E + _ROUNDER
    whole = shifted - _ROUNDER
    power = np.int32(np.float32(shifted).view(np.int32) - _ROUNDER_BITS)
    r = (x - whole * _LN2_HIGH) - whole * _LN2_LOW
    y = ((_EXP_7 * r + _EXP_6) * r + _EXP_5) * r + _EXP_4
    y = (y * r + _EXP_3) * r + _EXP_2
    y = y * (r * r) + r + F(1.0)
    # In two steps, since neither 2**128 nor anything below 2**-126 can be made from an exponent alone.
    half = np.int32(power >> np.int32(1))
    return y * _two_to(half) * _two_to(np.int32(power - half))


@device
def exp_lanes(x: Any) -> Any:
    """``exp`` of float32 lanes: the same operations, and so the same bits."""
    x = choose(x > spread(_LARGEST), spread(_LARGEST), x)
    x = choose(x < spread(_SMALLEST), spread(_SMALLEST), x)
    shifted = x * spread(_LOG2_E) + spread(_ROUNDER)
    whole = shifted - spread(_ROUNDER)
    power = as_bits(shifted) - spread(_ROUNDER_BITS)
    r = (x - whole * spread(_LN2_HIGH)) - whole * spread(_LN2_LOW)
    y = ((spread(_EXP_7) * r + spread(_EXP_6)) * r + spread(_EXP_5)) * r + spread(_EXP_4)
    y = (y * r + spread(_EXP_3)) * r + spread(_EXP_2)
    y = y * (r * r) + r + spread(F(1.0))
    half = power >> spread(np.int32(1))
    bias, mantissa = spread(np.int32(127)), spread(np.int32(23))
    return y * from_bits((half + bias) << mantissa) * from_bits((power - half + bias) << mantissa)


@device
def _two_to(power: np.int32) -> np.float32:
    return np.int32(np.int32(power + 127) << np.int32(23)).view(np.float32)


@device
def log(x: np.float32) -> np.float32:
    """Natural logarithm within 2 units in the last place; -inf at zero, NaN below."""
    tiny = x < F(1.1754944e-38)
    scaled = x * F(2.0**24) if tiny else x
    bits = np.float32(scaled).view(np.int32)
    exponent = np.int32((bits >> np.int32(23)) - 126)
    mantissa = np.int32((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000)).view(np.float32)
    low = mantissa < F(0.70710678)
    r = (mantissa + mantissa if low else mantissa) - F(1.0)
    power = F(exponent) - (F(1.0) if low else F(0.0)) - (F(24.0) if tiny else F(0.0))
    y = ((F(7.0376836292e-2) * r - F(1.1514610310e-1)) * r + F(1.1676998740e-1)) * r - F(1.2420140846e-1)
    y = ((y * r + F(1.4249322787e-1)) * r - F(1.6668057665e-1)) * r + F(2.0000714765e-1)
    y = ((y * r - F(2.4999993993e-1)) * r + F(3.3333331174e-1)) * r * (r * r)
    y = y + power * _LN2_LOW - F(0.5) * (r * r)
    y = (r + y) + power * _LN2_HIGH
    y = F(-np.inf) if x == F(0.0) else y
    y = x if x == F(np.inf) else y
    return y if x >= F(0.0) else F(np.nan)


@device
def tanh(x: np.float32) -> np.float32:
    """Hyperbolic tangent within 3 units in the last place."""
    size = abs(x)
    z = x * x
    near = ((F(-5.70498872745e-3) * z + F(2.06390887954e-2)) * z - F(5.37397155531e-2)) * z + F(1.33314422036e-1)
    near = ((near * z - F(3.33332819422e-1)) * z + F(1.0)) * x
    far = F(1.0) - F(2.0) / (exp(size + size) + F(1.0))
    far = -far if x < F(0.0) else far
    return near if size < F(0.625) else far


@device
def erf(x: np.float32) -> np.float32:
    """The error function within 4 units in the last place."""
    size = abs(x)
    z = x * x
    near = (F(7.88249745e-5) * z - F(8.01885501e-4)) * z + F(5.18931216e-3)
    near = ((near * z - F(2.68543288e-2)) * z + F(1.12835974e-1)) * z - F(3.76126260e-1)
    near = (near * z + F(1.12837911)) * x
    t = F(4.0) if size > F(4.0) else size  # 1 - erf(4) is less than half a unit of 1
    power = ((F(1.86546386e-4) * t - F(2.94889580e-3)) * t + F(2.18415149e-2)) * t - F(1.03111066e-1)
    power = ((power * t - F(6.38142943e-1)) * t - F(1.12708867)) * t - F(3.42021696e-4)
    far = F(1.0) - exp(power)
    far = -far if x < F(0.0) else far
    return near if size < F(1.0) else far


@device
def maximum(a: np.float32, b: np.float32) -> np.float32:
    """The larger of two numbers; NaN if either is."""
    return a if (a >= b) | (a != a) else b


@device
def minimum(a: np.float32, b: np.float32) -> np.float32:
    """The smaller of two numbers; NaN if either is."""
    return a if (a <= b) | (a != a) else b
