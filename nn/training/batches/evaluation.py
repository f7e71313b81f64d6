"""Evaluation: how well a model fits rows that it is not trained on."""

from typing import Any

from nn.modules.modes import in_mode
from nn.training.batches.compiled_or_eager import Batches
from nn.training.batches.data import Data
from nn.training.batches.task import Task
from nn.training.history import History


class Evaluation:
    """The mean loss and metrics of held-out rows, as often as asked for.

    Each time the program is compared with the model on a row, another one each time: a callback may have changed it.
    """

    def __init__(self, task: Task, data: Data, compile: bool | str) -> None:
        self._task, self._data, self._asked = task, data, 0
        nothing_drawn = lambda _: [0] * len(task.randomness.generators)
        self._batches = Batches(task, data, nothing_drawn, compile and "auto", History(), learns=False)

    def __call__(self, numbers: Any) -> dict[str, float]:
        """The figures at these numbers of the parameters, by name: val_loss, and each metric's."""
        import numpy

        count = len(self._data)
        with in_mode(self._task.model, False):
            self._batches.check(numbers, numpy.array([self._asked % count]))
            figures = self._batches.totals(numbers, numpy.arange(count)).figures / count
        self._asked += 1
        return {f"val_{name}": float(figure) for name, figure in zip(self._task.names, figures, strict=True)}
