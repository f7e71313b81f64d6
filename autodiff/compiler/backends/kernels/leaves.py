"""The functions of `floats`, which the table's own `evaluate` calls, in machine code; no formula is written twice.

Elementary functions are those of the C library, which the `math` module calls too, and which have IEEE 754's answers
where `math` raises. The other functions of `floats` are compiled as they stand, but for a few that are written out
here. Importing this module makes numba know them all.
"""

import math
from collections.abc import Callable
from inspect import CO_VARARGS
from math import copysign, nan
from types import FunctionType
from typing import Any

from numba import types
from numba.extending import overload

from autodiff import floats
from autodiff.compiler.machine.vectors import exact_product_error, kernel
from autodiff.compiler.programs.opcodes import is_nothing

_X = types.float64
_Unary = Callable[[float], float]
_Binary = Callable[[float, float], float]
_UNARY = {
    "exp": "exp",
    "exp2": "exp2",
    "expm1": "expm1",
    "log": "log",
    "log2": "log2",
    "log10": "log10",
    "log1p": "log1p",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "arcsin": "asin",
    "arccos": "acos",
    "sinh": "sinh",
    "cosh": "cosh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "floor": "floor",
    "ceil": "ceil",
    "cbrt": "cbrt",
}  # fmt: skip; what is missing is `math`'s own, which numba knows


def library(symbol: str, arity: int) -> Any:
    """A function of the C library, to be called from compiled code."""
    return types.ExternalFunction(symbol, _X(*[_X] * arity))


_pow: _Binary = library("pow", 2)
_fmod: _Binary = library("fmod", 2)
_rint: _Unary = library("rint", 1)
_trunc: _Unary = library("trunc", 1)


def _modulo(x: float, y: float) -> float:
    """x % y as Python has it: the remainder of C, moved to the sign of y."""
    rest = _fmod(x, y)
    if rest == 0.0:
        return copysign(0.0, y)
    return rest + y if (y < 0.0) != (rest < 0.0) else rest


def _floor_divide(x: float, y: float) -> float:
    """x // y as Python has it: from the remainder, so that it is exact."""
    if y == 0.0:
        return x / y
    rest = _fmod(x, y)
    quotient = (x - rest) / y
    if rest != 0.0 and (y < 0.0) != (rest < 0.0):
        quotient -= 1.0
    if quotient == 0.0:
        return copysign(0.0, x / y)
    whole = _rint(quotient)
    if whole > quotient:
        whole -= 1.0  # this is floor
    return whole + 1.0 if quotient - whole > 0.5 else whole


def _round(x: float, digits: float) -> float:
    """x rounded to that many decimal digits, as its exact decimal expansion demands, halves to even.

    The product with a power of ten, exact up to 10^22, is taken with its rounding error, which decides near halves.
    """
    if x - x != 0.0:
        return x
    if digits - digits != 0.0:
        return nan
    digits = _trunc(digits)
    if digits == 0.0:
        return copysign(_rint(x), x)
    if digits > 330.0:
        return x
    if digits < -310.0:
        return copysign(0.0, x)
    power = _pow(10.0, min(abs(digits), 22.0))
    beyond = _pow(10.0, max(abs(digits) - 22.0, 0.0))  # two steps, no longer exact, beyond 10^22
    if digits > 0.0:
        scaled = x * beyond * power
        if not abs(scaled) < 4503599627370496.0:  # 2^52: x has no digits there
            return x
        error = exact_product_error(x * beyond, power, scaled)
        return copysign(_nearest(scaled, error) / power / beyond, x)
    scaled = x / beyond / power
    if not abs(scaled) < 4503599627370496.0:
        return x
    error = -exact_product_error(scaled, power, x / beyond)
    return copysign(_nearest(scaled, error) * power * beyond, x)


@kernel
def _nearest(scaled: float, error: float) -> float:
    """The integer nearest to scaled + error, halves to even; of the error only the sign is used."""
    whole = _rint(scaled)
    gap = scaled - whole
    if gap == 0.5 and error > 0.0:
        return math.floor(scaled) + 1.0
    if gap == -0.5 and error < 0.0:
        return math.ceil(scaled) - 1.0
    if gap == 0.5 or gap == -0.5:
        if error < 0.0:
            return math.floor(scaled) * 1.0
        if error > 0.0:
            return math.ceil(scaled) * 1.0
    return whole


def _know(function: Any, implementation: Callable[..., float], arity: int) -> None:
    if arity == 1:
        overload(function, strict=False)(lambda x: implementation)
    else:
        overload(function, strict=False)(lambda x, y: implementation)


def _calling(external: Any) -> Callable[[float], float]:
    return lambda x: external(x)


LIBRARY: dict[Any, Any] = {getattr(floats, name): library(symbol, 1) for name, symbol in _UNARY.items()}
LIBRARY[floats.power] = _pow
"""The functions of `floats` that the C library has as they are."""

_WRITTEN: dict[Any, Callable[..., float]] = {
    **{getattr(floats, name): _calling(library(symbol, 1)) for name, symbol in _UNARY.items()},
    floats.sqrt: lambda x: math.sqrt(x),  # one instruction, in a third of the library's time
    floats.divide: lambda x, y: x / y,
    floats.power: lambda x, y: _pow(x, y),
    floats.modulo: _modulo,
    floats.floor_divide: _floor_divide,
    is_nothing: is_nothing,
}


def _of_floats() -> list[FunctionType]:
    """The functions of `floats` from one or two floats to a float, but for those of the `math` module."""
    found = [f for f in vars(floats).values() if isinstance(f, FunctionType) and f.__module__ == floats.__name__]
    return [f for f in found if set(f.__annotations__.values()) == {float} and not f.__code__.co_flags & CO_VARARGS]


for _function in {**dict.fromkeys(_of_floats()), **_WRITTEN}.keys() - {floats.round}:
    if _function not in _WRITTEN and _function.__closure__ is not None:
        raise RuntimeError(f"{_function} catches what math raises: write here what it is in machine code")
    _machine: Any = _WRITTEN.get(_function, _function)
    _know(_function, _machine, _machine.__code__.co_argcount)
overload(floats.round, strict=False)(lambda x, digits=0.0: _round)
