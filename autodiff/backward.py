"""The backward pass in place: a reverse sweep that adds the gradients of leaves to their `.grad`.

Passes of several threads take turns. Inside `detect_anomaly()` a pass is made aside first, so that nothing has changed
when it meets a number that is not finite.
"""

import threading
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from autodiff import modes
from autodiff.assigned import grad_of, mend_grads
from autodiff.chain import NOTHING, reached, recorded, reverse
from autodiff.graph import leaves, topological_order
from autodiff.system.forks import waited_for

# One backward pass at a time: `leaf.grad += ...` reads, adds and writes, and two threads could both read first.
one_pass_at_a_time = waited_for(threading.RLock())
_UNTOUCHED = float("0")  # the grad of a node that has no share yet: this object, which no arithmetic gives


def accumulate(order: Sequence[Any], seeds: Mapping[Any, float]) -> None:
    """Run the backward pass of `Value.backward` from several roots, whose gradients start at the seeds.

    `order` is a topological order of the roots. Leaves add up; interior nodes start afresh.
    """
    mode = modes.now()
    if mode is not None and mode.checking:
        check_gradients(order, seeds)
    with one_pass_at_a_time:
        try:
            add_gradients(order, seeds)
        except TypeError:
            for leaf in leaves(*seeds):  # a grad may have been assigned something else than a number
                grad_of(leaf)
            raise


def add_gradients_plainly(order: Sequence[Any], seeds: Mapping[Any, float]) -> None:
    """What `add_gradients` does, as the chain rule has it: the grad of a leaf is where its sum starts."""
    adjoints = reverse(order, _started(seeds))
    for node in order:
        node.grad = 0.0 + adjoints.get(node, 0.0)
    for leaf in leaves(*seeds):
        leaf.grad = adjoints[leaf]


def _started(seeds: Mapping[Any, float]) -> dict[Any, float]:
    """The adjoints before the first share: grads of leaves, and the seeds; one of 0 passes nothing on."""
    adjoints = {leaf: leaf.grad for leaf in leaves(*seeds)}
    for root, seed in seeds.items():
        adjoints[root] = adjoints[root] + (seed or NOTHING) if root in adjoints else seed or NOTHING
    return adjoints


def add_gradients(order: Sequence[Any], seeds: Mapping[Any, float]) -> None:
    """Give each operand its share of the gradient of each node, from the last node to the first.

    Written out for speed: `add_gradients_plainly` says what it means. What was not taken has the local gradient
    NOTHING, which leaves a grad the object that it was. The constant zeros of a dot count as numbers, which give the
    same sums, until 0 * inf or 0 * nan comes up.
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
            if upstream is untouched:  # nothing was passed on to it: not the same as a sum of 0
                continue
            if taken is None and not all(map(isfinite, node.local_gradients)):
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


def check_gradients(order: Sequence[Any], seeds: Mapping[Any, float]) -> None:
    """Make the pass aside from the graph; raise FloatingPointError at the first gradient that is not finite."""
    for seed in seeds.values():
        if seed - seed != 0.0:
            raise FloatingPointError(f"the gradient that the backward pass starts from is {seed}")
    reverse(order, _started(seeds), seen=_check_share)


def _check_share(node: Any, operand: Any, local: float, adjoints: dict[Any, float]) -> None:
    gradient = adjoints[operand]
    if gradient - gradient != 0.0:
        raise FloatingPointError(
            f"the gradient of {operand!r} became {gradient} in the backward pass through {node.op.name}: "
            f"upstream {0.0 + adjoints[node]} times local gradient {local}\n"
            f"  {modes.made_from(node.op, node.data, node.operands)}\n"
            f"  at {node.source or 'an unknown line; run the forward pass inside detect_anomaly(), too'}"
        )


def order_on_sound_leaves(root: Any) -> list[Any]:
    """`topological_order(root)`, having made the grads of the leaves floats, all of them or none.

    Adding them up tells whether each is a number that can be added to, in the time of an addition: 2 % of a pass, where
    a walk of its own takes 30 %. Raises TypeError, naming a leaf whose grad is no number.
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
                    if operand.op is not None:
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
