"""A drawing laid out once for all of its scenes: whatever changes is there several times, and shown in turn.

Each text, colour and highlight that some scenes have and others have not is an element of its own, with the first and
the last of its scenes in `data-from` and `data-to`, and hidden unless it belongs to the last scene: to show a scene one
has only to set `visibility`. A viewer that does not shows the end of the pass.

Boxes are as wide as their longest text, so that nothing moves.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeVar
from xml.etree.ElementTree import Element, fromstring

from autodiff.show.animations.scenes import Scene
from autodiff.show.drawings import dot, render
from autodiff.show.drawings.parts import Box, Edge, Id, Parts
from autodiff.show.drawings.svg import NAMESPACE
from autodiff.show.drawings.titles import box_title, titles
from autodiff.show.words.numbers import NOT_YET
from autodiff.show.words.theme import Theme, colour

FROM, TO = "data-from", "data-to"

_TEXT, _GROUP = f"{{{NAMESPACE}}}text", f"{{{NAMESPACE}}}g"
_SHAPES = [f"{{{NAMESPACE}}}{tag}" for tag in ("path", "polygon", "ellipse")]
_ACTIVE = {"stroke-width": "3", "data-highlight": "active"}
_ACTIVE_LINE = {**_ACTIVE, "stroke-width": "2"}  # which leaves its label clear
_CHANGED = {"stroke-width": "2.5", "stroke-dasharray": "4,2", "data-highlight": "changed"}

State = TypeVar("State", bound=Hashable)


class Stage:
    """The drawing of a graph and its scenes, in which the numbers shown in boxes and on edges become known."""

    def __init__(self, parts: Parts, scenes: Sequence[Scene], looks: dot.Looks) -> None:
        self.scenes = scenes
        self._parts = parts
        self._looks = looks
        self._theme = looks.theme
        self._numbers = [name for name in ("data", "grad") if name in looks.show]

    @cached_property
    def _drawn(self) -> str:
        boxes = tuple([self._widest_box(box) for box in self._parts.boxes])
        edges = tuple([self._widest_edge(edge) for edge in self._parts.edges])
        widest = self._parts._replace(boxes=boxes, edges=edges)
        return render.svg(dot.digraph(widest, self._looks).source)

    def titles(self) -> dict[Id, str]:
        """The titles of all elements, without the numbers that are not known from the start."""
        found, start = titles(self._parts), self.scenes[0]
        for box in self._parts.boxes:
            known = ("data",) if start.data.get(box.id) != NOT_YET else ()
            found[box.id] = box_title(box._replace(flag=""), known)
        return found

    def element(self) -> Element:
        """The <svg> element as it was drawn, and in it all that its scenes show.

        Raises RuntimeError if nothing that is installed can draw.
        """
        root = fromstring(self._drawn)
        ids = {str(part): part for part in titles(self._parts)}
        for group in list(root.iter(_GROUP)):
            part = ids.get(group.get("id", ""))
            if part is None:
                continue
            texts = list(group.iter(_TEXT))
            active = [part in scene.active for scene in self.scenes]
            if part in self.scenes[-1].data:  # a box, whose last texts are its numbers
                for name, text in zip(self._numbers, texts[-len(self._numbers) :], strict=True):
                    self._vary_text(group, text, [_number(scene, name, part) for scene in self.scenes])
            elif part in self.scenes[-1].edges and "contribution" in self._looks.show:
                self._vary_text(group, texts[-1], [scene.edges[part] for scene in self.scenes], active)
            if part in self.scenes[-1].tones:
                self._vary_colour(group, part)
            is_line = part.element in ("operand", "result")
            self._highlight(group, active, _ACTIVE_LINE if is_line else _ACTIVE)
            self._highlight(group, [part in scene.changed - scene.active for scene in self.scenes], _CHANGED)
        return root

    # --- room for every scene ---

    def _widest_box(self, box: Box) -> Box:
        if box.kind == "constant":
            return box
        for name in self._numbers:
            box = box._replace(**{name: _widest([_number(scene, name, box.id) for scene in self.scenes])})  # type: ignore[arg-type]
        return box._replace(tone=self.scenes[-1].tones[box.id], flag="")

    def _widest_edge(self, edge: Edge) -> Edge:
        return edge._replace(contribution=_widest([scene.edges.get(edge.id, "") for scene in self.scenes]))

    # --- the looks of each scene ---

    def _vary_text(self, group: Element, text: Element, texts: Sequence[str], active: Sequence[bool] = ()) -> None:
        """Write one of the texts of a group as each scene has it, in another colour where it is active."""
        ink, focus = [colour(paint, self._theme) for paint in ("ink", "focus")]
        fills = [focus if each else ink for each in active] or [ink] * len(texts)
        for (shown, fill), variant in self._variants(group, text, [*zip(texts, fills, strict=True)]):
            variant.text = shown
            variant.set("fill", fill)

    def _vary_colour(self, group: Element, part: Id) -> None:
        for tone, variant in self._variants(group, _shapes(group)[0], [scene.tones[part] for scene in self.scenes]):
            variant.set("fill", colour(tone, self._theme))

    def _highlight(self, group: Element, states: Sequence[bool], look: dict[str, str]) -> None:
        """Outline the shapes of a group in the scenes that are about it."""
        line = colour("focus", self._theme)
        for first, last, shown in runs(states):
            for shape in _shapes(group) if shown else []:
                arrowhead = shape.get("fill") == shape.get("stroke")
                outline = Element(shape.tag, {**shape.attrib, "fill": line if arrowhead else "none", "stroke": line})
                for name in (FROM, TO, "visibility"):
                    outline.attrib.pop(name, None)
                outline.attrib |= look
                self._mark(outline, first, last)
                group.append(outline)

    def _variants(self, group: Element, element: Element, states: Sequence[State]) -> Iterator[tuple[State, Element]]:
        """Put a copy of an element for each run of equal states in its place, and yield both."""
        place = list(group).index(element)
        group.remove(element)
        for offset, (first, last, state) in enumerate(runs(states)):
            variant = copy(element)
            variant.attrib = dict(element.attrib)
            self._mark(variant, first, last)
            group.insert(place + offset, variant)
            yield state, variant

    def _mark(self, element: Element, first: int, last: int) -> None:
        """Say in which scenes an element is shown, unless in all of them."""
        end = len(self.scenes) - 1
        if (first, last) != (0, end):
            element.attrib |= {FROM: str(first), TO: str(last)}
            if last < end:
                element.set("visibility", "hidden")


class Captioned(Protocol):
    """A scene, as far as players know it."""

    @property
    def caption(self) -> str: ...
    @property
    def words(self) -> str: ...


class Staged(Protocol):
    """What players show: a picture with all its scenes in it, marked as `Stage` marks them."""

    @property
    def scenes(self) -> Sequence[Captioned]: ...
    def element(self) -> Element: ...
    def titles(self) -> Mapping[Any, str]: ...


class Told(Protocol):
    """What players write below it: the steps between the first scene and the last, as a table."""

    def __len__(self) -> int: ...
    def _repr_html_(self) -> str: ...


class Track(NamedTuple):
    """One drawing of an animation: its title, its scenes laid out, and the steps that they show."""

    title: str
    stage: Staged
    steps: Told


class Play(NamedTuple):
    """An animation as data: its tracks move together, and show each step for so many seconds.

    What scenes have to say in plain words is shown if `words` is true, and in a page whenever its reader wants it.
    """

    title: str
    tracks: Sequence[Track]
    seconds: float
    theme: Theme
    words: bool = False

    @property
    def speaks(self) -> bool:
        """Whether any scene has something to say in plain words."""
        return any(scene.words for track in self.tracks for scene in track.stage.scenes)

    @property
    def last(self) -> int:
        """The number of the last scene."""
        return max([len(track.stage.scenes) for track in self.tracks]) - 1


def runs(states: Sequence[State]) -> Iterator[tuple[int, int, State]]:
    """Yield the first and the last position of each run of equal states, and the state.

    >>> list(runs("aab"))
    [(0, 1, 'a'), (2, 2, 'b')]
    """
    first = 0
    for i, state in enumerate(states):
        if i + 1 == len(states) or states[i + 1] != state:
            yield first, i, state
            first = i + 1


def _number(scene: Scene, name: str, box: Id) -> str:
    """The number of a box in a scene, data or grad."""
    return (scene.data if name == "data" else scene.grads)[box]


def _widest(texts: Sequence[str]) -> str:
    return max(texts, key=lambda text: (len(text), text != NOT_YET))  # digits are wider than letters


def _shapes(group: Element) -> list[Element]:
    """The shapes of a group itself, each in one of its variants; not the shapes of groups inside."""
    plain = [child for child in group if child.tag in _SHAPES and "data-highlight" not in child.attrib]
    return [child for child in plain if child.get("visibility") != "hidden"]
