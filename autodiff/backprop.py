"""The backward pass in place: a reverse sweep that adds the gradients of leaves to their `.grad`.

Passes of several threads take turns. Inside `detect_anomaly()` a pass is made aside first, so that nothing has changed
when it meets a number that is not finite. `fast.py` binds the quick ones at the end of this file, where the native core
has none.

What optimisers do with leaves is here as well, for whole lists: they are read, assigned, and descend.
"""

from _thread import RLock  # threading itself takes half a millisecond to import
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from operator import attrgetter
from typing import Any

from autodiff import chain, floats, modes, native
from autodiff.chain import NOTHING, reached, recorded, reverse
from autodiff.graph import leaves, leaves_below, topological_order
from autodiff.number import as_given, data_of
from autodiff.system.forks import waited_for

__all__ = ["descend", "get_data", "get_grads", "set_data", "set_grads"]  # public; the rest is the engine's own

# One backward pass at a time: `leaf.grad += ...` reads, adds and writes, and two threads could both read first.
one_pass_at_a_time = waited_for(RLock())


def pass_from(root: Any, gradient: float) -> None:
    """Run the backward pass of `Value.backward` from one root."""
    accumulate(sound_order(root), {root: gradient})


def accumulate(order: Sequence[Any], seeds: Mapping[Any, float]) -> None:
    """Run the backward pass of `Value.backward` from several roots, whose gradients start at the seeds.

    `order` is a topological order of the roots. Leaves add up; interior nodes start afresh.
    """
    mode = modes.now()
    if mode is not None and mode.checking:
        check_gradients(order, seeds, _started(order, seeds))
    with one_pass_at_a_time:
        try:
            add_gradients(order, seeds)
        except TypeError:
            for leaf in leaves(*seeds):  # a grad may have been assigned something else than a number
                grad_of(leaf)
            raise


def gradients_at(order: Sequence[Any], seeds: Mapping[Any, float], inputs: Sequence[Any]) -> list[float]:
    """The gradients that such a pass adds to the inputs; no grad changes."""
    mode = modes.now()
    if mode is not None and mode.checking:
        check_gradients(order, seeds, {root: seed or NOTHING for root, seed in seeds.items()})
    return slopes_at(order, seeds, inputs)


def slopes_at(order: Sequence[Any], seeds: Mapping[Any, float], inputs: Sequence[Any]) -> list[float]:
    """The same, unchecked."""
    adjoints = chain.adjoints_at(order, {root: seed for root, seed in seeds.items() if seed}, inputs)
    return [adjoint or 0.0 for adjoint in adjoints]  # no longer NOTHING


def add_gradients(order: Sequence[Any], seeds: Mapping[Any, float]) -> None:
    """Sweep in reverse: the grad of a leaf is where its sum starts; an interior node has its gradient afterwards."""
    adjoints = reverse(order, _started(order, seeds))
    for node in order:
        node.grad = 0.0 + adjoints.get(node, 0.0)
    for leaf in leaves(*seeds):
        leaf.grad = adjoints[leaf]


def _started(order: Sequence[Any], seeds: Mapping[Any, float]) -> dict[Any, float]:
    """The adjoints before the first share: grads of leaves, and the seeds; one of 0 passes nothing on."""
    adjoints = {x: x.grad for node in order for x in node.operands if type(x) is not float and not x.operands}
    for root, seed in seeds.items():
        adjoints[root] = (NOTHING if root.operands else root.grad) + (seed or NOTHING)
    return adjoints


def check_from(root: Any, gradient: float) -> None:
    """Make the pass from one root aside, inside `detect_anomaly()`: see `check_gradients`."""
    mode = modes.now()
    if mode is not None and mode.checking:
        order, seeds = topological_order(root), {root: gradient}
        check_gradients(order, seeds, _started(order, seeds))


def check_gradients(order: Sequence[Any], seeds: Mapping[Any, float], started: Mapping[Any, float]) -> None:
    """Make the pass aside from the graph; raise FloatingPointError at the first gradient that is not finite.

    `started` has the adjoints before the first share.
    """
    for seed in seeds.values():
        if seed - seed != 0.0:
            raise FloatingPointError(f"the gradient that the backward pass starts from is {seed}")
    gradients = reverse(order, started).values()
    if not all(map(isfinite, gradients)):  # once more, to tell which: no sum of shares becomes finite again
        reverse(order, started, seen=_check_share)


def _check_share(node: Any, operand: Any, local: float, adjoints: dict[Any, float]) -> None:
    gradient = adjoints[operand]
    if gradient - gradient != 0.0:
        raise FloatingPointError(
            f"the gradient of {operand!r} became {gradient} in the backward pass through {node.op.name}: "
            f"upstream {0.0 + adjoints[node]} times local gradient {local}\n"
            f"  {modes.described(node.op, node.data, node.operands)}\n"
            f"  at {node.source or 'an unknown line; run the forward pass inside detect_anomaly(), too'}"
        )


# --- what users assigned to .grad ---


def sound_order(root: Any) -> list[Any]:
    """`topological_order(root)`, having made the grads of the leaves floats, all of them or none.

    Raises TypeError, naming a leaf whose grad is not a number.
    """
    with one_pass_at_a_time:
        mend_grads(leaves(root))
    return topological_order(root)


def grad_of(x: Any) -> float:
    """`x.grad` as a float, 0.0 for None. Raises TypeError, naming x, if what was assigned to it is not a number."""
    grad = x.grad
    if type(grad) is float:
        return grad
    return 0.0 if grad is None else as_given(x, "grad", grad)


def mend_grads(values: Iterable[Any]) -> None:
    """See to it that floats can be added to every grad: else make all of them floats or, with an error, none.

    Sound ones take no time to speak of. Raises TypeError, as `grad_of`.

    >>> from autodiff import Value
    >>> x, y = Value(1.0), Value(1.0)
    >>> x.grad, y.grad = None, 1
    >>> mend_grads([x, y])
    >>> x.grad, y.grad
    (0.0, 1.0)
    """
    values = list(values)
    try:
        total = sum([x.grad for x in values], 0.0)
    except Exception:  # it may be anything, and raise anything
        total = None
    if type(total) is not float:
        grads = [grad_of(x) for x in values]
        for x, grad in zip(values, grads, strict=True):
            x.grad = grad


# --- lists of Values, as optimisers have them ---


def get_data(values: Iterable[Any]) -> list[float]:
    """The data of each Value.

    Raises TypeError, naming a Value, if what was assigned to it is not a number.

    >>> from autodiff import Value
    >>> get_data([Value(3.0), Value(4.0)])
    [3.0, 4.0]
    """
    return numbers_of(_listed(values), "data")


def get_grads(values: Iterable[Any]) -> list[float]:
    """The grad of each Value; 0.0 for None. Raises TypeError as `get_data`.

    >>> from autodiff import Value
    >>> x, y = Value(3.0), Value(4.0)
    >>> (x * y).backward()
    >>> get_grads([x, y])
    [4.0, 3.0]
    """
    return numbers_of(_listed(values), "grad")


def set_data(values: Iterable[Any], numbers: float | Iterable[float]) -> None:
    """Assign one number to the data of each Value, or a number to that of each.

    Raises TypeError for what is not a number, ValueError for more or fewer numbers than Values, before anything has
    changed.

    >>> from autodiff import Value
    >>> x, y = Value(3.0), Value(4.0)
    >>> set_data([x, y], [1.0, 2.0])
    >>> x.data, y.data
    (1.0, 2.0)
    """
    values = _listed(values)
    assign_numbers(values, "data", _for_each(values, numbers))


def set_grads(values: Iterable[Any], numbers: float | Iterable[float]) -> None:
    """Assign one number to the grad of each Value, or a number to that of each. Raises as `set_data`.

    >>> from autodiff import Value
    >>> x = Value(3.0)
    >>> (x * x).backward()
    >>> set_grads([x], 0.0)
    >>> x.grad
    0.0
    """
    values = _listed(values)
    assign_numbers(values, "grad", _for_each(values, numbers))


def descend(values: Iterable[Any], rates: float | Iterable[float]) -> None:
    """Move each Value against its gradient, `x.data -= rate * x.grad`, at one rate or a rate for each.

    Raises TypeError and ValueError as `get_data` and `set_data`, before anything has changed.

    >>> from autodiff import Value
    >>> x, y = Value(3.0), Value(4.0)
    >>> (x * x + y * y).backward()
    >>> descend([x, y], 0.25)
    >>> x.data, y.data
    (1.5, 2.0)
    """
    values = _listed(values)
    descend_by(values, _for_each(values, rates))


def _listed(things: Iterable[Any]) -> list[Any]:
    return things if isinstance(things, list) else list(things)


def _for_each(values: list[Any], numbers: float | Iterable[float]) -> list[float]:
    return _listed(numbers) if isinstance(numbers, Iterable) else [floats.as_float(numbers)] * len(values)


def numbers_of(values: Sequence[Any], name: modes.Change) -> list[float]:
    """The data of each Value, or the grad."""
    numbers = list(map(attrgetter(name), values))
    return numbers if _are_floats(numbers) else [(data_of if name == "data" else grad_of)(x) for x in values]


def assign_numbers(values: Sequence[Any], name: modes.Change, numbers: Sequence[float]) -> None:
    """Assign a number to the data of each Value, or to the grad."""
    pairs = zip(values, _floats(numbers, len(values)), strict=True)
    if name == "data":
        for x, number in pairs:
            x.data = number
    else:
        for x, number in pairs:
            x.grad = number


def descend_by(values: Sequence[Any], rates: Sequence[float]) -> None:
    """Move each Value against its gradient, at a rate for each."""
    try:
        moved = [x.data - rate * x.grad for x, rate in zip(values, rates, strict=True)]
        total = sum(moved, 0.0)
    except Exception:  # as above
        total = None
    if type(total) is not float:
        rates = _floats(rates, len(values))
        steps = zip(numbers_of(values, "data"), rates, numbers_of(values, "grad"), strict=True)
        moved = [x - rate * slope for x, rate, slope in steps]
    for x, data in zip(values, moved, strict=True):
        x.data = data


def _floats(numbers: Sequence[Any], count: int) -> Sequence[float]:
    """The numbers as floats. Raises TypeError for what is not a number, ValueError if there are more or fewer."""
    if len(numbers) != count:
        raise ValueError(f"expected a number for each of {count} Values, got {len(numbers)}")
    return numbers if _are_floats(numbers) else [floats.as_float(number) for number in numbers]


def _are_floats(numbers: Sequence[Any]) -> bool:
    return set(map(type, numbers)) <= {float}


# --- the same, written out for speed, in Python; `fast.py` binds them where the native core has none ---

# The grad of a node that has no share yet: this object, which no arithmetic gives; the core keeps its number alone. As
# -0.0 it changes no sum, so that a share of -0.0 passes its sign on; a grad is 0.0 in the end.
_UNTOUCHED = float("-0")
_IS_TOLD_FROM_ZERO = native.core is None


def quick_add_gradients(order: Sequence[Any], seeds: Mapping[Any, float]) -> None:
    """Give each operand its share of the gradient of each node, from the last node to the first.

    What was not taken has the local gradient NOTHING, which leaves a grad the object that it was. The constant zeros of
    a dot count as numbers, which give the same sums, until 0 * inf or 0 * nan comes up.
    """
    untouched, nothing = _UNTOUCHED, NOTHING
    for node in order:
        node.grad = untouched
    for root, seed in seeds.items():
        root.grad += seed or nothing
    taken: set[Any] | None = None
    for node in reversed(order):
        upstream = node.grad
        if not upstream:
            node.grad = 0.0
            if upstream is untouched:  # nothing was passed on to it: not the same as a sum of 0
                continue
            if taken is None and not (_IS_TOLD_FROM_ZERO and all(map(isfinite, node.local_gradients))):
                taken = reached(order, [root for root, seed in seeds.items() if seed])
            if taken is not None and node not in taken:
                continue
        operands = node.operands
        if len(operands) == 2:  # nearly every node; half the time of the loop below
            left, right = operands
            left_local, right_local = node.local_gradients
            if type(left) is not float:
                left.grad += upstream * left_local
            if type(right) is not float:
                right.grad += upstream * right_local
        else:
            locals = node.local_gradients if upstream - upstream == 0.0 else recorded(node)
            for operand, local in zip(operands, locals, strict=True):
                if type(operand) is not float and local is not nothing:
                    operand.grad += upstream * local


def quick_slopes_at(order: Sequence[Any], seeds: Mapping[Any, float], inputs: Sequence[Any]) -> list[float]:
    """The pass itself, and all grads put back as they were: in half the time of a sweep aside."""
    nodes = [*order, *leaves_below(order), *seeds, *inputs]
    with one_pass_at_a_time:
        before = [x.grad for x in nodes]
        try:
            for x in nodes:
                x.grad = 0.0
            add_gradients(order, seeds)
            return [x.grad for x in inputs]
        finally:
            for x, grad in zip(nodes, before, strict=True):
                x.grad = grad


def quick_sound_order(root: Any) -> list[Any]:
    """The topological order of the root, on leaves whose grads are floats.

    Adding them up on the way tells whether each is a number that can be added to, in the time of an addition: 2 % of a
    pass, where a walk of its own takes 30 %.
    """
    order: list[Any] = []
    entered: set[Any] = set()
    total: Any = 0.0 if root.operands else root.grad
    stack: list[Any] = [root] if root.operands else []
    place, enter, push, pop = order.append, entered.add, stack.append, stack.pop
    try:
        while stack:
            node = pop()
            if node is None:
                place(pop())
            elif node not in entered:
                enter(node)
                push(node)
                push(None)
                for operand in node.operands[::-1]:
                    if type(operand) is float:
                        continue
                    if operand.operands:
                        push(operand)
                    else:
                        total += operand.grad
    except Exception:  # an array, say, may raise anything
        total = None
    if type(total) is float:
        return order
    with one_pass_at_a_time:
        mend_grads(leaves(root))
    return topological_order(root)
