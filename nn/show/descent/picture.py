"""A path drawn by matplotlib: over a curve with its tangents, over contour lines, or its values over the steps.

The same marks are drawn for a still picture and for all scenes of a film: a mark says in which scenes it is shown. A
film of n steps has a scene for the start, one for each step, and one for the end, n + 1.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import ceil, isfinite, nan
from typing import Any, NamedTuple
from xml.etree import ElementTree

import autodiff
from autodiff.show.animations import FROM, TO
from autodiff.show.figures import Figure, svg_of, themed
from autodiff.show.words.theme import PALETTE, Theme, colour
from nn.lists import flat, is_list
from nn.optional import optional
from nn.show.descent.path import DescentPath

_CURVE, _GRID, _LEVELS = 301, 81, 12
_WIDE, _SQUARE = (5.6, 3.5), (4.6, 4.2)  # inches
_LARGEST = 1e100  # what is larger is not drawn: matplotlib computes with squares
_MOST_POINTS = 50  # in a picture of a long path
_TANGENT = 0.18  # of the picture's width, to each side
_SCENES = re.compile(r"scenes-(\d+)-(\d+)-\d+")


class _Paint(NamedTuple):
    """Colours: of axes and text, of the landscape, of the path, its slopes, and the step that a scene is about."""

    ink: str
    land: str
    path: str | None
    slope: str
    now: str


class _Marks:
    """Marks in axes, each for a run of scenes; a still picture has those of the last scene alone."""

    def __init__(self, ax: Any, end: int, is_film: bool) -> None:
        self.ax, self.end, self.is_film = ax, end, is_film
        self.limits = (ax.get_xlim(), ax.get_ylim()) if ax.has_data() else None  # of another path
        self._count = 0

    def shown(self, mark: Any, first: int, last: int | None = None) -> None:
        """Show a mark from one scene to another, or to the end."""
        last = self.end if last is None else last
        if self.is_film:
            self._count += 1
            mark.set_gid(f"scenes-{first}-{last}-{self._count}")
        elif last < self.end:
            mark.remove()


def plotted(path: DescentPath, ax: Any) -> Any:
    """The axes, with the path in them in the colours that matplotlib is set to."""
    pyplot = optional("matplotlib.pyplot", "plot")
    if ax is None:
        ax = pyplot.figure(figsize=_size(path), layout="constrained").subplots()
    ink = pyplot.rcParams["text.color"]
    _draw(path, ax, _Paint(ink, ink, None, "#d55e00", "#cc79a7"), is_film=False)
    return ax


def still(path: DescentPath) -> Figure:
    """A long path as a drawing that does not move: some of its points, or all its values over the steps."""
    every = ceil(len(path) / _MOST_POINTS)
    shown = [*range(0, len(path), every), len(path)]
    points, values, gradients = [[xs[i] for i in shown] for xs in (path.points, path.values, path.gradients)]
    few = replace(path, points=points, values=values, gradients=gradients)
    made = optional("matplotlib.figure", "a path").Figure(figsize=_size(path), layout="constrained")
    ax = made.subplots()
    if len(path.names) > 2:
        ax.plot(path.values)
        ax.set(xlabel="step", ylabel=path.title, title=f"{len(path):,} steps of {path.optimizer}")
    else:
        _draw(few, ax, _Paint("#000000", "#000000", None, "#d55e00", "#cc79a7"), is_film=False)
        ax.set_title(f"{len(path):,} steps of {path.optimizer}, one in {every} shown")
    return themed(made)


def as_svg(path: DescentPath, theme: Theme) -> ElementTree.Element:
    """An <svg> element with the marks of all scenes in it, shown as at the end; its colours are attributes."""
    root = svg_of(_figure(path, theme), theme)
    for element in root.iter():
        _mark(element, len(path.points))
    return root


def _mark(element: ElementTree.Element, end: int) -> None:
    """Say in which scenes an element is shown, as its id does, and hide it unless it is in the last."""
    scenes = _SCENES.fullmatch(element.get("id", ""))
    if scenes is not None:
        del element.attrib["id"]
        element.attrib |= {FROM: scenes[1], TO: scenes[2]}
        if int(scenes[2]) < end:
            element.set("visibility", "hidden")


def _figure(path: DescentPath, theme: Theme) -> Any:
    """A figure in the colours of drawings, apart from whatever matplotlib is set to."""
    matplotlib = optional("matplotlib", "the film of a descent")
    optional("matplotlib.figure", "the film of a descent")
    names = ("ink", "line", "positive line", "negative line", "focus")
    paint = _Paint(*[colour(name, theme) for name in names])
    looks = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), paint.ink)
    paper = PALETTE["paper"][theme == "dark"]
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **looks, "figure.facecolor": paper}):
        figure = matplotlib.figure.Figure(figsize=_size(path), layout="constrained")
        ax = figure.subplots()
        ax.set_facecolor("none")
        _draw(path, ax, paint, is_film=True)
        figure.draw_without_rendering()
    return figure


def _size(path: DescentPath) -> tuple[float, float]:
    return _SQUARE if len(path.names) == 2 else _WIDE


def _draw(path: DescentPath, ax: Any, paint: _Paint, is_film: bool) -> None:
    marks = _Marks(ax, len(path.points), is_film)
    draw = {1: _over_curve, 2: _over_contour}.get(len(path.names), _over_steps)
    draw(path, marks, paint)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


# --- of one number ---


def _over_curve(path: DescentPath, marks: _Marks, paint: _Paint) -> None:
    """The curve, the points on it, their tangents, and each step: across, then down to the curve."""
    import numpy

    ax, xs, ys = marks.ax, [flat(point)[0] for point in path.points], path.values
    low, high = _range(xs)
    grid = numpy.linspace(low, high, _CURVE)
    curve = _evaluated(path, grid[:, None])
    bottom, top = _heights(curve, ys)
    ax.plot(grid, numpy.where(abs(curve) < _LARGEST, curve, nan), color=paint.land, linewidth=1.5, zorder=1)
    _within(marks, low, high, bottom, top)
    ax.set(xlabel=path.names[0], ylabel=f"{path.title}({path.names[0]})")
    color = _points(marks, xs, ys, paint, path.optimizer)
    for i, (x, y, slope) in enumerate(zip(xs, ys, path.gradients, strict=True)):
        line = _tangent(x, y, flat(slope)[0], high - low, top - bottom)
        look = {"color": paint.slope, "linewidth": 1.0, "alpha": 0.45, "zorder": 2}
        marks.shown(ax.plot(*line, **look)[0], marks.end)
        if marks.is_film:
            first = i + 1 if i else 0
            last = i + 1 if i + 1 < len(xs) else marks.end
            marks.shown(ax.plot(*line, **{**look, "linewidth": 2.0, "alpha": 1.0})[0], first, last)
    for i, ((x, y), (x2, y2)) in enumerate(pairwise(zip(xs, ys, strict=True)), 1):
        marks.shown(ax.plot([x, x2, x2], [y, y, y2], color=color, linewidth=1.0, alpha=0.5, zorder=3)[0], i + 1)
        if marks.is_film:
            marks.shown(ax.plot([x, x2], [y, y], color=paint.now, linewidth=2.0, zorder=5)[0], i, i)
            down = ax.plot([x2, x2], [y, y2], color=paint.now, linewidth=1.0, linestyle=":", zorder=5)[0]
            marks.shown(down, i, i)


def _tangent(x: float, y: float, slope: float, wide: float, high: float) -> tuple[list[float], list[float]]:
    """The ends of a tangent, which looks as long at every slope."""
    steep = slope * wide / high if high else 0.0  # in the picture's own measures
    dx = _TANGENT * wide / (1.0 + steep * steep) ** 0.5
    return [x - dx, x + dx], [y - slope * dx, y + slope * dx]


def _heights(curve: Any, ys: list[float]) -> tuple[float, float]:
    """The range of y: that of the path, and what there is of the curve up to as far again."""
    finite = [y for y in [*curve.tolist(), *ys] if isfinite(y)]
    span = (max(ys) - min(ys)) or (max(finite) - min(finite)) or 1.0
    bottom, top = max(min(finite), min(ys) - span), min(max(finite), max(ys) + span)
    edge = 0.06 * (top - bottom) or 1.0
    return bottom - edge, top + edge


# --- of two ---


def _over_contour(path: DescentPath, marks: _Marks, paint: _Paint) -> None:
    """Contour lines, the points and steps between them, and at each step the way down, at a right angle to them."""
    import numpy

    ax, (xs, ys) = marks.ax, zip(*path.points, strict=True)
    (left, right), (low, high) = _square(_range(xs), _range(ys))
    if marks.limits is None:
        grid = numpy.meshgrid(numpy.linspace(left, right, _GRID), numpy.linspace(low, high, _GRID))
        heights = _evaluated(path, numpy.stack([axis.ravel() for axis in grid], axis=1)).reshape(grid[0].shape)
        _contour(ax, grid, heights, paint)
    _within(marks, left, right, low, high)
    ax.set(xlabel=path.names[0], ylabel=path.names[1])
    if abs((right - left) - (high - low)) < 1e-9 * (right - left):
        ax.set_aspect("equal", adjustable="box")
    color = _points(marks, xs, ys, paint, path.optimizer)
    length = 0.16 * (right - left)
    for i, ((x, y), (x2, y2)) in enumerate(pairwise(path.points), 1):
        marks.shown(ax.plot([x, x2], [y, y2], color=color, linewidth=1.2, alpha=0.8, zorder=3)[0], i + 1)
        if marks.is_film:
            marks.shown(ax.plot([x, x2], [y, y2], color=paint.now, linewidth=2.5, zorder=4)[0], i, i)
            _arrow(marks, (x, y), path.gradients[i - 1], (length, length * (high - low) / (right - left)), paint, i)


def _arrow(
    marks: _Marks, at: tuple[float, float], gradient: Any, size: tuple[float, float], paint: _Paint, i: int
) -> None:
    """An arrow against the gradient, of the same length at every step."""
    a, b = gradient[0] * size[0], gradient[1] * size[1]
    norm = (a * a + b * b) ** 0.5
    if norm:
        end = (at[0] - a / norm * size[0], at[1] - b / norm * size[1])
        look = {"arrowstyle": "->", "color": paint.slope, "linewidth": 2.0, "shrinkA": 0.0, "shrinkB": 0.0}
        marks.shown(marks.ax.annotate("", end, at, arrowprops=look, zorder=6).arrow_patch, i, i)


def _contour(ax: Any, grid: Any, heights: Any, paint: _Paint) -> None:
    """Lines of equal height, closer near the bottom where the heights are, and paler there."""
    import numpy

    finite = heights[abs(heights) < _LARGEST]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    if not high > low:
        return
    half = (numpy.median(finite) - low) / (high - low)
    power = min(max(numpy.log(half) / numpy.log(0.5), 1.0), 3.0) if half > 0.0 else 3.0
    levels = low + (high - low) * numpy.linspace(0.0, 1.0, _LEVELS + 1) ** power
    masked = numpy.ma.masked_where(~(abs(heights) < _LARGEST), heights)
    for i, (bottom, top) in enumerate(pairwise(levels)):
        ax.contourf(*grid, masked, levels=[bottom, top], colors=[paint.land], alpha=0.22 * i / _LEVELS, zorder=0)
    ax.contour(*grid, masked, levels=levels[1:-1], colors=[paint.land], linewidths=0.7, alpha=0.55, zorder=1)


def _square(x: tuple[float, float], y: tuple[float, float]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Two ranges made as wide as each other, so that right angles look right; unless one is many times the other."""
    wide, high = x[1] - x[0], y[1] - y[0]
    if max(wide, high) > 8.0 * min(wide, high):
        return x, y
    half = max(wide, high) / 2.0
    middles = (x[0] + x[1]) / 2.0, (y[0] + y[1]) / 2.0
    return (middles[0] - half, middles[0] + half), (middles[1] - half, middles[1] + half)


# --- of more ---


def _over_steps(path: DescentPath, marks: _Marks, paint: _Paint) -> None:
    """The value at each step."""
    ax, steps = marks.ax, list(range(len(path.points)))
    _within(marks, -0.5, len(path) + 0.5, *_heights(autodiff.array(path.values), path.values))
    ax.set(xlabel="step", ylabel=path.title)
    ax.xaxis.get_major_locator().set_params(integer=True)
    color = _points(marks, steps, path.values, paint, path.optimizer)
    for i, (before, after) in enumerate(pairwise(path.values), 1):
        marks.shown(ax.plot([i - 1, i], [before, after], color=color, linewidth=1.2, zorder=2)[0], i)


# --- of any number ---


def _points(marks: _Marks, xs: Any, ys: Any, paint: _Paint, label: str) -> Any:
    """Mark the points, each from the scene on in which it is reached; return their colour."""
    look = {"linestyle": "", "marker": "o", "zorder": 7}
    if not marks.is_film:
        return marks.ax.plot(xs, ys, color=paint.path, markersize=4.5, label=label, **look)[0].get_color()
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        marks.shown(marks.ax.plot([x], [y], color=paint.path, markersize=4.5, **look)[0], i)
        ring = {"markerfacecolor": "none", "markeredgecolor": paint.now, "markeredgewidth": 1.8}
        last = i if i + 1 < len(xs) else marks.end
        marks.shown(marks.ax.plot([x], [y], markersize=9.0, **look, **ring)[0], i, last)
    return paint.path


def _range(numbers: Any) -> tuple[float, float]:
    """The range of numbers and some more, as wide as themselves if they are all alike."""
    low, high = min(numbers), max(numbers)
    edge = 0.25 * (high - low) or max(1.0, abs(low)) / 2.0
    return low - edge, high + edge


def _within(marks: _Marks, left: float, right: float, low: float, high: float) -> None:
    """Set the limits of axes, so that they hold what they held before, too."""
    if marks.limits is not None:
        (left0, right0), (low0, high0) = marks.limits
        left, right, low, high = min(left, left0), max(right, right0), min(low, low0), max(high, high0)
    marks.ax.set(xlim=(left, right), ylim=(low, high))


def _evaluated(path: DescentPath, points: Any) -> Any:
    """The function at each row of an array."""
    import numpy

    of_row: Callable[[Any], Any] = lambda x: path.f(x.tolist() if is_list(path.points[0]) else x[0])
    try:
        return numpy.asarray(autodiff.compile(of_row, rows=(0,))(points), float)
    except Exception:  # of any kind: code that is traced meets numbers it does not expect
        with autodiff.no_grad():
            return numpy.array([float(getattr(y, "data", y)) for y in map(of_row, points)])
