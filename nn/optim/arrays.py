"""A step on arrays: a scalar rule compiled over a block of parameters, and bound to the arrays that hold them."""

from collections.abc import Callable
from functools import cache
from operator import is_not
from typing import Any

import autodiff
from nn.optional import optional

# How many parameters are traced at most; the others are further blocks of the same program. A step of Adam on 2,410 of
# them takes 15 µs whatever the size, the first one 0.05 s for each 512.
BLOCK = 512


class GroupOnArrays:
    """The numbers and slopes of one group, in arrays that stay."""

    def __init__(self, numbers: Any, slopes: Any) -> None:
        self._numbers, self._slopes = numbers, slopes
        self._bound: list[Any] = []
        self._there: list[tuple[Any, Any]] = []  # places and what is copied there before a step,
        self._back: list[tuple[Any, Any]] = []  # and after it

    def step(self, plan: Any, state: dict[str, Any]) -> None:
        """Change the numbers and the state by one step of the plan."""
        now = [plan.rule, *map(state.get, plan.columns)]
        if len(now) != len(self._bound) or any(map(is_not, now, self._bound)):  # at first, or where others set them
            self._bind(plan, state)
        self._settings[:] = plan.numbers
        for place, source in self._there:
            place[:] = source
        for call in self._calls:
            call()
        for place, source in self._back:
            place[:] = source
        state["step"] += 1

    def _bind(self, plan: Any, state: dict[str, Any]) -> None:
        """Prepare the step of each block; the last one may have room left."""
        import numpy

        count = len(self._numbers)
        size = min(count, BLOCK)
        starts = range(0, count, size)
        columns = numpy.ones((len(plan.columns), len(starts) * size))
        for column, (name, first) in zip(columns, plan.columns.items(), strict=True):
            column[:count] = flat(state.get(name, [first] * count), count)
        self._settings = numpy.array(plan.numbers)
        self._there.clear()
        self._back.clear()
        self._calls = [self._prepared(plan, slice(at, at + size), columns[:, at : at + size]) for at in starts]
        state.update(zip(plan.columns, columns, strict=True))
        self._bound = [plan.rule, *map(state.get, plan.columns)]

    def _prepared(self, plan: Any, block: slice, columns: Any) -> Any:
        """The step of a block, which replaces the numbers of its parameters and these columns of their state."""
        size = columns.shape[1]
        numbers, slopes = self._filled(self._numbers[block], size, True), self._filled(self._slopes[block], size, False)
        updates = {1: 0} | {3 + i: 1 + i for i in range(len(columns))}
        return _compiled(plan.rule).prepare(self._settings, numbers, slopes, *columns, updates=updates)

    def _filled(self, part: Any, size: int, is_changed: bool) -> Any:
        """A part of an array: itself if it has the size of a block, else a longer copy that each step makes anew."""
        import numpy

        if len(part) == size and part.flags.carray:
            return part
        longer = numpy.ones(size)
        self._there.append((longer[: len(part)], part))
        if is_changed:
            self._back.append((part, longer[: len(part)]))
        return longer


def flat(column: Any, count: int) -> list[float]:
    """A column of state as one list: it is one, or an array that may have room left."""
    numbers: list[float] = column if isinstance(column, list) else column[:count].tolist()
    return numbers


def check_arrays(numbers: Any, slopes: Any, count: int) -> None:
    """Raise ImportError without numpy, and TypeError or ValueError for anything but an array of so many float64."""
    numpy = optional("numpy", "on_arrays")
    for name, array in (("numbers", numbers), ("slopes", slopes)):
        if not isinstance(array, numpy.ndarray) or array.dtype != numpy.float64:
            kind = f"an array of {array.dtype}" if isinstance(array, numpy.ndarray) else type(array).__name__
            raise TypeError(f"{name} is an array of float64, got {kind}; write np.array({name}, float)")
        if array.shape != (count,):
            raise ValueError(f"{name} holds a number for each of {count} parameters, got the shape {array.shape}")


@cache
def _compiled(rule: Callable[..., Any]) -> Any:
    """The rule as a compiled function of its settings and of a block: of numbers, slopes, and each column of state."""

    def on_block(settings: Any, *block: Any) -> Any:
        shared = settings.tolist()
        moved = [rule(shared, *one) for one in zip(*[part.tolist() for part in block], strict=True)]
        return tuple([autodiff.array(list(column)) for column in zip(*moved, strict=True)])

    return autodiff.compile(on_block)
