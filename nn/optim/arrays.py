"""A step on arrays: a scalar rule compiled over many parameters, and bound to the arrays that hold them."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import autodiff

# One program serves so many parameters at once. Wider ones take longer to trace, some 0.1 ms a parameter; calls of
# narrower ones, and of one parameter with rows, take longer altogether.
WIDTH = 4096


class GroupOnArrays:
    """The numbers and slopes of one group, in arrays that stay."""

    def __init__(self, numbers: Any, slopes: Any) -> None:
        self._numbers, self._slopes = numbers, slopes
        self._bound: tuple[Any, ...] = ()

    def step(self, rule: Any, settings: Sequence[float], columns: Mapping[str, float], state: dict[str, Any]) -> None:
        """Change the numbers and the state by one step of the rule."""
        held = [state.get(name) for name in columns]
        if not self._bound or self._bound[0] is not rule or any(map(_differ, self._bound[1], held)):
            self._bind(rule, settings, columns, state)
        _, _, shared, calls = self._bound
        shared[:] = settings
        for call, places in calls:
            call()
            for place, result in zip(places, call.results, strict=True):
                place[...] = result
        state["step"] += 1

    def _bind(self, rule: Any, settings: Sequence[float], columns: Mapping[str, float], state: dict[str, Any]) -> None:
        import numpy

        count = len(self._numbers)
        for name, first in columns.items():
            state[name] = numpy.asarray(state.get(name, [first] * count), float)
        arrays, shared = [state[name] for name in columns], numpy.array(settings)
        calls = []
        for start in range(0, count, WIDTH):
            span = slice(start, start + WIDTH)
            places = [self._numbers[span], *[array[span] for array in arrays]]
            call = _compiled(rule).prepare(shared, places[0], self._slopes[span], *places[1:])
            calls.append((call, places))
        self._bound = (rule, arrays, shared, calls)


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


def _differ(bound: Any, held: Any) -> bool:
    return bound is not held


@lru_cache(maxsize=16)
def _compiled(rule: Callable[..., Any]) -> Any:
    """The rule as a compiled function of columns."""

    def on_columns(numbers: Any, *columns: Any) -> tuple[Any, ...]:
        shared = numbers.tolist()
        moved = [rule(shared, *row) for row in zip(*columns, strict=True)]
        return tuple([autodiff.array(list(column)) for column in zip(*moved, strict=True)])

    return autodiff.compile(on_columns)
