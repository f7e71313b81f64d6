"""Sliders: one for each number that may change, the result, and the drawing of the graph, which follows them.

In a page, a notebook or an exported one, a script computes what they move, without a kernel. Where Python alone can (a
function that branches, a primitive of a user's), they move in a live notebook, by its kernel, which needs anywidget.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from autodiff.show.drawings import svg
from autodiff.show.drawings.pages import saved
from autodiff.show.live.moving import Moving, Slider
from autodiff.show.live.widget import INSTALL, widget_of
from autodiff.show.words.numbers import shortened
from autodiff.show.words.tables import Table

ENDS = "The ends of each slider"
NOT_TRACED = "This function does not do the same for all numbers, so only Python can compute what its sliders move"


class Sliders:
    """Sliders over a graph or a function. Made by `what_if(y, {x: (low, high)})`.

    >>> from autodiff import Value, what_if
    >>> x, w = Value(2.0, "x"), Value(3.0, "w")
    >>> sliders = what_if(x * w, {x: (0.0, 4.0), w: (-1.0, 1.0)})
    >>> sliders
    Sliders
    slider  low  result  now  result  high  result
    x         0       0    2       6     4      12
    w        -1      -2    3       6     1       2
    >>> sliders.at({x: 4.0, w: 1.0}).value
    4.0
    """

    def __init__(
        self, sliders: Sequence[Slider], at: Callable[[dict[Any, float]], Any], moving: Callable[[], Moving | None]
    ) -> None:
        self.sliders = list(sliders)
        self._at, self._made = at, moving

    def at(self, changes: Mapping[Any, float]) -> Any:
        """The result for these numbers, as by `what_if(y, {x: 1.5})`; sliders that are not named stay.

        Raises ValueError for a key that no slider moves.
        """
        known = {slider.key: slider.now for slider in self.sliders}
        for key in changes:
            if key not in known:
                names = ", ".join([slider.name for slider in self.sliders])
                raise ValueError(f"there is no slider for {key!r}; those here move {names}")
        return self._at({**known, **changes})

    @cached_property
    def _moving(self) -> Moving | None:
        """The graph that the sliders move; None for a function without one."""
        return self._made()

    def _table(self) -> Table:
        now = shortened(self.at({}).value)
        rows = []
        for key, name, number, low, high in self.sliders:
            there = [shortened(self.at({key: end}).value) for end in (low, high)]
            rows.append((name, shortened(low), there[0], shortened(number), now, shortened(high), there[1]))
        header = ("slider", "low", "result", "now", "result", "high", "result")
        return Table("Sliders", header, rows, numbers={1, 2, 3, 4, 5, 6})

    def __str__(self) -> str:
        return self._table().text()

    __repr__ = __str__

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a page of HTML whose sliders move the drawing, without a kernel or a network, and return the path.

        Raises ValueError for another ending than .html, and where Python alone can compute what the sliders move.
        """
        moving = self._moving
        if moving is None or moving.reason:
            raise ValueError(f"{self._reason()}; in a live notebook its sliders move: show it there")
        table = self._table().html()
        return saved(path, lambda: moving.element(svg.new_prefix(), ENDS, table, whole=True), moving.title)

    def _reason(self) -> str:
        return NOT_TRACED if self._moving is None else self._moving.reason

    def _repr_html_(self) -> str:
        if self._moving is None:
            return f"{self._table().html()}<p>{escape(NOT_TRACED)}.</p>"
        return self._moving.element(svg.new_prefix(), ENDS, self._table().html())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """For Jupyter: the sliders; where Python alone can compute what they move, a widget of the kernel."""
        bundle: dict[str, Any] = {"text/html": self._repr_html_(), "text/plain": str(self)}
        if self._reason() and find_spec("anywidget") is None:
            bundle["text/html"] += f"<p>{INSTALL}</p>"
        elif self._reason():
            shown = self.widget()._repr_mimebundle_() or {}
            bundle = {**(shown[0] if isinstance(shown, tuple) else shown), **bundle}
        return bundle

    def widget(self) -> Any:
        """A widget for a live notebook: the kernel computes what follows the sliders.

        They show themselves without it where a page can compute it. Raises ModuleNotFoundError, with what to install,
        where anywidget is missing.
        """
        return widget_of(self.sliders, self._at, self._moving)
