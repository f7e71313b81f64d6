"""Arguments: numbers, containers and arrays of them, objects, and anything else, which is part of the key."""

import functools
import gc
import math
import pickle
import sys
import weakref
from array import array
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff
import nn
from autodiff import Value, compile, grad, value_and_grad
from autodiff.compiler import TracingError
from autodiff.compiler.calls import objects
from tests.compiler.cases import Settings, one, two


def test_masked_arrays_are_refused_at_every_call(backend: str) -> None:
    f = compile(lambda x: x.sum(), backend=backend)
    assert f(np.ones(3)) == 3.0
    for mask in ([0, 0, 0], [0, 1, 0]):
        with pytest.raises(TypeError, match="masked array"):
            f(np.ma.array([1.0, 2.0, 3.0], mask=mask))


def test_equal_objects_are_told_apart(backend: str) -> None:
    class Named:
        def __init__(self, w: float) -> None:
            self.w = Value(w)

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Named)

        def __hash__(self) -> int:
            return 1

    f = compile(lambda m, x: m.w * x, backend=backend)
    assert (f(Named(1.0), 1.0), f(Named(2.0), 1.0)) == (1.0, 2.0)
    keys = compile(lambda d: d, backend=backend)
    assert [list(map(type, keys({key: 1.0}))) for key in (1, True, 1.0)] == [[int], [bool], [float]]


def test_numbers_of_different_kinds_are_one_form(backend: str) -> None:
    f = compile(lambda r: r[0] + r[1], rows=0, backend=backend)
    assert f([[0, 1], [0.5, 3.0], [np.float64(1.0), 1]]) == [1.0, 3.5, 2.0]
    one = compile(lambda r: r[0] + r[1], backend=backend)
    assert (one([1, 2]), one([1.0, 2.0]), one.stats().paths) == (3.0, 3.0, 1)


def test_arrays_of_integers_and_objects_are_numbers_and_others_are_refused(backend: str) -> None:
    double = compile(lambda x: x * 2.0, backend=backend)
    assert double(np.array([1, 2])).tolist() == [2.0, 4.0]
    assert double(np.array([1.5, 2], dtype=object)).tolist() == [3.0, 4.0]
    assert double(np.array([1.5], dtype=np.float32)).tolist() == [3.0]
    assert double(np.arange(6.0).reshape(2, 3).T).tolist() == (2 * np.arange(6.0).reshape(2, 3).T).tolist()
    assert double(np.array([])).shape == (0,)
    for bad in (np.array([True]), np.array(["a"]), np.array([1j])):
        with pytest.raises(TypeError, match="expected numbers, got an array"):
            double(bad)
    for holding, message in (
        (np.array([2.0, True], object), "the bool True at args"),
        (np.array(["a"], object), "str"),
    ):
        with pytest.raises(TypeError, match=f"expected a number, got {message}"):
            double(holding)


def test_members_of_enums_and_arrays_without_an_axis_are_numbers(backend: str) -> None:
    class Level(IntEnum):
        LOW = 1
        HIGH = 2

    f = compile(lambda x, y: x * autodiff.sqrt(y), backend=backend)
    assert [f(2.0, level) for level in Level] == [2.0, 2.0 * math.sqrt(2.0)]
    assert f(2.0, np.array(3.0)) == f(np.array(2), np.array(3, object)) == 2.0 * math.sqrt(3.0)


def test_another_structure_has_a_program_of_its_own(backend: str) -> None:
    total = compile(lambda x: autodiff.sum(x), backend=backend)
    assert (total([1.0, 2.0]), total([1.0, 2.0, 3.0]), total((1.0, 2.0))) == (3.0, 6.0, 3.0)
    assert total.stats().paths == 3


def test_what_is_not_a_number_is_handed_over_and_told_apart(backend: str) -> None:
    f = compile(lambda x, squared, power=None: x * x if squared else x, backend=backend)
    assert (f(3.0, True), f(3.0, False), f(3.0, True, power="2")) == (9.0, 3.0, 9.0)
    with pytest.raises(TypeError, match="must be hashable"):
        f(3.0, {1, 2})
    with pytest.raises(TypeError, match="must be hashable, got memoryview"):
        f(3.0, memoryview(bytearray(8)))


class _Slots:
    __slots__ = ("inner", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.inner = SimpleNamespace(shift=1.0, widths=[2, 2], table=np.array([0.5, 2.0]), index=np.array([1]))


@dataclass
class _Line2:
    scale: Any


@dataclass
class _Sizes:
    count: int
    scale: float = 1.0


def test_real_numbers_on_an_object_are_read_at_every_call(backend: str) -> None:
    f = compile(lambda x, s: s.scaled(x), backend=backend)
    settings = Settings(0.5)
    for rate in (0.5, 2.0, -1.0, np.float64(3.0)):
        settings.rate = rate
        assert f(4.0, settings) == f(4.0, Settings(float(rate))) == settings.scaled(4.0)
    assert f.stats().paths == 1
    settings.steps = 3
    assert f(4.0, settings) == settings.scaled(4.0)
    assert f.stats().paths == 2


def test_numbers_in_what_an_object_holds_are_read_at_every_call(backend: str) -> None:
    def f(x: Any, s: Any) -> Any:
        return (x * s.rate + s.inner.shift) * s.inner.table[s.inner.index][0] + sum(range(s.inner.widths[0]))

    compiled, s = compile(f, backend=backend), _Slots(2.0)
    assert compiled(3.0, s) == f(3.0, s)
    s.rate, s.inner.shift, s.inner.table[1] = 5.0, -1.0, 7.0
    assert compiled(3.0, s) == f(3.0, s)
    assert compiled.stats().paths == 1
    s.inner.widths[0], s.inner.index[0] = 4, 0
    assert compiled(3.0, s) == f(3.0, s)


def test_an_object_may_go_after_the_module_that_watches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    s = SimpleNamespace(w=Value(3.0))
    assert compile(lambda x, s: x * s.w, backend="python")(2.0, s) == 6.0
    errors: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", errors.append)
    monkeypatch.setattr(objects, "_states", None)  # as Python empties modules when it exits
    del s
    gc.collect()
    assert not errors


NUMBERS = st.floats(-9.0, 9.0)


THINGS = st.recursive(
    NUMBERS | st.integers(0, 3) | st.sampled_from(["a", None, True]) | st.lists(NUMBERS, max_size=2).map(np.array),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(lambda d: SimpleNamespace(**d))
        | st.builds(_Line2, inner)
    ),
    max_leaves=6,
)


def _numbers_in(x: Any) -> list[Any]:
    if isinstance(x, (SimpleNamespace, _Line2)):
        x = vars(x)
    if isinstance(x, (list, tuple, dict, np.ndarray)):
        return [y for part in (x.values() if isinstance(x, dict) else x) for y in _numbers_in(part)]
    return [x] if isinstance(x, (float, int, Value)) and not isinstance(x, bool) else []


@given(st.dictionaries(st.sampled_from("abcd"), THINGS, max_size=4), st.data())
def test_numbers_of_any_object_arrive_in_their_places(attributes: dict[str, Any], data: st.DataObject) -> None:
    compiled = compile(lambda x, s: [x * y for y in _numbers_in(s)], backend="python")
    settings = SimpleNamespace(**attributes)
    for _ in range(2):
        assert compiled(2.0, settings) == [2.0 * y for y in _numbers_in(settings)]
        settings.d = data.draw(THINGS)
        if isinstance(attributes.get("a"), np.ndarray):
            attributes["a"] += 1.0


def test_a_dataclass_of_numbers_is_one_argument_whole_numbers_shape_the_code(backend: str) -> None:
    f = compile(lambda x, s: sum([x] * s.count, 0.0) * s.scale, backend=backend)
    assert (f(2.0, _Sizes(2)), f(2.0, _Sizes(2, 3.0)), f(2.0, _Sizes(3))) == (4.0, 12.0, 6.0)
    assert f.stats().paths == 2
    slope = compile(grad(lambda s, x: s.scale**2 * x), backend=backend)
    with pytest.raises(TypeError, match="expected a number"):
        grad(lambda s: s.scale)(_Sizes("two"))  # type: ignore[arg-type]
    assert slope(_Line2(3.0), 1.0) == _Line2(6.0)
    rows = compile(lambda s: s.scale * 2.0, rows=0, backend=backend)
    assert rows(_Line2(np.array([1.0, 2.0]))).tolist() == [2.0, 4.0]


def test_a_number_on_an_object_that_cannot_be_read_again_is_refused_with_its_line() -> None:
    with pytest.raises(TracingError, match=rf"float\(x\) leaves the graph(.|\n)*{Path(__file__).name}:\d+"):
        compile(lambda x, s: x * math.sqrt(s.rate), backend="python")(1.0, Settings(2.0))

    def assigns(x: Any, s: Any) -> Any:
        s.rate = x
        return x

    with pytest.raises(TracingError, match="changed a list, dict, array or object that it was given"):
        compile(assigns, backend="python")(1.0, Settings(2.0))


class _Model:
    def __init__(self) -> None:
        self.w, self.scale, self.calls = [Value(2.0)], 3.0, 0
        self.settings = Settings(1.0)
        self.offsets = np.array([0.0])

    @compile(backend="python")
    def at(self, x: Any) -> Any:
        self.calls += 1
        return self.w[0] * x * self.scale + self.settings.rate + self.offsets[0]


def test_numbers_on_a_model_make_another_program_when_they_change() -> None:
    model = _Model()
    changes: list[Callable[[], Any]] = [
        lambda: None,
        lambda: setattr(model, "scale", 5.0),
        lambda: setattr(model.settings, "rate", 7.0),
        lambda: model.offsets.__setitem__(0, 0.5),
        lambda: model.w.__setitem__(0, Value(2.0)),
        lambda: setattr(model.w[0], "data", 4.0),
    ]
    for change in changes:
        change()
        expected = model.w[0].data * 2.0 * model.scale + model.settings.rate + model.offsets[0]
        assert model.at(2.0) == model.at(2.0) == expected
    assert model.calls == 5  # not at all calls: f is run while it is traced; other leaves are read
    model.at.backward(2.0)
    assert model.w[0].grad == 10.0


class _Slotted:
    __slots__ = ("__dict__", "rate")


class _Other:
    rate = 11.0


# What a model has as `part` at first and then, and what f makes of it; the numbers in both are the same.
FORMS: dict[str, tuple[Any, Any, Callable[[Any], Any]]] = {
    "where one list ends": ([[1.0], [2.0, 3.0]], [[1.0, 2.0], [3.0]], lambda part: sum(part[0])),
    "keys": ({"p": 2.0, "q": 5.0}, {"q": 2.0, "p": 5.0}, lambda part: part["p"]),
    "the kind of a key": ({1: 2.0}, {True: 2.0}, lambda part: 3.0 if bool in map(type, part) else 5.0),
    "names": (SimpleNamespace(a=3.0), SimpleNamespace(b=3.0), lambda part: getattr(part, "a", 7.0)),
    "the kind of a container": ([1.0], (1.0,), lambda part: 2.0 if isinstance(part, list) else 3.0),
    "the class of an object": (_Slotted(), _Other(), lambda part: getattr(part, "rate", 7.0)),
    "a function": (one, two, lambda part: part()),
    "a partial": (functools.partial(abs, -1.0), functools.partial(abs, -2.0), lambda part: part()),
    "a class": (_Slotted, _Other, lambda part: 2.0 if part is _Other else 3.0),
    "a set": ({1.0, 2.0}, {1.0, 4.0}, sum),
    "a range": (range(2), range(3), len),
    "the shape of an array": (np.ones((2, 3)), np.ones((3, 2)), lambda part: part.shape[0]),
    "the dtype of an array": (np.zeros(2), np.zeros(2, dtype=int), lambda part: 2.0 if part.dtype == float else 3.0),
    "the objects in an array": (np.array([1.0, "a"], object), np.array([2.0, "a"], object), lambda part: part[0]),
    "the sign of a zero": (0.0, -0.0, lambda part: part),
    "the order of objects": (
        (lambda one, two: [one, two, one])(SimpleNamespace(a=1.0), SimpleNamespace(a=1.0)),
        (lambda one, two: [one, two, two])(SimpleNamespace(a=1.0), SimpleNamespace(a=1.0)),
        lambda part: 2.0 if part[2] is part[0] else 3.0,
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_model_in_another_form_has_another_program(name: str) -> None:
    first, then, what = FORMS[name]
    model = SimpleNamespace(w=Value(1.0), part=first)
    f = compile(lambda model, x: model.w * x * what(model.part), backend="python")
    for part in (first, then, first):
        model.part = part
        assert repr(f(model, 1.0)) == repr(f(model, 1.0)) == repr(float(what(part)))
    assert f.stats().paths == 2


class _Bound:
    def __init__(self, bind: Callable[["_Bound"], Any]) -> None:
        self.rate, self.scaled = 2.0, bind(self)

    def times(self, x: Any) -> Any:
        return x * self.rate


@pytest.mark.parametrize(
    "bind",
    [
        lambda one: one.times,
        lambda one: functools.partial(_Bound.times, one),
        lambda one: lambda x: one.times(x),
        lambda one: lambda x, one=one: one.times(x),
    ],
    ids=["a method", "a partial", "a variable", "a default"],
)
def test_an_object_that_a_function_on_it_leads_back_to_is_read_at_every_call(bind: Any) -> None:
    settings = _Bound(bind)
    f = compile(lambda x, settings: settings.scaled(x) + settings.rate, backend="python")
    assert f(3.0, settings) == 8.0
    settings.rate = 5.0
    assert f(3.0, settings) == 20.0


def test_settings_with_functions_of_their_own_are_one_program() -> None:
    def countdown(n: int) -> float:
        return countdown(n - 1) if n else 3.0

    settings = SimpleNamespace(rate=0.5, squash=autodiff.tanh, size=abs, countdown=countdown, loss=nn.mse)
    f = compile(lambda x, s: s.size(s.squash(x)) * s.rate * s.countdown(2), backend="python")
    for settings.rate in (0.5, 2.0, -1.0):
        assert f(-1.0, settings) == math.tanh(1.0) * settings.rate * 3.0
    assert f.stats().paths == 1


@pytest.mark.parametrize("kind", [set, deque, lambda xs: array("d", xs), lambda xs: bytearray(map(int, xs))])
@pytest.mark.parametrize("held", [1.0, Value(1.0)], ids=["settings", "a model"])
def test_collections_on_an_object_are_read_at_every_call(kind: Any, held: Any) -> None:
    settings = SimpleNamespace(rate=held, numbers=kind([1.0, 2.0]))
    f = compile(lambda x, settings: x * settings.rate * sum(settings.numbers), backend="python")
    assert f(1.0, settings) == 3.0
    (settings.numbers.add if kind is set else settings.numbers.append)(5)
    assert f(1.0, settings) == 8.0


def test_a_model_is_looked_at_where_it_changes_in_place() -> None:
    model = SimpleNamespace(w=Value(1.0), table={"p": 2.0, "q": 5.0}, numbers={1.0}, slotted=_Slotted())
    model.slotted.rate, model.slotted.other = 1.0, 1.0
    f = compile(
        lambda m, x: m.w * x * m.table["p"] * sum(m.numbers) * m.slotted.rate * m.slotted.other, backend="python"
    )
    assert f(model, 1.0) == 2.0
    p, q = model.table.values()
    model.table.clear()
    model.table.update(q=p, p=q)
    assert f(model, 1.0) == 5.0
    model.numbers.add(2.0)
    assert f(model, 1.0) == 15.0
    model.slotted.rate = 2.0
    assert f(model, 1.0) == 30.0
    model.slotted.other = 2.0
    assert f(model, 1.0) == 60.0


def test_a_model_that_was_an_argument_goes_with_its_function() -> None:
    model = _Model()
    f = compile(lambda m, x: m.w[0] * x * m.scale, backend="python")
    assert f(model, 1.0) == 6.0
    alive = weakref.ref(model)
    other, twin = pickle.loads(pickle.dumps((f, model)))
    twin.w[0].data = 5.0
    assert other(twin, 1.0) == 15.0
    del f, model
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize(
    ("make", "use"),
    [
        (lambda: range(3), lambda x, r: x * len([None for _ in r])),
        (lambda: range(0, 6, 2), lambda x, r: x * len(r)),
        (lambda: frozenset({1, "a"}), lambda x, s: x * len(s)),
        (lambda: Path("a") / "b", lambda x, p: x * len(p.name)),
        (lambda: "".join(["a", "b"]), lambda x, t: x * len(t)),
        (lambda: OrderedDict(a=1.0), lambda x, d: x * d["a"]),
    ],
    ids=["range", "range with steps", "frozenset", "Path", "text", "OrderedDict"],
)
def test_equal_arguments_made_anew_share_a_program(make: Any, use: Any) -> None:
    f = compile(use, backend="python")
    assert len({f(2.0, make()) for _ in range(5)}) == 1
    assert f.stats().paths == 1


def test_arguments_that_look_alike_are_told_apart() -> None:
    first = compile(lambda x, r: x * (next(iter(r), 7.0) if r else r.start), backend="python")
    assert (first(1.0, range(0)), first(1.0, range(2, 2)), first(1.0, range(3, 5))) == (0.0, 2.0, 3.0)
    kind = compile(lambda x, s: x if type(next(iter(s))) is bool else -x, backend="python")
    assert (kind(1.0, frozenset({1})), kind(1.0, frozenset({True}))) == (-1.0, 1.0)
    signed = compile(lambda x, s: x * math.copysign(1.0, next(iter(s))), backend="python")
    assert (signed(1.0, frozenset({0.0})), signed(1.0, frozenset({-0.0}))) == (1.0, -1.0)
    part = compile(lambda x, z: x * math.copysign(1.0, z.imag), backend="python")
    assert (part(1.0, complex(0.0, 0.0)), part(1.0, complex(0.0, -0.0))) == (1.0, -1.0)
    text = compile(lambda x, p: x if str(p).isupper() else -x, backend="python")  # such paths are equal
    assert (text(1.0, PureWindowsPath("A")), text(1.0, PureWindowsPath("a"))) == (1.0, -1.0)


def test_keys_of_dicts_that_are_equal_are_told_apart(backend: str) -> None:
    f = compile(lambda d: [repr([*d]), *d.values()], backend=backend)
    keys: list[Any] = [0, False, 0.0, -0.0, 1, True, 1.0, (1,), (True,), ((0.0,), "a"), ((-0.0,), "a"), None, "None"]
    for number in (2.0, 3.0):
        for key in keys:
            assert f({key: number}) == [repr([key]), number]
    assert f.stats().paths == len(keys)


def test_an_argument_may_be_called_self(backend: str) -> None:
    w = Value(3.0)
    f = compile(lambda self, x: w * self * x, backend=backend)
    assert [f(self=2.0, x=1.0), f(x=2.0, self=1.0), f.backward(self=2.0, x=1.0), w.grad] == [6.0, 6.0, 6.0, 2.0]
    assert f(self=Value(2.0), x=1.0).data == 6.0
    call = f.prepare(self=2.0, x=1.0)
    call()
    assert call.results == 6.0


def test_backward_has_programs_of_its_own_whatever_the_names_of_arguments(backend: str) -> None:
    w = Value(3.0)
    f = compile(lambda backward: w * backward, backend=backend)
    assert [f(backward=2.0), f.backward(2.0), f(backward=2.0), f.backward(backward=2.0), w.grad] == [6.0] * 4 + [4.0]


def test_programs_that_were_not_used_for_longest_are_let_go() -> None:
    f = compile(lambda x, g: g(x), backend="python")

    def kept(x: Any) -> Any:
        return -x

    for i in range(300):
        assert f(2.0, lambda x, i=i: x * float(i)) == 2.0 * i
        assert f(2.0, kept) == -2.0
    assert f.stats().paths == 256
    traced_again: list[int] = []
    assert f(2.0, lambda x: traced_again.append(1) or x) == 2.0
    assert (f(2.0, kept), traced_again) == (-2.0, [1])


def test_containers_reach_a_compiled_function_as_what_they_are(backend: str) -> None:
    f = compile(lambda d: (type(d), d), backend=backend)
    for whole in (OrderedDict(b=1.0, a=2.0), defaultdict(float, a=1.0), _Line2(1.0)):
        kind, result = f(whole)
        assert (kind, type(result), result) == (type(whole), type(whole), whole)
    missing = compile(lambda d: d["a"] + len(d), backend=backend)
    assert missing(defaultdict(float, a=1.0)) == 2.0
    with pytest.raises(TracingError, match="changed a list, dict, array or object"):
        compile(lambda d: d["b"], backend=backend)(defaultdict(float, a=1.0))


def test_traced_numbers_are_values_to_isinstance() -> None:
    f = compile(lambda x: x * 2.0 if isinstance(x, Value) else 0.0, backend="python")
    assert f(3.0) == 6.0
    assert "isinstance(x, Value)" in str(compile.__doc__)


def test_nan_and_infinity_are_numbers(backend: str) -> None:
    f = compile(value_and_grad(lambda x: x.exp() * x), backend=backend)
    for x in (math.nan, math.inf, -math.inf):
        assert repr(f(x)) == repr(value_and_grad(lambda x: x.exp() * x)(x))


def test_arrays_that_may_not_be_written_to_are_read(backend: str) -> None:
    x = np.array([3.0, 4.0])
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    for fixed in (x, rows):
        fixed.flags.writeable = False
    assert compile(lambda x: x @ x, backend=backend)(x) == 25.0
    over_rows = compile(lambda x, y: x @ y, rows=1, backend=backend)
    np.testing.assert_array_equal(over_rows(x, rows), [11.0, 25.0])
    np.testing.assert_array_equal(over_rows(np.array([3.0, 4.0]), rows), [11.0, 25.0])
