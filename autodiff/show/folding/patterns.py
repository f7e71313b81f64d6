"""Patterns: repeated structure, found in the graph itself. Which nodes are alike, and which of them belong together.

Two nodes are of one class if the expressions that they end are the same but for the numbers: a structural hash, taken
from the leaves up. The 32 neurons of a layer are 32 sums of products, 32 additions and 32 activations: three classes.
Classes that feed only one another, member by member, are joined to one pattern, which repeats 32 times. So are runs of
the same operation, such as the additions of a loop; and, when that is not few enough, classes that are used only once,
from the leaves up, and at last whole bands of the graph by height.

Joining is safe: a class goes only into the one class that uses it, which makes no cycle; and bands ascend.

    >>> from autodiff import Value
    >>> from autodiff.show.folding.wiring import wiring_of
    >>> ws = [Value(float(i)) for i in range(5)]
    >>> joined = patterns_of(wiring_of([sum((w * 2.0).tanh() for w in ws)]), [None] * 20, budget=50)
    >>> joined[2] == joined[5] != joined[3]  # tanh and tanh, but no leaf
    True
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

from autodiff.show.folding.wiring import CONSTANT, Wiring

BANDS = 24
LEAF, NOBODY, MANY = 0, -1, -2


class Classes:
    """The classes of a graph, in topological order; the leaves are class 0.

    Attributes:
        of: the class of each node.
        sizes: the number of nodes in each class.
        heights: the number of steps from the farthest leaf to it.
        user: the one class that uses it, NOBODY or MANY.
        opened: whether it may be joined to another, being neither the leaves nor folded already.
        shapes: its operation and the classes of its operands; or the group that it was folded into.
        mixed: whether one of its users takes several of it, as a neuron takes all of the layer before.
    """

    def __init__(self, wiring: Wiring, folded: Sequence[Hashable | None]) -> None:
        known: dict[Hashable, int] = {("leaf", None): LEAF}
        self.of: list[int] = []
        self.heights = [0]
        self.shapes: list[tuple[Any, Any]] = [("leaf", None)]
        of, operation = self.of, [node.op for node in wiring.nodes]
        for i, operands in enumerate(wiring.operands):
            if folded[i] is None and not operands:
                of.append(LEAF)
                continue
            below = tuple([CONSTANT if j == CONSTANT else of[j] for j in operands])
            key: tuple[Any, Any] = (operation[i], below) if folded[i] is None else ("folded", folded[i])
            found = known.setdefault(key, len(self.heights))
            if found == len(self.heights):
                self.heights.append(1 + max([self.heights[j] for j in below if j != CONSTANT], default=0))
                self.shapes.append(key)
            of.append(found)
        counts = Counter(of)
        self.sizes = [counts[one] for one in range(len(self.heights))]
        self.opened = [shape[0] not in ("leaf", "folded") for shape in self.shapes]
        user = self.user = [NOBODY] * len(self.heights)
        mixed = self.mixed = [False] * len(self.heights)
        for other, operands in zip(of, wiring.operands, strict=True):
            first: dict[int, int] = {}
            for j in operands:
                if j != CONSTANT and user[of[j]] != other != of[j]:
                    user[of[j]] = other if user[of[j]] == NOBODY else MANY
                if j != CONSTANT and first.setdefault(of[j], j) != j:
                    mixed[of[j]] = True


def patterns_of(wiring: Wiring, folded: Sequence[Hashable | None], budget: int) -> list[int | None]:
    """The pattern that each node belongs to, as a number; None for leaves and for nodes that were folded before.

    Args:
        wiring: the graph.
        folded: the group that each node was folded into already, None if it was not.
        budget: how many patterns there may be; repeated ones and runs are joined even if there are fewer.
    """
    classes = Classes(wiring, folded)
    parent = list(range(len(classes.heights)))
    fixed = {classes.of[i] for i in wiring.roots}
    number = sum(classes.opened)
    for one, user in enumerate(classes.user):
        if user >= 0 and one not in fixed and _alike(classes, one, user):
            parent[one] = user
            number -= 1
    for one, user in enumerate(classes.user):
        if number <= budget:
            break
        joinable = user >= 0 and one not in fixed and classes.opened[one] and classes.opened[user]
        if joinable and parent[one] == one and user not in fixed and classes.sizes[one] == classes.sizes[user]:
            parent[one] = user
            number -= 1
    for one in range(len(parent) - 1, 0, -1):  # a user comes after what it uses: its own pattern is settled by then
        parent[one] = parent[parent[one]]
    if number > budget:
        parent = _bands(classes, parent, fixed)
    return [parent[one] if classes.opened[one] else None for one in classes.of]


def _alike(classes: Classes, one: int, user: int) -> bool:
    """Whether two classes make one pattern: repeated equally often, or two steps of a run."""
    if not (classes.opened[one] and classes.opened[user]) or classes.sizes[one] != classes.sizes[user]:
        return False
    if classes.sizes[one] > 1:
        return not classes.mixed[one]
    return classes.shapes[one][0] is classes.shapes[user][0] and _step(classes, one) == _step(classes, user)


def _step(classes: Classes, one: int) -> list[Any]:
    """How each operand comes into a step of a run: alike in all of its steps."""
    below = classes.shapes[one][1]
    alone = [j > LEAF and classes.sizes[j] == 1 and classes.opened[j] for j in below]
    return ["one" if single else j for j, single in zip(below, alone, strict=True)]


def _bands(classes: Classes, parent: list[int], fixed: set[int]) -> list[int]:
    """The classes joined by height to few bands, each of about as many patterns; the roots stand for themselves."""
    patterns = sorted(
        {one for one in parent if classes.opened[one] and one not in fixed}, key=lambda one: classes.heights[one]
    )
    band_of: dict[int, int] = {}
    band, filled, height = -1, BANDS * len(patterns), -1  # the first pattern opens the first band
    for one in patterns:
        if filled * BANDS >= len(patterns) and classes.heights[one] > height:
            band, filled = one, 0
        band_of[one], height = band, classes.heights[one]
        filled += 1
    return [band_of.get(one, one) for one in parent]


def copies_of(wiring: Wiring, patterns: Sequence[int | None]) -> list[int | None]:
    """The one copy of its pattern that each node belongs to, as the number of the node that ends it."""
    copy: list[int | None] = [None if pattern is None else i for i, pattern in enumerate(patterns)]
    for result in range(len(patterns) - 1, -1, -1):
        for operand in wiring.operands[result]:
            if operand != CONSTANT and patterns[operand] is not None and patterns[operand] == patterns[result]:
                copy[operand] = copy[result]
    return copy


def period(names: Sequence[str]) -> int:
    """The length of the shortest beginning that the whole sequence repeats, by Knuth, Morris and Pratt.

    >>> period(["mul", "add", "mul", "add"]), period(["mul", "add", "sin"])
    (2, 3)
    """
    border = [0] * len(names)
    length = 0
    for i in range(1, len(names)):
        while length and names[i] != names[length]:
            length = border[length - 1]
        length += names[i] == names[length]
        border[i] = length
    return len(names) - border[-1] if names else 0
