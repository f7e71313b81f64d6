"""`predict`: the outputs of a model for many rows."""

from typing import Any

import autodiff
from autodiff.compiler import TracingError
from nn.modules.contents import is_module
from nn.modules.modes import in_mode
from nn.training.batches.compiled_or_eager import OTHER_NUMBERS
from nn.training.batches.data import Data
from nn.training.batches.randomness import Given, Randomness
from nn.training.batches.substitution import substituted
from nn.training.batches.task import number_of
from nn.training.batches.totals import are_close

_WORTH_COMPILING = 16  # rows; of fewer, tracing takes longer than running them


def predict(model: Any, X: Any, *, compile: bool | str = "auto") -> Any:
    """The outputs of a model for many rows, in eval mode: an array of shape (rows, outputs).

    Args:
        model: a Module.
        X: rows, as `fit` takes them. Of outputs in nested lists, such as those of a convolution, the array has their
            axes after the rows'.
        compile: "auto", for 16 rows or more and where it can be; True, and an error says why it cannot; False, eagerly.

    Raises TypeError or ValueError for anything that is not a table of finite numbers, ValueError for outputs that
    differ in shape.

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
        rows = _eagerly(model, data, range(len(data)))
    shapes = {row.shape for row in rows}
    if len(shapes) > 1:
        raise ValueError(f"the model gives outputs of several shapes: {sorted(shapes)}; predict rows of one shape")
    return numpy.array(rows)


def _compiled(model: Any, data: Data) -> Any:
    """The outputs of the compiled model. Raises TracingError unless they agree with the model itself on a few rows."""
    import numpy

    parameters, generators = model.parameters(), Randomness(model).generators

    def of_row(numbers: Any, x: Any) -> Any:
        own = substituted(model, parameters, numbers.tolist(), generators, [Given() for _ in generators])
        return _listed(own(data.handed(x)))

    run = autodiff.compile(of_row, rows=(1,))
    outputs = numpy.asarray(run(numpy.array([p.data for p in parameters], float), data.X), float)
    outputs = outputs.reshape(len(data), -1) if outputs.ndim < 2 else outputs
    some = [0, len(data) // 2, len(data) - 1]
    if not are_close(outputs[some], _eagerly(model, data, some)):
        raise TracingError(OTHER_NUMBERS)
    return outputs


def _listed(outputs: Any) -> Any:
    """Outputs with lists for tuples: a tuple of results would be one of arrays."""
    return [_listed(x) for x in outputs] if isinstance(outputs, (list, tuple)) else outputs


def _eagerly(model: Any, data: Data, indices: Any) -> list[Any]:
    """The outputs of the model for each of these rows, as arrays."""
    import numpy

    with autodiff.no_grad():
        outputs = [numpy.array(model(data.row(i)), dtype=object) for i in indices]
    return [numpy.atleast_1d(numpy.vectorize(number_of, [float])(of_row)) for of_row in outputs]
