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
from autodiff.show.live.film import film_of
from autodiff.show.live.program import Slots
from autodiff.show.words.names import names_of
from autodiff.show.words.numbers import NOT_YET
from autodiff.show.words.text import shorter
from autodiff.show.words.theme import PALETTE, STEPS, Theme
from autodiff.value import Value

SHOWS, ROOM = "data-shows", "data-room"  # on a text in the picture: which of its part's it is, and how long it may be
NAME = 24  # letters of a name at most, so that a flag has room beside it
LARGEST_FILM = 200  # boxes, as of `animate`
SELDOM = 0.1  # of all versions that have a flag in some place: there is no room for it
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
            local = [
                NOTHING if slot is None or (optional and is_nothing(values[slot])) else values[slot]
                for slot, (optional, _) in zip(slots.locals, slots.optional, strict=True)
            ]
            local = local or [0.0] * len(node.operands)  # of an inner node that is given: its operands do not matter
            gradient = 0.0 if slots.gradient is None else values[slots.gradient] + 0.0
            return Numbers(values[slots.data], gradient, local)

        return parts_of(self._y, Request(), numbers)._replace(note="")  # it speaks of arguments of `draw`

    def alt(self, parts: Parts) -> AltText:
        """The picture in words, for the numbers that its parts have."""
        words = {str(part): title for part, title in titles(self._named(parts)).items()}
        title = f"Computation graph of {self._names[self._y]}"
        return AltText(title, "Blue is positive and orange negative, deeper is larger, of the gradient.", words)

    def _named(self, parts: Parts) -> Parts:
        """The parts, each Value with a name: its number would not do, as it moves."""
        names = {box: self._names[value] for value, box in parts.ids.items()}
        return parts._replace(boxes=tuple([box._replace(label=names.get(box.id, box.label)) for box in parts.boxes]))

    def _flagged(self, parts: Parts) -> Parts:
        """The parts as they are drawn: each Value has its name, which the steps of a film call it by, then its flag."""
        boxes = [
            box
            if box.kind in ("constant", "fold")
            else box._replace(label=f"{shorter(box.label, NAME)} {box.flag}".strip(), flag="")
            for box in self._named(parts).boxes
        ]
        return parts._replace(boxes=tuple(boxes))

    # --- the element ---

    def svg(self, values: Sequence[float], others: Iterable[Sequence[float]], prefix: str) -> str:
        """The <svg> element for these numbers, with room for those of the others.

        Raises RuntimeError if nothing that is installed can draw.
        """
        now = self._flagged(self.at(values))
        roomy = _roomy([now, *[self._flagged(self.at(other)) for other in others]])
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
        return svg.finished(
            ElementTree.tostring(root, encoding="unicode"), prefix, self.alt(self.at(values)), self._theme
        )

    # --- which slot stands where ---

    def film(self) -> dict[str, Any] | None:
        """What a script needs to show the two passes in the picture; None where parts of it are folded, or many."""
        parts = parts_of(self._y, Request())
        whole = len(parts.ids) == len(self._names) and len(parts.boxes) <= LARGEST_FILM
        return film_of(self._y, self._nodes, parts.ids, self._names) if whole else None

    def data(self) -> dict[str, Any]:
        """What a script needs to let the picture follow the numbers in the slots, for JSON."""
        parts = parts_of(self._y, Request())
        said = {str(part): title for part, title in titles(_templates(self._named(parts))).items()}
        found: dict[str, list[dict[str, Any]]] = {"boxes": [], "marks": [], "edges": [], "folds": self._folds()}
        edges = {str(edge.id) for edge in parts.edges if edge.local_gradient}
        for node, box in parts.ids.items():
            if (slots := self._nodes.get(node)) is not None:
                name = shorter(self._names[node], NAME)
                found["boxes"].append({"id": str(box), "name": name, "data": slots.data, "gradient": slots.gradient})
                if node.op is relu and slots.locals:
                    found["marks"].append({"id": str(box.sibling("operation")), "local": slots.locals[0]})
                into = [{"id": str(box.sibling("operand", k)), **edge} for k, edge in enumerate(_edges(node, slots))]
                found["edges"] += [{**edge, "upstream": slots.gradient} for edge in into if edge["id"] in edges]
        titled = {kind: [{**part, "title": said[part["id"]]} for part in listed] for kind, listed in found.items()}
        tones = {name: pair[self._theme == "dark"] for name, pair in PALETTE.items()}
        return {**titled, "tones": tones, "steps": STEPS, "dashes": DASHES, "places": PLACES}

    def _folds(self) -> list[dict[str, Any]]:
        """The slots of each folded box."""
        folding = folded([self._y], Request())
        nodes = folding.wiring.nodes
        slots = {i: self._nodes[node] for i, node in enumerate(nodes) if node in self._nodes}
        return [
            {
                "id": str(Id("fold", (k,))),
                "measured": [slots[i].gradient for i in folding.measured(group) if i in slots],
                "members": [[slots[i].data, slots[i].gradient] for i in group.members if i in slots],
                "relus": [
                    slots[i].locals[0] for i in group.members if i in slots and nodes[i].op is relu and slots[i].locals
                ],
            }
            for k, group in enumerate(folding.groups)
        ]


def _edges(node: Value, slots: Slots) -> list[dict[str, Any]]:
    """The slots of each edge into a node: none of an inner node that is given."""
    none = {"local": None, "share": None, "optional": (False, False)}
    edges = zip(slots.locals, slots.shares, slots.optional, strict=True)
    found = [{"local": local, "share": share, "optional": optional} for local, share, optional in edges]
    return found or [none] * len(node.operands)


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
    boxes = zip(*[parts.boxes for parts in versions], strict=True)
    marks = zip(*[parts.marks for parts in versions], strict=True)
    edges = zip(*[parts.edges for parts in versions], strict=True)
    return versions[0]._replace(
        boxes=tuple(
            [
                each[0] if each[0].kind == "constant" else _longest(each, "label", "data", "grad", "flag")
                for each in boxes
            ]
        ),
        marks=tuple([_longest(each, "flag") for each in marks]),
        edges=tuple([_longest(each, "local_gradient", "contribution") for each in edges]),
    )


def _longest(versions: Sequence[Any], *names: str) -> Any:
    shown = {name: [getattr(part, name) for part in versions] for name in names}
    if versions[0].id.element == "value":  # a film does not know its numbers at first
        shown |= {name: [*shown[name], NOT_YET] for name in ("data", "grad")}
    found = {name: max(texts, key=len) for name, texts in shown.items()}
    flagged = sum([bool(part.flag) for part in versions]) if "flag" in names else 0
    if "flag" in names and flagged < SELDOM * len(versions) and not versions[0].flag:
        found["flag"] = ""
    return versions[0]._replace(**found)


def _texts(parts: Parts) -> dict[Id, dict[str, str]]:
    """The texts of each part that change with the numbers, by what they show."""
    found: dict[Id, dict[str, str]] = {}
    for box in parts.boxes:
        if box.kind == "fold":
            found[box.id] = {"grad": f"|grad| {box.grad}", "flag": box.flag}
        elif box.kind != "constant":
            found[box.id] = {"label": box.label, "data": box.data, "grad": box.grad}
    found |= {mark.id: {"flag": mark.flag} for mark in parts.marks}
    return found | {edge.id: {"local": edge.local_gradient} for edge in parts.edges if edge.local_gradient}


def _place(name: str, room: Mapping[str, str]) -> int:
    """The place of a text among those of its part: a box has its label first, and last its data and grad."""
    if "data" in room:
        return {"label": 0, "data": -2, "grad": -1}[name]
    return -2 if name == "grad" and room["flag"] else -1


def _shape(group: ElementTree.Element) -> ElementTree.Element:
    return next(child for child in group.iter() if child.tag in _SHAPES)


def _dash(line: ElementTree.Element, edge: Edge) -> None:
    """Dash an edge whose local gradient is zero."""
    line.attrib.pop("stroke-dasharray", None)
    if edge.local_gradient in ("0", "-0"):
        line.set("stroke-dasharray", DASHES)
