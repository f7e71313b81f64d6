"""The gradients of a graph in a dict of their own: no `.grad` is touched.

>>> from autodiff import Value
>>> x = Value(3.0)
>>> gradients_of(x * x)[x], x.grad
(6.0, 0.0)
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from autodiff.chain import recorded, reverse
from autodiff.graph import topological_order
from autodiff.value import Value


def gradients_of(
    y: Value,
    local_gradients: Callable[[Value], Sequence[float]] = recorded,
    without: AbstractSet[Value] = frozenset(),
) -> dict[Value, float]:
    """d(y)/d(node) for every node that the backward pass gives a share to.

    The local gradients are those recorded, unless a function gives others. Nodes in `without` pass nothing on.
    """
    order = topological_order(y, without=without)
    adjoints = reverse(order, {y: 1.0}, local_gradients=lambda node, among: local_gradients(node))
    return {node: 0.0 + adjoint for node, adjoint in adjoints.items()}
