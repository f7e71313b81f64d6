"""Copies and pickles of graphs, flat: Python's own way would recurse once per node.

Nodes are known here by their attributes alone. One copy or pickle, of whatever holds them, keeps all sharing, and each
node is stored once.

A pickler asks each root for itself, in any order, and does not tell what it has stored. So it gets graphs in parts: a
`_Part` holds the nodes that a root was made from and that no earlier part has. The `_Parts` of one pickler are kept by
its memo, and are gone when it is; a pickler that does not know them is another one, inside of the first or after it,
and gets its own.

    >>> import pickle
    >>> from autodiff import Value
    >>> x = Value(2.0)
    >>> hidden = x * x
    >>> hidden, loss = pickle.loads(pickle.dumps((hidden, hidden * 3.0)))
    >>> loss.backward()
    >>> hidden.grad, hidden.operands[0].grad
    (3.0, 12.0)
"""

import copyreg
from _thread import _local  # threading.local; threading itself takes half a millisecond to import
from collections.abc import Sequence
from functools import lru_cache
from operator import getitem
from typing import Any, cast
from weakref import ref

from autodiff.backprop import grad_of
from autodiff.graph import extended_order
from autodiff.modes import new_leaves
from autodiff.native import Node
from autodiff.number import data_of

_MET = object()  # under its id a memo of deepcopy keeps the nodes that it has met: their copies are in the memo


# --- copies ---


def clone(node: Any, operands: tuple[Any, ...]) -> Any:
    """A node like this one, made from `operands`, with the same attributes."""
    twin = _twin(node, operands)
    _give(twin, _attributes(node))
    return twin


def deep_copy(root: Any, memo: dict[int, Any]) -> Any:
    """A copy of the root on copies of all it was made from, but for what `memo` has already."""
    from copy import deepcopy  # loaded by whoever called

    ours: list[Any] = []

    def twin_of(node: Any, operands: tuple[Any, ...]) -> Any:
        twin = memo[id(node)] = _twin(node, operands)
        if _own_slots(node.__class__) is not None:
            ours.append(node)
        return twin

    for node in extended_order([root], memo.setdefault(id(_MET), set())) or [root]:
        if id(node) not in memo:
            for x in node.operands:
                if type(x) is not float and id(x) not in memo:
                    twin_of(x, x.operands)  # a leaf
            operands = node.operands and tuple([x if type(x) is float else memo[id(x)] for x in node.operands])
            twin_of(node, operands)
    for node in ours:  # last, for attributes may hold any of the nodes
        _give(memo[id(node)], deepcopy(_attributes(node), memo))
    return memo[id(root)]


def _twin(node: Any, operands: tuple[Any, ...]) -> Any:
    twin = _made(_state(node), node.op, operands, node.local_gradients)
    if not operands:
        new_leaves.put((twin,))
    return twin


# --- pickles ---


def reduced(root: Any) -> tuple[Any, ...]:
    """The state that pickle stores: a leaf is an object of its own; a node, its place among the parts."""
    if not root.operands:
        return _restored_leaf, (root.operands, *_state(root)), _attributes(root), None, None, _give
    parts = _Parts.latest()
    return _placed, (parts, _Place(parts, root))


class _Parts:
    """The parts that one pickler stores, and the number of each of their nodes, counted through all of them."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.starts: list[int] = []  # the number of the first node of each part
        self.entered: set[Any] = set()
        self.numbers: dict[Any, int] = {}
        self.is_news = False
        _alive().append(ref(self))

    @staticmethod
    def latest() -> "_Parts":
        """The youngest that are alive: those of the pickler at work, or of one around it that was first."""
        alive = _alive()
        while alive:
            parts: _Parts | None = alive[-1]()
            if parts is not None:
                return parts
            alive.pop()
        return _Parts()

    def __reduce__(self) -> tuple[Any, ...]:
        self.is_news = True  # to this pickler: it asks once
        return tuple, ()

    def place(self, node: Any) -> tuple["_Part", int]:
        """The part that the node is in, and its index there."""
        from bisect import bisect_right  # takes a third of a millisecond, and only pickles need it

        if node not in self.numbers:
            order = extended_order([node], self.entered)
            self.starts.append(len(self.numbers))
            self.parts.append(_Part(order, self.starts[-1], self.numbers))
            self.numbers.update(zip(order, range(len(self.numbers), len(self.numbers) + len(order)), strict=True))
        i = bisect_right(self.starts, self.numbers[node]) - 1
        return self.parts[i], self.numbers[node] - self.starts[i]


_threads = _local()


def _alive() -> list[Any]:
    """Weak references to the parts of this thread, in the order in which they began."""
    alive: list[Any] = _threads.__dict__.setdefault("alive", [])
    return alive


class _Place:
    """Where a node is stored, asked for when the pickler has the parts, and so it is known whether it knew them."""

    def __init__(self, parts: _Parts, node: Any) -> None:
        self.parts, self.node = parts, node

    def __reduce__(self) -> tuple[Any, ...]:
        is_news, self.parts.is_news = self.parts.is_news, False
        if is_news and self.parts.parts:  # they are another pickler's
            parts = _Parts()
            return _placed, (parts, _Place(parts, self.node))
        return getitem, self.parts.place(self.node)


def _placed(parts: object, node: Any) -> Any:
    return node


class _Part:
    """A list of nodes, each after those that it was made from, as it is pickled.

    In it an operand is a constant float, the index of a node of the part, or -1, -2, ... for the first, the second
    of the leaves and nodes outside.
    """

    def __init__(self, nodes: list[Any], start: int, numbers: dict[Any, int]) -> None:
        self.nodes, self.start, self.numbers = nodes, start, numbers

    def __reduce__(self) -> tuple[Any, ...]:
        outside: dict[Any, int] = {}

        def index(x: Any) -> Any:
            if type(x) is float:
                return x
            number = self.numbers.get(x, -1) - self.start
            return number if number >= 0 else outside.setdefault(x, -len(outside) - 1)

        records = [
            (_state(node), node.op, tuple([index(x) for x in node.operands]), node.local_gradients)
            for node in self.nodes
        ]
        attributes = [(i, kept) for i, node in enumerate(self.nodes) if (kept := _attributes(node))]
        return _restored, (list(outside), records), attributes or None, None, None, _give_each


_State = tuple[type, float, float, str, Any]
_Record = tuple[_State, Any, tuple[Any, ...], tuple[float, ...]]


def _restored_leaf(operands: tuple[()], *state: Any) -> Any:
    leaf = _made(cast(_State, state), None, operands)
    new_leaves.put((leaf,))
    return leaf


def _restored(outside: list[Any], records: list[_Record]) -> list[Any]:
    """The nodes of a part."""
    nodes: list[Any] = []
    for state, op, operands, local_gradients in records:
        made_from = tuple([x if type(x) is float else nodes[x] if x >= 0 else outside[~x] for x in operands])
        nodes.append(_made(state, op, made_from, local_gradients))
    return nodes


def _give_each(nodes: list[Any], attributes: list[tuple[int, "_Attributes"]]) -> None:
    for i, kept in attributes:
        _give(nodes[i], kept)


# --- what a node is, but for how it was made from others ---


def _state(node: Any) -> _State:
    return type(node), data_of(node), grad_of(node), node.label, node.source


def _made(state: _State, op: Any, operands: tuple[Any, ...], local_gradients: Any = ()) -> Any:
    kind, data, grad, label, source = state
    node: Any = Node.__new__(kind)
    Node.__init__(node, data, op, operands, local_gradients, grad)
    if label:
        node.label = label
    if source is not None:
        node.source = source
    return node


_Attributes = dict[str, Any] | None
# All that a record keeps, and the model, which is not a part of a graph.
_OURS = {"_label", "_model", "data", "grad", "local_gradients", "op", "operands", "source"}


@lru_cache
def _own_slots(kind: Any) -> Sequence[str] | None:
    """The slots that a subclass has added; None if it has no attributes of its own."""
    slots = [name for name in copyreg._slotnames(kind) if name not in _OURS]  # type: ignore[attr-defined]
    return slots if slots or kind.__dictoffset__ else None


def _attributes(node: Any) -> _Attributes:
    """The attributes that a node of a subclass has beside those of every node; None if it has none."""
    slots = _own_slots(node.__class__)
    if slots is None:
        return None
    kept = {name: getattr(node, name) for name in slots if hasattr(node, name)}
    return kept | getattr(node, "__dict__", {}) or None


def _give(node: Any, attributes: _Attributes) -> None:
    for name, attribute in (attributes or {}).items():
        Node.__setattr__(node, name, attribute)
