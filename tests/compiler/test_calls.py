"""Calls that run in C: an entry gives what the plain way gives, for any structure, and steps aside where it would not.

`f(...)` goes to the entries first; `f.__call__(...)` is the plain way.
"""

import gc
import math
import struct
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff
from autodiff import Value, compile, native, no_grad, value_and_grad
from autodiff.compiler.calls.entries import Entries
from autodiff.compiler.compiled import Compiled
from autodiff.structures.structure import flatten_values
from tests.compiler.cases import SPECIAL, Settings
from tests.needs import need_core

np = pytest.importorskip("numpy")


class Point(NamedTuple):
    x: Any
    y: Any


@pytest.fixture(autouse=True)
def _with_the_core() -> None:
    need_core()


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a call gives, in bits and types; or its error."""
    try:
        return bits(call(*args, **kwargs))
    except Exception as error:
        return type(error), str(error)


def bits(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return type(x), x.dtype, x.shape, x.tobytes()
    if isinstance(x, dict):
        return type(x), [(key, bits(part)) for key, part in x.items()]
    if isinstance(x, (list, tuple)):
        return type(x), [bits(part) for part in x]
    return type(x), struct.pack("d", x) if type(x) is float else x


def is_served(f: Any) -> bool:
    """Whether entries have served a call since this was asked last."""
    used = [entry for entry in f._entries.served if entry.is_used]
    for entry in used:
        entry.is_used = False
    return bool(used)


# --- random calls ---

_FLOATS = st.one_of(st.floats(-1e3, 1e3), st.sampled_from(SPECIAL))
_PLAIN_NUMBERS = st.one_of(_FLOATS, st.integers(-9, 9))
_NUMBERS = st.one_of(
    _PLAIN_NUMBERS,
    st.sampled_from([True, 10**30, 10**400, -(10**400), Fraction(1, 3), np.array(2.0), "text", None]),
    st.sampled_from(
        [np.float64, np.float32, np.float16, np.int64, np.uint8, np.longdouble, np.bool_, np.complex128]
    ).map(lambda kind: kind(3)),
)
_THINGS = st.sampled_from([True, False, None, "a", math.sin, 2j, (), 1 << 70])
_NAMES = st.sampled_from(["a", "b", "weight", 1, 10**20, (1, 2), True])

Form = Callable[[Any], Any]  # from a way to draw numbers to an argument


def _around(inner: Any) -> Any:
    """Containers of the same kind around what each part draws."""
    many = st.lists(inner, max_size=4)
    return st.one_of(
        many.map(lambda parts: lambda draw: [part(draw) for part in parts]),
        many.map(lambda parts: lambda draw: tuple([part(draw) for part in parts])),
        st.tuples(inner, inner).map(lambda parts: lambda draw: Point(*[part(draw) for part in parts])),
        st.dictionaries(_NAMES, inner, max_size=3).map(
            lambda parts: lambda draw: {name: part(draw) for name, part in parts.items()}
        ),
        st.dictionaries(_NAMES, inner, max_size=2).map(
            lambda parts: lambda draw: OrderedDict({name: part(draw) for name, part in parts.items()})
        ),
    )


def _filled(shape: tuple[int, ...], draw: Any) -> Any:
    return np.array([draw(_FLOATS) for _ in range(math.prod(shape))]).reshape(shape)


_LEAVES = st.one_of(
    st.just(lambda draw: draw(_PLAIN_NUMBERS)),
    st.lists(st.integers(0, 3), max_size=2).map(lambda shape: lambda draw: _filled(tuple(shape), draw)),
    _THINGS.map(lambda thing: lambda draw: thing),
)
_FORMS = st.recursive(_LEAVES, _around, max_leaves=6)


def _changed(x: Any, draw: Any) -> Any:
    """x with something in it that is out of the ordinary, or of another form."""
    if isinstance(x, np.ndarray):
        ways = [
            lambda: x.T,
            lambda: np.flip(x),
            lambda: np.clip(x, -9.0, 9.0).astype(np.float32),
            lambda: x[None],
            lambda: x.astype(object),
            lambda: x.astype(">f8"),
            lambda: np.ma.array(x),
            lambda: _misaligned(x),
            lambda: x.tolist(),
            lambda: _frozen(x),
        ]
        return draw(st.sampled_from(ways))()
    if isinstance(x, (list, tuple)) and len(x) and type(x) is not Point:
        parts = list(x)
        i = draw(st.integers(0, len(x) - 1))
        parts[i : i + 1] = draw(st.sampled_from([[], [parts[i]] * 2, [_changed(parts[i], draw)], [draw(_NUMBERS)]]))
        return draw(st.sampled_from([type(x), type(x), list, tuple]))(parts)
    if isinstance(x, dict) and x:
        items = list(x.items())
        items[0] = items[0][0], _changed(items[0][1], draw)
        return draw(st.sampled_from([dict, OrderedDict]))(draw(st.sampled_from([items, items[::-1], items[1:]])))
    return draw(_NUMBERS)


def _misaligned(x: Any) -> Any:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    found = memory[1:].view(np.float64).reshape(x.shape)
    found[...] = x
    return found


def _frozen(x: Any) -> Any:
    frozen = x.copy()
    frozen.flags.writeable = False
    return frozen


def numbers_in(args: Any) -> list[Any]:
    """The Values in arguments."""
    items, _ = flatten_values([x.tolist() if isinstance(x, np.ndarray) else x for x in flatten_values(args)[0]])
    return [x for x in items if isinstance(x, Value)]


LEAF = Value(0.5)

_RESULTS: list[Callable[[Any, list[Any]], Any]] = [
    lambda args, xs: autodiff.sum(xs) if xs else 1.0,
    lambda args, xs: [x * LEAF for x in xs],
    lambda args, xs: tuple([(x, x + 1.0, "name", 3, None) for x in xs[:3]]),
    lambda args, xs: {"all": xs, 1: [x > 0.5 for x in xs[:2]], "none": [], "constant": 2.0},
    lambda args, xs: autodiff.array([x * 2.0 for x in xs]) if xs else [],
    lambda args, xs: [autodiff.array([[x, LEAF * x]]) for x in xs[:2]],
    lambda args, xs: OrderedDict(a=xs, b=np.arange(3)),
    lambda args, xs: Point(xs, LEAF),
    lambda args, xs: -xs[0] if xs and xs[0] < 1.0 else [x * x for x in xs[1:]],
    lambda args, xs: ["name", []],
    lambda args, xs: args,
]


@given(st.lists(_FORMS, max_size=3), st.sampled_from(_RESULTS), st.integers(0, 2), st.data())
def test_a_call_gives_what_the_plain_way_gives(forms: Any, result: Any, named: int, data: Any) -> None:
    f = compile(lambda *args, **kwargs: result([args, kwargs], numbers_in([args, kwargs])))
    for _ in range(6):
        args = [form(data.draw) for form in forms]
        if args and data.draw(st.integers(0, 3)) == 0:
            i = data.draw(st.integers(0, len(args) - 1))
            args[i] = _changed(args[i], data.draw)
        LEAF.data = data.draw(_FLOATS)
        kwargs = {f"x{i}": args.pop() for i in range(min(named, len(args)))}
        assert outcome(f, *args, **kwargs) == outcome(f.__call__, *args, **kwargs)


_WIDTHS = st.lists(st.integers(0, 3), max_size=2)


def _rows_of(shape: list[int], in_list: bool, count: int, draw: Any) -> Any:
    if not in_list:
        return _filled((count, *shape), draw)
    if not shape:
        return [draw(_PLAIN_NUMBERS) for _ in range(count)]
    return [_rows_of(shape[1:], True, shape[0], draw) for _ in range(count)]


@given(
    st.lists(st.tuples(_WIDTHS, st.booleans(), st.booleans()), min_size=1, max_size=3),
    st.sampled_from(_RESULTS[:-1]), st.sampled_from([None, "mean", "sum"]), st.data(),
)  # fmt: skip
def test_a_call_with_rows_gives_what_the_plain_way_gives(columns: Any, result: Any, reduce: Any, data: Any) -> None:
    def plain(shared: Any, rows: Any) -> Any:
        return result([], numbers_in([shared, rows]))

    f = compile(plain, rows=1, reduce=reduce)
    for _ in range(5):
        count = data.draw(st.sampled_from([1, 1, 2, 9, 0]))
        rows: list[Any] = []
        for shape, in_list, is_odd in columns:
            mine = count + (is_odd and data.draw(st.integers(0, 9)) == 0)
            rows.append(_rows_of(shape, in_list, mine, data.draw))
        args = {"w": data.draw(_PLAIN_NUMBERS), "b": [data.draw(_PLAIN_NUMBERS)]}, tuple(rows)
        if data.draw(st.integers(0, 3)) == 0:
            args = args[0], _changed(args[1], data.draw)
        LEAF.data = data.draw(_FLOATS)
        assert outcome(f, *args) == outcome(f.__call__, *args)


@given(st.lists(_FORMS, max_size=2), st.data())
def test_backward_adds_what_the_plain_way_adds(forms: Any, data: Any) -> None:
    leaves = [Value(0.5), Value(-1.5)]
    f = compile(lambda *args: sum([leaves[i % 2] * x * x for i, x in enumerate(numbers_in(args))], leaves[0] * 0.5))
    for _ in range(4):
        args = [form(data.draw) for form in forms]
        if args and data.draw(st.integers(0, 3)) == 0:
            args[0] = _changed(args[0], data.draw)
        start, found = [data.draw(_FLOATS), data.draw(_FLOATS)], []
        for call in (f.backward, plainly_backward(f)):
            for leaf, grad in zip(leaves, start, strict=True):
                leaf.grad = grad
            found.append((outcome(call, *args), bits([leaf.grad for leaf in leaves])))
        assert found[0] == found[1]


def plainly_backward(f: Any) -> Any:
    """`f.backward` by the plain way."""

    def call(*args: Any) -> Any:
        entries = list(f._entries.served)
        f._entries.served.clear()
        try:
            return f.backward(*args)
        finally:
            f._entries.served[:] = entries

    return call


# --- what is served ---


def test_ordinary_calls_are_served() -> None:
    loss = value_and_grad(lambda p, x: p["w"] * x[0] + p["b"] * x[1])
    f = compile(loss)
    params = {"w": 2.0, "b": 1}
    for x in ([1.0, 2.0], (np.float32(1.0), 3), np.array([1.0, 2.0])):
        first = bits(f(params, x))
        assert not is_served(f)
        assert bits(f(params, x)) == first
        assert is_served(f)
    f(params, x=[1.0, 2.0])
    f(params, x=[3.0, 4.0])
    assert is_served(f)


def test_rows_are_served() -> None:
    rows = np.arange(12.0).reshape(6, 2)
    for reduce in ("mean", "sum", None):
        f = compile(lambda w, x: [w * x[0], {"x": x[1]}], rows=1, reduce=reduce)
        for x in (rows, rows.tolist()):
            first = bits(f(2.0, x))
            assert bits(f(2.0, x)) == first
            assert is_served(f)


def test_arrays_are_served_however_their_numbers_lie_in_memory() -> None:
    whole = np.arange(24.0).reshape(4, 6)
    lying = [
        whole,
        whole.T,
        whole[::-1, ::2],
        whole[1:3, 1::4],
        np.asfortranarray(whole),
        np.broadcast_to(whole[0], (3, 6)),
    ]
    for x in [*lying, _misaligned(whole), whole[:, :0], whole[2], whole[:, 3], whole[0, 0:1][0]]:
        for rows in (None, 0) if np.ndim(x) and x.size else (None,):
            f = compile(lambda x: [2.0 * x, x * x], rows=() if rows is None else rows)
            first = bits(f(np.array(x)))
            assert bits(f(x)) == bits(f(x)) == first
            assert is_served(f)


def test_arguments_out_of_the_ordinary_go_the_plain_way_and_their_errors_are_its() -> None:
    f = compile(lambda x: x * 2.0)
    assert f(np.ones(3)).tolist() == f(np.ones(3)).tolist() == [2.0, 2.0, 2.0]
    assert is_served(f)
    for x in (np.ones(3, np.float32), np.ones(3, ">f8"), np.ones(3, int)):
        assert f(x).tolist() == [2.0, 2.0, 2.0]
    assert not is_served(f)
    with pytest.raises(TypeError, match="masked array"):
        f(np.ma.array([1.0, 2.0, 3.0]))
    g = compile(lambda x: x * 2.0)
    assert g(1.0) == g(1.0) == 2.0
    with pytest.raises(OverflowError):
        g(10**400)
    assert g(Fraction(1, 2)) == 1.0


def test_nothing_is_served_where_a_mode_is_ambient_but_no_grad() -> None:
    f = compile(lambda x: x * x)
    f(3.0)
    with no_grad():
        assert f(3.0) == 9.0
    assert is_served(f)
    with autodiff.detect_anomaly():
        assert f(3.0) == 9.0
    assert autodiff.grad(lambda x: f(x))(3.0) == 6.0
    assert compile(lambda x: f(x) + 1.0)(3.0) == 10.0
    assert not is_served(f)


def test_each_way_through_the_choices_is_served() -> None:
    f = compile(lambda x: x * x if x > 0.0 else -x)
    for x in (2.0, -2.0, 3.0, -3.0, math.nan, 0.0):
        assert bits(f(x)) == bits(f.__call__(x))
    assert is_served(f)
    assert f.stats().paths == 2


class _Model:
    def __init__(self) -> None:
        self.w, self.bs, self.scale, self.table = Value(3.0), [Value(1.0), Value(2.0)], 2.0, {"a": 1}

    def loss(self, x: Any) -> Any:
        return self.w * x * self.scale + self.bs[0] + len(self.bs) + self.table.get("a", 7)

    step = compile(loss)


def test_a_model_is_served_until_something_in_it_is_another() -> None:
    model = _Model()
    for change in (
        lambda: setattr(model.w, "data", 5.0),
        lambda: setattr(model, "w", Value(1.0)),
        lambda: model.bs.append(Value(9.0)),
        lambda: model.bs.__setitem__(0, Value(4.0)),
        lambda: setattr(model, "scale", 3.0),
        lambda: model.table.clear(),
        lambda: setattr(model, "extra", 1.0),
        lambda: setattr(model, "__dict__", dict(vars(model), scale=0.5)),
    ):
        model.step(2.0)
        is_served(_Model.step)
        assert model.step(2.0) == model.loss(2.0).data
        assert is_served(_Model.step)
        change()
        assert model.step(2.0) == _Model.step.__call__(model, 2.0)
    assert _Model().step(2.0) == _Model().loss(2.0).data


def test_an_object_with_a_twin_goes_the_plain_way() -> None:
    f = compile(lambda x, s: s.scaled(x))
    settings = Settings(0.5)
    for rate in (0.5, 2.0):
        settings.rate = rate
        assert f(4.0, settings) == settings.scaled(4.0)
    assert not is_served(f)


def test_things_are_known_by_identity_and_texts_by_what_they_say() -> None:
    f = compile(lambda x, name, thing: x if name == "ab" else -x)
    one, other = SimpleNamespace(), SimpleNamespace()
    f(1.0, "ab", math.sin)
    assert f(1.0, "".join(["a", "b"]), math.sin) == 1.0
    assert is_served(f)
    assert (f(1.0, "ac", math.sin), f(1.0, "ab", math.cos), f(1.0, "ab", one), f(1.0, "ab", other)) == (
        -1.0,
        1.0,
        1.0,
        1.0,
    )
    assert not is_served(f)


def test_a_structure_that_is_used_is_kept_and_others_go() -> None:
    f = compile(lambda x, key: x * 2.0)
    for i in range(600):
        assert f(1.0, f"key {i}") == 2.0
        assert f(1.0, "the same") == 2.0
    known = set(f._dispatcher.versions)
    assert len(f._entries.served) <= len(known) <= 256
    assert f.stats().paths <= 256
    is_served(f)
    traced = f._dispatcher._trace
    f._dispatcher._trace = None
    assert f(1.0, "the same") == 2.0
    f._dispatcher._trace = traced


# --- what may happen in between ---


class _Sneaky(float):
    def __init__(self, _: float) -> None:
        self.then: Callable[[], Any] = lambda: None

    def __float__(self) -> float:
        self.then()
        return 2.0


@given(st.integers(0, 3), st.sampled_from(["clear", "pop", "reverse", "grow"]))
def test_a_list_that_is_changed_while_it_is_read_gives_a_result_or_an_error(at: int, how: str) -> None:
    f = compile(lambda xs: [x * 2.0 for x in xs[0]] + xs[1])
    f([[1.0, 2.0, 3.0, 4.0], [5.0]])
    f([[1.0, 2.0, 3.0, 4.0], [5.0]])
    number, rows = _Sneaky(1.0), [[1.0, 2.0, 3.0, 4.0], [5.0]]
    rows[0][at] = number
    number.then = {
        "clear": rows[0].clear,
        "pop": lambda: rows[0] and rows[0].pop(),
        "reverse": rows.reverse,
        "grow": lambda: rows[0].extend([0.0] * 1000),
    }[how]
    outcome(f, rows)
    assert f([[1.0, 2.0, 3.0, 4.0], [5.0]]) == [2.0, 4.0, 6.0, 8.0, 5.0]


def test_entries_may_go_while_one_serves() -> None:
    class Clearing(OrderedDict):  # type: ignore[type-arg]
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            f._entries.served.clear()
            f.serve_by([])
            gc.collect()

    f = compile(lambda x: Clearing({"a": x}))
    for _ in range(5):
        assert f(2.0)["a"] == 2.0
        f._entries = Entries()
        f.serve_by(f._entries.served)


_KINDS = ["number", "truth", "array", "sequence", "mapping", "same", "watched", "rows", "listed", "other", 1]
_HELD = st.sampled_from(
    [
        None,
        list,
        tuple,
        (),
        (1,),
        (2, 1),
        (10**9, 10**9),
        (-1,),
        ("a",),
        ([], []),
        (None, [], []),
        (None, {}, 1),
        "a",
        int,
        dict,
    ]
)
_DESCRIBED = st.recursive(
    st.tuples(st.sampled_from(_KINDS), _HELD, st.just(())),
    lambda parts: st.tuples(
        st.sampled_from(_KINDS), _HELD, st.one_of(st.lists(parts, max_size=3).map(tuple), st.just(None))
    ),
    max_leaves=5,
)
_ODD = st.one_of(_NUMBERS, _FORMS.map(lambda form: form), st.just([1.0]), st.just({"a": 1.0}), st.just(np.ones((2, 1))))


@given(_DESCRIBED, _DESCRIBED, st.sampled_from([(), ("a",), (1,)]), st.tuples(*[st.booleans()] * 4), st.lists(_ODD))
def test_an_entry_is_refused_or_serves_whatever_describes_it(
    arguments: Any, result: Any, names: Any, flags: tuple[bool, ...], args: list[Any]
) -> None:
    f = compile(lambda x: x * 2.0)
    f(1.0)
    ((version,),) = f._dispatcher.versions.values()
    runner, leaves = version.ready(f.options).runner, (LEAF,) if flags[3] else ()
    for described in (result, None):
        try:
            entry = native.core.Entry(
                ("sequence", tuple, (arguments,)), names, *flags[:3], ((runner, leaves, (), described, list),)
            )
        except (TypeError, ValueError):
            continue
        f.serve_by([entry, 1])
        outcome(f, *args[:1])
        outcome(f, a=args)


def test_numbers_are_of_one_moment_while_another_thread_assigns_them() -> None:
    leaves, xs, stop = [Value(0.0), Value(0.0)], [0.0, 0.0], threading.Event()
    f = compile(lambda xs: [xs[0] - xs[1], leaves[0] * 0.0 + xs[0]])
    f(xs)

    def assign() -> None:
        i = 0.0
        while not stop.is_set():
            i += 1.0
            xs[:] = [i, i]
            leaves[0].data = i

    other = threading.Thread(target=assign)
    other.start()
    try:
        for _ in range(20_000):
            assert f(xs)[0] == 0.0
    finally:
        stop.set()
        other.join()
    assert is_served(f)


def test_several_threads_call_one_function() -> None:
    f, wrong = compile(lambda x: [x[0] * x[1], x]), []

    def call(k: int) -> None:
        for i in range(2000):
            x = np.array([float(i), k, 1.0])
            if f(x)[0] != float(i) * k:
                wrong.append((i, k))

    threads = [threading.Thread(target=call, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_entries_keep_nothing_alive_that_the_function_does_not() -> None:
    model = _Model()
    model.step_of_its_own = compile(model.loss)  # type: ignore[attr-defined]
    for _ in range(3):
        model.step_of_its_own(1.0)  # type: ignore[attr-defined]
    watched: list[int] = []
    weakref.finalize(model, watched.append, 1)
    del model
    gc.collect()
    assert watched == [1]


def test_a_class_derived_from_compiled_is_called_as_it_says() -> None:
    class Twice(Compiled):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return [super().__call__(*args, **kwargs)] * 2

    twice = Twice(lambda x: x * 2.0, compile(lambda x: x).options)
    assert twice(1.0) == twice(2.0 / 2.0) == [2.0, 2.0]
