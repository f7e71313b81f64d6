"""Callbacks: the event that they are told of, and the two that most want, early stopping and checkpoints.

A callback is a function of one `Event`; `fit` calls it after each epoch. An exception that it raises ends the training.

>>> def tell(event):
...     print(event.epoch, sorted(event.logs))
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from os import PathLike, fspath
from typing import Any, TypeVar

from nn.training.batches.task import number_of
from nn.training.history import History
from nn.training.saving.save import save


@dataclass
class Event:
    """The moment after an epoch, or after a batch for callbacks of `each_batch`. Parameters are as they then are.

    Attributes:
        name: "epoch" or "batch".
        epoch, epochs: the number of the epoch, from 1, and how many there are to be.
        step: how many batches the optimiser has taken.
        logs: figures by name: of the epoch, "loss", each metric, the same of validation as "val_loss" and so on, "lr"
            and "seconds"; of a batch, "loss", metrics and "lr".
        model, optimizer: those that `fit` was given.
        history: all epochs so far, this one with them.

    >>> def enough(event):
    ...     if event.logs["loss"] < 0.01:
    ...         event.stop("good enough")
    """

    name: str
    epoch: int
    epochs: int
    step: int
    logs: dict[str, float]
    model: Any
    optimizer: Any
    history: History
    stopping: str | None = None

    def stop(self, reason: str = "stopped by a callback") -> None:
        """End the training after this epoch or batch; the history's `stopped` says why.

        >>> event = Event("epoch", 3, 10, 96, {"loss": 0.25}, None, None, History())
        >>> event.stop("good enough")
        >>> event.stopping
        'good enough'
        """
        self.stopping = reason


Callback = Callable[[Event], Any]
_F = TypeVar("_F", bound=Callback)


def each_batch(callback: _F) -> _F:
    """Mark a callback as one for the end of every batch, instead of every epoch; a decorator.

    >>> @each_batch
    ... def watch(event): ...
    """
    callback.each_batch = True  # type: ignore[attr-defined]
    return callback


def early_stopping(
    monitor: str = "val_loss", *, patience: int = 5, min_delta: float = 0.0, mode: str = "min", restore: bool = True
) -> Callback:
    """A callback that ends the training once a figure has not improved for `patience` epochs.

    Args:
        monitor: the figure, a name in `event.logs`.
        patience: how many epochs without a better one are borne.
        min_delta: by more than how much a better figure is better.
        mode: "min", smaller is better, or "max".
        restore: whether the model gets the numbers of its best epoch back, at the last epoch, early or not.

    Raises TypeError for a monitor that is not a name, ValueError for another mode, or patience below 1.

    >>> enough = early_stopping("val_accuracy", mode="max", patience=3)
    """
    if not isinstance(monitor, str):
        raise TypeError(f"monitor is the name of a figure, got {monitor!r}; write callbacks=[nn.early_stopping()]")
    if patience < 1:
        raise ValueError(f"patience is at least 1 epoch, got {patience!r}")
    best, waited, numbers = _Best(monitor, mode, min_delta), 0, None

    def callback(event: Event) -> None:
        nonlocal waited, numbers
        if event.epoch == 1:
            best.score, waited, numbers = inf, 0, None
        if best.is_beaten(event):
            waited, numbers = 0, _numbers(event.model) if restore else None
        else:
            waited += 1
        if waited >= patience:
            event.stop(f"{monitor} has not improved for {patience} epochs")
        if waited and numbers is not None and (event.stopping or event.epoch == event.epochs):
            event.model.load_state_dict(dict(zip(event.model.state_dict(), numbers, strict=True)))

    return _looking_on(callback)


def _numbers(model: Any) -> list[float]:
    """The numbers of a model's state_dict without their names, which take four times as long."""
    return [number_of(x) for x in [*model.parameters(), *[held for _, held in model.named_buffers()]]]


def checkpoint(path: str | PathLike[str], *, monitor: str | None = None, mode: str = "min") -> Callback:
    """A callback that saves model, optimiser and history to a file by `nn.save`.

    Args:
        path: of the file, which each saving replaces whole.
        monitor: a figure in `event.logs`: save where it is the best so far; every time unless given.
        mode: "min", smaller is better, or "max".

    Raises TypeError for a path that is not one, ValueError for another mode.

    >>> keep = checkpoint("model.safetensors", monitor="val_loss")
    """
    path, best = fspath(path), None if monitor is None else _Best(monitor, mode)

    def callback(event: Event) -> None:
        if best is None or best.is_beaten(event):
            save(path, event.model, event.optimizer, event.history)

    return _looking_on(callback)


def _looking_on(callback: Callback) -> Callback:
    """Mark a callback that leaves the model alone, after which a program need not be compared with the model again."""
    callback.looks_on = True  # type: ignore[attr-defined]
    return callback


def figure_of(logs: Mapping[str, float], name: str) -> float:
    """The figure of that name. Raises KeyError with the names there are."""
    if name not in logs:
        held_out = "; give fit validation=(X, y)" if name.startswith("val_") else ""
        raise KeyError(f"no figure is called {name!r}; there are {', '.join(logs)}{held_out}")
    return logs[name]


class _Best:
    """The best score of a figure so far, the smaller the better."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f'mode is "min" or "max", got {mode!r}')
        self.monitor, self.sign, self.min_delta = monitor, 1.0 if mode == "min" else -1.0, min_delta
        self.score = inf

    def is_beaten(self, event: Event) -> bool:
        """Whether this epoch's figure is better; then it is the best from now on."""
        score = self.sign * figure_of(event.logs, self.monitor)
        better = score < self.score - self.min_delta
        self.score = score if better else self.score
        return better
