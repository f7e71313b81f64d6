"""The storage of tracers in Python: what the native core has in C, where there is no core.

>>> owner = Owner()
>>> x = traced(Traced, 3.0, None, (), owner)
>>> x.number, x.op, x.operands, x.owner is owner, x.is_optional
(3.0, None, (), True, False)
"""

from typing import Any

from autodiff.native import Node


class Owner:
    """The mark that the tracers of one trace share."""

    __slots__ = ()

    def open(self, guard: Any, trace: Any, nodes: list[Any], /) -> None:
        """Note operations in the list without asking the trace: the core alone does."""

    def close(self) -> None:
        """Leave operations to the trace."""


class Traced(Node):
    """The storage of a tracer: a node whose number is not to be known."""

    __slots__ = {  # with what help() says about each
        "index": "The slot, once there is a program.",
        "is_optional": "Whether it may be nothing at a run.",
        "number": "The number at this call.",
        "owner": "Whose number it is.",
    }

    index: int
    is_optional: bool
    number: float
    owner: Any


def traced(kind: type[Any], number: float, op: Any, operands: tuple[Any, ...], owner: Any) -> Any:
    """A tracer of a kind, which no trace has noted."""
    node = Node.__new__(kind)
    node.number, node.op, node.owner, node.is_optional = number, op, owner, False
    _set_operands(node, operands)
    return node


_set_operands = vars(Node)["operands"].__set__  # those that a Condition hides
