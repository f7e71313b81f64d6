"""Folding: which nodes of a large graph are drawn one by one, and which become one box.

Modules fold first, known by what `record_source()` recorded: to the greatest depth at which the drawing is small
enough. Nodes outside of every module then fold by their patterns. Leaves go with the box that alone uses them; those
that the same boxes share become a box of their own. The roots, and the neighbourhood of `focus`, always stay as they
are.

    >>> from autodiff import Value
    >>> x = Value(1.0)
    >>> y = x
    >>> for _ in range(1_000):
    ...     y = y * 1.01
    >>> [(group.title, len(group.members)) for group in folded([y], Request()).groups]
    [('998 × mul', 998)]
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from itertools import chain
from typing import Literal, NamedTuple

from autodiff.show.folding.groups import Group, Key, group_of, steps_of
from autodiff.show.folding.patterns import copies_of, patterns_of
from autodiff.show.folding.wiring import Modules, Wiring, uses, wiring_of
from autodiff.value import Value

Collapse = Literal["auto", "never", "always"]

FEW_LEAVES = 8  # that stay as they are beside a folded graph; fewer
FEW_PARAMETERS = 3  # if they are parameters that the steps of a module share,
FEW_INPUTS = 16  # and of all inputs of models together, whoever uses them
EDGES_PER_BOX = 2.0  # more than that is a tangle, however few the boxes are,
FEW_BOXES = 20  # unless there are no more than this


Fits = Callable[["Folding"], bool]
"""Whether the drawing of a folded graph fits a page."""


class Request(NamedTuple):
    """The arguments of `draw` that are about folding: see there."""

    depth: int | None = None
    max_nodes: int = 200
    collapse: Collapse = "auto"
    focus: Value | None = None


class Folding(NamedTuple):
    """A graph, and the group that each node is folded into: an index into `groups`, None if it is drawn as it is.

    `frames` has the modules in whose frame each node is drawn.
    """

    wiring: Wiring
    group: list[int | None]
    groups: list[Group]
    frames: list[Modules]

    def operations(self, group: Group) -> int:
        """The number of operations in a group."""
        return sum(bool(self.wiring.operands[i]) for i in group.members)

    def parameters(self, group: Group) -> list[int]:
        """The leaves of a group, but for those that were given to a model."""
        return [i for i in group.members if not self.wiring.operands[i] and i not in self.wiring.inputs]

    def measured(self, group: Group) -> list[int]:
        """The nodes whose gradients say how large those of a group are: its parameters, if it has any."""
        return self.parameters(group) or list(group.members)

    def inputs(self, group: Group) -> int:
        """The number of leaves in a group that were given to a model."""
        return sum(i in self.wiring.inputs for i in group.members)


def folded(roots: Sequence[Value], request: Request, fits: Fits = lambda folding: True) -> Folding:
    """The graph that ends in `roots`, folded as requested, or else as little as it takes for its drawing to fit.

    Raises ValueError if the graph does not have the node to focus on.
    """
    wiring = wiring_of(roots)
    near = _neighbourhood(wiring, request.focus, max(12, request.max_nodes // 5))
    small = wiring.size <= request.max_nodes and request.depth is None
    whole = Folding(wiring, [None] * len(wiring.nodes), [], wiring.modules)
    if request.collapse == "never" or (request.collapse == "auto" and small and fits(whole)):
        return whole
    found = _Folder(wiring, request, near, fits).folding()
    boxes = found.group.count(None) + len(found.groups)
    if request.collapse == "auto" and small and not any(wiring.modules) and 2 * boxes > len(wiring.nodes):
        return whole  # a formula is no clearer for boxes that hold some of its steps
    return found


def refolded(wiring: Wiring, request: Request, kept: frozenset[int]) -> Folding:
    """A part of a graph, folded as requested; the nodes that are `kept` stay as they are."""
    return _Folder(wiring, request, kept, lambda folding: True).folding()


def _neighbourhood(wiring: Wiring, focus: Value | None, most: int) -> frozenset[int]:
    """A node and those nearest to it, over operands and uses, at most so many beside it."""
    if focus is None:
        return frozenset()
    try:
        start = next(i for i, node in enumerate(wiring.nodes) if node is focus)
    except StopIteration:
        raise ValueError(f"focus is a Value of the graph that is drawn, got {focus!r}, which is not in it") from None
    neighbours = defaultdict[int, list[int]](list)
    for operand, result in uses(wiring):
        neighbours[operand].append(result)
        neighbours[result].append(operand)
    near, ring = {start}, [start]
    while ring and len(near) < most:
        ring = [j for j in dict.fromkeys(chain.from_iterable([neighbours[i] for i in ring])) if j not in near]
        ring = ring[: most - len(near)]
        near.update(ring)
    return frozenset(near)


class _Folder:
    """Gives each node that is folded a key: nodes of one key are one group."""

    def __init__(self, wiring: Wiring, request: Request, near: frozenset[int], fits: Fits) -> None:
        self.wiring, self.request, self.near, self.fits = wiring, request, near, fits
        self.kept = wiring.roots | near if len(wiring.roots) <= request.max_nodes else near
        self.keys: list[Key | None] = [None] * len(wiring.nodes)

    def folding(self) -> Folding:
        """The folding to the depth that is asked for, or else to the greatest that is clear and fits."""
        depth = self._depth()
        found = self._folding(depth)
        while self.request.depth is None and depth and not self.fits(found):
            depth -= 1
            found = self._folding(depth)
        return found

    def _folding(self, depth: int | None) -> Folding:
        request = self.request
        self.keys = [None] * len(self.wiring.nodes)
        if depth is not None:
            self.keys = self._by_module(depth)
        if depth is None or self.keys.count(None) > request.max_nodes or request.collapse == "always":
            self._fold_patterns()
        if request.depth is None or any(key is not None for key in self.keys):
            self._fold_leaves()
        frames = [m if depth is None or i in self.near else m[:depth] for i, m in enumerate(self.wiring.modules)]
        return self._collected(frames)

    # --- modules ---

    def _depth(self) -> int | None:
        """How many levels of modules are opened: as many as asked for, else as many as leave a clear drawing.

        None where there are no modules.
        """
        deepest = max(map(len, self.wiring.modules))
        if not deepest:
            return None
        if self.request.depth is not None:
            return self.request.depth
        if self.request.collapse == "always":
            return 0
        for depth in range(deepest - 1, 0, -1):
            boxes, edges = self._extent(self._by_module(depth))
            if boxes <= self.request.max_nodes and edges <= max(boxes, FEW_BOXES) * EDGES_PER_BOX:
                return depth
        return 0

    def _by_module(self, depth: int) -> list[Key | None]:
        """The key of the module that each node folds into, None for nodes that are not so deep in modules."""
        found = {m: Key("module", m[: depth + 1]) if len(m) > depth else None for m in set(self.wiring.modules)}
        keys = [found[modules] for modules in self.wiring.modules]
        for i in self.kept:
            keys[i] = None
        return keys

    def _extent(self, keys: Sequence[Key | None]) -> tuple[int, int]:
        """How many boxes are drawn, constants aside, and how many edges, those from leaves aside, which fold yet."""
        ends = [i if key is None else key for i, key in enumerate(keys)]
        made = self.wiring.operands
        edges = {(ends[operand], ends[result]) for operand, result in uses(self.wiring) if made[operand]}
        return len(set(ends)), sum(one != other for one, other in edges)

    # --- patterns ---

    def _fold_patterns(self) -> None:
        """Fold each pattern of more than one operation, or, at depth 1, each of its copies."""
        opened = self.request.depth or 0
        if opened >= 2:
            return
        patterns = patterns_of(self.wiring, self.keys, budget=max(2, self.request.max_nodes // 4))
        copies = copies_of(self.wiring, patterns)
        repeated = _repeated(patterns, copies)
        middle = max(self.near, default=-1)
        # A long pattern with the focus in it is cut there: one box leads to the focus, one follows.
        pieces = [
            None if i in self.kept or piece is None else (piece, i > middle and patterns[i] not in repeated)
            for i, piece in enumerate(copies if opened else patterns)
        ]
        sizes = Counter(pieces)
        for i, piece in enumerate(pieces):
            if piece is not None and sizes[piece] > 1 and self.keys[i] is None:
                self.keys[i] = Key("pattern", piece)

    # --- leaves ---

    def _fold_leaves(self) -> None:
        """Fold each leaf into the box that alone uses it; put many leaves with the same users together.

        A node that is drawn is a user like any other, so that the operands of one large sum become one box.
        """
        keys, operands = self.keys, self.wiring.operands
        users = defaultdict[int, dict[Key | int, None]](dict)
        for operand, result in uses(self.wiring):
            if not operands[operand] and keys[operand] is None and operand not in self.kept:
                folded_into = keys[result]
                users[operand][result if folded_into is None else folded_into] = None
        together = defaultdict[frozenset[Key | int], list[int]](list)
        few = len(self.wiring.inputs) <= FEW_INPUTS
        for leaf, its in users.items():
            if not (few and leaf in self.wiring.inputs):
                together[frozenset(its)].append(leaf)
        crowded = len(together) > self.request.max_nodes
        for shared, leaves in together.items():
            only = next(iter(shared))
            if len(shared) == 1 and isinstance(only, Key):
                key = only
            elif crowded:
                key = Key("leaves", None)
            elif len(leaves) > (FEW_PARAMETERS if steps_of(shared) else FEW_LEAVES):
                key = Key("leaves", shared)
            else:
                continue
            for leaf in leaves:
                keys[leaf] = key

    # --- groups ---

    def _collected(self, frames: list[Modules]) -> Folding:
        members = defaultdict[Key, list[int]](list)
        for i, key in enumerate(self.keys):
            if key is not None:
                members[key].append(i)
        index = {key: i for i, key in enumerate(members)}
        groups = [group_of(self.wiring, key, found) for key, found in members.items()]
        return Folding(self.wiring, [None if key is None else index[key] for key in self.keys], groups, frames)


def _repeated(patterns: Sequence[Hashable], copies: Sequence[Hashable]) -> set[Hashable]:
    """The patterns that have more than one copy."""
    first: dict[Hashable, Hashable] = {}
    return {pattern for pattern, copy in zip(patterns, copies, strict=True) if first.setdefault(pattern, copy) != copy}
