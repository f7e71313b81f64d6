"""Calls of primitives: by a kernel, by the rules or by the plain call, each gives the same to the last bit."""

import gc
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from fractions import Fraction
from inspect import signature
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Value, native, primitives
from autodiff.chain import NOTHING
from autodiff.primitives import KNOWN, Primitive
from tests.test_fast import MODES, told, unbound

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 30.5, -40.5, 709.9, -745.5, 1e16, 1e200, -1e200, 5e-324, inf, -inf, nan]
NUMBERS = st.sampled_from(SPECIAL) | st.floats() | st.floats(-5.0, 5.0)
NATIVELY = pytest.mark.skipif(native.core is None, reason=f"there is no native core: {native.reason}")


def operand(number: float, is_constant: bool) -> Any:
    return number if is_constant else Value(number)


@st.composite
def operands_of(draw: st.DrawFn, entry: Primitive) -> list[Any]:
    """Values and constants for an entry, some of them equal, as extremes and kinks need."""
    count = draw(st.sampled_from([n for n in range(1, 21) if entry.takes(n)]))
    pool = draw(st.lists(NUMBERS, min_size=1, max_size=count))
    numbers = [draw(st.sampled_from(pool) | NUMBERS) for _ in range(count)]
    return [operand(x, draw(st.booleans())) for x in numbers]


def both_ways(call: Any) -> tuple[Any, Any]:
    """What a call gives, and what the plain one gives."""
    quick = told(call)
    with unbound():
        return quick, told(call)


# --- one law for every row of the table ---


@pytest.mark.parametrize("name", KNOWN)
@given(data=st.data())
def test_a_call_of_a_primitive_gives_what_the_plain_call_gives(name: str, data: st.DataObject) -> None:
    entry = KNOWN[name]
    operands = data.draw(operands_of(entry))
    with MODES[data.draw(st.sampled_from(["none", "no_grad"]))]():
        quick, plain = both_ways(lambda: entry(*operands))
    assert quick == plain


@pytest.mark.parametrize("name", [name for name, entry in KNOWN.items() if entry.arity is not None])
@pytest.mark.parametrize("shape", ["Values", "constants first", "constants last"])
def test_special_numbers_give_what_the_plain_call_gives(name: str, shape: str) -> None:
    entry = KNOWN[name]
    assert entry.arity is not None
    for x in SPECIAL:
        for y in SPECIAL if entry.arity > 1 else [0.0]:
            numbers = [x, y, *SPECIAL[5:]][: entry.arity]
            if shape == "Values":
                operands = [Value(number) for number in numbers]
            elif shape == "constants first":
                operands = [*numbers[:-1], Value(numbers[-1])]
            else:
                operands = [Value(numbers[0]), *numbers[1:]]
            quick, plain = both_ways(lambda operands=operands: entry(*operands))
            assert quick == plain, numbers


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("operands", [(1, True, 2), (0, 1.0, False), (10**400, 1, 2), ("x", 1, 2), (Fraction(1, 2), 1)])
def test_other_numbers_become_floats_as_the_plain_call_makes_them(operands: tuple[Any, ...], mode: str) -> None:
    x = Value(0.5)
    with MODES[mode]():
        for entry in (primitives.where, primitives.clip, primitives.maximum, primitives.exp, primitives.hypot):
            for given_ones in (operands, (x, *operands[1:]), (*operands[:-1], x), ()):
                quick, plain = both_ways(lambda entry=entry, given_ones=given_ones: entry(*given_ones))
                assert quick == plain


@pytest.mark.parametrize("name", [name for name, entry in KNOWN.items() if entry.arity is None])
def test_a_call_without_operands_gives_what_the_plain_call_gives(name: str) -> None:
    quick, plain = both_ways(lambda: KNOWN[name]())
    assert quick == plain


def test_a_primitive_has_the_signature_of_its_call() -> None:
    assert str(signature(primitives.exp)) == "(*operands: Any) -> Any"


def test_what_is_not_taken_is_nothing_itself() -> None:
    x = Value(-1.0)
    for node in (ad.relu(x), ad.abs(Value(0.0)), ad.floor(x), ad.sign(x)):
        assert node.local_gradients[0] is NOTHING
    assert ad.maximum(x, 2.0).local_gradients[0] is NOTHING
    assert [slope is NOTHING for slope in ad.where(x < 0, x, 3.0).local_gradients] == [True, False, True]
    assert all(slope is NOTHING for slope in ad.logsumexp([Value(-inf), Value(-inf)]).local_gradients)


# --- which way a call takes ---


@NATIVELY
@pytest.mark.parametrize(
    "name", ["exp", "log", "sqrt", "sin", "tanh", "sigmoid", "relu", "gelu", "square", "where", "clip", "logsumexp"]
)
def test_a_kernel_stands_for_rules_that_nobody_has_reassigned(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = KNOWN[name]
    numbers = [0.5, 0.25, 0.75][: entry.arity or 3]
    operands = [Value(number) for number in numbers]
    with unbound():
        expected = told(lambda: entry(*operands))
    original, rules = entry.evaluate, entry.partials
    called: list[str] = []

    def evaluate(*xs: float) -> float:
        called.append("evaluate")
        return original(*xs)

    entry(*operands)
    assert told(lambda: entry(*operands)) == expected
    monkeypatch.setattr(entry, "evaluate", evaluate)
    assert told(lambda: entry(*operands)) == expected
    assert called == ["evaluate"]
    monkeypatch.undo()

    def slopes(out: Any, *xs: Any) -> list[float]:
        return [2.0] * len(xs)

    monkeypatch.setattr(entry, "partials", slopes if callable(rules) else [slope_of_two] * len(numbers))
    assert entry(*operands).local_gradients == (2.0,) * len(numbers)
    monkeypatch.undo()
    assert told(lambda: entry(*operands)) == expected


def slope_of_two(out: Any, *xs: Any) -> float:
    return 2.0


def test_a_function_in_the_place_that_a_rule_had_in_memory_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    x = Value(0.5)
    monkeypatch.setattr(primitives.exp, "partials", primitives.exp.partials)
    for slope in range(100):
        primitives.exp.partials = (lambda out, x, slope=float(slope): slope,)
        assert primitives.exp(x).local_gradients == (float(slope),)


def test_a_class_of_primitives_may_have_a_call_and_local_gradients_of_its_own() -> None:
    class Loud(Primitive):
        def __call__(self, *operands: Any) -> Any:
            return "called"

    class Flat(Primitive):
        def local_gradients(self, out: Any, *operands: Any) -> tuple[Any, ...]:
            return (7.0,)

    assert Loud("loud", "x", float, [slope_of_two])(Value(1.0)) == "called"
    assert Flat("flat", "x", float, [slope_of_two])(Value(1.0)).local_gradients == (7.0,)


# --- rules are Python, and may do anything ---


def test_evaluate_runs_once_for_each_call_whatever_the_local_gradients_are() -> None:
    evaluated: list[float] = []

    def evaluate(x: float) -> float:
        evaluated.append(x)
        return x

    for rule in (lambda out, x: 1.0, lambda out, x: 1, lambda out, x: 1.0 / x, lambda out, x: NOTHING):
        node = Primitive("same", "x", evaluate, [rule])(Value(0.0))
        assert node.data == 0.0
        assert len(node.local_gradients) == 1
    assert evaluated == [0.0] * 4


@pytest.mark.parametrize("error", [TypeError, KeyError, ZeroDivisionError, ValueError, KeyboardInterrupt])
def test_what_a_rule_raises_is_what_the_plain_call_raises(error: type[BaseException]) -> None:
    def raising(*_: Any) -> float:
        raise error("of a rule")

    def generated(out: Any, *xs: Any) -> Iterator[float]:
        yield 1.0
        raise error("on the way")

    for evaluate, partials in ((raising, [slope_of_two]), (float, [raising]), (float, raising), (float, generated)):
        entry = Primitive("raising", "x", evaluate, partials)
        messages = []
        for way in (nullcontext, unbound):
            with way(), pytest.raises(error) as raised:
                entry(Value(1.0))
            messages.append(str(raised.value))
        assert messages[0] == messages[1]


@pytest.mark.parametrize(
    "given_ones",
    [[2.0, 3.0], (2.0, 3.0), (2, 3), [2.0], [2.0, 3.0, 4.0], [NOTHING, 0.0], {"a": 1.0}, None, 2.0, [None, 1.0]],
    ids=str,
)
def test_one_rule_for_all_gives_a_list_of_them_or_an_error(given_ones: Any) -> None:
    for entry in (
        Primitive("listed", "x + y", lambda x, y: x + y, lambda out, *xs: given_ones),
        Primitive("yielded", "x + y", lambda x, y: x + y, lambda out, *xs: (x for x in given_ones)),
        Primitive("scaled", "x + y", lambda x, y: x + y, lambda out, *xs: given_ones, scales=True),
    ):
        operands = (Value(1.0), 0.0)
        quick, plain = both_ways(lambda entry=entry, operands=operands: entry(*operands))
        assert quick == plain


def test_a_rule_may_take_away_and_exchange_what_it_is_part_of() -> None:
    x = Value(1.0)
    entry = Primitive("fleeting", "x", float, [slope_of_two])

    def exchanges(number: float) -> float:
        entry.evaluate = float
        entry.partials = (lambda out, x: 5.0,)
        x.data = 3.0
        gc.collect()
        return number

    entry.evaluate = exchanges
    node = entry(x)
    assert (node.data, node.local_gradients, x.data) == (1.0, (5.0,), 3.0)

    def deletes(number: float) -> float:
        del entry.partials, entry.evaluate
        return number

    entry.evaluate = deletes
    with pytest.raises(AttributeError, match="partials"):
        entry(x)
    with pytest.raises(AttributeError, match="evaluate"):
        entry(x)


@pytest.mark.parametrize("operand", [1.0, Value(1.0)], ids=["float", "Value"])
def test_a_primitive_that_calls_itself_without_end_is_a_recursion_error(operand: Any) -> None:
    endless: Any = Primitive("endless", "x", float, [slope_of_two])
    endless.evaluate = endless
    with pytest.raises(RecursionError):
        endless(operand)


def test_a_number_of_operands_that_was_reassigned_is_the_one_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    x = Value(0.5)
    for arity in (None, 2, 10**30, "one"):
        monkeypatch.setattr(primitives.exp, "arity", arity)
        for operands in ((x,), (x, x), (x, x, x)):
            quick, plain = both_ways(lambda operands=operands: primitives.exp(*operands))
            assert quick == plain


@NATIVELY
@pytest.mark.parametrize("number", [2, True, 2.0, np.float64(2.0)], ids=lambda number: type(number).__name__)
def test_numbers_that_arrays_and_comparisons_hold_ask_no_python(number: Any) -> None:
    x, called = Value(3.0), list[str]()
    sys.setprofile(lambda frame, event, _: called.append(frame.f_code.co_name) if event == "call" else None)
    try:
        made = [x + number, x - number, x * number, x / number, x**number, ad.maximum(x, number)]
        is_larger = x > number
        if isinstance(number, float):
            x.data = number
            made.append(Value(number) * number)
    finally:
        sys.setprofile(None)
    assert not called
    assert is_larger is True
    for y in made:
        assert type(y.operands[1]) is float
        assert y.operands[1] == number
