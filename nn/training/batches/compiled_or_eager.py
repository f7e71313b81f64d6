"""Compiled or eager: the totals of a batch by a program of the model, as long as it agrees with the model itself.

Both ways take the numbers of the parameters and return arrays, so that the loop is written once.
"""

from copy import copy
from typing import Any

from autodiff.compiler import TracingError
from nn.training.batches.compiled import CompiledBatches
from nn.training.batches.data import Data
from nn.training.batches.eager import EagerBatches
from nn.training.batches.task import Task
from nn.training.batches.totals import Totals, alike
from nn.training.history import History

OTHER_NUMBERS = (
    "the program gives other numbers than the model: the model, the loss or a metric looks at more than numbers of the "
    "row, such as their type or hash, or at what changes from call to call"
)


class Batches:
    """The totals of a batch: compiled where it can be, eager from the moment it turns out that it cannot.

    Whenever `check` is called, the program is compared with the model on some rows. That finds what tracing cannot see,
    such as a set that is asked whether it has the number.

    Args:
        task, data: the loss and the metrics, and the rows.
        counts: a function of the index of a row: how many random numbers it takes from each generator.
        compile: "auto"; True, and an error says why it cannot be; False, eagerly.
        history: told whether rows ran compiled, and if not, why.
        learns: whether the gradient is asked for.
    """

    def __init__(
        self, task: Task, data: Data, counts: Any, compile: bool | str, history: History, learns: bool = True
    ) -> None:
        self.task, self.data, self._insisted, self._history = task, data, compile is True, history
        self._eager = EagerBatches(task, data, learns)
        self._compiled = CompiledBatches(task, data, learns, counts) if compile else None
        history.compiled = bool(compile)

    def totals(self, numbers: Any, indices: Any) -> Totals:
        """The totals over the rows with these indices, at these numbers of the parameters."""
        if self._compiled is not None:
            state = self.task.randomness.state
            try:
                return self._compiled.totals(numbers, indices)
            except Exception as error:  # of any kind: code that is traced meets numbers it does not expect
                self._give_up(error)
                self.task.randomness.state = state
        return self._eager.totals(numbers, indices)

    def check(self, numbers: Any, indices: Any) -> None:
        """Compare the program with the model on these rows; where they differ, trace it anew, then go on eagerly."""
        for _ in range(2):
            if self._compiled is None or self._agrees(self._compiled, numbers, indices):
                return
            self._compiled = copy(self._compiled)
        self._give_up(TracingError(OTHER_NUMBERS))

    def _agrees(self, compiled: CompiledBatches, numbers: Any, indices: Any) -> bool:
        """Whether program and model agree on these rows, with the same random numbers."""
        state = self.task.randomness.state
        try:
            found = compiled.totals(numbers, indices)
        except Exception as error:  # as in totals
            self._give_up(error)
            return True
        finally:
            self.task.randomness.state = state
        try:
            return alike(found, self._eager.totals(numbers, indices))
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
