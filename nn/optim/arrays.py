"""A step on arrays: a scalar rule compiled over many parameters, and bound to the arrays that hold them."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import is_not
from typing import Any

import autodiff

# One program serves so many parameters at once. It takes some 0.1 ms to trace for each; programs for fewer, and one for
# a single parameter with rows, take longer to run over them all.
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

        count = len(self._numbers)
        held = [numpy.asarray(state.get(name, [first] * count), float) for name, first in columns.items()]
        self._parts = []
        for start in range(0, count, WIDTH):
            arrays = [array[start : start + WIDTH] for array in (self._numbers, self._slopes, *held)]
            self._parts.append(_Part(rule, settings, arrays))
        if len(self._parts) == 1:
            held = self._parts[0].own_columns()
        state.update(zip(columns, held, strict=True))
        self._rule, self._held = rule, held


class _Part:
    """A part of a group: a compiled call on an array of its own, and what is copied there and back at each step."""

    def __init__(self, rule: Any, settings: int, arrays: list[Any]) -> None:
        import numpy

        buffer = numpy.empty(settings + len(arrays) * len(arrays[0]))  # a call reads a single array where it stands
        self._settings, rows = buffer[:settings], buffer[settings:].reshape(len(arrays), -1)
        self._settings[:], rows[:] = 1.0, arrays
        self._call = _compiled(rule, settings, len(arrays)).prepare(buffer)
        numbers, _, *columns = arrays
        self._rows = rows
        self._there = list(zip(rows, arrays, strict=True))
        self._back = list(zip([numbers, *columns], self._call.results, strict=True))

    def own_columns(self) -> list[Any]:
        """The state as the call reads it: held there, it is copied once at each step, not twice."""
        columns = list(self._rows[2:])
        self._there = self._there[:2]
        self._back = [self._back[0], *zip(columns, self._call.results[1:], strict=True)]
        return columns

    def step(self, settings: Sequence[float]) -> None:
        self._settings[:] = settings
        for place, array in self._there:
            place[:] = array
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


@lru_cache(maxsize=16)
def _compiled(rule: Callable[..., Any], settings: int, columns: int) -> Any:
    """The rule as a compiled function of one array: the settings, then a column after the other."""

    def on_buffer(buffer: Any) -> tuple[Any, ...]:
        shared = buffer[:settings].tolist()
        rows = zip(*buffer[settings:].reshape(columns, -1).tolist(), strict=True)
        moved = [rule(shared, *row) for row in rows]
        return tuple([autodiff.array(list(column)) for column in zip(*moved, strict=True)])

    return autodiff.compile(on_buffer)
