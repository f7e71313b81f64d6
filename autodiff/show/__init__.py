"""Drawings, formulas, explanations and animations of computation graphs: to be looked at, saved, and learnt from.

The wings stand one above the other, and import only what is below them:

    exercises      answers, held against what the library says
    animations     the steps of a pass in its drawing
    drawings       graphs and models as pictures, pages and text
    figures        those of matplotlib as drawings, which follow the page's theme
    explanations   the chain rule at work: paths, steps, hypotheses
    folding        which nodes of a large graph become one box
    formulas       graphs as mathematics
    live           graphs whose numbers move: what-ifs, sliders, the engine of pages
    words          numbers, text, names, tables and colours

Drawings and explanations do not know each other.

    >>> from autodiff import Value, draw
    >>> x, y = Value(3.0, "x"), Value(2.0, "y")
    >>> z = x * y
    >>> z.backward()
    >>> print(draw(z).text())
    value  data  grad  operation  local gradient
    f      6     1     mul
    ├─ x   3     2                2
    └─ y   2     3                3
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autodiff.show.animations import animate
from autodiff.show.drawings import Graph, draw
from autodiff.show.exercises import exercise
from autodiff.show.explanations import backward_steps, explain, forward_steps
from autodiff.show.figures import follow_theme, themed
from autodiff.show.formulas import formula

if TYPE_CHECKING:
    from autodiff.show.live import what_if

__all__ = [
    "Graph",
    "animate",
    "backward_steps",
    "draw",
    "exercise",
    "explain",
    "follow_theme",
    "formula",
    "forward_steps",
    "themed",
    "what_if",
]


def __getattr__(name: str) -> Any:
    if name == "what_if":  # it needs the compiler, which takes long to load
        return getattr(import_module("autodiff.show.live"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
