"""Insides: what is in a folded box, as a small graph of its own, folded again where it is large.

What comes into the box from without is a port there: one for each node, or, where the inside is folded again, one for
each box of the drawing around it.

    >>> from autodiff import Value
    >>> from autodiff.show.folding.fold import folded
    >>> x, c = Value(1.0, "x"), Value(0.9, "c")
    >>> y = x
    >>> for _ in range(12):
    ...     y = y * c
    >>> folding = folded([y], Request(max_nodes=5))
    >>> [group.title for group in folding.groups]
    ['10 × mul']
    >>> [inside] = insides(folding, most=40)
    >>> inside.ports, len(inside.folding.wiring.nodes)
    ({0: '0.9', 1: 'c\\n0.9'}, 12)
"""

from collections.abc import Container, Iterator, Mapping
from functools import reduce
from typing import NamedTuple

from autodiff.show.folding.fold import Folding, Request, refolded
from autodiff.show.folding.groups import Group
from autodiff.show.folding.wiring import CONSTANT, Wiring, common, uses
from autodiff.show.words.numbers import shortened

MOST_MEMBERS = 20_000  # of a group that is opened: more take a noticeable time to fold again
End = tuple[str, int]  # of an edge from without: a node, or a group, by its number


class Inside(NamedTuple):
    """The inside of a group: a folding of its own, and what each port in it stands for, by the port's number."""

    folding: Folding
    ports: Mapping[int, str]


def insides(folding: Folding, most: int, ports: Mapping[int, str] | None = None) -> Iterator[Inside | None]:
    """Yield the inside of each group, in at most so many boxes; None if that would not be clear, or takes long.

    `ports` are those of the folding, if it is an inside itself.
    """
    ends = [_end(folding, i) for i in range(len(folding.wiring.nodes))]
    used = {operand for operand, result in uses(folding.wiring) if ends[operand] != ends[result]}
    for group in folding.groups:
        yield _Part(folding, group, used | folding.wiring.roots, ports or {}).inside(most)


class _Part:
    """The members of a group as a graph of their own; its roots are those of them that are `used` elsewhere."""

    def __init__(self, folding: Folding, group: Group, used: Container[int], ports: Mapping[int, str]) -> None:
        self.folding, self.whole, self.members = folding, folding.wiring, group.members
        self.used, self.ports = used, ports

    def inside(self, most: int) -> Inside | None:
        if not 2 <= len(self.members) <= MOST_MEMBERS:
            return None
        wiring, ports = self._wiring({j: ("value", j) for j in self._outside()})
        if wiring.size <= most:
            return Inside(Folding(wiring, [None] * len(wiring.nodes), [], wiring.modules), ports)
        wiring, ports = self._wiring({j: _end(self.folding, j) for j in self._outside()})
        again = refolded(wiring, Request(max_nodes=most), frozenset(ports))
        boxes = again.group.count(None) + wiring.constants * (not again.groups) + len(again.groups)
        largest = max([len(inner.members) for inner in again.groups], default=len(self.members))
        return Inside(again, ports) if boxes <= most and largest < 0.9 * len(self.members) else None

    def _outside(self) -> list[int]:
        """The nodes outside that members use."""
        inside = set(self.members)
        used = [j for i in self.members for j in self.whole.operands[i] if j != CONSTANT and j not in inside]
        return list(dict.fromkeys(used))

    def _wiring(self, ends: Mapping[int, End]) -> tuple[Wiring, dict[int, str]]:
        """The graph: a port for each end, then the members; and what the ports stand for."""
        whole, members = self.whole, self.members
        first: dict[End, int] = {}  # a node that stands for all of an end
        for j, end in ends.items():
            first.setdefault(end, j)
        place = {end: number for number, end in enumerate(first)}
        number = {j: place[end] for j, end in ends.items()}
        number |= {i: len(first) + position for position, i in enumerate(members)}
        modules = [whole.modules[i] for i in members]
        depth = len(reduce(common, modules))
        operands = [tuple([j if j == CONSTANT else number[j] for j in whole.operands[i]]) for i in members]
        wiring = Wiring(
            [whole.nodes[i] for i in (*first.values(), *members)],
            [()] * len(first) + operands,
            [()] * len(first) + [around[depth:] for around in modules],
            frozenset([number[i] for i in members if i in self.used]),
            sum([its.count(CONSTANT) for its in operands]),
            frozenset([number[i] for i in members if i in whole.inputs]),
        )
        return wiring, {place[end]: self._called(end, j) for end, j in first.items()}

    def _called(self, end: End, i: int) -> str:
        """The words on a port."""
        group = self.folding.group[i]
        node = self.whole.nodes[i]
        name = node.label or self.ports.get(i, "").split("\n")[0]
        if group is not None:
            name = name or self.folding.groups[group].title.split("\n")[0] or "shared"
        return f"{name}\n{shortened(node.data)}".strip() if end[0] == "value" else name


def _end(folding: Folding, i: int) -> End:
    """The box of the drawing that a node is in."""
    group = folding.group[i]
    return ("value", i) if group is None else ("fold", group)
