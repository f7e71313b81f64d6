"""`forward_steps` and `backward_steps`: how a graph is computed and differentiated, one operation at a time.

    >>> from autodiff import Value
    >>> a, b = Value(2.0, "a"), Value(-3.0, "b")
    >>> c = a * b
    >>> c.label = "c"
    >>> for step in forward_steps(c):
    ...     print(step)
    c = a * b = 2 * (-3) = -6
    >>> for step in backward_steps(c):
    ...     print(step)
    c = a * b = -6, dc = 1: da += 1 * (-3) = -3, db += 1 * 2 = 2

They are sequences, which `len`, indices and `reversed` work on, and print as tables. No `.grad` is touched.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from reprlib import repr as short
from typing import Any, Generic, Literal, TypeVar, get_args, overload

from autodiff import floats
from autodiff.chain import NOTHING, passed_on, recorded
from autodiff.graph import leaves, topological_order
from autodiff.show.explanations.gradients import MOST_VISITS, visits_depth_first
from autodiff.show.formulas.formula import operation, operation_on_numbers
from autodiff.show.words.names import names_of
from autodiff.show.words.numbers import shortened
from autodiff.show.words.tables import Row, Table, elided
from autodiff.value import Value

Order = Literal["topological", "depth-first"]
_MOST_ROWS = 100
_MOST_SHARES = 8  # in one line


@dataclass(frozen=True)
class ForwardStep:
    """The operation that made a node.

    Attributes:
        node: the result.
        operands: what it was made from, Values and constants.
        data: the number that was made.
    """

    node: Value
    operands: tuple[Value | float, ...]
    data: float
    _names: Mapping[Value, str]

    def __str__(self) -> str:
        name, made, numbers = self._cells()
        return f"{name} = {made} = {numbers} = {shortened(self.data)}"

    def _cells(self) -> tuple[str, str, str]:
        numbers = [x.data if isinstance(x, Value) else x for x in self.operands]
        made = operation(self.node, self._names), operation_on_numbers(self.node, numbers)
        return self._names[self.node], *made

    __repr__ = __str__


@dataclass(frozen=True)
class BackwardStep:
    """A node passing on its gradient to its operands.

    Attributes:
        node: the node, whose gradient is complete.
        upstream: that gradient, d(output)/d(node).
        local_gradients: d(node)/d(operand) for each operand, constants as well.
        contributions: (operand, amount) for each operand that gets a share: upstream * local gradient.
        totals: what each of these has received by then, this share included.
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
        """Return what is added to whom, as text."""
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


Step = TypeVar("Step")


class _Steps(Sequence[Step], Generic[Step]):
    """A sequence of steps, which shows itself as a table."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)

    def __len__(self) -> int:
        return len(self._steps)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Step, ...]: ...
    def __getitem__(self, index: int | slice) -> Step | tuple[Step, ...]:
        return self._steps[index]

    def _table(self) -> Table:
        raise NotImplementedError

    def _shown(self, row: Callable[[Step], Row]) -> list[Row]:
        """Return a row for each step; only for those that are shown, of many."""
        last = max(0, len(self) - _MOST_ROWS)
        rows: list[Row] = []
        for i, step in enumerate(self._steps):
            shown = i < _MOST_ROWS or i >= last
            rows.append((str(i + 1), *row(step)) if shown else ())
        return elided(rows, _MOST_ROWS, "steps", column=1)

    def __str__(self) -> str:
        return self._table().text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self._table().html()


class ForwardSteps(_Steps[ForwardStep]):
    """The steps of the forward pass, in topological order. Made by `forward_steps(y)`."""

    def _table(self) -> Table:
        def row(step: ForwardStep) -> Row:
            return (*step._cells(), shortened(step.data))

        return Table("Forward", ("step", "node", "operation", "in numbers", "data"), self._shown(row), numbers={0, 4})


class BackwardSteps(_Steps[BackwardStep]):
    """The steps of a backward pass. Made by `backward_steps(y)`.

    Attributes:
        gradients: d(output)/d(leaf) for each leaf: what `backward()` adds to its grad.
        order: "topological", or "depth-first", which is wrong.
        notes: the gradients in words; of a wrong order, what is wrong about them.
    """

    def __init__(
        self, steps: Sequence[BackwardStep], order: Order, gradients: dict[Value, float], notes: Sequence[str]
    ) -> None:
        super().__init__(steps)
        self.order: Order = order
        self.gradients = gradients
        self.notes = notes

    def _table(self) -> Table:
        def row(step: BackwardStep) -> Row:
            name = step._names[step.node]
            return f"{name} = {operation(step.node, step._names)}", shortened(step.upstream), step._shares()

        caption = "Backward" if self.order == "topological" else "Backward, depth first: wrong"
        header = ("step", "node", "upstream", "adds")
        return Table(caption, header, self._shown(row), numbers={0, 2}, notes=self.notes)


def forward_steps(y: Value) -> ForwardSteps:
    """Return the operations that `y` was made by, each after those that made its operands: `step.node`,
    `.operands`, `.data`.

    Numbers are those of this moment; nothing is computed again. Raises TypeError if y is no Value.

    >>> x = Value(3.0, "x")
    >>> forward_steps(x * x + 1)
    Forward
    step  node  operation  in numbers  data
       1  v1    x * x      3 * 3          9
       2  y     v1 + 1     9 + 1         10
    """
    _check(y, "forward_steps")
    names = names_of(y)
    return ForwardSteps([ForwardStep(node, node.operands, node.data, names) for node in topological_order(y)])


def backward_steps(y: Value, gradient: float = 1.0, *, order: Order = "topological") -> BackwardSteps:
    """Return what `y.backward(gradient)` does, a step for each node, from y back: `step.node`, `.upstream`,
    `.local_gradients`, `.contributions`.

    In topological order each node's turn comes when everything made from it has passed on its share. `steps.gradients`
    are then, to the last bit, what `backward()` adds to leaves with a grad of 0.0: an upstream of zero contributes
    nothing, nor does an operand that a primitive such as `max` did not choose.

    Args:
        y: where the pass starts; no `.grad` is touched.
        gradient: the gradient it starts with.
        order: "depth-first" shows the mistake that the order is there for. A node then passes on what it has as soon as
            it is given a share, and again, with all of it, at the next one. The table says what comes out wrong.

    Raises TypeError if y is no Value; ValueError for another order, or a graph too large to be walked depth first,
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
    _check(y, "backward_steps")
    if order not in get_args(Order):
        raise ValueError(f"order is 'topological' or 'depth-first', got {order!r}")
    seed = floats.as_float(gradient)
    names = names_of(y)
    steps, totals = _walked(y, seed, names)
    right = {leaf: totals.get(leaf, 0.0) for leaf in leaves(y)}
    if order == "topological":
        return BackwardSteps(steps, order, right, _notes(right, right, names))
    steps, totals = _walked_depth_first(y, seed, names)
    wrong = {leaf: totals.get(leaf, 0.0) for leaf in right}
    return BackwardSteps(steps, order, wrong, _notes(wrong, right, names))


def _check(y: Any, name: str) -> None:
    if not isinstance(y, Value):
        raise TypeError(f"{name} takes a Value, got {type(y).__name__} {short(y)}; call f on Values: {name}(f(x))")


def _walked(y: Value, seed: float, names: Mapping[Value, str]) -> tuple[list[BackwardStep], dict[Value, float]]:
    """Return the steps of the backward pass, and the gradient of each Value that has one: told from aside."""
    totals = {y: 0.0 + seed}
    steps = []
    for node in reversed(topological_order(y)):
        upstream = totals.get(node, NOTHING)
        shares = [] if upstream is NOTHING else passed_on(node)
        steps.append(_step(node, upstream, shares, totals, names))
    return steps, totals


def _step(
    node: Value,
    upstream: float,
    shares: Sequence[tuple[Value, float]],
    totals: dict[Value, float],
    names: Mapping[Value, str],
) -> BackwardStep:
    """Return a step that gives each operand its share, added to the totals."""
    contributions, after = [], []
    for operand, local in shares:
        amount = upstream * local
        totals[operand] = totals.get(operand, 0.0) + amount
        contributions.append((operand, amount))
        after.append(totals[operand])
    factors = tuple([local for _, local in shares])
    return BackwardStep(node, upstream, tuple(recorded(node)), tuple(contributions), tuple(after), factors, names)


# --- depth first: the order that is wrong ---


def _walked_depth_first(
    y: Value, seed: float, names: Mapping[Value, str]
) -> tuple[list[BackwardStep], dict[Value, float]]:
    """Return the steps of a pass that goes on to each operand at once, with whatever that has received so far.

    The recursion is written out as a stack: a node, its upstream at this visit, and the shares it has still to give.
    """
    if visits_depth_first(y) > MOST_VISITS:
        raise ValueError(
            f"depth first, this graph takes more than {MOST_VISITS:,} steps; show the order on a small one"
        )
    totals = {y: 0.0 + seed}
    steps = []
    stack = [(y, seed, passed_on(y))] if y.operands else []
    while stack:
        node, upstream, shares = stack.pop()
        now = next((i for i, (operand, _) in enumerate(shares, 1) if operand.operands), len(shares))
        steps.append(_step(node, upstream, shares[:now], totals, names))
        if shares[now:]:
            stack.append((node, upstream, shares[now:]))
        if now and shares[now - 1][0].operands:
            operand = shares[now - 1][0]
            stack.append((operand, totals[operand], passed_on(operand)))
    return steps, totals


def _notes(shown: Mapping[Value, float], right: Mapping[Value, float], names: Mapping[Value, str]) -> list[str]:
    """Return the gradients of leaves, in a line or one for each that is wrong."""
    wrong = [x for x in shown if shown[x] != right[x] and not (isnan(shown[x]) and isnan(right[x]))]
    if wrong:
        return [f"d{names[x]} = {shortened(shown[x])}, but in topological order {shortened(right[x])}" for x in wrong]
    said = [f"d{names[x]} = {shortened(number)}" for x, number in list(shown.items())[:_MOST_SHARES]]
    more = len(shown) - len(said)
    return [", ".join(said) + (f", ... {more:,} more" if more else "")]
