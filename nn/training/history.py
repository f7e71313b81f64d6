"""The history of training: every figure, epoch by epoch.

>>> history = History(["loss", "accuracy"])
>>> for loss, accuracy in [(2.0, 0.3), (1.0, 0.7), (0.5, 0.9)]:
...     history.append({"loss": loss, "accuracy": accuracy})
>>> history
History(3 epochs: loss 2 → 0.5 █▃▁, accuracy 0.3 → 0.9 ▁▆█)
>>> history["loss"], history.last["accuracy"]
([2.0, 1.0, 0.5], 0.9)
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from math import isfinite
from typing import Any

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 20


class History(Mapping[str, list[float]]):
    """Figures by name, a list each, with a number for each epoch; what `fit` returns.

    Attributes:
        classes: the labels that the outputs stand for, where y was labels; None otherwise.
        compiled: whether the rows ran as a program.
        why_eager: where they did not, and might have, why.
        stopped: "interrupted", or what a callback said when it ended the training early; None otherwise.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._figures: dict[str, list[float]] = {name: [] for name in names}
        self.classes: list[Any] | None = None
        self.compiled = False
        self.why_eager: str | None = None
        self.stopped: str | None = None

    def append(self, figures: Mapping[str, float]) -> None:
        """Add an epoch's figures. Raises ValueError unless they have the names of the epochs before."""
        if self.epochs and set(figures) != set(self._figures):
            raise ValueError(f"an epoch has the figures {list(self._figures)}, got {list(figures)}")
        for name, figure in figures.items():
            self._figures.setdefault(name, []).append(float(figure))

    @property
    def epochs(self) -> int:
        """How many epochs there are."""
        return max((len(column) for column in self._figures.values()), default=0)

    @property
    def last(self) -> dict[str, float]:
        """The figures of the last epoch."""
        return {name: column[-1] for name, column in self._figures.items() if column}

    def __getitem__(self, name: str) -> list[float]:
        if name not in self._figures:
            raise KeyError(f"the history has no {name!r}; it has {', '.join(self._figures) or 'no epoch'}")
        return self._figures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._figures)

    def __len__(self) -> int:
        return len(self._figures)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it in lists, texts and numbers, for json."""
        return {"figures": {name: list(column) for name, column in self.items()}, **self._facts()}

    @staticmethod
    def from_dict(state: Mapping[str, Any]) -> "History":
        """Return the history that `to_dict` told.

        >>> History.from_dict(History(["loss"]).to_dict()).to_dict() == History(["loss"]).to_dict()
        True
        """
        history = History()
        history._figures = {str(name): [float(x) for x in column] for name, column in state["figures"].items()}
        for name in history._facts():
            setattr(history, name, state[name])
        return history

    def _facts(self) -> dict[str, Any]:
        names = ("classes", "compiled", "why_eager", "stopped")
        return {name: getattr(self, name) for name in names}

    def _curves(self) -> list[str]:
        """Return the names of the figures that tell how well it went."""
        return [name for name in self._figures if name not in ("lr", "seconds")]

    def plot(self, ax: Any = None) -> Any:
        """Draw the figures over the epochs with matplotlib: the losses, and what is left in a second panel.

        Args:
            ax: axes for all of them; a figure with one or two panels is made unless given.

        Returns the axes, one or a list of two. Raises ImportError without matplotlib, ValueError without an epoch.
        """
        if not self.epochs:
            raise ValueError("the history has no epoch to plot")
        losses = [name for name in self._curves() if name.endswith("loss")]
        others = [name for name in self._curves() if name not in losses]
        if ax is not None:
            return self._draw(ax, losses + others)
        pyplot = _pyplot()
        groups = [group for group in (losses, others) if group]
        _, panels = pyplot.subplots(
            1, len(groups), figsize=(4.8 * len(groups), 3.2), squeeze=False, layout="constrained"
        )
        drawn = [self._draw(panel, group) for panel, group in zip(panels[0], groups, strict=True)]
        return drawn if len(drawn) > 1 else drawn[0]

    def _draw(self, ax: Any, names: Sequence[str]) -> Any:
        epochs = range(1, self.epochs + 1)
        for name in names:
            column = self._figures[name]
            style = {"linestyle": "--"} if name.startswith("val_") else {}
            ax.plot(epochs, column, label=name, marker="." if len(column) < 30 else "", **style)
        ax.set_xlabel("epoch")
        ax.set_ylabel(names[0].removeprefix("val_") if len({n.removeprefix("val_") for n in names}) == 1 else "")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.25)
        ax.legend()
        return ax

    def __repr__(self) -> str:
        columns = {name: self._figures[name] for name in self._curves() if self._figures[name]}
        parts = [f"{name} {_span(column)} {sparkline(column)}" for name, column in columns.items()]
        count = f"{self.epochs} epoch{'s' * (self.epochs != 1)}"
        ending = f"; {self.stopped}" if self.stopped else ""
        return f"History({count}{': ' if self.epochs else ''}{', '.join(parts)}{ending})"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{title}</th>" for title in ("figure", "first", "last", "best", ""))
        rows = []
        for name in self._figures if self.epochs else ():
            column = self._figures[name]
            best = (max if "accuracy" in name else min)(column) if name in self._curves() else ""
            cells = [escape(name), f"{column[0]:.4g}", f"{column[-1]:.4g}", f"{best:.4g}" if best != "" else ""]
            rows.append("".join(f"<td>{cell}</td>" for cell in [*cells, sparkline(column)]))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        note = f"; {escape(self.stopped)}" if self.stopped else ""
        caption = f"{self.epochs} epoch{'s' * (self.epochs != 1)}, {'compiled' if self.compiled else 'eager'}{note}"
        return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def sparkline(column: Sequence[float], width: int = _WIDTH) -> str:
    """Return a line of bars as high as the numbers; of more than `width`, means of neighbours.

    >>> sparkline([1.0, 2.0, 3.0, 4.0])
    '▁▃▆█'
    """
    if len(column) > width:
        edges = [round(i * len(column) / width) for i in range(width + 1)]
        column = [sum(column[a:b]) / (b - a) for a, b in pairwise(edges)]
    finite = [x for x in column if isfinite(x)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((x - low) * scale)] if isfinite(x) else "×" for x in column)


def _span(column: Sequence[float]) -> str:
    return f"{column[0]:.3g} → {column[-1]:.3g}" if len(column) > 1 else f"{column[0]:.3g}"


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError('plots need matplotlib: python -m pip install "scalar-autodiff[train]"') from None
    return pyplot
