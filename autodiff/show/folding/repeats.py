"""Repeated structure, found in the graph itself: which nodes are alike, and which of them belong together.

Two nodes are of one class if the expressions that they end are the same but for the numbers: a structural hash, taken
from the leaves up. The 32 neurons of a layer are 32 sums of products, 32 additions and 32 activations: three classes.
Classes that feed only one another, member by member, are joined to one part, which repeats 32 times. So are runs of
the same operation, such as the additions of a loop; and, when that is not few enough, whatever is used only once, from
the leaves up, and at last whole bands of the graph by height.

Joining is safe: a class goes only into the one class that uses it, which makes no cycle; and bands ascend.

    >>> from autodiff import Value
    >>> from autodiff.show.folding.wiring import wiring_of
    >>> ws = [Value(float(i)) for i in range(5)]
    >>> joined = parts_by_structure(wiring_of([sum((w * 2.0).tanh() for w in ws)]), [None] * 20, budget=50)
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
    """The classes of a graph, in topological order: class 0 are the leaves.

    Attributes:
        of: the class of each node.
        sizes: how many nodes are of each class.
        heights: the longest way from a leaf to it.
        user: the one class that uses it, NOBODY or MANY.
        opened: whether it may be joined to another: it is neither the leaves nor folded already.
        shapes: what distinguishes a class; for what was folded before, its group.
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
        for other, operands in zip(of, wiring.operands, strict=True):
            for j in operands:
                if j != CONSTANT and user[of[j]] != other != of[j]:
                    user[of[j]] = other if user[of[j]] == NOBODY else MANY


def parts_by_structure(wiring: Wiring, folded: Sequence[Hashable | None], budget: int) -> list[int | None]:
    """Return the part that each node belongs to, as a number, None for leaves and for what was folded before.

    Args:
        wiring: the graph.
        folded: what each node was folded into already, None if it was not.
        budget: how many parts there may be; repeated parts and runs are joined even if there are fewer.
    """
    classes = Classes(wiring, folded)
    parent = list(range(len(classes.heights)))
    fixed = {classes.of[i] for i in wiring.roots}
    parts = sum(classes.opened)
    for one, user in enumerate(classes.user):
        if user >= 0 and one not in fixed and _alike(classes, one, user):
            parent[one] = user
            parts -= 1
    for one, user in enumerate(classes.user):
        if parts <= budget:
            break
        joinable = user >= 0 and one not in fixed and classes.opened[one] and classes.opened[user]
        if joinable and parent[one] == one and user not in fixed and classes.sizes[one] == classes.sizes[user]:
            parent[one] = user
            parts -= 1
    for one in range(len(parent) - 1, 0, -1):  # a user comes after what it uses: its own part is settled by then
        parent[one] = parent[parent[one]]
    if parts > budget:
        parent = _bands(classes, parent, fixed)
    return [parent[one] if classes.opened[one] else None for one in classes.of]


def _alike(classes: Classes, one: int, user: int) -> bool:
    """Return whether two classes make one part: repeated equally often, or two steps of a run."""
    if not (classes.opened[one] and classes.opened[user]) or classes.sizes[one] != classes.sizes[user]:
        return False
    if classes.sizes[one] > 1:
        return True
    return classes.shapes[one][0] is classes.shapes[user][0] and _step(classes, one) == _step(classes, user)


def _step(classes: Classes, one: int) -> list[Any]:
    """Return what two steps of a run have in common, beside the operation: how each operand comes in."""
    below = classes.shapes[one][1]
    alone = [j > LEAF and classes.sizes[j] == 1 and classes.opened[j] for j in below]
    return ["one" if single else j for j, single in zip(below, alone, strict=True)]


def _bands(classes: Classes, parent: list[int], fixed: set[int]) -> list[int]:
    """Return the classes joined by height to few bands, each of about as many parts; the roots stand for themselves."""
    parts = sorted(
        {one for one in parent if classes.opened[one] and one not in fixed}, key=lambda one: classes.heights[one]
    )
    band_of: dict[int, int] = {}
    band, filled, height = -1, BANDS * len(parts), -1  # the first part opens the first band
    for one in parts:
        if filled * BANDS >= len(parts) and classes.heights[one] > height:
            band, filled = one, 0
        band_of[one], height = band, classes.heights[one]
        filled += 1
    return [band_of.get(one, one) for one in parent]


def instances(wiring: Wiring, parts: Sequence[int | None]) -> list[int | None]:
    """Return the one copy of its repeated part that each node belongs to, named by the node that ends it."""
    copy: list[int | None] = [None if part is None else i for i, part in enumerate(parts)]
    for result in range(len(parts) - 1, -1, -1):
        for operand in wiring.operands[result]:
            if operand != CONSTANT and parts[operand] is not None and parts[operand] == parts[result]:
                copy[operand] = copy[result]
    return copy


def period(names: Sequence[str]) -> int:
    """Return the length of the shortest beginning that the whole sequence repeats, by Knuth, Morris and Pratt.

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
