"""The rehearsal of a training: what a row needs, and whether it can be compiled."""

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import autodiff
from autodiff import Value
from nn.holding import modules_of
from nn.training.rows import Data
from nn.training.steps import BY_ANOTHER_WAY, Task, name_of, number_of
from nn.training.twin import generators_of, leaves_of, twin

_LOOKED_AT = 10  # rows; the loss of some may be a mere number, such as max(0, 1 - y), and teach nothing

_DRAWS = (
    "the model draws random numbers that a program would repeat; draw them by .random() of a random.Random in an "
    "attribute of the module, as nn.Dropout does"
)
_DIFFERS = (
    "the model, the loss or a metric gives something else for the same row when it is called again: it keeps what a "
    "program would not, or draws random numbers in another way than nn.Dropout does"
)


class Rehearsal:
    """One row of each shape, run eagerly on a twin, twice: how many numbers it draws, and what forbids compiling it.

    Attributes:
        obstacle: what forbids it, None where nothing does.
        is_copyable: whether there is a twin that can be given random numbers.

    Raises TypeError for a loss or a metric that gives no number, ValueError where the loss depends on no parameter.
    """

    def __init__(self, task: Task, data: Data) -> None:
        self._task, self._data = task, data
        self._counts: dict[Any, list[int]] = {}
        self.obstacle: str | None = None
        self.is_copyable = True
        problems = list[Exception]()
        for i in range(min(len(data), _LOOKED_AT)):
            self._counts[self._key(i)], problem = self._run(i)
            if problem is None:
                return
            problems.append(problem)
        raise problems[0]

    def counts(self, i: int) -> list[int]:
        """Return how many numbers the model draws from each generator for row i, in training."""
        key = self._key(i)
        if key not in self._counts:
            self._counts[key], _ = self._run(i)
        return self._counts[key]

    def _key(self, i: int) -> Any:
        return None if self._data.is_even else self._data.X[i].shape

    def _run(self, i: int) -> tuple[list[int], Exception | None]:
        """Return the counts of row i, and why nothing can be learned from it."""
        task = self._task
        generators = generators_of(task.model)
        counting = [_Counting() for _ in generators]
        fresh = [Value(parameter.data) for parameter in task.parameters]
        try:
            own = twin(task.model, task.parameters, fresh, generators, counting)
        except Exception as error:  # of any kind: a class of one's own may say how it is copied
            self.obstacle, self.is_copyable = f"the model cannot be copied: {error}", False
            return [], None
        before = _Kept.of(own, generators)
        loss, metrics = self._judged(own, i)
        counts, leaves = [source.count for source in counting], leaves_of(loss)
        problem = _problem(loss, metrics, task, leaves.isdisjoint([*fresh, *task.parameters]))
        if problem is not None:
            return counts, problem
        after = _Kept.of(own, generators)
        if after.own != before.own:
            self.is_copyable = False
            self.obstacle = "the model draws by another way than its attributes, such as a closure"
            return [], None
        if not leaves.isdisjoint(task.parameters):
            self.obstacle = BY_ANOTHER_WAY
        elif after.chance != before.chance:
            self.obstacle = _DRAWS
        elif after.buffers != before.buffers:
            self.obstacle = "the model changes its buffers when it is called, and a program would not"
        elif not self._repeats(own, i, counting, [loss, *metrics]):
            self.obstacle = _DIFFERS
        return counts, None

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


class _Kept(NamedTuple):
    """What a call of the model may change: states of its generators, those of others, and buffers."""

    own: list[Any]
    chance: list[Any]
    buffers: list[float]

    @staticmethod
    def of(model: Any, generators: Sequence[random.Random]) -> "_Kept":
        buffers = [number_of(x) for _, x in model.named_buffers()]
        return _Kept([generator.getstate() for generator in generators], _chance(model), buffers)


def _chance(model: Any) -> list[Any]:
    """Return the states of generators that a model may draw from and that no row can be given numbers for."""
    import numpy

    held = [x for module in modules_of(model) for x in vars(module).values() if isinstance(x, numpy.random.Generator)]
    kept: Any = numpy.random.get_state()
    return [random.getstate(), kept[1].tolist(), kept[2], *[generator.bit_generator.state for generator in held]]


def _problem(loss: Any, metrics: Sequence[Any], task: Task, is_constant: bool) -> Exception | None:
    """Return what is wrong with a loss that teaches nothing; raise TypeError for a metric that is no number."""
    for metric, function in zip(metrics, task.metrics, strict=True):
        if not hasattr(type(metric), "__float__") and not isinstance(metric, Value):
            raise TypeError(f"the metric {name_of(function)} gives one number for a row, got {type(metric).__name__}")
    if not isinstance(loss, Value):
        return TypeError(
            f"{name_of(task.loss)} gives one Value for a row, got {type(loss).__name__}; add up or take the mean, and "
            "leave the outputs Values"
        )
    if is_constant:
        return ValueError(
            f"{name_of(task.loss)} depends on none of the parameters that are trained; inside no_grad() nothing does, "
            "nor does what was detached"
        )
    return None
