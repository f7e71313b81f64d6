"""Where the loss of a batch, or its gradient, is not finite: the step, and the parameter or operation to blame."""

from math import isfinite
from typing import Any

import autodiff
from nn.training.batches.data import Data
from nn.training.batches.task import Task


def diverged(task: Task, data: Data, indices: Any, where: str) -> FloatingPointError:
    """The error to raise, with the parameters of the model as they were before the batch."""
    blame, remedy = _blame(task, data, indices)
    return FloatingPointError(
        f"the loss or its gradient is not finite {where}: {blame}; the model is as it was at the end of the last "
        f"epoch{remedy}"
    )


_REMEDY = ". Try a smaller learning rate, clip=1.0, or inputs scaled to about -1 to 1"


def _blame(task: Task, data: Data, indices: Any) -> tuple[str, str]:
    """The parameter or operation that is not finite, and the remedy, where the blame does not say it itself."""
    names = {parameter: name for name, parameter in task.model.named_parameters()}
    for parameter in task.parameters:
        if not isfinite(parameter.data):
            return f"the parameter {names.get(parameter, parameter.label)} has become {parameter.data}", _REMEDY
    for i in indices.tolist():
        task.model.zero_grad()
        try:
            with autodiff.detect_anomaly():
                task.judged(task.model(data.row(i)), data.target(i))[0].backward()
        except FloatingPointError as error:
            return f"of row {i}, {error}", _REMEDY
        except ValueError as error:  # a target that is out of range is nan in a program
            return f"of row {i}, {error}", ""
    return "those of each row are finite, and their sum, the penalty or the clipped gradient is not", _REMEDY
