"""Summary: a model as a table of the modules in it; `model.summary()` makes it.

>>> from nn import MLP
>>> MLP(2, [8, 1], seed=0).summary([0.5, -1.0])
module       what it is              parameters  nodes
model        MLP(2, [8, 1], 'relu')          33     26
├─ layers.0  Layer(2, 8, 'relu')             24     24
└─ layers.1  Layer(8, 1, 'linear')            9      2
"""

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from itertools import accumulate
from typing import Any, NamedTuple

from autodiff import Value, record_source
from nn.modules import tables
from nn.modules.contents import children, dotted, is_module, walk
from nn.modules.module import Module

_LONGEST = 60  # of a description: a chain of many steps is described by its rows
_HEADER = ("module", "what it is", "parameters", "buffers", "nodes")


class Row(NamedTuple):
    """A module: its name in the tree, what it is, how many parameters and numbers in buffers it holds, and its nodes.

    The counts include the modules in it. Nodes are 0 where no row was given.
    """

    name: str
    kind: str
    parameters: int
    buffers: int
    nodes: int


class Summary:
    """A table of a model and the modules in it; `rows` are its rows.

    Nodes are the operations that one forward pass records. The neurons of a layer are not listed.

    >>> from nn import Layer
    >>> Summary(Layer(2, 8, seed=0)).rows
    [Row(name='model', kind="Layer(2, 8, 'relu')", parameters=24, buffers=0, nodes=0)]
    """

    def __init__(self, model: Module, x: Any = None) -> None:
        nodes = Counter[str]() if x is None else _nodes_of_pass(model, x)
        self.rows = [_row(module, names, lasts, nodes) for names, lasts, module in tree(model)]

    def __repr__(self) -> str:
        """Show the table, without its empty columns."""
        return tables.text([_HEADER, *[(*row[:2], *[f"{n:,}" if n else "" for n in row[2:]]) for row in self.rows]])


def tree(
    module: Module, names: tuple[str, ...] = (), lasts: tuple[bool, ...] = (), seen: set[int] | None = None
) -> Iterator[tuple[tuple[str, ...], tuple[bool, ...], Module]]:
    """Yield a module and those in it, each once, but for the neurons of layers.

    With each come the names on the way to it, and whether each of them is the last of its holder.
    """
    seen = {id(module)} if seen is None else seen
    yield names, lasts, module
    inner: list[tuple[str, Module]] = []
    for place, child in () if hasattr(module, "neurons") else walk(module, deep=False):
        if is_module(child) and id(child) not in seen:
            seen.add(id(child))
            inner.append((dotted(place), child))
    for name, child in inner:
        yield from tree(child, (*names, name), (*lasts, child is inner[-1][1]), seen)


def _row(module: Module, names: tuple[str, ...], lasts: tuple[bool, ...], nodes: Counter[str]) -> Row:
    branches = ["   " if last else "│  " for last in lasts[:-1]] + ["└─ " if last else "├─ " for last in lasts[-1:]]
    shown = repr(module)
    described = type(module).__repr__ is not Module.__repr__ and len(shown) <= _LONGEST and "\n" not in shown
    return Row(
        "".join(branches) + (names[-1] if names else "model"),
        shown if described else type(module).__name__,
        len(module.parameters()),
        len(module.named_buffers()),
        nodes[".".join(names)],
    )


def _nodes_of_pass(model: Module, x: Any) -> Counter[str]:
    """How many nodes each module makes of x, by name, the modules in it included.

    A copy of the model is called, so that its generators and buffers stay as they are.
    """
    with record_source():
        around = (Value(0.0) + 0.0).source  # the modules that this is called from, of which a method asked for it
        outputs = deepcopy(model)(x)
    assert around is not None
    counts, seen, stack = Counter[str](), set[Any](), [outputs]
    while stack:
        thing = stack.pop()
        if not isinstance(thing, Value):
            stack += [child for _, child in children(thing) or ()]
        elif thing not in seen and thing.source is not None:
            seen.add(thing)
            stack += [operand for operand in thing.operands if isinstance(operand, Value)]
            keys = ".".join(thing.source.modules[len(around.modules) + 1 :]).split(".")
            counts.update(["", *accumulate(filter(None, keys), "{}.{}".format)])
    return counts
