"""Structures of numbers: nested lists, tuples, dicts and numpy arrays, taken apart and put together again.

An argument is often many numbers. `flatten` lists them, with a `Structure` that remembers how they
stood together; `Structure.build` puts others in their places:

    >>> numbers, structure = flatten({"w": [1.0, 2.0], "b": 3.0})
    >>> numbers, structure.build([10.0, 20.0, 30.0])
    ([1.0, 2.0, 3.0], {'w': [10.0, 20.0], 'b': 30.0})

Arrays are built as float64 where all their numbers are floats, else as arrays of objects. numpy itself is never loaded
here: whoever hands over an array has done that.
"""

import sys
from collections.abc import Callable, Hashable, Sequence
from itertools import product
from typing import Any, NamedTuple, cast

from autodiff import floats
from autodiff.structures.containers import (
    PLAIN_CONTAINERS,
    Form,
    Opened,
    check_attributes,
    holding,
    is_record,
    opened,
)
from autodiff.value import Value

Leaf = Callable[["Structure", slice], Any]


class Structure(NamedTuple):
    """How numbers stand together; two are equal when the same numbers fit into both.

    Attributes:
        kind: the class of a container, "array", or "number", a single one.
        keys: of a dict; the names of the attributes of a dataclass.
        children: the structures of the parts of a container, in order.
        shape: of an array.
        size: how many numbers there are.
        factory: of a defaultdict.
    """

    kind: Any
    keys: tuple[Hashable, ...] = ()
    children: tuple["Structure", ...] = ()
    shape: tuple[int, ...] = ()
    size: int = 1
    factory: Any = None

    @property
    def _is_leaf(self) -> bool:
        return self.kind in ("array", "number")

    @property
    def _is_flat(self) -> bool:
        """Whether it holds single numbers alone. Most do, and need no look at each."""
        return self.children.count(NUMBER) == len(self.children)

    @property
    def has_arrays(self) -> bool:
        """Whether it is an array, or holds one."""
        return self.kind == "array" or (not self._is_flat and any(child.has_arrays for child in self.children))

    def build(self, numbers: Sequence[Any]) -> Any:
        """The numbers in their places."""
        if self._is_leaf:
            return self.collect(numbers)
        if self._is_flat:
            return self.holding(numbers)
        parts, start = [], 0
        for child in self.children:
            parts.append(child.build(numbers[start : start + child.size]))
            start += child.size
        return self.holding(parts)

    def build_from(self, leaf: Leaf, start: int = 0) -> Any:
        """The containers around `leaf(structure, slice)`, called for each number or array in order.

        The slice tells which of all numbers those of the leaf are.
        """
        if self._is_leaf:
            return leaf(self, slice(start, start + self.size))
        parts = []
        for child in self.children:
            parts.append(child.build_from(leaf, start))
            start += child.size
        return self.holding(parts)

    def holding(self, parts: Sequence[Any]) -> Any:
        """A container of this kind."""
        return holding(Form(self.kind, self.keys, self.factory), parts)

    def collect(self, numbers: Sequence[Any]) -> Any:
        """The numbers of a leaf: the single number, or an array of them."""
        return numbers[0] if self.kind == "number" else array(numbers, self.shape)

    def places(self, name: str = "") -> list[str]:
        """The expression that leads from the whole to each number: `[0]['w'][2]`."""
        if self.kind == "array":
            return [f"{name}[{', '.join(map(str, index))}]" for index in product(*map(range, self.shape))]
        if self.kind == "number":
            return [name]
        keys = self.keys if issubclass(self.kind, dict) else range(len(self.children))
        names = [f".{key}" for key in self.keys] if is_record(self.kind) else [f"[{key!r}]" for key in keys]
        children = zip(names, self.children, strict=True)
        return [place for part, child in children for place in child.places(name + part)]

    def __str__(self) -> str:
        if self.kind == "number":
            return "a number"
        if self.kind == "array":
            return f"an array of shape {self.shape}"
        if self.keys:
            parts = [f"{key!r}: {child}" for key, child in zip(self.keys, self.children, strict=True)]
            return f"a {self.kind.__name__} with {', '.join(parts)}"
        if all(child.kind == "number" for child in self.children):
            return f"a {self.kind.__name__} of {len(self.children)}"
        return f"a {self.kind.__name__} of ({', '.join(map(str, self.children))})"


NUMBER = Structure("number")


def flatten(whole: Any, name: str = "the argument") -> tuple[list[Any], Structure]:
    """The numbers in `whole`, floats and Values, and how they stand together.

    Raises TypeError, with its place, for anything that is not a number. A bool is not one: nothing can be
    differentiated in it.
    """
    numbers: list[Any] = []
    return numbers, _take_apart(whole, name, numbers, checked_number)


def flatten_values(whole: Any) -> tuple[list[Any], Structure]:
    """The same for a structure of anything: whatever is not a container is taken as it is.

    So are arrays, unless they hold objects.
    """
    items: list[Any] = []
    return items, _take_apart(whole, "", items, lambda item, name: item)


def in_blocks(outputs: Structure, inputs: Structure, rows: Sequence[Sequence[Any]]) -> Any:
    """A matrix, a row for each output number, in the form of the outputs, with that of the inputs in each place.

    An array of shape S against an array of shape T is an array of shape S + T.
    """
    if not outputs.has_arrays and not inputs.has_arrays:
        return outputs.build([inputs.build(row) for row in rows])
    return nested((outputs, inputs), (len(rows), len(rows[0]) if rows else 0), [x for row in rows for x in row])


def nested(structures: Sequence[Structure], sizes: Sequence[int], numbers: Sequence[Any]) -> Any:
    """Numbers in the form of the first structure, with that of the second in each place, and so on.

    Args:
        structures: the forms.
        sizes: how many numbers each has.
        numbers: row by row: the last index changes fastest.

    Arrays of shapes S, T, ... in one another are one array of shape S + T + ...

    >>> pair = flatten([0.0, 0.0])[1]
    >>> nested((pair, pair, pair), (2, 2, 2), range(8))
    [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    """

    def inner(depth: int, leaves: tuple[Structure, ...], places: list[int]) -> Any:
        if depth == len(structures):
            found = [numbers[i] for i in places]
            shape = tuple([length for leaf in leaves for length in leaf.shape])
            return found[0] if all(leaf.kind == "number" for leaf in leaves) else array(found, shape)

        def at(leaf: Structure, its: slice) -> Any:
            size = sizes[depth]
            return inner(depth + 1, (*leaves, leaf), [i * size + j for i in places for j in range(size)[its]])

        return structures[depth].build_from(at)

    return inner(0, (), [0])


def array(numbers: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """A numpy array of that shape: float64 if all are floats, of bools if all are such, else of objects."""
    from autodiff import arrays

    numpy = sys.modules["numpy"]
    kinds = set(map(type, numbers))
    if kinds <= {float} or kinds == {bool}:
        return numpy.array(numbers, dtype=bool if bool in kinds else float).reshape(shape)
    return arrays.filled(numbers, shape)


def is_array(x: Any) -> bool:
    """Whether x is a numpy array."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(x, numpy.ndarray)


def ordered_as(whole: Any, structure: Structure) -> Any:
    """The same with the keys of its dicts in the order of that structure, where they are the same keys."""
    if structure._is_leaf:
        return whole
    if isinstance(whole, dict) and whole.keys() == set(structure.keys) and issubclass(structure.kind, dict):
        pairs = zip(structure.keys, structure.children, strict=True)
        return structure.holding([ordered_as(whole[key], part) for key, part in pairs])
    if type(whole) is list and issubclass(structure.kind, list) and len(whole) == len(structure.children):
        return structure.holding([ordered_as(x, part) for x, part in zip(whole, structure.children, strict=True)])
    if isinstance(whole, (list, tuple)) and len(whole) == len(structure.children) and not structure._is_flat:
        parts = [ordered_as(x, part) for x, part in zip(whole, structure.children, strict=True)]
        return type(whole)._make(parts) if hasattr(whole, "_make") else type(whole)(parts)
    return whole


def _take_apart(whole: Any, name: str, numbers: list[Any], number: Callable[[Any, str], Any]) -> Structure:
    """Append `number(x, place)` of each number x to the list; return the structure."""
    kind: Any = type(whole)
    if kind not in PLAIN_CONTAINERS and isinstance(whole, (list, tuple, dict)) and number is checked_number:
        check_attributes(whole, name)
    if isinstance(whole, (list, tuple)):
        if set(map(type, whole)) <= _PLAIN:
            numbers += whole
            return Structure(kind, children=(NUMBER,) * len(whole), size=len(whole))
        children = [_take_apart(x, f"{name}[{i}]", numbers, number) for i, x in enumerate(whole)]
        return Structure(kind, children=tuple(children), size=_size(children))
    if isinstance(whole, dict):
        children = [_take_apart(x, f"{name}[{key!r}]", numbers, number) for key, x in whole.items()]
        form = cast(Opened, opened(whole)).form
        return Structure(form.kind, form.keys, tuple(children), size=_size(children), factory=form.factory)
    if is_record(kind):
        form, parts = cast(Opened, opened(whole))
        children = [_take_apart(x, f"{name}.{key}", numbers, number) for key, x in zip(form.keys, parts, strict=True)]
        return Structure(form.kind, form.keys, tuple(children), size=_size(children))
    if is_array(whole) and (number is checked_number or whole.dtype == object):
        check_array(whole, name)
        flat = sys.modules["numpy"].asarray(whole).ravel().tolist()
        plain = set(map(type, flat)) <= _PLAIN
        numbers += flat if plain else [number(x, f"{name}, an array") for x in flat]
        return Structure("array", shape=whole.shape, size=len(flat))
    numbers.append(number(whole, name))
    return NUMBER


_PLAIN = {float, Value}


def _size(children: Sequence[Structure]) -> int:
    return sum([child.size for child in children])


def check_array(whole: Any, name: str) -> None:
    """Raise TypeError for an array of anything but real numbers or objects."""
    floats.check_kind_of_array(whole, f" at {name}")
    if whole.dtype.kind not in "iufO":
        raise TypeError(f"expected numbers, got an array of {whole.dtype} at {name}; {_advice(whole.dtype.kind)}")


def checked_number(x: Any, name: str) -> Any:
    """The number as a float, a Value as it is; raise TypeError, with its place, for anything else."""
    if isinstance(x, Value):
        return x
    kind = type(x)
    if kind is bool or kind.__name__ in ("bool_", "bool"):
        raise TypeError(f"expected a number, got the bool {x} at {name}; {_advice('b')}")
    try:
        return floats.as_float(x)
    except TypeError as error:
        raise TypeError(f"{error} (at {name})") from None


def _advice(kind: str) -> str:
    if kind == "b":
        return "a truth value has no derivative; write 1.0 or 0.0 if a number is meant"
    return "use its real and imaginary parts as two arrays" if kind == "c" else "convert it with .astype(float)"
