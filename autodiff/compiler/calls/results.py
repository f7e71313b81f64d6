"""Results: the result of f, as it was traced, rebuilt around the numbers of each run.

    >>> from autodiff.compiler.trace.tracing import Trace
    >>> trace = Trace()
    >>> with trace:
    ...     x = trace.input(2.0)
    ...     results = Results.of({"y": x * x, "name": "square"}, Options((), None, "auto", 1))
    >>> results.build([9.0])
    {'y': 9.0, 'name': 'square'}

Whatever is not a number is returned as it is.
"""

import sys
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from autodiff import floats
from autodiff.compiler.calls.options import Options
from autodiff.compiler.trace.tracers import Condition
from autodiff.structures.containers import holding, opened
from autodiff.structures.structure import Structure, flatten_values, is_array
from autodiff.value import Value


class Results(NamedTuple):
    """The form of f's result.

    Attributes:
        structure: how its items stand together.
        numbers: the indices of the items that a run computes, constants among them.
        conditions: which of the numbers are bools.
        others: the items that are not numbers of the program, by index; f's own, as they are.
        outputs: the numbers, as f returned them.
    """

    structure: Structure
    numbers: tuple[int, ...]
    conditions: frozenset[int]
    others: tuple[tuple[int, Any], ...]
    outputs: tuple[Any, ...] = ()

    @classmethod
    def of(cls, result: Any, options: Options) -> "Results":
        """The form of a result. With many rows every number is computed; without, integers and bools stay."""
        items, structure = flatten_values(with_open_arrays(result, bool(options.rows)))
        numbers, conditions, others, outputs = list[int](), list[int](), list[Any](), list[Any]()
        for i, item in enumerate(items):
            is_bool = isinstance(item, (bool, Condition))
            if isinstance(item, Value) or type(item) is float or (options.rows and _is_number(item)):
                if is_bool and options.reduce is None:
                    conditions.append(len(numbers))
                numbers.append(i)
                outputs.append(item if isinstance(item, Value) else float(item))
            else:
                others.append((i, item))
        return cls(structure, tuple(numbers), frozenset(conditions), tuple(others), tuple(outputs))

    def without_outputs(self) -> "Results":
        """The form alone, which is kept and pickled."""
        return self._replace(outputs=())

    def is_like(self, other: "Results") -> bool:
        """Whether both have one form, so that their rows can stand in one result."""
        return self[:3] == other[:3] and all(
            i == j and (x is y or (type(x) is type(y) is str and x == y))
            for (i, x), (j, y) in zip(self.others, other.others, strict=True)
        )

    def __str__(self) -> str:
        others = dict(self.others)
        bools = {self.numbers[at] for at in self.conditions}
        kinds = [repr(others[i]) if i in others else "a bool" if i in bools else "a number" for i in range(8)]
        shown = kinds[: self.structure.size] + ["..."] * (self.structure.size > len(kinds))
        return f"{self.structure} ({', '.join(shown)})" if others or bools else str(self.structure)

    def build(self, outputs: Any) -> Any:
        """The result around the outputs of a run: a list, or an array of one dimension."""
        return self.structure.build(self._items(outputs if type(outputs) is list else outputs.tolist()))

    def stack(self, outputs: Any, in_arrays: bool) -> Any:
        """The result around outputs that have rows: each number is an array, or a list, of as many.

        A list of what is alike has an axis for the rows before its own, as an array has.
        """
        if is_array(outputs) and in_arrays and not self.others and not self.conditions:
            return _views(self.structure, outputs, 0)
        if is_array(outputs):
            columns = [column if in_arrays else column.tolist() for column in outputs.T]
        else:
            columns = [list(column) for column in zip(*outputs, strict=True)] or [[] for _ in self.numbers]
            if in_arrays:
                columns = [sys.modules["numpy"].array(column) for column in columns]
        items: list[Any] = [None] * self.structure.size
        for at, (i, column) in enumerate(zip(self.numbers, columns, strict=True)):
            items[i] = _bools(column) if at in self.conditions else column
        for i, other in self.others:
            items[i] = other
        return stacked(self.structure, items, set(self.numbers), len(outputs), in_arrays)

    def _items(self, numbers: list[Any]) -> list[Any]:
        if not self.others and not self.conditions:
            return numbers
        items: list[Any] = [None] * self.structure.size
        for at, i in enumerate(self.numbers):
            items[i] = bool(numbers[at]) if at in self.conditions else numbers[at]
        for i, other in self.others:
            items[i] = other.copy() if is_array(other) else other
        return items


def with_open_arrays(result: Any, has_rows: bool = False) -> Any:
    """The result with objects in its arrays of floats: they are numbers like others, and new at every run.

    A whole number in an array with Values or floats, such as `np.append(x, 1)` makes, is a float as they are.
    """
    if is_array(result):
        if result.dtype == object:
            return _with_floats(result)
        return result.astype(object) if result.dtype.kind in ("fiu" if has_rows else "f") else result
    box = opened(result)
    return result if box is None else holding(box.form, [with_open_arrays(part, has_rows) for part in box.parts])


def _with_floats(objects: Any) -> Any:
    items = objects.ravel().tolist()
    is_real = any(type(x) is float or (isinstance(x, Value) and not isinstance(x, Condition)) for x in items)
    if not is_real:
        return objects
    from autodiff import arrays

    return arrays.filled([floats.as_float(x) if _is_real(x) else x for x in items], objects.shape)


def _is_real(item: Any) -> bool:
    kind = item.dtype.kind if hasattr(type(item), "dtype") else "f" if isinstance(item, (int, float)) else ""
    return kind in ("f", "i", "u") and type(item) is not bool


def _is_number(item: Any) -> bool:
    return isinstance(item, (bool, int, float)) or (hasattr(type(item), "dtype") and not is_array(item))


def _bools(column: Any) -> Any:
    return column != 0.0 if is_array(column) else [bool(x) for x in column]


def builder(structure: Structure, start: int = 0) -> Callable[[Any], Any]:
    """A function that puts the numbers of an array in their places: arrays as views of it, others as floats."""
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


def even_shape(structure: Structure) -> tuple[int, ...] | None:
    """The shape of a list of numbers, arrays or lists that are all alike: it has rows as an array has.

    >>> from autodiff.structures.structure import flatten
    >>> [even_shape(flatten(x)[1]) for x in ([[1.0, 2.0], [3.0, 4.0]], [[1.0], [2.0, 3.0]], (1.0, 2.0))]
    [(2, 2), None, None]
    """
    if structure.kind in ("number", "array"):
        return structure.shape
    if structure.kind is not list or not structure.children:
        return None
    first = structure.children[0]
    inner = even_shape(first) if all(child == first for child in structure.children) else None
    return None if inner is None else (len(structure.children), *inner)


def stacked(
    structure: Structure, items: list[Any], numbers: Collection[int], count: int, in_arrays: bool, start: int = 0
) -> Any:
    """The result of many rows around its items: those that are `numbers` have a column, a list or an array."""
    stop = start + structure.size
    if structure.kind == "number":
        return items[start]
    if structure.kind == "array":
        return _rows_of_columns(items[start:stop], count, structure.shape)
    shape = even_shape(structure)
    if shape is not None and all(i in numbers for i in range(start, stop)):
        if in_arrays:
            return _rows_of_columns(items[start:stop], count, shape)
        return [structure.build([column[i] for column in items[start:stop]]) for i in range(count)]
    parts = []
    for child in structure.children:
        parts.append(stacked(child, items, numbers, count, in_arrays, start))
        start += child.size
    return structure.holding(parts)


def _views(structure: Structure, outputs: Any, start: int) -> Any:
    """The same, as views of a matrix of outputs."""
    if structure.kind == "number":
        return outputs[:, start]
    if (shape := even_shape(structure)) is not None:
        return outputs[:, start : start + structure.size].reshape(len(outputs), *shape)
    parts = []
    for child in structure.children:
        parts.append(_views(child, outputs, start))
        start += child.size
    return structure.holding(parts)


def _rows_of_columns(columns: list[Any], count: int, shape: tuple[int, ...]) -> Any:
    """An array with an axis for the rows before the axes of the shape."""
    numpy = sys.modules["numpy"]
    if not columns:  # an array without a number
        return numpy.empty((count, *shape))
    return numpy.stack([numpy.asarray(x) for x in columns], axis=1).reshape(count, *shape)
