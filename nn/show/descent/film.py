"""The film of a descent: at the start the curve, at each step its slope and where that leads, at the end the path.

The picture is drawn once, by matplotlib; whatever only some scenes show says which, as in the animation of a graph.
"""

from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

from autodiff.show.animations import Animation, Play, Track
from autodiff.show.words.choices import check_theme
from autodiff.show.words.numbers import counted, shortened
from autodiff.show.words.tables import Table
from autodiff.show.words.theme import Theme
from nn.lists import is_list
from nn.show.descent.path import MOST_STEPS, DescentPath, written
from nn.show.descent.picture import as_svg


class _Scene(NamedTuple):
    caption: str
    words: str = ""


class _Stage:
    """The picture of a path with its captions."""

    def __init__(self, path: DescentPath, theme: Theme) -> None:
        self.scenes = [_Scene(caption) for caption in captions(path)]
        self._path, self._theme = path, theme

    def element(self) -> Element:
        return as_svg(self._path, self._theme)

    def titles(self) -> dict[Any, str]:
        return {}


class _Steps:
    """The table of a path."""

    def __init__(self, path: DescentPath) -> None:
        self._path = path

    def __len__(self) -> int:
        return len(self._path)

    def __str__(self) -> str:
        return self._table().text()

    def _repr_html_(self) -> str:
        return self._table().html()

    def _table(self) -> Table:
        return self._path.table()


def filmed(path: DescentPath, seconds: float, theme: Theme) -> Animation:
    """The animation of a path. Raises ValueError for one of more than 200 steps, or another theme."""
    check_theme(theme)
    if len(path) > MOST_STEPS:
        raise ValueError(f"a film has at most {MOST_STEPS} steps, this path has {len(path):,}; path.plot() draws it")
    title = f"Gradient descent by {path.optimizer}"
    return Animation(Play(title, [Track(title, _Stage(path, theme), _Steps(path))], seconds, theme))


def captions(path: DescentPath) -> list[str]:
    """The start, each step, and the end in words.

    >>> from nn import descend
    >>> for caption in captions(descend(lambda x: x * x, 3.0, lr=0.25, steps=1)): print(caption)
    Start: x = 3, f = 9; the slope there is 6, so f falls to the left.
    x = 3 - 0.25 × 6 = 1.5: f falls from 9 to 2.25.
    End after 1 step: x = 1.5, f = 2.25, slope 3.
    """
    name, slope = ("p", "gradient") if is_list(path.points[0]) else (path.names[0], "slope")
    name = path.names[0].partition("[")[0]
    points, gradients = list(map(written, path.points)), list(map(written, path.gradients))
    steps = [_step(path, name, i, points, gradients) for i in range(1, len(points))]
    start = f"Start: {name} = {points[0]}, f = {shortened(path.values[0])}; the {slope} there is {gradients[0]}"
    ending = f"End after {counted(len(path), 'step')}: {name} = {points[-1]}, f = {shortened(path.values[-1])}"
    why = f" It goes no further: {path.stopped}." if path.stopped else ""
    return [f"{start}{_downhill(path.gradients[0])}.", *steps, f"{ending}, {slope} {gradients[-1]}.{why}"]


def _downhill(gradient: Any) -> str:
    """Where the function falls."""
    if is_list(gradient):
        return ", so f falls most steeply the other way" if any(gradient) else ": nothing pulls"
    return f", so f falls to the {'left' if gradient > 0.0 else 'right'}" if gradient else ": nothing pulls"


def _step(path: DescentPath, name: str, i: int, points: list[str], gradients: list[str]) -> str:
    before, after = path.values[i - 1], path.values[i]
    change = "falls" if after < before else "rises" if after > before else "stays"
    came = f"from {shortened(before)} to {shortened(after)}" if after != before else f"at {shortened(before)}"
    rate = path.rate
    if rate is None:
        slope = "gradient" if is_list(path.points[0]) else "slope"
        return f"At the {slope} {gradients[i - 1]}, {name} goes from {points[i - 1]} to {points[i]}: f {change} {came}."
    slope_text = f"({gradients[i - 1]})" if gradients[i - 1].startswith("-") else gradients[i - 1]
    return f"{name} = {points[i - 1]} - {shortened(rate)} × {slope_text} = {points[i]}: f {change} {came}."
