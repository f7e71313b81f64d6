"""The life of Values as a state machine: hypothesis makes, combines, copies, pickles and changes them in any order.

    >>> from hypothesis import settings
    >>> from hypothesis.stateful import run_state_machine_as_test
    >>> run_state_machine_as_test(ValueMachine, settings=settings(max_examples=5, stateful_step_count=10))

In a test module, `TestValue = ValueMachine.TestCase` is the whole test.

The model knows no backward pass. Beside every Value stands a shadow that holds what it should be. The derivative of
each Value in each Value that it was made from is carried forward, from operands to result, in Python's whole numbers.
All numbers stay so small that floats add and multiply them exactly, in any order: every comparison is one of equality,
and needs no tolerance.
"""

import copy
import operator
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from autodiff import functions, primitives
from autodiff.modes import no_grad
from autodiff.value import Value

# Whole numbers below 2**53 are exact in floats. So are products of these with each other and with a few seeds, added.
_LARGEST_DATA = 2**20
_LARGEST_SLOPE = 2**40
_LARGEST_GRAD = 2**50
_MOST_VALUES = 100  # deep copies could double their number at every step


class Operation(NamedTuple):
    """A function of Values, and what the model knows of it: value and derivatives, from whole numbers to whole numbers.

    Attributes:
        apply: the function; what it makes is one node, whose operands are what it was given, in order.
        arity: how many operands, 1 or 2; None for one to three.
        value: the number.
        derivatives: one for each operand.
    """

    apply: Callable[..., Any]
    arity: int | None
    value: Callable[..., int]
    derivatives: Callable[..., tuple[int, ...]]


def _others(*xs: int) -> tuple[int, ...]:
    return tuple(prod(xs[:i] + xs[i + 1 :]) for i in range(len(xs)))


OPERATIONS = {
    "neg": Operation(operator.neg, 1, lambda x: -x, lambda x: (-1,)),
    "abs": Operation(abs, 1, abs, lambda x: ((x > 0) - (x < 0),)),
    "square": Operation(primitives.square, 1, lambda x: x * x, lambda x: (2 * x,)),
    "relu": Operation(primitives.relu, 1, lambda x: max(x, 0), lambda x: (int(x > 0),)),
    "add": Operation(operator.add, 2, lambda x, y: x + y, lambda x, y: (1, 1)),
    "sub": Operation(operator.sub, 2, lambda x, y: x - y, lambda x, y: (1, -1)),
    "mul": Operation(operator.mul, 2, lambda x, y: x * y, lambda x, y: (y, x)),
    "sum": Operation(lambda *xs: functions.sum(xs), None, lambda *xs: sum(xs), lambda *xs: (1,) * len(xs)),
    "prod": Operation(lambda *xs: functions.prod(xs), None, lambda *xs: prod(xs), _others),
}


@dataclass(eq=False)
class Shadow:
    """The state that the model expects of one Value.

    Attributes:
        value: the Value itself.
        data: its number.
        grad: its gradient.
        label: its label.
        operands: the shadows of what it was made from, and constants; none for a leaf.
        local_gradients: as they were when it was made.
        slopes: its derivative in itself and in all it was made from: the sum over paths.
        sizes: the same sums of absolute values: they bound what a backward pass computes on the way.
    """

    value: Value
    data: int
    grad: int = 0
    label: str = ""
    operands: "tuple[Shadow | int, ...]" = ()
    local_gradients: tuple[int, ...] = ()
    slopes: "dict[Shadow, int]" = field(default_factory=dict)
    sizes: "dict[Shadow, int]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.slopes[self] = self.sizes[self] = 1


_VALUES: Bundle[Value] = Bundle("values")
_SMALL = st.integers(-3, 3)
_OPERANDS = _VALUES | _SMALL
_WHICH = st.integers(0, 5)


def _operation(arity: int | None) -> st.SearchStrategy[str]:
    """A strategy of names of the machine's operations with that arity."""

    def of(machine: "ValueMachine") -> st.SearchStrategy[str]:
        return st.sampled_from([name for name, op in machine.operations.items() if op.arity == arity])

    return st.runner().flatmap(of)


class ValueMachine(RuleBasedStateMachine):
    """A state machine whose steps are what can happen to a Value, and whose invariants are what Values promise.

    Leaves accumulate, and only leaves; interior nodes start afresh at each backward pass; a change of data changes no
    gradient already recorded; copies are independent, and keep what is shared shared; nothing is recorded in
    `no_grad()`, and nothing flows through `detach()`.

    For more, subclass it: add rules, or a primitive of your own to `operations`, whose values and derivatives are whole
    numbers at whole numbers:

    >>> import autodiff as ad
    >>> cube = ad.primitive("cube", evaluate=lambda x: x * x * x, partials=[lambda out, x: 3 * x * x])
    >>> class WithCubes(ValueMachine):
    ...     operations = {**ValueMachine.operations, "cube": Operation(cube, 1, lambda x: x**3, lambda x: (3 * x**2,))}
    """

    operations: ClassVar[dict[str, Operation]] = OPERATIONS

    def __init__(self) -> None:
        super().__init__()
        self.shadows: dict[Value, Shadow] = {}

    # --- making ---

    @initialize(target=_VALUES, numbers=st.lists(_SMALL, min_size=1, max_size=3))
    def start(self, numbers: list[int]) -> Any:
        """Make the first leaves."""
        return multiple(*[self.make(number, "") for number in numbers])

    @rule(target=_VALUES, number=_SMALL, label=st.sampled_from(["", "x"]))
    def make(self, number: int, label: str) -> Value:
        """Make a leaf."""
        return self._known(Shadow(Value(number, label), number, label=label))

    @rule(target=_VALUES, name=_operation(1), x=_VALUES)
    def apply_to_one(self, name: str, x: Value) -> Any:
        """Make a node of one operand."""
        return self._combined(self.operations[name], [x])

    @rule(target=_VALUES, name=_operation(2), left=_OPERANDS, right=_OPERANDS)
    def apply_to_two(self, name: str, left: Value | int, right: Value | int) -> Any:
        """Make a node of two operands, in either order, one of them perhaps a plain number."""
        return self._combined(self.operations[name], [left, right])

    @rule(target=_VALUES, x=_VALUES, names=st.lists(_operation(2), min_size=1, max_size=4), which=_WHICH)
    def grow(self, x: Value, names: list[str], which: int) -> Any:
        """Make a chain of nodes, each of the one before and an ancestor of it: many paths lead to the same Values."""
        made = [x]
        for k, name in enumerate(names):
            operands = [made[-1], self._ancestor(made[-1], which + k)]
            node = self._combined(self.operations[name], operands[:: -1 if k % 2 else 1])
            if not isinstance(node, Value):
                break
            made.append(node)
        return multiple(*made[1:])

    @rule(target=_VALUES, name=_operation(None), operands=st.lists(_OPERANDS, min_size=1, max_size=3))
    def apply_to_list(self, name: str, operands: list[Value | int]) -> Any:
        """Make a node of a list."""
        return self._combined(self.operations[name], operands)

    @rule(target=_VALUES, name=_operation(2), left=_VALUES, right=_OPERANDS)
    def apply_without_recording(self, name: str, left: Value, right: Value | int) -> Any:
        """Make a leaf of two operands, inside `no_grad()`."""
        operation = self.operations[name]
        data = operation.value(*[self._number(x) for x in (left, right)])
        if abs(data) > _LARGEST_DATA:
            return multiple()
        with no_grad():
            return self._known(Shadow(operation.apply(left, right), data))

    @rule(target=_VALUES, x=_VALUES)
    def detach(self, x: Value) -> Value:
        """Make a leaf of the same data."""
        return self._known(Shadow(x.detach(), self.shadows[x].data))

    # --- changing ---

    @rule(x=_VALUES, which=_WHICH, number=_SMALL)
    def change_data(self, x: Value, which: int, number: int) -> None:
        """Assign data to a Value or an ancestor: seen by what is made from now on, and by nothing recorded."""
        changed = self._ancestor(x, which)
        changed.data = float(number)
        self.shadows[changed].data = number

    @rule(x=_VALUES)
    def clear(self, x: Value) -> None:
        """Clear a gradient."""
        x.grad = 0.0
        self.shadows[x].grad = 0

    @rule(root=_VALUES, gradient=st.sampled_from([1, -2, 3]))
    def backward(self, root: Value, gradient: int) -> None:
        """Run backward: the leaves that root was made from accumulate, its interior nodes start afresh."""
        slopes = self.shadows[root].slopes
        if any(abs(shadow.grad) > _LARGEST_GRAD for shadow in slopes):
            return
        root.backward(gradient)
        for shadow, slope in slopes.items():
            shadow.grad = slope * gradient + (0 if shadow.operands else shadow.grad)

    # --- copying ---

    @rule(target=_VALUES, x=_VALUES)
    def copy(self, x: Value) -> Value:
        """Copy one node: the copy is made from the same operands."""
        of = self.shadows[x]
        twin = Shadow(copy.copy(x), of.data, of.grad, of.label, of.operands, of.local_gradients)
        for mine, theirs in ((twin.slopes, of.slopes), (twin.sizes, of.sizes)):
            mine.update((shadow, number) for shadow, number in theirs.items() if shadow is not of)
        return self._known(twin)

    @rule(target=_VALUES, originals=st.lists(_VALUES, min_size=1, max_size=2))
    def deep_copy(self, originals: list[Value]) -> Any:
        """Copy graphs whole: what they share, their copies share."""
        return self._copied(originals, copy.deepcopy)

    @rule(target=_VALUES, originals=st.lists(_VALUES, min_size=1, max_size=2))
    def pickle(self, originals: list[Value]) -> Any:
        """Pickle and load graphs: what they share, those that are loaded share."""
        return self._copied(originals, lambda values: pickle.loads(pickle.dumps(values)))

    def _copied(self, originals: list[Value], way: Callable[[list[Value]], list[Value]]) -> Any:
        if len(self.shadows) > _MOST_VALUES:
            return multiple()
        copies = way(originals)
        twins: dict[Shadow, Shadow] = {}
        for original, twin in zip(originals, copies, strict=True):
            self._pair(self.shadows[original], twin, twins)
        return multiple(*copies)

    # --- what holds after every step ---

    @invariant()
    def every_value_is_as_expected(self) -> None:
        """Hold all that can be seen of each Value against its shadow."""
        for value, shadow in self.shadows.items():
            assert value.data == shadow.data, f"data of {value!r}: expected {shadow.data}"
            assert value.grad == shadow.grad, f"grad of {value!r}: expected {shadow.grad}"
            assert value.label == shadow.label, f"label of {value!r}: expected {shadow.label!r}"
            assert (value.op is None) == (not shadow.operands), f"{value!r} is a leaf or is not"
            assert value.local_gradients == shadow.local_gradients, f"local gradients of {value!r}"
            expected = [x.value if isinstance(x, Shadow) else x for x in shadow.operands]
            assert len(value.operands) == len(expected), f"operands of {value!r}"
            for operand, other in zip(value.operands, expected, strict=True):
                assert operand is other or (isinstance(other, int) and operand == other), f"operands of {value!r}"

    # --- the model ---

    def _known(self, shadow: Shadow) -> Value:
        assert shadow.value not in self.shadows, f"{shadow.value!r} was to be new, and is an earlier Value"
        self.shadows[shadow.value] = shadow
        return shadow.value

    def _ancestor(self, x: Value, which: int) -> Value:
        """One of the Values that x was made from, or x."""
        found = list(self.shadows[x].slopes)
        return found[which % len(found)].value

    def _number(self, operand: Value | int) -> int:
        return self.shadows[operand].data if isinstance(operand, Value) else operand

    def _combined(self, operation: Operation, operands: Sequence[Value | int]) -> Any:
        """Make and return a node, unless it has no Value among its operands or its numbers are too large."""
        numbers = [self._number(x) for x in operands]
        data, local_gradients = operation.value(*numbers), operation.derivatives(*numbers)
        slopes: dict[Shadow, int] = {}
        sizes: dict[Shadow, int] = {}
        for operand, local in zip(operands, local_gradients, strict=True):
            if isinstance(operand, Value):
                for shadow, slope in self.shadows[operand].slopes.items():
                    slopes[shadow] = slopes.get(shadow, 0) + local * slope
                    sizes[shadow] = sizes.get(shadow, 0) + abs(local) * self.shadows[operand].sizes[shadow]
        if not slopes or abs(data) > _LARGEST_DATA or max(sizes.values()) > _LARGEST_SLOPE:
            return multiple()
        made_from = tuple([self.shadows[x] if isinstance(x, Value) else x for x in operands])
        value = operation.apply(*operands)
        return self._known(
            Shadow(value, data, operands=made_from, local_gradients=local_gradients, slopes=slopes, sizes=sizes)
        )

    def _pair(self, original: Shadow, copied: Value, twins: dict[Shadow, Shadow]) -> None:
        """Give a copied graph its shadows: that of each original, on shadows of copies. `twins` knows some already."""
        found = []
        stack: list[tuple[Shadow, Value]] = [(original, copied)]
        while stack:
            shadow, value = stack.pop()
            if shadow in twins:
                assert twins[shadow].value is value, f"{value!r} was shared, and is now two"
                continue
            twins[shadow] = Shadow(value, shadow.data, shadow.grad, shadow.label)
            self._known(twins[shadow])
            found.append(shadow)
            assert len(value.operands) == len(shadow.operands), f"operands of {value!r}"
            for below, operand in zip(shadow.operands, value.operands, strict=True):
                if isinstance(below, Shadow):
                    assert isinstance(operand, Value), f"operands of {value!r}"
                    stack.append((below, operand))
        for shadow in found:
            twin = twins[shadow]
            twin.operands = tuple([twins[x] if isinstance(x, Shadow) else x for x in shadow.operands])
            twin.local_gradients = shadow.local_gradients
            twin.slopes = {twins[other]: slope for other, slope in shadow.slopes.items()}
            twin.sizes = {twins[other]: size for other, size in shadow.sizes.items()}
