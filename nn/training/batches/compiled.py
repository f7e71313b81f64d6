"""The totals of a batch taken at once: a program of the model and the loss, run over all rows."""

from collections.abc import Callable, Sequence
from typing import Any

import autodiff
from autodiff.compiler import TracingError
from nn.training.batches.data import Data
from nn.training.batches.randomness import given
from nn.training.batches.substitution import leaves_of, substituted
from nn.training.batches.task import Task
from nn.training.batches.totals import Totals, added

_BY_ANOTHER_WAY = (
    "the model, the loss or a metric has parameters by another way than the model's attributes, such as a closure; "
    "give fit a penalty of parameters as penalty="
)


class CompiledBatches:
    """The totals of a batch in one run of a program, which was traced on a copy of the model."""

    def __init__(self, task: Task, data: Data, learns: bool, counts: Callable[[int], Sequence[int]]) -> None:
        self.task, self.data, self.learns, self.counts = task, data, learns, counts
        row = autodiff.value_and_grad(self._row, has_aux=True) if learns else self._row
        self._run = autodiff.compile(row, rows=(1, 2, 3), reduce="sum")
        self._counts: Sequence[int] = ()
        self._prepared: dict[int, tuple[Any, Any]] = {}

    def __reduce__(self) -> Any:  # a copy is traced anew
        return CompiledBatches, (self.task, self.data, self.learns, self.counts)

    def _row(self, numbers: Any, x: Any, target: Any, noise: Any) -> Any:
        task, sources = self.task, given(noise.tolist(), self._counts)
        own = substituted(task.model, task.parameters, numbers.tolist(), task.randomness.generators, sources)
        loss, metrics = task.judged(own(self.data.handed(x)), target)
        if self.learns and not leaves_of(loss).isdisjoint(task.parameters):
            raise TracingError(_BY_ANOTHER_WAY)
        return loss, autodiff.array([loss, *metrics])

    def totals(self, numbers: Any, indices: Any) -> Totals:
        """The totals over the rows with these indices, at these numbers of the parameters."""
        import numpy

        rows = indices.tolist() if self.task.randomness.generators else []
        noise = {i: self.task.randomness.drawn(self.counts(i)) for i in rows}  # in the order that the model draws it in
        if self.data.is_even:
            return self._of_even(numbers, indices, [noise[i] for i in rows])
        parts = []
        for group in self.data.groups(indices):
            self._counts = self.counts(group[0])
            drawn = numpy.array([noise[i] for i in group]) if noise else numpy.empty((len(group), 0))
            parts.append(self._totals(self._run(numbers, *self.data.taken(group), drawn)))
        return added(parts)

    def _of_even(self, numbers: Any, indices: Any, noise: list[list[float]]) -> Totals:
        """The same where all rows are alike in shape, in arrays that the next such call fills anew."""
        import numpy

        if len(indices) not in self._prepared:
            self._counts = self.counts(indices[0])
            drawn = numpy.array(noise) if noise else numpy.empty((len(indices), 0))
            own = numbers.copy(), *self.data.taken(indices), drawn
            self._prepared[len(indices)] = self._run.prepare(*own), own
        call, (own_numbers, x, y, drawn) = self._prepared[len(indices)]
        own_numbers[:] = numbers
        if noise:
            drawn[:] = noise
        self.data.taken(indices, x, y)
        call()
        return self._totals(call.results)

    def _totals(self, results: Any) -> Totals:
        (_, figures), slopes = results if self.learns else (results, results[1][:0])
        return Totals(figures, slopes)
