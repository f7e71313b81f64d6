"""Derivatives from values alone, with an estimate of how far they may be off: the oracle that knows no rule.

`finite_differences` differentiates any function that can be evaluated, by `richardson` in each of its numbers. What
rounding does to a value is read off the graph that made it, by `rounding_error`; only the estimate of the error depends
on that. The standard library is all this needs.

    >>> slopes, errors = finite_differences(lambda x: [x[0] * x[1], x[0].sin()], ([2.0, 3.0],))
    >>> [[round(slope, 9) for slope in row] for row in slopes], max(map(max, errors)) < 1e-11
    ([[3.0, 2.0], [-0.416146837, 0.0]], True)
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from autodiff import modes
from autodiff.chain import NOTHING, Arithmetic, reverse
from autodiff.graph import topological_order
from autodiff.structures.structure import Structure, flatten, in_blocks
from autodiff.testing.extrapolation import Estimate, richardson
from autodiff.value import Value

_EPSILON = 2.0**-52
_SMALLEST = 2.0**-1074


def finite_differences(f: Callable[..., Any], args: tuple[Any, ...], argnums: int | Sequence[int] = 0) -> Any:
    """(derivative, error) of each result of f in each number of an argument, in the form of the Jacobian.

    f is called on Values, so that it may use their methods; no rule of differentiation is read, but for the error. The
    error is an estimate, rounding included; where f has no value near the point it is inf, and the derivative nan. The
    error is inf, too, where all that is seen may be an oscillation too fast for the steps, as of sin at 1e14.

    Args:
        f: gives numbers, or a structure of them: nested lists, tuples, dicts, numpy arrays.
        args: the tuple of its arguments.
        argnums: the index of the argument to differentiate, or a list of them, as of `autodiff.jacobian`.

    Cost: some 15 to 30 evaluations of f for each number where f is smooth, about 100 where it is not.

    Raises TypeError for args that are not a tuple and for anything that is not a number; IndexError for argnums out of
    range.

    Source: see `richardson`.

    >>> slope, error = finite_differences(lambda x: x.exp(), (0.0,))
    >>> abs(slope - 1.0) < error < 1e-11
    True
    """
    if not isinstance(args, tuple):
        raise TypeError(f"args is the tuple of f's arguments, got {type(args).__name__}; write (x,) for one")
    indices = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    parts = [flatten(args[i], f"args[{i}]") for i in indices]
    point = data_of([x for numbers, _ in parts for x in numbers])

    def of_these(*moved: Any) -> Any:
        replaced = dict(zip(indices, moved, strict=True))
        return f(*[replaced.get(i, arg) for i, arg in enumerate(args)])

    whole = Structure(tuple, children=tuple(structure for _, structure in parts))
    flat = FlatFunction(of_these, whole)
    rounding = [rounding_error(y) for y in flat.recorded([Value(x) for x in point])]
    columns = differences(flat.values, point, rounding)
    inputs = whole.children[0] if isinstance(argnums, int) else whole
    slopes, errors = ([[column[i][k] for column in columns] for i in range(flat.form.size)] for k in (0, 1))
    return in_blocks(flat.form, inputs, slopes), in_blocks(flat.form, inputs, errors)


class FlatFunction:
    """f as a function from a list of numbers to a list of numbers.

    Attributes:
        form: that of f's results, once it has been called.
    """

    def __init__(self, f: Callable[..., Any], structure: Structure) -> None:
        self.f, self.structure = f, structure
        self.form = Structure(tuple)

    def __call__(self, numbers: Sequence[Any]) -> list[Any]:
        """The results of f at these numbers, which are put in the form of its arguments."""
        outputs, self.form = flatten(self.f(*self.structure.build(numbers)), "f's result")
        return outputs

    def recorded(self, leaves: Sequence[Value]) -> list[Any]:
        """The same, recorded even inside `no_grad()`."""
        with modes.recording():
            return self(leaves)

    def values(self, numbers: Sequence[float]) -> list[float]:
        """The same in floats. f is still called on Values, whose methods it may use; nothing is recorded."""
        leaves = [Value(x) for x in numbers]  # outside of the mode: there each takes ten times as long
        with modes.no_grad():
            return data_of(self(leaves))


def data_of(numbers: Sequence[Any]) -> list[float]:
    """The numbers as floats: of a Value, its data."""
    return [x.data if isinstance(x, Value) else x for x in numbers]


def differences(
    f: Callable[[Sequence[float]], Sequence[float]], point: Sequence[float], rounding: Sequence[float] = ()
) -> list[list[Estimate]]:
    """Return, for each input number, the derivative of each output number of f there."""

    def along(i: int) -> Callable[[float], Sequence[float]]:
        return lambda x: f([*point[:i], x, *point[i + 1 :]])

    return [richardson(along(i), x, rounding=rounding) for i, x in enumerate(point)]


# --- what rounding does ---


class _Influence(Arithmetic):
    """Products that a 0 ends: what has no influence has none on an infinite slope either."""

    def product(self, adjoint: float, local: float) -> float:
        return adjoint * local if adjoint and local else NOTHING


def adjoints(root: Any) -> dict[Any, float]:
    """d(root)/d(node) for each node below `root` that has an influence, and itself; no `.grad` is touched.

    >>> x = Value(3.0)
    >>> adjoints(x * x - 5.0 * x)[x]
    1.0
    """
    return reverse(topological_order(root), {root: 1.0}, arithmetic=_Influence())


def rounding_error(root: Any) -> float:
    """A bound on the rounding error of a root's data, to first order.

    Each node is off by a unit in its last place, or, where terms cancel inside it (sum, dot, logsumexp), in that of the
    terms, or by the smallest float, where it underflowed; the root by that times its derivative in the node. Of a
    number that is not a Value it is 0; inf where a derivative on the way overflows.

    Source: Linnainmaa, Taylor expansion of the accumulated rounding error, 1976.

    >>> x = Value(1e-4)
    >>> 1e-16 < rounding_error(1.0 - x.cos()) < 1e-15
    True
    """
    if not isinstance(root, Value):
        return 0.0
    total = 0.0
    for node, adjoint in adjoints(root).items():
        if node.op is not None and adjoint:
            total += abs(adjoint) * (_EPSILON * (abs(node.data) + _terms(node)) + _SMALLEST)
    return total if total == total else inf


def _terms(node: Any) -> float:
    total = 0.0
    for operand, local in zip(node.operands, node.local_gradients, strict=True):
        term = abs((operand if isinstance(operand, float) else operand.data) * local) if local else 0.0
        if term < inf:  # not so of a constant, such as the exponent in (-2.0) ** 2
            total += term
    return total
