"""Independent answers from mpmath: the value and the gradient of a recorded graph, right to any number of digits.

Nothing here reads a local gradient. An oracle is the mathematics of a primitive, written naively with numbers of so
many digits that cancellation and overflow do not matter; derivatives are differences of such values.

    >>> from autodiff import Value, exp
    >>> x = Value(0.5)
    >>> y = exp(x) * x
    >>> y.backward()
    >>> error_in_ulps(x.grad, mpmath_gradient(y, [x])[0]) < 1.0
    True

`value` and `derivative` do the same for one primitive, at floats.

    >>> float(derivative("sin", [0.0], 0)), float(derivative("mul", [2.0, 3.0], 0, 1))
    (1.0, 1.0)
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import mpmath
from mpmath import MPContext, mp

from autodiff import floats
from autodiff.graph import topological_order
from autodiff.primitives import KNOWN, Primitive
from autodiff.testing.replay import Replay, checked_inputs, functions_for
from autodiff.value import Value

# --- the mathematics of each primitive ---


def formulas(exact: Any) -> dict[str, Callable[..., Any]]:
    """Each primitive of the table, by name, as a function of numbers of that mpmath context.

    >>> str(formulas(mpmath.mp)["log2"](mpmath.mpf(8)))
    '3.0'
    """

    def dot(*wx: Any) -> Any:
        half = len(wx) // 2
        return exact.fdot(wx[:half], wx[half:])

    return {
        "add": lambda x, y: x + y,
        "sub": lambda x, y: x - y,
        "mul": lambda x, y: x * y,
        "div": lambda x, y: x / y,
        "neg": lambda x: -x,
        "pow": lambda x, y: x**y,
        "mod": lambda x, y: x - y * exact.floor(x / y),
        "floordiv": lambda x, y: exact.floor(x / y),
        "abs": lambda x: abs(x),
        "sign": lambda x: exact.sign(x),
        "floor": lambda x: exact.floor(x),
        "ceil": lambda x: exact.ceil(x),
        "round": lambda x, digits: exact.nint(x * 10**digits) / 10**digits,
        "square": lambda x: x**2,
        "reciprocal": lambda x: 1 / x,
        "exp": lambda x: exact.exp(x),
        "exp2": lambda x: exact.mpf(2) ** x,
        "expm1": lambda x: exact.expm1(x),
        "log": lambda x: exact.log(x),
        "log2": lambda x: exact.log(x) / exact.ln2,
        "log10": lambda x: exact.log(x) / exact.ln10,
        "log1p": lambda x: exact.log1p(x),
        "sqrt": lambda x: exact.sqrt(x),
        "cbrt": lambda x: exact.sign(x) * exact.cbrt(abs(x)),
        "sin": lambda x: exact.sin(x),
        "cos": lambda x: exact.cos(x),
        "tan": lambda x: exact.tan(x),
        "arcsin": lambda x: exact.asin(x),
        "arccos": lambda x: exact.acos(x),
        "arctan": lambda x: exact.atan(x),
        "arctan2": lambda y, x: exact.atan2(y, x),
        "sinh": lambda x: exact.sinh(x),
        "cosh": lambda x: exact.cosh(x),
        "tanh": lambda x: exact.tanh(x),
        "arcsinh": lambda x: exact.asinh(x),
        "arccosh": lambda x: exact.acosh(x),
        "arctanh": lambda x: exact.atanh(x),
        "hypot": lambda x, y: exact.sqrt(x**2 + y**2),
        "erf": lambda x: exact.erf(x),
        "erfc": lambda x: exact.erfc(x),
        "sigmoid": lambda x: 1 / (1 + exact.exp(-x)),
        "softplus": lambda x: exact.log1p(exact.exp(x)),
        "relu": lambda x: x if x > 0 else exact.zero,
        "leaky_relu": lambda x, slope: x if x > 0 else slope * x,
        "elu": lambda x, alpha: x if x > 0 else alpha * exact.expm1(x),
        "silu": lambda x: x / (1 + exact.exp(-x)),
        "gelu": lambda x: x * exact.erfc(-x / exact.sqrt(2)) / 2,
        "maximum": lambda x, y: max(x, y),
        "minimum": lambda x, y: min(x, y),
        "clip": lambda x, low, high: min(max(x, low), high),
        "where": lambda condition, x, y: x if condition else y,
        "sum": lambda *xs: exact.fsum(xs),
        "mean": lambda *xs: exact.fsum(xs) / len(xs),
        "prod": lambda *xs: exact.fprod(xs),
        "dot": dot,
        "norm": lambda *xs: exact.sqrt(exact.fsum(x**2 for x in xs)),
        "logsumexp": lambda *xs: exact.log(exact.fsum(exact.exp(x) for x in xs)),
        "softmax": lambda x, total: exact.exp(x - total),
        "log_softmax": lambda x, total: x - total,
        "max": lambda *xs: max(xs),
        "min": lambda *xs: min(xs),
        "sech": lambda x: exact.sech(x),
        "arcsin_slope": lambda x: 1 / exact.sqrt(1 - x**2),
        "cosine": lambda x, y: x / exact.sqrt(x**2 + y**2),
    }


# --- one primitive, at floats ---

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
    if i in KNOWN[name].choosing:
        return exact.zero

    def moved(step: Any) -> Any:
        return derivative(name, [*operands[:i], operands[i] + step, *operands[i + 1 :]], *others)

    return (moved(STEP) - moved(-STEP)) / (2 * STEP)


def error_in_ulps(got: float, true: Any, largest_term: Any = 0) -> float:
    """|got - true| in units in the last place of the true number, or of the largest term that made it.

    The unit of what underflows is that of the subnormal numbers; what overflows shall be infinite.

    >>> error_in_ulps(0.1 + 0.2, 0.3), error_in_ulps(1e308 * 10, mpmath.mpf(10) ** 309)
    (1.0, 0.0)
    """
    true, largest_term = exact.mpf(true), exact.mpf(largest_term)
    if abs(true) > exact.mpf(math.nextafter(math.inf, 0)):
        return 0.0 if got == math.copysign(math.inf, true) else math.inf
    if not math.isfinite(got):
        return math.inf
    return float(abs(exact.mpf(got) - true) / math.ulp(float(max(abs(true), abs(largest_term)))))


# --- a whole graph ---

# The digits of a number of ordinary size that a sum with the smallest float still reaches.
_BELOW = 330
_STEPS = {"floor", "ceil", "round", "floordiv", "mod"}
# Values beyond 10 ** +-_LARGE add no more digits: only the comparison of two precisions says whether they were enough.
_LARGE = 4000


def mpmath_value(output: Value, digits: int = 50, oracles: Mapping[str, Callable[..., Any]] | None = None) -> Any:
    """The value of `output` as an mpf that is right to so many digits.

    The graph that made `output` is computed anew, from the data that its leaves hold now and its constants, taken as
    exact; with more digits until more change nothing. What is smaller than 1e-320 is right to as many digits of 1e-320.

    Args:
        output: the result whose graph is read.
        digits: how many significant digits are right.
        oracles: for primitives of your own, by name: the value, from mpmath numbers, written with the functions of
            mpmath, `{"swish": lambda x, beta: x / (1 + mpmath.exp(-beta * x))}`.

    Raises TypeError for a primitive that has no oracle; ValueError where a value is no real number; ArithmeticError
    where no number of digits tried is enough.

    >>> from autodiff import Value, log1p
    >>> x = Value(1e-9)
    >>> mpmath.nstr(mpmath_value(log1p(x) - x), 17)
    '-4.9999999966666673e-19'
    """
    functions = _functions(output, oracles)
    before: Any = None
    for precision in _precisions(digits + _BELOW):
        with mp.workdps(precision):
            found = _real(_replay(output, functions, precision).value)
            if before is not None and _agree(before, found, digits):
                return _rounded(found, digits)
            before = found
    raise ArithmeticError(f"the value of {output!r} changes with every digit more: its terms cancel beyond measure")


def mpmath_value_where(output: Value, x: Value, number: float, digits: int = 20) -> Any:
    """The value of `output` if `x` were `number`, as an mpf: the recorded graph, replayed.

    Raises what `mpmath_value` raises.

    >>> from autodiff import Value
    >>> x = Value(3.0)
    >>> mpmath_value_where(x * x, x, 4.0)
    mpf('16.0')
    """
    functions = _functions(output, None)
    with mp.workdps(digits + _BELOW):
        replay = _replay(output, functions, digits + _BELOW)
        return _real(replay.value_where(x, mp.mpf(number)))


def mpmath_gradient(
    output: Value,
    inputs: Sequence[Value],
    digits: int = 50,
    oracles: Mapping[str, Callable[..., Any]] | None = None,
) -> list[Any]:
    """d(output)/d(input) for each input, mpfs that are right to so many digits.

    Each is a central difference of values of the whole graph, computed as `mpmath_value` does: it reads no local
    gradient and knows no chain rule. The step shrinks, and the number of digits rises, until they change nothing more.
    What is smaller than 1e-320 is right to as many digits of 1e-320.

    Args:
        output: the result whose graph is read.
        inputs: leaves, or interior nodes: then it is their own number that varies. One that `output` is not made from
            has the derivative 0.
        digits: how many significant digits are right.
        oracles: for primitives of your own, as in `mpmath_value`.

    Raises TypeError for a primitive that has no oracle; ValueError where a value is no real number, and at kinks, jumps
    and poles, where there is no derivative.

    Cost: four or more values of what is made from an input, with some 500 digits, for each input.

    >>> from autodiff import Value, sin
    >>> x = Value(2.0)
    >>> [mpmath.nstr(slope, 30) for slope in mpmath_gradient(sin(x) * x, [x])]
    ['0.0770037537313969214008834069102']
    """
    functions = _functions(output, oracles)
    return [_slope(output, x, digits, functions) for x in checked_inputs(inputs)]


def _slope(output: Value, x: Value, digits: int, functions: Mapping[str, Callable[..., Any]]) -> Any:
    """d(output)/d(x) by differences of shrinking steps; the error is about the square of the step."""
    before: Any = None
    gap_before: Any = None
    beyond = digits + _BELOW + _places_before(x, output, functions)
    least = digits // 2 + _digits_of_steps(output)
    for places in (least + k for k in (10, 20, 80, 200, 400, 800)):
        with mp.workdps(beyond + 2 * places):
            replay = _replay(output, functions, beyond + 2 * places)
            if x not in replay.numbers:
                return mp.zero
            here, middle = replay.numbers[x], _real(replay.value)
            step = mp.mpf(10) ** -places * (min(abs(here), mp.one) or mp.one)
            right = (replay.value_where(x, here + step) - middle) / step
            left = (middle - replay.value_where(x, here - step)) / step
            found, gap = (right + left) / 2, abs(right - left)
            if isinstance(found, mp.mpc):
                continue  # so large a step leaves the domain
            if not mp.isfinite(found):
                break
            if before is not None and _agree(before, found, digits):
                if gap > gap_before / 10 and gap > mp.mpf(10) ** -digits * max(abs(found), _tiny()):
                    break  # the slopes of the two sides do not meet
                return _rounded(found, digits)
            before, gap_before = found, gap
    raise ValueError(
        f"{output!r} has no derivative in {x!r} that differences of mpmath find: a kink, a jump or a pole lies there, "
        "or it is not finite; move the point away from it"
    )


def _places_before(x: Value, output: Value, functions: Mapping[str, Callable[..., Any]]) -> int:
    """How many zeros follow the point of x: a step is a part of x, so differences lie as many places lower.

    With fewer digits cos(1e-200) and its neighbours would be 1 alike, and its slope 0.
    """
    with mp.workdps(_BELOW):
        here = _replay(output, functions, _BELOW).numbers.get(x, mp.one)
    return min(max(0, -int(mp.mag(here)) * 3 // 10), _LARGE) if mp.isfinite(here) and here else 0


def _digits_of_steps(output: Value) -> int:
    """How many digits stand before the point of the largest number of steps, of floor and its kin, in the graph.

    A difference over more than one of the steps at 1e300 would see the slope of a line.
    """
    found = 0
    for node in topological_order(output):
        if node.op.name in _STEPS:
            x, y = (floats.as_float(getattr(x, "data", x)) for x in (*node.operands, 1.0)[:2])
            size = math.log10(abs(x) or 1.0)
            size += y if node.op.name == "round" else -math.log10(abs(y) or 1.0)
            found = max(found, int(min(size, _LARGE)))
    return found


def _functions(output: Value, oracles: Mapping[str, Callable[..., Any]] | None) -> dict[str, Callable[..., Any]]:
    def missing(op: Primitive) -> str:
        return (
            f"{op.name} is a primitive of your own, whose mathematics mpmath does not know: give it as "
            f"oracles={{{op.name!r}: lambda x: ...}}, written with the functions of mpmath"
        )

    return functions_for(output, formulas(mp), oracles, missing)


def _replay(output: Value, functions: Mapping[str, Callable[..., Any]], precision: int) -> Replay:
    """The replay with as many digits, and those before the point of the largest number on the way besides."""
    replay = Replay(output, functions, mp.mpf)
    sizes = [mp.mag(x) for x in replay.numbers.values() if mp.isfinite(x) and x]
    extra = min(max([0, *sizes]) * 3 // 10, _LARGE)
    if extra <= 1:
        return replay
    mp.dps = precision + int(extra)  # until the end of the caller's `workdps`
    return Replay(output, functions, mp.mpf)


def _precisions(first: int) -> Iterator[int]:
    return (first * 2**k for k in range(5))


def _real(x: Any) -> Any:
    if isinstance(x, mp.mpc):
        raise ValueError(f"the graph leaves the real line: it gives {mpmath.nstr(x, 5)}")
    return x


def _tiny() -> Any:
    return mp.mpf(10) ** -320


def _agree(before: Any, after: Any, digits: int) -> bool:
    if not mp.isfinite(after):
        return bool(before == after or (mp.isnan(before) and mp.isnan(after)))
    return bool(abs(before - after) <= _uncertainty(after, digits))


def _uncertainty(x: Any, digits: int) -> Any:
    return mp.mpf(10) ** -(digits + 1) * max(abs(x), _tiny())


def _rounded(x: Any, digits: int) -> Any:
    """x with so many digits; 0 where it is not known from 0."""
    with mp.workdps(digits):
        return mp.zero if mp.isfinite(x) and abs(x) <= _uncertainty(x, digits) else +x
