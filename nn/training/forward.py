"""Forward passes over many rows, in eval mode and unrecorded: what they give, and how well it fits targets."""

from collections.abc import Sequence
from typing import Any

import autodiff
from autodiff import Value
from autodiff.compiler import TracingError
from nn.holding import is_module
from nn.training.loop import in_mode
from nn.training.rows import Data
from nn.training.steps import Task, are_close, number_of
from nn.training.twin import Given, generators_of, twin

_WORTH_COMPILING = 16  # rows; of fewer, tracing takes longer than running them


def predict(model: Any, X: Any, *, compile: bool | str = "auto") -> Any:
    """Return what a model gives for many rows, in eval mode: an array of shape (rows, outputs).

    Args:
        model: a Module.
        X: rows, as `fit` takes them. Of outputs in nested lists, such as those of a convolution, the array has their
            axes after the rows'.
        compile: "auto", for 16 rows or more and where it can be; True, and an error says why it cannot; False, eagerly.

    Raises TypeError or ValueError for what is no table of finite numbers, ValueError for outputs that differ in shape.

    >>> import nn
    >>> predict(nn.MLP(2, [4, 3], seed=0), [[0.0, 1.0], [1.0, 1.0]]).shape
    (2, 3)
    """
    import numpy

    if not is_module(model):
        raise TypeError(f"predict takes an nn.Module and rows, got {type(model).__name__}")
    data = Data.of(X)
    with in_mode(model, False):
        if compile is True or (compile == "auto" and data.is_even and len(data) >= _WORTH_COMPILING):
            try:
                return _compiled(model, data)
            except Exception:  # of any kind: code that is traced meets numbers it does not expect
                if compile is True:
                    raise
        with autodiff.no_grad():
            rows = [_numbers(model(data.row(i))) for i in range(len(data))]
    shapes = {numpy.shape(row) for row in rows}
    if len(shapes) > 1:
        raise ValueError(f"the model gives outputs of several shapes: {sorted(shapes)}; predict rows of one shape")
    return numpy.array([numpy.atleast_1d(row) for row in rows])


def _compiled(model: Any, data: Data) -> Any:
    """Return what a program of the model gives, if some rows are what the model gives."""
    import numpy

    parameters = model.parameters()

    def of_row(numbers: Any, x: Any) -> Any:
        return _listed(own_of(model, parameters, numbers)(handed(data, x)))

    run = autodiff.compile(of_row, rows=(1,))
    outputs = numpy.asarray(run([parameter.data for parameter in parameters], data.X), dtype=float)
    outputs = outputs.reshape(len(data), -1) if outputs.ndim < 2 else outputs
    some = [0, len(data) // 2, len(data) - 1]
    with autodiff.no_grad():
        expected = [numpy.atleast_1d(_numbers(model(data.row(i)))) for i in some]
    if not are_close(outputs[some], expected):
        raise TracingError(
            "the program gives other numbers than the model, which looks at more than numbers of the row, such as "
            "their type or hash"
        )
    return outputs


def _listed(outputs: Any) -> Any:
    """Return outputs with lists for tuples: a tuple of results would be one of arrays."""
    return [_listed(x) for x in outputs] if isinstance(outputs, (list, tuple)) else outputs


def own_of(model: Any, parameters: Sequence[Value], numbers: Any) -> Any:
    """Return the twin of a model for a pass that draws no random number, or is an error where it does."""
    generators = generators_of(model)
    listed = numbers.tolist() if hasattr(numbers, "tolist") else numbers
    return twin(model, parameters, listed, generators, [Given() for _ in generators])


def handed(data: Data, x: Any) -> Any:
    """Return a traced row as the model is handed it."""
    return x.tolist() if data.as_lists and hasattr(x, "tolist") else x


def _numbers(outputs: Any) -> Any:
    """Return outputs, which may nest, as floats."""
    if isinstance(outputs, (list, tuple)) or getattr(outputs, "ndim", False):
        return [_numbers(x) for x in outputs]
    return number_of(outputs)


class Evaluation:
    """The mean loss and metrics of held-out rows, as often as asked for.

    Each time the program is held against the model by a row, another one each time: a callback may have changed it.
    """

    def __init__(self, task: Task, data: Data, names: Sequence[str], compile: bool | str) -> None:
        self._task, self._data, self._names, self._asked = task, data, names, 0
        self._run = self._traced() if compile is not False and data.is_even else None

    def _traced(self) -> Any:
        return autodiff.compile(self._row, rows=(1, 2), reduce="mean")

    def _row(self, numbers: Any, x: Any, target: Any) -> Any:
        own = own_of(self._task.model, self._task.parameters, numbers)
        return self._task.judged(own(handed(self._data, x)), target)

    def __call__(self, numbers: Any) -> dict[str, float]:
        """Return the figures at these numbers of the parameters, by name: val_loss, and each metric's."""
        with in_mode(self._task.model, False):
            figures = self._compiled(numbers) or self._eagerly(numbers, range(len(self._data)))
        return {f"val_{name}": figure for name, figure in zip(["loss", *self._names], figures, strict=True)}

    def _compiled(self, numbers: Any) -> list[float] | None:
        """Return the figures by a program; None where there is none that does as the model does."""
        data, i = self._data, self._asked % len(self._data)
        self._asked += 1
        for _ in range(2):
            if self._run is None:
                return None
            try:
                loss, metrics = self._run(numbers, data.X[i : i + 1], data.y[i : i + 1])
                if are_close([loss, *metrics], self._eagerly(numbers, [i])):
                    loss, metrics = self._run(numbers, data.X, data.y)
                    return [loss, *metrics]
                self._run = self._traced()
            except Exception:  # of any kind, as in predict
                break
        self._run = None
        return None

    def _eagerly(self, numbers: Any, indices: Sequence[int]) -> list[float]:
        task, data = self._task, self._data
        task.write(numbers)
        totals = [0.0] * (1 + len(self._names))
        with autodiff.no_grad():
            for i in indices:
                loss, metrics = task.judged(task.model(data.row(i)), data.target(i))
                totals = [total + number_of(x) for total, x in zip(totals, [loss, *metrics], strict=True)]
        return [total / len(indices) for total in totals]
