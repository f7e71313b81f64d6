"""Gradient descent to be seen.

    descent    `descend`: the path over a curve or a contour, as data, a plot and a film

>>> len(descend(lambda x: x * x, 3.0, steps=5))
5
"""

from nn.show.descent import DescentPath, descend

__all__ = ["DescentPath", "descend"]
