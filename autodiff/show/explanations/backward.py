"""`backward_steps`: a graph differentiated one operation at a time, in the right order or the wrong one.

>>> from autodiff import Value
>>> a, b = Value(2.0, "a"), Value(-3.0, "b")
>>> c = a * b
>>> c.label = "c"
>>> for step in backward_steps(c):
...     print(step)
c = a * b = -6, dc/dc = 1: dc/da += 1 * (-3) = -3, dc/db += 1 * 2 = 2
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Literal, NamedTuple

from autodiff import floats
from autodiff.chain import NOTHING, recorded
from autodiff.graph import leaves, topological_order
from autodiff.show.explanations.sentences import Share, nudges, sentence
from autodiff.show.explanations.steps import Steps, check_is_value
from autodiff.show.explanations.symbols import total
from autodiff.show.formulas.formula import operation
from autodiff.show.words.choices import check_choice
from autodiff.show.words.names import names_of
from autodiff.show.words.numbers import shortened
from autodiff.show.words.tables import Row, Table
from autodiff.value import Value

Order = Literal["topological", "depth-first"]

MOST_VISITS = 10_000
_MOST_SHARES = 8  # in one line
_MOST_REASONS = 3  # in one sentence


class Speech(NamedTuple):
    """How the steps of a pass speak of it.

    Attributes:
        names: of all Values.
        output: the name of what the gradients are derivatives of: of y; or L, of which y's given gradient is one.
        given: the first gradient, where it is one of L; else empty.
    """

    names: Mapping[Value, str]
    output: str
    given: str = ""

    @classmethod
    def of(cls, y: Value, seed: float) -> "Speech":
        """The names in the graph of y, and one for what is differentiated."""
        names = names_of(y)
        if seed == 1.0:
            return cls(names, names[y])
        taken = set(names.values())
        output = next(name for name in ("L", "J", "E", *[f"L{i}" for i in range(len(taken))]) if name not in taken)
        given = f"{total(output, names[y])} = {shortened(seed)}"
        return cls(names, output, f"{output} is what {names[y]} is used for: {given} is given")

    def total(self, value: Value) -> str:
        """The derivative of the output with respect to a Value: dy/dx."""
        return total(self.output, self.names[value])


@dataclass(frozen=True)
class BackwardStep:
    """A node passing on its gradient to its operands.

    Attributes:
        node: the node, whose gradient is complete.
        upstream: that gradient, d(output)/d(node).
        local_gradients: d(node)/d(operand) for each operand, constants as well.
        contributions: (operand, amount) for each operand that gets a share: upstream * local gradient.
        totals: the sum of the shares that each of these has received by then, this one included.
        places: the place of each of these among the operands.
    """

    node: Value
    upstream: float
    local_gradients: tuple[float, ...]
    contributions: tuple[tuple[Value, float], ...]
    totals: tuple[float, ...]
    places: tuple[int, ...]
    _speech: Speech

    def __str__(self) -> str:
        made = f"{self._made()} = {shortened(self.node.data)}"
        return f"{made}, {self._speech.total(self.node)} = {shortened(self.upstream)}: {self._shares()}"

    __repr__ = __str__

    @property
    def words(self) -> str:
        """The step in plain words: why each local gradient is what it is, and how far a nudge of the operand goes."""
        node, names, output = self.node, self._speech.names, self._speech.output
        if self.upstream is NOTHING:
            return f"A nudge of {names[node]} does not move {output}, so nothing is passed on."
        further = names[node] != output  # y itself moves no further than it is moved
        shares: list[Share] = [
            (place, (output, amount) if further else None)
            for place, (_, amount) in zip(self.places[:_MOST_REASONS], self.contributions, strict=False)
        ]
        if not shares:
            taken = [i for i, operand in enumerate(node.operands) if isinstance(operand, Value)]
            shares = [(place, None) for place in taken[:_MOST_REASONS]]
        more = len(self.places) - len(shares)
        return sentence(nudges(node, shares, names) + [f"and so on for {more:,} more"] * (more > 0))

    def _made(self) -> str:
        return f"{self._speech.names[self.node]} = {operation(self.node, self._speech.names)}"

    def _shares(self) -> str:
        """The sums that the step adds to, as text."""
        if not self.contributions:
            return "passes nothing on"
        upstream, total, slopes = shortened(self.upstream), self._speech.total, self.local_gradients
        shares = [
            f"{total(operand)} += {upstream} * {factor(slopes[place])} = {shortened(amount)}"
            for place, (operand, amount) in zip(self.places[:_MOST_SHARES], self.contributions, strict=False)
        ]
        more = len(self.contributions) - len(shares)
        return ", ".join(shares) + (f", ... {more:,} more" if more else "")


def factor(number: float) -> str:
    """A number as the second factor of a product."""
    text = shortened(number)
    return f"({text})" if text.startswith("-") else text


class BackwardSteps(Steps[BackwardStep]):
    """The steps of a backward pass. Made by `backward_steps(y)`.

    Attributes:
        gradients: d(output)/d(leaf) for each leaf, which `backward()` adds to its grad.
        order: "topological", or "depth-first", which is wrong.
        notes: the gradients of leaves in words, or those that are wrong.
        start: the gradient that the pass starts with, in words.
    """

    def __init__(self, pass_: "_Pass", order: Order, notes: Sequence[str], words: bool) -> None:
        super().__init__(pass_.steps, words)
        self.order: Order = order
        self.gradients = pass_.gradients()
        self.notes = notes
        self.start = f"{pass_.speech.total(pass_.y)} = {shortened(pass_.seed)}"
        self._given = pass_.speech.given

    def _row(self, step: BackwardStep) -> Row:
        return step._made(), shortened(step.upstream), step._shares()

    def _table(self) -> Table:
        caption = "Backward" if self.order == "topological" else "Backward, depth first: wrong"
        notes = [*self.notes, *[self._given] * bool(self._given), *self._sentences()]
        return Table(caption, ("step", "node", "upstream", "adds"), self._rows(), numbers={0, 2}, notes=notes)


def backward_steps(
    y: Value, gradient: float = 1.0, *, order: Order = "topological", words: bool = False
) -> BackwardSteps:
    """The steps of `y.backward(gradient)`, one for each node, from y back.

    A step has `.node`, `.upstream`, `.local_gradients`, `.contributions` and `.totals`, and `.words` to say it plainly.
    The steps are a sequence, on which `len`, indices and `reversed` work, and print as a table. In it dy/dx is the
    derivative by all paths, to which the shares add up. No `.grad` is touched.

    In topological order each node's turn comes when everything made from it has passed on its share. `steps.gradients`
    are then, to the last bit, the amounts that `backward()` adds to leaves with a grad of 0.0: an upstream of zero
    contributes nothing, nor does an operand that a primitive such as `max` did not choose.

    Args:
        y: where the pass starts.
        gradient: the gradient it starts with: dL/dy of an L that y is used for, unless it is 1.
        words: whether the table is followed by a sentence for each step.
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
       1  c = b + b         1  dc/db += 1 * 1 = 1, dc/db += 1 * 1 = 1
       2  b = a + a         2  dc/da += 2 * 1 = 2, dc/da += 2 * 1 = 2
    dc/da = 4
    >>> backward_steps(c, order="depth-first")
    Backward, depth first: wrong
    step  node       upstream  adds
       1  c = b + b         1  dc/db += 1 * 1 = 1
       2  b = a + a         1  dc/da += 1 * 1 = 1, dc/da += 1 * 1 = 1
       3  c = b + b         1  dc/db += 1 * 1 = 1
       4  b = a + a         2  dc/da += 2 * 1 = 2, dc/da += 2 * 1 = 2
    dc/da = 6, but in topological order 4
    >>> print(backward_steps(b)[0].words)
    A nudge of a in one of its 2 places moves b just as far.
    """
    check_is_value(y, "backward_steps")
    check_choice("order", order, Order)
    seed = floats.as_float(gradient)
    right = _Pass(y, seed)
    right.in_topological_order()
    if order == "topological":
        return BackwardSteps(right, order, _notes(right, right), words)
    wrong = _Pass(y, seed)
    wrong.depth_first()
    return BackwardSteps(wrong, order, _notes(wrong, right), words)


class _Share(NamedTuple):
    """An operand that a node passes on to, its place, and the local gradient."""

    place: int
    operand: Value
    local: float


def _shares(node: Value) -> list[_Share]:
    """The shares that a node gives, as `chain.passed_on`, with their places."""
    edges = enumerate(zip(node.operands, recorded(node), strict=True))
    return [_Share(i, x, local) for i, (x, local) in edges if isinstance(x, Value) and local is not NOTHING]


class _Pass:
    """A backward pass as it goes on: its steps so far, and the sum of the shares that each Value has received."""

    def __init__(self, y: Value, seed: float) -> None:
        self.y, self.seed, self.speech = y, seed, Speech.of(y, seed)
        self.totals = {y: 0.0 + seed}
        self.steps: list[BackwardStep] = []

    def gradients(self) -> dict[Value, float]:
        return {leaf: self.totals.get(leaf, 0.0) for leaf in leaves(self.y)}

    def _step(self, node: Value, upstream: float, shares: Sequence[_Share]) -> None:
        """Give operands their shares."""
        contributions, after = [], []
        for _, operand, local in shares:
            amount = upstream * local
            self.totals[operand] = self.totals.get(operand, 0.0) + amount
            contributions.append((operand, amount))
            after.append(self.totals[operand])
        places = tuple([share.place for share in shares])
        slopes = tuple(recorded(node))
        self.steps.append(BackwardStep(node, upstream, slopes, tuple(contributions), tuple(after), places, self.speech))

    def in_topological_order(self) -> None:
        """The pass as `backward()` makes it: each node once, with a gradient that is complete."""
        for node in reversed(topological_order(self.y)):
            upstream = self.totals.get(node, NOTHING)
            self._step(node, upstream, [] if upstream is NOTHING else _shares(node))

    def depth_first(self) -> None:
        """The wrong pass: it goes on to each operand at once, with whatever that has received so far.

        The recursion is written out as a stack: a node, its upstream at this visit, and the shares it still has to
        give.
        """
        if visits_depth_first(self.y) > MOST_VISITS:
            raise ValueError(
                f"depth first, this graph takes more than {MOST_VISITS:,} steps; show the order on a small one"
            )
        stack = [(self.y, self.seed, _shares(self.y))] if self.y.operands else []
        while stack:
            node, upstream, shares = stack.pop()
            now = next((i for i, share in enumerate(shares, 1) if share.operand.operands), len(shares))
            self._step(node, upstream, shares[:now])
            if shares[now:]:
                stack.append((node, upstream, shares[now:]))
            if now and shares[now - 1].operand.operands:
                operand = shares[now - 1].operand
                stack.append((operand, self.totals[operand], _shares(operand)))


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


def _notes(shown: _Pass, right: _Pass) -> list[str]:
    """The gradients of leaves, in one line, or a line for each that is wrong."""
    found, correct, total = shown.gradients(), right.gradients(), shown.speech.total
    wrong = [x for x in found if found[x] != correct[x] and not (isnan(found[x]) and isnan(correct[x]))]
    if wrong:
        return [f"{total(x)} = {shortened(found[x])}, but in topological order {shortened(correct[x])}" for x in wrong]
    said = [f"{total(x)} = {shortened(number)}" for x, number in list(found.items())[:_MOST_SHARES]]
    more = len(found) - len(said)
    return [", ".join(said) + (f", ... {more:,} more" if more else "")]
