"""Sums over the rows of a batch: loss, its gradient, metrics. Eagerly, a row at a time, or all rows in one program.

Both are handed the numbers of the parameters and give arrays, so what is done with a gradient is written once.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import Error as CopyError
from dataclasses import dataclass
from typing import Any, NamedTuple

import autodiff
from autodiff import Value
from autodiff.compiler import TracingError
from nn.training.history import History
from nn.training.rows import Data
from nn.training.twin import Given, generators_of, leaves_of, modules_of, twin


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

        return numpy.array([parameter.data for parameter in self.parameters])

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
        self.generators = [] if model is None else [generator for _, _, generator in generators_of(model)]

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
            with replaced(task.model, sources(drawn, self.counts(i))):
                outputs = task.model(self.data.row(i))
            loss = task.loss(outputs, self.data.target(i))
            loss.backward()
            total += loss.data
            with autodiff.no_grad():
                judged = [metric(outputs, self.data.target(i)) for metric in task.metrics]
            metrics = [so_far + number_of(metric) for so_far, metric in zip(metrics, judged, strict=True)]
        return Sums(total, numpy.array([parameter.grad for parameter in task.parameters]), metrics)


@contextmanager
def replaced(model: Any, given: Sequence[random.Random]) -> Iterator[None]:
    """Let the modules of a model draw from these in the place of their generators, in the block."""
    own = list(generators_of(model)) if given else []
    try:
        for (module, name, _), source in zip(own, given, strict=True):
            setattr(module, name, source)
        yield
    finally:
        for module, name, generator in own:
            setattr(module, name, generator)


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
        task, generators = self.task, [generator for _, _, generator in generators_of(self.task.model)]
        given = sources(drawn.tolist(), self._counts)
        own = twin(task.model, task.parameters, numbers.tolist(), generators, given)
        return task.judged(own(x.tolist() if self.data.as_lists and hasattr(x, "tolist") else x), target)

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

    Args:
        task, data: what is computed, and of which rows.
        counts: a function of the index of a row: how many random numbers it takes from each generator.
        compile: "auto"; True, and an error says why it cannot be; False, eagerly.
        history: is told which of them it was.
    """

    def __init__(
        self, task: Task, data: Data, counts: Callable[[int], Sequence[int]], compile: bool | str, history: History
    ) -> None:
        self._insisted, self._history = compile is True, history
        self._eager = EagerSteps(task, data, counts)
        self._steps: EagerSteps | CompiledSteps = CompiledSteps(task, data, counts) if compile else self._eager
        history.compiled = bool(compile)

    def settle(self) -> None:
        """Find out, by one row, whether it can be compiled."""
        import numpy

        noise = [0.5] * sum(self._eager.counts(0))
        self.sums(self._eager.task.numbers(), numpy.array([0]), [noise] if noise else None)

    def sums(self, numbers: Any, indices: Any, noise: list[list[float]] | None) -> Sums:
        """Return the sums over the rows with these indices, at these numbers of the parameters."""
        try:
            return self._steps.sums(numbers, indices, noise)
        except (TracingError, RuntimeError) as error:
            if self._insisted or self._steps is self._eager:
                raise
            self._steps, self._history.compiled, self._history.why_eager = self._eager, False, str(error)
            return self._steps.sums(numbers, indices, noise)


def added(parts: Sequence[Sums]) -> Sums:
    """Return the sum of the sums, added up in their order."""
    total = parts[0]
    for part in parts[1:]:
        metrics = [x + y for x, y in zip(total.metrics, part.metrics, strict=True)]
        slopes = None if total.slopes is None else total.slopes + part.slopes
        total = Sums(total.loss + part.loss, slopes, metrics)
    return total


# --- what a row needs, and whether it compiles ---


class Rehearsal:
    """One row of each shape, run eagerly on a twin: how many random numbers it draws, and what forbids compiling it."""

    def __init__(self, task: Task, data: Data) -> None:
        self._task, self._data = task, data
        self._counts: dict[Any, list[int]] = {}
        self.obstacle: str | None = None
        self.is_copyable = True
        self.counts(0)

    def counts(self, i: int) -> list[int]:
        """Return how many numbers the model draws from each generator for row i, in training."""
        key = None if self._data.is_even else self._data.X[i].shape
        if key not in self._counts:
            self._counts[key] = self._run(i)
        return self._counts[key]

    def _run(self, i: int) -> list[int]:
        task = self._task
        generators = [generator for _, _, generator in generators_of(task.model)]
        counting = [_Counting() for _ in generators]
        fresh = [Value(parameter.data) for parameter in task.parameters]
        try:
            own = twin(task.model, task.parameters, fresh, generators, counting)
        except (TypeError, CopyError) as error:
            self.obstacle, self.is_copyable = f"the model cannot be copied: {error}", False
            return []
        before = _chance(own)
        outputs, target = own(self._data.row(i)), self._data.target(i)
        loss, metrics = task.judged(outputs, target)
        _check(loss, metrics, task)
        leaves = leaves_of(loss)
        if not leaves & {*fresh, *task.parameters}:
            raise ValueError(
                "the loss of the first row depends on none of the parameters that are trained; inside no_grad() "
                "nothing does, nor does what was detached"
            )
        if leaves & set(task.parameters):
            self.obstacle = (
                "the model, the loss or a metric has parameters by another way than the model's attributes, such as a "
                "closure; give fit a penalty of parameters as penalty="
            )
        elif _chance(own) != before:
            self.obstacle = (
                "the model draws random numbers that a program would repeat; draw them by .random() of a "
                "random.Random in an attribute of the module, as nn.Dropout does"
            )
        return [source.count for source in counting]


class _Counting(random.Random):
    """A generator that counts what it gives."""

    count = 0

    def __init__(self) -> None:
        super().__init__(0)

    def random(self) -> float:
        self.count += 1
        return super().random()


def _chance(model: Any) -> list[Any]:
    """Return the states of generators that a model may draw from and that no row can be given numbers for."""
    import numpy

    held = [x for module in modules_of(model) for x in vars(module).values() if isinstance(x, numpy.random.Generator)]
    kept: Any = numpy.random.get_state()
    return [random.getstate(), kept[1].tolist(), kept[2], *[generator.bit_generator.state for generator in held]]


def _check(loss: Any, metrics: Sequence[Any], task: Task) -> None:
    name = getattr(task.loss, "__name__", "the loss")
    if not isinstance(loss, Value):
        raise TypeError(
            f"{name} gives one Value for a row, got {type(loss).__name__}; add up or take the mean, and leave the "
            "outputs Values"
        )
    for metric, function in zip(metrics, task.metrics, strict=True):
        if not hasattr(type(metric), "__float__") and not isinstance(metric, Value):
            raise TypeError(f"the metric {name_of(function)} gives one number for a row, got {type(metric).__name__}")


def name_of(function: Any) -> str:
    """Return what a function is called."""
    return str(getattr(function, "__name__", type(function).__name__))
