"""Sums over the rows of a batch: loss, its gradient, metrics. Eagerly, a row at a time, or all rows in one program.

Both are handed the numbers of the parameters and give arrays, so what is done with a gradient is written once.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import autodiff
from autodiff import Value
from autodiff.compiler import TracingError
from nn.training.history import History
from nn.training.rows import Data
from nn.training.twin import Given, generators_of, leaves_of, replaced, twin

BY_ANOTHER_WAY = (
    "the model, the loss or a metric has parameters by another way than the model's attributes, such as a closure; "
    "give fit a penalty of parameters as penalty="
)


class Sums(NamedTuple):
    """Over the rows of a batch: of the loss, its gradient as an array (None where none was asked for), and metrics."""

    loss: float
    slopes: Any
    metrics: list[float]


@dataclass
class Task:
    """What is computed of a row: the loss and metrics of what a model gives for it.

    Attributes:
        model: a Module.
        parameters: those that are trained, in the order of every array of numbers.
        loss: a function of the outputs and the target of one row.
        metrics: functions of the same.
    """

    model: Any
    parameters: list[Value]
    loss: Callable[[Any, Any], Any]
    metrics: Sequence[Callable[[Any, Any], Any]] = ()

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
        return self.loss(outputs, target), [metric(outputs, target) for metric in self.metrics]


class Noise:
    """The random numbers that a model draws for rows, drawn from its generators, in the order of the rows."""

    def __init__(self, model: Any) -> None:
        self.generators = [] if model is None else generators_of(model)

    def drawn(self, counts: Iterable[Sequence[int]]) -> list[list[float]] | None:
        """Return the numbers of each row, so many from each generator; None for a model that draws none."""
        if not self.generators:
            return None
        pairs = [list(zip(self.generators, of_row, strict=True)) for of_row in counts]
        return [[generator.random() for generator, count in row for _ in range(count)] for row in pairs]


def sources(numbers: Sequence[Any], counts: Sequence[int]) -> list[Given]:
    """Return what gives a row's numbers to its generators, so many to each."""
    given, start = [], 0
    for count in counts:
        source = Given()
        source.give(numbers[start : start + count])
        given.append(source)
        start += count
    return given


class EagerSteps:
    """The sums of a batch, a row at a time, as one would write them by hand."""

    def __init__(self, task: Task, data: Data, counts: Callable[[int], Sequence[int]]) -> None:
        self.task, self.data, self.counts = task, data, counts

    def sums(self, numbers: Any, indices: Any, noise: list[list[float]] | None) -> Sums:
        """Return the sums over the rows with these indices, at these numbers of the parameters."""
        import numpy

        task, total, metrics = self.task, 0.0, [0.0] * len(self.task.metrics)
        task.write(numbers)
        for parameter in task.parameters:
            parameter.grad = 0.0
        for i, drawn in zip(indices.tolist(), noise or [[]] * len(indices), strict=True):
            try:
                loss, judged = self._row(i, drawn)
            except Exception as error:
                error.add_note(f"in row {i}")
                raise
            total += loss
            metrics = [so_far + metric for so_far, metric in zip(metrics, judged, strict=True)]
        return Sums(total, numpy.array([parameter.grad for parameter in task.parameters]), metrics)

    def _row(self, i: int, drawn: Sequence[float]) -> tuple[float, list[float]]:
        """Return the loss and the metrics of row i, and add the loss's gradient to those of the parameters."""
        task, target = self.task, self.data.target(i)
        with replaced(task.model, sources(drawn, self.counts(i))):
            outputs = task.model(self.data.row(i))
        loss = task.loss(outputs, target)
        if isinstance(loss, Value):  # a row's may be a mere number, such as max(0, 1 - y)
            loss.backward()
        with autodiff.no_grad():
            return number_of(loss), [number_of(metric(outputs, target)) for metric in task.metrics]


def number_of(x: Any) -> float:
    """Return a Value's number, or a number, as a float."""
    return x.data if isinstance(x, Value) else float(x)


class CompiledSteps:
    """The sums of a batch in one run of a program, which was traced on a twin of the model."""

    def __init__(self, task: Task, data: Data, counts: Callable[[int], Sequence[int]]) -> None:
        self.task, self.data, self.counts = task, data, counts
        self._run = autodiff.compile(autodiff.value_and_grad(self._row, has_aux=True), rows=(1, 2, 3), reduce="sum")
        self._counts: Sequence[int] = ()
        self._prepared: dict[int, tuple[Any, ...]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"task": self.task, "data": self.data, "counts": self.counts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def _row(self, numbers: Any, x: Any, target: Any, drawn: Any) -> Any:
        task, given = self.task, sources(drawn.tolist(), self._counts)
        own = twin(task.model, task.parameters, numbers.tolist(), generators_of(task.model), given)
        loss, metrics = task.judged(own(x.tolist() if self.data.as_lists and hasattr(x, "tolist") else x), target)
        if not leaves_of(loss).isdisjoint(task.parameters):
            raise TracingError(BY_ANOTHER_WAY)
        return loss, metrics

    def sums(self, numbers: Any, indices: Any, noise: list[list[float]] | None) -> Sums:
        """Return the sums over the rows with these indices, at these numbers of the parameters."""
        if self.data.is_even and noise is None:
            return self._of_prepared(numbers, indices)
        import numpy

        place = {i: at for at, i in enumerate(indices.tolist())}
        parts = []
        for group in self.data.groups(indices):
            self._counts = self.counts(int(group[0]))
            drawn = [[] if noise is None else noise[place[int(i)]] for i in group]
            rows = numpy.array(drawn, dtype=float).reshape(len(group), sum(self._counts))
            (loss, metrics), slopes = self._run(numbers, *self.data.taken(group), rows)
            parts.append(Sums(loss, slopes, metrics))
        return added(parts)

    def _of_prepared(self, numbers: Any, indices: Any) -> Sums:
        """Return the same of rows that are alike in shape, by a call into arrays that stay."""
        import numpy

        prepared = self._prepared.get(len(indices))
        if prepared is None:
            x, y = self.data.taken(indices)
            given = numbers.copy(), x, y, numpy.empty((len(indices), 0))
            prepared = self._prepared[len(indices)] = self._run.prepare(*given), *given[:3]
        call, own, x, y = prepared
        own[:] = numbers
        self.data.X.take(indices, 0, x, "clip")
        self.data.y.take(indices, 0, y, "clip")
        call()
        (loss, metrics), slopes = call.results
        return Sums(float(loss), slopes, [float(metric) for metric in metrics])


class Steps:
    """The sums of a batch: compiled where it can be, eager from the moment it turns out that it cannot.

    A program is held against the model by some rows at first, and whenever `check` is called. That finds what tracing
    does not see, such as a set that is asked whether it has the number.

    Args:
        task, data: what is computed, and of which rows.
        counts: a function of the index of a row: how many random numbers it takes from each generator.
        compile: "auto"; True, and an error says why it cannot be; False, eagerly.
        history: is told which of them it was.
    """

    def __init__(
        self, task: Task, data: Data, counts: Callable[[int], Sequence[int]], compile: bool | str, history: History
    ) -> None:
        self._insisted, self._history, self._is_checked = compile is True, history, False
        self._eager = EagerSteps(task, data, counts)
        self._steps: EagerSteps | CompiledSteps = CompiledSteps(task, data, counts) if compile else self._eager
        history.compiled = bool(compile)

    def sums(self, numbers: Any, indices: Any, noise: list[list[float]] | None) -> Sums:
        """Return the sums over the rows with these indices, at these numbers of the parameters."""
        if not self._is_checked:
            self.check(numbers)
        return self._sums(numbers, indices, noise)

    def check(self, numbers: Any, row: int | None = None) -> None:
        """Hold the program against a row, or some; where they differ, trace anew, and then train eagerly."""
        batch = self.sample([row] if row is not None else self._some())
        self._is_checked = True
        for _ in range(2):
            if self._stands(numbers, batch):
                return
            self._steps = CompiledSteps(self._eager.task, self._eager.data, self._eager.counts)
        self._give_up(
            TracingError(
                "the program gives other numbers than the model: the model, the loss or a metric looks at more than "
                "numbers of the row, such as their type or hash, or at what changes from call to call"
            )
        )

    def sample(self, rows: Sequence[int]) -> tuple[Any, list[list[float]] | None]:
        """Return a batch of rows: their indices, and random numbers for them, always the same."""
        import numpy

        chance, counts = random.Random(0), [self._eager.counts(i) for i in rows]
        noise = [[chance.random() for _ in range(sum(of_row))] for of_row in counts]
        return numpy.array(rows), noise if counts[0] else None

    def _some(self) -> list[int]:
        """Return the indices of ten rows, from the first to the last: rows are often sorted by class."""
        last = len(self._eager.data) - 1
        return sorted({last * i // 9 for i in range(10)})

    def _stands(self, numbers: Any, batch: tuple[Any, list[list[float]] | None]) -> bool:
        if self._steps is self._eager:
            return True
        found = self._sums(numbers, *batch)
        try:
            return alike(found, self._eager.sums(numbers, *batch))
        except Exception:  # the model's own, such as that of a checkpoint around Dropout, which is not repeated eagerly
            return True
        finally:
            self._eager.task.model.zero_grad()

    def _sums(self, numbers: Any, indices: Any, noise: list[list[float]] | None) -> Sums:
        try:
            return self._steps.sums(numbers, indices, noise)
        except Exception as error:  # of any kind: code that is traced meets numbers it does not expect
            if self._steps is self._eager:
                raise
            self._give_up(error)
            return self._steps.sums(numbers, indices, noise)

    def _give_up(self, error: Exception) -> None:
        why = str(error) if isinstance(error, TracingError) else f"{type(error).__name__}: {error}"
        if self._insisted and isinstance(error, (TracingError, ArithmeticError, ValueError)):
            raise error
        if self._insisted:
            raise TracingError(f"this cannot be compiled: {why}") from error
        self._steps, self._history.compiled, self._history.why_eager = self._eager, False, why


def alike(some: Sums, others: Sums) -> bool:
    """Whether sums of the same row differ by no more than rounding."""
    found, expected = [[sums.loss, *sums.metrics, *sums.slopes] for sums in (some, others)]
    return are_close(found, expected)


def are_close(found: Any, expected: Any) -> bool:
    """Whether arrays have one shape, and numbers that differ by no more than rounding."""
    import numpy

    found, expected = numpy.asarray(found), numpy.asarray(expected)
    size = numpy.abs(expected[numpy.isfinite(expected)]).max(initial=0.0)
    return found.shape == expected.shape and numpy.allclose(found, expected, 1e-6, 1e-9 * size, equal_nan=True)


def added(parts: Sequence[Sums]) -> Sums:
    """Return the sum of the sums, added up in their order."""
    total = parts[0]
    for part in parts[1:]:
        metrics = [x + y for x, y in zip(total.metrics, part.metrics, strict=True)]
        slopes = None if total.slopes is None else total.slopes + part.slopes
        total = Sums(total.loss + part.loss, slopes, metrics)
    return total


def name_of(function: Any) -> str:
    """Return what a function is called."""
    return str(getattr(function, "__name__", type(function).__name__))
