"""Folding: what of a large graph is drawn node by node, and what becomes one box.

Modules fold first, known by the paths of `record_source()`: to the greatest depth at which the drawing is small enough.
What lies outside of every module then folds by its structure. Leaves go with the part that alone uses them; those that
the same parts share become a box of their own. The roots, and the neighbourhood of `focus`, always stay as they are.

    >>> from autodiff import Value
    >>> x = Value(1.0)
    >>> y = x
    >>> for _ in range(1_000):
    ...     y = y * 1.01
    >>> [(group.title, len(group.members)) for group in folded([y], Request()).groups]
    [('998 × mul', 998)]
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from itertools import chain
from typing import Literal, NamedTuple

from autodiff.show.folding.groups import Group, group_of
from autodiff.show.folding.repeats import instances, parts_by_structure
from autodiff.show.folding.wiring import Path, Wiring, uses, wiring_of
from autodiff.value import Value

Collapse = Literal["auto", "never", "always"]

FEW_LEAVES = 8  # that stay as they are beside a folded graph
EDGES_PER_BOX = 1.5  # more than that is a tangle, however few the boxes are,
FEW_BOXES = 20  # unless there are no more than this


class Request(NamedTuple):
    """What `draw` was asked to fold: see there."""

    depth: int | None = None
    max_nodes: int = 200
    collapse: Collapse = "auto"
    focus: Value | None = None


class Folding(NamedTuple):
    """A graph, and the group that each node is folded into: an index into `groups`, None if it is drawn as it is.

    `frames` has the path of the frame that each node is drawn in.
    """

    wiring: Wiring
    group: list[int | None]
    groups: list[Group]
    frames: list[Path]

    def operations(self, group: Group) -> int:
        """Return how many operations a group has."""
        return sum(bool(self.wiring.operands[i]) for i in group.members)

    def parameters(self, group: Group) -> list[Value]:
        """Return the leaves of a group, but for those that were given to a model."""
        leaves = [i for i in group.members if not self.wiring.operands[i]]
        return [self.wiring.nodes[i] for i in leaves if i not in self.wiring.inputs]

    def inputs(self, group: Group) -> int:
        """Return how many leaves of a group were given to a model."""
        return sum(i in self.wiring.inputs for i in group.members)


def folded(roots: Sequence[Value], request: Request) -> Folding:
    """Return what of the graph that ends in `roots` is to be drawn as it is, and what as one box.

    Raises ValueError if the graph does not have the node to focus on.
    """
    wiring = wiring_of(roots)
    near = _neighbourhood(wiring, request.focus, max(12, request.max_nodes // 5))
    crowded = wiring.size > request.max_nodes
    nothing: list[Hashable | None] = [None] * len(wiring.nodes)
    if request.collapse == "never" or (request.collapse == "auto" and not crowded and request.depth is None):
        return Folding(wiring, [None] * len(nothing), [], wiring.paths)
    kept = wiring.roots | near if len(wiring.roots) <= request.max_nodes else near
    depth = _depth(wiring, request, kept) if any(wiring.paths) else None
    keys = nothing if depth is None else _by_module(wiring, depth, kept)
    outside = sum(key is None for key in keys)
    if depth is None or outside > request.max_nodes or request.collapse == "always":
        _fold_by_structure(wiring, keys, kept, near, request, opened=request.depth or 0)
    if request.depth is None or any(key is not None for key in keys):
        _fold_leaves(wiring, keys, kept, request.max_nodes)
    frames = [p if depth is None or i in near else p[:depth] for i, p in enumerate(wiring.paths)]
    return _collected(wiring, keys, frames)


def _neighbourhood(wiring: Wiring, focus: Value | None, most: int) -> frozenset[int]:
    """Return a node and those nearest to it, over operands and uses, at most so many beside it."""
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


# --- modules ---


def _depth(wiring: Wiring, request: Request, kept: frozenset[int]) -> int:
    """Return how many levels of modules are opened: as many as asked for, else as many as leave a clear drawing."""
    deepest = max(map(len, wiring.paths))
    if request.depth is not None:
        return request.depth
    if request.collapse == "always":
        return 0
    for depth in range(deepest - 1, 0, -1):
        boxes, edges = _extent(wiring, _by_module(wiring, depth, kept))
        if boxes <= request.max_nodes and edges <= max(boxes, FEW_BOXES) * EDGES_PER_BOX:
            return depth
    return 0


def _by_module(wiring: Wiring, depth: int, kept: frozenset[int]) -> list[Hashable | None]:
    """Return the path of the module that each node folds into, None for what is not so deep in modules."""
    keys: list[Hashable | None] = [path[: depth + 1] if len(path) > depth else None for path in wiring.paths]
    for i in kept:
        keys[i] = None
    return keys


def _extent(wiring: Wiring, keys: Sequence[Hashable | None]) -> tuple[int, int]:
    """Return how many boxes and edges are drawn, constants aside."""
    ends = [i if key is None else key for i, key in enumerate(keys)]
    edges = {(ends[operand], ends[result]) for operand, result in uses(wiring)}
    return len(set(ends)), sum(one != other for one, other in edges)


# --- structure ---


def _fold_by_structure(
    wiring: Wiring,
    keys: list[Hashable | None],
    kept: frozenset[int],
    near: frozenset[int],
    request: Request,
    opened: int,
) -> None:
    """Give the nodes of each part of more than one operation its key."""
    if opened >= 2:
        return
    parts = parts_by_structure(wiring, keys, budget=max(2, request.max_nodes // 4))
    copies = instances(wiring, parts)
    pieces = parts if not opened else copies
    repeated = _repeated(parts, copies)
    middle = max(near, default=-1)
    # What lies around the focus in one long part is what leads to it, and what follows: two boxes.
    named = [
        None if i in kept or piece is None else (piece, i > middle and parts[i] not in repeated)
        for i, piece in enumerate(pieces)
    ]
    sizes = Counter(named)
    for i, name in enumerate(named):
        if name is not None and sizes[name] > 1 and keys[i] is None:
            keys[i] = ("part", name)


def _repeated(parts: Sequence[int | None], copies: Sequence[int | None]) -> set[int | None]:
    """Return the parts that have more than one copy."""
    first: dict[int | None, int | None] = {}
    return {part for part, copy in zip(parts, copies, strict=True) if first.setdefault(part, copy) != copy}


def _fold_leaves(wiring: Wiring, keys: list[Hashable | None], kept: frozenset[int], max_nodes: int) -> None:
    """Fold each leaf into the part that alone uses it; of those that are shared, put many with the same users together.

    What is drawn is a user like any other, so that the operands of one large sum become one box.
    """
    users = defaultdict[int, dict[Hashable, None]](dict)
    for operand, result in uses(wiring):
        if not wiring.operands[operand] and keys[operand] is None and operand not in kept:
            folded_into = keys[result]
            users[operand][result if folded_into is None else folded_into] = None
    together = defaultdict[frozenset[Hashable], list[int]](list)
    for leaf, its in users.items():
        together[frozenset(its)].append(leaf)
    crowded = len(together) > max_nodes
    key: Hashable
    for shared, leaves in together.items():
        only = next(iter(shared))
        if len(shared) == 1 and not isinstance(only, int):
            key = only
        elif crowded:
            key = ("leaves", None)
        elif len(leaves) > FEW_LEAVES:
            key = ("leaves", shared)
        else:
            continue
        for leaf in leaves:
            keys[leaf] = key


# --- groups ---


def _collected(wiring: Wiring, keys: Sequence[Hashable | None], frames: list[Path]) -> Folding:
    members = defaultdict[Hashable, list[int]](list)
    for i, key in enumerate(keys):
        if key is not None:
            members[key].append(i)
    index = {key: i for i, key in enumerate(members)}
    groups = [group_of(wiring, key, found) for key, found in members.items()]
    return Folding(wiring, [None if key is None else index[key] for key in keys], groups, frames)
