"""Backends: each is a module and a line of the table; a bound call gives what the plain one gives.

The laws hold for the backends that there are, and for two slow ones that are made here: one runs a program instruction
by instruction, by `Program.evaluate`, the other nest by nest, by the interpreter that says what nests mean.
"""

import operator
import struct
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff
from autodiff import Primitive, compile, value_and_grad
from autodiff.compiler.backends import choice
from autodiff.compiler.backends.choice import Entry
from autodiff.compiler.nests import meaning
from autodiff.compiler.nests.listing import listing
from autodiff.compiler.nests.reroll import reroll
from autodiff.compiler.passes.order import optimised
from autodiff.compiler.programs.program import Program
from autodiff.testing import programs
from tests.needs import need_core

np = pytest.importorskip("numpy")
need_core()


class Meaning:
    """The slowest backend there is: what a program means, `Program.evaluate`."""

    def __init__(self, program: Program, reduction: str | None, threads: int) -> None:
        self.program, self.reduction = program, reduction
        self.effects: dict[str, int] = {}

    def run(self, numbers: Any) -> tuple[list[float], bool]:
        slots = self.program.evaluate_slots([*map(float, numbers)])
        guards = zip(self.program.guards, self.program.expected, strict=True)
        return [slots[x] for x in self.program.outputs], all((slots[x] != 0.0) == bool(wanted) for x, wanted in guards)

    def run_rows(self, shared: Any, rows: Any) -> tuple[Any, list[bool]]:
        results, holding = [], []
        for row in rows:
            narrow, wide = iter(shared), iter(row)
            outputs, holds = self.run([next(wide if varies else narrow) for varies in self.program.varying])
            results.append(outputs)
            holding.append(holds)
        if self.reduction is None:
            return results, holding
        totals = [reduce(operator.add, column) for column in zip(*results, strict=True)]
        return [x / len(rows) if self.reduction == "mean" else x for x in totals], holding

    def bound(self, parts: Any, columns: Any, updates: Any = ()) -> tuple[Callable[[], object], Any]:
        def results() -> Any:
            shared = [x for part in parts for x in np.ravel(part)]
            if columns is None:
                return self.run(shared)
            return self.run_rows(shared, np.concatenate([np.reshape(x, (len(x), -1)) for x in columns], axis=1))

        out = np.array(results()[0], float)

        def call() -> bool:
            out[...], holds = results()
            for place, first in updates if np.all(holds) else ():
                stacks = columns is not None and self.reduction is None
                place[...] = out[..., first : first + place.size // (len(out) if stacks else 1)].reshape(place.shape)
            return bool(np.all(holds))

        return call, out

    def listing(self, limit: int | None) -> str:
        return "no nests: it is run instruction by instruction"


class MeaningOfNests(Meaning):
    """What the nests of a program mean, by the interpreter that the kernels are held to."""

    def __init__(self, program: Program, reduction: str | None, threads: int) -> None:
        program, effects = optimised(program, for_loops=True)
        super().__init__(program, reduction, threads)
        self.effects, self.nests = effects, reroll(program, reduction is not None)

    def run(self, numbers: Any) -> tuple[list[float], bool]:
        return meaning.run(self.nests, [*map(float, numbers)])

    def run_rows(self, shared: Any, rows: Any) -> tuple[Any, list[bool]]:
        shared, rows = [*map(float, shared)], [[*map(float, row)] for row in rows]
        if self.reduction is None:
            return meaning.run_rows(self.nests, shared, rows)
        totals, times = meaning.run_totals(self.nests, shared, rows), 1 if self.reduction == "mean" else len(rows)
        over = len(rows) if self.reduction == "mean" else 1
        both = zip(totals, self.nests.shared, strict=True)
        return [x * times if is_shared else x / over for x, is_shared in both], [True] * len(rows)

    def listing(self, limit: int | None) -> str:
        return listing(self.nests, limit)


SLOW = {
    "meaning": Entry(__name__, "Meaning", calls_python=True),
    "meaning of nests": Entry(__name__, "MeaningOfNests"),
}
BACKENDS = [*choice.BACKENDS, *SLOW]


@pytest.fixture(scope="module", autouse=True)
def _slow_backends() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, entry in SLOW.items():
            patch.setitem(choice.BACKENDS, name, entry)
        yield


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_is_a_module_and_a_line(backend: str) -> None:
    def f(w: Any, x: Any) -> Any:
        return w * x * x if x > 0 else w - x

    whole, rows = compile(f, backend=backend), np.array([3.0, -2.0])
    assert (whole(2.0, 3.0), whole(2.0, -3.0)) == (18.0, 5.0)
    assert compile(f, rows=1, backend=backend)(2.0, rows).tolist() == [18.0, 4.0]
    step = compile(value_and_grad(f), rows=1, reduce="mean", backend=backend)
    assert step(2.0, rows) == (11.0, 5.0)
    square = compile(lambda x: x[0] * x[1], rows=0, reduce="sum", backend=backend)
    pairs = np.array([[1.0, 2.0], [3.0, 4.0]])
    prepared = square.prepare(pairs)
    pairs[0] = 5.0, 6.0
    prepared()
    assert float(prepared.results) == square(pairs) == 42.0
    assert whole.stats().backend == backend
    assert whole.listing(nests=True).startswith("no nests" if backend in ("python", "meaning") else "inputs  v[0 .. 2]")


@pytest.mark.parametrize("rows", [(), (0,)])
def test_the_listing_of_nests_has_the_constants_at_their_addresses(rows: tuple[int, ...]) -> None:
    need_core()
    f = compile(lambda x: autodiff.exp(x) * 3.5 + 7.0, rows=rows, backend="native")
    f([1.0] if rows else 1.0)
    lines = f.listing(nests=True).splitlines()
    addresses = dict(reversed(pair.split(" = ")) for pair in lines[1].removeprefix("constants  ").split(", "))
    assert {"3.5", "7.0", "-0.0", "0.0", "1.0"} == set(addresses)
    assert all(any(addresses[number] in line for line in lines[2:]) for number in ("3.5", "7.0"))


def test_an_unknown_backend_is_refused_with_the_names_of_all() -> None:
    message = "backend is 'auto', 'native', 'python', 'meaning' or 'meaning of nests', got 'fast'"
    with pytest.raises(ValueError, match=message):
        compile(abs, backend="fast")


def test_a_users_own_primitive_is_run_by_a_backend_that_calls_python() -> None:
    twice = Primitive("twice", "2 x", lambda x: 2.0 * x, [lambda out, x: 2.0])
    ran = {}
    for backend in BACKENDS:
        f = compile(lambda x: twice(x) + 1.0, backend=backend)
        assert f(3.0) == 7.0
        ran[backend] = f.stats().backend
    assert ran == {"native": "python", "python": "python", "meaning": "meaning", "meaning of nests": "python"}


def bits(x: Any) -> list[bytes]:
    """The numbers in lists, tuples and arrays, to the last bit."""
    if isinstance(x, (list, tuple)) or getattr(x, "ndim", 0):
        return [y for child in x for y in bits(child)]
    return [b"nan" if x != x else struct.pack("d", x)]


@pytest.mark.parametrize("backend", BACKENDS)
@given(program=programs(max_steps=12), data=st.data())
def test_arrays_lists_and_prepared_calls_give_the_same_bits(backend: str, program: Any, data: st.DataObject) -> None:
    f = value_and_grad(lambda xs: program(*xs))
    leaves = np.array(program.leaves)
    compiled = compile(f, backend=backend)
    place = leaves.copy()
    prepared = compiled.prepare(place)
    compiled(leaves)  # from now on an array goes straight to the program
    for scale in data.draw(st.lists(st.sampled_from([1.0, -1.0, 0.5, 0.0, -0.0]), max_size=3)):
        x = scale * leaves
        expected = compiled(x.tolist())
        place[...] = x
        prepared()
        assert bits(compiled(x)) == bits(prepared.results) == bits(expected)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("reduce", [None, "sum", "mean"])
@pytest.mark.parametrize("backend", BACKENDS)
@given(program=programs(max_steps=12), count=st.sampled_from([1, 2, 40]))
def test_prepared_calls_of_rows_give_the_bits_of_calls(
    backend: str, reduce: str | None, threads: int, program: Any, count: int
) -> None:
    compiled = compile(lambda xs: program(*xs), rows=0, reduce=reduce, backend=backend, threads=threads)
    rows = np.array([program.leaves] * count)
    prepared = compiled.prepare(rows)
    rows *= np.linspace(0.5, 1.5, count)[:, None]
    prepared()
    assert bits(prepared.results) == bits(compiled(rows))


@pytest.mark.parametrize("backend", BACKENDS)
@given(program=programs(max_steps=12), count=st.integers(1, 4))
def test_calls_with_updates_are_plain_calls_whose_arguments_are_replaced_by_hand(
    backend: str, program: Any, count: int
) -> None:
    def step(state: Any, scale: Any) -> Any:
        value, slopes = value_and_grad(lambda xs: program(*xs))(state)
        return value, [x - scale * slope for x, slope in zip(state, slopes, strict=True)]

    def on_array(state: Any, scale: Any) -> Any:
        value, moved = step(list(state), scale)
        return value, autodiff.array(moved)

    compiled = compile(on_array, backend=backend)
    state, by_hand, scale = np.array(program.leaves), np.array(program.leaves), np.array(0.1)
    prepared = compiled.prepare(state, scale, updates={0: 1})
    assert bits(state) == bits(by_hand)
    assert prepared.results[1] is state
    for _ in range(count):
        prepared()
        value, by_hand = compiled(by_hand, scale)
        assert bits([prepared.results[0], state]) == bits([value, by_hand])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("backend", BACKENDS)
@given(program=programs(max_steps=12), rows=st.sampled_from([1, 2, 40]), count=st.integers(1, 3))
def test_updates_of_rows_are_those_of_plain_calls(
    backend: str, threads: int, program: Any, rows: int, count: int
) -> None:
    def step(state: Any, scale: Any) -> Any:
        return autodiff.array([x + scale * program(*state) for x in state])

    compiled = compile(step, rows=0, backend=backend, threads=threads)
    state = np.array([program.leaves] * rows) * np.linspace(0.5, 1.5, rows)[:, None]
    by_hand = state.copy()
    prepared = compiled.prepare(state, 0.25, updates={0: ()})
    for _ in range(count):
        prepared()
        by_hand = compiled(by_hand, 0.25)
        assert prepared.results is state
        assert bits(state) == bits(by_hand)


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_mean_over_rows_replaces_what_they_share(backend: str, reduce: str) -> None:
    def step(w: Any, x: Any) -> Any:
        slope = value_and_grad(lambda w: (w @ x - 1.0) ** 2)(w)[1]
        return {"w": w - 0.1 * slope, "x": x}

    compiled = compile(step, rows=1, reduce=reduce, backend=backend)
    w, by_hand, x = np.array([1.0, -2.0]), np.array([1.0, -2.0]), np.arange(80.0).reshape(40, 2) / 80.0
    prepared = compiled.prepare(w, x, updates={0: "w"})
    for _ in range(3):
        prepared()
        by_hand = compiled(by_hand, x)["w"]
        assert bits(w) == bits(by_hand)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_guard_that_fails_is_answered_the_slow_way_and_updates_all_the_same(backend: str) -> None:
    def halved(x: Any) -> Any:
        return autodiff.array([x[0] * 0.5 if x[0] > 1.0 else x[0] + 3.0, x[1] + x[0]])

    for rows in ((), 0):
        compiled = compile(halved, rows=rows, backend=backend)
        state = np.array([3.0, 1.0]) if rows == () else np.array([[3.0, 1.0], [5.0, 1.0], [0.0, 2.0]])
        by_hand = state.copy()
        prepared = compiled.prepare(state, updates={0: ()})
        for _ in range(6):
            prepared()
            by_hand = compiled(by_hand)
            assert bits(state) == bits(by_hand)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_that_fails_updates_nothing(backend: str) -> None:
    def f(x: Any, y: Any) -> Any:
        if x[0] > 1.0:
            raise OverflowError("too far")
        return x + y, y * 2.0

    x, y = np.array([0.0, 1.0]), np.array([0.75, 1.0])
    prepared = compile(f, backend=backend).prepare(x, y, updates={0: 0, 1: 1})
    prepared()
    assert (x.tolist(), y.tolist()) == ([0.75, 2.0], [1.5, 2.0])
    prepared()
    with pytest.raises(OverflowError):
        prepared()
    assert (x.tolist(), y.tolist()) == ([2.25, 4.0], [3.0, 4.0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_dict_is_replaced_by_its_keys_in_whatever_order_the_result_has_them(backend: str) -> None:
    def step(w: Any) -> Any:
        return 0.0, {"b": w["b"] * 2.0, "a": [x + 1.0 for x in w["a"]]}

    compiled = compile(step, backend=backend)
    w = {"a": [np.array([1.0, 2.0]), np.array([3.0, 4.0])], "b": np.array([10.0, 20.0])}
    compiled.prepare(w, updates={0: 1})()
    assert [x.tolist() for x in [*w["a"], w["b"]]] == [[2.0, 3.0], [4.0, 5.0], [20.0, 40.0]]


def test_a_dict_is_not_replaced_by_one_with_other_keys() -> None:
    w = {"a": np.ones(2), "b": np.ones(2)}
    renamed = compile(lambda w: {"a": w["a"] * 2.0, "c": w["b"] * 2.0}, backend="python")
    with pytest.raises(ValueError, match=r"the same keys; argument\['b'\] would be replaced by member\['c'\]"):
        renamed.prepare(w, updates={0: ()})
    assert (w["a"].tolist(), w["b"].tolist()) == ([1.0, 1.0], [1.0, 1.0])


BAD_UPDATES: list[tuple[Any, Any, str]] = [
    ({2: 0}, TypeError, "argument 2 is to be replaced in place: expected an array"),
    ({3: 0}, ValueError, "expected the position of an argument, or the name of one given by keyword, got 3"),
    ({"w": 0}, ValueError, "the name of one given by keyword, got 'w'"),
    ({0: 5}, ValueError, "the result has no member 5"),
    ({0: 1}, ValueError, r"argument 0 has the shape \(2,\), member 1 of the result \(3,\)"),
    ({0: (0, "a")}, ValueError, r"the result has no member 'a' of \(0, 'a'\)"),
    ({0: ()}, ValueError, r"argument 0 is made of 1 array, member \(\) of the result of 2, arrays and numbers"),
    ([0], TypeError, r"expected a dict of arguments .* got \[0\]"),
    ({0: 0, 1: 0}, ValueError, "argument 1 or member 0 comes up twice"),
]


@pytest.mark.parametrize(("updates", "kind", "message"), BAD_UPDATES, ids=range(len(BAD_UPDATES)))
def test_updates_that_cannot_be_made_say_why(updates: Any, kind: type[Exception], message: str) -> None:
    f = compile(lambda x, y, z: (x + y * z, autodiff.array([z, z, z])), backend="python")
    with pytest.raises(kind, match=f"updates: .*{message}"):
        f.prepare(np.ones(2), np.ones(2), 3.0, updates=updates)


def test_arrays_that_cannot_be_updated_in_place_are_refused() -> None:
    frozen = np.ones(2)
    frozen.flags.writeable = False
    views = [(np.ones(4)[::2], "a view in another order"), (np.ones(2, int), "one of int64"), (frozen, "read-only")]
    for array, what in views:
        with pytest.raises(TypeError, match=f"to be replaced in place: .* got .*{what}"):
            compile(lambda x: x * 2.0, backend="python").prepare(array, updates={0: ()})
