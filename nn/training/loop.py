"""The loop of training: epochs of batches, each a step down the gradient of the mean loss of its rows."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import autodiff
from autodiff import Value
from autodiff.backprop import set_grads
from nn.modules.modes import in_mode
from nn.training.batches.data import Data
from nn.training.batches.divergence import diverged
from nn.training.batches.evaluation import Evaluation
from nn.training.batches.substitution import leaves_of
from nn.training.batches.task import Task
from nn.training.batches.totals import Totals
from nn.training.callbacks import Callback, Event, figure_of
from nn.training.history import History
from nn.training.interrupts import Interrupts
from nn.training.progress import Progress


class Descent:
    """The numbers of the parameters, and steps that change them: penalty, clipping, schedule, the optimiser's rule.

    Attributes:
        numbers: the array that every step changes; `task.write(numbers)` puts them into the model.
    """

    def __init__(self, task: Task, optimizer: Any, schedule: Any, clip: Any, penalty: Any, compile: bool | str) -> None:
        import numpy

        self.task, self.optimizer, self.schedule, self.clip = task, optimizer, schedule, clip
        self.numbers = task.numbers()
        self._slopes = numpy.zeros(len(self.numbers))
        self._step = self._by_values if compile is False else optimizer.on_arrays(self.numbers, self._slopes)
        self._penalty = None if penalty is None else _penalty(penalty, task, compile)
        self._whole = self.numbers.copy()

    def step(self, totals: Totals, count: int, t: float) -> float:
        """Take a step by the totals over so many rows, at that time in epochs; return the mean loss with its penalty.

        It is nan where a number is not finite; nothing changes where that is the loss or a slope.
        """
        import numpy

        loss = float(totals.figures[0]) / count
        numpy.divide(totals.slopes, count, out=self._slopes)
        if self._penalty is not None:
            penalty, slopes = self._penalty(self.numbers)
            loss += penalty
            self._slopes += slopes
        if self.clip is not None:
            self.clip.on_array(self._slopes)
        if not isfinite(loss) or not _is_finite(self._slopes):
            return nan
        if self.schedule is not None:
            self.optimizer.lr = self.schedule(t)
        self._step()
        return loss if _is_finite(self.numbers) else nan

    def _by_values(self) -> None:
        """Take the optimiser's own step, as a loop written by hand does."""
        self.task.write(self.numbers)
        set_grads(self.task.parameters, self._slopes.tolist())
        self.optimizer.step()
        self.numbers[:] = self.task.numbers()

    def keep(self) -> None:
        """Note that all is well; that is where `restore` returns to."""
        self._whole = self.numbers.copy()

    def restore(self) -> None:
        """Put the numbers back to where all was well; the optimiser keeps its state, which is finite."""
        self.numbers[:] = self._whole
        self.task.write(self.numbers)


def _is_finite(array: Any) -> bool:
    """Whether all numbers are finite; mostly their squares have a finite sum, which is found in half the time."""
    import numpy

    # dot would warn where it overflows; to silence it takes 3 µs, as long as the step of a small model. Above 10,000
    # numbers OpenBLAS wakes its threads for it: 0.4 ms of processor time in place of 10 µs, on a busy machine 20 ms.
    if len(array) <= 10_000 and isfinite(numpy.vdot(array, array)):
        return True
    return bool(numpy.isfinite(array).all())


def _penalty(penalty: Callable[[Sequence[Any]], Any], task: Task, compile: bool | str) -> Callable[[Any], Any]:
    """A function of the numbers of the parameters that gives the penalty and its slopes."""
    if not leaves_of(penalty([Value(parameter.data) for parameter in task.parameters])).isdisjoint(task.parameters):
        raise ValueError(
            "penalty is a function of the parameters that it is given, in the order of optimizer.parameters, and this "
            "one has some by another way, such as a closure; write lambda parameters: nn.l2(parameters[:10], 1e-3)"
        )
    function = autodiff.value_and_grad(lambda numbers: penalty(numbers.tolist()))
    return function if compile is False else autodiff.compile(function)


@dataclass
class Loop:
    """Training, as `fit` was asked for it; `run` does it.

    Attributes:
        data: the rows.
        batches: the totals over the rows of a batch.
        descent: the steps that these totals lead to.
        evaluate: the figures of held-out rows.
        history: the history to fill.
        progress: the bar to move.

    The other attributes are arguments of `fit`.
    """

    data: Data
    batches: Any
    descent: Descent
    evaluate: Evaluation | None
    history: History
    progress: Progress
    epochs: int
    batch_size: int
    shuffle: bool
    seed: int
    callbacks: Sequence[Callback]

    def __post_init__(self) -> None:
        self.task, self.taken, self.interrupts = self.descent.task, 0, Interrupts()
        self.in_batches = [callback for callback in self.callbacks if getattr(callback, "each_batch", False)]
        self.in_epochs = [callback for callback in self.callbacks if callback not in self.in_batches]

    def run(self) -> History:
        """Train, and return the history; the model has its parameters whatever ends it."""
        with self.interrupts:
            try:
                with in_mode(self.task.model, True):
                    self._run_epochs()
            finally:
                with self.interrupts.held():
                    self.task.write(self.descent.numbers)
                    self.task.model.zero_grad()
                    self.descent.optimizer.zero_grad()  # it may have others than the model's
                self.progress.close()
        return self.history

    def _run_epochs(self) -> None:
        import numpy

        random, count = numpy.random.default_rng(self.seed), len(self.data)
        for epoch in range(1, self.epochs + 1):
            compiles = self.history.compiled and epoch == 1
            self.progress.say(f"epoch {epoch}/{self.epochs}" + ", compiling" * compiles)
            if epoch == 1:  # ten rows, from the first to the last: they are often sorted by class
                self.batches.check(self.descent.numbers, numpy.unique((count - 1) * numpy.arange(10) // 9))
            logs = self._epoch(epoch, random.permutation(count) if self.shuffle else numpy.arange(count))
            if logs is None or self._end_of_epoch(epoch, logs) or self._is_interrupted() or self.history.stopped:
                break

    def _is_interrupted(self) -> bool:
        if self.interrupts.noted:
            self.history.stopped = "interrupted"
        return self.interrupts.noted

    def _epoch(self, epoch: int, order: Any) -> dict[str, float] | None:
        """The figures of an epoch; None where it ended early."""
        start, count, total = time.perf_counter(), len(order), 0.0
        for at in range(0, count, self.batch_size):
            batch = order[at : at + self.batch_size]
            figures = self._batch(epoch, at / count, batch)
            total += figures * len(batch)
            self.progress.update()
            ends = bool(self.in_batches) and self._told(self.in_batches, "batch", epoch, self._named(figures))
            if (self._is_interrupted() or ends) and at + self.batch_size < count:
                return None
        return {**self._named(total / count), "seconds": time.perf_counter() - start}

    def _batch(self, epoch: int, part: float, batch: Any) -> Any:
        """Take a step by a batch; return an array of its mean loss and metrics."""
        totals = self.batches.totals(self.descent.numbers, batch)
        with self.interrupts.held():
            loss = self.descent.step(totals, len(batch), epoch - 1 + part)
        if not isfinite(loss):
            self.task.write(self.descent.numbers)
            error = diverged(self.task, self.data, batch, f"at step {self.taken + 1}, in epoch {epoch}")
            self.descent.restore()
            raise error
        self.taken += 1
        figures = totals.figures / len(batch)
        figures[0] = loss
        return figures

    def _named(self, figures: Any) -> dict[str, float]:
        named = dict(zip(self.task.names, figures.tolist(), strict=True))
        return {**named, "lr": float(self.descent.optimizer.lr)}

    def _end_of_epoch(self, epoch: int, logs: dict[str, float]) -> bool:
        """Validate, note the figures, call callbacks; return whether the training ends here."""
        import numpy

        if self.evaluate is not None:
            logs |= self.evaluate(self.descent.numbers)
        self.history.append(logs)
        self.progress.figures(logs)
        schedule = self.descent.schedule
        if hasattr(schedule, "observe"):
            monitor = getattr(schedule, "monitor", None) or ("val_loss" if "val_loss" in logs else "loss")
            schedule.observe(figure_of(logs, monitor))
        ends = bool(self.in_epochs) and self._told(self.in_epochs, "epoch", epoch, logs)
        if any(map(_may_change, self.callbacks)) and not ends and epoch < self.epochs:
            self.batches.check(self.descent.numbers, numpy.array([epoch % len(self.data)]))
        self.descent.keep()
        return ends

    def _told(self, callbacks: Sequence[Any], name: str, epoch: int, logs: dict[str, float]) -> bool:
        """Call callbacks, which see and may change the parameters; return whether one of them ends the training."""
        self.task.write(self.descent.numbers)
        model, optimizer = self.task.model, self.descent.optimizer
        event = Event(name, epoch, self.epochs, self.taken, logs, model, optimizer, self.history)
        for callback in callbacks:
            callback(event)
        if any(map(_may_change, callbacks)):
            model.train()
        self.descent.numbers[:] = self.task.numbers()
        self.history.stopped = self.history.stopped or event.stopping
        return event.stopping is not None


def _may_change(callback: Callback) -> bool:
    """Whether a callback may change the model in other ways than its parameters."""
    return not getattr(callback, "looks_on", False)
