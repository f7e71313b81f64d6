"""Value: its contract with the user, beyond the laws of the table."""

import copy
import gc
import math
import operator
import pickle
import threading
import time
import weakref
from collections.abc import Callable
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Value, primitives

cube = ad.primitive("cube", evaluate=lambda x: x * x * x, partials=[lambda out, x: 3 * x * x])


class _Level(IntEnum):  # a class with a length, whose members have none
    HIGH = 2


class _Constant(float, Enum):
    HALF = 0.5


# --- how a node is made ---


def test_leaf_has_no_operation_and_no_operands() -> None:
    x = Value(3, "x")
    assert (x.data, x.grad, x.label, x.op, x.operands, x.local_gradients) == (3.0, 0.0, "x", None, (), ())
    assert type(x.data) is float


def test_constant_operand_stands_in_operands_as_a_float() -> None:
    x = Value(2.0)
    y = 3 * x
    assert y.op is primitives.mul
    assert y.operands == (3.0, x)
    assert type(y.operands[0]) is float
    assert y.local_gradients == (2.0, 3.0)


def test_dot_is_one_node_with_w_then_x() -> None:
    w, x = [Value(float(i)) for i in range(64)], [Value(float(-i)) for i in range(64)]
    y = ad.dot(w, x)
    assert y.op is primitives.dot
    assert all(got is want for got, want in zip(y.operands, [*w, *x], strict=True))
    assert y.local_gradients == tuple(v.data for v in [*x, *w])


def test_softmax_shares_one_logsumexp() -> None:
    shares = ad.softmax([Value(1.0), Value(2.0), 3.0])
    assert len({id(share.operands[1]) for share in shares}) == 1
    assert shares[0].operands[1].op is primitives.logsumexp


def test_augmented_assignment_makes_a_new_node() -> None:
    x = Value(2.0)
    y = x
    for change in (lambda v: v.__class__.__add__(v, 1), lambda v: v - 1, lambda v: v * 3, lambda v: v / 2):
        assert change(y) is not y
    y += 1.0
    y -= 0.5
    y *= 2.0
    y /= 4.0
    assert (x.data, y.data, x.op) == (2.0, 1.25, None)


@pytest.mark.parametrize(
    "number",
    [
        *[True, 2, Fraction(1, 2), Decimal("0.5"), np.float64(0.5), np.float32(0.5), np.int64(2), np.bool_(True)],
        *[_Level.HIGH, _Constant.HALF, np.array(0.5), np.array(2), np.array(True)],
    ],
)
def test_any_number_is_an_operand(number: Any) -> None:
    x = Value(3.0)
    for direct, reflected in ((x * number, number * x), (x + number, number + x)):
        assert direct.data == reflected.data
        assert [type(o) for o in (*direct.operands, *reflected.operands)] == [Value, float, float, Value]
    assert (x - number).data == -(number - x).data
    assert ad.hypot(x, number).operands[1] == float(number)
    assert Value(number).data == float(number)
    assert ad.exp(number) == math.exp(number)
    assert ad.where(number, x, number).operands == (float(number), x, float(number))
    assert ad.grad(lambda y: y * number)(2.0) == float(number)
    assert (x > number) == (x.data > float(number))


def test_other_numbers_assigned_to_data_become_floats_at_the_next_use() -> None:
    x = Value(1.0)
    x.data = np.float64(3.0)
    y = x * 2.0
    assert type(y.data) is float
    assert [type(g) for g in y.local_gradients] == [float, float]
    x.data = 4  # type: ignore[assignment]
    assert (x + 1.0).data == 5.0
    assert [type(g) for g in (x * 2.0).local_gradients] == [float, float]


# --- backward ---


def test_shared_leaf_accumulates_from_every_use() -> None:
    x = Value(3.0)
    y = x * x + x * 2.0 + x
    y.backward()
    assert x.grad == 9.0


def test_second_backward_doubles_leaves_and_starts_interior_nodes_afresh() -> None:
    x = Value(3.0)
    square = x * x
    y = square * 2.0
    y.backward()
    y.backward()
    assert (x.grad, square.grad, y.grad) == (24.0, 2.0, 1.0)


def test_backward_scales_by_the_gradient_given() -> None:
    x = Value(3.0)
    (x * x).backward(0.5)
    assert x.grad == 3.0


def test_backward_of_a_leaf_adds_to_its_own_grad() -> None:
    x = Value(3.0)
    x.backward()
    x.backward(2.0)
    assert x.grad == 3.0


def test_node_is_visited_after_everything_made_from_it() -> None:
    """A depth-first order that places a node when it is met would lose the late share of b."""
    a = Value(1.5)
    b = a * a
    c = b * b
    d = b * c
    d.backward()
    assert d.data == a.data**6
    assert a.grad == pytest.approx(6 * a.data**5, rel=1e-15)


def test_changing_data_changes_no_recorded_gradient() -> None:
    x, y = Value(3.0), Value(4.0)
    z = x * y
    x.data = 100.0
    z.backward()
    assert (y.grad, z.data) == (3.0, 12.0)


def test_zero_upstream_contributes_zero_whatever_the_local_gradient() -> None:
    x = Value(0.0)
    (0.0 * ad.log(x) + 0.0 * ad.sqrt(x)).backward()
    assert x.grad == 0.0


def test_detached_value_passes_no_gradient() -> None:
    x = Value(3.0)
    (x.detach() * x.detach()).backward()
    assert x.grad == 0.0
    leaf = Value(3.0, "named").detach()
    assert (leaf.data, leaf.label, leaf.op) == (3.0, "", None)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8))
def test_backward_is_linear_in_the_gradient_given(numbers: list[float]) -> None:
    xs = [Value(x) for x in numbers]
    y = ad.sum([ad.sin(x) * x for x in xs])
    y.backward(2.0)
    twice = [x.grad for x in xs]
    for x in xs:
        x.grad = 0.0
    y.backward(1.0)
    assert twice == [2 * x.grad for x in xs]


# --- scale: a million nodes, threads ---

MILLION = 1_000_000


def _chain(length: int) -> tuple[Value, Value]:
    x = y = Value(1.0)
    for _ in range(length // 2):
        y = y * 0.5
        y = y + 1.0
    return x, y


def test_chain_of_a_million_nodes_builds_differentiates_copies_pickles_and_is_freed() -> None:
    x = y = Value(1.0)
    for _ in range(MILLION):
        y = y + 1.0
    y.backward()
    assert (y.data, x.grad) == (1.0 + MILLION, 1.0)
    copied = copy.deepcopy(y)
    assert copied.data == y.data
    copied.backward()
    assert x.grad == 1.0
    restored = pickle.loads(pickle.dumps(y))
    restored.backward()
    assert restored.data == y.data
    del copied, restored, y
    gc.collect()
    assert x.grad == 1.0


def test_graph_is_freed_at_once_without_the_collector() -> None:
    class Watched(str):
        """A label that can be watched; it is freed with the graph that holds it."""

    x, y = _chain(1000)
    watched = Watched("kept by nobody else")
    gone = weakref.ref(watched)
    z = y.__apply__(primitives.add, (y, x))
    z.label = watched
    del watched
    gc.disable()
    try:
        assert gone() is not None
        del x, y, z
        assert gone() is None
    finally:
        gc.enable()


def test_threads_that_share_leaves_lose_no_gradient() -> None:
    x, y = Value(3.0), Value(2.0)
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for _ in range(1000):
            (x * y + x).backward()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (x.grad, y.grad) == (8 * 1000 * 3.0, 8 * 1000 * 3.0)


class Interrupted(float):
    """A float whose addition lets another thread run between the reading of a grad and its writing."""

    def __add__(self, other: float) -> "Interrupted":
        time.sleep(0)
        return Interrupted(float(self) + other)


def test_threads_lose_no_gradient_even_when_they_switch_inside_an_addition() -> None:
    x = Value(3.0)
    x.grad = Interrupted(0.0)
    threads = [threading.Thread(target=lambda: [(x * 2.0).backward() for _ in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad == 8 * 200 * 2.0


def test_threads_may_run_backward_on_one_graph() -> None:
    x, y = _chain(200)
    y.backward()
    once, x.grad = x.grad, 0.0
    threads = [threading.Thread(target=lambda: [y.backward() for _ in range(100)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert once > 0.0
    assert x.grad == pytest.approx(400 * once, rel=1e-12, abs=0.0)


# --- comparisons, hash, text ---


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne])
@pytest.mark.parametrize("symbol", ["float64", "float32", "int64", "bool_"])
def test_a_comparison_with_a_scalar_of_numpy_is_a_bool(compare: Callable[[Any, Any], Any], symbol: str) -> None:
    numpy = pytest.importorskip("numpy")
    other = getattr(numpy, symbol)(1)
    for x in (Value(1.0), Value(2.0)):
        assert compare(x, other) is compare(x.data, 1.0)


def test_comparisons_are_of_data_with_numbers_and_values() -> None:
    x, y = Value(2.0), Value(3.0)
    assert (x == 2, x != 2.0, x < y, x <= 2, y > x, y >= 3.5, x == Value(2.0)) == (
        True, False, True, True, True, False, True
    )  # fmt: skip
    assert 2 == x  # noqa: SIM300
    assert x != "2"
    assert type(x == y) is bool
    assert sorted([y, x])[0] is x
    assert max(x, y) is y
    with pytest.raises(TypeError, match="'<' not supported"):
        assert x < "2"


def test_hash_is_identity() -> None:
    x, y = Value(2.0), Value(2.0)
    assert len({x, y}) == 2
    assert {x: "x"}[x] == "x"


def test_truth_is_of_data() -> None:
    assert Value(0.1)
    assert not Value(0.0)
    assert Value(math.nan)


def test_repr_is_one_line_with_data_grad_op_and_label() -> None:
    x = Value(2.0, "x\ny")
    y = x * 3.0
    assert repr(x) == "Value(2.0, grad=0.0, label='x\\ny')"
    assert repr(y) == "Value(6.0, grad=0.0, op=mul)"
    assert f"{y:.3f}|{y:>8.1f}|{y}" == "6.000|     6.0|Value(6.0, grad=0.0, op=mul)"


def test_help_shows_each_function_with_its_formula() -> None:
    assert ad.exp.__doc__ is not None
    assert ad.exp.__doc__.startswith("Return eˣ.")
    assert Value.exp.__doc__ is not None
    assert Value.exp.__doc__.startswith("Return eˣ.")


def test_rounding_functions_give_values() -> None:
    x = Value(-2.567)
    results = [abs(x), round(x), round(x, 1), x // 2, math.floor(x), math.ceil(x), *divmod(x, 2), *divmod(7, x)]
    assert [type(y) for y in results] == [Value] * 10
    assert [y.data for y in results] == [2.567, -3.0, -2.6, -2.0, -3.0, -2.0, *divmod(-2.567, 2), *divmod(7, -2.567)]
    assert (+x) is x


# --- numpy and the standard library ---


def test_numpy_broadcasts_over_values() -> None:
    x = Value(2.0)
    array = np.array([1.0, 2.0, 3.0])
    for product in (x * array, array * x):
        assert [y.data for y in product] == [2.0, 4.0, 6.0]
    for power in (array**x, array - x, x - array, x / array, array // x, x % array):
        assert all(isinstance(y, Value) for y in power)
    np.sum(array * x).backward()
    assert x.grad == 6.0


def test_numpy_functions_stay_in_the_graph() -> None:
    values = np.array([Value(0.3), Value(0.7)])
    names = (
        "exp exp2 expm1 log log2 log10 log1p sqrt cbrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arctanh "
        "floor ceil square reciprocal absolute negative"
    ).split()
    for name in names:
        outs = getattr(np, name)(values)
        assert all(isinstance(y, Value) for y in outs), name
        assert [y.data for y in outs] == pytest.approx(list(getattr(np, name)(np.array([0.3, 0.7]))), rel=1e-15), name
    assert np.arccosh(np.array([Value(1.5)]))[0].data == math.acosh(1.5)
    assert np.hypot(values, values[::-1])[0].data == math.hypot(0.3, 0.7)
    assert np.arctan2(values, 2.0)[0].data == math.atan2(0.3, 2.0)
    product = np.array([[1.0, 2.0], [3.0, 4.0]]) @ values
    assert [y.data for y in product] == pytest.approx([1.7, 3.7], rel=1e-15)
    assert float(np.mean(values).data) == 0.5
    assert np.linalg.norm(values).data == pytest.approx(math.hypot(0.3, 0.7))
    assert np.std(values).data == pytest.approx(0.2)
    assert np.rint(values)[1].data == 1.0


def test_python_functions_stay_in_the_graph() -> None:
    xs = [Value(float(i)) for i in range(1, 5)]
    assert sum(xs).data == 10.0
    assert math.prod(xs).data == 24.0
    math.prod(xs).backward()
    assert [x.grad for x in xs] == [24.0, 12.0, 8.0, 6.0]


# --- leaving the graph, and bad input ---


@pytest.mark.parametrize("function", [float, math.exp, math.sqrt, lambda x: np.array([x], dtype=float), complex])
def test_leaving_the_graph_silently_is_refused(function: Any) -> None:
    with pytest.raises(TypeError, match=r"x\.data.*autodiff\.exp"):
        function(Value(2.0))


def test_int_of_a_value_is_refused() -> None:
    with pytest.raises(TypeError, match=r"int\(x\.data\)"):
        int(Value(2.0))
    with pytest.raises(TypeError, match="integer"):
        range(Value(2.0))  # type: ignore[arg-type]


BAD: list[tuple[Any, str]] = [
    ("2", "expected a number, got str '2'; convert text with float"),
    (None, "expected a number, got NoneType None; is a `return` missing"),
    (1j, "expected a real number, got complex 1j; use its real and imaginary parts"),
    ([1.0], r"expected a number, got list \[1.0\]; use its numbers one by one"),
    ((1.0,), r"expected a number, got tuple \(1.0,\); use its numbers one by one"),
]


@pytest.mark.parametrize(("bad", "message"), BAD)
@pytest.mark.parametrize(
    "use",
    [
        lambda x, bad: x + bad,
        lambda x, bad: bad * x,
        lambda x, bad: x**bad,
        lambda x, bad: ad.maximum(x, bad),
        lambda x, bad: ad.exp(bad),
        lambda x, bad: ad.dot([x, bad], [x, x]),
        lambda x, bad: ad.sum([x, bad]),
        lambda x, bad: Value(bad),
        lambda x, bad: x.backward(bad),
    ],
)
def test_what_is_no_number_is_named_with_the_way_out(use: Any, bad: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        use(Value(2.0), bad)


def test_an_array_without_an_axis_is_the_number_or_the_value_that_it_holds() -> None:
    x = Value(0.5)
    boxed = np.asarray(x)
    for y in (ad.exp(boxed), ad.maximum(0.0, boxed), ad.where(True, boxed, 1.0), ad.sum([1.0, boxed])):
        y.backward()
    assert math.isclose(x.grad, math.exp(0.5) + 3.0)
    for bad, message in (
        (np.array("2"), "got str '2'"),
        (np.array(1j), "got complex"),
        (np.ma.array(0.5), "got Masked"),
    ):
        for use in (Value, ad.exp, lambda y: ad.maximum(x, y)):
            with pytest.raises(TypeError, match=message):
                use(bad)


def test_a_member_of_an_enum_is_no_list() -> None:
    with pytest.raises(TypeError, match="sum takes a list of numbers, got _Level"):
        ad.sum(_Level.HIGH)  # type: ignore[arg-type]
    assert ad.grad(lambda a, b, c: a * b * c, argnums=_Level.HIGH)(2.0, 3.0, 4.0) == 6.0


def test_arrays_are_no_numbers_to_functions_and_leaves() -> None:
    array = np.array([1.0, 2.0])
    for use in (Value, ad.exp, lambda a: ad.maximum(Value(1.0), a)):
        with pytest.raises(TypeError, match="expected a number, got ndarray"):
            use(array)


def test_value_of_a_value_is_refused() -> None:
    with pytest.raises(TypeError, match=r"use it as it is, or \.detach\(\)"):
        Value(Value(1.0))


def test_unknown_types_get_their_turn() -> None:
    class Vector:
        def __rmul__(self, other: Any) -> str:
            return "mine"

    assert Value(2.0) * Vector() == "mine"
    with pytest.raises(TypeError, match=r"unsupported operand type\(s\) for \+: 'Value' and 'object'"):
        Value(2.0) + object()


OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod, operator.floordiv]


@pytest.mark.parametrize("operate", OPERATORS, ids=lambda f: f.__name__)
def test_an_operator_with_what_is_no_number_is_pythons_own_error(operate: Any) -> None:
    x, other = Value(2.0), object()
    for operands in ((x, other), (other, x)):
        with pytest.raises(TypeError, match="unsupported operand type"):
            operate(*operands)


def test_a_sum_of_products_keeps_the_sign_of_zero() -> None:
    assert repr(ad.dot([Value(-0.0)], [Value(1.0)]).data) == "-0.0"
    assert repr(ad.dot([Value(-0.0)], [1.0]).data) == "-0.0"


def test_label_that_is_no_string_is_refused() -> None:
    with pytest.raises(TypeError, match="a label is a string, got int 3; write label='3'"):
        Value(1.0, label=3)  # type: ignore[arg-type]
    x = Value(1.0, "x")
    with pytest.raises(TypeError, match="a label is a string, got NoneType None; write label=''"):
        x.label = None  # type: ignore[assignment]
    assert x.label == "x"


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x + 1.0,
        lambda x: x * Value(2.0),
        lambda x: 1.0 - x,
        lambda x: -x,
        lambda x: x / 2,
        lambda x: x.sign(),
        lambda x: ad.where(True, 1.0, x),
        lambda x: ad.maximum(5.0, x),
        lambda x: ad.dot([x, x], [1.0, 2.0]),
        lambda x: ad.dot([x, x], [x, x]),
        lambda x: ad.sum([x, 1.0]),
    ],
)
def test_value_stored_in_data_is_caught_at_its_next_use(use: Any) -> None:
    x = Value(1.0, "weight")
    with pytest.raises(TypeError, match=r"the Value labelled 'weight' was given a Value as \.data, expected a float"):
        x.data = Value(2.0)  # type: ignore[assignment]  # the native core refuses it at once
        use(x)


@pytest.mark.parametrize("data", ["a", None, [1.0]])
@pytest.mark.parametrize("use", [lambda x: x * 2.0, lambda x: ad.dot([x], [Value(2.0)]), lambda x: ad.dot([x], [2.0])])
def test_data_that_is_no_number_is_named(use: Any, data: Any) -> None:
    x = Value(1.0, "weight")
    with pytest.raises(TypeError, match=rf"'weight' was given a {type(data).__name__} as \.data, expected a float"):
        x.data = data
        use(x)


@pytest.mark.parametrize("data", [Decimal("0.5"), Fraction(1, 2), np.float32(0.5), 1, True])
def test_dot_takes_other_numbers_in_data_as_floats(data: Any) -> None:
    x = Value(1.0)
    x.data = data
    for y in (ad.dot([x], [Value(2.0)]), ad.dot([x], [2.0]), ad.sum([x, 1.0])):
        assert type(y.data) is float
        assert {type(g) for g in y.local_gradients} == {float}


def test_backward_of_what_is_no_value_says_so() -> None:
    y = ad.dot([1.0, 2.0], [3.0, 4.0])
    with pytest.raises(AttributeError, match="backward"):
        y.backward()


def test_lists_are_checked() -> None:
    with pytest.raises(ValueError, match="dot takes two lists of one length, got 2 and 1 numbers"):
        ad.dot([Value(1.0), 2.0], [3.0])
    for function in (ad.max, ad.min, ad.mean, ad.logsumexp):
        with pytest.raises(ValueError, match=f"{function.__name__} of an empty list has no value"):
            function([])
    with pytest.raises(TypeError, match="max takes a list of numbers, got Value; of two numbers, use maximum"):
        ad.max(Value(1.0))
    with pytest.raises(TypeError, match="dot takes a list of numbers, got Value"):
        ad.compile(lambda x: ad.dot(x, x))(3.0)
    for wrong in ("123", b"123", {1.0: 2.0}, 3.0, None):
        with pytest.raises(TypeError, match=f"sum takes a list of numbers, got {type(wrong).__name__}"):
            ad.sum(wrong)  # type: ignore[arg-type]
    assert (ad.sum([]), ad.prod([]), ad.dot([], []), ad.norm([]), ad.softmax([])) == (0.0, 1.0, 0.0, 0.0, [])
    assert ad.sum(x for x in [Value(1.0), Value(2.0)]).data == 3.0
    assert ad.dot(np.array([1.0, 2.0]), [Value(3.0), Value(4.0)]).data == 11.0


def test_numbers_that_count_by_their_place_are_no_set() -> None:
    ordered = [1.0, 2.0]
    for numbers in ({Value(1.0), Value(2.0)}, frozenset(ordered)):
        for f in (lambda s: ad.dot(s, ordered), lambda s: ad.dot(ordered, s), ad.softmax, ad.log_softmax):
            with pytest.raises(
                TypeError, match=r"takes a list of numbers, got a \w*set, which has no order; list them"
            ):
                f(numbers)
    assert ad.sum({1.0, 2.0}) == 3.0


def test_wrong_number_of_operands_is_named() -> None:
    with pytest.raises(TypeError, match="maximum takes 2 operands, got 1"):
        ad.maximum(Value(1.0))  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="exp takes 1 operand, got 2"):
        ad.exp(1.0, 2.0)  # type: ignore[call-overload]


def test_subclass_of_value_may_take_arguments_of_its_own() -> None:
    class Parameter(Value):
        def __init__(self, data: float, label: str, bound: float) -> None:
            super().__init__(data, label)
            self.bound = bound

    x = Parameter(2.0, "w", bound=1.0)
    y = x * x
    y.backward()
    assert (x.bound, x.grad) == (1.0, 4.0)
    for twin in (copy.copy(x), copy.deepcopy(x)):
        assert (type(twin), twin.data, twin.label, twin.bound) == (Parameter, 2.0, "w", 1.0)


def test_values_take_no_weak_references_and_instances_of_a_subclass_do() -> None:
    class Watched(Value):
        pass

    for x in (Value(1.0), Value(1.0) * 2.0):
        with pytest.raises(TypeError, match="cannot create weak reference to 'Value' object"):
            weakref.ref(x)
    assert "no weak" in str(Value.__doc__)
    x = Watched(1.0)
    seen = weakref.ref(x)
    y = x * 2.0
    assert seen() is x
    del x, y
    assert seen() is None


# --- copies and pickles ---


def _shared_graph() -> tuple[Value, Value, Value]:
    x, y = Value(2.0, "x"), Value(3.0, "y")
    shared = x * y
    root = shared * shared + cube(x) + ad.sum([x, 1.0, y])
    root.label = "root"
    root.backward()
    return root, x, y


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_deep_copies_keep_values_gradients_and_sharing(copier: Any) -> None:
    root, x, _ = _shared_graph()
    twin = copier(root)
    for original, copied in zip(_nodes(root), _nodes(twin), strict=True):
        assert copied is not original
        assert (copied.data, copied.grad, copied.label) == (original.data, original.grad, original.label)
        assert copied.op is original.op
        assert copied.local_gradients == original.local_gradients
    before = x.grad
    twin.backward()
    assert x.grad == before
    twin_x = next(node for node in _nodes(twin) if node.label == "x")
    assert twin_x.grad == 2 * before


def _nodes(root: Value) -> list[Any]:
    from autodiff.graph import leaves, topological_order

    return list(chain(leaves(root), topological_order(root)))


def test_roots_pickled_together_share_their_leaves() -> None:
    x = Value(2.0)
    restored_x, square, double = pickle.loads(pickle.dumps([x, x * x, x + x]))
    assert square.operands[0] is restored_x
    square.backward()
    double.backward()
    assert restored_x.grad == 6.0


def test_roots_deep_copied_together_share_nodes() -> None:
    x = Value(2.0)
    middle = x * x
    a, b = copy.deepcopy([middle + 1.0, middle * 3.0])
    assert a.operands[0] is b.operands[0]


def test_shallow_copy_is_one_node_on_the_same_operands() -> None:
    root, x, _ = _shared_graph()
    twin = copy.copy(root)
    assert twin is not root
    assert all(map(operator.is_, twin.operands, root.operands))
    assert len(twin.operands) == len(root.operands)
    assert (twin.data, twin.grad, twin.label) == (root.data, root.grad, root.label)
    x.grad = 0.0
    twin.backward()
    assert x.grad != 0.0


def test_model_sized_lists_of_leaves_pickle() -> None:
    leaves = [Value(float(i), f"w{i}") for i in range(1000)]
    assert [x.data for x in pickle.loads(pickle.dumps(leaves))] == [x.data for x in leaves]


# --- a primitive of one's own ---


def test_own_primitive_is_recorded_as_one_node() -> None:
    x = Value(2.0)
    y = cube(x)
    y.backward()
    assert (y.op, y.operands, y.data, x.grad) == (cube, (x,), 8.0, 12.0)
    assert cube(2) == 8.0
    assert repr(y) == "Value(8.0, grad=1.0, op=cube)"


def test_own_primitive_differentiates_again() -> None:
    x = Value(2.0)
    (first,) = cube.local_gradients(cube(x), x)
    first.backward()
    assert x.grad == 12.0


def test_own_primitive_follows_ieee_arithmetic() -> None:
    inverse = ad.primitive("inverse", evaluate=lambda x: 1 / x, partials=[lambda out, x: -1 / x**2])
    root = ad.primitive("root", evaluate=lambda x: x**0.5, partials=[lambda out, x: 0.5 / out])
    assert inverse(0.0) == math.inf
    assert inverse(Value(-0.0)).data == -math.inf
    assert inverse(Value(0.0)).local_gradients == (-math.inf,)
    assert math.isnan(root(Value(-2.0)).data)
    assert math.isnan(root(-2.0))


def test_own_primitive_of_any_number_of_operands() -> None:
    power_sum = ad.primitive(
        "power_sum", evaluate=lambda *xs: ad.sum([x * x for x in xs]), partials=lambda out, *xs: [2 * x for x in xs]
    )
    xs = [Value(1.0), Value(2.0), Value(3.0)]
    y = power_sum(*xs, 4.0)
    y.backward()
    assert (y.data, [x.grad for x in xs]) == (30.0, [2.0, 4.0, 6.0])
    short = ad.primitive("short", evaluate=lambda *xs: xs[0], partials=lambda out, *xs: [1.0])
    with pytest.raises(TypeError, match="partials of short gave 1 local gradients for 2 operands"):
        short(*xs[:2])


@pytest.mark.parametrize("rule", [lambda out, x: 2.0 * x, lambda out, x: {x: 2.0 * x}, lambda out, x: {2.0 * x}])
def test_one_function_of_partials_gives_a_list_of_them(rule: Any) -> None:
    """Without its list a rule for one operand is taken for the rule of all."""
    square = ad.primitive("square", evaluate=lambda x: x * x, partials=rule)
    with pytest.raises(TypeError, match=r"partials of square, one function, gave .*; give a list .*\[lambda out, x"):
        square(Value(3.0))


def test_own_primitive_that_closes_over_a_value_is_refused() -> None:
    k = Value(2.0)
    scale = ad.primitive("scale", evaluate=lambda x: k * x, partials=[lambda out, x: k])
    with pytest.raises(TypeError, match="scale gave a Value for plain numbers, so it closes over a Value"):
        scale(Value(3.0))
    slope = ad.primitive("slope", evaluate=lambda x: 2 * x, partials=[lambda out, x: k])
    with pytest.raises(TypeError, match="slope gave a Value for plain numbers"):
        slope(Value(3.0))


def test_own_primitive_that_leaves_autodiff_is_named_where_it_fails() -> None:
    growth = ad.primitive("growth", evaluate=lambda x: math.exp(x), partials=[lambda out, x: out])
    assert growth(0.0) == 1.0
    with pytest.raises(TypeError, match=r"growth raised OverflowError.*autodiff.exp for math.exp"):
        growth(1000.0)
    by_attribute = ad.primitive(
        "by_attribute", evaluate=lambda x: len(x.hex()) + math.log(x), partials=[lambda out, x: 1 / x]
    )
    with pytest.raises(TypeError, match=r"by_attribute raised ValueError.*no attribute .hex"):
        by_attribute(-1.0)
    nothing = ad.primitive("nothing", evaluate=lambda x: None, partials=[lambda out, x: "1"])
    with pytest.raises(TypeError, match="nothing: expected a number, got NoneType"):
        nothing(1.0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"symbol": 3}, TypeError, "a symbol is a string, got int 3"),
        ({"partials": None}, TypeError, "partials is a list of functions"),
        ({"domain": []}, ValueError, "a domain has at least one interval"),
        ({"name": "two words"}, TypeError, "a primitive's name is an identifier, got 'two words'"),
        ({"name": 3}, TypeError, "a primitive's name is an identifier, got 3"),
        ({"evaluate": 3.0}, TypeError, "evaluate is a function of the operands, got float"),
        ({"partials": []}, TypeError, "partials is a list of functions"),
        ({"partials": [1.0]}, TypeError, "partials is a list of functions"),
        ({"domain": [(1.0, 0.0)]}, ValueError, "low < high, got"),
        ({"domain": [(1.0, 1.0)]}, ValueError, "low < high, got"),
        ({"domain": [(math.nan, 1.0)]}, ValueError, "low < high, got"),
        ({"domain": [1.0]}, TypeError, r"a domain is a list of \(low, high\)"),
    ],
)
def test_own_primitive_is_checked(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    good: dict[str, Any] = {"name": "same", "evaluate": lambda x: x, "partials": [lambda out, x: 1.0]}
    good.update(arguments)
    with pytest.raises(error, match=message):
        ad.primitive(good.pop("name"), **good)
