"""The history of training: every figure, epoch by epoch.

>>> history = History(["loss", "accuracy"])
>>> for loss, accuracy in [(2.0, 0.3), (1.0, 0.7), (0.5, 0.9)]:
...     history.append({"loss": loss, "accuracy": accuracy})
>>> history
History(3 epochs: loss 2 → 0.5 █▃▁, accuracy 0.3 → 0.9 ▁▆█)
>>> history["loss"]
[2.0, 1.0, 0.5]
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any

from nn.modules import tables
from nn.optional import optional

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 20


class History(dict[str, list[float]]):
    """Figures by name, a list each, with a number for each epoch; `fit` returns it.

    Attributes:
        classes: the labels that the outputs stand for, where y was labels; None otherwise.
        compiled: whether the rows ran as a program.
        why_eager: where they did not, and might have, why.
        stopped: "interrupted", or the reason of a callback that ended the training early; None otherwise.

    >>> history = History(["loss"])
    >>> history.append({"loss": 0.5})
    >>> history["loss"], history.epochs
    ([0.5], 1)
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        super().__init__({name: [] for name in names})
        self.classes: list[Any] | None = None
        self.compiled = False
        self.why_eager: str | None = None
        self.stopped: str | None = None

    def append(self, figures: Mapping[str, float]) -> None:
        """Add an epoch's figures. Raises ValueError unless they have the names of the epochs before.

        >>> history = History()
        >>> history.append({"loss": 0.5, "lr": 0.1})
        >>> dict(history)
        {'loss': [0.5], 'lr': [0.1]}
        """
        if self.epochs and figures.keys() != self.keys():
            raise ValueError(f"an epoch has the figures {list(self)}, got {list(figures)}")
        for name, figure in figures.items():
            self.setdefault(name, []).append(float(figure))

    @property
    def epochs(self) -> int:
        """How many epochs there are."""
        return max(map(len, self.values()), default=0)

    def __missing__(self, name: str) -> list[float]:
        raise KeyError(f"the history has no {name!r}; it has {', '.join(self) or 'no epoch'}")

    def to_dict(self) -> dict[str, Any]:
        """All of it in lists, texts and numbers, for json.

        >>> History(["loss"]).to_dict()["figures"]
        {'loss': []}
        """
        return {"figures": {name: list(column) for name, column in self.items()}, **vars(self)}

    @staticmethod
    def from_dict(state: Mapping[str, Any]) -> "History":
        """The history that `to_dict` told.

        >>> History.from_dict(History(["loss"]).to_dict()).to_dict() == History(["loss"]).to_dict()
        True
        """
        history = History()
        history.update({name: list(map(float, column)) for name, column in state["figures"].items()})
        vars(history).update({name: state[name] for name in vars(history)})
        return history

    def plot(self) -> list[Any]:
        """Draw the figures over the epochs with matplotlib: the losses, and in a second panel the metrics.

        Returns the axes of the panels. Raises ImportError without matplotlib, ValueError without an epoch.

        >>> History(["loss"]).plot()
        Traceback (most recent call last):
        ValueError: the history has no epoch to plot
        """
        if not self.epochs:
            raise ValueError("the history has no epoch to plot")
        losses = [name for name in progress_of(self) if name.endswith("loss")]
        metrics = [name for name in progress_of(self) if name not in losses]
        panels = [panel for panel in (("loss", losses), ("metrics", metrics)) if panel[1]]
        figure = optional("matplotlib.pyplot", "plot").figure(figsize=(4.8 * len(panels), 3.2), layout="constrained")
        axes: list[Any] = figure.subplots(1, len(panels), squeeze=False)[0].tolist()
        for ax, (label, names) in zip(axes, panels, strict=True):
            for name in names:
                marker, style = "." if self.epochs < 30 else "", "--" if name.startswith("val_") else "-"
                ax.plot(range(1, self.epochs + 1), self[name], label=name, marker=marker, linestyle=style)
            ax.set(xlabel="epoch", ylabel=label)
            ax.xaxis.get_major_locator().set_params(integer=True)
            ax.grid(alpha=0.25)
            ax.legend()
        return axes

    def __repr__(self) -> str:
        parts = [f"{name} {_span(self[name])} {sparkline(self[name])}" for name in progress_of(self) if self[name]]
        ending = f"; {self.stopped}" if self.stopped else ""
        return f"History({self._count()}{': ' if parts else ''}{', '.join(parts)}{ending})"

    def _repr_html_(self) -> str:
        rows: list[tuple[str, ...]] = [("figure", "first", "last", "least", "most", "")]
        for name, column in self.items():
            if column:
                sizes = [f"{x:.4g}" for x in (column[0], column[-1], min(column), max(column))]
                rows.append((name, *sizes, sparkline(column)))
        ending = f"; {self.stopped}" if self.stopped else ""
        return tables.html(rows, f"{self._count()}, {'compiled' if self.compiled else 'eager'}{ending}")

    def _count(self) -> str:
        return f"{self.epochs} epoch{'s' * (self.epochs != 1)}"


def progress_of(figures: Iterable[str]) -> list[str]:
    """The names of those figures that tell how well the training goes."""
    return [name for name in figures if name not in ("lr", "seconds")]


def sparkline(column: Sequence[float]) -> str:
    """A line of bars as high as the numbers, at most twenty; of more numbers, means of neighbours.

    >>> sparkline([1.0, 2.0, 3.0, 4.0])
    '▁▃▆█'
    """
    if len(column) > _WIDTH:
        edges = [round(i * len(column) / _WIDTH) for i in range(_WIDTH + 1)]
        column = [sum(column[a:b]) / (b - a) for a, b in pairwise(edges)]
    finite = [x for x in column if isfinite(x)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    span = (high / 2 - low / 2) or 1.0  # halves, of which the difference of the largest numbers is finite
    bars = [_BARS[round((x / 2 - low / 2) / span * (len(_BARS) - 1))] if isfinite(x) else "×" for x in column]
    return "".join(bars)


def _span(column: Sequence[float]) -> str:
    return f"{column[0]:.3g} → {column[-1]:.3g}" if len(column) > 1 else f"{column[0]:.3g}"
