"""Pictures of classifiers, by matplotlib: the line they draw between classes, and the classes they confuse."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from nn.modules.module import Module
from nn.optional import optional
from nn.training.batches.data import Data
from nn.training.predict import predict

_GRID = 120  # points along an axis: the lines between them are straight
# Okabe and Ito's colours, which people with any common kind of colour blindness tell apart, on light and on dark.
_COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999"]


def plot_boundary(model: Module, X: Any, y: Any, ax: Any = None, *, classes: Sequence[Any] | None = None) -> Any:
    """Draw the regions of the plane that a classifier of two inputs gives to each class, and the rows as points.

    Args:
        model: a Module with one output, a logit or a score, which says the second class where it is above 0; or with an
            output for each class, of which the largest counts.
        X, y: rows of two numbers, and their classes: numbers from 0, or -1 and 1, or labels, or one-hot rows.
        ax: axes to draw in; a figure is made unless given.
        classes: the labels in the order of the outputs, `history.classes`; those in y, sorted, unless given.

    Returns the axes. Raises ValueError for rows of another width, and classes that do not fit the outputs; ImportError
    without matplotlib.

    >>> from nn import Layer
    >>> ax = plot_boundary(Layer(2, 1, "linear", seed=0), [[0.0, 1.0], [1.0, 0.0]], ["cat", "dog"])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['cat', 'dog']
    """
    import numpy

    pyplot = optional("matplotlib.pyplot", "plot_boundary")
    rows = Data.of(X).X
    if numpy.shape(rows)[1:] != (2,):
        raise ValueError(f"plot_boundary draws models of two inputs, got rows of shape {numpy.shape(rows)[1:]}")
    names, truth, _ = _judged(model, X, y, classes)
    if ax is None:
        ax = pyplot.figure(figsize=(4.8, 4.0), layout="constrained").subplots()
    low, high = rows.min(axis=0), rows.max(axis=0)
    ink = pyplot.rcParams["text.color"]
    edge = 0.1 * numpy.where(high > low, high - low, 1.0)
    grid = numpy.meshgrid(*numpy.linspace(low - edge, high + edge, _GRID).T)
    scores = _scores(model, numpy.stack([axis.ravel() for axis in grid], axis=1))
    for i, (name, colour, marker) in enumerate(zip(names, cycle(_COLOURS), cycle("os^DvPX*"), strict=False)):
        ahead = (scores[:, i] - numpy.delete(scores, i, axis=1).max(axis=1)).reshape(grid[0].shape)
        if ahead.max() > 0.0:
            ax.contourf(*grid, ahead, levels=[0.0, ahead.max()], colors=[colour], alpha=0.25)
        if ahead.min() < 0.0 < ahead.max():
            ax.contour(*grid, ahead, levels=[0.0], colors=[ink], linewidths=1.0)
        ax.scatter(*rows[truth == i].T, s=30, color=colour, marker=marker, edgecolors=ink, linewidths=0.5, label=name)
    xlabel, ylabel = getattr(X, "columns", ["first input", "second input"])
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(title="class")
    return ax


def plot_confusion(model: Module, X: Any, y: Any, ax: Any = None, *, classes: Sequence[Any] | None = None) -> Any:
    """Draw the confusion matrix of a classifier: how many rows of each class it takes for which.

    Arguments as of `plot_boundary`, for any number of inputs. Returns scikit-learn's ConfusionMatrixDisplay, with the
    counts as `confusion_matrix`. Raises ValueError for classes that do not fit the outputs; ImportError without
    scikit-learn or matplotlib.

    >>> from nn import Layer
    >>> plot_confusion(Layer(1, 1, "linear", init="ones"), [[-2.0], [1.0], [3.0]], [0, 0, 1]).confusion_matrix
    array([[1, 1],
           [0, 1]])
    """
    optional("matplotlib", "plot_confusion")
    display = optional("sklearn.metrics", "plot_confusion").ConfusionMatrixDisplay
    names, truth, guess = _judged(model, X, y, classes)
    looks = {"display_labels": names, "cmap": "Blues", "colorbar": False, "ax": ax}
    return display.from_predictions(truth, guess, labels=range(len(names)), **looks)


def _scores(model: Module, X: Any) -> Any:
    """The outputs of a model for rows, with a column for each class."""
    import numpy

    outputs = predict(model, X)
    return outputs if outputs.shape[1] > 1 else numpy.hstack([-outputs, outputs])


def _judged(model: Module, X: Any, y: Any, classes: Sequence[Any] | None) -> tuple[list[str], Any, Any]:
    """The names of the classes, and for each row the number of its class and of that which the model says."""
    data, scores = Data.of(X, y, classes), _scores(model, X)
    count, truth = scores.shape[1], data.y.reshape(len(data), -1)
    truth = truth.argmax(axis=1) if truth.shape[1] > 1 else truth[:, 0]
    names = data.classes or list(range(count))
    if count == 2 and set(truth.tolist()) == {-1.0, 1.0}:
        truth, names = (truth + 1.0) / 2.0, [-1, 1]
    names = names if classes is None else list(classes)
    if len(names) != count or not set(truth.tolist()) <= set(range(count)):
        found = data.classes or sorted(set(truth.tolist()))
        raise ValueError(
            f"the model tells {count} classes apart, and y has {found[:9]}; give classes=, the labels in the order of "
            "the outputs, with as many as there are outputs (two for one output)"
        )
    return [str(name) for name in names], truth, scores.argmax(axis=1)
