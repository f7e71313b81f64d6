"""Steps: the sums of a batch, compiled or eagerly, whichever can be.

Both ways are handed the numbers of the parameters and give arrays, so what is done with a gradient is written once.
"""

from copy import copy
from typing import Any

from autodiff.compiler import TracingError
from nn.training.batches.compiled import CompiledSteps
from nn.training.batches.data import Data
from nn.training.batches.eager import EagerSteps
from nn.training.batches.sums import Sums, alike
from nn.training.batches.task import Task
from nn.training.history import History

OTHER_NUMBERS = (
    "the program gives other numbers than the model: the model, the loss or a metric looks at more than numbers of the "
    "row, such as their type or hash, or at what changes from call to call"
)


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
        """The sums over the rows with these indices, at these numbers of the parameters."""
        if self._compiled is not None:
            state = self.task.randomness.state
            try:
                return self._compiled.sums(numbers, indices)
            except Exception as error:  # of any kind: code that is traced meets numbers it does not expect
                self._give_up(error)
                self.task.randomness.state = state
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
        state = self.task.randomness.state
        try:
            found = compiled.sums(numbers, indices)
        except Exception as error:  # as in sums
            self._give_up(error)
            return True
        finally:
            self.task.randomness.state = state
        try:
            return alike(found, self._eager.sums(numbers, indices))
        except Exception:  # the model's own, such as that of a checkpoint around Dropout, which is not repeated eagerly
            return True
        finally:
            self.task.randomness.state = state
            self.task.model.zero_grad()

    def _give_up(self, error: Exception) -> None:
        why = str(error) if isinstance(error, TracingError) else f"{type(error).__name__}: {error}"
        if self._insisted and isinstance(error, (TracingError, ArithmeticError, ValueError)):
            raise error
        if self._insisted:
            raise TracingError(f"this cannot be compiled: {why}") from error
        self._compiled, self._history.compiled, self._history.why_eager = None, False, why
