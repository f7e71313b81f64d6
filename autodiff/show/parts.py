"""The parts of a drawing, as plain data: a computation graph read once, before anything is said of looks.

A box is a number: a Value, or a constant operand. A mark is the operation that made a box. An edge leads from an
operand's box to the mark, and carries the local gradient. Numbers are already text here, so that every drawing shows
the same digits. Names (n0, c0, o0) are given in topological order: the same graph has the same parts.

    >>> from autodiff import Value
    >>> parts = parts_of(Value(3.0, "x") * 2.0)
    >>> [box.name for box in parts.boxes], parts.marks[0].symbol
    (['n0', 'c0', 'n1'], '×')
    >>> parts.edges[0]
    Edge(operand='n0', mark='o0', local_gradient='2')
"""

from typing import Any, Literal, NamedTuple

from autodiff.graph import topological_order
from autodiff.value import Value

Kind = Literal["leaf", "interior", "constant"]


class Box(NamedTuple):
    """A number. A constant has no label and no grad: both are empty."""

    name: str
    kind: Kind
    label: str
    data: str
    grad: str


class Mark(NamedTuple):
    """The operation that made the box named `result`."""

    name: str
    operation: str
    symbol: str
    result: str


class Edge(NamedTuple):
    """A box as an operand of a mark, with d(result)/d(operand): empty for a constant, to which no gradient flows."""

    operand: str
    mark: str
    local_gradient: str


class Parts(NamedTuple):
    """All of a graph, in topological order: the root is the last box. Edges stand in the order of operands."""

    boxes: tuple[Box, ...]
    marks: tuple[Mark, ...]
    edges: tuple[Edge, ...]


def parts_of(root: Value) -> Parts:
    """Return the parts of the graph that ends in `root`, as its numbers are now."""
    boxes: list[Box] = []
    marks: list[Mark] = []
    edges: list[Edge] = []
    names: dict[Value, str] = {}

    def named(operand: Value | float) -> str:
        """Return the name of the operand's box, which is made at its first use, and anew for a constant."""
        if not isinstance(operand, Value):
            boxes.append(Box(f"c{len(boxes) - len(names)}", "constant", "", shortened(operand), ""))
            return boxes[-1].name
        if operand not in names:
            names[operand] = f"n{len(names)}"
            boxes.append(_box(names[operand], operand))
        return names[operand]

    for node in topological_order(root):
        mark = f"o{len(marks)}"
        for operand, local in zip(node.operands, node.local_gradients, strict=True):
            edges.append(Edge(named(operand), mark, shortened(local) if isinstance(operand, Value) else ""))
        marks.append(Mark(mark, node.op.name, node.op.symbol, named(node)))
    named(root)  # of which nothing has been made, if it is a leaf
    return Parts(tuple(boxes), tuple(marks), tuple(edges))


def _box(name: str, value: Value) -> Box:
    kind: Kind = "interior" if value.operands else "leaf"
    return Box(name, kind, value.label, shortened(value.data), shortened(value.grad))


def shortened(number: Any) -> str:
    """Return a number with at most six significant digits; of anything else that was assigned, its repr.

    >>> shortened(24.70408163265306), shortened(-1.0), shortened(1e-18), shortened(float("nan"))
    ('24.7041', '-1', '1e-18', 'nan')
    """
    try:
        return f"{float(number):.6g}"
    except (TypeError, ValueError, OverflowError):
        return repr(number)
