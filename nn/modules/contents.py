"""The contents of a module: a walk through its attributes, and the lists, tuples, dicts, arrays and modules in them.

>>> from nn import Neuron
>>> [(dotted(place), type(thing).__name__) for place, thing in walk(Neuron(2, seed=0))]
[('', 'Neuron'), ('w', 'list'), ('b', 'Value')]
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import product
from numbers import Integral, Real
from operator import methodcaller
from typing import Any

from autodiff import Value

Place = tuple[Any, Any] | None  # (place of the holder, key), outermost None; joined only when a name is asked for


def dotted(place: Place) -> str:
    """The keys that lead to a place, as a name: `layers.0.w`."""
    keys = []
    while place is not None:
        place, key = place
        keys.append(str(key))
    return ".".join(reversed(keys))


def is_module(thing: object) -> bool:
    """Whether it is a Module, which is known by its method `child_name`."""
    return _reader(type(thing)) is _attributes


def walk(module: Any, deep: bool = True) -> Iterator[tuple[Place, Any]]:
    """Yield (place, thing) for the module, and the modules and Values under it, as deep as they nest, in order.

    Unless `deep`, the contents of the modules that it holds are left out. A list of Values alone comes as that list,
    which takes half the time. A module or a container held twice, or holding its holder, is visited once; buffers are
    left out. Raises TypeError for modules or Values in a set, whose order would differ from run to run.
    """
    yield None, module
    visited = {id(module)}
    stack: list[tuple[Place, Any]] = [(None, iter(children(module) or ()))]
    while stack:
        place, those = stack[-1]
        for key, child in those:
            kind = type(child)
            read = _reader(kind)
            if read is None:
                continue
            if read is _alone or (kind is list and set(map(type, child)) == _VALUES):
                yield (place, key), child
            elif read is _unordered:
                _refuse_to_order(module, (place, key), child)
            elif id(child) not in visited:
                visited.add(id(child))
                if read is _attributes:
                    yield (place, key), child
                    if not deep:
                        continue
                stack.append(((place, key), iter(read(child))))
                break  # down into the child; the rest of these children has its turn afterwards
        else:
            stack.pop()


def modules_of(model: Any) -> list[Any]:
    """The modules of a model, itself first."""
    return [thing for _, thing in walk(model) if is_module(thing)]


def children(thing: Any) -> Iterable[tuple[Any, Any]] | None:
    """(key, child) pairs of a module or container, None of anything else."""
    read = _reader(type(thing))
    return None if read is None or read is _alone else read(thing)


_Reader = Callable[[Any], Iterable[tuple[Any, Any]]]
_VALUES = {Value}


def _reader_of(kind: type) -> _Reader | None:
    """A function from a thing of that class to its (key, child) pairs; None for things that hold no Values."""
    numpy = sys.modules.get("numpy")
    readers: list[tuple[Any, _Reader]] = [
        (Value, _alone),
        ((list, tuple, deque), enumerate),
        (dict, methodcaller("items")),
        ((set, frozenset), _unordered),
        (() if numpy is None else numpy.ndarray, _objects),
    ]
    if hasattr(kind, "child_name"):
        return _attributes
    return next((read for held, read in readers if issubclass(kind, held)), None)


_reader: Callable[[type], _Reader | None] = lru_cache(maxsize=1024)(_reader_of)


def _alone(value: Any) -> Iterable[tuple[Any, Any]]:
    return ()


def _unordered(things: Any) -> Iterable[tuple[Any, Any]]:
    return enumerate(things)


def _attributes(module: Any) -> Iterable[tuple[Any, Any]]:
    held: dict[str, Any] = vars(module)
    if "_buffers" not in held:
        return held.items()
    names = buffers(module)
    return [(name, child) for name, child in held.items() if name not in names]


def _objects(array: Any) -> Iterable[tuple[Any, Any]]:
    return _elements(array) if array.dtype == object else ()


def buffers(module: Any) -> tuple[str, ...]:
    """The names of the attributes of a module that are buffers, in order."""
    names: tuple[str, ...] = vars(module).get("_buffers", ())
    return names


def is_array(thing: object) -> bool:
    """Whether it is an array of numpy, which is not loaded for that."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(thing, numpy.ndarray)


def _elements(array: Any) -> Iterable[tuple[str, Any]]:
    """The elements of an array with their indices, such as "0.2"."""
    indices = product(*map(range, array.shape or (1,)))
    return zip([".".join(map(str, index)) for index in indices], array.ravel().tolist(), strict=True)


def _refuse_to_order(module: Any, place: Place, unordered: Iterable[Any]) -> None:
    for thing in unordered:
        if isinstance(thing, Value) or is_module(thing):
            raise TypeError(
                f"{type(module).__name__}.{dotted(place)} is a set, whose order differs from run to run, so that its "
                "parameters could have no names; make it a list or a dict"
            )
        if isinstance(thing, (tuple, frozenset)):
            _refuse_to_order(module, place, thing)


# --- the numbers of a buffer ---


def numbers(thing: Any, place: Place) -> list[tuple[Place, Any]]:
    """(place, number) pairs of all numbers and Values in a buffer; of None, which holds none yet, no pair.

    Raises TypeError, with its place, for something else.
    """
    if isinstance(thing, (Value, Real)) or (hasattr(type(thing), "__float__") and not is_array(thing)):
        return [(place, thing)]
    if is_array(thing):
        held: Any = _elements(thing)
    elif isinstance(thing, (list, tuple, deque, dict)):
        held = children(thing)
    elif thing is None:
        held = ()
    else:
        raise TypeError(
            f"a buffer holds numbers and Values, in lists, tuples, dicts or arrays; got {type(thing).__name__} "
            f"at {dotted(place)}"
        )
    return [pair for key, child in held for pair in numbers(child, (place, key))]


def refilled(thing: Any, loaded: Iterator[float]) -> Any:
    """The contents of a buffer, with the next loaded numbers in place of those that `numbers` lists.

    Lists, dicts, leaf Values and arrays that can be written to stay the objects that they are. Each number `fits`.
    """
    if isinstance(thing, Value):
        leaf = thing if thing.op is None else thing.detach()
        leaf.data = next(loaded)
        return leaf
    if isinstance(thing, tuple):
        parts = [refilled(child, loaded) for child in thing]
        return type(thing)._make(parts) if hasattr(thing, "_make") else type(thing)(parts)
    if isinstance(thing, (list, deque, dict)) or is_array(thing):
        if is_array(thing) and not thing.flags.writeable:
            thing = thing.copy()
        places = thing.flat if is_array(thing) else thing
        for key, child in list(places.items() if isinstance(places, dict) else enumerate(places)):
            places[key] = refilled(child, loaded)
        return thing
    return thing if thing is None else type(thing)(next(loaded))


def fits(held: Any, number: float) -> bool:
    """Whether a number can take the place of one in a buffer, which keeps its kind: for a count, a whole one."""
    return not isinstance(held, Integral) or number.is_integer()
