"""Paths through a graph: their number, and those with the largest products of local gradients.

Both take one pass over the nodes, for as many paths as there may be; nothing lists them all.

    >>> from autodiff import Value
    >>> from autodiff.graph import topological_order
    >>> x = Value(3.0)
    >>> y = x * x + x
    >>> order = topological_order(y)
    >>> count_paths(order, y, x), [path.contribution for path in largest_paths(order, y, x, 2, {})]
    (3, [3.0, 3.0])
"""

import math
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from autodiff.chain import NOTHING, recorded
from autodiff.value import Value

_UNCOUNTED = 10**300


class Path(NamedTuple):
    """A way from y to x.

    Attributes:
        nodes: y first, x last; each is an operand of the one before.
        local_gradients: ∂node/∂next along it.
        contribution: their product, one term of the gradient.
        places: the place of each next node among the operands.
    """

    nodes: tuple[Value, ...]
    local_gradients: tuple[float, ...]
    contribution: float
    places: tuple[int, ...]


class _Way(NamedTuple):
    """A way from a node to x, as it is found: by the operand at `position`, and the way on from there, None at x."""

    rank: float
    node: Any
    position: int
    rest: "_Way | None"


_by_rank = itemgetter(0)


def count_paths(order: Sequence[Value], y: Value, x: Value) -> int | float:
    """The number of paths from y to x: as many as from all operands of y together; inf for more than 10^300."""
    counts: dict[Value, int] = {x: 1}
    for node in order:
        if node is not x:
            number = sum([counts.get(operand, 0) for operand in node.operands if isinstance(operand, Value)])
            if number:
                counts[node] = min(number, _UNCOUNTED)
    found = counts.get(y, 0)
    return math.inf if found >= _UNCOUNTED else found


def largest_paths(
    order: Sequence[Value], y: Value, x: Value, limit: int, gradients: Mapping[Value, float]
) -> list[Path]:
    """The paths with the largest contributions, at most `limit`, largest first.

    `order` is a topological order of y. A product that is not finite, on a path through a node to which nothing is
    passed on, counts as 0.
    """
    found = [_path(way, y, gradients) for way in _largest(order, y, x, limit)]
    return sorted(found, key=lambda path: -_magnitude(path.contribution))


def _largest(order: Sequence[Value], y: Value, x: Value, limit: int) -> list[_Way]:
    """The ways from y to x with the largest products, at most `limit`.

    Each of the largest from a node goes on by one of the largest from an operand: a factor in front changes no order.
    Ranks are sums of logarithms, in which nothing overflows.
    """
    best: dict[Value, list[_Way]] = {x: [_Way(0.0, x, -1, None)]}
    for node in order:
        if node is x:
            continue
        ways: list[_Way] = []
        sources = 0
        for i, (operand, local) in enumerate(zip(node.operands, node.local_gradients, strict=True)):
            if isinstance(operand, Value) and operand in best:
                own = _rank(local)
                fixed = own - own != 0.0  # a zero or inf in front decides, whatever follows
                ways += [_Way(own if fixed else own + way.rank, node, i, way) for way in best[operand]]
                sources += 1
        if ways:
            best[node] = ways if sources == 1 else sorted(ways, key=_by_rank, reverse=True)[:limit]
    return best.get(y, [])


def _rank(local: float) -> float:
    if not local:
        return -math.inf
    return math.log2(abs(local)) if math.isfinite(local) else math.inf


def _path(way: _Way, y: Value, gradients: Mapping[Value, float]) -> Path:
    """A way as a path, multiplied as `backward()` does, from y on."""
    nodes, local_gradients, places = [y], [], []
    product, silent = 1.0, False
    while way.rest is not None:
        node, local = way.node, recorded(way.node)[way.position]
        nodes.append(node.operands[way.position])
        local_gradients.append(local)
        places.append(way.position)
        product = NOTHING if local is NOTHING else product * local
        silent = silent or node not in gradients
        way = way.rest
    silent = product is NOTHING or (silent and not math.isfinite(product))
    return Path(tuple(nodes), tuple(local_gradients), 0.0 if silent else product, tuple(places))


def _magnitude(number: float) -> float:
    return abs(number) if number == number else math.inf
