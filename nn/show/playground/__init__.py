"""The playground: a small network that learns in a page, every number of it open to be asked how it came about.

play       `play`: from a model and data to the Playground, which shows and saves itself
points     two moons, circles, and other rows to tell apart
network    the units of a model, in layers
story      all that the page knows, as plain data: programs, names, rows
page       from there to HTML; its style and its scripts stand beside it
"""

from nn.show.playground.play import Playground, play

__all__ = ["Playground", "play"]
