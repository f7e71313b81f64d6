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
from itertools import product
from typing import Any, NamedTuple

from autodiff import floats
from autodiff.graph import leaves, topological_order
from autodiff.structures import Structure, flatten, is_array
from autodiff.testing.differences import Estimate, FlatFunction, adjoints, data_of, differences, rounding_error
from autodiff.transforms import jacobian, jvp
from autodiff.value import Value

# The error of differences is an estimate. In thousands of trials the true one was at most half of it, but a primitive
# of the user's own may hide its rounding.
_MARGIN = 8.0
# The rounding bound takes a unit in the last place for each node; elementary functions may take a few of them.
_ULPS = 4.0
# Decided means that a derivative wrong by so much of the largest it could be would have been seen.
_RESOLUTION = 1e-3
# What underflows loses digits that no bound relative to a result accounts for.
_UNDERFLOW = 1e-300
_MOST_ROWS = 20

_Line = tuple[float, tuple[str, ...]]  # how bad it is, and the cells


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
    the analytic one. It is undecided if that sum, but for atol, is more than a thousandth of what the derivative could
    be: the largest of |numerical|, the steepness of f nearby, and a path of the chain rule where paths cancel. Then
    mpmath decides, where it is installed and knows the primitives of f; else it is a failure, as is nan or an infinity.
    At a kink there is no derivative, whatever the convention: it is undecided there.

    Cost: some 15 to 30 evaluations of f, or of its derivative of the order before, for each number in the arguments
    where f is smooth, about 100 elsewhere. Of order 2 there are outputs times inputs times inputs derivatives.

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
    inputs, structure = _checked(f, args, order, rtol, atol)
    point = data_of(inputs)
    level = _first_level(f, structure, point)
    for k in range(1, order + 1):
        above = _derivative(level, point)
        rows = [_judged(d, rtol, atol) for d in _compared(level, above, point)]
        if any(row.verdict for row in rows):
            options = {"order": order, "rtol": rtol, "atol": atol}
            raise AssertionError(_report(f"derivatives of order {k} of {_name(f)}", rows, _rerun(f, args, options)))
        level = above


def assert_gradients_close(actual: Any, expected: Any, *, rtol: float = 1e-7, atol: float = 0.0) -> None:
    """Check that two structures of numbers are the same but for rounding; raise AssertionError with a table if not.

    They have the same form: nested lists, tuples, dicts, numpy arrays. Each number is within atol + rtol * |expected|
    of the expected one; an expected nan or infinity has to be met by the same. A Value stands for its data.

    Raises TypeError for what is no number, or a tolerance that is none; ValueError for a negative one.

    >>> assert_gradients_close({"w": [1.0, 2.0]}, {"w": [1.0, 2.0 + 1e-9]})
    >>> assert_gradients_close([1.0, 2.0, 5.0], [1.0, 2.0, 3.0])  # doctest: +NORMALIZE_WHITESPACE
    Traceback (most recent call last):
    AssertionError: 1 of 3 numbers is off:
    place  actual  expected  verdict
    [2]    5.0     3.0       off by 2, 3e-07 tolerated
    """
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
    """Return f itself."""
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
    """Return the Jacobian, row by row. On Values it records what its own derivative is taken of."""
    rows = jacobian(level.call)

    def call(numbers: Sequence[Any]) -> list[Any]:
        return [x for row in rows(list(numbers)) for x in row]

    leaves = [Value(x) for x in point]
    names = [f"d {y} / d {x}" for y, x in product(level.names, level.inputs)]
    return _Level(call, lambda numbers: data_of(call(numbers)), leaves, call(leaves), level.inputs, names)


class _Derivative(NamedTuple):
    """Everything that is known of the derivative of one output in one input."""

    input: str
    output: str
    leaf: Value
    node: Any
    analytic: float  # reverse mode, the rules read with Values
    stored: float  # reverse mode, the floats in the graph
    forward: float
    numerical: Estimate
    rounding: float  # of the analytic one


def _compared(level: _Level, above: _Level, point: list[float]) -> Iterator[_Derivative]:
    """Yield what there is to compare, for each output and input; `above` is the derivative of `level`."""
    numerical = differences(level.values, point, [rounding_error(y) for y in level.outputs])
    forward = [_along(level, point, j) for j in range(len(point))]
    analytic, stored = data_of(above.outputs), above.values(point)
    for k, (i, j) in enumerate(product(range(len(level.outputs)), range(len(point)))):
        yield _Derivative(
            level.inputs[j],
            level.names[i],
            level.leaves[j],
            level.outputs[i],
            analytic[k],
            stored[k],
            forward[j][i],
            numerical[j][i],
            _ULPS * rounding_error(above.outputs[k]) + _UNDERFLOW,
        )


def _along(level: _Level, point: list[float], j: int) -> list[float]:
    """Return the derivatives in one input, by forward mode."""
    tangent = [float(i == j) for i in range(len(point))]
    return data_of(jvp(level.call, (point,), (tangent,))[1])


# --- how it is judged ---


class _Row(NamedTuple):
    """One derivative in the table; the verdict is empty if it is right."""

    derivative: _Derivative
    verdict: str
    severity: float = math.inf  # the worst stand first


def _judged(d: _Derivative, rtol: float, atol: float) -> _Row:
    slope, error, _ = d.numerical
    if not math.isfinite(data_of([d.node])[0]):
        return _Row(d, "its output is not finite there")
    if not math.isfinite(d.analytic):
        return _Row(d, f"{d.analytic!r} is no derivative")
    measured = rtol * abs(slope) + _MARGIN * error + d.rounding
    off = abs(d.analytic - slope)
    if off > atol + measured:
        return _Row(d, f"off by {off:.4g}, {atol + measured:.4g} tolerated", off / (atol + measured))
    for name, other in (("the local gradients stored in the graph give", d.stored), ("forward mode gives", d.forward)):
        if not abs(d.analytic - other) <= atol + d.rounding:
            return _Row(d, f"{name} {other!r}")
    if _is_decided(d, measured):
        return _Row(d, "")
    return _decided_by_mpmath(d, atol) or _Row(d, f"undecided: off by {measured:.2g} would go unseen", 0.0)


def _is_decided(d: _Derivative, measured: float) -> bool:
    """Return whether a mistake would have been seen: whether it could be larger than what is tolerated."""
    enough = measured / _RESOLUTION
    slope, _, steepness = d.numerical
    if enough <= max(abs(slope), steepness, 2.0 * _UNDERFLOW / _RESOLUTION):
        return True
    if enough <= _largest_path(d.node, d.leaf):
        return True
    if d.analytic != 0.0:
        return False
    if slope == 0.0 and not _depends(d.node, d.leaf):  # neither the graph nor the values know of this input
        return True
    # Nothing of the input arrives, as through floor(x): its value tells the scale.
    return enough * (abs(d.leaf.data) or 1.0) <= abs(data_of([d.node])[0])


def _depends(root: Any, leaf: Value) -> bool:
    return isinstance(root, Value) and any(x is leaf for x in leaves(root))


def _largest_path(root: Any, leaf: Value) -> float:
    """Return the largest |d(root)/d(node) * local gradient * d(operand)/d(leaf)|: where paths cancel, what cancels.

    A wrong rule changes the derivative by a part of that. It is taken of edges: those of x - x cancel within one node.
    """
    if not isinstance(root, Value):
        return 0.0
    upstreams, tangents, largest = adjoints(root), {leaf: 1.0}, 0.0
    for node in topological_order(root):
        upstream, tangent = upstreams.get(node, 0.0), 0.0
        for operand, local in zip(node.operands, node.local_gradients, strict=True):
            if local and not isinstance(operand, float):
                part = local * tangents.get(operand, 0.0)
                tangent += part
                if largest < abs(upstream * part) < math.inf:
                    largest = abs(upstream * part)
        tangents[node] = tangent
    return largest


def _decided_by_mpmath(d: _Derivative, atol: float) -> _Row | None:
    """Return the verdict of the exact derivative of the recorded graph; None if mpmath is missing, or cannot tell."""
    if not isinstance(d.node, Value):
        return _Row(d, "") if d.analytic == 0.0 else None
    try:
        from autodiff.testing.oracles import mpmath_gradient

        exact = float(mpmath_gradient(d.node, [d.leaf], digits=20)[0])
    except (ImportError, TypeError, ValueError, ArithmeticError):
        return None
    if not d.rounding <= max(_RESOLUTION * max(abs(exact), _largest_path(d.node, d.leaf)), 2.0 * _UNDERFLOW):
        return None  # the analytic one has no digits to compare
    off = abs(d.analytic - exact)
    return _Row(d, "" if off <= atol + d.rounding else f"off by {off:.4g}: it is {exact!r}, says mpmath")


# --- what users hand in ---


def _checked(f: Any, args: Any, order: Any, rtol: Any, atol: Any) -> tuple[list[Any], Structure]:
    """Return the numbers in the arguments and their structure; raise what `check_grads` says."""
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
cancels, or move or rescale the point; mpmath, where it is installed, decides for the primitives of autodiff."""


def _report(what: str, rows: list[_Row], rerun: str) -> str:
    wrong = [row for row in rows if row.verdict]
    undecided = any(row.verdict.startswith("undecided") for row in wrong)
    header = ("input", "output", "analytic", "numerical", "error", "verdict")
    lines: list[_Line] = [(row.severity, (*_cells(row.derivative), row.verdict)) for row in wrong]
    title = f"{_count(len(wrong), len(rows), what)} {'not shown to be right' if undecided else 'wrong'}:"
    return _table(title, header, lines) + _UNDECIDED * undecided + f"\nTo run this again:\n{rerun}"


def _cells(d: _Derivative) -> tuple[str, ...]:
    return d.input, d.output, f"{d.analytic:.15g}", f"{d.numerical.slope:.15g}", f"{d.numerical.error:.1g}"


def _count(some: int, all_of_them: int, what: str) -> str:
    return f"{some} of {all_of_them} {what} {'is' if some == 1 else 'are'}"


def _table(title: str, header: tuple[str, ...], lines: list[_Line]) -> str:
    """Return the title and the worst lines in columns."""
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
    """Return Python that calls check_grads again, with f imported or a comment that says where it is."""
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
    """Return Python for a structure of numbers."""
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
