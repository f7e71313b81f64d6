"""The totals of a batch taken eagerly: a row at a time, as one would write it by hand."""

from contextlib import nullcontext
from typing import Any

import autodiff
from autodiff import Value
from autodiff.backprop import get_grads, set_grads
from nn.training.batches.data import Data
from nn.training.batches.task import Task, number_of
from nn.training.batches.totals import Totals


class EagerBatches:
    """The totals of a batch, a row at a time, as one would write them by hand."""

    def __init__(self, task: Task, data: Data, learns: bool) -> None:
        self.task, self.data, self.learns = task, data, learns

    def totals(self, numbers: Any, indices: Any) -> Totals:
        """The totals over the rows with these indices, at these numbers of the parameters."""
        import numpy

        task, figures = self.task, numpy.zeros(1 + len(self.task.metrics))
        task.write(numbers)
        if self.learns:
            set_grads(task.parameters, 0.0)
        for i in indices.tolist():
            try:
                figures += self._row(i)
            except Exception as error:
                error.add_note(f"in row {i}")
                raise
        return Totals(figures, numpy.array(get_grads(task.parameters) if self.learns else []))

    def _row(self, i: int) -> list[float]:
        """The loss and the metrics of row i, and add the loss's gradient to those of the parameters."""
        task, target = self.task, self.data.target(i)
        with nullcontext() if self.learns else autodiff.no_grad():
            outputs = task.model(self.data.row(i))
            loss = task.loss(outputs, target)
        if self.learns and isinstance(loss, Value):  # a row's may be a mere number, such as max(0, 1 - y)
            loss.backward()
        with autodiff.no_grad():
            return [number_of(loss), *[number_of(metric(outputs, target)) for metric in task.metrics.values()]]
