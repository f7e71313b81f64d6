"""A graph as lists of numbers, which folding reads: quick and flat for a million nodes.

Nodes are numbered in topological order, leaves at their first use, as drawings number them. A node's operands are the
numbers of nodes, and CONSTANT for a plain float. The modules of a node are those that it was made in, outermost first,
known inside `record_source()`; a leaf belongs to the modules that all its users share, unless it was made outside of
every module.

Where a module is called again on what an earlier call of it has made, as an RNN's cell is at each step, the step is a
part of its name: "cell, t = 2". Calls that do not depend on one another, of a model on the rows of a batch, are as one.
Several models of one name are numbered: "RNNCell 1", "RNNCell 2".

    >>> from autodiff import Value
    >>> x = Value(3.0, "x")
    >>> wiring_of([x * x + 1.0]).operands
    [(), (0, 0), (1, -1)]
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from autodiff.graph import topological_order
from autodiff.show.folding.steps import with_steps
from autodiff.value import Value

CONSTANT = -1
Modules = tuple[str, ...]


class Wiring(NamedTuple):
    """The nodes by number, the operands and the modules of each, the numbers of the roots, the number of constants.

    `inputs` has the numbers of the leaves that models were given: operands of their operations that are not their
    parameters. In copies of a graph they are not known.
    """

    nodes: list[Value]
    operands: list[tuple[int, ...]]
    modules: list[Modules]
    roots: frozenset[int]
    constants: int
    inputs: frozenset[int] = frozenset()

    @property
    def size(self) -> int:
        """The number of boxes that the whole graph takes: its Values and its constants."""
        return len(self.nodes) + self.constants


def wiring_of(roots: Sequence[Value]) -> Wiring:
    """The graph that ends in `roots` as lists of numbers, in linear time."""
    number: dict[Value, int] = {}
    nodes: list[Value] = []
    operands: list[tuple[int, ...]] = []
    constants = 0

    def place(node: Value, numbers: tuple[int, ...]) -> int:
        number[node] = len(nodes)
        nodes.append(node)
        operands.append(numbers)
        return len(nodes) - 1

    for node in topological_order(*roots):
        numbers = []
        for operand in node.operands:
            if type(operand) is float:
                numbers.append(CONSTANT)
                constants += 1
            elif operand in number:
                numbers.append(number[operand])
            else:
                numbers.append(place(operand, ()))
        place(node, tuple(numbers))
    for root in roots:
        if root not in number:  # a leaf that nothing was made from
            place(root, ())
    ends = frozenset([number[root] for root in roots])
    inputs = _inputs(nodes, operands)
    modules = _modules(nodes, operands, inputs)
    return Wiring(nodes, operands, modules, ends, constants, inputs)


def uses(wiring: Wiring) -> Iterator[tuple[int, int]]:
    """Yield (operand, result) for each operand that is a Value."""
    for result, operands in enumerate(wiring.operands):
        for operand in operands:
            if operand != CONSTANT:
                yield operand, result


def _modules(nodes: list[Value], operands: list[tuple[int, ...]], inputs: frozenset[int]) -> list[Modules]:
    sources = [node.source for node in nodes]
    modules: list[Modules] = [() if source is None else source.modules for source in sources]
    if not any(modules):
        return modules
    modules = with_steps(
        _told_apart(nodes, modules), [() if source is None else source.calls for source in sources], operands
    )
    # A parameter is made before its module has a place in the model, often outside of the context, too.
    strayed = [
        not own and (i not in inputs if source is None else bool(source.modules))
        for i, (source, own) in enumerate(zip(sources, operands, strict=True))
    ]
    seen: set[int] = set()
    for result, numbers in enumerate(operands):
        for operand in numbers:
            if operand != CONSTANT and strayed[operand]:
                inner = modules[result]
                modules[operand] = common(modules[operand], inner) if operand in seen else inner
                seen.add(operand)
    return modules


def _told_apart(nodes: list[Value], modules: list[Modules]) -> list[Modules]:
    """The modules of each node, the outermost with a number where several models have its name."""
    models = [id(getattr(node, "_model", None)) for node in nodes]
    numbers = defaultdict[str, dict[int, int]](dict)
    for node, model, its in zip(nodes, models, modules, strict=True):
        if its and node.operands and model != id(None):
            numbers[its[0]].setdefault(model, len(numbers[its[0]]) + 1)
    return [
        (f"{its[0]} {numbers[its[0]][model]}", *its[1:])
        if its and len(numbers[its[0]]) > 1 and model in numbers[its[0]]
        else its
        for model, its in zip(models, modules, strict=True)
    ]


def _inputs(nodes: list[Value], operands: list[tuple[int, ...]]) -> frozenset[int]:
    models = {i: model for i, node in enumerate(nodes) if (model := getattr(node, "_model", None)) is not None}
    each = {id(model): model for model in models.values()}
    parameters = {parameter for model in each.values() for parameter in model.parameters()}
    used = {j for i in models for j in operands[i] if j != CONSTANT and not operands[j]}
    return frozenset([j for j in used if nodes[j] not in parameters])


def common(one: Modules, other: Modules) -> Modules:
    """The modules around both of two places."""
    if one == other:
        return one
    return tuple([a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))])
