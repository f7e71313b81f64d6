"""Orders and walks over a computation graph, by iteration: a chain of a million nodes is no deeper than one of two.

A node is anything with `operands`: a tuple that holds nodes and plain floats, empty for a leaf. This module knows
nothing else of it.

    >>> class Node:
    ...     def __init__(self, *operands): self.operands = operands
    >>> leaf = Node()
    >>> double = Node(leaf, 2.0)
    >>> root = Node(double, leaf)
    >>> topological_order(root) == [double, root], leaves(root) == [leaf]
    (True, True)
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any


class _Forgotten(tuple[()]):
    """The operands of a leaf that an operation made, by `detach()` or inside `no_grad()`: none, as of any leaf.

    It equals any empty tuple; `x.operands is FORGOTTEN` tells such a leaf from one that someone wrote, and costs a node
    nothing. Copies and pickles of it are itself.
    """

    __slots__ = ()

    def __reduce__(self) -> str:
        return "FORGOTTEN"


FORGOTTEN = _Forgotten()


def topological_order(*roots: Any, without: AbstractSet[Any] = frozenset()) -> list[Any]:
    """The interior nodes that `roots` were made from, and themselves, each after all of its operands.

    Leaves are left out: nothing comes before them, and `leaves` lists them; so are nodes in `without`, and those that
    lead nowhere else. Cost: linear in nodes and edges.

    A node goes on the stack twice: first to be entered, then, under a None, to be placed, once everything it was made
    from has been. Placing nodes as they are met, and walking back in that order, would be wrong: in `b = a * a;
    c = b * b; d = b * c` it could leave `b` before `c` has passed on its gradient, and lose that part.
    """
    return ordered(roots, without)


def ordered(roots: Sequence[Any], without: AbstractSet[Any]) -> list[Any]:
    """The same, given both."""
    return extended_order(roots, set(without))


def extended_order(roots: Sequence[Any], entered: set[Any]) -> list[Any]:
    """The same for nodes that are not in `entered` yet, which it adds to that set.

    Called for one root after the other, it costs as much as one order of all.
    """
    order: list[Any] = []
    stack = [root for root in reversed(roots) if root.operands]
    place, enter, push, pop = order.append, entered.add, stack.append, stack.pop
    while stack:
        node = pop()
        if node is None:
            place(pop())
        elif node not in entered:
            enter(node)
            push(node)
            push(None)
            for operand in node.operands[::-1]:  # so that the first is entered first
                if type(operand) is not float and operand.operands:
                    push(operand)
    return order


def leaves(*roots: Any) -> list[Any]:
    """The leaves that `roots` were made from (a root may be one), each once, in the order of first use."""
    found = {root: None for root in roots if not root.operands}
    return list(found | dict.fromkeys(leaves_below(topological_order(*roots))))


def leaves_below(order: Sequence[Any]) -> list[Any]:
    """The leaves that the nodes of a topological order were made from, each once, in the order of first use."""
    return list({x: None for node in order for x in node.operands if type(x) is not float and not x.operands})


def descendants(order: Sequence[Any], nodes: Iterable[Any]) -> set[Any]:
    """The nodes given, and those of a topological order that were made from one of them."""
    made = set(nodes)
    for node in order:
        if node not in made:
            for operand in node.operands:
                if type(operand) is not float and operand in made:
                    made.add(node)
                    break
    return made


def from_elsewhere(order: Sequence[Any], ours: AbstractSet[Any], theirs: Iterable[Any] = ()) -> set[Any]:
    """The leaves below a topological order that are not ours, `theirs`, and what was made from either."""
    strangers = set(leaves_below(order)).difference(ours)
    strangers.update(theirs)
    return descendants(order, strangers) if strangers else strangers
