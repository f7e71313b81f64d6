"""The compiled units: loops by arity, sums, and the interpreter that calls them by their addresses.

Units are compiled and cached one by one: as functions that call each other they would be linked and optimised anew at
every level, which takes numba more than a minute.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from numba import float64, int64

from autodiff.compiler.backends.kernels import elementwise, interpreter, sums, variadic
from autodiff.compiler.machine.caching import c_function, compiled


class Units(NamedTuple):
    """The machine code that runs programs: addresses of loops, and the interpreter."""

    unary: int
    binary: int
    ternary: int
    variadic: int
    sums: int
    execute: Callable[[int, Any, Any], bool]


@cache
def units() -> Units:
    """The units, from the cache or compiled now."""
    signature = int64(int64, float64[::1], float64[::1])
    return Units(
        _address(_unary),
        _address(_binary),
        _address(_ternary),
        _address(_variadic),
        _address(_sums),
        compiled(_execute, signature),
    )


_KEPT: list[Any] = []


def _address(function: Any) -> int:
    """The address of a function of integers in machine code."""
    made = c_function(function, int64(*[int64] * function.__code__.co_argcount))
    _KEPT.append(made)  # its code lives as long as it does
    address: int = made.address
    return address


def _unary(code, p, room, n, o, a, sa):  # type: ignore[no-untyped-def]
    return elementwise.unary(code, p, room, n, o, a, sa)


def _binary(code, p, room, n, o, a, sa, b, sb):  # type: ignore[no-untyped-def]
    return elementwise.binary(code, p, room, n, o, a, sa, b, sb)


def _ternary(code, p, room, n, o, a, sa, b, sb, c, sc):  # type: ignore[no-untyped-def]
    return elementwise.ternary(code, p, room, n, o, a, sa, b, sb, c, sc)


def _variadic(code, p, t, q, count, width, n2, n1, n0, o, o2, o1):  # type: ignore[no-untyped-def]
    return variadic.variadic(code, p, t, q, count, width, n2, n1, n0, o, o2, o1)


def _sums(p, t, pc, room, active, careful):  # type: ignore[no-untyped-def]
    return sums.sum_nest(p, t, pc, room, active, careful)


def _execute(header, given, out):  # type: ignore[no-untyped-def]
    return interpreter.run(header, int64(given.ctypes.data), int64(out.ctypes.data))
