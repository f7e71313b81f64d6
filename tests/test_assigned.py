"""What is assigned to `.data` and `.grad`: numbers are floats when they are used, all else is an error with a name.

The native core refuses at once what is not a number; without it the next use does.
"""

import copy
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Value, native

IS_NATIVE = native.core is not None
NUMBERS: dict[str, Callable[[], Any]] = {
    "int": lambda: 2,
    "bool": lambda: True,
    "Fraction": lambda: Fraction(3, 2),
    "Decimal": lambda: Decimal("1.5"),
    "float32": lambda: np.float32(1.5),
    "float64": lambda: np.float64(1.5),
    "int64": lambda: np.int64(2),
    "array without an axis": lambda: np.array(1.5),
}
NO_NUMBERS: dict[str, Callable[[], Any]] = {
    "list": lambda: [1.0],
    "tuple": lambda: (1.0,),
    "str": lambda: "1.0",
    "Value": lambda: Value(1.0) * 2.0,
    "array": lambda: np.array([1.0, 2.0]),
    "array of one": lambda: np.array([1.0]),
    "complex": lambda: 1j,
    "dict": dict,
}
numbers = pytest.mark.parametrize("make", NUMBERS.values(), ids=NUMBERS)
no_numbers = pytest.mark.parametrize("make", NO_NUMBERS.values(), ids=NO_NUMBERS)


def refused_at_once() -> Any:
    """A context for the assignment of what is not a number."""
    return pytest.raises(TypeError, match="expected a float") if IS_NATIVE else nullcontext()


class Model(nn.Module):
    def __init__(self, w: Value) -> None:
        self.w = w


def stepped(x: Value) -> float:
    nn.SGD([x], lr=0.5).step()
    return x.data


def in_mode(mode: Any) -> Callable[[Value], Any]:
    def use(x: Value) -> Any:
        with mode():
            return (x * x).data

    return use


USES_OF_DATA: dict[str, Callable[[Value], Any]] = {
    "+": lambda x: (x + 1.0).data,
    "- of a number": lambda x: (1.0 - x).data,
    "*": lambda x: (x * x).data,
    "**": lambda x: (x**2).data,
    "neg": lambda x: (-x).data,
    "round": lambda x: round(x).data,
    "sin": lambda x: ad.sin(x).data,
    "sum": lambda x: ad.sum([x, x]).data,
    "dot": lambda x: ad.dot([x], [2.0]).data,
    "max": lambda x: ad.max([x, 0.5]).data,
    "softmax": lambda x: ad.softmax([x, 2.0])[0].data,
    "where": lambda x: ad.where(True, x, 1.0).data,
    "detach": lambda x: x.detach().data,
    "copy": lambda x: copy.copy(x).data,
    "deepcopy": lambda x: copy.deepcopy(x * 1.0).operands[0].data,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)).data,
    "format": lambda x: float(f"{x:.9f}"),
    "no_grad": in_mode(ad.no_grad),
    "detect_anomaly": in_mode(ad.detect_anomaly),
    "record_source": in_mode(ad.record_source),
    "gradient": lambda x: ad.gradient(x**3, [x])[0].data,
    "grad of a Value": lambda x: ad.grad(lambda y: y * y * y)(x).data,
    "grad beside a Value": lambda x: ad.grad(lambda y: y * y * x)(2.0).data,
    "compile": lambda x: ad.compile(lambda y: y * x, backend="python")(2.0),
    "compiled backward": lambda x: ad.compile(lambda y: y * x, backend="python").backward(2.0),
    "checkpoint": lambda x: ad.checkpoint(lambda y: y * y)(x).data,
    "preaccumulate": lambda x: ad.preaccumulate(lambda y: y * y)(x).data,
    "step": stepped,
    "state_dict": lambda x: Model(x).state_dict()["w"],
}
COMPARISONS: dict[str, Callable[[Value], Any]] = {
    "==": lambda x: x == 1.5,
    "!= of a Value": lambda x: Value(1.5) != x,
    "<": lambda x: x < 1.0,
    "<=": lambda x: x <= Value(1.5),
    "> of a number": lambda x: x < 1.0,
    ">=": lambda x: x >= 1,
    "bool": bool,
    "where by a comparison": lambda x: ad.where(x > 1.0, 1.0, 0.0) == 1.0,
}


@pytest.mark.parametrize("use", USES_OF_DATA.values(), ids=USES_OF_DATA)
@numbers
def test_a_number_in_data_gives_the_results_of_its_float(use: Callable[[Value], Any], make: Callable[[], Any]) -> None:
    x, y = Value(3.0), Value(float(make()))
    x.data = make()
    found = use(x)
    assert type(found) is float
    assert found == use(y)


@pytest.mark.parametrize("use", {**USES_OF_DATA, **COMPARISONS}.values(), ids=[*USES_OF_DATA, *COMPARISONS])
@pytest.mark.parametrize("make", [*NO_NUMBERS.values(), lambda: None], ids=[*NO_NUMBERS, "None"])
def test_what_is_no_number_in_data_is_named(use: Callable[[Value], Any], make: Callable[[], Any]) -> None:
    x = Value(3.0, "weight")
    assigned: Any = make()
    before = repr(assigned)
    kind = type(assigned).__name__
    with pytest.raises(TypeError, match=rf"the Value labelled 'weight' was given a {kind} as \.data, expected a float"):
        x.data = assigned
        use(x)
    assert x.data == 3.0 if IS_NATIVE else x.data is assigned
    assert repr(assigned) == before
    assert repr(x) == f"Value({'3.0' if IS_NATIVE else before}, grad=0.0, label='weight')"  # which says what it is


@pytest.mark.parametrize("use", COMPARISONS.values(), ids=COMPARISONS)
@numbers
def test_a_number_in_data_compares_as_its_float(use: Callable[[Value], Any], make: Callable[[], Any]) -> None:
    x, y = Value(3.0), Value(float(make()))
    x.data = make()
    assert use(x) is use(y)


# --- grad ---


def passed(x: Value) -> float:
    (x * x + ad.sum([x, 1.0, x])).backward()
    return x.grad


def started(x: Value) -> float:
    x.backward()
    return x.grad


def passed_with_checks(x: Value) -> float:
    with ad.detect_anomaly():
        (x * x).backward()
    return x.grad


def run(x: Value) -> float:
    ad.compile(lambda t: x * x * t, backend="python").backward(2.0)
    return x.grad


def run_with_rows(x: Value) -> float:
    ad.compile(lambda t: x * t, rows=0, reduce="sum", backend="python").backward([1.0, 2.0])
    return x.grad


USES_OF_GRAD: dict[str, Callable[[Value], float]] = {
    "backward": passed,
    "backward of a leaf": started,
    "backward, with checks": passed_with_checks,
    "compiled backward": run,
    "compiled backward with rows": run_with_rows,
    "step": stepped,
    "copy": lambda x: copy.copy(x).grad,
    "deepcopy": lambda x: copy.deepcopy(x).grad,
    "pickle": lambda x: pickle.loads(pickle.dumps(x * 2.0)).operands[0].grad,
}
every_use_of_grad = pytest.mark.parametrize("use", USES_OF_GRAD.values(), ids=USES_OF_GRAD)


@every_use_of_grad
@pytest.mark.parametrize("make", [*NUMBERS.values(), lambda: None], ids=[*NUMBERS, "None"])
def test_a_number_in_grad_is_its_float_and_none_is_zero(use: Callable[[Value], float], make: Callable[[], Any]) -> None:
    x, y = Value(3.0), Value(3.0)
    assigned: Any = make()
    before = repr(assigned)
    x.grad, y.grad = assigned, float(make() or 0.0)
    found = use(x)
    assert type(found) is float
    assert found == use(y)
    assert repr(assigned) == before  # the user's array is not ours to add to


@every_use_of_grad
@no_numbers
def test_what_is_no_number_in_grad_is_named_and_not_touched(
    use: Callable[[Value], float], make: Callable[[], Any]
) -> None:
    x = Value(3.0, "weight")
    assigned: Any = make()
    before = repr(assigned)
    kind = type(assigned).__name__
    with pytest.raises(TypeError, match=rf"the Value labelled 'weight' was given a {kind} as \.grad, expected a float"):
        x.grad = assigned
        use(x)
    assert x.grad == 0.0 if IS_NATIVE else x.grad is assigned
    assert repr(assigned) == before
    assert x.data == 3.0
    x.grad = 0.0
    assert use(x) == use(Value(3.0))


WAYS: dict[str, Callable[[list[Value]], Any]] = {
    "backward": lambda xs: ad.sum([x * x for x in xs]).backward(),
    "compiled backward": lambda xs: ad.compile(lambda t: t * ad.sum([x * x for x in xs]), backend="python").backward(1),
    "compiled backward with rows": lambda xs: ad.compile(
        lambda t: t * ad.sum([x * x for x in xs]), rows=0, reduce="sum", backend="python"
    ).backward([1.0, 2.0]),
    "step": lambda xs: nn.SGD(xs, lr=0.5).step(),
    "step with momentum": lambda xs: nn.SGD(xs, lr=0.5, momentum=0.5).step(),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("at", [0, 1, 2])
@no_numbers
def test_grads_change_all_or_none(way: Callable[[list[Value]], Any], at: int, make: Callable[[], Any]) -> None:
    xs = [Value(2.0), Value(3.0), Value(5.0)]
    others: list[Any] = [1, None, True]
    for x, grad in zip(xs, others, strict=True):
        x.grad = grad
    assigned = make()
    kept = [x.grad for x in xs]
    with pytest.raises(TypeError, match=r"a Value was given a \w+ as \.grad"):
        xs[at].grad = assigned
        way(xs)
    if IS_NATIVE:
        assert [x.grad for x in xs] == kept
    else:
        kept[at] = assigned
        assert all(x.grad is grad for x, grad in zip(xs, kept, strict=True))
    assert [x.data for x in xs] == [2.0, 3.0, 5.0]


@no_numbers
def test_a_step_that_fails_leaves_the_velocities(make: Callable[[], Any]) -> None:
    x, y = Value(1.0), Value(1.0)
    sgd = nn.SGD([x, y], lr=0.5, momentum=0.5)
    x.grad = y.grad = 1.0
    sgd.step()
    with pytest.raises(TypeError, match="was given a"):
        y.grad = make()
        sgd.step()
    y.grad = 1.0
    sgd.step()
    assert (x.data, y.data) == (-0.25, -0.25)


@no_numbers
def test_an_interior_node_starts_afresh_whatever_its_grad_was(make: Callable[[], Any]) -> None:
    x = Value(2.0)
    y = x * x
    z = y * 3.0
    for node in (y, z):
        with refused_at_once():
            node.grad = make()
    z.backward()
    assert (x.grad, y.grad, z.grad) == (12.0, 3.0, 1.0)


@no_numbers
def test_zero_grad_clears_what_is_no_number(make: Callable[[], Any]) -> None:
    x, y = Value(2.0), Value(2.0)
    for leaf in (x, y):
        with refused_at_once():
            leaf.grad = make()
    Model(x).zero_grad()
    nn.SGD([y]).zero_grad()
    assert (x.grad, y.grad) == (0.0, 0.0)
    assert repr(x) == "Value(2.0, grad=0.0)"


def test_a_grad_that_f_assigns_is_no_concern_of_a_transform() -> None:
    def f(x: Any) -> Any:
        w = Value(2.0, "w")
        with refused_at_once():
            w.grad = "text"  # type: ignore[assignment]
        return w * x

    assert (ad.grad(f)(3.0), ad.jacobian(f)(3.0), ad.jvp(f, (3.0,), (1.0,))) == (2.0, 2.0, (6.0, 2.0))
