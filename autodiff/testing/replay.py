"""A recorded graph, run again with other numbers: what the oracles share.

A graph is read for which primitive made what from what, and for the data of its leaves; never for a local gradient. Who
runs it says what a number is, and which function computes each primitive with such numbers.

    >>> from fractions import Fraction
    >>> x = Value(3.0)
    >>> y = x * x + 1.0
    >>> replay = Replay(y, {"mul": lambda x, y: x * y, "add": lambda x, y: x + y}, Fraction)
    >>> replay.value, replay.value_where(x, Fraction(1, 3))
    (Fraction(10, 1), Fraction(10, 9))
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autodiff import floats
from autodiff.graph import leaves, topological_order
from autodiff.primitives import KNOWN, Primitive
from autodiff.value import Value

Oracles = Mapping[str, Callable[..., Any]]


class Replay:
    """The numbers of a graph in another kind of number, and what its output becomes when one of them is changed.

    Attributes:
        value: the number of the output.
        numbers: that of every Value in the graph.

    Raises ValueError, naming primitive and operands, where a function raises instead of giving a number.
    """

    def __init__(self, output: Value, functions: Oracles, number: Callable[[float], Any]) -> None:
        self._output, self._functions, self._number = output, functions, number
        self._order = topological_order(output)
        self.numbers: dict[Value, Any] = {leaf: number(floats.as_float(leaf.data)) for leaf in leaves(output)}
        for node in self._order:
            self.numbers[node] = self._result(node, self._operands(node, {}))
        self.value = self.numbers[output]

    def value_where(self, node: Value, number: Any) -> Any:
        """The output if that Value were `number`; whatever is not made from it stays as it is."""
        changed = {node: number}
        for other in self._order:
            if other is not node and any(isinstance(x, Value) and x in changed for x in other.operands):
                changed[other] = self._result(other, self._operands(other, changed))
        return changed.get(self._output, self.value)

    def _operands(self, node: Value, changed: Mapping[Value, Any]) -> list[Any]:
        assert node.op is not None
        numbers = []
        for i, x in enumerate(node.operands):
            if not isinstance(x, Value):
                numbers.append(self._number(x))
            elif i in node.op.facts.choosing:  # it has no derivative, by convention 0
                numbers.append(self.numbers[x])
            else:
                numbers.append(changed[x] if x in changed else self.numbers[x])
        return numbers

    def _result(self, node: Value, operands: Sequence[Any]) -> Any:
        assert node.op is not None
        try:
            return self._functions[node.op.name](*operands)
        except (ArithmeticError, ValueError) as error:
            there = ", ".join(repr(x.data if isinstance(x, Value) else x) for x in node.operands)
            raise ValueError(f"{node.op.name}({there}) cannot be computed with such numbers: {error!r}") from error


def functions_for(
    output: Value, table: Oracles, own: Oracles | None, missing: Callable[[Primitive], str]
) -> dict[str, Callable[..., Any]]:
    """The function for each primitive in the graph of `output`, by name: the caller's own one, or the table's.

    A primitive is in the table only if it is that very entry: one of the user's own may bear the same name.

    Raises TypeError with the text that `missing` gives, for a primitive that has none.
    """
    if not isinstance(output, Value):
        raise TypeError(f"output is a Value, the result of what is differentiated, got {type(output).__name__}")
    functions: dict[str, Callable[..., Any]] = dict(own or {})
    ops: set[Primitive] = {node.op for node in topological_order(output)}
    for op in ops:
        if op.name not in functions:
            if KNOWN.get(op.name) is not op or op.name not in table:
                raise TypeError(missing(op))
            functions[op.name] = table[op.name]
    return functions


def checked_inputs(inputs: Sequence[Value]) -> list[Value]:
    """The inputs as a list; raise TypeError unless they are Values."""
    if isinstance(inputs, Value):
        raise TypeError("inputs is a sequence of Values, got one Value; write [x]")
    found = list(inputs)
    for i, x in enumerate(found):
        if not isinstance(x, Value):
            raise TypeError(f"inputs is a sequence of Values, got {type(x).__name__} at index {i}")
    return found
