"""Targets: outputs and targets as lists of numbers, of one row or of many, and which targets are valid.

Nothing is broadcast: shapes that differ are an error. So is an invalid target; in a compiled function, where its number
is not known yet, there is a condition instead, which makes the loss nan.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from math import inf, nan
from numbers import Real
from operator import and_
from typing import Any

import autodiff
from autodiff import Value
from nn.lists import each, listed

# --- shapes ---

_ORDINARY = frozenset((Value, float, int))  # a row of such is told in a tenth of the time that it takes to read it


def plain(numbers: Any) -> Any:
    """A number, or (nested) lists of numbers, with the numbers of other libraries as Python's own.

    Arithmetic of numpy's small integers wraps around: 1 - 3 is 254 in uint8.
    """
    if type(numbers) in (float, int) or isinstance(numbers, (Value, str)):
        return numbers
    if type(numbers) is list and _ORDINARY.issuperset(map(type, numbers)):
        return list(numbers)
    if hasattr(type(numbers), "to_numpy"):  # a pandas frame, which iterates over the names of its columns
        numbers = numbers.to_numpy()
    numbers = listed(numbers)
    return [plain(x) for x in numbers] if isinstance(numbers, Sequence) else numbers


def shape(name: str, numbers: Any) -> tuple[int, ...]:
    """The lengths of nested lists, () for a number. Raises ValueError if there are rows of several lengths.

    >>> shape("mse", [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    (3, 2)
    """
    if not isinstance(numbers, list):
        return ()
    if _ORDINARY.issuperset(map(type, numbers)):
        return (len(numbers),)
    inner = {shape(name, x) for x in numbers}
    if len(inner) > 1:
        raise ValueError(f"{name} takes rows of one shape, got rows of the shapes {sorted(inner)}")
    return (len(numbers), *inner.pop()) if inner else (0,)


def alike(name: str, outputs: Any, targets: Any) -> tuple[Any, Any]:
    """Outputs and targets, as `plain` has them, in one shape. A number and a list of one are the same row.

    Raises ValueError if their shapes differ, or if there are none.
    """
    outputs, targets = plain(outputs), plain(targets)
    shapes = shape(name, outputs), shape(name, targets)
    if shapes == ((), (1,)):
        return outputs, targets[0]
    if shapes == ((1,), ()):
        return outputs, [targets]
    if shapes[0] != shapes[1] or 0 in shapes[0]:
        got = f"outputs of shape {shapes[0]} and targets of shape {shapes[1]}"
        raise ValueError(f"{name} takes one target for each output, at least one; got {got}")
    return outputs, targets


def each_row(name: str, formula: Callable[[list[Any], Any], Any], outputs: Any, targets: Any) -> Any:
    """formula(row, target) of a row, a list of numbers, and its target; for a list of rows, the list of it.

    Raises ValueError for a single number, for rows without numbers, or if there are more or fewer targets than rows.
    """
    outputs, targets = plain(outputs), plain(targets)
    lengths = shape(name, outputs)
    if not lengths or 0 in lengths:
        raise ValueError(f"{name} takes a list with one output for each class, or many such rows, got shape {lengths}")

    def descend(outputs: list[Any], targets: Any, depth: int) -> Any:
        if depth == 1:
            return formula(outputs, targets)
        if not isinstance(targets, list) or len(targets) != len(outputs):
            got = f"outputs of shape {lengths} and targets of shape {shape(name, targets)}"
            raise ValueError(f"{name} takes one target for each row, got {got}")
        return [descend(y, t, depth - 1) for y, t in zip(outputs, targets, strict=True)]

    return descend(outputs, targets, len(lengths))


# --- conditions: True, an error, or, in a compiled function, a Value that each run decides ---


def is_number(x: Any) -> bool:
    """Whether x is a real number, or a Value."""
    return isinstance(x, (Real, Value))


def all_valid(numbers: list[Any], is_valid: Callable[[Any], Any], message: str) -> Any:
    """Whether all numbers are valid; raise ValueError, with the message, for one that is not."""
    conditions = [is_number(x) and is_valid(x) for x in numbers]
    for x, holds in zip(numbers, conditions, strict=True):
        if holds is False:
            raise ValueError(message.format(x))
    return reduce(and_, conditions)


def nan_unless(valid: Any, loss: Any) -> Any:
    """The loss, or list of losses; where the condition does not hold, nan in it and in its gradients."""
    if valid is True:
        return loss
    factor = autodiff.where(valid, 1.0, nan)
    return each(lambda x: x * factor, loss)


# --- classes and probabilities ---


def is_index(name: str, what: str, index: Any, count: int) -> Any:
    """Whether a number is one of 0, 1, ..., count - 1; raise ValueError, which says what it is, if not."""
    if isinstance(index, Value):
        valid = (index >= 0.0) & (index < float(count)) & (index == autodiff.floor(index))
    else:
        valid = is_number(index) and index in range(count)
    if valid is False:
        whole = "; it is a whole number" if is_number(index) and index % 1 != 0 else ""
        raise ValueError(f"{name} takes {what} from 0 to {count - 1}, got {index!r}{whole}")
    return valid


def chosen(numbers: Sequence[Any], index: Any) -> Any:
    """numbers[index]; where compile traces the index, each run selects."""
    if isinstance(index, Value):
        return autodiff.sum([autodiff.where(index == float(i), x, 0.0) for i, x in enumerate(numbers)])
    return numbers[int(index)]


def are_probabilities(name: str, weights: Any, count: int) -> Any:
    """Whether weights are so many, at least 0, and sum to 1, to 1e-6; raise ValueError if they do not."""
    valid: Any = isinstance(weights, list) and len(weights) == count and all(map(is_number, weights))
    if valid:
        total = autodiff.sum(weights)
        valid = (autodiff.min(weights) >= 0.0) & (total >= 1 - 1e-6) & (total <= 1 + 1e-6)
    if valid is False:
        is_column = isinstance(weights, list) and len(weights) == 1
        column = "; a class is a number alone, as in y.ravel()" if is_column else ""
        raise ValueError(
            f"{name} takes {count} target probabilities that sum to 1, one for each output, got {weights}{column}"
        )
    return valid


def weighted(weight: Any, x: Any) -> Any:
    """weight * x, but 0 for a weight of 0 and an infinite x, for which IEEE 754 has nan."""
    if isinstance(weight, Value):
        return autodiff.where((weight == 0.0) & (autodiff.abs(x) == inf), 0.0, weight * x)
    return weight * x if weight else 0.0
