"""Scenes: each step of a pass as its drawing shows it, in plain data.

A scene has the numbers of every box and the text of every edge, the colours of boxes, and which elements the step is
about, all by the ids of the parts. The first scene is before the pass, the last one after it: step k of
`backward_steps` is scene k.

    >>> from autodiff import Value, backward_steps
    >>> from autodiff.show.drawings.reader import parts_of
    >>> x = Value(3.0, "x")
    >>> y = x * 2.0
    >>> for scene in backward_scenes(backward_steps(y), y, parts_of(y)):
    ...     print({str(part): text for part, text in (scene.grads | scene.edges).items()}, scene.caption)
    {'n0': 'not yet', 'n1': '1', 'e1-0': '2'} Start: dy/dy = 1; no other gradient is known yet.
    {'n0': '2', 'n1': '1', 'e1-0': '1 × 2 = 2'} y = x * 2 = 6, dy/dy = 1: dy/dx += 1 * 2 = 2
    {'n0': '2', 'n1': '1', 'e1-0': '1 × 2 = 2'} End: dy/dx = 2
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from autodiff.show.drawings.parts import Id, Parts
from autodiff.show.explanations.backward import BackwardStep, BackwardSteps, factor
from autodiff.show.explanations.forward import ForwardSteps
from autodiff.show.words import theme
from autodiff.show.words.names import names_of
from autodiff.show.words.numbers import NOT_YET, shortened
from autodiff.value import Value

UNKNOWN = "frame"  # the colour of a box whose number is not known yet
MORE = " + …"  # after a gradient to which a later step adds


class Scene(NamedTuple):
    """One step in a drawing.

    Attributes:
        caption: the step as a formula, in symbols and numbers.
        data: the data in each box.
        grads: the gradient in each box; empty where none is shown.
        edges: the text on each edge.
        tones: the colour of each box.
        active: the elements that the step is about: the node, its operation, its edges.
        changed: the boxes whose number the step changes.
        words: the step in plain words; empty where there is no more to be said.
    """

    caption: str
    data: dict[Id, str]
    grads: dict[Id, str]
    edges: dict[Id, str]
    tones: dict[Id, str]
    active: frozenset[Id] = frozenset()
    changed: frozenset[Id] = frozenset()
    words: str = ""


def backward_scenes(steps: BackwardSteps, y: Value, parts: Parts) -> list[Scene]:
    """The scenes of a backward pass: gradients are "not yet" until the first share arrives.

    A gradient to which a later step adds is followed by "+ …".
    """
    return _Backward(steps, y, parts).scenes()


class _Backward:
    """The gradients known so far, and the texts of edges, as the pass goes on."""

    def __init__(self, steps: BackwardSteps, y: Value, parts: Parts) -> None:
        self.steps, self.y, self.parts = steps, y, parts
        self.totals = {y: steps[0].upstream}
        self.to_come = Counter([operand for step in steps for operand, _ in step.contributions])
        self.data = {box: shortened(value.data) for value, box in parts.ids.items()}
        self.labels = _slopes(parts)
        numbers = [number for step in steps for number in (step.upstream, *step.totals)]
        self.largest = _largest(numbers)

    def scenes(self) -> list[Scene]:
        start = f"Start: {self.steps.start}; no other gradient is known yet."
        scenes = [self._scene(start, changed=frozenset([self.parts.ids[self.y]]))]
        scenes += [self._after(step) for step in self.steps]
        self.totals = dict.fromkeys(self.parts.ids, 0.0) | self.totals  # what got no share has a gradient of zero
        return [*scenes, self._scene(f"End: {'; '.join(self.steps.notes)}")]

    def _after(self, step: BackwardStep) -> Scene:
        self.totals.setdefault(step.node, step.upstream)
        box, edges = self.parts.ids[step.node], list[Id]()
        for i, (operand, amount), total in zip(step.places, step.contributions, step.totals, strict=True):
            edges.append(box.sibling("operand", i))
            product = f"{shortened(step.upstream)} × {factor(step.local_gradients[i])}"
            self.labels[edges[-1]] = f"{product} = {shortened(amount)}"
            self.totals[operand] = total
            self.to_come[operand] -= 1
        changed = frozenset([self.parts.ids[operand] for operand, _ in step.contributions])
        return self._scene(str(step), frozenset([*_made(box), *edges]), changed, step.words)

    def _scene(
        self,
        caption: str,
        active: frozenset[Id] = frozenset(),
        changed: frozenset[Id] = frozenset(),
        words: str = "",
    ) -> Scene:
        grads = {box: self._text(value) for value, box in self.parts.ids.items()}
        tones = _tones(self.parts.ids, self.totals, self.largest)
        return Scene(caption, self.data, grads, dict(self.labels), tones, active, changed, words)

    def _text(self, value: Value) -> str:
        if value not in self.totals:
            return NOT_YET
        return shortened(self.totals[value]) + MORE * (self.to_come[value] > 0)


def forward_scenes(steps: ForwardSteps, y: Value, parts: Parts) -> list[Scene]:
    """The scenes of the forward pass: a number is "not yet" until its operation has been computed.

    With it the local gradients become known, on the edges into it.
    """
    known = {value: value.data for value in parts.ids if not value.operands}
    slopes = _slopes(parts)
    edges = dict.fromkeys(slopes, "")
    largest = _largest([value.data for value in parts.ids])

    def scene(
        caption: str, active: frozenset[Id] = frozenset(), changed: frozenset[Id] = frozenset(), words: str = ""
    ) -> Scene:
        data = {box: shortened(known[value]) if value in known else NOT_YET for value, box in parts.ids.items()}
        return Scene(caption, data, {}, dict(edges), _tones(parts.ids, known, largest), active, changed, words)

    scenes = [scene("Start: the leaves have their numbers; nothing is computed yet.")]
    for step in steps:
        known[step.node] = step.data
        box = parts.ids[step.node]
        into = [box.sibling("operand", i) for i in range(len(step.operands))]
        edges |= {edge: slopes[edge] for edge in into if edge in slopes}
        scenes.append(scene(str(step), frozenset([*_made(box), *into]), frozenset([box]), step.words))
    return [*scenes, scene(f"End: {names_of(y)[y]} = {shortened(y.data)}")]


def both_scenes(forward: list[Scene], backward: list[Scene]) -> list[Scene]:
    """The scenes of a forward and a backward pass as those of one: in the middle the one ends and the other starts.

    Meanwhile no gradient is known. In the way forward the colours of boxes are those of data, in the way back those of
    gradients, as in a drawing before and after `backward()`.
    """
    start, *there, end = forward
    turn, *back = backward
    unknown = dict.fromkeys(start.data, NOT_YET)
    middle = f"{end.caption.removeprefix('End: ')}, which ends the way forward. {turn.caption.removeprefix('Start: ')}"
    return [
        *[scene._replace(grads=unknown) for scene in (start, *there)],
        turn._replace(caption=middle),
        *back,
    ]


def _slopes(parts: Parts) -> dict[Id, str]:
    """The local gradient on each edge that has one."""
    return {edge.id: edge.local_gradient for edge in parts.edges if edge.local_gradient}


def _made(box: Id) -> tuple[Id, ...]:
    """A box, the operation that made it, and the edge between them."""
    return box, box.sibling("operation"), box.sibling("result")


def _tones(ids: Mapping[Value, Id], known: Mapping[Value, float], largest: float) -> dict[Id, str]:
    return {box: theme.tone(known[v], largest) if v in known else UNKNOWN for v, box in ids.items()}


def _largest(numbers: Iterable[float]) -> float:
    return max([theme.magnitude(number) or 0.0 for number in numbers], default=0.0)
