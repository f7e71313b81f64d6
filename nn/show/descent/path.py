"""A path of gradient descent: its numbers, which print as a table, plot, and move.

>>> path = DescentPath(lambda x: x * x, [3.0, 1.5], [9.0, 2.25], [6.0, 3.0], "SGD(lr=0.25)", 0.25, None)
>>> path
Descent by SGD(lr=0.25)
step    x  value  d/dx
0       3      9     6
1     1.5   2.25     3
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from inspect import signature
from math import hypot
from pathlib import Path
from typing import Any

from autodiff.show.animations import Animation
from autodiff.show.figures import Figure
from autodiff.show.words.numbers import shortened
from autodiff.show.words.tables import Table, elided
from autodiff.show.words.theme import Theme
from nn.lists import flat, is_list

MOST_STEPS = 200  # of a film
_MOST_ROWS, _MOST_COLUMNS = 100, 4


@dataclass(frozen=True, repr=False)
class DescentPath:
    """The path of a descent; `descend` makes it. Printed it is a table, in a notebook a film with a slider.

    Attributes:
        f: the function.
        points: the start, and where each step led: numbers, or lists of them.
        values: f at these points.
        gradients: the gradient of f at these points, in their form.
        optimizer: the optimiser and its options, as text.
        rate: the learning rate where every step is that times the gradient; None for other rules.
        stopped: why it ended before its last step, None if it did not.

    >>> from nn import descend
    >>> path = descend(lambda x: x * x, 3.0, lr=0.25, steps=2)
    >>> len(path), path.points, path.values
    (2, [3.0, 1.5, 0.75], [9.0, 2.25, 0.5625])
    """

    f: Callable[[Any], Any]
    points: list[Any]
    values: list[float]
    gradients: list[Any]
    optimizer: str
    rate: float | None
    stopped: str | None

    def __len__(self) -> int:
        """How many steps were taken: one less than there are points."""
        return len(self.points) - 1

    @property
    def names(self) -> list[str]:
        """The name of each coordinate: the function's own for its argument, with an index if that is a list.

        >>> from nn import descend
        >>> descend(lambda weights: weights[0] ** 2 + weights[1] ** 2, [1.0, 2.0], steps=1).names
        ['weights[0]', 'weights[1]']
        """
        name = _argument(self.f)
        start = self.points[0]
        return [f"{name}[{i}]" for i in range(len(start))] if is_list(start) else [name]

    @property
    def title(self) -> str:
        """The name of the function, "f" of one that has none.

        >>> from nn import descend
        >>> descend(lambda x: x * x, 1.0, steps=1).title
        'f'
        """
        name = str(getattr(self.f, "__name__", "f"))
        return name if name.isidentifier() else "f"

    def plot(self, ax: Any = None) -> Any:
        """Draw the path with matplotlib over its curve or contour, or its values over the steps; return the axes.

        Several paths may be drawn in the same axes.

        Args:
            ax: axes to draw in; a figure is made unless given.

        Raises ImportError without matplotlib.

        >>> from nn import descend
        >>> descend(lambda x: x * x, 3.0).plot().get_xlabel()
        'x'
        """
        from nn.show.descent.picture import plotted

        return plotted(self, ax)

    def animate(self, seconds: float = 1.0, *, theme: Theme = "auto") -> Animation:
        """The film, with a slider, in which each step shows its slope and where that leads.

        Args:
            seconds: how long a step is shown while it plays.
            theme: "light", "dark", or "auto", which follows the reader's preference.

        Raises ImportError without matplotlib, ValueError for more than 200 steps: `plot` draws those.

        >>> from nn import descend
        >>> descend(lambda x: x * x, 3.0, lr=0.25, steps=3).animate()
        Animation(gradient descent by SGD(lr=0.25): 3 steps)
        """
        from nn.show.descent.film import filmed

        return filmed(self, seconds, theme)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the film to a file, by the ending of its name: a page, "path.html", or a moving picture, "path.svg".

        Raises ValueError for another ending, ImportError without matplotlib, and as `Graph.save` does.

        >>> from nn import descend
        >>> descend(lambda x: x * x, 3.0, steps=3).save("path.png")
        Traceback (most recent call last):
        ValueError: save takes a name that ends in .html or .svg, got 'path.png'; plot() draws a picture
        """
        if Path(path).suffix.lower() not in (".html", ".svg"):
            raise ValueError(f"save takes a name that ends in .html or .svg, got {str(path)!r}; plot() draws a picture")
        return self.animate().save(path)

    def table(self) -> Table:
        """The points, values and gradients, as rows of text; of many coordinates, the length of the gradient.

        >>> from nn import descend
        >>> descend(lambda x: x * x, 3.0, lr=0.25, steps=2).table().rows[0]
        ('0', '3', '9', '6')
        """
        names, few = self.names, len(self.names) <= _MOST_COLUMNS
        sign = "∂/∂" if len(names) > 1 else "d/d"
        slopes = [f"{sign}{name}" for name in names] if few else ["|gradient|"]
        header = ("step", *(names if few else []), "value", *slopes)
        rows = []
        for i, (point, value, gradient) in enumerate(zip(self.points, self.values, self.gradients, strict=True)):
            place, slope = (flat(point), flat(gradient)) if few else ([], [hypot(*gradient)])
            rows.append((str(i), *map(shortened, [*place, value, *slope])))
        notes = [f"It ended early: {self.stopped}."] if self.stopped else []
        shown = elided(rows, _MOST_ROWS, "steps")
        return Table(f"Descent by {self.optimizer}", header, shown, range(1, len(header)), notes)

    def __repr__(self) -> str:
        return self.table().text()

    def _repr_html_(self) -> str:
        return self.table().html()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """For Jupyter: the film; of a path too long for one its picture; the table where nothing can draw."""
        text = {"text/plain": repr(self)}
        try:
            shown = self.animate() if len(self) <= MOST_STEPS else self._still()
            return shown._repr_mimebundle_() | text
        except ImportError as error:
            return {"text/html": f"{self._repr_html_()}<p>{escape(str(error))}</p>", **text}

    def _still(self) -> Figure:
        from nn.show.descent.picture import still

        return still(self)


def written(point: Any) -> str:
    """A point, or a gradient, as text: a number, or up to four of a list."""
    if not is_list(point):
        return shortened(point)
    shown = [shortened(x) for x in point[:_MOST_COLUMNS]]
    return f"({', '.join(shown)}{', …' * (len(point) > _MOST_COLUMNS)})"


def _argument(f: Callable[..., Any]) -> str:
    """The name of the first argument of a function, "x" where it does not tell."""
    try:
        return next(iter(signature(f).parameters), "x")
    except (TypeError, ValueError):
        return "x"
