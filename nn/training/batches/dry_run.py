"""A dry run of training: the random numbers that a row draws, and obstacles to compiling the model."""

import random
from collections.abc import Sequence
from typing import Any

from autodiff import Value
from nn.layers.activations import named
from nn.modules.contents import modules_of
from nn.training.batches.data import Data
from nn.training.batches.randomness import Counting
from nn.training.batches.substitution import leaves_of, substituted
from nn.training.batches.task import Task, number_of

_LOOKED_AT = 10  # rows; the loss of some may be a mere number, such as max(0, 1 - y), and teach nothing

_CHANGES = (
    "the model, the loss or a metric gives something else for the same row when it is called again, changes buffers, "
    "or draws random numbers that a program would repeat; draw them by .random() of a random.Random in an attribute of "
    "the module, as nn.Dropout does"
)


class DryRun:
    """A row of each shape, run eagerly on a copy, twice: how many numbers it draws, and whether anything changes.

    The model itself is left as it is, so that it can be trained as if nothing had been, if it is one with a state.

    Attributes:
        obstacle: why only the model itself can compute the rows, one after the other; None if a program or worker can.

    Raises TypeError for a loss or a metric that gives no number, ValueError where the loss depends on no parameter.
    """

    def __init__(self, task: Task, data: Data) -> None:
        self._task, self._data = task, data
        self._counts: dict[Any, list[int]] = {}
        self.obstacle: str | None = None
        problems = list[Exception]()
        for i in range(min(len(data), _LOOKED_AT)):
            problem = self._run(i)
            if problem is None:
                return
            problems.append(problem)
        raise problems[0]

    def counts(self, i: int) -> list[int]:
        """How many numbers the model draws from each generator for row i, in training."""
        key = self._data.shape(i)
        if self._task.randomness.generators and key not in self._counts:
            self._run(i)
        return self._counts.get(key, [])

    def _run(self, i: int) -> Exception | None:
        """Count the numbers that row i draws, look for obstacles, and return an error if it teaches nothing."""
        task, fresh = self._task, [Value(parameter.data) for parameter in self._task.parameters]
        counting = [Counting(0) for _ in task.randomness.generators]
        try:
            own = substituted(task.model, task.parameters, fresh, task.randomness.generators, counting)
        except Exception as error:  # of any kind: a class of one's own may say how it is copied
            self.obstacle = f"the model cannot be copied: {error}"
            return None
        before = self._kept(own)
        figures = self._figures(own, i)
        self._counts[self._data.shape(i)] = [source.count for source in counting]
        problem = _problem(figures, task, leaves_of(figures[0]).isdisjoint([*fresh, *task.parameters]))
        if problem is None:
            for source in counting:
                source.seed(0)
            again = self._figures(own, i)
            if repr([*map(number_of, figures)]) != repr([*map(number_of, again)]) or self._kept(own) != before:
                self.obstacle = _CHANGES
        return problem

    def _figures(self, model: Any, i: int) -> list[Any]:
        outputs = model(self._data.row(i))
        if outputs is None:
            raise TypeError("the model gives None for a row; return the outputs in its __call__")
        loss, metrics = self._task.judged(outputs, self._data.target(i))
        return [loss, *metrics]

    def _kept(self, model: Any) -> str:
        """The state that a call may change and a program would not: buffers, and generators that are not its own."""
        import numpy

        legacy: Any = numpy.random.get_state()
        held = [
            x for module in modules_of(model) for x in vars(module).values() if isinstance(x, numpy.random.Generator)
        ]
        states = random.getstate(), legacy[1].tolist(), legacy[2], [x.bit_generator.state for x in held]
        return repr((states, self._task.randomness.state, [number_of(x) for _, x in model.named_buffers()]))


def _problem(figures: Sequence[Any], task: Task, is_constant: bool) -> Exception | None:
    """The error of a loss from which nothing can be learned. Raises TypeError for a metric that is not a number."""
    loss, *metrics = figures
    for name, metric in zip(task.metrics, metrics, strict=True):
        if not hasattr(type(metric), "__float__") and not isinstance(metric, Value):
            raise TypeError(f"the metric {name} gives one number for a row, got {type(metric).__name__}")
    name = named(task.loss)
    if not isinstance(loss, Value):
        return TypeError(
            f"{name} gives one Value for a row, got {type(loss).__name__}; add up or take the mean, and leave the "
            "outputs Values"
        )
    if is_constant:
        return ValueError(
            f"{name} depends on none of the parameters that are trained; inside no_grad() nothing does, nor does what "
            "was detached"
        )
    return None
