"""Gradient descent to be seen.

    descent      `descend`: the path over a curve or a contour, as data, a plot and a film
    playground   `play`: a page in which a small network learns

>>> len(descend(lambda x: x * x, 3.0, steps=5))
5
"""

from nn.show.descent import DescentPath, descend
from nn.show.playground import Playground, play

__all__ = ["DescentPath", "Playground", "descend", "play"]
