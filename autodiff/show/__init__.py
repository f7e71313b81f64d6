"""Drawings of computation graphs: `draw(value)` returns a Graph, which shows itself in Jupyter and saves itself.

A drawing is made in two steps. `parts.py` reads the graph once into plain data: boxes for numbers, marks for
operations, edges with local gradients, frames for modules; what is too large to read has been folded before, by
`fold.py`. The other modules lower these parts: `dot.py` to Graphviz, `render.py` from there to SVG, PNG and PDF,
`svg.py` to an element that fits where it is shown, `page.py` to HTML, `tree.py` to text. `model.py` draws models,
`animate.py` plays a pass step by step.

    >>> from autodiff import Value, draw
    >>> x, y = Value(3.0, "x"), Value(2.0, "y")
    >>> z = x * y
    >>> z.backward()
    >>> print(draw(z).text())
    value  data  grad  operation  local gradient
    #1     6     1     mul
    ├─ x   3     2                2
    └─ y   2     3                3
"""

from autodiff.show.animations.animate import animate
from autodiff.show.drawings.draw import Graph, draw
from autodiff.show.explanations.explain import explain
from autodiff.show.explanations.steps import backward_steps, forward_steps
from autodiff.show.explanations.what_if import what_if
from autodiff.show.formulas.formula import formula

__all__ = ["Graph", "animate", "backward_steps", "draw", "explain", "formula", "forward_steps", "what_if"]
