"""Structures of numbers: taken apart and put together again, whatever they are made of."""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Value
from autodiff.structures.structure import NUMBER, Structure, array, flatten, flatten_values


class Pair(NamedTuple):
    left: Any
    right: Any


NUMBERS = st.floats(allow_nan=False)
ARRAYS = st.lists(NUMBERS, min_size=6, max_size=6).map(lambda xs: np.array(xs).reshape(2, 3))
STRUCTURES = st.recursive(
    NUMBERS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=3)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and (a == b).all()
    if isinstance(a, dict):
        return type(a) is type(b) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@given(whole=STRUCTURES)
def test_what_is_taken_apart_is_put_together_again(whole: Any) -> None:
    numbers, structure = flatten(whole)
    assert structure.size == len(numbers) == len(structure.places())
    assert all(type(x) is float for x in numbers)
    assert same(structure.build(numbers), whole)
    assert flatten(structure.build(numbers))[1] == structure


@given(whole=STRUCTURES)
def test_a_place_is_python_that_finds_the_number(whole: Any) -> None:
    numbers, structure = flatten(whole)
    for place, number in zip(structure.places("whole"), numbers, strict=True):
        assert eval(place, {"whole": whole}) == number


def test_places_are_written_as_python_writes_them() -> None:
    _, structure = flatten({"a": np.ones((2, 2)), "b": [1.0, (2.0,)]})
    assert structure.places() == ["['a'][0, 0]", "['a'][0, 1]", "['a'][1, 0]", "['a'][1, 1]", "['b'][0]", "['b'][1][0]"]
    assert flatten(1.0)[1].places("x") == ["x"]
    assert flatten(1.0)[1].places() == [""]


class _Row(list[float]):
    pass


class _Attributes(dict[str, Any]):
    """A dict whose items are attributes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__ = self


class _ByKeyword(dict[str, Any]):
    def __init__(self, **items: Any) -> None:
        super().__init__(items)


@dataclass
class _Line:
    slope: Any
    offset: Any = 0.0

    def at(self, x: Any) -> Any:
        return self.slope * x + self.offset


@dataclass(frozen=True, slots=True)
class _Frozen:
    line: _Line
    scale: Any


class _Counted(list[float]):
    def __init__(self, count: int) -> None:
        super().__init__([1.0] * count)


CONTAINERS = [
    _Row([1.0, 2.0]),
    OrderedDict(b=1.0, a=2.0),
    defaultdict(float, {"a": 1.0, "b": 2.0}),
    Counter({"a": 1, "b": 2}),
    _Attributes(a=1.0, b=[2.0]),
    _ByKeyword(a=1.0, b=2.0),
    _Line(1.0, 2.0),
    _Frozen(_Line(1.0, [2.0]), np.array([3.0])),
]


@pytest.mark.parametrize("whole", CONTAINERS, ids=lambda x: type(x).__name__)
def test_containers_come_back_as_what_they_are(whole: Any) -> None:
    numbers, structure = flatten(whole)
    twin = structure.build(numbers)
    assert type(twin) is type(whole)
    assert repr(twin) == repr(whole) or isinstance(whole, Counter)
    for place, number in zip(structure.places("whole"), numbers, strict=True):
        assert eval(place, {"whole": twin}) == number
    assert structure == flatten(twin)[1]


def test_what_f_is_given_has_the_attributes_and_methods_of_its_class() -> None:
    slope = ad.grad(lambda line: line.at(3.0) ** 2)(_Line(2.0, 1.0))
    assert slope == _Line(42.0, 14.0)
    assert ad.grad(lambda p: p.a * p.b[0])(_Attributes(a=2.0, b=[3.0])) == {"a": 3.0, "b": [2.0]}
    assert ad.grad(lambda p: p["a"] + p["other"])(defaultdict(float, a=2.0)) == {"a": 1.0}
    _, pullback = ad.vjp(lambda p: OrderedDict(y=p["a"] * 2.0), OrderedDict(a=1.0))
    assert pullback({"y": 1.0}) == (OrderedDict(a=2.0),)


def test_a_container_that_cannot_be_made_anew_says_so() -> None:
    numbers, structure = flatten(_Counted(2))
    with pytest.raises(TypeError, match=r"a _Counted cannot be made anew of what it holds; give list\(...\) of it"):
        structure.build(numbers)
    with pytest.raises(TypeError, match=r"expected a number, got str 'up'.* \(at args\[0\].offset\)"):
        ad.grad(lambda line: line.slope)(_Line(1.0, "up"))


def test_arrays_hold_floats_or_else_objects() -> None:
    x = Value(1.0)
    assert array([1.0, 2.0], (2, 1)).dtype == np.float64
    mixed = array([1.0, x], (2,))
    assert mixed.dtype == object
    assert mixed[1] is x
    assert array([x], ()).shape == ()
    assert array([], (0, 3)).shape == (0, 3)
    numbers, structure = flatten(np.array([1, 2], dtype=np.int8))
    assert numbers == [1.0, 2.0]
    assert structure == Structure("array", shape=(2,), size=2)


def test_leaves_are_built_with_their_part_of_the_numbers() -> None:
    _, structure = flatten({"a": np.ones((2, 2)), "b": [1.0, (2.0,)]})
    parts = structure.build_from(lambda leaf, part: (leaf.kind, part.start, part.stop))
    assert parts == {"a": ("array", 0, 4), "b": [("number", 4, 5), (("number", 5, 6),)]}


def test_anything_may_stand_among_values() -> None:
    x, counts = Value(1.0), np.arange(3)
    whole = {"x": [x, None, "name"], "counts": counts, "objects": np.array([x, 2.0], dtype=object), "f": len}
    items, structure = flatten_values(whole)
    assert items == [x, None, "name", counts, x, 2.0, len] or items[3] is counts
    again = structure.build(items)
    assert again["counts"] is counts
    assert again["objects"][0] is x
    assert again["f"] is len


@pytest.mark.parametrize(
    ("whole", "text"),
    [
        (1.0, "a number"),
        ([1.0, 2.0], "a list of 2"),
        ((), "a tuple of 0"),
        (Pair(1.0, [2.0]), "a Pair of (a number, a list of 1)"),
        ([[1.0], [2.0, 3.0], 4.0], "a list of (a list of 1, a list of 2, a number)"),
        ({"a": 1.0, 2: [1.0]}, "a dict with 'a': a number, 2: a list of 1"),
        (np.ones((2, 3)), "an array of shape (2, 3)"),
    ],
)
def test_a_structure_describes_itself(whole: Any, text: str) -> None:
    assert str(flatten(whole)[1]) == text


def test_a_number_is_a_structure_of_one() -> None:
    assert flatten(3) == ([3.0], NUMBER)
    assert NUMBER.build([5.0]) == 5.0


@pytest.mark.parametrize(
    ("whole", "message"),
    [
        ({"a": [1.0, "x"]}, r"expected a number, got str 'x'; .* \(at the argument\['a'\]\[1\]\)"),
        (True, "expected a number, got the bool True at the argument; a truth value has no derivative"),
        ([np.bool_(False)], r"got the bool False at the argument\[0\]"),
        (np.array([True]), "expected numbers, got an array of bool at the argument; a truth value"),
        (np.array([1j]), "got an array of complex128 at the argument; use its real and imaginary parts as two arrays"),
        (np.array(["a"]), r"got an array of <U1 at the argument; convert it with .astype\(float\)"),
        (np.array([1.0, None]), r"expected a number, got NoneType None; .* \(at the argument, an array\)"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "got a masked array at the argument; fill it with .filled"),
        ({1.0, 2.0}, r"expected a number, got set .*\(at the argument\)"),
    ],
)
def test_what_is_no_number_is_refused_with_its_place(whole: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        flatten(whole)


class Doubled(list[Any]):
    """A list that is made of half of what it holds."""

    def __init__(self, items: Any) -> None:
        super().__init__([*items, *items])


def test_a_container_that_would_hold_something_else_is_refused() -> None:
    with pytest.raises(TypeError, match=r"a Doubled cannot be made anew of what it holds; give list\(\.\.\.\)"):
        ad.grad(lambda v: v[0] * v[1])(Doubled([2.0]))


class _ScaledList(list[Any]):
    def __init__(self, items: Any, scale: float = 2.0) -> None:
        super().__init__(items)
        self.scale = scale


class _ScaledTuple(tuple[Any, ...]):
    scale = 2.0


class _ScaledDict(dict[Any, Any]):
    __slots__ = ("scale",)


def _scaled(p: Any) -> Any:
    return (p["x"] if isinstance(p, dict) else p[0]) * getattr(p, "scale", 2.0)


@pytest.mark.parametrize("make", [lambda: _ScaledList([3.0]), lambda: _ScaledTuple([3.0]), lambda: _ScaledDict(x=3.0)])
def test_attributes_that_f_would_not_be_given_are_refused(make: Callable[[], Any]) -> None:
    """With those of a container made anew it would give the number for these, and no error."""
    p, compiled = make(), ad.compile(_scaled)
    functions = [compiled, ad.grad(_scaled), ad.compile(ad.grad(_scaled)), lambda p: ad.jacobian(_scaled)(p)]
    for _ in range(3):  # which the core may serve
        assert compiled(p) == _scaled(p) == 6.0
    p.scale = 5.0
    for f in functions:
        with pytest.raises(
            TypeError, match=r"made anew of what it holds has not this one's attributes: scale \(at args"
        ):
            f(p)
    with pytest.raises(TypeError, match="attributes: scale"):
        ad.compile(lambda x, p: x * _scaled(p))(1.0, {"p": [p]})


def test_a_dataclass_that_is_derived_from_another_class_is_no_container() -> None:
    class Base:
        def __init_subclass__(cls) -> None: ...

    @dataclass
    class Derived(Base):
        rate: float

    with pytest.raises(TypeError, match="Derived"):
        ad.grad(lambda d: d.rate**2)(Derived(3.0))
