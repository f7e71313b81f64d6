"""Gradient checks for functions of your own: every derivative against differences of the one before it.

`check_grads` holds reverse mode against values alone, forward mode against reverse mode, and so on to any order:

    >>> from autodiff import exp
    >>> check_grads(lambda x, w: exp(-w["rate"] * x) * w["size"], (0.5, {"rate": 2.0, "size": 3.0}))

A tolerance that is guessed either lets mistakes through or fails right functions that are steep. Here it is measured:
the differences come with an estimate of their error, and the rounding of every value and derivative is bounded from the
graph that was recorded. Where those leave too few digits to tell, nothing is accepted: mpmath decides, or the check
fails and says so.
"""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple

from autodiff import floats
from autodiff.structures.structure import Structure, flatten, is_array
from autodiff.testing.differences import FlatFunction, data_of, differences, rounding_error
from autodiff.testing.verdicts import UNDERFLOW, Derivative, Outcome, Verdict, judged
from autodiff.transforms import jacobian, jvp
from autodiff.value import Value

# The rounding bound takes a unit in the last place for each node; elementary functions may take a few of them.
_ULPS = 4.0
_MOST_ROWS = 20

_Line = tuple[float, tuple[str, ...]]  # how bad it is, and the cells


class Undecided(AssertionError):  # noqa: N818  # an outcome of a test, as hypothesis's own
    """`check_grads` found no wrong derivative, but one of which it cannot tell."""


def check_grads(
    f: Callable[..., Any], args: tuple[Any, ...], *, order: int = 2, rtol: float = 1e-8, atol: float = 0.0
) -> None:
    """Check every derivative of f at a point, up to an order; raise AssertionError with a table of the wrong ones.

    For each number in the arguments and each that f gives, it compares

    - what f gives when it is called again, unrecorded, as differences call it;
    - reverse mode, with the rules read as they are for a derivative of higher order, against Richardson-extrapolated
      central differences, which know no rule;
    - reverse mode with the local gradients stored in the graph, and forward mode, against that;

    and of order 2 and up the same for the derivatives of the order before, which have just been checked. A rule that is
    right in value but cannot be differentiated again is found at order 2.

    Args:
        f: gives a number, or a structure of them: nested lists, tuples, dicts, numpy arrays. It is called on Values.
        args: the tuple of its arguments, numbers or structures of them. What is not to be differentiated, such as a
            number of iterations, f closes over: `lambda x: f(x, 10)`.
        order: the highest order of derivative.
        rtol, atol: what to tolerate beside the measured errors, relative to the derivative and absolute. The measured
            ones are enough for a derivative that is zero, or tiny; set atol only to accept that f is inexact.

    A derivative is right if it is within atol + rtol * |numerical| + 8 errors of the numerical one + the rounding of
    the analytic one, and wrong if it is not. It is undecided

    - if what could be off unseen, by these measures, is more than atol, and more than a thousandth of what the
      derivative could be: the largest of |numerical|, the steepness of f nearby, and a path of the chain rule where
      paths cancel;
    - if differences contradict it where they cannot resolve f: at 1e14 their steps are longer than a period of sin,
      and a kink or jump may lie within the last digits of the input.

    Where differences do not confirm it mpmath decides, if it is installed, knows the primitives of f, and gives for the
    recorded graph what f gives nearby. What stays undecided raises Undecided, an AssertionError of its own, unless
    another derivative is wrong. At a kink there is no derivative, whatever the convention: it is undecided there. A nan
    or an infinity is a failure.

    Cost: some 15 to 30 evaluations of f, or of its derivative of the order before, for each number in the arguments
    where f is smooth, about 100 elsewhere. Of order 2 there are outputs times inputs times inputs derivatives.

    In a test of hypothesis, which tries many points, those that cannot be decided are rejected, or an atol says below
    what a difference does not matter. Its deadline of 200 ms an example is measured by the clock: a check of many
    numbers, the first call that mpmath decides, or a busy machine exceeds it, and the test fails as DeadlineExceeded or
    Flaky, though no derivative is wrong. Switch it off:

    >>> from hypothesis import given, reject, settings
    >>> from autodiff.testing import Undecided, values
    >>> @settings(deadline=None)
    ... @given(values(-5.0, 5.0))
    ... def test_abs_has_right_derivatives(x):
    ...     try:
    ...         check_grads(abs, (x,))
    ...     except Undecided:  # the kink at 0
    ...         reject()
    >>> test_abs_has_right_derivatives()

    Raises AssertionError as told; TypeError and ValueError for arguments of the wrong kind.

    Source: Griewank and Walther, Evaluating Derivatives, 2008, section 3; of the differences, Ridders, 1982.

    >>> def half_wrong(x):
    ...     return x * x.data
    >>> check_grads(half_wrong, (3.0,))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: 1 of 1 derivatives of order 1 of half_wrong is wrong:
    input    output  analytic  numerical  error  verdict
    args[0]  out     3         6          ...  off by 3, 6e-08 tolerated
    To run this again:
    from autodiff.testing import check_grads
    half_wrong = ...  # half_wrong, of ...
    check_grads(half_wrong, (3.0,), order=2, rtol=1e-08, atol=0.0)
    """
    __tracebackhide__ = True  # of pytest: the failure is in the caller's test
    inputs, structure = _checked(f, args, order, rtol, atol)
    for k, rows in enumerate(verdicts(f, structure, data_of(inputs), order, rtol, atol), 1):
        failures = [row for row in rows if row.outcome is not Outcome.RIGHT]
        if failures:
            options = {"order": order, "rtol": rtol, "atol": atol}
            report = _report(f"derivatives of order {k} of {_name(f)}", failures, len(rows), _rerun(f, args, options))
            raise Undecided(report) if all(map(_is_undecided, failures)) else AssertionError(report)


def verdicts(
    f: Callable[..., Any], structure: Structure, point: list[float], order: int, rtol: float = 1e-8, atol: float = 0.0
) -> Iterator[list[Verdict]]:
    """Yield, order by order, the verdict on each derivative at a point, by outputs, then inputs."""
    level = _first_level(f, structure, point)
    for _ in range(order):
        above = _derivative(level, point)
        yield [judged(d, rtol, atol) for d in _compared(level, above, point)]
        level = above


def assert_gradients_close(actual: Any, expected: Any, *, rtol: float = 1e-7, atol: float = 0.0) -> None:
    """Check that two structures of numbers are the same but for rounding; raise AssertionError with a table if not.

    They have the same form: nested lists, tuples, dicts, numpy arrays. Each number is within atol + rtol * |expected|
    of the expected one; an expected nan or infinity has to be met by the same. A Value stands for its data.

    Raises TypeError for anything that is not a number, in a structure or as a tolerance; ValueError for a negative one.

    >>> assert_gradients_close({"w": [1.0, 2.0]}, {"w": [1.0, 2.0 + 1e-9]})
    >>> assert_gradients_close([1.0, 2.0, 5.0], [1.0, 2.0, 3.0])  # doctest: +NORMALIZE_WHITESPACE
    Traceback (most recent call last):
    AssertionError: 1 of 3 numbers is off:
    place  actual  expected  verdict
    [2]    5.0     3.0       off by 2, 3e-07 tolerated
    """
    __tracebackhide__ = True
    _check_tolerances(rtol, atol)
    found, of_found = flatten(actual, "actual")
    wanted, of_wanted = flatten(expected, "expected")
    if of_found != of_wanted:
        raise AssertionError(f"actual is {of_found}, but {of_wanted} was expected")
    lines: list[_Line] = []
    for place, a, e in zip(of_wanted.places(), data_of(found), data_of(wanted), strict=True):
        tolerance = atol + rtol * abs(e) if math.isfinite(e) else 0.0
        if not (abs(a - e) <= tolerance or a == e or (a != a and e != e)):
            lines.append(
                (abs(a - e), (place or "it", repr(a), repr(e), f"off by {a - e:.4g}, {tolerance:.4g} tolerated"))
            )
    if lines:
        header = ("place", "actual", "expected", "verdict")
        raise AssertionError(_table(f"{_count(len(lines), len(found), 'numbers')} off:", header, lines))


# --- what is checked ---


class _Level(NamedTuple):
    """f, or a derivative of it, as a function from a list of numbers to a list of numbers."""

    call: Callable[[Sequence[Any]], list[Any]]
    values: Callable[[Sequence[float]], list[float]]  # the same, of and in floats
    leaves: list[Value]
    outputs: list[Any]  # of the leaves: Values, and floats where nothing depends on them
    inputs: list[str]
    names: list[str]  # of the outputs


def _first_level(f: Callable[..., Any], structure: Structure, point: list[float]) -> _Level:
    """f itself, as a level."""
    flat = FlatFunction(f, structure)
    leaves = [Value(x) for x in point]
    outputs = flat.recorded(leaves)
    if not outputs:
        raise ValueError(
            "f's result holds no number: there is nothing to check; return a number or a structure of them"
        )
    for first, again in zip(data_of(outputs), flat.values(point), strict=True):
        if first != again and first == first:
            raise ValueError(
                f"f gave {first!r} and, called again at the same point, {again!r}: it has to be a function of its "
                "arguments alone; draw random numbers outside of it, and let it change nothing"
            )
    return _Level(flat, flat.values, leaves, outputs, structure.places("args"), flat.form.places("out"))


def _derivative(level: _Level, point: list[float]) -> _Level:
    """The Jacobian, row by row. On Values it records what its own derivative is taken of."""
    rows = jacobian(level.call)

    def call(numbers: Sequence[Any]) -> list[Any]:
        return [x for row in rows(list(numbers)) for x in row]

    leaves = [Value(x) for x in point]
    names = [f"d {y} / d {x}" for y, x in product(level.names, level.inputs)]
    return _Level(call, lambda numbers: data_of(call(numbers)), leaves, call(leaves), level.inputs, names)


def _compared(level: _Level, above: _Level, point: list[float]) -> Iterator[Derivative]:
    """Yield what there is to compare, for each output and input; `above` is the derivative of `level`."""
    numerical = differences(level.values, point, [rounding_error(y) for y in level.outputs])
    forward = [_along(level, point, j) for j in range(len(point))]
    analytic, stored = data_of(above.outputs), above.values(point)
    for k, (i, j) in enumerate(product(range(len(level.outputs)), range(len(point)))):
        yield Derivative(
            level.inputs[j],
            level.names[i],
            level.leaves[j],
            level.outputs[i],
            analytic[k],
            stored[k],
            forward[j][i],
            numerical[j][i],
            _ULPS * rounding_error(above.outputs[k]) + UNDERFLOW,
            partial(_moved, level, point, i, j),
        )


def _moved(level: _Level, point: list[float], i: int, j: int, x: float) -> float:
    """Output i where input j is x."""
    return level.values([*point[:j], x, *point[j + 1 :]])[i]


def _along(level: _Level, point: list[float], j: int) -> list[float]:
    """The derivatives in one input, by forward mode."""
    tangent = [float(i == j) for i in range(len(point))]
    return data_of(jvp(level.call, (point,), (tangent,))[1])


# --- what users hand in ---


def _checked(f: Any, args: Any, order: Any, rtol: Any, atol: Any) -> tuple[list[Any], Structure]:
    """The numbers in the arguments and their structure; raise what `check_grads` says."""
    if not callable(f):
        raise TypeError(f"check_grads expected a function, got {type(f).__name__}; hand over f itself, not f(x)")
    if not isinstance(args, tuple):
        raise TypeError(f"args is the tuple of f's arguments, got {type(args).__name__}; write (x,) for one")
    if isinstance(order, bool) or not isinstance(order, int):
        raise TypeError(f"order is a whole number, got {type(order).__name__} {order!r}")
    if order < 1:
        raise ValueError(f"order is the highest order of derivative to check, at least 1, got {order}")
    _check_tolerances(rtol, atol)
    inputs, structure = flatten(args, "args")
    if not inputs:
        raise ValueError("args holds no number: there is nothing to differentiate")
    for x, place in zip(data_of(inputs), structure.places("args"), strict=True):
        if not math.isfinite(x):
            raise ValueError(f"{place} is {x}: there are no differences around it; check f at finite numbers")
    return inputs, structure


def _check_tolerances(rtol: Any, atol: Any) -> None:
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        try:
            number = floats.as_float(tolerance)
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None
        if not 0.0 <= number < math.inf:
            raise ValueError(f"{name} is a tolerance, at least 0 and finite, got {tolerance!r}")


# --- what they read ---

_UNDECIDED = """
Undecided: near this point f's own rounding, or a kink, leaves too few digits to compare. Write f so that less of it
cancels, move or rescale the point, or set atol to what does not matter; mpmath, where it is installed, decides for the
primitives of autodiff."""


def _is_undecided(row: Verdict) -> bool:
    return row.outcome is Outcome.UNDECIDED


def _report(what: str, failures: list[Verdict], count: int, rerun: str) -> str:
    undecided = sum(map(_is_undecided, failures))
    wrong = len(failures) - undecided
    header = ("input", "output", "analytic", "numerical", "error", "verdict")
    lines: list[_Line] = [(row.severity, (*_cells(row.derivative), row.remark)) for row in failures]
    if wrong:
        title = f"{_count(wrong, count, what)} wrong" + (f", {undecided} undecided:" if undecided else ":")
    else:
        title = f"{_count(undecided, count, what)} not shown to be right:"
    return _table(title, header, lines) + _UNDECIDED * bool(undecided) + f"\nTo run this again:\n{rerun}"


def _cells(d: Derivative) -> tuple[str, ...]:
    return d.input, d.output, f"{d.analytic:.15g}", f"{d.numerical.slope:.15g}", f"{d.numerical.error:.1g}"


def _count(some: int, all_of_them: int, what: str) -> str:
    return f"{some} of {all_of_them} {what} {'is' if some == 1 else 'are'}"


def _table(title: str, header: tuple[str, ...], lines: list[_Line]) -> str:
    """The title and the worst lines in columns."""
    worst = [cells for _, cells in sorted(lines, key=lambda line: -line[0] if line[0] == line[0] else -math.inf)]
    shown = [header, *worst[:_MOST_ROWS]]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in shown]
    more = [f"... and {len(worst) - _MOST_ROWS} more"] if len(worst) > _MOST_ROWS else []
    return "\n".join([title, *rows, *more])


def _name(f: Callable[..., Any]) -> str:
    name: str = getattr(f, "__qualname__", getattr(f, "__name__", type(f).__name__))
    return name.rpartition("<locals>.")[2]


def _rerun(f: Callable[..., Any], args: tuple[Any, ...], options: dict[str, float]) -> str:
    """Python that calls check_grads again, with f imported or a comment that says where it is."""
    module, code = getattr(f, "__module__", ""), getattr(f, "__code__", None)
    name = _name(f) if _name(f).isidentifier() else "f"
    where = f"{code.co_filename}:{code.co_firstlineno}" if code else f"module {module or 'unknown'}"
    known = module != "__main__" and getattr(sys.modules.get(module), name, None) is f
    first = f"from {module} import {name}" if known else f"{name} = ...  # {_name(f)}, of {where}"
    literal = _literal(args)
    lines = ["import numpy as np"] * ("np.array" in literal) + ["from autodiff.testing import check_grads", first]
    given = ", ".join(f"{key}={value!r}" for key, value in options.items())
    return "\n".join([*lines, f"check_grads({name}, {literal}, {given})"])


def _literal(x: Any) -> str:
    """Python for a structure of numbers."""
    if is_array(x):
        return f"np.array({_literal(x.tolist())})"
    if isinstance(x, dict):
        return "{" + ", ".join(f"{key!r}: {_literal(number)}" for key, number in x.items()) + "}"
    if isinstance(x, (list, tuple)):
        items = ", ".join(map(_literal, x))
        if isinstance(x, list):
            return f"[{items}]"
        return f"({items},)" if len(x) == 1 else f"({items})"
    return repr(x.data if isinstance(x, Value) else floats.as_float(x))
