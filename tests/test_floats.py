"""Fused products: x y + z, rounded once, whatever the numbers."""

import math
import struct
from collections.abc import Iterator
from math import inf, nan

import mpmath
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autodiff import floats

ANY = st.floats(width=64)
KINKS = [0.0, -0.0, 1.0, -1.0, inf, -inf, nan, 5e-324, -5e-324, 2.0**-1022, 1.7976931348623157e308, 0.1, 1e-200, 1e200]


@pytest.fixture(scope="module", params=["of this Python", "exactly"], autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "exactly":
            patch.setattr(floats, "_fma", None)
        yield


def same(x: float, y: float) -> bool:
    return (x != x and y != y) or struct.pack("d", x) == struct.pack("d", y)


def expected(x: float, y: float, z: float) -> float:
    """IEEE 754's answer: by its rules what is not finite, and zeros; all else by mpmath, which has no bounds."""
    if not (math.isfinite(x) and math.isfinite(y)):
        return x * y + z  # in which nothing is rounded
    if not math.isfinite(z):
        return z
    with mpmath.workprec(5000):
        exact = mpmath.mpf(x) * mpmath.mpf(y) + mpmath.mpf(z)
        if exact == 0:  # -0.0 only as the sum of two of them
            return math.copysign(0.0, x * y) if z == 0.0 and math.copysign(1.0, x * y) == math.copysign(1.0, z) else 0.0
        ulp = max(int(mpmath.frexp(exact)[1]) - 53, -1074)
        whole = int(mpmath.nint(mpmath.ldexp(exact, -ulp)))  # halves to even
    if whole == 0:
        return math.copysign(0.0, exact)
    return (
        math.ldexp(whole, ulp)
        if abs(whole) * mpmath.mpf(2) ** ulp < mpmath.mpf(2) ** 1024
        else math.copysign(inf, exact)
    )


@given(x=ANY, y=ANY, z=ANY)
@example(x=0.1, y=10.0, z=-1.0)
@example(x=1e-200, y=1e-200, z=5e-324)  # far below half of it
@example(x=-(2.0**-538), y=2.0**-538, z=2.0**-1074)  # 2^-1074 - 2^-1076
@example(x=-1e-200, y=1e-200, z=0.0)  # underflows to -0.0
@example(x=1e200, y=1e200, z=-1e308)
@example(x=2.0**1023, y=2.0, z=-(2.0**1023))  # x y alone would be infinite
def test_a_fused_product_rounds_once(x: float, y: float, z: float) -> None:
    assert same(floats.fused(x, y, z), expected(x, y, z))


@pytest.mark.parametrize("x", KINKS)
@pytest.mark.parametrize("y", KINKS)
def test_a_fused_product_of_kinks_is_ieee_754s(x: float, y: float) -> None:
    for z in KINKS:
        assert same(floats.fused(x, y, z), expected(x, y, z)), z


def test_equal_terms_of_opposite_signs_are_plain_zero() -> None:
    assert same(floats.fused(2.0, 3.0, -6.0), 0.0)
    assert same(floats.fused(-2.0, 3.0, 6.0), 0.0)
    assert same(floats.fused(-0.0, 1.0, -0.0), -0.0)
    assert same(floats.fused(-0.0, 1.0, 0.0), 0.0)
