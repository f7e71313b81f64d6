"""Objects among the arguments, such as settings or a model: their numbers are read at every call.

An object of a plain Python class that holds no Value is as good as a dict of its attributes: f gets a twin, of the
same class, in which the real numbers are traced. Whole numbers, texts and the rest shape the code; they belong to the
key, so that a change of one makes another program:

    >>> from types import FunctionType, MethodDescriptorType, MethodType, SimpleNamespace, WrapperDescriptorType
    >>> from autodiff import compile
    >>> settings = SimpleNamespace(rate=0.5, steps=2)
    >>> f = compile(lambda x, s: x * s.rate ** s.steps)
    >>> f(8.0, settings)
    2.0
    >>> settings.rate = 0.25
    >>> f(8.0, settings), f.stats().paths
    (0.5, 1)
    >>> settings.steps = 1
    >>> f(8.0, settings), f.stats().paths
    (2.0, 2)

An object that holds Values, such as a model, is passed as it is, since its Values are leaves. Their identities, and the
plain numbers and texts on it and on the objects in it, with their names and their order, belong to the key. So a change
of any makes another program, and each call looks at all of them; a model that f closes over costs nothing, and stays
what it was.
"""

import sys
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from functools import cached_property, lru_cache, partial
from itertools import chain
from operator import is_
from types import FunctionType, MethodDescriptorType, MethodType, SimpleNamespace, WrapperDescriptorType
from typing import Any, cast
from weakref import ref

from autodiff import floats
from autodiff.structures.containers import Form, attributes_of, has_slots, holding, is_record, opened, record
from autodiff.structures.structure import is_array
from autodiff.value import Value

_PLAIN = (str, bytes, bool, type(None))
_COLLECTIONS = (set, frozenset, deque, array, bytearray)  # beside lists, tuples and dicts


class Same:
    """A key that equals only another of the same object."""

    def __init__(self, it: Any) -> None:
        self.it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.it is other.it

    def __hash__(self) -> int:
        return id(self.it)


def by_value(x: Any) -> Hashable | None:
    """A key that equal things share, for those whose value is all that counts; None for others.

    Two of other classes may be equal, and hold different Values.
    """
    kind = type(x)
    if kind in _PLAIN:
        return kind, x
    if kind is float or kind is complex:
        return kind, repr(x)  # which tells -0.0 from 0.0
    if kind is range:
        return kind, x.start, x.stop, x.step
    if kind is frozenset:
        members = [(int, member) if type(member) is int else by_value(member) for member in x]
        return None if None in members else (kind, frozenset(members))
    paths = sys.modules.get("pathlib")  # of which x cannot be, unless it is imported
    return (kind, str(x)) if paths is not None and issubclass(kind, paths.PurePath) else None


# --- a twin, with numbers that are traced ---


def is_plain(kind: Any) -> bool:
    """Whether objects of a class are no more than their attributes.

    The class is written in Python, its objects are made by object's own __new__, and it says nothing of how they are
    copied or freed.
    """
    return _is_plain(kind)


@lru_cache(maxsize=1024)
def _is_plain(kind: Any) -> bool:
    if is_record(kind) or kind is SimpleNamespace:
        return True
    own = ("__new__", "__reduce__", "__reduce_ex__", "__getstate__", "__copy__", "__deepcopy__", "__del__")
    return _is_python(kind) and not any(name in vars(base) for base in kind.__mro__[:-1] for name in own)


_HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: classes written in Python have it, and some written in C


def _is_python(kind: Any) -> bool:
    """Whether a class, and those that it is derived from, are written in Python."""
    bases = kind.__mro__[:-1]
    return bool(bases) and all(base.__flags__ & _HEAP and not _has_methods_in_c(base) for base in bases)


def _has_methods_in_c(kind: Any) -> bool:
    own = [x for x in vars(kind).values() if isinstance(x, (MethodDescriptorType, WrapperDescriptorType))]
    return any(x.__objclass__ is kind for x in own)


def has_twin(x: Any) -> bool:
    """Whether f is given a twin of an object: of a plain one that holds real numbers, and no Value.

    Another may be a mark, known by its identity; a dataclass and a namespace are what they hold.
    """
    kind = type(x)
    if not is_plain(kind) or not _is_free_of_values(x, frozenset()):
        return False
    return is_record(kind) or kind is SimpleNamespace or _has_real_numbers(x)


def _has_real_numbers(x: Any) -> bool:
    if is_array(x):
        return bool(x.dtype.kind == "f")
    box = opened(x) or _attributes(x)
    return _is_traced(x) if box is None else any(map(_has_real_numbers, box[1]))


def changed(before: dict[str, Any], twin: Any) -> bool:
    """Whether f assigned an attribute of a twin, which had these; a value kept by a cached_property does not count."""
    after = attributes_of(twin)
    return not before.keys() <= after.keys() or any(
        x is not before[name] if name in before else not isinstance(getattr(type(twin), name, None), cached_property)
        for name, x in after.items()
    )


def is_looked_at(x: Any) -> bool:
    """Whether there is an object in x whose attributes are read at every call."""
    if isinstance(x, Value) or is_array(x):
        return False
    box = opened(x)
    if box is None or is_record(type(x)):
        return has_twin(x) or state_of(x) is not None
    return any(map(is_looked_at, box.parts))


def _is_free_of_values(x: Any, around: frozenset[int]) -> bool:
    """Whether there is no Value in x, and no way from x back to its holder, such as a method of the holder."""
    if isinstance(x, Value):
        return False
    if id(x) in around:
        return isinstance(x, FunctionType)  # which calls itself
    if is_array(x):
        return x.dtype != object or not any(isinstance(item, Value) for item in x.ravel().tolist())
    box, bound = opened(x), _bound(x)
    if box is None and not bound and not is_plain(type(x)):
        return True
    parts = bound or (attributes_of(x).values() if box is None else box.parts)
    around |= {id(x)}
    return all(_is_free_of_values(part, around) for part in parts)


def _bound(x: Any) -> list[Any]:
    """The objects that a function, a method or a partial brings along."""
    if isinstance(x, MethodType):
        return [x.__self__, x.__func__]
    if isinstance(x, partial):
        return [x.func, *x.args, *x.keywords.values()]
    if not isinstance(x, FunctionType):
        return []
    held = list[Any]()
    for cell in x.__closure__ or ():
        with suppress(ValueError):  # nothing was put into it yet
            held.append(cell.cell_contents)
    return [*held, *(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values()]


def key_of_twin(x: Any, parts: list[Any]) -> Hashable:
    """The key of x but for its real numbers, which are appended to the parts."""
    if _is_traced(x):
        parts.append([floats.as_float(x)])
        return float
    if is_array(x):
        if x.dtype.kind == "f":
            parts.append([float(y) for y in x.ravel().tolist()])
            return "array", x.shape
        return "array", x.dtype.str, x.shape, x.tobytes(), Same(x if x.dtype == object else None)
    box = opened(x) or _attributes(x)
    if box is not None:
        form, children = box
        keys = [key_of_twin(child, parts) for child in children]
        return form.kind, form.keys, *map(type, form.keys), Same(form.factory), *keys
    value = (type(x), x) if hasattr(type(x), "__float__") else by_value(x)
    if value is not None:
        return value
    return Same(x), State(x) if isinstance(x, _COLLECTIONS) else state_of(x)


def twin(x: Any, make: Callable[[float], Any]) -> Any:
    """x with `make(number)` in place of each real number, in the order of `key_of_twin`."""
    if _is_traced(x):
        return make(floats.as_float(x))
    if is_array(x):
        if x.dtype.kind != "f":
            return x
        from autodiff import arrays

        return arrays.filled([make(float(y)) for y in x.ravel().tolist()], x.shape)
    box = opened(x) or _attributes(x)
    if box is None:
        return x
    form, children = box
    made = [twin(child, make) for child in children]
    if opened(x) is not None:
        return holding(form, made)
    return record(form.kind, dict(zip(cast(tuple[Any, ...], form.keys), made, strict=True)))


def _is_traced(x: Any) -> bool:
    """Whether x is a real number; whole ones shape the code: they count, and index."""
    kind = type(x)
    if kind is float:
        return True
    is_whole = hasattr(kind, "__index__") or kind.__name__ in ("bool_", "bool")
    return hasattr(kind, "__float__") and not is_whole and not isinstance(x, Value) and not is_array(x)


def _attributes(x: Any) -> tuple[Form, list[Any]] | None:
    if not is_plain(type(x)):
        return None
    attributes = attributes_of(x)
    return Form(type(x), tuple(attributes)), list(attributes.values())


# --- an object as it is, with the state that its programs rely on ---


class State:
    """The contents of an object, as a key: its Values, its numbers and texts, and those of the objects in it.

    Names and arrangement belong to it; an object that is known by its identity alone adds that identity. `held` are
    the containers in it, each with what it held.
    """

    def __init__(self, x: Any) -> None:
        try:
            self._object: Callable[[], Any] = ref(x)  # weak: what is watched may go
        except TypeError:
            self._object = lambda: x
        self.held: list[tuple[Any, Any]] = []
        self._parts = tuple(self._walk(x, {}))
        self._hash = hash(self._parts)

    def is_up_to_date(self) -> bool:
        """Whether everything that is held is what it was: mostly no more than looks at addresses."""
        return all(_same(holder, before) for holder, before in self.held)

    def _walk(self, x: Any, seen: dict[int, int]) -> Iterator[Hashable]:
        kind: Any = type(x)
        if isinstance(x, Value):
            yield x
        elif isinstance(x, float):
            yield kind, float.__repr__(x)  # which tells -0.0 from 0.0, and finds nan equal to nan
        elif kind in _PLAIN or (hasattr(kind, "__float__") and not is_array(x)):
            yield kind, x
        elif id(x) in seen:
            yield seen[id(x)]
        else:
            seen[id(x)] = len(seen)
            yield from self._walk_into(x, kind, seen)

    def _walk_into(self, x: Any, kind: Any, seen: dict[int, int]) -> Iterator[Hashable]:
        if is_array(x) and x.dtype != object:
            self.held.append((x, x.tobytes()))
            yield kind, x.dtype.str, x.shape, self.held[-1][1]
            return
        holder = _holder(x, kind)
        if holder is None:
            value = by_value(x)
            yield Same(x) if value is None else value
            return
        keys, parts = _inside(holder)
        self.held.append((holder, [*keys, *parts]))
        yield kind, *map(type, keys), *keys, len(parts), x.shape if is_array(x) else None
        if set(map(type, parts)) == {Value}:  # as in most lists of a model
            yield tuple(parts)
            return
        for part in parts:
            yield from self._walk(part, seen)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, State) and self._hash == other._hash and self._parts == other._parts)

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return State, (self._object(),)  # hashes are of one process


def _holder(x: Any, kind: Any) -> Any:
    """The container or object that holds the contents of x; None where that is not known."""
    if isinstance(x, (list, tuple, dict, *_COLLECTIONS)) or is_array(x):
        return x
    if not _has_state(kind):
        return None
    return x if has_slots(kind) else getattr(x, "__dict__", x)


def _inside(holder: Any) -> tuple[list[Any], list[Any]]:
    """The keys of a dict, or the names of attributes, and the things held."""
    if isinstance(holder, (list, tuple, *_COLLECTIONS)):
        return [], list(holder)
    if is_array(holder):
        return [], holder.ravel().tolist()
    named = holder if isinstance(holder, dict) else attributes_of(holder)
    return list(named), list(named.values())


def _same(holder: Any, before: Any) -> bool:
    if isinstance(before, bytes):
        return bool(holder.tobytes() == before)
    if isinstance(holder, list):
        return len(holder) == len(before) and all(map(is_, holder, before))
    if isinstance(holder, dict):
        return 2 * len(holder) == len(before) and all(map(is_, chain(holder, holder.values()), before))
    keys, parts = _inside(holder)
    return len(keys) + len(parts) == len(before) and all(map(is_, keys + parts, before))


_states: OrderedDict[int, tuple[Any, State | None]] = OrderedDict()  # by the id of an object
_MOST_STATES = 64


def known_state(x: Any) -> State | None:
    """The state of an object that has not changed since the last call; None for others, and where it has a twin."""
    reference, state = _states.get(id(x), (None, None))
    return state if state is not None and reference() is x and state.is_up_to_date() else None


def state_of(x: Any) -> State | None:
    """The state of an object of a class that is written in Python; None for anything else."""
    kind: Any = type(x)
    if not _has_state(kind):
        return None
    state = known_state(x)
    if state is not None:
        return state
    state = State(x)
    with suppress(TypeError):  # no weak references to it
        key = id(x)
        states = _states  # when Python exits, the last objects may go after the names of this module
        _states[key] = ref(x, lambda _: states.pop(key, None)), state
        while len(_states) > _MOST_STATES:
            _states.popitem(last=False)
    return state


@lru_cache(maxsize=1024)
def _has_state(kind: Any) -> bool:
    """Whether a class is written in Python, and its objects are not functions, classes or parts of ours."""
    is_ours = kind.__module__.partition(".")[0] == "autodiff" or issubclass(kind, type)
    return kind is SimpleNamespace or (_is_python(kind) and not is_ours)
