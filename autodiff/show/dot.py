"""From parts to the language of Graphviz.

A Value is a table of three cells, which Graphviz calls a record: label, data, grad. Its HTML-like labels would look
the same, but the WebAssembly build has no parser for them. Colours are those of ink on paper, the paper included, so
that a drawing reads the same in a light notebook and in a dark one: no single ink has enough contrast (4.5 to 1) on
white and on near-black at once. What a fill says is also said by a shape: leaves are rounded, constants dashed.

    >>> from autodiff import Value
    >>> from autodiff.show.parts import parts_of
    >>> print(digraph(parts_of(Value(3.0, "a|b")), "LR").body[0].strip())
    n0 [label="a\\|b|{{data|grad}|{3|0}}" fillcolor="#dbeafe" style="rounded,filled"]
"""

import re
from typing import Literal

from graphviz import Digraph, nohtml  # type: ignore[import-untyped]

from autodiff.show.parts import Box, Kind, Parts

Direction = Literal["LR", "TB"]

# Graphviz without a font library measures text by tables it has for a few fonts; Verdana and DejaVu Sans, which stands
# in for it on Linux, are among them and equally wide, so that text fits its box everywhere.
FONT = "Verdana"

INK, PAPER = "#27272a", "white"
LINE = "#52525b"

LOOKS: dict[Kind, dict[str, str]] = {
    "leaf": {"style": "rounded,filled", "fillcolor": "#dbeafe"},
    "interior": {"style": "filled", "fillcolor": "#f4f4f5"},
    "constant": {"style": "filled,dashed", "fillcolor": PAPER, "shape": "box", "height": "0.3", "width": "0.3"},
}
OPERATION = {"shape": "ellipse", "style": "filled", "fillcolor": "#fde68a", "fontsize": "13", "margin": "0.02,0"}


def digraph(parts: Parts, direction: Direction) -> Digraph:
    """Return the graph as Graphviz takes it, from operands to results: left to right (LR) or top to bottom (TB)."""
    text = {"fontname": FONT, "fontsize": "11", "fontcolor": INK, "color": LINE}
    made = Digraph(
        graph_attr={"rankdir": direction, "bgcolor": PAPER, "pad": "0.15", "nodesep": "0.2", "ranksep": "0.35"},
        node_attr={**text, "shape": "record", "margin": "0.08,0.03", "height": "0.1"},
        edge_attr={**text, "fontsize": "10", "arrowsize": "0.7"},
    )
    for box in parts.boxes:
        made.node(box.name, nohtml(_cells(box, direction)), **LOOKS[box.kind])
    for mark in parts.marks:
        made.node(mark.name, nohtml(_escaped(mark.symbol)), height="0.4", width="0.4", **OPERATION)
        made.edge(mark.name, mark.result)
    for edge in parts.edges:
        made.edge(edge.operand, edge.mark, label=nohtml(_escaped(f" {edge.local_gradient} ")))
    return made


def _cells(box: Box, direction: Direction) -> str:
    """Return a box's text: the cells of a Value one above the other, or a constant's number."""
    if box.kind == "constant":
        return _escaped(box.data)
    label = f"{_escaped_cell(box.label)}|" if box.label else ""
    cells = f"{label}{{{{data|grad}}|{{{_escaped_cell(box.data)}|{_escaped_cell(box.grad)}}}}}"
    return cells if direction == "LR" else f"{{{cells}}}"  # each brace turns the direction of the cells within


# --- text as written ---

_REPLACED: dict[int, int | str] = {
    **{code: 0x2400 + code for code in range(32)},  # control characters: XML has none; Unicode has pictures of them
    **dict.fromkeys([*range(0x7F, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF], "\N{REPLACEMENT CHARACTER}"),
    ord("\n"): "\n",
    0x7F: "\N{SYMBOL FOR DELETE}",
}
_ESCAPED = {ord("\\"): "\\\\", ord("&"): "&amp;", ord("\n"): "\\n"}


def printable(text: str) -> str:
    """Return `text` with what XML cannot hold made visible: control characters as their pictures, or as U+FFFD."""
    return text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4).translate(_REPLACED)


def _escaped(text: str, special: str = "") -> str:
    """Return `text` as a Graphviz label that shows it as written; in cells more characters are special."""
    escaped = printable(text).translate(_ESCAPED | {ord(character): f"\\{character}" for character in special})
    if escaped.startswith("\\n"):
        escaped = f"&#32;{escaped}"  # an empty first line makes Graphviz 16 read memory that it never wrote
    return escaped


def _escaped_cell(text: str) -> str:
    # Of spaces at the ends of a cell, or side by side, Graphviz would drop some, even written as "\\ ".
    return re.sub(r"(?<!\S) | (?!\S)", "&#32;", _escaped(text, special="{}|<>"))
