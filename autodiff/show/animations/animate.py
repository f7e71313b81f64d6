"""`animate`: the forward pass of a graph and then the backward pass, step by step in its drawing.

    >>> from autodiff import Value
    >>> x, w = Value(3.0, "x"), Value(2.0, "w")
    >>> y = x * w
    >>> animation = animate(y)
    >>> animation
    Animation(forward and backward pass of y: 2 steps)
    >>> for caption in animation.captions:
    ...     print(caption)
    Start: the leaves have their numbers; nothing is computed yet.
    y = x * w = 3 * 2 = 6
    y = 6, which ends the way forward. dy/dy = 1; no other gradient is known yet.
    y = x * w = 6, dy/dy = 1: dy/dx += 1 * 2 = 2, dy/dw += 1 * 3 = 3
    End: dy/dx = 2, dy/dw = 3

The steps come from `backward_steps` and `forward_steps`. Each becomes a scene, and a stage lays the drawing out once
for all of them; from there the player makes HTML with a slider, and the film is an SVG that moves.
"""

from collections.abc import Mapping
from html import escape
from reprlib import repr as short
from typing import Any, Literal

from autodiff import floats
from autodiff.graph import topological_order
from autodiff.show.animations import film
from autodiff.show.animations.player import player
from autodiff.show.animations.scenes import Scene, backward_scenes, both_scenes, forward_scenes
from autodiff.show.animations.stage import Play, Stage, Track
from autodiff.show.drawings.dot import Direction, Looks
from autodiff.show.drawings.drawing import Drawing
from autodiff.show.drawings.parts import Parts
from autodiff.show.drawings.reader import parts_of
from autodiff.show.drawings.svg import AltText
from autodiff.show.explanations.backward import BackwardSteps, Order, backward_steps
from autodiff.show.explanations.forward import ForwardSteps, forward_steps
from autodiff.show.words.choices import check_choice, check_theme
from autodiff.show.words.names import names_of
from autodiff.show.words.theme import Theme
from autodiff.value import Value

Passes = Literal["forward", "backward", "both"]

MOST_BOXES = 200
MOST_STEPS = 1_000  # depth first, a node has many


def animate(
    y: Value,
    gradient: float = 1.0,
    *,
    passes: Passes | None = None,
    order: Order = "topological",
    words: bool = False,
    seconds: float = 2.0,
    direction: Direction = "LR",
    theme: Theme = "auto",
) -> "Animation":
    """The way forward to `y` and the way back, step by step in a drawing, with a slider and a play button.

    Forward, numbers become known, and with them the local gradients on the edges. Backward, gradients are "not yet"
    until they become known, and followed by "+ …" while there is more to come. The node whose turn it is, and the edges
    that it passes its gradient on by, are highlighted: upstream × local gradient = the amount added. The boxes that it
    is added to are dashed. No `.grad` is touched. Jupyter shows the animation; `save("y.html")` writes a page that
    needs nothing else, whose address may name a step, `y.html#step=3`; `save("y.svg")` writes an SVG that plays by
    itself.

    Args:
        y: the end of a graph of at most 200 boxes, constants included.
        gradient: the gradient that the pass starts with.
        passes: "forward", "backward", or "both", which is shown unless there are two orders.
        order: "depth-first" shows the wrong order of the way back beside the right one, as `backward_steps` does.
        words: whether the steps of the way back are said in plain words as well; a box in the page switches this.
        seconds: how long a step is shown while it plays.
        direction: from operands to results, "LR" left to right or "TB" top to bottom.
        theme: "light", "dark", or "auto", which follows the reader's preference.

    Raises TypeError if y is not a Value, ValueError if it is a leaf, for a graph that is too large, another order, ...

    >>> a = Value(3.0, "a")
    >>> b = a + a
    >>> c = b + b; c.label = "c"
    >>> animate(c, order="depth-first")
    Animation(backward pass of c, depth first beside topological: 4 and 2 steps)
    >>> animate(c, passes="forward").captions
    ['Start: the leaves have their numbers; nothing is computed yet.', 'v1 = a + a = 3 + 3 = 6', \
'c = v1 + v1 = 6 + 6 = 12', 'End: c = 12']
    """
    _check(y, passes, order)
    check_choice("order", order, Order)
    check_choice("direction", direction, Direction)
    check_theme(theme)
    name, parts = names_of(y)[y], _small(y)
    passes = passes or ("both" if order == "topological" else "backward")
    title = f"{'Forward and backward' if passes == 'both' else passes.capitalize()} pass of {name}"
    looks = Looks(("data",) if passes == "forward" else ("data", "grad", "contribution"), direction, theme)

    def stage(scenes: list[Scene]) -> Stage:
        return Stage(parts, scenes, looks)

    if passes == "forward":
        there = forward_steps(y)
        tracks = [Track(title, stage(forward_scenes(there, y, parts)), there)]
    elif passes == "both":
        there, back = forward_steps(y), _few(backward_steps(y, gradient))
        scenes = both_scenes(forward_scenes(there, y, parts), backward_scenes(back, y, parts))
        tracks = [Track(title, stage(scenes), _Both(there, back))]
    else:
        orders: list[Order] = [order] if order == "topological" else [order, "topological"]
        told = [_few(backward_steps(y, gradient, order=each)) for each in orders]
        tracks = [
            Track(title if len(told) == 1 else _title(steps), stage(backward_scenes(steps, y, parts)), steps)
            for steps in told
        ]
    return Animation(Play(title, tracks, seconds, theme, words))


class Animation(Drawing):
    """A pass, step by step in a drawing; `animate` makes it. Jupyter shows it with a slider and a play button.

    It is at scene 0 before the pass, at scene k at step k, and at the last one after the pass; of two passes, the turn
    from one to the other is a step of its own. Keys are the arrows, space, Home and End.

    In the HTML, `data-animation` marks the element, whose `data-step` is the scene that is shown and whose
    `data-playing` is "true" or "false"; `data-ready` is there once the script has run. In it, `data-part` is "play",
    "previous", "next", "slider", "position" (as in "step 2 of 5"), "speaking" (the box that asks for plain words),
    "keys" or "table". Each `data-track` is a drawing with its `data-part="caption"` and "words"; ids in it are as in
    `draw(y).svg(prefix)`, the prefix being the id of its <svg>. An element that not all scenes show has the first and
    the last that do in `data-from` and `data-to`, and `data-highlight` if it is an outline: "active" or "changed".

    Attributes:
        captions: the text of each scene, the start and the end included; if two orders are shown, of the wrong one.

    >>> page = animate(Value(2.0, "x") ** 2).html("mine")
    >>> '<div id="mine" data-animation="mine"' in page
    True
    """

    def __init__(self, play: Play) -> None:
        self.captions = [scene.caption for scene in play.tracks[0].stage.scenes]
        self._play = play._replace(seconds=_positive(play.seconds))
        self._theme = play.theme

    def html(self, prefix: str | None = None) -> str:
        """The animation as an element of HTML, its script and style included.

        Args:
            prefix: its id, with which all ids in it begin; by default one that no other animation has.

        Raises ValueError for a prefix that is not a name, RuntimeError if nothing installed can make the picture.
        """
        return player(self._play, prefix=prefix)

    def text(self) -> str:
        """The steps as a table, or two."""
        return "\n\n".join([str(track.steps) for track in self._play.tracks])

    def __repr__(self) -> str:
        title, tracks = self._play.title, self._play.tracks
        several = ", depth first beside topological" if len(tracks) > 1 else ""
        counts = " and ".join([f"{len(track.steps):,}" for track in tracks])
        steps = "step" if counts == "1" else "steps"
        return f"Animation({title[0].lower()}{title[1:]}{several}: {counts} {steps})"

    def _repr_html_(self) -> str:
        return self._repr_mimebundle_()["text/html"]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """For Jupyter: the animation, and the picture of its end for print; or the steps as tables, and why."""
        bundle = super()._repr_mimebundle_()
        if "text/html" in bundle:
            del bundle["image/svg+xml"]  # which nothing would show that does not show HTML
            return bundle
        why = bundle["text/plain"].removeprefix(self.text()).strip()
        tables = [track.steps._repr_html_() for track in self._play.tracks]
        return {"text/html": "\n".join([*tables, f"<p>{escape(why)}</p>"]), **bundle}

    def _drawn(self) -> str:
        return film.film(self._play)

    def _alt(self) -> AltText:
        captions = [scene.caption for track in self._play.tracks for scene in track.stage.scenes]
        description = " ".join([f"{line}." if line[-1] != "." else line for line in captions])
        return AltText(self._play.title, description, film.titles(self._play.tracks))

    def _html(self, drawn: str, *, whole: bool = False) -> str:
        return player(self._play, alone=whole)


class _Both:
    """The steps of both passes, as two tables."""

    def __init__(self, forward: ForwardSteps, backward: BackwardSteps) -> None:
        self._tables = forward, backward

    def __len__(self) -> int:
        return sum([len(steps) for steps in self._tables])

    def __str__(self) -> str:
        return "\n\n".join(map(str, self._tables))

    def _repr_html_(self) -> str:
        return "\n".join([table._repr_html_() for table in self._tables])


def _title(steps: BackwardSteps) -> str:
    """The title of one of two orders, side by side."""
    return "In topological order: right" if steps.order == "topological" else "Depth first: wrong"


# --- arguments ---


def _check(y: Any, passes: Passes | None, order: Order) -> None:
    if not isinstance(y, Value):
        raise TypeError(f"animate takes a Value, got {type(y).__name__} {short(y)}; call f on Values: animate(f(x))")
    if not y.operands:
        raise ValueError(f"animate shows how a result was made, got the leaf {y!r}, which no operation made")
    if passes is not None:
        check_choice("passes", passes, Passes)
    if passes in ("forward", "both") and order == "depth-first":
        raise ValueError(f"order is of the backward pass alone; leave out passes={passes!r}, or order")


def _positive(seconds: Any) -> float:
    number = floats.as_float(seconds)
    if not 0.0 < number < float("inf"):
        raise ValueError(f"seconds, for which a step is shown, is a positive number, got {seconds!r}")
    return number


def _small(y: Value) -> Parts:
    """The parts of a graph, which must not be too large to be animated."""
    boxes = sum([1 + sum([type(x) is float for x in node.operands]) for node in topological_order(y)])
    if boxes <= MOST_BOXES:  # counting leaves as well takes their names: do that to small graphs only
        parts = parts_of(y)
        boxes = len(parts.boxes)
        if boxes <= MOST_BOXES:
            return _named(parts, names_of(y))
    raise ValueError(
        f"animate shows graphs of at most {MOST_BOXES} boxes, this one has {boxes:,} or more; "
        "animate a Value inside it, or print backward_steps(y); draw(y) folds a large graph"
    )


def _named(parts: Parts, names: Mapping[Value, str]) -> Parts:
    """The parts with the names in their boxes by which the steps call them."""
    labels = {box: names[value] for value, box in parts.ids.items()}
    return parts._replace(boxes=tuple([box._replace(label=labels.get(box.id, "")) for box in parts.boxes]))


def _few(steps: BackwardSteps) -> BackwardSteps:
    if len(steps) > MOST_STEPS:
        raise ValueError(
            f"animate shows at most {MOST_STEPS:,} steps, {steps.order} there are {len(steps):,} here; "
            "show the order on a smaller graph"
        )
    return steps
