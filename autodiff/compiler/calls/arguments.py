"""Arguments: the numbers in them, and a key that says how they stand together; calls with equal keys share a program.

    >>> taken = Arguments.of(({"w": [1.0, 2.0], "b": 3.0}, "fast"), {})
    >>> list(taken.shared), taken.rows
    ([1.0, 2.0, 3.0], None)

Numbers, lists, tuples, dicts and numpy arrays of numbers are taken apart, objects such as settings as `objects` says;
anything else, such as a bool, a text or a function, is handed to f as it is, and is part of the key.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from autodiff import floats
from autodiff.compiler.calls.objects import Same, by_value, has_twin, key_of_twin, known_state, state_of, twin
from autodiff.structures.containers import PLAIN_CONTAINERS, Opened, check_attributes, holding, is_record, opened
from autodiff.structures.structure import check_array, checked_number, flatten_values, is_array
from autodiff.value import Value

Parts = list[Any]  # lists of floats, and float64 arrays
_FLOATS = {float}


class HoldsValuesError(Exception):
    """There are Values among the arguments: they are to be recorded, not run."""


class Arguments(NamedTuple):
    """The arguments of a call, taken apart.

    Attributes:
        key: how the numbers stand together, and what else there is.
        shared: the numbers that all rows share: a list, or a float64 array.
        rows: a list of lists or a float64 matrix, a row of numbers for each row; None where no argument has rows.
        parts: the numbers that are shared, as they were found.
        columns: the numbers of rows, as they were found: matrices, or lists of rows.
        args, kwargs: what the call was given, as it is.
        backward: whether the derivatives of the result are wanted, too: another program, so it is part of the key.
    """

    key: Hashable
    shared: Any
    rows: Any
    parts: Parts
    columns: Parts
    args: Sequence[Any]
    kwargs: dict[str, Any]
    backward: bool

    @classmethod
    def of(
        cls, args: Sequence[Any], kwargs: dict[str, Any], rows: Collection[int] = (), backward: bool = False
    ) -> "Arguments":
        """The arguments of a call, of which those at the positions `rows` have rows.

        Raises HoldsValuesError for Values; TypeError and ValueError for anything that is not a number or has no rows,
        and for rows of different lengths or forms.
        """
        parts: Parts = []
        matrix, found = None, Parts()
        if not rows:
            keys = [_take(x, parts, ("args", i)) for i, x in enumerate(args)]
        else:
            columns = _Rows()
            missing = [i for i in rows if i >= len(args)]
            if missing:
                raise TypeError(
                    f"rows: expected argument {missing[0]}, which has rows, by position, got {len(args)} by position; "
                    "keywords are shared by all rows"
                )
            keys = [
                columns.take(x, ("args", i)) if i in rows else _take(x, parts, ("args", i)) for i, x in enumerate(args)
            ]
            matrix, found = columns.matrix(), columns.columns
        for name, x in kwargs.items():
            keys += [name, _take(x, parts, name)]
        return cls((backward, *keys), joined(parts), matrix, parts, found, args, kwargs, backward)


def joined(parts: Parts) -> Any:
    """The numbers of all parts: a float64 array if one of them is an array, else a list."""
    if len(parts) == 1:
        (part,) = parts
        return part if type(part) is list or part.ndim == 1 else part.ravel()
    if all(type(part) is list for part in parts):
        return [number for part in parts for number in part]
    return sys.modules["numpy"].concatenate(parts, axis=None)


_Place = Any  # where a thing stands: a name, or (place, key); text only when an error asks for it
_native: dict[type, Any] = {}  # the dtype float64 of this machine, by each kind of array met: asked for at every call


def _note_kind(kind: type) -> None:
    """Have arrays of this kind taken the short way; arrays of subclasses, such as masked ones, are looked at."""
    numpy = sys.modules["numpy"]
    if kind is numpy.ndarray:
        _native[kind] = numpy.dtype(float)


def _text(place: _Place) -> str:
    return place if isinstance(place, str) else f"{_text(place[0])}[{place[1]!r}]"


def _take(x: Any, parts: Parts, place: _Place) -> Hashable:
    """The key of x, whose numbers are appended to the parts."""
    kind = type(x)
    if kind is float:
        parts.append([x])
        return float
    native = _native.get(kind)
    if native is not None and x.dtype is native and x.flags.c_contiguous and x.flags.aligned:
        parts.append(x)
        return cast(Hashable, x.shape)
    if is_array(x):
        _note_kind(kind)
        parts.append(_float_array(x, place))
        return cast(Hashable, x.shape)
    if kind not in PLAIN_CONTAINERS and isinstance(x, (list, tuple, dict)):
        check_attributes(x, _text(place))
    if isinstance(x, (list, tuple)):
        if set(map(type, x)) == _FLOATS:
            parts.append(list(x))
            return kind, len(x)
        keys = [_take(child, parts, (place, i)) for i, child in enumerate(x)]
        return (kind, len(x)) if x and keys.count(float) == len(keys) else (kind, *keys)
    if isinstance(x, dict):
        return *_key_of_dict(x), *[_take(child, parts, (place, key)) for key, child in x.items()]
    if isinstance(x, Value):
        raise HoldsValuesError
    if is_static(x):
        return _key_of_static(x, parts, place)
    parts.append([_number(x, place)])
    return float


def _key_of_dict(x: dict[Any, Any]) -> tuple[Hashable, ...]:
    """The key of a dict, without its values."""
    factory = (Same(x.default_factory),) if isinstance(x, defaultdict) else ()
    return type(x), len(x), *[key if type(key) is str else _told_apart(key) for key in x], *factory


def _told_apart(key: Hashable) -> Hashable:
    """What tells a key of a dict from those that are equal: 1 is 1.0 and True, and 0.0 is -0.0, in a tuple as well."""
    return (tuple, *map(_told_apart, key)) if type(key) is tuple else by_value(key) or (type(key), key)


def _key_of_static(x: Any, parts: Parts, place: _Place) -> Hashable:
    value = by_value(x)
    if value is not None:
        return "static", value
    state = known_state(x)
    if state is not None:
        return "static", Same(x), state
    if has_twin(x):
        return "object", key_of_twin(x, parts)
    state = state_of(x)
    if state is None:
        _check_hashable(x, place)
    return "static", Same(x), state


def is_static(x: Any) -> bool:
    """Whether x is not a number: f is handed it as it is, and another thing is another, even if it is equal."""
    kind = type(x)
    return kind is bool or isinstance(x, (complex, str, bytes)) or not hasattr(kind, "__float__")


def _number(x: Any, place: _Place) -> float:
    try:
        return floats.as_float(x)
    except TypeError as error:
        raise TypeError(f"{error} (at {_text(place)})") from None


def _check_hashable(x: Any, place: _Place) -> None:
    try:
        hash(x)
    except (TypeError, ValueError):  # a memoryview's is a ValueError
        raise TypeError(
            "compile takes numbers apart, in lists, tuples, dicts and numpy's arrays, and anything else must be "
            f"hashable, got {type(x).__name__} at {_text(place)}; make a list of it, or bind it beforehand, as in "
            "functools.partial"
        ) from None


def _float_array(x: Any, place: _Place) -> Any:
    """The array as float64, in C order and aligned; integers, and objects that are numbers, are converted."""
    numpy = sys.modules["numpy"]
    check_array(x, _text(place))
    x = numpy.asarray(x)
    if x.dtype == object:
        flat = x.ravel().tolist()
        if any(isinstance(item, Value) for item in flat):
            raise HoldsValuesError
        return numpy.array([checked_number(item, _text(place)) for item in flat]).reshape(x.shape)
    return numpy.require(x, float, ["C", "ALIGNED"])


# --- rows ---


class _Rows:
    """The numbers of the arguments that have rows: an array has them along its first axis, a list is a list of them.

    The members of tuples and dicts each have rows.
    """

    def __init__(self) -> None:
        self.columns: list[Any] = []  # each a matrix, or a list of rows that are lists
        self.count: int | None = None
        self.counted = ""

    def take(self, x: Any, place: _Place) -> Hashable:
        """The key of one row of x, whose rows are appended to the columns."""
        native = _native.get(type(x))
        if native is not None and x.dtype is native and x.ndim and x.flags.c_contiguous and x.flags.aligned:
            count = len(x)
            if count != self.count:
                self._count(count, place)
            self.columns.append(x)
            return "rows", x.shape[1:]
        if is_array(x):
            _note_kind(type(x))
            if not x.ndim:
                raise ValueError(f"rows: {_text(place)} is an array without an axis, so it has no rows; give it one")
            array = _float_array(x, place)
            self._count(len(array), place)
            self.columns.append(array)
            return "rows", array.shape[1:]
        if isinstance(x, list):
            return "rows", self._listed(x, place)
        if type(x) not in PLAIN_CONTAINERS and isinstance(x, (list, tuple, dict)):
            check_attributes(x, _text(place))
        if is_record(type(x)):
            form, children = cast(Opened, opened(x))
            fields = zip(form.keys, children, strict=True)
            return form.kind, form.keys, *[self.take(child, (place, name)) for name, child in fields]
        if isinstance(x, tuple):
            return type(x), *[self.take(child, (place, i)) for i, child in enumerate(x)]
        if isinstance(x, dict):
            return *_key_of_dict(x), *[self.take(child, (place, key)) for key, child in x.items()]
        if isinstance(x, Value):
            raise HoldsValuesError
        raise TypeError(
            f"rows: expected {_text(place)} to have rows, an array or a list, got {type(x).__name__}; leave its "
            "position out of rows if all rows share it"
        )

    def _listed(self, x: list[Any], place: _Place) -> Hashable:
        self._count(len(x), place)
        column, first = [], None
        for i, row in enumerate(x):
            parts: Parts = []
            key = _take(row, parts, (place, i))
            if i == 0:
                first = key
            elif key != first:
                raise ValueError(
                    f"rows: {_text((place, i))} is of another form or length than {_text((place, 0))}; "
                    "make the rows alike"
                )
            column.append([number for part in parts for number in (part.ravel().tolist() if is_array(part) else part)])
        self.columns.append(column)
        return first

    def _count(self, count: int, place: _Place) -> None:
        if count == 0:
            raise ValueError(f"rows: {_text(place)} has no rows; give it at least one")
        if self.count is None:
            self.count, self.counted = count, _text(place)
        elif count != self.count:
            raise ValueError(
                f"rows: {_text(place)} has {count} rows, {self.counted} has {self.count}; give them equally many"
            )

    def matrix(self) -> Any:
        """The numbers of all rows, side by side."""
        columns = [x if type(x) is list or x.ndim == 2 else x.reshape(len(x), -1) for x in self.columns]
        if len(columns) == 1:
            return columns[0]
        if not all(type(column) is list for column in columns):
            return sys.modules["numpy"].concatenate(columns, axis=1)
        return [[number for part in row for number in part] for row in zip(*self.columns, strict=True)]


# --- the other way: arguments for f ---


def replaced(x: Any, make: Callable[[float], Any], twins: bool = True) -> Any:
    """x with `make(number)` in place of each number, in the order in which they are taken.

    An object that has a twin is replaced by it, with its numbers made too; without twins, objects stay as they are.
    """
    if is_array(x):
        from autodiff import arrays

        numpy = sys.modules["numpy"]
        made = numpy.empty(x.size, object)
        for i, number in enumerate(numpy.asarray(x).ravel().tolist()):
            made[i] = replaced(number, make)
        return arrays.of_objects(made.reshape(x.shape))
    if isinstance(x, (list, tuple, dict)):
        form, parts = cast(Opened, opened(x))
        return holding(form, [replaced(part, make, twins) for part in parts])
    if isinstance(x, Value):
        return x
    if is_static(x):
        return twin(x, make) if twins and by_value(x) is None and has_twin(x) else x
    return make(floats.as_float(x))


def lift(x: Any) -> Any:
    """x with Values in place of numbers."""
    return replaced(x, Value, twins=False)


def row_of(x: Any, i: int) -> Any:
    """Row i of an argument that has rows."""
    if is_array(x) or isinstance(x, list):
        return x[i]
    form, parts = cast(Opened, opened(x))
    return holding(form, [row_of(part, i) for part in parts])


def count_rows(with_rows: Sequence[Any]) -> int:
    """The number of rows of these arguments, which may hold Values; raises ValueError for none or unequal ones."""
    counts = {n for x in with_rows for n in _counts(x)}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"rows: expected arguments with equally many rows, at least one, got {sorted(counts)}")
    return counts.pop()


def _counts(x: Any) -> Iterator[int]:
    if is_array(x) or isinstance(x, list):
        yield len(x)
    elif (box := opened(x)) is not None:
        for part in box.parts:
            yield from _counts(part)
    else:
        raise TypeError(f"rows: expected an array or a list, got {type(x).__name__}")


def same_containers(before: Any, after: Any) -> bool:
    """Whether everything that `flatten_values` found before is still in its place."""
    (items, structure), (others, form) = before, after
    return bool(structure == form and all(x is y for x, y in zip(items, others, strict=True)))


def holds_values(x: Any) -> bool:
    """Whether there is a Value in x."""
    return any(isinstance(item, Value) for item in flatten_values(x)[0])
