"""Numbers of a program that f kept: the place where each is, as users would call it.

    >>> class Cell:
    ...     def step(self, x):
    ...         self.state = x * 2.0
    ...         return self.state
    >>> from autodiff import compile
    >>> compile(Cell().step)(1.0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    autodiff...TracingError: the function keeps a number of its program in the attribute 'state' of a Cell, assigned ...

A search through what refers to what, for an error message alone.
"""

import dis
import gc
import sys
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper
from types import CellType, CodeType, FrameType, FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any

from autodiff.compiler.calls.results import Results
from autodiff.compiler.trace.tracers import Owner, Tracer
from autodiff.structures.containers import attributes_of

_FURTHEST = 6  # containers around a number
_MOST = 100  # containers as far from it that are looked at


def where_kept(owner: Owner, results: Results, f: Callable[..., Any]) -> str:
    """The place of a number of the program after its trace: an attribute, a global, a cache, or the result of f."""
    kept = _tracers(owner)
    seen = {id(kept), id(results), *map(id, results), id(sys._getframe())}
    for child in (other for _, other in results.others):
        if any(holds(child, x) for x in kept):
            return f"its result, in a {type(child).__name__}"
    for x in kept[:3]:  # each takes a look at everything there is, several times
        found = _holder(x, seen, f)
        if found is not None:
            return found
    return "an attribute, a global or a container outside"


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


def _holder(x: Any, seen: set[int], f: Callable[..., Any]) -> str | None:
    """The name of the nearest holder of x, or of a container that holds it; None where none is known."""
    level = [x]
    for _ in range(_FURTHEST + 1):
        children = {id(child): child for child in level}
        seen.update(children, (id(level), id(children)))
        referrers = [
            y for y in gc.get_referrers(*level) if id(y) not in seen and not isinstance(y, (FrameType, Tracer))
        ]
        seen.add(id(referrers))
        level = referrers[:_MOST]
        for referrer in level:
            child = next((children[id(y)] for y in gc.get_referents(referrer) if id(y) in children), None)
            named = _named(referrer, child, f)
            if named is not None:
                return named
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
    if isinstance(holder, dict):
        return _named_in_dict(holder, child, f)
    if isinstance(holder, (list, tuple, set, frozenset, FunctionType, MethodType)):
        return None
    name = next((name for name, x in attributes_of(holder).items() if x is child), None)
    return None if name is None else f"the attribute {name!r} of a {type(holder).__name__}{_line(f, holder, name)}"


def _named_in_dict(holder: dict[Any, Any], child: Any, f: Callable[..., Any]) -> str | None:
    """The same for the dict of a module, a class or an object."""
    name: Any = next((key for key, value in holder.items() if value is child), None)
    for x in gc.get_referrers(holder):
        if isinstance(x, ModuleType) and vars(x) is holder:
            return f"the global {name!r} of {x.__name__}{_line(f, None, name)}"
        if isinstance(x, type) and vars(x).get(name) is child:
            return f"the attribute {name!r} of the class {x.__name__}{_line(f, x, name)}"
        if getattr(x, "__dict__", None) is holder and not isinstance(x, FunctionType):
            return f"the attribute {name!r} of a {type(x).__name__}{_line(f, x, name)}"
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
