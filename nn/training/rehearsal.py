"""The rehearsal of a training: what a row needs, and whether it can be compiled."""

import random
from collections.abc import Sequence
from copy import Error as CopyError
from typing import Any

import autodiff
from autodiff import Value
from nn.holding import modules_of
from nn.training.rows import Data
from nn.training.steps import BY_ANOTHER_WAY, Task, name_of, number_of
from nn.training.twin import generators_of, leaves_of, twin


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
        generators = generators_of(task.model)
        counting = [_Counting() for _ in generators]
        fresh = [Value(parameter.data) for parameter in task.parameters]
        try:
            own = twin(task.model, task.parameters, fresh, generators, counting)
        except (TypeError, CopyError) as error:
            self.obstacle, self.is_copyable = f"the model cannot be copied: {error}", False
            return []
        states = [generator.getstate() for generator in generators]
        before, buffers = _chance(own), _buffers(own)
        loss, metrics = self._judged(own, i)
        _check(loss, metrics, task)
        counts = [source.count for source in counting]
        leaves = leaves_of(loss)
        if leaves.isdisjoint([*fresh, *task.parameters]):
            raise ValueError(
                "the loss of the first row depends on none of the parameters that are trained; inside no_grad() "
                "nothing does, nor does what was detached"
            )
        if states != [generator.getstate() for generator in generators]:
            self.obstacle, self.is_copyable = (
                "the model draws by another way than its attributes, such as a closure",
                False,
            )
            return []
        if not leaves.isdisjoint(task.parameters):
            self.obstacle = BY_ANOTHER_WAY
        elif _chance(own) != before:
            self.obstacle = (
                "the model draws random numbers that a program would repeat; draw them by .random() of a "
                "random.Random in an attribute of the module, as nn.Dropout does"
            )
        elif _buffers(own) != buffers:
            self.obstacle = "the model changes its buffers when it is called, and a program would not"
        elif not self._repeats(own, i, counting, [loss, *metrics]):
            self.obstacle = (
                "the model, the loss or a metric gives something else for the same row when it is called again: it "
                "keeps what a program would not, or draws random numbers in another way than nn.Dropout does"
            )
        return counts

    def _judged(self, model: Any, i: int) -> tuple[Any, list[Any]]:
        return self._task.judged(model(self._data.row(i)), self._data.target(i))

    def _repeats(self, model: Any, i: int, counting: Sequence["_Counting"], figures: Sequence[Any]) -> bool:
        """Whether a row gives the same again, with the same random numbers."""
        for source in counting:
            source.seed(0)
        with autodiff.no_grad():
            loss, metrics = self._judged(model, i)
        return repr([*map(number_of, figures)]) == repr([*map(number_of, [loss, *metrics])])


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


def _buffers(model: Any) -> list[float]:
    return [number_of(x) for _, x in model.named_buffers()]


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
