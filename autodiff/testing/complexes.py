"""Gradients from one complex step: plain floats in, no difference taken, so that nothing cancels.

For a real function that is analytic, f(x + ih) = f(x) + ih f'(x) - ..., so f'(x) is the imaginary part over h, right to
the last digits for an h of 1e-200. Source: Squire and Trapp, Using complex variables to estimate derivatives of real
functions, SIAM Review 40 (1998). Each primitive stands below as a function of complex numbers, written so that a tiny
imaginary part keeps all its digits; what is piecewise chooses by the real part.

    >>> from autodiff import exp
    >>> x = Value(0.5)
    >>> complex_step(exp(x) * x, [x])  # (1 + x) eˣ
    [2.4730819060501923]
"""

import cmath
import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import mul
from typing import Any

from autodiff import floats
from autodiff.primitives import KNOWN, Primitive
from autodiff.testing.replay import Replay, checked_inputs, functions_for
from autodiff.value import Value


def complex_step(
    output: Value,
    inputs: Sequence[Value],
    step: float = 1e-200,
    oracles: Mapping[str, Callable[..., Any]] | None = None,
) -> list[float]:
    """d(output)/d(input) for each input, from the graph of `output` run again with complex numbers.

    It reads no local gradient and knows no chain rule; the data of leaves is what they hold now. Its rounding errors
    are those of the values on the way, with one exception: a derivative below 1e-308 / step underflows.

    Args:
        output: the result whose graph is read.
        inputs: leaves, or interior nodes: then it is their own number that varies. One that `output` is not made from
            has the derivative 0.
        step: the imaginary part; its square, over the smallest number on the way, must not count.
        oracles: for primitives of your own, by name: the value, from complex numbers, written with `cmath`,
            `{"swish": lambda x, beta: x / (1 + cmath.exp(-beta * x))}`.

    Raises TypeError for a primitive that has no complex function; ValueError where there is no derivative, at kinks and
    poles, and where a value is not a real number; ValueError for a step that is not positive.
    """
    if not 0.0 < step < math.inf:
        raise ValueError(f"step is a small positive number, got {step!r}; 1e-200 suits most graphs")
    functions = functions_for(output, COMPLEX, oracles, _missing)
    replay = Replay(output, functions, complex)
    for node, number in replay.numbers.items():
        if number.imag != 0.0:
            raise ValueError(f"{node!r} would leave the real line: {number}")
    if not math.isfinite(replay.value.real):
        raise ValueError(f"{output!r} is not finite, and has no derivative")

    def slope(x: Value) -> float:
        moved: complex = replay.value_where(x, replay.numbers.get(x, 0j) + complex(0.0, step))
        return moved.imag / step

    return [slope(x) for x in checked_inputs(inputs)]


def _missing(op: Primitive) -> str:
    if op.name in KNOWN:
        return (
            f"{op.name} has no complex function here; use mpmath_gradient, or give one of your own: "
            f"oracles={{{op.name!r}: lambda x: ...}}"
        )
    return (
        f"{op.name} is a primitive of your own, whose mathematics complex_step does not know: give it as "
        f"oracles={{{op.name!r}: lambda x: ...}}, written with cmath"
    )


# --- choices, by the real part ---


def _off_kinks(at_kink: bool, *operands: complex) -> None:
    """Raise ValueError if one of the operands moves away from a kink."""
    if at_kink and any(z.imag for z in operands):
        raise ValueError("a kink, a jump or a branch point is there, and no derivative")


def _positive(z: complex) -> bool:
    _off_kinks(z.real == 0.0, z)
    return z.real > 0.0


def _maximum(*zs: complex) -> complex:
    return reduce(lambda z, w: z if _positive(z - w) else w, zs)


def _minimum(*zs: complex) -> complex:
    return reduce(lambda z, w: w if _positive(z - w) else z, zs)


def _steps(level: Callable[..., float], is_jump: Callable[..., bool]) -> Callable[..., complex]:
    """The complex function of one that is level but for its jumps."""

    def stepped(*zs: complex) -> complex:
        reals = [z.real for z in zs]
        _off_kinks(is_jump(*reals), *zs)
        return complex(level(*reals))

    return stepped


def _branching(function: Callable[[complex], complex], *points: float) -> Callable[[complex], complex]:
    """The function, which has no derivative at these branch points: the step would grow to its root."""

    def guarded(z: complex) -> complex:
        _off_kinks(z.real in points, z)
        return function(z)

    return guarded


def _is_whole(x: float) -> bool:
    return x == floats.floor(x)


def _mod(x: complex, y: complex) -> complex:
    quotient = floats.floor_divide(x.real, y.real)
    _off_kinks(_is_whole(floats.divide(x.real, y.real)), x, y)
    return complex(floats.modulo(x.real, y.real), x.imag - y.imag * quotient)


# --- functions that keep the digits of a tiny imaginary part ---


def _pow(x: complex, y: complex) -> complex:
    whole = y.imag == 0.0 and y.real.is_integer()
    if x == 0.0 and y.real > 0.0:
        return 0j
    if x.real == 0.0 and not (whole and y.real >= 0.0):
        _off_kinks(True, x, y)
    if x.real < 0.0 and whole:  # the angle of -x is small, that of x is pi: its digits would be lost
        return (-x) ** y if y.real % 2.0 == 0.0 else -((-x) ** y)
    return complex(x**y)


def _expm1(z: complex) -> complex:
    real = math.expm1(z.real) * math.cos(z.imag) - 2.0 * math.sin(z.imag / 2.0) ** 2
    return complex(real, math.exp(z.real) * math.sin(z.imag))


def _log1p(z: complex) -> complex:
    return complex(math.log1p(z.real), math.atan2(z.imag, 1.0 + z.real))


def _cbrt(z: complex) -> complex:
    _off_kinks(z.real == 0.0, z)
    if z.real < 0.0:
        return -_cbrt(-z)
    return cmath.rect(math.cbrt(abs(z)), cmath.phase(z) / 3.0)


def _arctan2(y: complex, x: complex) -> complex:
    _off_kinks(y.real == 0.0 and x.real <= 0.0, y, x)
    if y.real == 0.0 and x.real == 0.0:
        return complex(math.atan2(y.real, x.real))
    if abs(x.real) >= abs(y.real):
        turn = math.copysign(math.pi, y.real) if x.real < 0.0 else 0.0
        return turn + cmath.atan(y / x)
    return math.copysign(math.pi / 2.0, y.real) - cmath.atan(x / y)


def _norm(*zs: complex) -> complex:
    """√(z₁² + ... + zₙ²), by parts of the largest, whose squares do not overflow."""
    largest = max(abs(z.real) for z in zs)
    _off_kinks(largest == 0.0, *zs)
    if largest == 0.0:
        return 0j
    return largest * cmath.sqrt(sum((z / largest) ** 2 for z in zs))


def _arcsin_slope(z: complex) -> complex:
    return 1.0 / cmath.sqrt(complex((1.0 - z.real) * (1.0 + z.real), -2.0 * z.real * z.imag))


def _cosine(x: complex, y: complex) -> complex:
    """x / √(x² + y²), by the smaller of x / y and y / x, whose square adds to 1 without cancellation."""
    _off_kinks(x.real == y.real == 0.0, x, y)
    if abs(x.real) < abs(y.real):
        return math.copysign(1.0, y.real) * (x / y) / cmath.sqrt(1.0 + (x / y) ** 2)
    return math.copysign(1.0, x.real) / cmath.sqrt(1.0 + (y / x) ** 2) if x.real else 0j


def _sigmoid(z: complex) -> complex:
    if z.real >= 0.0:
        return 1.0 / (1.0 + cmath.exp(-z))
    return cmath.exp(z) / (1.0 + cmath.exp(z))


def _softplus(z: complex) -> complex:
    if z.real >= 0.0:
        return z + _log1p(cmath.exp(-z))
    return _log1p(cmath.exp(z))


def _dot(*wx: complex) -> complex:
    half = len(wx) // 2
    return sum(map(mul, wx[:half], wx[half:]), 0j)


def _logsumexp(*zs: complex) -> complex:
    largest = max(z.real for z in zs)
    return largest + cmath.log(sum(cmath.exp(z - largest) for z in zs))


# erf, erfc and gelu are not here: cmath has no error function.
COMPLEX: dict[str, Callable[..., complex]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "pow": _pow,
    "mod": _mod,
    "floordiv": _steps(floats.floor_divide, lambda x, y: _is_whole(floats.divide(x, y))),
    "abs": lambda x: x if _positive(x) else -x,
    "sign": _steps(floats.sign, lambda x: x == 0.0),
    "floor": _steps(floats.floor, _is_whole),
    "ceil": _steps(floats.ceil, _is_whole),
    "round": _steps(floats.round, lambda x, digits: _is_whole(x * 10.0**digits - 0.5)),
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1.0 / x,
    "exp": cmath.exp,
    "exp2": lambda x: 2.0**x.real * cmath.exp(complex(0.0, x.imag * math.log(2.0))),
    "expm1": _expm1,
    "log": cmath.log,
    "log2": lambda x: cmath.log(x) / math.log(2.0),
    "log10": cmath.log10,
    "log1p": _log1p,
    "sqrt": _branching(cmath.sqrt, 0.0),
    "cbrt": _cbrt,
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "arcsin": _branching(cmath.asin, -1.0, 1.0),
    "arccos": _branching(cmath.acos, -1.0, 1.0),
    "arctan": cmath.atan,
    "arctan2": _arctan2,
    "sinh": cmath.sinh,
    "cosh": cmath.cosh,
    "tanh": cmath.tanh,
    "arcsinh": cmath.asinh,
    "arccosh": _branching(cmath.acosh, 1.0),
    "arctanh": cmath.atanh,
    "hypot": _norm,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "relu": lambda x: x if _positive(x) else 0j,
    "leaky_relu": lambda x, slope: x if _positive(x) else slope * x,
    "elu": lambda x, alpha: x if _positive(x) else alpha * _expm1(x),
    "silu": lambda x: x * _sigmoid(x),
    "maximum": _maximum,
    "minimum": _minimum,
    "clip": lambda x, low, high: _minimum(_maximum(x, low), high),
    "where": lambda condition, x, y: x if condition else y,
    "sum": lambda *xs: sum(xs, 0j),
    "mean": lambda *xs: sum(xs, 0j) / len(xs),
    "prod": lambda *xs: reduce(mul, xs),
    "dot": _dot,
    "norm": _norm,
    "logsumexp": _logsumexp,
    "softmax": lambda x, total: cmath.exp(x - total),
    "log_softmax": lambda x, total: x - total,
    "max": _maximum,
    "min": _minimum,
    "sech": lambda x: 1.0 / cmath.cosh(x),
    "arcsin_slope": _branching(_arcsin_slope, -1.0, 1.0),
    "cosine": _cosine,
}
