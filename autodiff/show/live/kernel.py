"""A graph that Python alone can evaluate, with slots as a program has them: for what moves where a kernel runs.

>>> from autodiff import Value
>>> x = Value(3.0, "x")
>>> y = x * x
>>> recorded = Recorded(y, [x])
>>> slots = recorded.nodes[y]
>>> values = recorded.evaluate([2.0])
>>> values[slots.data], [values[slot] for slot in slots.locals]
(4.0, [2.0, 2.0])
"""

from collections.abc import Iterable, Sequence
from itertools import count

from autodiff.chain import NOTHING
from autodiff.graph import leaves_below, topological_order
from autodiff.show.explanations.hypotheses import WhatIf
from autodiff.show.live.program import Slots
from autodiff.value import Value


class Recorded:
    """The graph that ends in y, evaluated by its own primitives.

    Attributes:
        inputs: the Values that are given from outside.
        nodes: the slots of each Value of the graph.
    """

    def __init__(self, y: Value, inputs: Iterable[Value]) -> None:
        self._y, self.inputs = y, list(dict.fromkeys(inputs))
        self._given = set(self.inputs)
        order = topological_order(y, without=self._given)
        free, self.nodes = count(), dict[Value, Slots]()
        for node in dict.fromkeys([*self.inputs, *leaves_below(order), *order]):
            data, gradient = next(free), next(free)
            local, shares = [tuple([next(free) for _ in self._operands(node)]) for _ in "ls"]
            self.nodes[node] = Slots(data, gradient, local, shares, ((True, True),) * len(local))

    def _operands(self, node: Value) -> Sequence[Value | float]:
        return () if node in self._given else node.operands

    def slot(self, node: Value) -> int:
        """The slot of a node's number."""
        return self.nodes[node].data

    def evaluate(self, numbers: Sequence[float]) -> list[float]:
        """The numbers in all slots, for numbers of the inputs; -0.0 for what is not passed on."""
        hypothesis = WhatIf(self._y, dict(zip(self.inputs, numbers, strict=True)))
        gradients = hypothesis.every_gradient()
        values: list[float] = []
        for node in self.nodes:
            upstream = gradients.get(node, NOTHING)
            local = hypothesis.local_gradients(node) if self._operands(node) else ()
            shares = [NOTHING if upstream is NOTHING else upstream * slope for slope in local]
            data = hypothesis.numbers.get(node, node.data)
            values += [data, upstream + 0.0, *[-0.0 if x is NOTHING else x for x in [*local, *shares]]]
        return values
