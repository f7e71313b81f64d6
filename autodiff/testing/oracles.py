"""Independent answers from mpmath: the value and the gradient of a recorded graph, right to any number of digits.

Nothing here reads a local gradient: the graph is computed anew by the mathematics of each primitive, and derivatives
are differences of such values.

    >>> from autodiff import Value, exp
    >>> from autodiff.testing import error_in_ulps
    >>> x = Value(0.5)
    >>> y = exp(x) * x
    >>> y.backward()
    >>> error_in_ulps(x.grad, mpmath_gradient(y, [x])[0]) < 1.0
    True
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import mpmath
from mpmath import mp

from autodiff import floats
from autodiff.graph import topological_order
from autodiff.primitives import Primitive
from autodiff.testing.mathematics import formulas
from autodiff.testing.replay import Replay, checked_inputs, functions_for
from autodiff.value import Value

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

    Raises TypeError for a primitive that has no oracle; ValueError where a value is not a real number; ArithmeticError
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

    Raises TypeError for a primitive that has no oracle; ValueError where a value is not a real number, and at kinks,
    jumps and poles, where there is no derivative.

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
