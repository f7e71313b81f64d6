"""Functions of lists, of the native core or without it: each is the plain one to the last bit, whatever it is given."""

import gc
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Value, backprop, functions, native
from autodiff.backprop import descend, get_data, get_grads, set_data, set_grads
from autodiff.chain import NOTHING
from tests.test_fast import MODES, NUMBERS, Double, Labelled, told, unbound


def sourced(number: float) -> Value:
    with ad.record_source():
        return Value(number)


class Given(list[Any]):
    """A list of a class of its own."""


ORDINARY = NUMBERS | NUMBERS.map(Value) | NUMBERS.map(sourced) | st.sampled_from([0, 3, -(10**20)])
ODD: list[Any] = [True, Fraction(1, 3), Double(0.5), np.float64(-0.0), Labelled(2.0), 10**400, "text", None, [1.0], 2j]
CONTAINERS: list[Any] = [list, tuple, deque, Given, iter, set, lambda xs: dict.fromkeys(xs, 1.0), len, np.array]
SPECIAL = [0.0, -0.0, 1e16, -1e16, 1.0, -1.0, 5e-324, 1e308, -1e308, 0.1, inf, -inf, nan]


def same(call: Callable[[], Any]) -> None:
    """What the core's function gives, or raises, is what the plain one does."""
    quick = told(call)
    with unbound():
        assert told(call) == quick


# --- dot and sum ---


@pytest.mark.parametrize("mode", MODES)
@given(st.lists(st.tuples(ORDINARY, ORDINARY), max_size=5))
def test_dot_and_sum_of_values_floats_and_ints_are_the_plain_ones(mode: str, pairs: list[tuple[Any, Any]]) -> None:
    w, x = [left for left, _ in pairs], [right for _, right in pairs]
    with MODES[mode]():
        same(lambda: functions.dot_of_lists(w, x))
        same(lambda: functions.dot_of_lists(tuple(w), x))
        same(lambda: functions.sum(w))


@pytest.mark.parametrize("numbers", [float, Value])
@given(st.lists(st.sampled_from(SPECIAL) | st.floats(), min_size=1, max_size=40))
def test_sums_round_as_those_of_python_do(numbers: Any, xs: list[float]) -> None:
    values = [Value(x) for x in xs]
    assert repr(ad.sum(values).data) == repr(sum(xs, -0.0))
    w = [numbers(x) for x in xs]
    assert repr(ad.dot(w, values).data) == repr(sum([x * x for x in xs], -0.0))


@given(st.data())
def test_dot_and_sum_of_anything_else_are_the_plain_ones(data: st.DataObject) -> None:
    numbers = st.lists(ORDINARY | st.sampled_from(ODD), max_size=4)
    w, x = data.draw(numbers), data.draw(numbers)
    make, made = data.draw(st.sampled_from(CONTAINERS)), data.draw(st.sampled_from(CONTAINERS))
    same(lambda: functions.dot_of_lists(w, x))
    same(lambda: functions.dot_of_lists(make(w), made(x)))
    same(lambda: functions.sum(make(w)))


@pytest.mark.parametrize("arguments", [(), ([Value(1.0)],), ([Value(1.0)], [2.0], 3.0), (1.0, 2.0)])
def test_other_numbers_of_arguments_are_refused_alike(arguments: tuple[Any, ...]) -> None:
    same(lambda: functions.sum(*arguments))
    if len(arguments) != 2:
        with pytest.raises(TypeError, match=r"dot_of_lists\(\)"):
            functions.dot_of_lists(*arguments)


def test_a_constant_zero_of_a_dot_is_structural_and_one_that_was_computed_is_not() -> None:
    node = ad.dot([Value(2.0), Value(3.0), 0.0], [0.0, Value(-0.0), -0.0])
    assert [x is NOTHING for x in node.local_gradients] == [True, False, True, False, False, True]


def test_a_node_keeps_its_operands_when_the_lists_change_afterwards() -> None:
    w, x = [Value(2.0), Value(3.0)], [4.0, 5.0]
    kept = (*w, *x)
    node, total = ad.dot(w, x), ad.sum(w)
    w.clear()
    x[:] = [0.0]
    assert node.operands == kept
    assert total.operands == kept[:2]


@contextmanager
def at_each_collection(act: Callable[[], None]) -> Iterator[None]:
    """Have the collector run as often as it can, and do something each time."""

    def callback(phase: str, info: dict[str, int]) -> None:
        act()

    thresholds = gc.get_threshold()
    gc.callbacks.append(callback)
    gc.set_threshold(1)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(callback)


def test_lists_may_be_emptied_by_the_collector_at_any_time() -> None:
    class Kept(Value):
        """The collector knows what is made from it, and counts it."""

    inside = Kept(1.0) * 1.0
    for _ in range(200):
        w, x = [inside, Value(2.0)], [3.0, Value(4.0)]
        with at_each_collection(lambda w=w, x=x: (w.clear(), x.clear())):  # type: ignore[misc]
            made = [ad.dot(w, x) if w else 0.0, ad.sum(w) if w else 0.0]
        assert all(y.data in (11.0, 3.0) for y in made if isinstance(y, Value))


# --- data and grads ---


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=5), st.data())
def test_numbers_are_read_and_assigned_and_descend_to_the_bit(
    triples: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    kinds = data.draw(st.lists(st.sampled_from([Value, sourced, Labelled]), min_size=5, max_size=5))
    mode = data.draw(st.sampled_from([nullcontext, ad.no_grad, ad.record_source]))
    rates: Any = data.draw(st.sampled_from([[rate for *_, rate in triples], 0.5, 2, Fraction(1, 2)]))
    make = data.draw(st.sampled_from([list, tuple, iter, Given]))

    def run() -> str:
        values = [kind(x) for kind, (x, _, _) in zip(kinds, triples, strict=False)]
        with mode():
            set_grads(make(values), make([grad for _, grad, _ in triples]))
            read = [get_data(make(values)), get_grads(make(values))]
            descend(make(values), rates)
            read.append(get_data(values))
            set_data(make(values), rates)
            set_grads(make(values), 0.0)
        return repr((read, [(value.data, value.grad) for value in values]))

    quick = run()
    with unbound():
        assert run() == quick


@pytest.mark.parametrize("ways", [nullcontext, unbound], ids=["core", "plain"])
def test_one_that_stands_in_a_list_twice_descends_once(ways: Callable[[], Any]) -> None:
    x = Value(1.0)
    x.grad = 0.25
    with ways():
        descend([x, x], [1.0, 2.0])
    assert x.data == 0.5


@pytest.mark.parametrize("change", [set_data, set_grads, descend])
@pytest.mark.parametrize(
    ("values", "numbers", "error"),
    [
        ([Value(1.0)], [0.1, 0.1], ValueError),
        ([Value(1.0), Value(1.0)], [0.1], ValueError),
        ([Value(1.0)], [], ValueError),
        ([Value(1.0), Value(2.0)], [0.1, "number"], TypeError),
        ([Value(1.0), Value(2.0)], [0.1, None], TypeError),
        ([Value(1.0), Value(2.0)], [0.1, 10**400], OverflowError),
        ([Value(1.0), Value(2.0)], [0.1, [0.1]], TypeError),
        ([Value(1.0)], "n", TypeError),
        ([Value(1.0)], None, TypeError),
        (Value(1.0), 0.1, TypeError),
        (3.0, 0.1, TypeError),
    ],
)
def test_what_cannot_be_assigned_changes_nothing(change: Any, values: Any, numbers: Any, error: Any) -> None:
    given = values if isinstance(values, list) else []
    for x in given:
        x.grad = 1.0
    before = [(x.data, x.grad) for x in given]
    messages = set()
    for ways in (nullcontext, unbound):
        with ways(), pytest.raises(error) as raised:
            change(values, numbers)
        messages.add(str(raised.value))
        assert [(x.data, x.grad) for x in given] == before
    assert len(messages) == 1


def test_what_is_not_a_value_has_no_numbers_and_descends_nowhere() -> None:
    x = Value(1.0)
    x.grad = 1.0
    for ways in (nullcontext, unbound):
        for call in (get_data, get_grads, lambda values: descend(values, 0.5)):
            with ways(), pytest.raises(AttributeError):
                call([x, "x"])
        assert x.data == 1.0


def test_a_trace_refuses_to_change_what_was_there_before() -> None:
    x = Value(1.0)
    changes = [lambda: descend([x], [0.5]), lambda: set_grads([x], 0.0), lambda: set_data([x], [2.0])]
    for change in changes:

        def f(y: Value, change: Callable[[], None] = change) -> Value:
            change()
            return x * y

        with pytest.raises(Exception, match="inside a compiled function") as quick:
            ad.compile(f, backend="python")(2.0)
        with unbound(), pytest.raises(type(quick.value)) as plain:
            ad.compile(f, backend="python")(2.0)
        assert str(quick.value) == str(plain.value)


# --- memory ---


def test_references_are_given_back_whatever_comes_of_a_call() -> None:
    x, odd = Value(2.0), Labelled(3.0)
    w: list[Any] = [x, 1.5, 7]
    calls: list[Callable[[], Any]] = [
        lambda: ad.dot(w, w),
        lambda: ad.sum(w),
        lambda: ad.dot([*w, odd], [*w, odd]),
        lambda: ad.sum([*w, odd]),
        lambda: ad.dot([1.0, 2.0], [x, None]),
        lambda: ad.dot(w, [1.0]),
        lambda: get_data([x, odd]),
        lambda: [get_data([x]), get_grads((x, x))],
        lambda: set_grads([x, odd], 0.0),
        lambda: set_data([x], [2.0]),
        lambda: descend([x, odd], [0.0, 0.0]),
        lambda: descend([x], [0.0]),
        lambda: descend([x], ["rate"]),  # type: ignore[list-item]
    ]
    for call in calls:
        told(call)
        before = [sys.getrefcount(thing) for thing in (x, odd, w)]
        for _ in range(50):
            told(call)
        assert [sys.getrefcount(thing) for thing in (x, odd, w)] == before


@pytest.mark.skipif(native.core is None, reason=f"there is no native core: {native.reason}")
def test_the_functions_are_those_of_the_core() -> None:
    for owner, name in (
        (functions, "dot_of_lists"),
        (backprop, "numbers_of"),
        (backprop, "assign_numbers"),
        (backprop, "descend_by"),
    ):
        assert getattr(owner, name) is getattr(native.core, name)
