"""The drawing of a graph whose numbers move: laid out with room for them, and a list of which slot stands where.

A slot is a place among the values of a program. The picture shows the gradients of the numbers that it shows, whether
or not there was a `backward()`.

    >>> from autodiff import Value
    >>> from autodiff.show.live.program import program_of
    >>> x = Value(3.0, "x")
    >>> y = x * x
    >>> live = program_of(y)
    >>> parts = Picture(y, live.nodes).at(live.evaluate([2.0]))
    >>> [(box.data, box.grad) for box in parts.boxes]
    [('2', '4'), ('4', '1')]
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from autodiff.chain import NOTHING
from autodiff.compiler.programs.opcodes import is_nothing
from autodiff.primitives import relu
from autodiff.show.drawings import dot, render, svg
from autodiff.show.drawings.parts import Edge, Id, Parts
from autodiff.show.drawings.reader import Numbers, parts_of
from autodiff.show.drawings.svg import NAMESPACE, AltText
from autodiff.show.drawings.titles import titles
from autodiff.show.folding.fold import Request, folded
from autodiff.show.live.program import Slots
from autodiff.show.words.names import names_of
from autodiff.show.words.theme import PALETTE, STEPS, Theme
from autodiff.value import Value

SHOWS, ROOM = "data-shows", "data-room"  # on a text in the picture: which of its part's it is, and how long it may be
DASHES = "5,2"  # of an edge whose local gradient is zero, as Graphviz has them
PLACES = {"data": "\ue001", "grad": "\ue002", "local": "\ue003", "share": "\ue004"}  # of numbers, in a title

_GROUP, _TEXT = [f"{{{NAMESPACE}}}{tag}" for tag in ("g", "text")]
_SHAPES = [f"{{{NAMESPACE}}}{tag}" for tag in ("path", "polygon", "ellipse")]


class Picture:
    """The drawing of the graph that ends in y, for any numbers in the slots of its nodes."""

    def __init__(self, y: Value, nodes: Mapping[Value, Slots], theme: Theme = "auto") -> None:
        self._y, self._nodes, self._theme = y, nodes, theme
        self._names = names_of(y)

    def at(self, values: Sequence[float]) -> Parts:
        """The parts of the drawing, for these numbers in the slots."""

        def numbers(node: Value) -> Numbers:
            slots = self._nodes.get(node)
            if slots is None:  # behind an inner node that is given: it keeps its number, and gets no gradient
                return Numbers(node.data, 0.0, node.local_gradients)
            local = [NOTHING if slot is None or is_nothing(values[slot]) else values[slot] for slot in slots.locals]
            local = local or [0.0] * len(node.operands)  # of an inner node that is given: its operands do not matter
            gradient = 0.0 if slots.gradient is None else values[slots.gradient] + 0.0
            return Numbers(values[slots.data], gradient, local)

        return parts_of(self._y, Request(), numbers)

    def alt(self, parts: Parts) -> AltText:
        """The picture in words, for the numbers that its parts have."""
        words = {str(part): title for part, title in titles(self._named(parts)).items()}
        title = f"Computation graph of {self._names[self._y]}"
        return AltText(title, "Blue is positive and orange negative, deeper is larger, of the gradient.", words)

    def _named(self, parts: Parts) -> Parts:
        """The parts, each Value with a name: its number would not do, as it moves."""
        names = {box: self._names[value] for value, box in parts.ids.items()}
        return parts._replace(boxes=tuple([box._replace(label=names.get(box.id, box.label)) for box in parts.boxes]))

    # --- the element ---

    def svg(self, values: Sequence[float], others: Iterable[Sequence[float]], prefix: str) -> str:
        """The <svg> element for these numbers, with room for those of the others.

        Raises RuntimeError if nothing that is installed can draw.
        """
        now = self.at(values)
        roomy = _roomy([now, *map(self.at, others)])
        root = ElementTree.fromstring(render.svg(dot.digraph(roomy, dot.Looks(theme=self._theme)).source))
        groups = {group.get("id"): group for group in root.iter(_GROUP)}
        room = _texts(roomy)
        for part, texts in _texts(now).items():
            elements = list(groups[str(part)].iter(_TEXT))
            for name in [name for name in texts if room[part][name]]:
                element = elements[_place(name, room[part])]
                element.set(SHOWS, name)
                element.set(ROOM, str(len(room[part][name])))
                element.text = texts[name]
        for box in now.boxes:
            if box.tone:
                _shape(groups[str(box.id)]).set("fill", PALETTE[box.tone][self._theme == "dark"])
        for edge in now.edges:
            _dash(_shape(groups[str(edge.id)]), edge)
        return svg.finished(ElementTree.tostring(root, encoding="unicode"), prefix, self.alt(now), self._theme)

    # --- which slot stands where ---

    def data(self) -> dict[str, Any]:
        """What a script needs to let the picture follow the numbers in the slots, for JSON."""
        folding = folded([self._y], Request())
        nodes = folding.wiring.nodes
        slots = [self._nodes.get(node, Slots(-1)) for node in nodes]
        parts = parts_of(self._y, Request())
        said = titles(_templates(self._named(parts)))
        drawn = [(box, self._nodes[node], node) for node, box in parts.ids.items() if node in self._nodes]
        edges = {edge.id for edge in parts.edges if edge.local_gradient}
        return {
            "boxes": [
                {"id": str(box), "title": said[box], "data": its.data, "gradient": its.gradient}
                for box, its, _ in drawn
            ],
            "marks": [
                {"id": str(box.sibling("operation")), "title": said[box.sibling("operation")], "local": its.locals[0]}
                for box, its, node in drawn
                if node.op is relu and box.sibling("operation") in said
            ],
            "edges": [
                {"id": str(edge), "title": said[edge], "upstream": its.gradient, "local": local, "share": share}
                for box, its, node in drawn
                for k, (local, share) in enumerate(
                    zip(its.locals, its.shares, strict=True) if its.locals else [(None, None)] * len(node.operands)
                )
                if (edge := box.sibling("operand", k)) in edges
            ],
            "folds": [
                {
                    "id": str(Id("fold", (k,))),
                    "title": said[Id("fold", (k,))],
                    "measured": [slots[i].gradient for i in folding.measured(group)],
                    "members": [[slots[i].data, slots[i].gradient] for i in group.members],
                    "relus": [slots[i].locals[0] for i in group.members if nodes[i].op is relu and slots[i].locals],
                }
                for k, group in enumerate(folding.groups)
            ],
            "tones": {name: pair[self._theme == "dark"] for name, pair in PALETTE.items()},
            "steps": STEPS,
            "dashes": DASHES,
            "places": PLACES,
        }


def _templates(parts: Parts) -> Parts:
    """The parts with the places of numbers for numbers, and no flags."""
    return parts._replace(
        boxes=tuple([box._replace(data=PLACES["data"], grad=PLACES["grad"], flag="") for box in parts.boxes]),
        marks=tuple([mark._replace(flag="") for mark in parts.marks]),
        edges=tuple(
            [
                edge._replace(local_gradient=PLACES["local"], contribution=PLACES["share"])
                if edge.local_gradient
                else edge
                for edge in parts.edges
            ]
        ),
    )


def _roomy(versions: Sequence[Parts]) -> Parts:
    """The parts with the longest text that any version has in each place."""
    one = versions[0]
    boxes = zip(*[parts.boxes for parts in versions], strict=True)
    marks = zip(*[parts.marks for parts in versions], strict=True)
    edges = zip(*[parts.edges for parts in versions], strict=True)
    return one._replace(
        boxes=tuple([_longest(each, "data", "grad", "flag") for each in boxes]),
        marks=tuple([_longest(each, "flag") for each in marks]),
        edges=tuple([_longest(each, "local_gradient", "contribution") for each in edges]),
    )


def _longest(versions: Sequence[Any], *names: str) -> Any:
    return versions[0]._replace(**{name: max([getattr(part, name) for part in versions], key=len) for name in names})


def _texts(parts: Parts) -> dict[Id, dict[str, str]]:
    """The texts of each part that change with the numbers, by what they show."""
    found: dict[Id, dict[str, str]] = {}
    for box in parts.boxes:
        if box.kind == "fold":
            found[box.id] = {"grad": f"|grad| {box.grad}", "flag": box.flag}
        elif box.kind != "constant":
            found[box.id] = {"flag": box.flag, "data": box.data, "grad": box.grad}
    found |= {mark.id: {"flag": mark.flag} for mark in parts.marks}
    return found | {edge.id: {"local": edge.local_gradient} for edge in parts.edges if edge.local_gradient}


def _place(name: str, room: Mapping[str, str]) -> int:
    """The place of a text among those of its part, from the end.

    In a box, names of numbers stand between its flag and the numbers: flag, "data", "grad", the data, the grad.
    """
    if "data" in room:
        return {"flag": -5, "data": -2, "grad": -1}[name]
    return -2 if name == "grad" and room["flag"] else -1


def _shape(group: ElementTree.Element) -> ElementTree.Element:
    return next(child for child in group.iter() if child.tag in _SHAPES)


def _dash(line: ElementTree.Element, edge: Edge) -> None:
    """Dash an edge whose local gradient is zero."""
    line.attrib.pop("stroke-dasharray", None)
    if edge.local_gradient in ("0", "-0"):
        line.set("stroke-dasharray", DASHES)
