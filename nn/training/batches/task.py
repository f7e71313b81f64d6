"""A task: the model, its trained parameters, and the loss and metrics of its outputs."""

from collections.abc import Callable, Mapping
from typing import Any

from autodiff import Value
from autodiff.backprop import get_data, set_data
from nn.training.batches.randomness import Randomness


class Task:
    """The loss and the metrics of a model's outputs for a row.

    Attributes:
        model: a Module.
        parameters: those that are trained, in the order of every array of numbers.
        loss: a function of the outputs and the target of one row.
        metrics: functions of the same, by name.
        randomness: the generators that the model draws from.
    """

    def __init__(
        self, model: Any, parameters: list[Value], loss: Callable[[Any, Any], Any], metrics: Mapping[str, Any]
    ) -> None:
        self.model, self.parameters, self.loss, self.metrics = model, parameters, loss, metrics
        self.randomness = Randomness(model)

    @property
    def names(self) -> list[str]:
        """The names of the figures of a row."""
        return ["loss", *self.metrics]

    def numbers(self) -> Any:
        """The data of the parameters, as an array."""
        import numpy

        return numpy.array(get_data(self.parameters), float)

    def write(self, numbers: Any) -> None:
        """Set the data of the parameters."""
        set_data(self.parameters, numbers.tolist())

    def judged(self, outputs: Any, target: Any) -> tuple[Any, list[Any]]:
        """The loss and the metrics of one row."""
        return self.loss(outputs, target), [metric(outputs, target) for metric in self.metrics.values()]


def number_of(x: Any) -> float:
    """A Value's number, or a number, as a float."""
    return x.data if isinstance(x, Value) else float(x)
