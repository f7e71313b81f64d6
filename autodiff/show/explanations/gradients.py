"""The backward pass as `value.accumulate` makes it, told from aside: no `.grad` is touched.

>>> from autodiff import Value
>>> x = Value(3.0)
>>> gradients_of(x * x)[x], x.grad
(6.0, 0.0)
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from autodiff import nothing
from autodiff.graph import topological_order
from autodiff.nothing import NOTHING
from autodiff.value import Value

LocalGradients = Callable[[Value], Sequence[float]]
MOST_VISITS = 10_000


def gradients_of(
    y: Value, local_gradients: LocalGradients | None = None, without: AbstractSet[Value] = frozenset()
) -> dict[Value, float]:
    """Return d(y)/d(node) for every node that the backward pass gives a share to, and touch no `.grad`.

    The local gradients are those recorded, unless a function gives others. Nodes in `without` pass nothing on.
    """
    totals = {y: 1.0}
    for node in reversed(topological_order(y, without=without)):
        upstream = totals.get(node, NOTHING)
        for operand, local in shares_of(node, upstream, local_gradients):
            totals[operand] = totals.get(operand, 0.0) + upstream * local
    return totals


def shares_of(
    node: Value, upstream: float, local_gradients: LocalGradients | None = None
) -> Iterator[tuple[Value, float]]:
    """Yield each operand that gets a share of the upstream gradient, and its local gradient."""
    assert node.op is not None
    if upstream is not NOTHING:
        locals = nothing.local_gradients(node) if local_gradients is None else local_gradients(node)
        for operand, local in zip(node.operands, locals, strict=True):
            if isinstance(operand, Value) and local is not NOTHING:
                yield operand, local


def visits_depth_first(y: Value) -> int:
    """Return how many steps a walk depth first takes: one for each path from y to a node.

    Beyond MOST_VISITS the number is not exact, but larger.
    """
    paths = {y: 1}
    total = 0
    for node in reversed(topological_order(y)):
        total += paths[node]
        for operand in node.operands:
            if isinstance(operand, Value):
                paths[operand] = min(paths.get(operand, 0) + paths[node], MOST_VISITS + 1)
    return total
