"""Structural zeros: what was not taken passes nothing on, and what was computed is a number, in every way there is."""

import copy
import itertools
import math
import operator
import pickle
from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Primitive, Value, where
from autodiff.chain import NOTHING, reached, recorded, reverse
from autodiff.primitives import TABLE
from autodiff.testing import programs
from autodiff.transforms.sweeps import rules_read
from tests.needs import need_core

Function = Callable[..., Any]
Slopes = Callable[[Function, list[float]], list[float]]

# A function of numbers, a point, and its gradient there: a structural zero before an infinite or nan derivative gives
# 0, a zero that was computed gives nan.
CASES: dict[str, tuple[Function, list[float], list[float]]] = {
    "a relu that is off": (lambda x: ad.relu(ad.sqrt(x) - 1.0), [0.0], [0.0]),
    "a relu at its kink": (lambda x: ad.relu(ad.sqrt(x)), [0.0], [0.0]),
    "a maximum of something else": (lambda x: ad.maximum(ad.sqrt(x), 1.0), [0.0], [0.0]),
    "a minimum of something else": (lambda x: ad.minimum(ad.log(x), -1e3), [0.0], [inf]),
    "a clip, outside": (lambda x: ad.clip(ad.log(x), 0.0, 1.0), [0.0], [0.0]),
    "the largest of several": (lambda x: ad.max([ad.sqrt(x), 1.0, 2.0 * x]), [0.0], [0.0]),
    "the branch not taken": (lambda x: where(x > 1.0, ad.log(x), 3.0 * x), [0.0], [3.0]),
    "the branch not taken, in a branch taken": (
        lambda x: where(x < 1.0, where(x > 1.0, ad.log(x), x * x), ad.sqrt(x)),
        [0.0],
        [0.0],
    ),
    "a constant 0 as a factor": (lambda x: 0.0 * ad.sqrt(x), [0.0], [0.0]),
    "a constant 0 on the right": (lambda x: ad.sqrt(x) * 0.0, [0.0], [0.0]),
    "a constant -0 as a factor": (lambda x: ad.sqrt(x) * -0.0, [0.0], [0.0]),
    "a constant 0, divided": (lambda x: 0.0 / (1.0 + ad.sqrt(x)), [0.0], [0.0]),
    "divided by a constant infinity": (lambda x: ad.sqrt(x) / inf, [0.0], [0.0]),
    "a constant 0 in a product of many": (lambda x: ad.prod([ad.sqrt(x), 0.0, 2.0]), [0.0], [0.0]),
    "a constant 0 in a dot": (lambda x: ad.dot([ad.sqrt(x), x], [0.0, 2.0]), [0.0], [2.0]),
    "a constant 0 in a dot of both": (lambda x: ad.dot([ad.sqrt(x), 3.0], [0.0, x]), [0.0], [3.0]),
    "a constant 0 under an infinite upstream": (lambda x: ad.sqrt(ad.dot([x, 1.0], [0.0, 0.0])), [1.0], [0.0]),
    "a constant 0 in a dot of one, under one": (lambda x: ad.cbrt(ad.dot([x], [0.0])), [1.0], [0.0]),
    "the power 0": (lambda x: ad.sqrt(x) ** 0, [0.0], [0.0]),
    "a leaky relu of slope 0": (lambda x: ad.leaky_relu(ad.log(x), 0.0), [0.0], [0.0]),
    "a step": (lambda x: ad.floor(ad.sqrt(x)), [0.0], [0.0]),
    "a sign": (lambda x: ad.sign(ad.cbrt(x)), [0.0], [0.0]),
    "a whole quotient": (lambda x: ad.sqrt(x) // 2.0, [0.0], [0.0]),
    "the kink of abs": (lambda x: abs(ad.cbrt(x)), [0.0], [0.0]),
    "the angle of the origin": (lambda x: ad.arctan2(ad.sqrt(x), 0.0 * x), [0.0], [0.0]),
    "the length of the zero vector": (lambda x: ad.norm([ad.sqrt(x), x]), [0.0], [0.0]),
    "a step under an infinite upstream": (lambda x: ad.log(ad.floor(x)), [0.5], [0.0]),
    "a relu that is off under an infinite upstream": (lambda x: ad.sqrt(ad.relu(x)), [-1.0], [0.0]),
    "a cube of a cube root": (lambda x: ad.cbrt(x) ** 3, [0.0], [nan]),
    "a square of a root": (lambda x: ad.sqrt(x) * ad.sqrt(x), [0.0], [nan]),
    "an exponential of a logarithm": (lambda x: ad.exp(ad.log(x)), [0.0], [nan]),
    "a reciprocal of a reciprocal": (lambda x: 1.0 / (1.0 / x), [0.0], [nan]),
    "a Value that is 0 as a factor": (lambda x, y: y * ad.sqrt(x), [0.0, 0.0], [nan, 0.0]),
    "a Value that is 0 in a dot": (lambda x, y: ad.dot([ad.sqrt(x), x], [y, 2.0]), [0.0, 0.0], [nan, 0.0]),
    "upstreams that cancel": (lambda x: (root := ad.sqrt(x)) - root, [0.0], [nan]),
    "a slope that underflows": (lambda x: ad.exp(-1e4 + ad.sqrt(x)), [0.0], [nan]),
    "a slope so far out that it underflows": (lambda x: ad.log(ad.erfc(x)), [31.0], [nan]),
    "a slope at infinity": (lambda x: ad.log(1.0 + ad.erf(x)), [-inf], [nan]),
    "what was computed, in a branch taken": (lambda x: where(x < 1.0, ad.cbrt(x) ** 3, x), [0.0], [nan]),
    "what was computed, in a branch not taken": (lambda x: where(x > 1.0, ad.cbrt(x) ** 3, x), [0.0], [1.0]),
    "what was computed, in a relu that is on": (lambda x: ad.relu(1.0 + ad.cbrt(x) ** 3), [0.0], [nan]),
    "what was computed, in a relu that is off": (lambda x: ad.relu(ad.cbrt(x) ** 3 - 1.0), [0.0], [0.0]),
    "taken by one use and not by another": (
        lambda x: ad.relu((root := ad.sqrt(x)) - 1.0) + 0.0 * root + root * x,
        [0.0],
        [nan],
    ),
    "not taken by any of its uses": (lambda x: ad.relu((root := ad.sqrt(x)) - 1.0) + 0.0 * root + x, [0.0], [1.0]),
    "the maximum of a nan": (lambda x: ad.maximum(ad.sqrt(x), 1e-3), [-3.0], [nan]),
    "the minimum of a nan": (lambda x: ad.minimum(1e-3, ad.log(x)), [-3.0], [nan]),
    "the relu of a nan": (lambda x: ad.relu(ad.sqrt(x)), [-3.0], [nan]),
    "the clip of a nan": (lambda x: ad.clip(ad.sqrt(x), 0.0, 1.0), [-3.0], [nan]),
    "the largest, with a nan": (lambda x: ad.max([x, ad.sqrt(x), 2.0]), [-3.0], [nan]),
    "the smallest, with a nan": (lambda x: ad.min([ad.sqrt(x), x, 2.0]), [-3.0], [nan]),
}


def by_backward(f: Function, point: list[float]) -> list[float]:
    leaves = [Value(x) for x in point]
    f(*leaves).backward()
    return [leaf.grad for leaf in leaves]


def by_gradient(f: Function, point: list[float]) -> list[float]:
    leaves = [Value(x) for x in point]
    return [slope.data for slope in ad.gradient(f(*leaves), leaves)]


def by_grad_through_a_value(f: Function, point: list[float]) -> list[float]:
    one = Value(1.0)
    slopes = ad.grad(lambda xs: f(*xs) * one)(point)
    return [getattr(slope, "data", slope) for slope in slopes]


def by_jvp(f: Function, point: list[float]) -> list[float]:
    unit = [[float(i == j) for i in range(len(point))] for j in range(len(point))]
    return [ad.jvp(f, point, row)[1] for row in unit]


def by_compiled(transform: Slopes, **options: Any) -> Slopes:
    def slopes(f: Function, point: list[float]) -> list[float]:
        return list(ad.compile(lambda xs: transform(f, xs), **options)(point))

    return slopes


def by_rows(backend: str) -> Slopes:
    def slopes(f: Function, point: list[float]) -> list[float]:
        compiled = ad.compile(lambda xs: ad.grad(lambda xs: f(*xs))(xs), rows=0, backend=backend)
        ordinary = [0.75] * len(point)
        return list(compiled([ordinary, point, ordinary])[1])

    return slopes


def by_compiled_backward(backend: str) -> Slopes:
    def slopes(f: Function, point: list[float]) -> list[float]:
        leaves = [Value(x) for x in point]
        ad.compile(lambda: f(*leaves), backend=backend).backward()
        return [leaf.grad for leaf in leaves]

    return slopes


def by_segment(segment: Function) -> Slopes:
    return lambda f, point: by_backward(segment(f), point)


WAYS: dict[str, Slopes] = {
    "gradient": by_gradient,
    "grad": lambda f, point: ad.grad(lambda xs: f(*xs))(point),
    "grad through a Value": by_grad_through_a_value,
    "vjp": lambda f, point: list(ad.vjp(f, *point)[1](1.0)),
    "jvp": by_jvp,
    "jacobian": lambda f, point: ad.jacobian(lambda xs: [f(*xs)])(point)[0],
    "preaccumulate": by_segment(ad.preaccumulate),
    "checkpoint": by_segment(ad.checkpoint),
    **{
        f"{name}, {backend}": by_compiled(transform, backend=backend)
        for backend in ("python", "native")
        for name, transform in [
            ("compiled grad", lambda f, xs: ad.grad(lambda xs: f(*xs))(xs)),
            ("compiled jvp", by_jvp),
        ]
    },
    **{f"compiled rows, {backend}": by_rows(backend) for backend in ("python", "native")},
    **{f"compiled backward, {backend}": by_compiled_backward(backend) for backend in ("python", "native")},
}


@pytest.mark.parametrize("name", CASES)
def test_the_backward_pass_tells_what_was_not_taken_from_a_zero_that_was_computed(name: str) -> None:
    f, point, slopes = CASES[name]
    assert repr(by_backward(f, point)) == repr(slopes)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_a_gradient_tells_it_alike(way: str) -> None:
    if "native" in way:
        need_core()
    for name, (f, point, slopes) in CASES.items():
        assert repr([slope + 0.0 for slope in WAYS[way](f, point)]) == repr(slopes), name


@pytest.mark.parametrize("name", [name for name, (_, _, slopes) in CASES.items() if nan in slopes])
def test_detect_anomaly_names_the_first_number_that_is_not_finite(name: str) -> None:
    f, point, _ = CASES[name]
    with ad.detect_anomaly(), pytest.raises(FloatingPointError, match=r"made|became"):
        f(*[Value(x) for x in point]).backward()


@pytest.mark.parametrize("name", CASES)
def test_a_gradient_of_zero_leaves_every_grad_as_it_was(name: str) -> None:
    f, point, _ = CASES[name]
    leaves = [Value(x) for x in point]
    f(*leaves).backward(0.0)
    assert [leaf.grad for leaf in leaves] == [0.0] * len(point)


def test_second_derivatives_know_the_branch_that_was_not_taken() -> None:
    def f(x: Any) -> Any:
        return where(x > 1.0, x * ad.sqrt(x), ad.sqrt(x))

    second = ad.grad(ad.grad(f))
    assert second(0.0) == ad.compile(second, backend="python")(0.0) == ad.compile(second)(0.0) == -inf
    inner = ad.grad(ad.grad(lambda x: ad.relu(ad.sqrt(x) - 2.0) + x**3))
    for x in (0.0, 1.0, 9.0):
        assert inner(x) == ad.compile(inner, backend="python")(x)
        assert math.isclose(inner(x), ad.compile(inner)(x), rel_tol=1e-14)


# --- the record ---

NUMBERS = [0.0, -0.0, 1.0, -2.0, 0.5, inf, nan]


@pytest.mark.parametrize("primitive", TABLE.values(), ids=lambda p: p.name)
def test_a_recorded_local_gradient_is_nothing_exactly_where_the_rule_read_again_says_so(primitive: Primitive) -> None:
    arity = primitive.arity or 4
    for numbers in itertools.islice(itertools.product(NUMBERS, repeat=arity), 400):
        for constants in itertools.product((False, True), repeat=arity):
            if all(constants):
                continue
            operands = [x if constant else Value(x) for x, constant in zip(numbers, constants, strict=True)]
            node = primitive(*operands)
            counts = [isinstance(x, Value) for x in operands]
            again = rules_read(node, counts)
            for local, other, counting in zip(recorded(node), again, counts, strict=True):
                if counting:
                    assert (local is NOTHING) == (other is NOTHING), (primitive, operands, local, other)


@pytest.mark.parametrize("name", ["dot", "other"])
def test_an_operation_of_a_users_own_is_not_taken_for_a_dot_by_its_name(name: str) -> None:
    def slope(out: Any, x: Any, y: Any, z: Any) -> Any:
        return 3.0 * (x - 2.0) ** 2

    zero = [lambda out, x, y, z: 0.0 * x] * 2
    cube = ad.primitive(name, evaluate=lambda x, y, z: (x - 2.0) ** 3, partials=[slope, *zero])
    x = Value(2.0)
    ad.cbrt(cube(x, 1.0, 1.0)).backward()
    assert math.isnan(x.grad)  # 0 * inf: the slope was computed


@pytest.mark.parametrize("operation", [operator.mul, operator.truediv], ids=["mul", "div"])
def test_the_hot_operations_record_the_zeros_of_the_table_with_their_signs(operation: Any) -> None:
    for x, y in itertools.product([2.0, -2.0, 0.0, -0.0, inf, -inf], repeat=2):
        primitive = ad.mul if operation is operator.mul else ad.div
        if operation is operator.mul or y:
            node = operation(Value(x), Value(y))
            assert repr(node.local_gradients) == repr(primitive.local_gradients(node.data, x, y)), (x, y)


def test_a_rule_of_a_users_own_says_nothing_with_a_plain_zero() -> None:
    ramp = ad.primitive(
        "ramp",
        evaluate=lambda x: x if x > 0.0 else 0.0,
        partials=[lambda out, x: 1.0 if x > 0.0 else 0.0],
    )
    twice = ad.primitive("twice", evaluate=lambda x: x * x, partials=[lambda out, x: 2.0 * x])
    x = Value(0.0)
    ramp(ad.sqrt(x) - 1.0).backward()
    assert x.grad == 0.0
    twice(ad.sqrt(x)).backward()
    assert math.isnan(x.grad)


@given(programs(max_steps=12), st.data())
def test_something_is_passed_on_to_what_a_sweep_reaches(program: Any, data: st.DataObject) -> None:
    """What `reached` tells by edges alone is what the sweep of `gradient` reaches with numbers."""
    from autodiff.graph import topological_order

    n = len(program.leaves)
    leaves = [Value(x) for x in data.draw(st.lists(st.sampled_from(NUMBERS), min_size=n, max_size=n))]
    root = program(*leaves)
    order = topological_order(root)
    swept = reverse(order, {root: 1.0}, leaves)
    assert {x for x in leaves if x in swept} == {x for x in leaves if x in reached(order, [root])}


def test_nothing_is_a_zero_in_all_arithmetic_and_there_is_only_one() -> None:
    assert NOTHING == 0.0
    assert repr(NOTHING) == "0.0"
    assert NOTHING * nan is inf * NOTHING is -NOTHING is NOTHING / 0.0 is NOTHING
    assert (NOTHING + 2.0, 2.0 + NOTHING) == (2.0, 2.0)
    assert copy.deepcopy(NOTHING) is copy.copy(NOTHING) is pickle.loads(pickle.dumps(NOTHING)) is NOTHING
    y = pickle.loads(pickle.dumps(ad.relu(Value(-1.0))))
    assert y.local_gradients[0] is NOTHING
