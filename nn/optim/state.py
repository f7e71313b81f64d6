"""The state of an optimiser, checked before it is loaded: it has the form of what `state_dict` gives."""

from collections.abc import Mapping
from typing import Any

from autodiff import Value


def matched(given: Any, like: Any, where: str) -> Any:
    """A copy of what was given, which has the form of `like`: its keys, lengths, and kinds of numbers; None is any.

    Raises TypeError for another kind of thing, KeyError for other keys, ValueError for another length or name, each
    with the place where it was found.

    >>> matched({"step": 3, "mean": [1, 2.5]}, {"step": 0, "mean": [0.0, 0.0]}, "state")
    {'step': 3, 'mean': [1.0, 2.5]}
    """
    if like is None:
        return given
    if isinstance(like, dict):
        _check_kind(given, Mapping, "a dict", where)
        if given.keys() != like.keys():
            raise KeyError(f"{where} has the entries {', '.join(map(str, given))}; expected {', '.join(like)}")
        return {name: matched(given[name], x, f"{where}[{name!r}]") for name, x in like.items()}
    if isinstance(like, list):
        _check_kind(given, list, "a list", where)
        if len(given) != len(like):
            raise ValueError(f"{where} has {len(given)} entries, expected {len(like)}")
        return [matched(x, y, f"{where}[{i}]") for i, (x, y) in enumerate(zip(given, like, strict=True))]
    if isinstance(like, str):
        if given != like:
            raise ValueError(f"{where} is {like!r}, got {given!r}")
        return given
    if isinstance(like, int):
        _check_kind(given, type(like), "True or False" if isinstance(like, bool) else "a whole number", where)
        if given < 0:
            raise ValueError(f"{where} is at least 0, got {given!r}")
        return given
    try:
        return Value(given).data
    except TypeError as error:
        raise TypeError(f"{where}: {error}") from None


def _check_kind(given: Any, kind: type, expected: str, where: str) -> None:
    if not isinstance(given, kind):
        raise TypeError(f"{where} is {expected}, got {type(given).__name__} {given!r}")
