"""A step on arrays: a scalar rule compiled over many parameters, and bound to the arrays that hold them."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import is_not
from typing import Any

import autodiff

# So many parameters share one program, which takes some 0.1 ms for each to trace. A step of Adam on 2,410 takes 17 µs;
# in five parts 30, and 70 as rows of a program for a single parameter, which are copied one by one.
WIDTH = 4096


class GroupOnArrays:
    """The numbers and slopes of one group, in arrays that stay."""

    def __init__(self, numbers: Any, slopes: Any) -> None:
        self._numbers, self._slopes = numbers, slopes
        self._parts: list[_Part] = []
        self._rule: Any = None
        self._held: list[Any] = []

    def step(self, rule: Any, settings: Sequence[float], columns: Mapping[str, float], state: dict[str, Any]) -> None:
        """Change the numbers and the state by one step of the rule."""
        held = [state.get(name) for name in columns]
        if rule is not self._rule or any(map(is_not, held, self._held)):  # at first, or after load_state_dict
            self._bind(rule, len(settings), columns, state)
        for part in self._parts:
            part.step(settings)
        state["step"] += 1

    def _bind(self, rule: Any, settings: int, columns: Mapping[str, float], state: dict[str, Any]) -> None:
        import numpy

        count, parts = len(self._numbers), list[_Part]()
        held = [numpy.asarray(state.get(name, [first] * count), float) for name, first in columns.items()]
        for start in range(0, count, WIDTH):
            arrays = [array[start : start + WIDTH] for array in (self._numbers, self._slopes, *held)]
            parts.append(_Part(rule, settings, arrays, owns_state=count <= WIDTH))
        if count <= WIDTH:
            held = parts[0].arrays[2:]
        state.update(zip(columns, held, strict=True))
        self._rule, self._held, self._parts = rule, held, parts


class _Part:
    """A part of a group: a compiled call on an array of its own, and what is copied there and back at each step.

    Where it owns the state, the arrays of the state are rows of that array, which are copied once a step, not twice.
    """

    def __init__(self, rule: Any, settings: int, arrays: list[Any], owns_state: bool) -> None:
        import numpy

        buffer = numpy.ones(settings + len(arrays) * len(arrays[0]))  # a call reads a single array where it stands
        self._settings, rows = buffer[:settings], list(buffer[settings:].reshape(len(arrays), -1))
        for row, array in zip(rows, arrays, strict=True):
            row[:] = array
        self.arrays = [*arrays[:2], *rows[2:]] if owns_state else arrays
        self._call = _compiled(rule, settings, len(arrays)).prepare(buffer)
        self._there = [(row, array) for row, array in zip(rows, self.arrays, strict=True) if row is not array]
        self._back = list(zip([self.arrays[0], *self.arrays[2:]], self._call.results, strict=True))

    def step(self, settings: Sequence[float]) -> None:
        """Change the arrays by one step."""
        self._settings[:] = settings
        for row, array in self._there:
            row[:] = array
        self._call()
        for array, result in self._back:
            array[:] = result


def check_arrays(numbers: Any, slopes: Any, count: int) -> None:
    """Raise ImportError without numpy, and TypeError or ValueError for what is no array of so many float64."""
    try:
        import numpy
    except ImportError:
        raise ImportError('on_arrays needs numpy: pip install "scalar-autodiff[compile]"') from None
    for name, array in (("numbers", numbers), ("slopes", slopes)):
        if not isinstance(array, numpy.ndarray) or array.dtype != numpy.float64:
            kind = f"an array of {array.dtype}" if isinstance(array, numpy.ndarray) else type(array).__name__
            raise TypeError(f"{name} is an array of float64, got {kind}; write np.array({name}, float)")
        if array.shape != (count,):
            raise ValueError(f"{name} holds a number for each of {count} parameters, got the shape {array.shape}")


@cache
def _compiled(rule: Callable[..., Any], settings: int, columns: int) -> Any:
    """The rule as a compiled function of one array: the settings, then a column after the other."""

    def on_buffer(buffer: Any) -> tuple[Any, ...]:
        shared = buffer[:settings].tolist()
        rows = zip(*buffer[settings:].reshape(columns, -1).tolist(), strict=True)
        moved = [rule(shared, *row) for row in rows]
        return tuple([autodiff.array(list(column)) for column in zip(*moved, strict=True)])

    return autodiff.compile(on_buffer)
