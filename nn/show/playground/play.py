"""`play`: a small network that learns in a page.

>>> from nn import MLP
>>> play(MLP(2, [6, 1], "tanh", seed=0))
Playground(MLP(2, [6, 1], 'tanh') on moons: 25 parameters, 100 rows)
"""

import os
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from autodiff.show.drawings.pages import saved
from autodiff.show.words.choices import check_theme
from autodiff.show.words.theme import Theme
from nn.losses import binary_cross_entropy_with_logits
from nn.modules.module import Module
from nn.optim import SGD, Optimizer
from nn.show.playground import points
from nn.show.playground.network import layers_of
from nn.show.playground.page import element
from nn.show.playground.points import Points
from nn.show.playground.story import Loss, story


def play(
    model: Module,
    data: str | tuple[Any, Any] = "moons",
    *,
    loss: Loss = binary_cross_entropy_with_logits,
    optimizer: Optimizer | None = None,
    batch_size: int = 10,
    rows: int = 100,
    seed: int = 0,
    theme: Theme = "auto",
) -> "Playground":
    """A page in which the model learns to tell two classes apart, and every number says how it came about.

    It has the boundary, the loss, the weights as lines and what each unit sees; start, pause, single steps, the
    learning rate. A click on a weight or a unit writes out its chain rule for one row, in numbers, and its gradient
    over the batch. The page computes what Python would: the graph and its gradients, recorded here, are a program that
    it evaluates, and so is the optimiser's rule. The model itself stays as it is; the page gives its numbers for
    `load_state_dict`. Jupyter shows it, `save("play.html")` writes a page that needs nothing else.

    Args:
        model: an MLP, or a Sequential of Layers, of two inputs and one output, which says the second class above 0.
        data: "moons", "circles", "xor" or "spirals", between which the page chooses, too; or a pair (X, y) of at most
            500 rows of two numbers, and their classes.
        loss: a function of the output for a row and its target, which is 0 or 1 for a loss on logits, else -1 or 1.
        optimizer: any of `nn.optim`, on the model's parameters, whose state starts anew; SGD with lr=0.3 unless given.
        batch_size: how many rows a step is made from, in their order; the page may choose others.
        rows: how many points there are of data by name.
        seed: of their places.
        theme: "light", "dark", or "auto", which follows the reader's preference.

    Raises TypeError for another model, ValueError for one of another size, data of another kind, and what cannot be
    evaluated in a page, such as a loss with a primitive of Python's own.

    >>> import nn
    >>> nn.play(nn.MLP(2, [3, 1], "tanh", seed=0), "xor")
    Playground(MLP(2, [3, 1], 'tanh') on xor: 13 parameters, 100 rows)
    """
    check_theme(theme)
    layers_of(model)
    if isinstance(data, str) and data not in points.KINDS:
        raise ValueError(f"data is {', '.join(points.KINDS)}, or a pair (X, y), got {data!r}")
    if not isinstance(data, str) and not (isinstance(data, tuple) and len(data) == 2):
        raise TypeError(f"data is a name, or a pair (X, y), got {type(data).__name__}")
    if not (isinstance(batch_size, int) and isinstance(rows, int)):
        raise TypeError(f"rows and batch_size are whole numbers, got {rows!r} and {batch_size!r}")
    if batch_size < 1 or not 2 <= rows <= points.MOST:
        raise ValueError(f"play takes 2 to {points.MOST} rows, in batches of 1 or more, got {rows} and {batch_size}")
    if not callable(loss):
        raise TypeError(f"loss is a function of an output and a target, such as nn.hinge, got {loss!r}")
    for name, parameter in model.named_parameters():
        if not isfinite(parameter.data):
            raise ValueError(f"play starts from parameters that are finite, got {name} = {parameter.data}")
    if isinstance(data, str):
        sets = [points.named(kind, rows, seed) for kind in sorted(points.KINDS, key=lambda kind: kind != data)]
    else:
        sets = [points.given(*data)]
    optimizer = SGD(model.parameters(), lr=0.3) if optimizer is None else optimizer
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"play takes an optimizer of the model's parameters: nn.SGD(model.parameters(), lr=0.3), got {optimizer!r}"
        )
    if list(optimizer.parameters) != list(model.parameters()):
        raise ValueError("play takes an optimizer of the model's parameters: nn.SGD(model.parameters(), lr=0.3)")
    return Playground(model, sets, {**story(model, sets, loss, optimizer), "batch": batch_size}, theme)


class Playground:
    """A network that learns in a page. Made by `play`; Jupyter shows it.

    In the HTML, `data-play` marks the element, and `data-ready` is there once its script has run; then the element's
    `playground` has `step(count)`, `reset()`, `parameters()` and `loss()` for scripts.

    >>> from nn import MLP
    >>> html = play(MLP(2, [3, 1], "tanh", seed=0)).html("mine")
    >>> '<div id="mine" data-play="mine"' in html
    True
    """

    def __init__(self, model: Module, sets: Sequence[Points], told: dict[str, Any], theme: Theme) -> None:
        self._model, self._sets, self._told, self._theme = model, sets, told, theme

    @property
    def data(self) -> dict[str, Any]:
        """All that the page knows, in lists, texts and numbers, as it is now."""
        return self._told

    def html(self, prefix: str | None = None) -> str:
        """The playground as an element of HTML, its script and style included.

        Args:
            prefix: its id; by default one that no other has.

        Raises ValueError for a prefix that is not a name.

        >>> import nn
        >>> nn.play(nn.MLP(2, [3, 1], seed=0)).html("mine")[:14]
        '<div id="mine"'
        """
        return element(self._told, self._model, prefix, self._theme)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a page, a file whose name ends in .html, that needs nothing else, and return its path.

        Raises ValueError for another ending, and as `Graph.save` does.

        >>> from nn import MLP
        >>> play(MLP(2, [3, 1], "tanh", seed=0)).save("play.png")
        Traceback (most recent call last):
        ValueError: save takes a name that ends in .html, got 'play.png'
        """
        return saved(path, self.html, f"{self._model!r} at play", self._theme)

    def __repr__(self) -> str:
        points = self._sets[0]
        count = f"{len(self._told['parameters'])} parameters, {len(points.rows)} rows"
        return f"Playground({self._model!r} on {points.name}: {count})"

    def _repr_html_(self) -> str:
        return self.html()
