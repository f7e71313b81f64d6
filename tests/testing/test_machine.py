"""The machine of Values finds nothing in the engine, and finds each mistake planted in it."""

import copy
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

import autodiff as ad
from autodiff import Value, copying
from autodiff.backprop import quick_add_gradients
from autodiff.chain import reverse
from autodiff.graph import leaves, topological_order
from autodiff.primitives import TABLE
from autodiff.testing import ValueMachine
from autodiff.testing import machine as module
from autodiff.testing.machine import OPERATIONS, Operation

TestValue = ValueMachine.TestCase

# Enough for each mistake below, ten times over; as found, not as small as can be.
SEARCH = settings(
    max_examples=1000,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(settings().suppress_health_check),
)

right_backward, right_deepcopy, right_reduce = Value.backward, Value.__deepcopy__, Value.__reduce__


# --- mistakes, each a method of Value as many a small project has it ---


def overwriting(self: Value, gradient: float = 1.0) -> None:
    """Leaves forget what earlier passes gave."""
    for leaf in leaves(self):
        leaf.grad = 0.0
    right_backward(self, gradient)


def stale(self: Value, gradient: float = 1.0) -> None:
    """Interior nodes are not reset."""
    order = topological_order(self)
    started = {node: node.grad for node in (*leaves(self), *order)}
    started[self] += gradient
    for node, adjoint in reverse(order, started).items():
        node.grad = adjoint


def clearing(self: Value, gradient: float = 1.0) -> None:
    """Interior nodes hold nothing after the pass."""
    right_backward(self, gradient)
    for node in topological_order(self):
        node.grad = 0.0


def ignoring_the_seed(self: Value, gradient: float = 1.0) -> None:
    right_backward(self, 1.0)


def in_the_wrong_order(self: Value, gradient: float = 1.0) -> None:
    """A walk from the root, breadth first, that takes no care to meet a node after all that was made from it."""
    order, seen = [self], {self}
    for node in order:
        for operand in node.operands:
            if isinstance(operand, Value) and operand not in seen:
                seen.add(operand)
                order.append(operand)
    quick_add_gradients([node for node in reversed(order) if node.op is not None], {self: gradient})


def counting_a_shared_operand_once(self: Value, gradient: float = 1.0) -> None:
    order = topological_order(self)
    for node in order:
        node.grad = 0.0
    self.grad += gradient
    for node in reversed(order):
        for operand, local in dict(zip(node.operands, node.local_gradients, strict=True)).items():
            if isinstance(operand, Value):
                operand.grad += node.grad * local


def on_data_as_it_is_now(self: Value, gradient: float = 1.0) -> None:
    """Local gradients are taken at the pass, after data may have changed."""
    for node in topological_order(self):
        numbers = [x.data if isinstance(x, Value) else x for x in node.operands]
        node.local_gradients = node.op.local_gradients(node.data, *numbers)
    right_backward(self, gradient)


def sharing_leaves(self: Value, memo: dict[int, Any]) -> Any:
    for leaf in leaves(self):
        memo[id(leaf)] = leaf
    return right_deepcopy(self, memo)


def forgetting_the_memo(self: Value, memo: dict[int, Any]) -> Any:
    return right_deepcopy(self, {})


def each_on_its_own(self: Value) -> tuple[Any, ...]:
    """A pickle within the pickle: roots share nothing."""
    function, arguments, *_ = right_reduce(self)
    return _loaded, (pickle.dumps((function, arguments)),)


def _loaded(stored: bytes) -> Any:
    function, arguments = pickle.loads(stored)
    return function(*arguments)


def each_with_its_own_nodes(self: Value) -> tuple[Any, ...]:
    """Roots share their leaves alone."""
    if not self.operands:
        return right_reduce(self)
    parts = copying._Parts()
    return copying._placed, (parts, copying._Place(parts, self))


def without_grad(self: Value) -> tuple[Any, ...]:
    twin = copy.deepcopy(self)
    for node in (*leaves(twin), *topological_order(twin)):
        node.grad = 0.0
    return right_reduce(twin)


MISTAKES: list[tuple[str, Callable[..., Any]]] = [
    ("backward", overwriting),
    ("backward", stale),
    ("backward", clearing),
    ("backward", ignoring_the_seed),
    ("backward", in_the_wrong_order),
    ("backward", counting_a_shared_operand_once),
    ("backward", on_data_as_it_is_now),
    ("__deepcopy__", sharing_leaves),
    ("__deepcopy__", forgetting_the_memo),
    ("__copy__", lambda self: self),
    ("__copy__", copy.deepcopy),
    ("__copy__", lambda self: Value(self.data, self.label)),
    ("__reduce__", each_on_its_own),
    ("__reduce__", each_with_its_own_nodes),
    ("__reduce__", without_grad),
    ("detach", lambda self: self),
    ("detach", lambda self: self + 0.0),
    ("__rsub__", lambda self, other: self - other),
    ("__neg__", lambda self: self * -1.0),
]


@pytest.mark.parametrize(("method", "mistake"), MISTAKES, ids=[f"{m}-{f.__name__}" for m, f in MISTAKES])
def test_a_planted_mistake_is_found(method: str, mistake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Value, method, mistake)
    with pytest.raises(AssertionError, match=r"expected|operands of|local gradients of|earlier Value|shared|is a leaf"):
        run_state_machine_as_test(ValueMachine, settings=SEARCH)


def test_recording_where_there_should_be_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "no_grad", nullcontext)
    with pytest.raises(AssertionError, match="is a leaf or is not"):
        run_state_machine_as_test(ValueMachine, settings=SEARCH)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_wrong_rule_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any operation: the model's own derivatives are what it is held against."""
    right = OPERATIONS[name]

    def doubled(*operands: Any) -> Any:
        node = right.apply(*operands)
        node.local_gradients = tuple([2.0 * x for x in node.local_gradients])
        return node

    class Mistaken(ValueMachine):
        operations = {**OPERATIONS, name: right._replace(apply=doubled)}  # noqa: RUF012

    with pytest.raises(AssertionError, match="local gradients of"):
        run_state_machine_as_test(Mistaken, settings=SEARCH)


cube = ad.primitive("cube", evaluate=lambda x: x * x * x, partials=[lambda out, x: 3 * x * x])
wrong_cube = ad.primitive("wrong_cube", evaluate=lambda x: x * x * x, partials=[lambda out, x: x * x])


class WithCubes(ValueMachine):
    operations = {**OPERATIONS, "cube": Operation(cube, 1, lambda x: x**3, lambda x: (3 * x**2,))}  # noqa: RUF012


class WithWrongCubes(ValueMachine):
    operations = {**OPERATIONS, "cube": Operation(wrong_cube, 1, lambda x: x**3, lambda x: (3 * x**2,))}  # noqa: RUF012


TestWithCubes = WithCubes.TestCase


def test_a_mistake_in_a_primitive_of_ones_own_is_found() -> None:
    with pytest.raises(AssertionError, match="local gradients of"):
        run_state_machine_as_test(WithWrongCubes, settings=SEARCH)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_operations_of_the_model_are_those_of_the_table(name: str) -> None:
    """At whole numbers: the model's value and derivatives are not taken from the table, but are the same."""
    operation = OPERATIONS[name]
    for numbers in ((-3, 2, 5), (0, 0, 4), (4, -1, 0)):
        operands = numbers[: operation.arity or 3]
        node = TABLE[name](*map(Value, operands))
        assert node.data == operation.value(*operands)
        assert node.local_gradients == operation.derivatives(*operands)
