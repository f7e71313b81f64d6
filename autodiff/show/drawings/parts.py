"""The parts of a drawing, as plain data: a computation graph read once, before anything is said of looks.

A box is a number: a Value, a constant operand, or a large part of the graph that was folded. A mark is the
operation that made a box. An edge leads from an operand's box to the mark (to the box itself, if it is folded) and
carries the local gradient. A frame is a module, around all that was made in it. Numbers are already text here, so that
every drawing shows the same digits; a box's tone is their sign and magnitude, as a drawing colours them.

Every part has an id, which says what belongs together: Values are numbered in topological order, and the box of a
Value, its operation and the edges to it have the same number.

    >>> box = Id("value", (2,))
    >>> print(box, box.sibling("operation"), box.sibling("operand", 1), Id("uses", (Id("fold", (0,)), box)))
    n2 o2 e2-1 e-g0-n2
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, Union

from autodiff.value import Value

Kind = Literal["leaf", "interior", "constant", "fold", "port"]

_LETTERS = {
    "value": "n",  # the box of a Value; which: its number
    "operation": "o",  # the mark that made it
    "result": "r",  # the edge from that mark to the box
    "operand": "e",  # the edge from an operand, whose position is the second number; from many constants, without
    "constant": "c",  # an operand that is a constant, likewise
    "fold": "g",  # a folded box
    "frame": "f",
    "uses": "e-",  # the edge for all uses between a folded box and another; which: the ids of both ends
    "unit": "u",  # of a model; which: layer, unit
    "weight": "w",  # layer, unit, input
}
Element = Literal["value", "operation", "result", "operand", "constant", "fold", "frame", "uses", "unit", "weight"]


class Id(NamedTuple):
    """The kind of an element, and which one it is. The text of an id is the element's name in Graphviz and in SVG.

    Nothing reads the text back: whoever meets one looks it up among the ids of the parts.
    """

    element: Element
    which: tuple[Union[int, "Id"], ...]

    def __str__(self) -> str:
        return _LETTERS[self.element] + "-".join([str(number) for number in self.which])

    def sibling(self, element: Element, position: int | None = None) -> "Id":
        """The id of another element of the same number: of a Value's operation, or of the edge from an operand."""
        return Id(element, self.which if position is None else (*self.which, position))


class Box(NamedTuple):
    """A number, or many folded into one. A constant has no label and no grad: both are empty.

    A port stands for what comes into the inside of a folded box from without, as its label says; it has no numbers.
    The label of a folded box has the lines that say what is in it; its grad is the norm of theirs. `flag` points out
    nan, inf and zero.
    """

    id: Id
    kind: Kind
    label: str
    data: str
    grad: str
    tone: str = ""
    flag: str = ""
    frame: Id | None = None
    focus: bool = False


class Mark(NamedTuple):
    """The operation that made the box `result`; a dead ReLU is flagged."""

    operation: str
    symbol: str
    result: Id
    flag: str = ""
    frame: Id | None = None

    @property
    def id(self) -> Id:
        """The id of the mark, which follows from the result's: ids that are kept cost the garbage collector time."""
        return self.result.sibling("operation")


class Edge(NamedTuple):
    """A box as an operand of the box `result`, with d(result)/d(operand), which is empty for a constant.

    `position` is the operand's, None if the edge stands for many uses, `times` of them: of constants, or to or from a
    folded box. `contribution` is the gain of the operand's grad: upstream x local.
    """

    operand: Id
    result: Id
    position: int | None
    local_gradient: str
    contribution: str = ""
    times: int = 1

    @property
    def mark(self) -> Id:
        """The end of the edge: the mark of the operation that made the result, or a folded result itself."""
        return self.result if self.result.element == "fold" else self.result.sibling("operation")

    @property
    def id(self) -> Id:
        """The id of the edge, which follows from the ids of its ends."""
        if "fold" in (self.operand.element, self.result.element):
            return Id("uses", (self.operand, self.mark))
        return self.result.sibling("operand", self.position)


class Frame(NamedTuple):
    """A module, in the frame `parent`: its own name, and with those around it."""

    id: Id
    label: str
    title: str
    parent: Id | None


class Parts(NamedTuple):
    """All of a drawing, in topological order. Edges stand in the order of operands; roots are ids of boxes.

    `note` says how to open folded boxes; `ids` has the box of each Value that is drawn as it is; `ran` whether
    there was a `backward()`. `insides` has what is in the folded boxes that can be opened, again as parts.
    """

    boxes: tuple[Box, ...]
    marks: tuple[Mark, ...]
    edges: tuple[Edge, ...]
    frames: tuple[Frame, ...] = ()
    roots: tuple[Id, ...] = ()
    note: str = ""
    ids: dict[Value, Id] = {}  # noqa: RUF012 - of a tuple, never changed
    ran: bool = False
    insides: Mapping[Id, "Parts"] = {}
