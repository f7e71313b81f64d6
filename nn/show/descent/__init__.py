"""Gradient descent to be seen: a path over a curve or a contour, step by step.

descend   `descend`: from a function and a start to the path
path      the path as data, which prints, plots and shows itself
picture   the path drawn by matplotlib, each scene of its film in it
film      captions, and the animation
"""

from nn.show.descent.descend import descend
from nn.show.descent.path import DescentPath

__all__ = ["DescentPath", "descend"]
