"""From parts to text: a tree from the root down to the leaves, one number a line, in aligned columns.

A number is called what `explain` and the steps call it, so that one can be read beside the other; in a drawing of
several graphs, where they say nothing, it is numbered. A number used more than once is shown once, with its operands,
and from then on referred to. Indentation ends at a depth of 20: a deeper part begins again at the margin, further
below, and is referred to from where it belongs. So the text is as long as the graph, and no wider for a chain of
100,000 nodes than for one of twenty.

    >>> from autodiff import Value
    >>> from autodiff.show.drawings.reader import parts_of
    >>> x = Value(3.0, "x")
    >>> print(tree(parts_of(x * x + 1)))
    value    data  grad     operation    local gradient
    y        10    not yet  add
    ├─ v1    9     not yet  mul          1
    │  ├─ x  3     not yet               3
    │  └─ x                 shown above  3
    └─ 1                    constant
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

from autodiff.show.drawings.parts import Box, Id, Parts
from autodiff.show.words.names import names_of
from autodiff.show.words.tables import Row, aligned
from autodiff.show.words.text import on_one_line

_DEEPEST = 20
_WIDEST = 100  # of a column
_HEADER = ("value", "data", "grad", "operation", "local gradient")


def tree(parts: Parts) -> str:
    """The graph as text, without a newline at its end. If it is folded, the last line says how to open it."""
    rows = [tuple(map(on_one_line, row)) for row in _rows(parts)]
    return aligned([_HEADER, *rows], widest=_WIDEST) + f"\n{parts.note}" * bool(parts.note)


def _rows(parts: Parts) -> Iterator[Row]:
    """Yield a row for each use of a number. Boxes that have neither a label of their own nor a name are numbered."""
    names = _names(parts)
    placed = {box for value, box in parts.ids.items() if not value.label and box in names}  # w[1], but without a frame
    labels = Counter(box.label for box in parts.boxes)
    operations = {mark.result: f"{mark.operation} {mark.flag}".strip() for mark in parts.marks}
    numbers = count(1)
    titles: dict[Id, str] = {}
    for entry, where in _walk(parts):
        box = entry.box
        if box.id not in titles:
            unique = box.kind == "constant" or (box.label and labels[box.label] == 1 and box.id not in placed)
            label = box.data if box.kind == "constant" else _flat(box)
            titles[box.id] = label if unique else names.get(box.id) or f"{label} #{next(numbers)}".strip()
        title = entry.branch + titles[box.id]
        if where or box.kind == "constant":
            yield title, "", "", where or "constant", entry.local_gradient
        else:
            operation = operations.get(box.id, f"folded {box.flag}".strip() if box.kind == "fold" else "")
            yield title, box.data, box.grad, operation, entry.local_gradient


def _names(parts: Parts) -> dict[Id, str]:
    """What the boxes of Values are called in all that is said of the one root."""
    roots = [value for value, box in parts.ids.items() if box in parts.roots]
    if len(roots) != 1:
        return {}
    return {parts.ids[value]: name for value, name in names_of(roots[0]).items() if value in parts.ids}


def _flat(box: Box) -> str:
    """The label, on one line for a folded box."""
    return ", ".join(box.label.split("\n")) if box.kind == "fold" else box.label


# --- the walk ---


class _Entry(NamedTuple):
    """A box where the walk meets it: the branch before its title, and the indent before its operands' branches."""

    box: Box
    local_gradient: str = ""
    branch: str = ""
    indent: str = ""


def _walk(parts: Parts) -> Iterator[tuple[_Entry, str]]:
    """Yield each use of a box, depth first, and the place where it is shown, if not here."""
    operands = _operands(parts)
    where: dict[Id, str] = {}
    boxes = {box.id: box for box in parts.boxes}
    margin = deque([(boxes[root], False) for root in dict.fromkeys(parts.roots)])
    while margin:
        box, goes_on = margin.popleft()
        stack = [_Entry(box)]
        if goes_on:
            where.pop(box.id, None)
        while stack:
            entry = stack.pop()
            box, deep = entry.box, len(entry.indent) >= _DEEPEST * 3
            if deep and operands[box.id] and box.id not in where:
                where[box.id] = "shown below"
                margin.append((box, True))
            yield entry, where.get(box.id, "")
            if box.id not in where:
                where[box.id] = "shown above"
                stack += reversed(_branches(entry, operands[box.id]))


def _operands(parts: Parts) -> dict[Id, list[tuple[Box, str]]]:
    """The operands of each box, each with its local gradient."""
    boxes = {box.id: box for box in parts.boxes}
    operands: dict[Id, list[tuple[Box, str]]] = {box: [] for box in boxes}
    for edge in parts.edges:
        operands[edge.result].append((boxes[edge.operand], edge.local_gradient))
    return operands


def _branches(entry: _Entry, operands: Sequence[tuple[Box, str]]) -> list[_Entry]:
    inner = [_Entry(box, local, entry.indent + "├─ ", entry.indent + "│  ") for box, local in operands[:-1]]
    last = [_Entry(box, local, entry.indent + "└─ ", entry.indent + "   ") for box, local in operands[-1:]]
    return inner + last
