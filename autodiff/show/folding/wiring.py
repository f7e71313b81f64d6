"""A graph as lists of numbers: what folding reads, quick and flat for a million nodes.

Nodes are numbered in topological order, leaves at their first use, as drawings number them. A node's operands are the
numbers of nodes, and CONSTANT for a plain float. A path is the modules that a node was made in, outermost first, known
inside `record_source()`; a leaf belongs where all that uses it is, unless it was made outside of every module there.

    >>> from autodiff import Value
    >>> x = Value(3.0, "x")
    >>> wiring_of([x * x + 1.0]).operands
    [(), (0, 0), (1, -1)]
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from autodiff.graph import topological_order
from autodiff.value import Value

CONSTANT = -1
Path = tuple[str, ...]


class Wiring(NamedTuple):
    """The nodes by number, the operands and the path of each, the numbers of the roots, and how many constants.

    `inputs` has the numbers of the leaves that models were given: in their operations, and no parameters of theirs. In
    copies of a graph they are not known.
    """

    nodes: list[Value]
    operands: list[tuple[int, ...]]
    paths: list[Path]
    roots: frozenset[int]
    constants: int
    inputs: frozenset[int] = frozenset()

    @property
    def size(self) -> int:
        """How many boxes the whole graph takes: its Values and its constants."""
        return len(self.nodes) + self.constants


def wiring_of(roots: Sequence[Value]) -> Wiring:
    """Return the graph that ends in `roots` as lists of numbers, in linear time."""
    number: dict[Value, int] = {}
    nodes: list[Value] = []
    operands: list[tuple[int, ...]] = []
    constants = 0

    def place(node: Value, made_from: tuple[int, ...]) -> int:
        number[node] = len(nodes)
        nodes.append(node)
        operands.append(made_from)
        return len(nodes) - 1

    for node in topological_order(*roots):
        made_from = []
        for operand in node.operands:
            if type(operand) is float:
                made_from.append(CONSTANT)
                constants += 1
            elif operand in number:
                made_from.append(number[operand])
            else:
                made_from.append(place(operand, ()))
        place(node, tuple(made_from))
    for root in roots:
        if root not in number:  # a leaf, of which nothing was made
            place(root, ())
    paths = _paths(nodes, operands)
    ends = frozenset([number[root] for root in roots])
    return Wiring(nodes, operands, paths, ends, constants, _inputs(nodes, operands) if any(paths) else frozenset())


def uses(wiring: Wiring) -> Iterator[tuple[int, int]]:
    """Yield (operand, result) for each operand that is a Value."""
    for result, operands in enumerate(wiring.operands):
        for operand in operands:
            if operand != CONSTANT:
                yield operand, result


def _paths(nodes: list[Value], operands: list[tuple[int, ...]]) -> list[Path]:
    sources = [node.source for node in nodes]
    paths: list[Path] = [() if source is None else source.modules for source in sources]
    if not any(paths):
        return paths
    # A parameter is made before its module has a place in the model, often outside of the context, too.
    strayed = [
        not made and (source is None or bool(source.modules)) for source, made in zip(sources, operands, strict=True)
    ]
    seen: set[int] = set()
    for result, made_from in enumerate(operands):
        for operand in made_from:
            if operand != CONSTANT and strayed[operand]:
                paths[operand] = _common(paths[operand], paths[result]) if operand in seen else paths[result]
                seen.add(operand)
    return paths


def _inputs(nodes: list[Value], operands: list[tuple[int, ...]]) -> frozenset[int]:
    models = {i: model for i, node in enumerate(nodes) if (model := getattr(node, "_model", None)) is not None}
    each = {id(model): model for model in models.values()}
    parameters = {parameter for model in each.values() for parameter in model.parameters()}
    used = {j for i in models for j in operands[i] if j != CONSTANT and not operands[j]}
    return frozenset([j for j in used if nodes[j] not in parameters])


def _common(one: Path, other: Path) -> Path:
    if one == other:
        return one
    return tuple([a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))])
