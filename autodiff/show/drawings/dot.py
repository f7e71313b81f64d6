"""From parts to the language of Graphviz.

A Value is a table of three cells, which Graphviz calls a record: label, data, grad. Its HTML-like labels would look
the same, but the WebAssembly build has no parser for them. Ink and paper have colours of their own, so that a drawing
reads the same wherever it is shown. Fills say nothing that a shape or a word does not say as well:
leaves are rounded, constants dashed, folded boxes have a double line; numbers not finite, or zero, or dead, say so.
An edge is dashed where its local gradient is zero. What is seen is told to users in the docstring of `draw`.

    >>> from autodiff import Value
    >>> from autodiff.show.drawings.reader import parts_of
    >>> print(digraph(parts_of(Value(3.0, "a|b")), Looks()).body[0].strip())  # doctest: +ELLIPSIS
    n0 [label="a\\|b|{{data|grad}|{3|not yet}}" class=leaf fillcolor="#93c5fd" id=n0 ... style="rounded,filled"]
"""

import re
from typing import Literal, NamedTuple

from graphviz import Digraph, nohtml  # type: ignore[import-untyped]

from autodiff.show.drawings.parts import Box, Edge, Frame, Id, Kind, Mark, Parts
from autodiff.show.words.text import clipped, printable
from autodiff.show.words.theme import FONT, Theme, colour

Direction = Literal["LR", "TB"]
Shown = Literal["data", "grad", "local", "contribution"]

SHAPES: dict[Kind, dict[str, str]] = {
    "leaf": {"style": "rounded,filled", "penwidth": "1.5"},
    "interior": {"style": "filled"},
    "constant": {"style": "filled,dashed", "shape": "box", "height": "0.3", "width": "0.3"},
    "port": {"style": "filled,rounded,dashed", "shape": "box", "height": "0.3", "width": "0.3"},
    "fold": {"style": "filled", "shape": "box", "peripheries": "2", "margin": "0.12,0.06"},
}
OPERATION = {"shape": "ellipse", "style": "filled", "fontsize": "13", "margin": "0.02,0"}
TOP = {"labelloc": "t", "labeljust": "l"}


class Looks(NamedTuple):
    """How parts are drawn: the numbers that are shown, from operands to results left to right or top to bottom."""

    show: tuple[Shown, ...] = ("data", "grad", "local")
    direction: Direction = "LR"
    theme: Theme = "auto"


def digraph(parts: Parts, looks: Looks) -> Digraph:
    """The graph as Graphviz takes it, from operands to results."""
    made = _empty(parts, looks)
    frames: dict[Id | None, Digraph] = {None: made}
    frames |= {frame.id: _cluster(frame, looks.theme) for frame in parts.frames}
    for box in parts.boxes:
        look = _box(box, looks)
        frames[box.frame].node(look["id"], **look)
    for mark in parts.marks:
        look = _mark(mark, looks)
        frames[mark.frame].node(look["id"], **look)
    for frame in reversed(parts.frames):  # inner before outer: a frame is copied into the one around it
        frames[frame.parent].subgraph(frames[frame.id])
    for mark in parts.marks:
        made.edge(str(mark.id), str(mark.result), id=str(mark.result.sibling("result")))
    for edge in parts.edges:
        made.edge(str(edge.operand), str(edge.mark), **_edge(edge, looks))
    return made


def _empty(parts: Parts, looks: Looks) -> Digraph:
    ink, line = colour("ink", looks.theme), colour("line", looks.theme)
    text = {"fontname": FONT, "fontsize": "11", "fontcolor": ink, "color": line}
    note = {"label": parts.note, "labelloc": "b", "labeljust": "l"} if parts.note else {}
    paper = {"rankdir": looks.direction, "bgcolor": colour("paper", looks.theme), "pad": "0.15"}
    return Digraph(
        graph_attr={**paper, "nodesep": "0.2", "ranksep": "0.35", "fontname": FONT, "fontsize": "10", "fontcolor": ink}
        | note,
        node_attr={**text, "shape": "record", "margin": "0.08,0.03", "height": "0.1"},
        edge_attr={**text, "fontsize": "10", "arrowsize": "0.7"},
    )


def _cluster(frame: Frame, theme: Theme) -> Digraph:
    line, fill = colour("frame line", theme), colour("frame", theme)
    attributes = {"label": nohtml(_escaped(clipped(frame.label))), "id": str(frame.id), "style": "rounded,filled"}
    return Digraph(
        f"cluster_{frame.id}", graph_attr={**attributes, "color": line, "fillcolor": fill, "margin": "8", **TOP}
    )


# --- boxes, marks and edges: their attributes in Graphviz ---


def _box(box: Box, looks: Looks) -> dict[str, str]:
    fill = colour(box.tone or box.kind, looks.theme)
    focus = {"color": colour("focus", looks.theme), "penwidth": "3"} if box.focus else {}
    label = nohtml(_label(box, looks))
    return {"label": label, **SHAPES[box.kind], "fillcolor": fill, "id": str(box.id), "class": box.kind, **focus}


def _mark(mark: Mark, looks: Looks) -> dict[str, str]:
    fill = {**OPERATION, "height": "0.4", "width": "0.4", "fillcolor": colour("operation", looks.theme)}
    label = nohtml(_escaped(f"{mark.symbol}\n{mark.flag}" if mark.flag else mark.symbol))
    return {"label": label, "id": str(mark.id), "class": "operation", **fill}


def _edge(edge: Edge, looks: Looks) -> dict[str, str]:
    dashes = {"style": "dashed"} if edge.local_gradient in ("0", "-0") else {}
    return {"label": nohtml(_escaped(_edge_label(edge, looks))), "id": str(edge.id), **dashes}


def _label(box: Box, looks: Looks) -> str:
    """The text of a box: the cells of a Value one above the other, a constant's number, the lines of a folded box."""
    if box.kind in ("constant", "port"):
        return _escaped(clipped(box.data or box.label))
    if box.kind == "fold":
        lines = [*map(clipped, box.label.split("\n")), f"|grad| {box.grad}", *[box.flag] * bool(box.flag)]
        return _escaped("\n".join(lines))
    rows = [(name, getattr(box, name)) for name in ("data", "grad") if name in looks.show]
    cells = [_escaped_cell(text) for text in (clipped(box.label), box.flag) if text]
    if rows:
        names, numbers = zip(*rows, strict=True)
        cells.append(f"{{{{{'|'.join(names)}}}|{{{'|'.join(map(_escaped_cell, map(clipped, numbers)))}}}}}")
    text = "|".join(cells) or " "
    return text if looks.direction == "LR" else f"{{{text}}}"  # each brace turns the direction of the cells within


def _edge_label(edge: Edge, looks: Looks) -> str:
    if edge.times > 1:
        return f" ×{edge.times:,} "
    if "contribution" in looks.show and edge.contribution:
        return f" {edge.contribution} "
    return f" {edge.local_gradient} " if "local" in looks.show else ""


# --- text as written ---


_ESCAPED = {ord("\\"): "\\\\", ord("&"): "&amp;", ord("\n"): "\\n"}


def _escaped(text: str, special: str = "") -> str:
    """The text as a Graphviz label that shows it as written; in cells more characters are special."""
    escaped = printable(text).translate(_ESCAPED | {ord(character): f"\\{character}" for character in special})
    if escaped.startswith("\\n"):
        escaped = f"&#32;{escaped}"  # an empty first line makes Graphviz 16 read memory that it never wrote
    return escaped


def _escaped_cell(text: str) -> str:
    # Of spaces at the ends of a cell, or side by side, Graphviz would drop some, even written as "\\ ".
    return re.sub(r"(?<!\S) | (?!\S)", "&#32;", _escaped(text, special="{}|<>"))
