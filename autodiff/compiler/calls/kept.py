"""Numbers of a program that f kept: the place where each is, as users would call it.

    >>> class Cell:
    ...     def step(self, x):
    ...         self.state = x * 2.0
    ...         return self.state
    >>> from autodiff import compile
    >>> compile(Cell().step)(1.0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    autodiff...TracingError: the function keeps a number of its program in the attribute 'state' of a Cell, assigned ...

A search from the function through all that it refers to, for an error message alone. It meets anything, such as a proxy
of what is gone or an object whose attributes raise, so nothing that is met is asked: isinstance would ask a class that
says what it is, and a look at an attribute runs whatever is written there.
"""

import dis
import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import _lru_cache_wrapper
from heapq import heappop, heappush
from types import (
    CellType,
    CodeType,
    FrameType,
    FunctionType,
    GeneratorType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

from autodiff.compiler.calls.results import Results
from autodiff.compiler.trace.tracers import Owner, Tracer

_FURTHEST = 6  # containers around a number of a result
_MOST = 200_000  # things that are looked at on the way from the function to a number
_SIZED = frozenset({list, tuple, dict, set, frozenset})


def where_kept(owner: Owner, results: Results, f: Callable[..., Any]) -> str:
    """The place of a number of the program after its trace: an attribute, a global, a cache, or the result of f."""
    kept = _tracers(owner)
    for child in (other for _, other in results.others):
        if any(holds(child, x) for x in kept):
            return f"its result, in a {type(child).__name__}"
    return _holder(kept, f) or "an attribute, a global or a container outside"


def _tracers(owner: Owner) -> list[Any]:
    """The numbers of a program that something holds. The collector knows the holders alone, not the numbers."""
    found = {}
    for holder in gc.get_objects():
        for x in _referents(holder):
            if issubclass(type(x), Tracer) and x.owner is owner:  # of its type: no dead proxy
                found[id(x)] = x
    return list(found.values())


def holds(container: Any, x: Any) -> bool:
    """Whether x can be reached from a container within a few steps."""
    reached, seen = [container], {id(container)}
    for _ in range(_FURTHEST):
        referents = (y for x in reached for y in _referents(x))
        reached = [y for y in referents if id(y) not in seen and not _is(y, type, ModuleType)]
        seen.update(map(id, reached))
        if any(y is x for y in reached):
            return True
        if len(seen) > 10_000:
            return False
    return False


def _holder(kept: list[Any], f: Callable[..., Any]) -> str | None:
    """The name of what holds the number that is nearest to f; None where none is near.

    The more things a list or dict holds, the farther they are: rows of data come last.
    """
    wanted = set(map(id, kept))
    holders: dict[int, Any] = {id(f): None}  # of all that was reached, what refers to it
    nearest = [(0, 0, f)]
    while nearest and len(holders) <= _MOST:
        distance, _, holder = heappop(nearest)
        for x in _referents(holder):
            if id(x) in holders or _is(x, FrameType):
                continue
            holders[id(x)] = holder
            if id(x) not in wanted:
                size = len(x) if type(x) in _SIZED else 1
                heappush(nearest, (distance + size, len(holders), x))
            elif (name := _name_on_the_way(x, holders, f)) is not None:
                return name
    return None


def _name_on_the_way(x: Any, holders: dict[int, Any], f: Callable[..., Any]) -> str | None:
    """The user's name for the place of x in its holder, or for that of what holds the holder, and so on to f."""
    while (holder := holders[id(x)]) is not None:
        name = _named_in_dict(holder, x, holders[id(holder)], f) if _is(holder, dict) else _named(holder, x, f)
        if name is not None:
            return name
        x = holder
    return None


def _named(holder: Any, child: Any, f: Callable[..., Any]) -> str | None:
    """The user's name for the place of `child` in its holder; None if that is a mere container."""
    if _is(holder, _lru_cache_wrapper):
        cached = _function(_dict_of(holder).get("__wrapped__"))
        return (
            "functools.cache" if cached is None else f"functools.cache of {_at(cached.__qualname__, cached.__code__)}"
        )
    if _is(holder, GeneratorType):
        return f"the generator {_at(holder.__qualname__, holder.gi_code)}"
    if _is(holder, CellType):
        name = next((name for name, cell in _variables(f) if cell is holder), None)
        return None if name is None else f"the variable {name!r} around the function{_line(f, None, name)}"
    if _is(holder, list, tuple, set, frozenset, FunctionType, MethodType):
        return None
    name = _name_of(child, _attributes(holder))
    return None if name is None else f"the attribute {name!r} of a {_class_name(type(holder))}{_line(f, holder, name)}"


def _named_in_dict(holder: dict[Any, Any], child: Any, owner: Any, f: Callable[..., Any]) -> str | None:
    """The same for the dict of a module, a function, a class or an object, which refers to it."""
    name = _name_of(child, holder)
    if name is None:
        return None
    if _is(owner, FunctionType) and owner.__globals__ is holder:
        return f"the global {name!r} of {_text(owner.__module__)}{_line(f, None, name)}"
    if _is(owner, type):
        return f"the attribute {name!r} of the class {_class_name(owner)}{_line(f, owner, name)}"
    if _dict_of(owner) is not holder:
        return None
    if _is(owner, ModuleType):
        return f"the global {name!r} of {_text(dict.get(holder, '__name__'))}{_line(f, None, name)}"
    return f"the attribute {name!r} of a {_class_name(type(owner))}{_line(f, owner, name)}"


# --- looks at things that are not asked ---


def _referents(x: Any) -> list[Any]:
    """What an object refers to. Of a module that is its dict alone: what else one written in C shows to the collector
    may be freed already, as in asyncio's of Python 3.12, and would be freed again by whoever has looked at it."""
    return [_dict_of(x)] if _is(x, ModuleType) else gc.get_referents(x)


_class_name: Callable[[Any], str] = type.__dict__["__name__"].__get__
_bases: Callable[[Any], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_dict_of_class: Callable[[Any], Any] = type.__dict__["__dict__"].__get__


def _is(x: Any, *kinds: type) -> bool:
    """Whether x is an instance of one of these classes."""
    return not set(kinds).isdisjoint(_bases(type(x)))


def _dict_of(x: Any) -> Any:
    """The dict of an object; an empty one where it has none, or keeps it to itself."""
    for base in _bases(type(x)):
        descriptor = _dict_of_class(base).get("__dict__")
        if descriptor is not None:
            return descriptor.__get__(x) if _is(descriptor, GetSetDescriptorType, MemberDescriptorType) else {}
    return {}


def _attributes(x: Any) -> dict[Any, Any]:
    """What an object has in its slots and its dict, by name."""
    slots = {}
    for base in _bases(type(x)):
        for name, descriptor in _dict_of_class(base).items():
            if _is(descriptor, MemberDescriptorType) and "__slots__" in _dict_of_class(base):
                with suppress(AttributeError):  # nothing is in it
                    slots[name] = descriptor.__get__(x)
    return slots | dict(dict.items(_dict_of(x)))


def _name_of(x: Any, named: dict[Any, Any]) -> str | None:
    return next((key for key, value in dict.items(named) if value is x and type(key) is str), None)


def _text(x: Any) -> str:
    return x if type(x) is str else "a module"


def _at(name: str, code: CodeType) -> str:
    return f"{name}, at {code.co_filename}:{code.co_firstlineno}"


def _function(x: Any) -> FunctionType | None:
    """The function that x is, or is a method of."""
    inner = x.__func__ if _is(x, MethodType) else x
    return inner if _is(inner, FunctionType) else None


def _variables(f: Any) -> Iterator[tuple[str, CellType]]:
    """The variables that f, and the functions that it closes over, close over."""
    pending, seen = [f], set[int]()
    while pending:
        inner = _function(pending.pop())
        if inner is None or id(inner) in seen:
            continue
        seen.add(id(inner))
        for name, cell in zip(inner.__code__.co_freevars, inner.__closure__ or (), strict=True):
            yield name, cell
            try:
                pending.append(cell.cell_contents)
            except ValueError:  # nothing was put into it yet
                continue


def _line(f: Any, holder: Any, name: str) -> str:
    """The line where a name is assigned, or used, in f or in the methods of the holder; "" if that is not seen."""
    places = [f, *[part for _, cell in _variables(f) for part in _contents(cell)]]
    if holder is not None:
        kind = holder if _is(holder, type) else type(holder)
        places += [part for base in _bases(kind) for part in _dict_of_class(base).values()]
    codes = [function.__code__ for function in map(_function, places) if function is not None]
    for verb, operations in (("assigned", ("STORE_",)), ("used", ("LOAD_",))):
        for code in codes:
            line = _first_line(code, name, operations)
            if line is not None and code.co_name != "__init__":
                return f", {verb} at {code.co_filename}:{line}"
    return ""


def _contents(cell: CellType) -> list[Any]:
    try:
        return [cell.cell_contents]
    except ValueError:
        return []


def _first_line(code: CodeType, name: str, operations: tuple[str, ...]) -> int | None:
    """The first line of the code, or of code in it, that does this to the name."""
    line = code.co_firstlineno
    for instruction in dis.get_instructions(code):
        if instruction.starts_line is not None and instruction.positions is not None:
            line = instruction.positions.lineno or line
        if instruction.opname.startswith(operations) and instruction.argval == name:
            return (instruction.positions.lineno if instruction.positions else None) or line
        if isinstance(instruction.argval, CodeType):
            inner = _first_line(instruction.argval, name, operations)
            if inner is not None:
                return inner
    return None
