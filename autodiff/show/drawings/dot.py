"""From parts to the language of Graphviz.

A Value is a table of three cells, which Graphviz calls a record: label, data, grad. Its HTML-like labels would look
the same, but the WebAssembly build has no parser for them. Ink and paper have colours of their own, so that a drawing
reads the same wherever it is shown. Fills say nothing that a shape or a word does not say as well:
leaves are rounded, constants dashed, folded boxes have a double line; numbers not finite, or zero, or dead, say so.
An edge is dashed where its local gradient is zero. What is seen is told to users in the docstring of `draw`.

All places are given (by `placing`), and Graphviz draws what stands where it is; a graph with too many lines for that
is laid out by Graphviz.

    >>> from autodiff import Value
    >>> from autodiff.show.drawings.reader import parts_of
    >>> print(digraph(parts_of(Value(3.0, "a|b")), Looks()).body[0].strip())  # doctest: +ELLIPSIS
    n0 [label="a\\|b|{{data|grad}|{3|not yet}}" class=leaf fillcolor="#93c5fd" fixedsize=true ... width=1.1713]
"""

import re
from typing import Literal, NamedTuple

from graphviz import Digraph, nohtml  # type: ignore[import-untyped]

from autodiff.show.drawings.parts import Box, Edge, Frame, Id, Kind, Mark, Parts
from autodiff.show.drawings.placing.place import Places, least_size, places_of
from autodiff.show.drawings.placing.sizes import (
    ACROSS,
    BOX_FONT,
    DOWN,
    LABEL_FONT,
    TITLE_FONT,
    Size,
    cells_of,
    lines_of,
    sign_of,
    text_size,
)
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
WIDEST, LONGEST = 1230.0, 1300.0  # of a page, in points: 818 pixels at half the size, which has text of 7 pixels
TOP = {"labelloc": "t", "labeljust": "l"}


class Looks(NamedTuple):
    """How parts are drawn: the numbers that are shown, from operands to results left to right or top to bottom."""

    show: tuple[Shown, ...] = ("data", "grad", "local")
    direction: Direction = "LR"
    theme: Theme = "auto"


def fits(parts: Parts, looks: Looks) -> bool:
    """Whether a drawing can be read when it shrinks to the column of a notebook, and is no longer than two screens."""
    if not _is_small(least_size(parts, looks.show, looks.direction)):
        return False
    return _is_small(places_of(parts, looks.show, looks.direction, lambda edge: _edge_label(edge, looks)).size)


def _is_small(size: Size) -> bool:
    return size.width <= WIDEST and size.height <= LONGEST


def digraph(parts: Parts, looks: Looks) -> Digraph:
    """The graph as Graphviz takes it, from operands to results, placed."""
    places = places_of(parts, looks.show, looks.direction, lambda edge: _edge_label(edge, looks))
    where = _Where(parts, places)
    made = _empty(parts, looks, where)
    frames: dict[Id | None, Digraph] = {None: made}
    frames |= {frame.id: _cluster(frame, looks.theme, where) for frame in parts.frames}
    for box in parts.boxes:
        look = _box(box, looks)
        frames[box.frame].node(look["id"], **look | where.box(box.id))
    for mark in parts.marks:
        look = _mark(mark, looks)
        frames[mark.frame].node(look["id"], **look | where.box(mark.id))
    for frame in reversed(parts.frames):  # inner before outer: a frame is copied into the one around it
        frames[frame.parent].subgraph(frames[frame.id])
    for mark in parts.marks:
        line = mark.result.sibling("result")
        made.edge(str(mark.id), str(mark.result), id=str(line), **where.line(line))
    for edge in parts.edges:
        made.edge(str(edge.operand), str(edge.mark), **_edge(edge, looks), **where.line(edge.id))
    return made


class _Where:
    """Attributes that say where things are, in points from the lower left corner."""

    def __init__(self, parts: Parts, places: Places) -> None:
        self._places = places
        note = text_size(parts.note, TITLE_FONT) if parts.note else Size(0.0, 0.0)
        self._below = note.height + 8.0 if parts.note else 0.0
        self._size = Size(max(places.size.width, note.width), places.size.height + self._below)
        self._note = (note.width / 2, note.height / 2)

    def _point(self, point: tuple[float, float]) -> str:
        return f"{point[0]:.1f},{self._size.height - point[1]:.1f}"

    def graph(self) -> dict[str, str]:
        """Of the whole drawing."""
        x, y = self._note
        bounds = f"0,0,{self._size.width:.1f},{self._size.height:.1f}"
        return {"layout": "nop2", "bb": bounds, "lp": f"{x:.1f},{y:.1f}"}

    def frame(self, frame: Id) -> dict[str, str]:
        """Of a frame, and of its title, which fills the upper left."""
        if frame not in self._places.frames:
            return {}
        x, y, wide, high = self._places.frames[frame]
        corners = self._point((x - wide / 2, y + high / 2)), self._point((x + wide / 2, y - high / 2))
        return {"bb": ",".join(corners)}

    def title(self, frame: Id, text: str) -> dict[str, str]:
        if frame not in self._places.frames:
            return {}
        x, y, wide, high = self._places.frames[frame]
        size = text_size(text, TITLE_FONT)
        return {"lp": self._point((x - wide / 2 + 6.0 + size.width / 2, y - high / 2 + 3.0 + size.height / 2))}

    def box(self, part: Id) -> dict[str, str]:
        """Of a box or an operation."""
        x, y, wide, high = self._places.boxes[part]
        size = {"width": f"{wide / 72:.4f}", "height": f"{high / 72:.4f}", "fixedsize": "true"}
        return {"pos": self._point((x, y)), **size}

    def line(self, line: Id) -> dict[str, str]:
        """Of a line and its label."""
        way = self._places.ways[line]
        label = {"lp": self._point(way.label)} if way.label is not None else {}
        return {"pos": f"e,{self._point(way.tip)} {' '.join(map(self._point, way.points))}", **label}


def _empty(parts: Parts, looks: Looks, where: _Where) -> Digraph:
    ink, line = colour("ink", looks.theme), colour("line", looks.theme)
    text = {"fontname": FONT, "fontsize": f"{BOX_FONT:g}", "fontcolor": ink, "color": line}
    note = {"label": parts.note, "labelloc": "b", "labeljust": "l"} if parts.note else {}
    paper = {"rankdir": looks.direction, "bgcolor": colour("paper", looks.theme), "pad": "0.15"}
    apart = {"nodesep": "0.2", "ranksep": "0.35"}
    named = {"fontname": FONT, "fontsize": f"{TITLE_FONT:g}", "fontcolor": ink}
    margin = f"{ACROSS / 72:.4f},{DOWN / 72:.4f}"
    return Digraph(
        graph_attr={**paper, **apart, **named, **note, **where.graph()},
        node_attr={**text, "shape": "record", "margin": margin, "height": "0.1"},
        edge_attr={**text, "fontsize": f"{LABEL_FONT:g}", "arrowsize": "0.7"},
    )


def _cluster(frame: Frame, theme: Theme, where: _Where) -> Digraph:
    line, fill = colour("frame line", theme), colour("frame", theme)
    attributes = {"label": nohtml(_escaped(clipped(frame.label))), "id": str(frame.id), "style": "rounded,filled"}
    place = where.frame(frame.id) | where.title(frame.id, clipped(frame.label))
    return Digraph(
        f"cluster_{frame.id}",
        graph_attr={**attributes, "color": line, "fillcolor": fill, "margin": "8", **TOP, **place},
    )


# --- boxes, marks and edges: their attributes in Graphviz ---


def _box(box: Box, looks: Looks) -> dict[str, str]:
    fill = colour(box.tone or box.kind, looks.theme)
    focus = {"color": colour("focus", looks.theme), "penwidth": "3"} if box.focus else {}
    label = nohtml(_label(box, looks))
    return {"label": label, **SHAPES[box.kind], "fillcolor": fill, "id": str(box.id), "class": box.kind, **focus}


def _mark(mark: Mark, looks: Looks) -> dict[str, str]:
    fill = {**OPERATION, "height": "0.4", "width": "0.4", "fillcolor": colour("operation", looks.theme)}
    label = nohtml(_escaped(sign_of(mark)))
    return {"label": label, "id": str(mark.id), "class": "operation", **fill}


def _edge(edge: Edge, looks: Looks) -> dict[str, str]:
    dashes = {"style": "dashed"} if edge.local_gradient in ("0", "-0") else {}
    return {"label": nohtml(_escaped(_edge_label(edge, looks))), "id": str(edge.id), **dashes}


def _label(box: Box, looks: Looks) -> str:
    """The text of a box: the cells of a Value one above the other, a constant's number, the lines of a folded box."""
    if box.kind in ("constant", "fold", "port"):
        return _escaped(lines_of(box))
    rows, names, numbers = cells_of(box, looks.show)
    cells = list(map(_escaped_cell, rows))
    if names:
        cells.append(f"{{{{{'|'.join(names)}}}|{{{'|'.join(map(_escaped_cell, numbers))}}}}}")
    text = "|".join(cells) or " "
    return text if looks.direction == "LR" else f"{{{text}}}"  # each brace turns the direction of the cells within


def _edge_label(edge: Edge, looks: Looks) -> str:
    if edge.times > 1:
        return f"×{edge.times:,}"
    if "contribution" in looks.show and edge.contribution:
        return edge.contribution
    return edge.local_gradient if "local" in looks.show else ""


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
