"""The options of optimisers, checked where they are given, and again before each step that uses them.

>>> checked("momentum", 1.5)
Traceback (most recent call last):
ValueError: momentum is at least 0 and below 1, got 1.5
"""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from autodiff import Value

_AT_LEAST_0: tuple[str, Callable[..., bool]] = ("at least 0 and finite", lambda x: 0.0 <= x < inf)
_SHARE: tuple[str, Callable[..., bool]] = ("at least 0 and below 1", lambda x: 0.0 <= x < 1.0)

# The range of each number, in words and as a test.
NUMBERS: Mapping[str, tuple[str, Callable[..., bool]]] = {
    "lr": _AT_LEAST_0,
    "momentum": _SHARE,
    "dampening": ("finite", lambda x: -inf < x < inf),
    "weight_decay": _AT_LEAST_0,
    "alpha": _SHARE,
    "eps": ("above 0 and finite", lambda x: 0.0 < x < inf),
}
PAIRS: Mapping[str, tuple[str, Callable[..., bool]]] = {
    "betas": ("two numbers, each at least 0 and below 1", lambda a, b: 0.0 <= a < 1.0 and 0.0 <= b < 1.0),
    "etas": ("two numbers, one between 0 and 1, one above 1", lambda a, b: 0.0 < a < 1.0 < b < inf),
    "step_sizes": ("two numbers, from 0, the smaller one first", lambda a, b: 0.0 <= a <= b < inf),
}


def checked(name: str, given: Any) -> Any:
    """The option as a float, a tuple of two or a bool. Raises TypeError for another kind, ValueError out of range."""
    if name in NUMBERS:
        says, holds = NUMBERS[name]
        number = given if type(given) is float else Value(given).data
        if holds(number):
            return number
        raise ValueError(f"{_NOUNS.get(name, name)} is {says}, got {given!r}")
    if name in PAIRS:
        says, holds = PAIRS[name]
        pair = tuple([x if type(x) is float else Value(x).data for x in given]) if _is_listed(given) else ()
        if len(pair) == 2 and holds(*pair):
            return pair
        raise ValueError(f"{name} are {says}, got {given!r}")
    if given is True or given is False:
        return given
    raise TypeError(f"{name} is True or False, got {given!r}")


def above_0(name: str, given: Any) -> float:
    """The number as a float. Raises TypeError for no number, ValueError unless it is above 0 and finite."""
    number = Value(given).data
    if not 0.0 < number < inf:
        raise ValueError(f"{name} is above 0 and finite, got {given!r}")
    return number


_NOUNS = {"lr": "the learning rate"}


def _is_listed(given: Any) -> bool:
    return isinstance(given, (list, tuple))
