"""The mathematics of each primitive: the oracle that a new one needs, a line of its own.

A line is the definition, written naively with the functions of an mpmath context `mp`, whose numbers have so many
digits that cancellation and overflow do not matter. It stands apart from the table of primitives on purpose: neither
can copy a mistake of the other.

>>> float(derivative("sin", [0.0], 0)), float(derivative("mul", [2.0, 3.0], 0, 1))
(1.0, 1.0)
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from mpmath import MPContext

from autodiff.primitives import KNOWN

MATHEMATICS: Mapping[str, Callable[..., Any]] = {
    "add": lambda mp, x, y: x + y,
    "sub": lambda mp, x, y: x - y,
    "mul": lambda mp, x, y: x * y,
    "div": lambda mp, x, y: x / y,
    "neg": lambda mp, x: -x,
    "pow": lambda mp, x, y: x**y,
    "mod": lambda mp, x, y: x - y * mp.floor(x / y),
    "floordiv": lambda mp, x, y: mp.floor(x / y),
    "abs": lambda mp, x: abs(x),
    "sign": lambda mp, x: mp.sign(x),
    "floor": lambda mp, x: mp.floor(x),
    "ceil": lambda mp, x: mp.ceil(x),
    "round": lambda mp, x, digits: mp.nint(x * 10**digits) / 10**digits,
    "square": lambda mp, x: x**2,
    "reciprocal": lambda mp, x: 1 / x,
    "exp": lambda mp, x: mp.exp(x),
    "exp2": lambda mp, x: mp.mpf(2) ** x,
    "expm1": lambda mp, x: mp.expm1(x),
    "log": lambda mp, x: mp.log(x),
    "log2": lambda mp, x: mp.log(x) / mp.ln2,
    "log10": lambda mp, x: mp.log(x) / mp.ln10,
    "log1p": lambda mp, x: mp.log1p(x),
    "sqrt": lambda mp, x: mp.sqrt(x),
    "cbrt": lambda mp, x: mp.sign(x) * mp.cbrt(abs(x)),
    "sin": lambda mp, x: mp.sin(x),
    "cos": lambda mp, x: mp.cos(x),
    "tan": lambda mp, x: mp.tan(x),
    "arcsin": lambda mp, x: mp.asin(x),
    "arccos": lambda mp, x: mp.acos(x),
    "arctan": lambda mp, x: mp.atan(x),
    "arctan2": lambda mp, y, x: mp.atan2(y, x),
    "sinh": lambda mp, x: mp.sinh(x),
    "cosh": lambda mp, x: mp.cosh(x),
    "tanh": lambda mp, x: mp.tanh(x),
    "arcsinh": lambda mp, x: mp.asinh(x),
    "arccosh": lambda mp, x: mp.acosh(x),
    "arctanh": lambda mp, x: mp.atanh(x),
    "hypot": lambda mp, x, y: mp.sqrt(x**2 + y**2),
    "erf": lambda mp, x: mp.erf(x),
    "erfc": lambda mp, x: mp.erfc(x),
    "sigmoid": lambda mp, x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda mp, x: mp.log1p(mp.exp(x)),
    "relu": lambda mp, x: x if x > 0 else mp.zero,
    "leaky_relu": lambda mp, x, slope: x if x > 0 else slope * x,
    "elu": lambda mp, x, alpha: x if x > 0 else alpha * mp.expm1(x),
    "silu": lambda mp, x: x / (1 + mp.exp(-x)),
    "gelu": lambda mp, x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
    "maximum": lambda mp, x, y: max(x, y),
    "minimum": lambda mp, x, y: min(x, y),
    "clip": lambda mp, x, low, high: min(max(x, low), high),
    "where": lambda mp, condition, x, y: x if condition else y,
    "sum": lambda mp, *xs: mp.fsum(xs),
    "mean": lambda mp, *xs: mp.fsum(xs) / len(xs),
    "prod": lambda mp, *xs: mp.fprod(xs),
    "dot": lambda mp, *wx: mp.fdot(wx[: len(wx) // 2], wx[len(wx) // 2 :]),
    "norm": lambda mp, *xs: mp.sqrt(mp.fsum(x**2 for x in xs)),
    "logsumexp": lambda mp, *xs: mp.log(mp.fsum(mp.exp(x) for x in xs)),
    "softmax": lambda mp, x, total: mp.exp(x - total),
    "log_softmax": lambda mp, x, total: x - total,
    "max": lambda mp, *xs: max(xs),
    "min": lambda mp, *xs: min(xs),
    "sech": lambda mp, x: mp.sech(x),
    "arcsin_slope": lambda mp, x: 1 / mp.sqrt(1 - x**2),
    "cosine": lambda mp, x, y: x / mp.sqrt(x**2 + y**2),
}


def formulas(context: Any) -> dict[str, Callable[..., Any]]:
    """Each primitive of the table, by name, as a function of numbers of that mpmath context.

    >>> import mpmath
    >>> str(formulas(mpmath.mp)["log2"](mpmath.mpf(8)))
    '3.0'
    """
    return {name: partial(formula, context) for name, formula in MATHEMATICS.items()}


# A difference over STEP keeps 50 digits of a derivative 300 orders of magnitude below the value, such as tanh'(350);
# a second one, over two STEPs, needs 45 more.
exact = MPContext()
exact.dps = 450
STEP = exact.mpf(10) ** -45
ORACLES = formulas(exact)


def value(name: str, operands: Sequence[float]) -> Any:
    """The true value of the primitive at floats, taken as exact."""
    return ORACLES[name](*map(exact.mpf, operands))


def derivative(name: str, operands: Sequence[Any], *indices: int) -> Any:
    """The true partial derivative, once in each operand that `indices` name, by central differences."""
    operands = [exact.mpf(x) for x in operands]
    if not indices:
        return ORACLES[name](*operands)
    i, *others = indices
    if i in KNOWN[name].facts.choosing:
        return exact.zero

    def moved(step: Any) -> Any:
        return derivative(name, [*operands[:i], operands[i] + step, *operands[i + 1 :]], *others)

    return (moved(STEP) - moved(-STEP)) / (2 * STEP)


def error_in_ulps(got: float, true: Any, largest_term: Any = 0) -> float:
    """|got - true| in units in the last place of the true number, or of the largest term that made it.

    The unit of what underflows is that of the subnormal numbers; what overflows shall be infinite.

    >>> import mpmath
    >>> error_in_ulps(0.1 + 0.2, 0.3), error_in_ulps(1e308 * 10, mpmath.mpf(10) ** 309)
    (1.0, 0.0)
    """
    true, largest_term = exact.mpf(true), exact.mpf(largest_term)
    if abs(true) > exact.mpf(math.nextafter(math.inf, 0)):
        return 0.0 if got == math.copysign(math.inf, true) else math.inf
    if not math.isfinite(got):
        return math.inf
    return float(abs(exact.mpf(got) - true) / math.ulp(float(max(abs(true), abs(largest_term)))))
