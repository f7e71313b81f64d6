"""Copies and pickles of graphs, flat: Python's own way would recurse once per node.

Nodes are known here by their attributes alone. A leaf is pickled as an object of its own, so that roots pickled
together share it; interior nodes that they share are pickled with each.
"""

from typing import Any

from autodiff.graph import leaves, topological_order
from autodiff.modes import log_leaves

_new = object.__new__


def clone(node: Any, operands: tuple[Any, ...]) -> Any:
    """Return a node like this one, made from `operands`."""
    twin = _blank(*_state(node))
    twin.op, twin.operands, twin.local_gradients = node.op, operands, node.local_gradients
    if not operands:
        log_leaves((twin,))
    return twin


def deep_copy(root: Any, memo: dict[int, Any]) -> Any:
    """Return a copy of the root on copies of all it was made from, but for what `memo` has already."""
    for node in (*leaves(root), *topological_order(root)):
        if id(node) not in memo:
            operands = node.operands and tuple([x if type(x) is float else memo[id(x)] for x in node.operands])
            memo[id(node)] = clone(node, operands)
    return memo[id(root)]


def reduced(root: Any) -> tuple[Any, ...]:
    """Return what pickle stores: for a root its leaves, and each node in turn as a record.

    In a record an operand is its index among leaves and nodes, or a constant float.
    """
    if not root.operands:
        return _restored_leaf, (root.operands, *_state(root))
    inputs, order = leaves(root), topological_order(root)
    index = {node: i for i, node in enumerate([*inputs, *order])}
    records = [
        (
            _state(node),
            node.op,
            tuple([x if type(x) is float else index[x] for x in node.operands]),
            node.local_gradients,
        )
        for node in order
    ]
    return _restored, (inputs, records)


_State = tuple[type, float, float, str, Any, dict[str, Any] | None]


def _state(node: Any) -> _State:
    """Return all of a node but how it was made from others."""
    return type(node), node.data, node.grad, node.label, node.source, getattr(node, "__dict__", None)


def _restored_leaf(operands: tuple[()], *state: Any) -> Any:
    leaf = _blank(*state)
    leaf.operands = operands
    log_leaves((leaf,))
    return leaf


def _blank(kind: type, data: float, grad: float, label: str, source: Any, attributes: dict[str, Any] | None) -> Any:
    node: Any = _new(kind)
    node.data, node.grad, node.label = data, grad, label
    node.op, node.operands, node.local_gradients = None, (), ()
    if source is not None:
        node.source = source
    if attributes:  # a subclass may have some
        node.__dict__.update(attributes)
    return node


def _restored(inputs: list[Any], records: list[tuple[_State, Any, tuple[Any, ...], tuple[float, ...]]]) -> Any:
    """Return the last node of a pickled graph."""
    nodes = list(inputs)
    for state, op, operands, local_gradients in records:
        node = _blank(*state)
        node.op, node.local_gradients = op, local_gradients
        node.operands = tuple([x if type(x) is float else nodes[x] for x in operands])
        nodes.append(node)
    return nodes[-1]
