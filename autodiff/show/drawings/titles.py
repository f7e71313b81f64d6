"""Each part of a drawing in words, for screen readers, and for the pointer.

>>> from autodiff import Value
>>> from autodiff.show.drawings.reader import parts_of
>>> for part, words in titles(parts_of(Value(2.0, "a").exp())).items():
...     print(part, "-", words)
n0 - leaf a: data 2, grad not yet
n1 - value: data 7.38906, grad not yet
o1 - exp makes 7.38906
r1 - exp makes 7.38906
e1-0 - a goes into 7.38906: local gradient 7.38906, contribution not yet
"""

from autodiff.show.drawings.parts import Box, Edge, Id, Mark, Parts
from autodiff.show.words.text import at_most


def titles(parts: Parts) -> dict[Id, str]:
    """The title of each element: boxes, marks, edges and frames."""
    boxes = {box.id: box for box in parts.boxes}

    def called(end: Id) -> str:
        box = boxes[end]
        return at_most(60, box.label.split("\n")[0] or box.data)

    found = {box.id: box_title(box) for box in parts.boxes}
    for mark in parts.marks:
        made = f"{mark.operation} makes {called(mark.result)}"
        found |= {mark.id: made + _noticed(mark), mark.result.sibling("result"): made}
    found |= {edge.id: _edge_title(edge, called(edge.operand), called(edge.result)) for edge in parts.edges}
    return found | {frame.id: f"module {frame.title}" for frame in parts.frames}


def box_title(box: Box, numbers: tuple[str, ...] = ("data", "grad")) -> str:
    """A box in words, with some of its numbers."""
    if box.kind == "constant":
        return f"constant {box.data}"
    label = at_most(1_000, box.label)
    if box.kind == "port":
        return f"from without: {label}"
    if box.kind == "fold":
        return f"folded: {', '.join(label.splitlines())}, |grad| {box.grad}{_noticed(box)}"
    kind = "leaf" if box.kind == "leaf" else "value"
    said = ", ".join([f"{name} {getattr(box, name)}" for name in numbers])
    return f"{kind} {label}".rstrip(" ") + f": {said}{_noticed(box)}" * bool(said)


def _edge_title(edge: Edge, operand: str, result: str) -> str:
    words = f"{operand} goes into {result}" + f", {edge.times:,} times" * (edge.times > 1)
    slope = f": local gradient {edge.local_gradient}" if edge.local_gradient else ""
    return words + slope + (f", contribution {edge.contribution}" if edge.contribution else "")


def _noticed(part: Box | Mark) -> str:
    return f", {part.flag[2:]}" if part.flag else ""  # in words alone, without its sign
