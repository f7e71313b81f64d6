"""The compiled units: loops by arity, sums, and the interpreter that calls them by their addresses.

Units are compiled and cached one by one: as functions that call each other they would be linked and optimised anew at
every level, which takes numba more than a minute. numba does not see that a function has changed in another file than
its own; here a fingerprint of all sources is part of what it sees, so machine code of other sources is never used.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numba
from numba import cfunc, float64, int64, njit

from autodiff import floats, primitives
from autodiff.compiler import opcodes
from autodiff.compiler.kernels import elementwise, interpreter, leaves, sums, variadic, vectors


class Units(NamedTuple):
    """What programs are run by: addresses of loops, and the interpreter."""

    unary: int
    binary: int
    ternary: int
    variadic: int
    sums: int
    execute: Callable[[int, Any, Any], bool]


@cache
def units() -> Units:
    """Return the units, from numba's cache or compiled now."""
    version = _fingerprint()
    return Units(
        _address(_unary(version), 7),
        _address(_binary(version), 9),
        _address(_ternary(version), 11),
        _address(_variadic(version), 12),
        _address(_sums(version), 6),
        _cached(
            lambda cache: njit(
                [int64(int64, float64[::1], float64[::1])], error_model="numpy", nogil=True, cache=cache
            ),
            _execute(version),
        ),
    )


def _fingerprint() -> int:
    modules = (floats, primitives, opcodes, elementwise, interpreter, leaves, sums, variadic, vectors)
    text = numba.__version__ + "".join(Path(str(module.__file__)).read_text("utf-8") for module in modules)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def _cached(decorator: Callable[[bool], Any], function: Any) -> Any:
    """Return the decorated function: cached, unless nothing can be written anywhere."""
    try:
        return decorator(True)(function)
    except (RuntimeError, OSError):
        return decorator(False)(function)


def _address(function: Any, arguments: int) -> int:
    signature = int64(*[int64] * arguments)
    compiled = _cached(lambda cache: cfunc(signature, error_model="numpy", cache=cache), function)
    _KEPT.append(compiled)  # its code lives as long as it does
    address: int = compiled.address
    return address


_KEPT: list[Any] = []

# Each function below sees `version` in its closure, and so does numba.


def _unary(version: int) -> Any:
    def unary(code, p, room, n, o, a, sa):  # type: ignore[no-untyped-def]
        version  # noqa: B018
        return elementwise.unary(code, p, room, n, o, a, sa)

    return unary


def _binary(version: int) -> Any:
    def binary(code, p, room, n, o, a, sa, b, sb):  # type: ignore[no-untyped-def]
        version  # noqa: B018
        return elementwise.binary(code, p, room, n, o, a, sa, b, sb)

    return binary


def _ternary(version: int) -> Any:
    def ternary(code, p, room, n, o, a, sa, b, sb, c, sc):  # type: ignore[no-untyped-def]
        version  # noqa: B018
        return elementwise.ternary(code, p, room, n, o, a, sa, b, sb, c, sc)

    return ternary


def _variadic(version: int) -> Any:
    def operations(code, p, t, q, count, width, n2, n1, n0, o, o2, o1):  # type: ignore[no-untyped-def]
        version  # noqa: B018
        return variadic.variadic(code, p, t, q, count, width, n2, n1, n0, o, o2, o1)

    return operations


def _sums(version: int) -> Any:
    def run_sums(p, t, pc, room, active, careful):  # type: ignore[no-untyped-def]
        version  # noqa: B018
        return sums.sum_nest(p, t, pc, room, active, careful)

    return run_sums


def _execute(version: int) -> Any:
    def execute(header, given, out):  # type: ignore[no-untyped-def]
        version  # noqa: B018
        return interpreter.run(header, int64(given.ctypes.data), int64(out.ctypes.data))

    return execute
