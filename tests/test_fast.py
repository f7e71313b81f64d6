"""The hottest operations, written out: each is the plain one to the last bit, whatever it is given."""

import inspect
import math
import operator
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from fractions import Fraction
from math import inf, nan
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Value, backprop, fast, floats, modes, native, primitives, value
from autodiff.chain import NOTHING
from autodiff.graph import FORGOTTEN, topological_order
from autodiff.testing import programs
from tests.test_chain import Dot, Node, graphs


@contextmanager
def unbound() -> Iterator[None]:
    fast.unbind()
    try:
        yield
    finally:
        fast.bind()


class Double(float):
    """A float of a class of its own."""


class Labelled(Value):
    """A Value of a class of its own."""


class Applied(Value):
    """A Value of a class that records by itself."""

    @classmethod
    def __apply__(cls, primitive: ad.Primitive, operands: tuple[Any, ...]) -> Any:
        return primitive, operands


class Whole:
    """Not a number to autodiff, but one that knows how to combine itself with a Value."""

    def _answer(self, other: Any) -> str:
        return "mine"

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _answer
    __pow__ = __rpow__ = __lt__ = __le__ = __gt__ = __ge__ = _answer


FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e200, -1e200, 1e-200, 5e-324, inf, -inf, nan]
OTHERS: list[Any] = [
    *[0, 1, -3, True, False, 10**20],
    *[Fraction(1, 3), Decimal("0.1"), Double(2.5), Double(0.0), np.float64(1.5), np.float32(0.1), np.int64(0)],
    *["text", None, [1.0], 2j, np.array([1.0, 2.0]), np.array(2.0), Whole(), 10**400],
]
NUMBERS = st.sampled_from(FLOATS) | st.floats()


@contextmanager
def recording_again() -> Iterator[None]:
    """What transforms do inside `no_grad()`."""
    with ad.no_grad(), modes.recording():
        yield


MODES: dict[str, Callable[[], Any]] = {
    "none": nullcontext,
    "no_grad": ad.no_grad,
    "recording": recording_again,
    "detect_anomaly": ad.detect_anomaly,
    "record_source": ad.record_source,
}
ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv]
OPERATORS = [twin.name for twin in fast.TWINS if twin.owner is Value and twin.name != "__apply__"]


def told(make: Callable[[], Any]) -> Any:
    """All that tells one result, or one error, from another: numbers to the last bit, operands by identity."""
    try:
        made = make()
    except Exception as error:
        return type(error), str(error).partition("\n  at ")[0]
    if not isinstance(made, Value):
        return type(made), repr(made)
    operands = [id(x) if isinstance(x, Value) else (type(x), repr(x)) for x in made.operands]
    zeros = [x is NOTHING for x in made.local_gradients]
    numbers = repr((made.data, made.grad, tuple(made.local_gradients)))
    is_forgotten = made.operands is FORGOTTEN
    return type(made), type(made.data), made.op, operands, zeros, numbers, made.label, is_forgotten, bool(made.source)


def test_the_hot_operators_and_all_comparisons_are_written_out() -> None:
    assert {"__add__", "__rmul__", "__truediv__", "__neg__", "__pow__", "__eq__", "__ge__"} <= set(OPERATORS)
    assert len(OPERATORS) == 17
    quick = {twin: getattr(twin.owner, twin.name) for twin in fast.TWINS if twin.bound() is not None}
    sweep = "add_gradients" if native.core is None else "pass_from"
    assert {"__mul__", "dot_of_lists", sweep} <= {twin.name for twin in quick}
    with unbound():
        assert all(getattr(twin.owner, twin.name) != fast for twin, fast in quick.items())
    assert all(getattr(twin.owner, twin.name) == fast for twin, fast in quick.items())


def test_the_hot_operations_do_not_go_through_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def table(*_: Any) -> None:
        raise AssertionError("through the table")

    monkeypatch.setattr(Value, "__apply__", table)
    x, y = Value(3.0), Value(2.0)
    for operate in ARITHMETIC:
        for operands in ((x, y), (x, 2.0), (x, 2), (3.0, y), (3, y)):
            assert operate(*operands).data == operate(3.0, 2.0)
    assert (-x).data == -3.0
    assert (x**y).data == (x**2.0).data == (x**2).data == 9.0
    for w, v in (([x, y], [y, x]), ([x, y], [2.0, 3.0]), ([3.0, 2.0], [y, x])):
        assert ad.dot(w, v).data == 12.0
    others = [lambda: x % 2.0, lambda: 3.0 // y, lambda: ad.dot([x, 2.0], [y, 3.0]), x.exp]
    for operate in others if native.core is None else []:
        with pytest.raises(AssertionError, match="through the table"):
            operate()


@pytest.mark.parametrize("name", OPERATORS)
def test_a_fast_method_leaves_a_trace_to_itself(name: str) -> None:
    def f(x: Value, y: Value) -> Any:
        made = getattr(x, name)(*(() if name == "__neg__" else (y * 2.0,)))
        return made if isinstance(made, Value) else ad.where(made, x, y)

    compiled = ad.compile(f, backend="python")
    quick = compiled(1.5, 0.25), compiled.listing()
    with unbound():
        compiled = ad.compile(f, backend="python")
        assert (compiled(1.5, 0.25), compiled.listing()) == quick


@pytest.mark.parametrize("ones", [nullcontext, unbound], ids=["fast", "plain"])
def test_a_subclass_may_record_by_itself(ones: Callable[[], Any]) -> None:
    x = Applied(3.0)
    with ones():
        assert [type(operate(*of)) for operate in ARITHMETIC for of in ((x, 2.0), (2, x), (x, x))] == [tuple] * 12
        assert -x == (primitives.neg, (x,))
        assert x**2.0 == (primitives.pow, (x, 2.0))


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_that_is_assigned_to_the_class_is_the_one_that_is_asked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = Value(3.0), 2.0
    named = name.strip("_")
    is_reflected = hasattr(operator, named[1:])
    operate: Any = getattr(operator, named[1:] if is_reflected else named)
    operands = (x,) if named == "neg" else (y, x) if is_reflected else (x, y)
    before = told(lambda: operate(*operands))
    monkeypatch.setattr(Value, name, lambda *_: "mine")
    assert operate(*operands) == "mine"
    monkeypatch.undo()
    assert told(lambda: operate(*operands)) == before


def assert_passes_agree(nodes: list[Any], order: list[Any], seeds: dict[Any, float]) -> None:
    before = [node.grad for node in nodes]

    def after(add_gradients: Callable[..., None]) -> list[tuple[type, str]]:
        for node, grad in zip(nodes, before, strict=True):
            node.grad = grad
        add_gradients(order, seeds)
        return [(type(node.grad), repr(node.grad)) for node in nodes]

    quick = after(backprop.add_gradients)
    assert after(backprop.quick_add_gradients) == quick
    with unbound():
        assert after(backprop.add_gradients) == quick
    assert {kind for kind, _ in quick} == {float}


@given(graphs(grads=[0.0, -0.0, 3.0, -1e300, inf, nan]), st.data())
def test_the_pass_that_is_written_out_is_the_chain_rule_to_the_bit(nodes: list[Node], data: st.DataObject) -> None:
    roots = data.draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=3, unique=True))
    seeds = {root: data.draw(st.sampled_from([1.0, 0.0, -2.0, inf, nan])) for root in roots}
    assert_passes_agree(nodes, topological_order(*roots), seeds)


@pytest.mark.parametrize("bad", [inf, -inf, nan])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_a_constant_zero_of_a_dot_keeps_away_stays_away_whatever_lies_behind(at: int, bad: float) -> None:
    leaf = Node()
    behind = Node(*[(leaf, bad if i == at else 1.0) for i in range(3 if at == 2 else 2)])
    root = Node((behind, 0.0), (behind, 0.0), (2.0, 1.0), (2.0, 1.0), op=Dot)
    unused = Node((behind, 1.0))
    for seed in (1.0, inf):
        assert_passes_agree([leaf, behind, root, unused], [behind, root, unused], {root: seed, unused: 0.0})
        assert leaf.grad == 0.0


@given(programs(max_steps=6), st.data())
def test_orders_are_the_same_and_grads_are_mended(program: Any, data: st.DataObject) -> None:
    inputs = [Value(1.5) for _ in program.leaves]
    root = program(*inputs)
    grads = [data.draw(st.sampled_from([0.0, 1, None, True, "text", Fraction(1, 2), np.ones(2)])) for _ in inputs]

    def order() -> Any:
        try:
            for x, grad in zip(inputs, grads, strict=True):
                x.grad = grad
            return [id(node) for node in backprop.sound_order(root)], repr([x.grad for x in inputs])
        except TypeError as error:
            return str(error), repr([x.grad for x in inputs])

    quick = order()
    with unbound():
        assert order() == quick


def _cut(x: Value, z: Value) -> None:
    z.operands, z.local_gradients = (), ()


def _cut_and_forgotten(x: Value, z: Value) -> None:
    z.op, z.operands, z.local_gradients = None, (), ()


def _made_by_hand(x: Value, z: Value) -> None:
    made = Value(x.data * 3.0)
    made.operands, made.local_gradients = (x,), (3.0,)
    z.operands, z.local_gradients = (made, x), (1.0, 1.0)


def _named(x: Value, z: Value) -> None:
    x.op = primitives.exp


CHANGED = {_cut: (2.0, 2.0), _cut_and_forgotten: (2.0, 2.0), _made_by_hand: (10.0, 1.0), _named: (8.0, 1.0)}


@pytest.mark.parametrize("ones", [nullcontext, unbound], ids=["fast", "plain"])
@pytest.mark.parametrize("change", CHANGED, ids=lambda change: change.__name__[1:])
def test_what_a_value_was_made_from_tells_whether_it_is_a_leaf(change: Any, ones: Callable[[], Any]) -> None:
    x = Value(2.0)
    z = x * 3.0
    root = z + x
    change(x, z)
    with ones():
        root.backward()
        root.backward()
        assert (x.grad, z.grad) == CHANGED[change]


@pytest.mark.parametrize("ones", [nullcontext, unbound], ids=["fast", "plain"])
def test_grads_are_mended_while_no_other_thread_makes_a_pass(ones: Callable[[], Any]) -> None:
    x = Value(2.0)
    y = x * 3.0
    with ones():
        x.grad = None  # type: ignore[assignment]
        with backprop.one_pass_at_a_time:
            thread = threading.Thread(target=y.backward)
            thread.start()
            thread.join(0.1)
            assert x.grad is None or native.core is not None
        thread.join()
    assert x.grad == 3.0


@pytest.mark.parametrize("mode", MODES)
def test_nodes_and_leaves_are_made_alike(mode: str) -> None:
    x = Value(3.0)
    with MODES[mode]():
        made = [
            lambda: value.node_of(2.0, primitives.neg, (x,), (-1.0,)),
            lambda: value.result_leaf(2.0),
            lambda: primitives.exp(x),
            lambda: x.detach(),
        ]
        quick = [told(make) for make in made]
        with unbound():
            assert [told(make) for make in made] == quick
        assert [told(lambda leaf=leaf: leaf) for leaf in value.leaves_of([1.0, nan])] == [
            told(lambda number=number: Value(number)) for number in (1.0, nan)
        ]


class Described(Value):
    """A Value that changes its label."""

    @property
    def label(self) -> str:
        return f"the {self._label}"

    @label.setter
    def label(self, label: str) -> None:
        self._label = label.upper()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [Value, Labelled, Described])
@pytest.mark.parametrize("number", [*FLOATS, *OTHERS, Value(1.0)], ids=lambda x: f"{type(x).__name__} {x!s:.8}")
def test_a_leaf_is_made_alike(kind: type[Value], number: Any, mode: str) -> None:
    calls = [lambda label=label: kind(number, label) for label in ("", "x", None, ("x",), np.str_("x"))]
    calls += [lambda: kind(number), lambda: kind(data=number, label="y")]
    with MODES[mode]():
        quick = [told(call) for call in calls]
        with unbound():
            assert [told(call) for call in calls] == quick


@pytest.mark.parametrize("mode", MODES)
def test_values_and_floats_are_not_looked_at_as_other_kinds_of_numbers(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unboxed(x: Any) -> Any:
        raise AssertionError(f"looked at {x!r}")

    monkeypatch.setattr(floats, "unboxed", unboxed)
    x = Value(3.0)
    for paths in (nullcontext, unbound):
        with paths(), MODES[mode]():
            made = [x * 2.0, x % 2.0, abs(x), ad.sum([x, 2.0]), ad.dot([x, x], [x, 2.0])]
            assert [y.data for y in made] == [6.0, 1.0, 3.0, 5.0, 15.0]
            with pytest.raises(AssertionError, match="looked at"):
                x * Fraction(1, 2)


def test_a_core_of_other_sources_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    mul = Value.__mul__
    with monkeypatch.context() as patch:
        patch.setattr(native, "core", SimpleNamespace())
        with pytest.raises(ImportError, match=r"built from other sources than these; build it again, by python -m pip"):
            fast.bind()
    assert Value.__mul__ is mul


def test_errors_and_help_call_a_fast_method_by_the_name_of_the_plain_one() -> None:
    with pytest.raises(TypeError, match=r"^Value\.__init__\(\) missing 1 required positional argument: 'data'$"):
        Value()  # type: ignore[call-arg]
    assert Value.__mul__.__qualname__ == ("Value.__mul__" if native.core is None else "Node.__mul__")
    assert Value.__apply__.__qualname__ == "Value.__apply__"


def test_leaves_that_are_made_fast_are_logged_as_others_are() -> None:
    from autodiff.modes import new_leaves

    with new_leaves as log:
        made = [*value.leaves_of([1.0, 2.0]), value.result_leaf(3.0), Value(4.0)]
        with ad.no_grad():
            made.append(Value(5.0, "x"))
    assert log == made
    assert math.isclose(sum(leaf.data for leaf in made), 15.0)


def test_signatures_are_those_of_the_plain_ones() -> None:
    own = ad.primitive("own", evaluate=lambda x: x, partials=[lambda out, x: 1.0])
    public = {name: getattr(ad, name) for name in dir(ad)} | {"own": own, "dot": primitives.dot}
    public |= {f"Value.{name}": getattr(Value(1.0), name) for name in dir(Value) if name[0] != "_"}

    def signatures() -> dict[str, str]:
        return {name: str(inspect.signature(f)) for name, f in public.items() if callable(f)}

    quick = signatures()
    assert quick["exp"] == quick["own"] == "(*operands: Any) -> Any"
    with unbound():
        assert signatures() == quick
