"""Containers: lists, tuples, dicts and dataclasses, opened, and made again around other things.

A container that is made again has the class of the old one: it is a named tuple, an OrderedDict, a defaultdict with
its factory, a dict whose items are attributes, a dataclass with its methods.

    >>> from collections import defaultdict
    >>> box = opened(defaultdict(float, {"w": 1.0, "b": 2.0}))
    >>> box.parts, holding(box.form, [10.0, 20.0])
    ([1.0, 2.0], defaultdict(<class 'float'>, {'w': 10.0, 'b': 20.0}))
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any, Generic, NamedTuple, cast

PLAIN_CONTAINERS = frozenset({list, tuple, dict})


class Form(NamedTuple):
    """The kind of a container, without its contents.

    Attributes:
        kind: its class.
        keys: of a dict; the names of the attributes of a dataclass.
        factory: of a defaultdict.
    """

    kind: Any
    keys: tuple[Hashable, ...] = ()
    factory: Any = None


class Opened(NamedTuple):
    """The form of a container, and its parts in order."""

    form: Form
    parts: list[Any]


def opened(x: Any) -> Opened | None:
    """The form of a container and the parts in it; None for anything else."""
    kind: Any = type(x)
    if isinstance(x, (list, tuple)):
        return Opened(Form(kind), list(x))
    if isinstance(x, dict):
        factory = x.default_factory if isinstance(x, defaultdict) else None
        return Opened(Form(kind, tuple(x), factory), list(x.values()))
    if is_record(kind):
        names = attributes_of(x)
        return Opened(Form(kind, tuple(names)), list(names.values()))
    return None


def holding(form: Form, parts: Sequence[Any]) -> Any:
    """A container of that form around these parts.

    Raises TypeError for a class whose constructor needs more than the parts.
    """
    kind, keys = form.kind, cast(tuple[Any, ...], form.keys)
    if kind is list or kind is tuple:
        return kind(parts)
    if kind is dict:
        return dict(zip(keys, parts, strict=True))
    if hasattr(kind, "_make"):
        return kind._make(parts)
    if is_record(kind):
        return record(kind, dict(zip(keys, parts, strict=True)))
    return _made(form, parts)


def _made(form: Form, parts: Sequence[Any]) -> Any:
    """An instance of a class derived from list, tuple or dict, made by a call of that class."""
    kind, keys = form.kind, form.keys
    items: Any = dict(zip(keys, parts, strict=True)) if issubclass(kind, dict) else list(parts)
    ways: list[Callable[[], Any]] = [
        (lambda: kind(form.factory, items)) if issubclass(kind, defaultdict) else (lambda: kind(items))
    ]
    if isinstance(items, dict) and all(isinstance(key, str) for key in keys):
        ways.append(lambda: kind(**items))
    for way in ways:
        try:
            made = way()
        except Exception:  # a constructor of its own may raise anything
            continue
        if type(made) is kind and _holds(made, items):
            return made
    plain = next(base.__name__ for base in (dict, list, tuple) if issubclass(kind, base))
    raise TypeError(f"a {kind.__name__} cannot be made anew of what it holds; give {plain}(...) of it instead")


def _holds(made: Any, items: Any) -> bool:
    if isinstance(items, dict):
        return list(made) == list(items) and all(x is y for x, y in zip(made.values(), items.values(), strict=True))
    return len(made) == len(items) and all(x is y for x, y in zip(made, items, strict=True))


def check_attributes(x: Any, place: str) -> None:
    """Raise TypeError for a list, tuple or dict with attributes that one made anew of what it holds would lack.

    A function would be given that one, without the attributes, or with those of a new one. One of the three classes
    themselves has none.
    """
    attributes = attributes_of(x)
    if not attributes:
        return
    anew = attributes_of(holding(*cast(Opened, opened(x))))
    lost = [name for name, own in attributes.items() if name not in anew or not _is_same(own, anew[name])]
    if lost:
        plain = next(base.__name__ for base in (dict, list, tuple) if isinstance(x, base))
        raise TypeError(
            f"a {type(x).__name__} made anew of what it holds has not this one's attributes: {', '.join(lost)} (at "
            f"{place}); give {plain}(...) of it instead, and them as arguments of their own"
        )


def _is_same(x: Any, y: Any) -> bool:
    if x is y:
        return True
    try:
        return type(x) is type(y) and bool(x == y)
    except Exception:  # an array has no one truth
        return False


def is_record(kind: Any) -> bool:
    """Whether a class is a dataclass, and so are those that it is derived from.

    One derived from another class, such as a model, may be more than its attributes.
    """
    return _is_record(kind)


@lru_cache(maxsize=1024)
def _is_record(kind: Any) -> bool:
    bases = [base for base in kind.__mro__ if base is not object and base is not Generic]
    # What dataclasses.is_dataclass looks for, too; to import it takes some milliseconds.
    return bool(bases) and all("__dataclass_fields__" in vars(base) for base in bases)


def attributes_of(x: Any) -> dict[str, Any]:
    """The attributes that an object itself has, in its slots and its __dict__, by name."""
    kind: Any = type(x)
    slots = _all_slots(kind)
    attributes = dict(getattr(x, "__dict__", ()))
    return {name: getattr(x, name) for name in slots if hasattr(x, name)} | attributes if slots else attributes


def has_slots(kind: Any) -> bool:
    """Whether objects of a class have attributes in slots."""
    return bool(_all_slots(kind))


@lru_cache(maxsize=1024)
def _all_slots(kind: Any) -> list[str]:
    return [name for base in reversed(kind.__mro__) for name in _slots(base)]


def _slots(kind: type) -> list[str]:
    slots = vars(kind).get("__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    hidden = f"_{kind.__name__.lstrip('_')}"
    return [
        hidden + name if name.startswith("__") and not name.endswith("__") else name
        for name in names
        if name not in ("__dict__", "__weakref__")
    ]


def record(kind: Any, attributes: dict[str, Any]) -> Any:
    """An object of a class with these attributes, which its __init__ has not seen."""
    made = kind.__new__(kind)
    for name, x in attributes.items():
        object.__setattr__(made, name, x)
    return made
