"""Values from outside of a trace: nodes that f closes over, made before it was called.

Each run of the program reads the leaves among them, and computes the interior nodes from these; but where the data of
an interior node was assigned, that is read.
"""

from typing import Any

from autodiff.chain import NOTHING
from autodiff.graph import topological_order
from autodiff.number import data_of
from autodiff.primitives.on_floats import on_floats
from autodiff.transforms.segments import SegmentPrimitive
from autodiff.value import Value


class Outside:
    """What is known of the Values from outside.

    `assigned` says of interior nodes whether their data was assigned: for all traces of f alike, as the first found it.
    """

    def __init__(self, assigned: dict[Value, bool]) -> None:
        self._assigned = assigned
        self._computed: dict[Any, float] = {}

    def number(self, x: Value) -> float:
        """The number of a Value at this call: its data, or what its leaves make it now."""
        if not x.operands or self.was_assigned(x):
            return data_of(x)
        for node in topological_order(x) if x not in self._computed else ():
            known = [y if type(y) is float else self._computed.get(y) for y in node.operands]
            numbers = [data_of(y) if x is None else x for x, y in zip(known, node.operands, strict=True)]
            self._computed[node] = data_of(node) if self.was_assigned(node) else node.op.evaluate(*numbers)
        return self._computed[x]

    def was_assigned(self, node: Any) -> bool:
        """Whether the data of an interior node was assigned, so that every run reads it.

        It was if its operands give another number than the data, but the same local gradients. If these differ as well,
        a leaf was assigned since, and the node is computed from its leaves. A sum has the same local gradients at any
        operands: if its leaf was assigned before the first trace, its data is read.
        """
        if node not in self._assigned:
            self._assigned[node] = not isinstance(node.op, SegmentPrimitive) and _was_assigned(node)
        return self._assigned[node]


def _was_assigned(node: Any) -> bool:
    numbers = [data_of(x) if isinstance(x, Value) else x for x in node.operands]
    data = node.op.evaluate(*numbers)
    if repr(data) == repr(node.data):
        return False
    rules = [on_floats(node.op.name, node.op.local_gradients, [out, *numbers], Value) for out in (data, node.data)]
    return any(all(map(_alike, gradients, node.local_gradients)) for gradients in rules)


def _alike(x: Any, y: Any) -> bool:
    x, y = (0.0 if z is NOTHING else z for z in (x, y))
    return bool(x == y or (x != x and y != y))
