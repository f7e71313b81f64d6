"""The state of an optimiser, checked before it is loaded: it has the form of a `state_dict`."""

from collections.abc import Mapping
from typing import Any

from nn.optim.options import number

_KINDS: Mapping[type, tuple[Any, str]] = {
    dict: (Mapping, "a dict"),
    list: (list, "a list"),
    int: (int, "a whole number"),
}


def matched(given: Any, like: Any, where: str) -> Any:
    """A copy of the state given, which has the form of `like`: its entries, lengths, whole numbers from 0 and floats.

    An entry of another kind in `like` stands for anything. Raises TypeError for another kind of thing, KeyError for
    other entries, ValueError for another length or a whole number below 0, each with the place where it was found.

    >>> matched({"step": 3, "mean": [1, 2.5]}, {"step": 0, "mean": [0.0, 0.0]}, "state")
    {'step': 3, 'mean': [1.0, 2.5]}
    """
    kind, says = _KINDS.get(type(like), (object, ""))
    if not isinstance(given, kind):
        raise TypeError(f"{where} is {says}, got {type(given).__name__} {given!r}")
    if isinstance(like, dict):
        if given.keys() != like.keys():
            raise KeyError(f"{where} has the entries {', '.join(map(str, given))}; expected {', '.join(like)}")
        return {name: matched(given[name], x, f"{where}[{name!r}]") for name, x in like.items()}
    if isinstance(like, list):
        if len(given) != len(like):
            raise ValueError(f"{where} has {len(given)} entries, expected {len(like)}")
        return [matched(x, y, f"{where}[{i}]") for i, (x, y) in enumerate(zip(given, like, strict=True))]
    if type(like) is int and given < 0:
        raise ValueError(f"{where} is at least 0, got {given!r}")
    return number(where, given) if isinstance(like, float) else given
