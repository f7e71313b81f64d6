"""`backward_steps`: a graph differentiated one operation at a time, in the right order or the wrong one.

>>> from autodiff import Value
>>> a, b = Value(2.0, "a"), Value(-3.0, "b")
>>> c = a * b
>>> c.label = "c"
>>> for step in backward_steps(c):
...     print(step)
c = a * b = -6, dc = 1: da += 1 * (-3) = -3, db += 1 * 2 = 2
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Literal, get_args

from autodiff import floats
from autodiff.chain import NOTHING, passed_on, recorded
from autodiff.graph import leaves, topological_order
from autodiff.show.explanations.steps import Steps, check_is_value
from autodiff.show.formulas.formula import operation
from autodiff.show.words.names import names_of
from autodiff.show.words.numbers import shortened
from autodiff.show.words.tables import Row, Table
from autodiff.value import Value

Order = Literal["topological", "depth-first"]

MOST_VISITS = 10_000
_MOST_SHARES = 8  # in one line


@dataclass(frozen=True)
class BackwardStep:
    """A node passing on its gradient to its operands.

    Attributes:
        node: the node, whose gradient is complete.
        upstream: that gradient, d(output)/d(node).
        local_gradients: d(node)/d(operand) for each operand, constants as well.
        contributions: (operand, amount) for each operand that gets a share: upstream * local gradient.
        totals: the sum of the shares that each of these has received by then, this one included.
    """

    node: Value
    upstream: float
    local_gradients: tuple[float, ...]
    contributions: tuple[tuple[Value, float], ...]
    totals: tuple[float, ...]
    _factors: tuple[float, ...]
    _names: Mapping[Value, str]

    def __str__(self) -> str:
        name = self._names[self.node]
        made = f"{name} = {operation(self.node, self._names)} = {shortened(self.node.data)}"
        return f"{made}, d{name} = {shortened(self.upstream)}: {self._shares()}"

    __repr__ = __str__

    def _shares(self) -> str:
        """The sums that the step adds to, as text."""
        if not self.contributions:
            return "passes nothing on"
        upstream = shortened(self.upstream)
        shares = [
            f"d{self._names[operand]} += {upstream} * {_factor(local)} = {shortened(amount)}"
            for (operand, amount), local in zip(self.contributions[:_MOST_SHARES], self._factors, strict=False)
        ]
        more = len(self.contributions) - len(shares)
        return ", ".join(shares) + (f", ... {more:,} more" if more else "")


def _factor(number: float) -> str:
    text = shortened(number)
    return f"({text})" if text.startswith("-") else text


class BackwardSteps(Steps[BackwardStep]):
    """The steps of a backward pass. Made by `backward_steps(y)`.

    Attributes:
        gradients: d(output)/d(leaf) for each leaf, which `backward()` adds to its grad.
        order: "topological", or "depth-first", which is wrong.
        notes: the gradients of leaves in words, or those that are wrong.
    """

    def __init__(
        self, steps: Sequence[BackwardStep], order: Order, gradients: dict[Value, float], notes: Sequence[str]
    ) -> None:
        super().__init__(steps)
        self.order: Order = order
        self.gradients = gradients
        self.notes = notes

    def _row(self, step: BackwardStep) -> Row:
        name = step._names[step.node]
        return f"{name} = {operation(step.node, step._names)}", shortened(step.upstream), step._shares()

    def _table(self) -> Table:
        caption = "Backward" if self.order == "topological" else "Backward, depth first: wrong"
        return Table(caption, ("step", "node", "upstream", "adds"), self._rows(), numbers={0, 2}, notes=self.notes)


def backward_steps(y: Value, gradient: float = 1.0, *, order: Order = "topological") -> BackwardSteps:
    """The steps of `y.backward(gradient)`, one for each node, from y back.

    A step has `.node`, `.upstream`, `.local_gradients`, `.contributions` and `.totals`. The steps are a sequence, on
    which `len`, indices and `reversed` work, and print as a table. No `.grad` is touched.

    In topological order each node's turn comes when everything made from it has passed on its share. `steps.gradients`
    are then, to the last bit, the amounts that `backward()` adds to leaves with a grad of 0.0: an upstream of zero
    contributes nothing, nor does an operand that a primitive such as `max` did not choose.

    Args:
        y: where the pass starts.
        gradient: the gradient it starts with.
        order: "depth-first" shows the mistake that the order is there for. A node then passes on all that it has as
            soon as it is given a share, and again, with all of it, at the next one. The table says which results are
            wrong.

    Raises TypeError if y is not a Value; ValueError for another order, or a graph too large to be walked depth first,
    where nodes are visited once for each path that leads to them.

    >>> a = Value(3.0, "a")
    >>> b = a + a; b.label = "b"
    >>> c = b + b; c.label = "c"
    >>> backward_steps(c)
    Backward
    step  node       upstream  adds
       1  c = b + b         1  db += 1 * 1 = 1, db += 1 * 1 = 1
       2  b = a + a         2  da += 2 * 1 = 2, da += 2 * 1 = 2
    da = 4
    >>> backward_steps(c, order="depth-first")
    Backward, depth first: wrong
    step  node       upstream  adds
       1  c = b + b         1  db += 1 * 1 = 1
       2  b = a + a         1  da += 1 * 1 = 1, da += 1 * 1 = 1
       3  c = b + b         1  db += 1 * 1 = 1
       4  b = a + a         2  da += 2 * 1 = 2, da += 2 * 1 = 2
    da = 6, but in topological order 4
    """
    check_is_value(y, "backward_steps")
    if order not in get_args(Order):
        raise ValueError(f"order is 'topological' or 'depth-first', got {order!r}")
    seed, names = floats.as_float(gradient), names_of(y)
    telling = _Telling(y, seed, names)
    telling.in_topological_order()
    right = telling.gradients()
    if order == "topological":
        return BackwardSteps(telling.steps, order, right, _notes(right, right, names))
    telling = _Telling(y, seed, names)
    telling.depth_first()
    wrong = telling.gradients()
    return BackwardSteps(telling.steps, order, wrong, _notes(wrong, right, names))


class _Telling:
    """A backward pass as it goes on: its steps so far, and the sum of the shares that each Value has received."""

    def __init__(self, y: Value, seed: float, names: Mapping[Value, str]) -> None:
        self.y, self.seed, self.names = y, seed, names
        self.totals = {y: 0.0 + seed}
        self.steps: list[BackwardStep] = []

    def gradients(self) -> dict[Value, float]:
        return {leaf: self.totals.get(leaf, 0.0) for leaf in leaves(self.y)}

    def _step(self, node: Value, upstream: float, shares: Sequence[tuple[Value, float]]) -> None:
        """Give operands their shares: each an operand and its local gradient."""
        contributions, after = [], []
        for operand, local in shares:
            amount = upstream * local
            self.totals[operand] = self.totals.get(operand, 0.0) + amount
            contributions.append((operand, amount))
            after.append(self.totals[operand])
        factors = tuple([local for _, local in shares])
        slopes = tuple(recorded(node))
        self.steps.append(BackwardStep(node, upstream, slopes, tuple(contributions), tuple(after), factors, self.names))

    def in_topological_order(self) -> None:
        """The pass as `backward()` makes it: each node once, with a gradient that is complete."""
        for node in reversed(topological_order(self.y)):
            upstream = self.totals.get(node, NOTHING)
            self._step(node, upstream, [] if upstream is NOTHING else passed_on(node))

    def depth_first(self) -> None:
        """The wrong pass: it goes on to each operand at once, with whatever that has received so far.

        The recursion is written out as a stack: a node, its upstream at this visit, and the shares it still has to
        give.
        """
        if visits_depth_first(self.y) > MOST_VISITS:
            raise ValueError(
                f"depth first, this graph takes more than {MOST_VISITS:,} steps; show the order on a small one"
            )
        stack = [(self.y, self.seed, passed_on(self.y))] if self.y.operands else []
        while stack:
            node, upstream, shares = stack.pop()
            now = next((i for i, (operand, _) in enumerate(shares, 1) if operand.operands), len(shares))
            self._step(node, upstream, shares[:now])
            if shares[now:]:
                stack.append((node, upstream, shares[now:]))
            if now and shares[now - 1][0].operands:
                operand = shares[now - 1][0]
                stack.append((operand, self.totals[operand], passed_on(operand)))


def visits_depth_first(y: Value) -> int:
    """The number of steps of a walk depth first: one for each path from y to a node.

    Beyond MOST_VISITS the number is not exact, but larger.
    """
    paths = {y: 1}
    total = 0
    for node in reversed(topological_order(y)):
        total += paths[node]
        for operand in node.operands:
            if isinstance(operand, Value):
                paths[operand] = min(paths.get(operand, 0) + paths[node], MOST_VISITS + 1)
    return total


def _notes(shown: Mapping[Value, float], right: Mapping[Value, float], names: Mapping[Value, str]) -> list[str]:
    """The gradients of leaves, in one line, or a line for each that is wrong."""
    wrong = [x for x in shown if shown[x] != right[x] and not (isnan(shown[x]) and isnan(right[x]))]
    if wrong:
        return [f"d{names[x]} = {shortened(shown[x])}, but in topological order {shortened(right[x])}" for x in wrong]
    said = [f"d{names[x]} = {shortened(number)}" for x, number in list(shown.items())[:_MOST_SHARES]]
    more = len(shown) - len(said)
    return [", ".join(said) + (f", ... {more:,} more" if more else "")]
