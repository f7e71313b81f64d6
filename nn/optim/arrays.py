"""A step on arrays: a scalar rule compiled over rows of parameters, and bound to the arrays that hold them."""

from collections.abc import Callable
from functools import cache
from operator import is_not
from typing import Any

import autodiff
from nn.optional import optional

# How many parameters are traced, in some 0.1 ms each; the rest are rows of the same program. A step of Adam on 2,410 of
# them takes 27 µs, in wider rows about as long, and 60 in rows of one. Traced all together they would take 17, but the
# first step 0.4 s.
WIDTH = 16


class GroupOnArrays:
    """The numbers and slopes of one group, in arrays that stay."""

    def __init__(self, numbers: Any, slopes: Any) -> None:
        self._numbers, self._slopes = numbers, slopes
        self._bound: list[Any] = []

    def step(self, plan: Any, state: dict[str, Any]) -> None:
        """Change the numbers and the state by one step of the plan."""
        now = [plan.rule, *map(state.get, plan.columns)]
        if len(now) != len(self._bound) or any(map(is_not, now, self._bound)):  # at first, or where others set them
            self._bind(plan, state)
        self._settings[:] = plan.numbers
        for place, source in self._there:
            place[:] = source
        self._call()
        for place, source in self._back:
            place[:] = source
        state["step"] += 1

    def _bind(self, plan: Any, state: dict[str, Any]) -> None:
        """Lay out a block: for each row of WIDTH parameters their numbers, slopes and state, one after the other."""
        import numpy

        count = len(self._numbers)
        block = numpy.ones((-(-count // WIDTH), 2 + len(plan.columns), WIDTH))
        for i, (name, first) in enumerate(plan.columns.items(), start=2):
            block[:, i].flat[:count] = flat(state.get(name, [first] * count), count)
        self._settings = numpy.array(plan.numbers)
        self._call = _compiled(plan.rule).prepare(self._settings, block)
        after = self._call.results
        self._there = [*_parts(block[:, 0], self._numbers), *_parts(block[:, 1], self._slopes)]
        self._back = [(x, row) for row, x in _parts(after[:, 0], self._numbers)]
        self._back.append((block[:, 2:], after[:, 1:]))
        state.update({name: block[:, i] for i, name in enumerate(plan.columns, start=2)})
        self._bound = [plan.rule, *map(state.get, plan.columns)]


def flat(column: Any, count: int) -> list[float]:
    """A column of state as one list: it is one, or rows of a block of which the last has room left."""
    numbers: list[float] = column if isinstance(column, list) else column.ravel()[:count].tolist()
    return numbers


def _parts(rows: Any, array: Any) -> list[tuple[Any, Any]]:
    """Parts of an array with one axis beside their places in the rows of a block: whole rows, and the rest."""
    whole, rest = divmod(len(array), WIDTH)
    parts = [(rows[:whole], array[: whole * WIDTH].reshape(whole, WIDTH))] if whole else []
    return [*parts, (rows[whole, :rest], array[whole * WIDTH :])] if rest else parts


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
    """The rule as a compiled function of its settings and of rows of a block, which gives all but the slopes."""

    def on_row(settings: Any, row: Any) -> Any:
        shared = settings.tolist()
        moved = [rule(shared, *one) for one in zip(*row.tolist(), strict=True)]
        return autodiff.array([list(column) for column in zip(*moved, strict=True)])

    return autodiff.compile(on_row, rows=1)
