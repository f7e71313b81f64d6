"""Results: what f gave while it was traced, rebuilt around the numbers of each run.

>>> trace = Trace()
>>> x = trace.input(2.0)
>>> with trace:
...     results = Results.of(trace, {"y": x * x, "name": "square"})
>>> results.build([9.0])
{'y': 9.0, 'name': 'square'}
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from autodiff.compiler.tracers import Condition
from autodiff.compiler.tracing import Trace
from autodiff.structures import Structure, flatten_values, is_array
from autodiff.value import Value


class Results(NamedTuple):
    """The form of f's result.

    Attributes:
        structure: how its items stand together.
        numbers: the indices of the items that a run computes.
        conditions: those of the numbers that are bools.
        others: the items that are no numbers of the program, by index; f's own, as they are.
    """

    structure: Structure
    numbers: tuple[int, ...]
    conditions: frozenset[int]
    others: tuple[tuple[int, Any], ...]
    outputs: tuple[Any, ...] = ()

    @classmethod
    def of(cls, trace: Trace, result: Any) -> "Results":
        """Return the form of a result; `outputs` are its numbers, as f gave them."""
        items, structure = flatten_values(result)
        for item in items:
            if isinstance(item, Iterator):
                raise TypeError(
                    f"compile expected f to return numbers, got a {type(item).__name__}; return a list of them"
                )
        numbers = [i for i, item in enumerate(items) if isinstance(item, Value) or type(item) is float]
        conditions = frozenset([at for at, i in enumerate(numbers) if isinstance(items[i], Condition)])
        computed = set(numbers)
        others = tuple([(i, item) for i, item in enumerate(items) if i not in computed])
        return cls(structure, tuple(numbers), conditions, others, tuple([items[i] for i in numbers]))

    def without_outputs(self) -> "Results":
        """Return the form alone: what is kept, and pickled."""
        return self._replace(outputs=())

    @property
    def is_one_number(self) -> bool:
        """Whether the result is a single number."""
        return self.structure.kind == "number" and len(self.numbers) == 1

    def build(self, outputs: Any) -> Any:
        """Return the result around the outputs of a run: a list, or an array of one dimension."""
        return self.structure.build(self._items(outputs if type(outputs) is list else outputs.tolist()))

    def stack(self, outputs: Any, in_arrays: bool) -> Any:
        """Return the result around outputs that have rows: each number is an array, or a list, of as many."""
        if self.structure.has_arrays and is_array(outputs) and not self.others and not self.conditions:
            return _stacked(self.structure, outputs, 0)
        if is_array(outputs):
            columns = [column.copy() if in_arrays else column.tolist() for column in outputs.T]
        else:
            columns = [list(column) for column in zip(*outputs, strict=True)] or [[] for _ in self.numbers]
            if in_arrays:
                columns = [sys.modules["numpy"].array(column) for column in columns]
        items: list[Any] = [None] * self.structure.size
        for at, (i, column) in enumerate(zip(self.numbers, columns, strict=True)):
            items[i] = _bools(column) if at in self.conditions else column
        for i, other in self.others:
            items[i] = other
        if self.structure.has_arrays:
            return self.structure.build_from(lambda leaf, span: _column(leaf, items[span]))
        return self.structure.build(items)

    def _items(self, numbers: list[Any]) -> list[Any]:
        if not self.others and not self.conditions:
            return numbers
        items: list[Any] = [None] * self.structure.size
        for at, i in enumerate(self.numbers):
            items[i] = bool(numbers[at]) if at in self.conditions else numbers[at]
        for i, other in self.others:
            items[i] = other
        return items


def _bools(column: Any) -> Any:
    return column != 0.0 if is_array(column) else [bool(x) for x in column]


def builder(structure: Structure, start: int = 0) -> Callable[[Any], Any]:
    """Return a function that puts the numbers of an array in their places: arrays as views of it, others as floats."""
    stop = start + structure.size
    if structure.kind == "number":
        return lambda outputs: outputs.item(start)
    if structure.kind == "array":
        shape = structure.shape
        if len(shape) == 1:
            return lambda outputs: outputs[start:stop]
        return lambda outputs: outputs[start:stop].reshape(shape)
    if not structure.has_arrays:
        return lambda outputs: structure.build(outputs[start:stop].tolist())
    parts = []
    for child in structure.children:
        parts.append(builder(child, start))
        start += child.size
    if structure.kind is tuple:
        return lambda outputs: tuple([part(outputs) for part in parts])
    return lambda outputs: structure.holding([part(outputs) for part in parts])


def _stacked(structure: Structure, outputs: Any, start: int) -> Any:
    """Return arrays with a first axis for the rows."""
    if structure.kind == "number":
        return outputs[:, start].copy()
    if structure.kind == "array":
        return outputs[:, start : start + structure.size].reshape(len(outputs), *structure.shape)
    parts = []
    for child in structure.children:
        parts.append(_stacked(child, outputs, start))
        start += child.size
    return structure.holding(parts)


def _column(leaf: Structure, items: list[Any]) -> Any:
    """Return a number's column; of an array, its columns in its shape, rows first."""
    if leaf.kind == "number":
        return items[0]
    numpy = sys.modules["numpy"]
    return numpy.stack([numpy.asarray(x) for x in items], axis=1).reshape(-1, *leaf.shape)
