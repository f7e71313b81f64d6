"""Nested lists of numbers, as rows, outputs and targets are: a list, tuple, range or array in each place of them.

>>> each(abs, [1.0, (-2.0, -3.0)]), flat([1.0, (-2.0, [-3.0])])
([1.0, [2.0, 3.0]], [1.0, -2.0, -3.0])
"""

from collections.abc import Callable
from typing import Any


def is_list(x: Any) -> bool:
    """Whether x holds numbers, as a list, tuple, range or array, and is not a single one."""
    return isinstance(x, (list, tuple, range)) or getattr(x, "ndim", 0) > 0


def each(function: Callable[..., Any], x: Any, *others: Any) -> Any:
    """The function of each number, and of those in the same places of others, in lists nested as x is."""
    if not is_list(x):
        return function(x, *others)
    return [each(function, *parts) for parts in zip(listed(x), *others, strict=True)]


def flat(x: Any) -> list[Any]:
    """The numbers of nested lists in one list, and a single one, too."""
    return [number for part in listed(x) for number in flat(part)] if is_list(x) else [x]


def listed(x: Any) -> Any:
    """An array as lists of Python's numbers, or of Values; anything else as it is."""
    return x.tolist() if hasattr(x, "tolist") else x
