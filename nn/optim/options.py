"""The options of optimisers, checked where they are given, and again before each step that uses them.

>>> checked("momentum", 1.5)
Traceback (most recent call last):
ValueError: momentum is at least 0 and below 1, got 1.5
"""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, NamedTuple

from autodiff import Value


class Range(NamedTuple):
    """A condition on an option, in words and as a test, which takes one number or two."""

    says: str
    holds: Callable[..., bool]
    is_pair: bool = False


RANGES: Mapping[str, Range] = {
    "lr": Range("the learning rate is at least 0 and finite", lambda x: 0.0 <= x < inf),
    "momentum": Range("momentum is at least 0 and below 1", lambda x: 0.0 <= x < 1.0),
    "dampening": Range("dampening is finite", lambda x: -inf < x < inf),
    "weight_decay": Range("weight_decay is at least 0 and finite", lambda x: 0.0 <= x < inf),
    "alpha": Range("alpha is at least 0 and below 1", lambda x: 0.0 <= x < 1.0),
    "eps": Range("eps is above 0 and finite", lambda x: 0.0 < x < inf),
    "betas": Range("betas are two numbers, each at least 0 and below 1", lambda a, b: 0 <= a < 1 and 0 <= b < 1, True),
    "etas": Range("etas are two numbers, between 0 and 1, and above 1", lambda a, b: 0 < a < 1 < b < inf, True),
    "step_sizes": Range("step_sizes are two numbers from 0, the smaller first", lambda a, b: 0 <= a <= b < inf, True),
}


def checked(name: str, given: Any) -> Any:
    """The option as a float, a tuple of two or a bool. Raises TypeError for another kind, ValueError out of range."""
    if name not in RANGES:
        if given is True or given is False:
            return given
        raise TypeError(f"{name} is True or False, got {given!r}")
    says, holds, is_pair = RANGES[name]
    if is_pair:
        pair = tuple([number(name, x) for x in given]) if isinstance(given, (list, tuple)) else ()
        if len(pair) == 2 and holds(*pair):
            return pair
    elif holds(x := number(name, given)):
        return x
    raise ValueError(f"{says}, got {given!r}")


def number(name: str, given: Any) -> float:
    """The number as a float. Raises TypeError, which names it, for anything that is not a number."""
    try:
        return given if type(given) is float else Value(given).data
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def above_0(name: str, given: Any) -> float:
    """The number as a float. Raises TypeError if it is not a number, ValueError unless it is above 0 and finite."""
    if not 0.0 < (x := number(name, given)) < inf:
        raise ValueError(f"{name} is above 0 and finite, got {given!r}")
    return x


def at_least_0(name: str, given: Any) -> float:
    """The number as a float. Raises TypeError if it is not a number, ValueError unless it is at least 0 and finite."""
    if not 0.0 <= (x := number(name, given)) < inf:
        raise ValueError(f"{name} is at least 0 and finite, got {given!r}")
    return x
