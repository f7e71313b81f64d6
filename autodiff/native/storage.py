"""The storage of a node in Python: what the core has in C, where there is no core.

Nodes are made by `Node.__new__(kind)` and `Node.__init__(node, ...)`, which ask no mode and tell no log, whatever kind
of node it is:

    >>> node = Node.__new__(Node)
    >>> Node.__init__(node, 6.0, None, (2.0, 3.0), (3.0, 2.0))
    >>> node.data, node.grad, node.label, node.operands
    (6.0, 0.0, '', (2.0, 3.0))
"""

from typing import Any

from autodiff.hints import refused_label


class Node:
    """A number, its gradient, and how it was made: the base of Value."""

    __slots__ = {  # with what help() says about each
        "_label": "The string that `label` shows; unset, it is empty.",
        "data": "The number, a float.",
        "grad": "d(root)/d(self) from `backward`, a float; accumulates in leaves.",
        "local_gradients": "d(self)/d(operand), floats, in the order of the operands.",
        "op": "The Primitive that made it, None for a leaf.",
        "operands": "What it was made from, in order: Values, and constants as floats.",
    }

    _label: str
    data: Any
    grad: Any
    local_gradients: Any
    op: Any
    operands: Any

    def __init__(
        self, data: Any = 0.0, op: Any = None, operands: Any = (), local_gradients: Any = (), grad: Any = 0.0
    ) -> None:
        self.data = data
        self.grad = grad
        self.op = op
        self.operands = operands
        self.local_gradients = local_gradients
        self._label = ""

    @property
    def label(self) -> str:
        """The name shown in drawings and repr."""
        try:
            return self._label
        except AttributeError:
            return ""

    @label.setter
    def label(self, label: str) -> None:
        if not isinstance(label, str):
            raise refused_label(label)
        self._label = label


class Operation:
    """What makes nodes of nodes, called with numbers and nodes: the base of Primitive."""

    __slots__ = ()
