"""What layers are given: inputs of the right width, widths that are whole numbers.

>>> inputs_of("hidden", (1.0, 2.0), 2), width_of("nin", 3)
([1.0, 2.0], 3)
"""

from collections.abc import Callable, Sequence
from operator import index
from typing import Any


def unwrapped(outputs: Sequence[Any]) -> Any:
    """Return the output itself when there is one, else the list of them."""
    return outputs[0] if len(outputs) == 1 else outputs


def inputs_of(name: str, x: Any, width: int) -> list[Any]:
    """Return x as a list of `width` inputs. Raises TypeError for no list, ValueError for another width."""
    if isinstance(x, (str, bytes, dict)) or not hasattr(type(x), "__iter__"):
        raise TypeError(f"{name} expects a list of {width} inputs, got {type(x).__name__}; write [x] for a single one")
    inputs = x.tolist() if hasattr(x, "tolist") else list(x)
    if not isinstance(inputs, list):
        raise TypeError(f"{name} expects a list of {width} inputs, got a single number; write [x]")
    if len(inputs) != width:
        raise ValueError(f"{name} expects a list of {width} inputs, got {len(inputs)}")
    return inputs


def width_of(name: str, width: Any) -> int:
    """Return a number of units as an int; numpy's integers are as good. Raises ValueError for anything else."""
    if isinstance(width, bool) or not hasattr(type(width), "__index__") or width < 1:
        raise ValueError(f"{name} is a whole number of at least 1, got {width!r}")
    return index(width)


def is_list(x: Any) -> bool:
    """Whether x holds numbers, as a list, tuple or array, and is no single one."""
    return isinstance(x, (list, tuple)) or getattr(x, "ndim", 0) > 0


def each(function: Callable[[Any], Any], x: Any) -> Any:
    """Return the function of each number, in lists nested as x is.

    >>> each(abs, [1.0, (-2.0, -3.0)])
    [1.0, [2.0, 3.0]]
    """
    if not is_list(x):
        return function(x)
    return [each(function, y) for y in (x.tolist() if hasattr(x, "tolist") else x)]
