"""Sums over the rows of a batch: loss, metrics and gradient. Eagerly, a row at a time, or all rows in one program.

Both are handed the numbers of the parameters and give arrays, so what is done with a gradient is written once.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from functools import reduce
from typing import Any, NamedTuple

import autodiff
from autodiff import Value
from autodiff.compiler import TracingError
from nn.training.batches.data import Data
from nn.training.batches.generators import Chance, given
from nn.training.batches.substitution import leaves_of, twin
from nn.training.history import History

_BY_ANOTHER_WAY = (
    "the model, the loss or a metric has parameters by another way than the model's attributes, such as a closure; "
    "give fit a penalty of parameters as penalty="
)
OTHER_NUMBERS = (
    "the program gives other numbers than the model: the model, the loss or a metric looks at more than numbers of the "
    "row, such as their type or hash, or at what changes from call to call"
)


class Sums(NamedTuple):
    """Over the rows of a batch, as arrays: of the loss and each metric, and of the slopes, none unless asked for."""

    figures: Any
    slopes: Any


class Task:
    """What is computed of a row: the loss and metrics of what a model gives for it.

    Attributes:
        model: a Module.
        parameters: those that are trained, in the order of every array of numbers.
        loss: a function of the outputs and the target of one row.
        metrics: functions of the same, by name.
        chance: what the model draws from.
    """

    def __init__(
        self, model: Any, parameters: list[Value], loss: Callable[[Any, Any], Any], metrics: Mapping[str, Any]
    ) -> None:
        self.model, self.parameters, self.loss, self.metrics = model, parameters, loss, metrics
        self.chance = Chance(model)

    @property
    def names(self) -> list[str]:
        """What the figures of a row are called."""
        return ["loss", *self.metrics]

    def numbers(self) -> Any:
        """Return the data of the parameters, as an array."""
        import numpy

        return numpy.array([parameter.data for parameter in self.parameters], float)

    def write(self, numbers: Any) -> None:
        """Set the data of the parameters."""
        for parameter, number in zip(self.parameters, numbers.tolist(), strict=True):
            parameter.data = number

    def judged(self, outputs: Any, target: Any) -> tuple[Any, list[Any]]:
        """Return the loss and the metrics of one row."""
        return self.loss(outputs, target), [metric(outputs, target) for metric in self.metrics.values()]


class EagerSteps:
    """The sums of a batch, a row at a time, as one would write them by hand."""

    def __init__(self, task: Task, data: Data, learns: bool) -> None:
        self.task, self.data, self.learns = task, data, learns

    def sums(self, numbers: Any, indices: Any) -> Sums:
        """Return the sums over the rows with these indices, at these numbers of the parameters."""
        import numpy

        task, figures = self.task, numpy.zeros(1 + len(self.task.metrics))
        task.write(numbers)
        for parameter in task.parameters if self.learns else ():
            parameter.grad = 0.0
        for i in indices.tolist():
            try:
                figures += self._row(i)
            except Exception as error:
                error.add_note(f"in row {i}")
                raise
        return Sums(figures, numpy.array([p.grad for p in task.parameters] if self.learns else []))

    def _row(self, i: int) -> list[float]:
        """Return the loss and the metrics of row i, and add the loss's gradient to those of the parameters."""
        task, target = self.task, self.data.target(i)
        with nullcontext() if self.learns else autodiff.no_grad():
            outputs = task.model(self.data.row(i))
            loss = task.loss(outputs, target)
        if self.learns and isinstance(loss, Value):  # a row's may be a mere number, such as max(0, 1 - y)
            loss.backward()
        with autodiff.no_grad():
            return [number_of(loss), *[number_of(metric(outputs, target)) for metric in task.metrics.values()]]


def number_of(x: Any) -> float:
    """Return a Value's number, or a number, as a float."""
    return x.data if isinstance(x, Value) else float(x)


class CompiledSteps:
    """The sums of a batch in one run of a program, which was traced on a twin of the model."""

    def __init__(self, task: Task, data: Data, learns: bool, counts: Callable[[int], Sequence[int]]) -> None:
        self.task, self.data, self.learns, self.counts = task, data, learns, counts
        row = autodiff.value_and_grad(self._row, has_aux=True) if learns else self._row
        self._run = autodiff.compile(row, rows=(1, 2, 3), reduce="sum")
        self._counts: Sequence[int] = ()
        self._prepared: dict[int, tuple[Any, Any]] = {}

    def __reduce__(self) -> Any:  # a copy is traced anew
        return CompiledSteps, (self.task, self.data, self.learns, self.counts)

    def _row(self, numbers: Any, x: Any, target: Any, noise: Any) -> Any:
        task, sources = self.task, given(noise.tolist(), self._counts)
        own = twin(task.model, task.parameters, numbers.tolist(), task.chance.generators, sources)
        loss, metrics = task.judged(own(self.data.handed(x)), target)
        if self.learns and not leaves_of(loss).isdisjoint(task.parameters):
            raise TracingError(_BY_ANOTHER_WAY)
        return loss, autodiff.array([loss, *metrics])

    def sums(self, numbers: Any, indices: Any) -> Sums:
        """Return the sums over the rows with these indices, at these numbers of the parameters."""
        import numpy

        rows = indices.tolist() if self.task.chance.generators else []
        noise = {i: self.task.chance.drawn(self.counts(i)) for i in rows}  # in the order that the model draws it in
        if self.data.is_even:
            return self._of_even(numbers, indices, [noise[i] for i in rows])
        parts = []
        for group in self.data.groups(indices):
            self._counts = self.counts(group[0])
            drawn = numpy.array([noise[i] for i in group]) if noise else numpy.empty((len(group), 0))
            parts.append(self._sums(self._run(numbers, *self.data.taken(group), drawn)))
        return added(parts)

    def _of_even(self, numbers: Any, indices: Any, noise: list[list[float]]) -> Sums:
        """Return the same where all rows are alike in shape, in arrays that the next such call fills anew."""
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
        return self._sums(call.results)

    def _sums(self, results: Any) -> Sums:
        (_, figures), slopes = results if self.learns else (results, results[1][:0])
        return Sums(figures, slopes)


class Steps:
    """The sums of a batch: compiled where it can be, eager from the moment it turns out that it cannot.

    Whenever `check` is called, a program is held against the model by some rows. That finds what tracing does not see,
    such as a set that is asked whether it has the number.

    Args:
        task, data: what is computed, and of which rows.
        counts: a function of the index of a row: how many random numbers it takes from each generator.
        compile: "auto"; True, and an error says why it cannot be; False, eagerly.
        history: is told which of them it was.
        learns: whether slopes are asked for.
    """

    def __init__(
        self, task: Task, data: Data, counts: Any, compile: bool | str, history: History, learns: bool = True
    ) -> None:
        self.task, self.data, self._insisted, self._history = task, data, compile is True, history
        self._eager = EagerSteps(task, data, learns)
        self._compiled = CompiledSteps(task, data, learns, counts) if compile else None
        history.compiled = bool(compile)

    def sums(self, numbers: Any, indices: Any) -> Sums:
        """Return the sums over the rows with these indices, at these numbers of the parameters."""
        if self._compiled is not None:
            state = self.task.chance.state
            try:
                return self._compiled.sums(numbers, indices)
            except Exception as error:  # of any kind: code that is traced meets numbers it does not expect
                self._give_up(error)
                self.task.chance.state = state
        return self._eager.sums(numbers, indices)

    def check(self, numbers: Any, indices: Any) -> None:
        """Hold the program against these rows; where they differ, trace anew, and then go on eagerly."""
        for _ in range(2):
            if self._compiled is None or self._agrees(self._compiled, numbers, indices):
                return
            self._compiled = copy(self._compiled)
        self._give_up(TracingError(OTHER_NUMBERS))

    def _agrees(self, compiled: CompiledSteps, numbers: Any, indices: Any) -> bool:
        """Whether the program gives for these rows what the model gives, with the same random numbers."""
        state = self.task.chance.state
        try:
            found = compiled.sums(numbers, indices)
        except Exception as error:  # as in sums
            self._give_up(error)
            return True
        finally:
            self.task.chance.state = state
        try:
            return alike(found, self._eager.sums(numbers, indices))
        except Exception:  # the model's own, such as that of a checkpoint around Dropout, which is not repeated eagerly
            return True
        finally:
            self.task.chance.state = state
            self.task.model.zero_grad()

    def _give_up(self, error: Exception) -> None:
        why = str(error) if isinstance(error, TracingError) else f"{type(error).__name__}: {error}"
        if self._insisted and isinstance(error, (TracingError, ArithmeticError, ValueError)):
            raise error
        if self._insisted:
            raise TracingError(f"this cannot be compiled: {why}") from error
        self._compiled, self._history.compiled, self._history.why_eager = None, False, why


def alike(some: Sums, others: Sums) -> bool:
    """Whether sums of the same rows differ by no more than rounding."""
    return are_close([*some.figures, *some.slopes], [*others.figures, *others.slopes])


def are_close(found: Any, expected: Any) -> bool:
    """Whether arrays have one shape, and numbers that differ by no more than rounding."""
    import numpy

    found, expected = numpy.asarray(found), numpy.asarray(expected)
    size = numpy.abs(expected[numpy.isfinite(expected)]).max(initial=0.0)
    return found.shape == expected.shape and numpy.allclose(found, expected, 1e-6, 1e-9 * size, equal_nan=True)


def added(parts: Sequence[Sums]) -> Sums:
    """Return the sum of the sums, added up in their order."""
    return reduce(lambda x, y: Sums(x.figures + y.figures, x.slopes + y.slopes), parts)


def kept(sums: Sums) -> Sums:
    """Return the same in arrays of their own."""
    return Sums(sums.figures.copy(), sums.slopes.copy())
