"""Numbers of a program that f kept: the place where each is, as users would call it.

    >>> class Cell:
    ...     def step(self, x):
    ...         self.state = x * 2.0
    ...         return self.state
    >>> from autodiff import compile
    >>> compile(Cell().step)(1.0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    autodiff...TracingError: the function keeps a number of its program in the attribute 'state' of a Cell, assigned ...

A search from the function through all that it refers to, for an error message alone.
"""

import dis
import gc
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper
from types import CellType, CodeType, FrameType, FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any

from autodiff.compiler.calls.results import Results
from autodiff.compiler.trace.tracers import Owner, Tracer
from autodiff.structures.containers import attributes_of

_FURTHEST = 6  # containers around a number of a result
_MOST = 200_000  # things that are looked at on the way from the function to a number


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
        for x in gc.get_referents(holder):
            if issubclass(type(x), Tracer) and x.owner is owner:  # of its type: no dead proxy
                found[id(x)] = x
    return list(found.values())


def holds(container: Any, x: Any) -> bool:
    """Whether x can be reached from a container within a few steps."""
    reached, seen = [container], {id(container)}
    for _ in range(_FURTHEST):
        reached = [y for y in gc.get_referents(*reached) if id(y) not in seen and not isinstance(y, (type, ModuleType))]
        seen.update(map(id, reached))
        if any(y is x for y in reached):
            return True
        if len(seen) > 10_000:
            return False
    return False


def _holder(kept: list[Any], f: Callable[..., Any]) -> str | None:
    """The name of what holds the number that is nearest to f; None where none is near."""
    wanted = set(map(id, kept))
    holders: dict[int, Any] = {id(f): None}  # of all that was reached, what refers to it
    level: list[Any] = [f]
    while level:
        reached: list[Any] = []
        for holder in level:
            if len(holders) > _MOST:
                return None
            for x in gc.get_referents(holder):
                if id(x) in holders or isinstance(x, FrameType):
                    continue
                holders[id(x)] = holder
                if id(x) not in wanted:
                    reached.append(x)
                elif (name := _name_on_the_way(x, holders, f)) is not None:
                    return name
        level = reached
    return None


def _name_on_the_way(x: Any, holders: dict[int, Any], f: Callable[..., Any]) -> str | None:
    """The user's name for the place of x in its holder, or for that of what holds the holder, and so on to f."""
    while (holder := holders[id(x)]) is not None:
        name = _named_in_dict(holder, x, holders[id(holder)], f) if isinstance(holder, dict) else _named(holder, x, f)
        if name is not None:
            return name
        x = holder
    return None


def _named(holder: Any, child: Any, f: Callable[..., Any]) -> str | None:
    """The user's name for the place of `child` in its holder; None if that is a mere container."""
    if isinstance(holder, _lru_cache_wrapper):
        code = holder.__wrapped__.__code__
        return f"functools.cache of {holder.__qualname__}, at {code.co_filename}:{code.co_firstlineno}"
    if isinstance(holder, GeneratorType):
        return f"the generator {holder.__qualname__}, at {holder.gi_code.co_filename}:{holder.gi_code.co_firstlineno}"
    if isinstance(holder, CellType):
        name = next((name for name, cell in _variables(f) if cell is holder), None)
        return None if name is None else f"the variable {name!r} around the function{_line(f, None, name)}"
    if isinstance(holder, (list, tuple, set, frozenset, FunctionType, MethodType)):
        return None
    name = next((name for name, x in attributes_of(holder).items() if x is child), None)
    return None if name is None else f"the attribute {name!r} of a {type(holder).__name__}{_line(f, holder, name)}"


def _named_in_dict(holder: dict[Any, Any], child: Any, owner: Any, f: Callable[..., Any]) -> str | None:
    """The same for the dict of a module, a class or an object, which refers to it."""
    name: Any = next((key for key, value in holder.items() if value is child), None)
    if isinstance(owner, ModuleType):
        return f"the global {name!r} of {owner.__name__}{_line(f, None, name)}"
    if isinstance(owner, FunctionType):
        return (
            f"the global {name!r} of {owner.__module__}{_line(f, None, name)}" if owner.__globals__ is holder else None
        )
    if isinstance(owner, type):
        return f"the attribute {name!r} of the class {owner.__name__}{_line(f, owner, name)}"
    if getattr(owner, "__dict__", None) is holder:
        return f"the attribute {name!r} of a {type(owner).__name__}{_line(f, owner, name)}"
    return None


def _variables(f: Any) -> Iterator[tuple[str, CellType]]:
    """The variables that f, and the functions that it closes over, close over."""
    pending, seen = [f], set[int]()
    while pending:
        inner = pending.pop()
        inner = getattr(inner, "__func__", inner)
        if not isinstance(inner, FunctionType) or id(inner) in seen:
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
    functions = [getattr(f, "__func__", f), *[part for _, cell in _variables(f) for part in _contents(cell)]]
    if holder is not None:
        kind = holder if isinstance(holder, type) else type(holder)
        functions += [part for base in kind.__mro__ for part in vars(base).values()]
    codes = [part.__code__ for part in functions if isinstance(part, FunctionType)]
    for verb, operations in (("assigned", ("STORE_",)), ("used", ("LOAD_",))):
        for code in codes:
            line = _first_line(code, name, operations)
            if line is not None and code.co_name != "__init__":
                return f", {verb} at {code.co_filename}:{line}"
    return ""


def _contents(cell: CellType) -> list[Any]:
    try:
        return [getattr(cell.cell_contents, "__func__", cell.cell_contents)]
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
