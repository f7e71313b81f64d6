"""`fit`: one way to train, for eager and compiled models alike.

The arguments are checked here, and put together; `loop` trains. Whether the rows of a batch run as a compiled program
is decided in `batches`: `dry_run` looks for obstacles before the first step, and `compiled_or_eager` gives a program up
that turns out not to agree with the model. Either says why in `history.why_eager`.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any

from autodiff.compiler import TracingError
from nn.hints import ON_FIT, explained
from nn.layers.activations import named
from nn.layers.arguments import whole_number
from nn.metrics import METRICS
from nn.modules.contents import is_module
from nn.modules.modes import in_mode
from nn.optim.clipping import clip_by_norm
from nn.training.batches.compiled_or_eager import Batches
from nn.training.batches.data import Data
from nn.training.batches.dry_run import DryRun
from nn.training.batches.evaluation import Evaluation
from nn.training.batches.shards import Shards
from nn.training.batches.task import Task
from nn.training.callbacks import Callback
from nn.training.history import History
from nn.training.loop import Descent, Loop
from nn.training.progress import Progress

Metric = str | Callable[[Any, Any], Any]
_FUNCTIONS = {
    "loss": "nn.mse",
    "schedule": "nn.schedules.constant(0.1)",
    "penalty": "lambda parameters: nn.l2(parameters, 1e-3)",
}


def fit(
    model: Any,
    X: Any,
    y: Any,
    *,
    loss: Callable[[Any, Any], Any],
    optimizer: Any,
    epochs: int,
    batch_size: int | None = 32,
    shuffle: bool = True,
    seed: int = 0,
    schedule: Callable[[float], float] | None = None,
    clip: Any = None,
    penalty: Callable[[Sequence[Any]], Any] | None = None,
    validation: tuple[Any, Any] | None = None,
    metrics: Sequence[Metric] = (),
    callbacks: Sequence[Callback] = (),
    compile: bool | str = "auto",
    progress: bool | str = "auto",
    executor: Executor | None = None,
    shards: int | None = None,
) -> History:
    """Train a model: gradient descent on the mean loss of batches. Return the history, epoch by epoch.

    The model and the loss are written for one row. Compiled, the rows of a batch run at once, in a program that was
    traced on a copy of the model, with the numbers that the eager loop would give but for rounding. The model's
    parameters are as they then are whenever a callback runs, and at the end, however it comes. Ctrl-C ends the training
    after the batch that is running, and a second one at once.

    At first some rows, and after the callbacks of an epoch, which may change the model, one row, are taken both ways:
    where the program gives other numbers than the model, it is traced anew, and then given up.

    Args:
        model: a Module; `model(x)` takes one row.
        X: a row for each sample: lists, arrays or a pandas frame, finite numbers. Rows may differ in length.
        y: a target for each: numbers, lists of numbers, or labels that are texts, which stand for 0, 1, ... in order.
        loss: of the outputs and the target of one row, such as `nn.cross_entropy`.
        optimizer: of `nn.optim`, on the parameters that are to be trained; the model's others stay as they are.
        epochs: how often to go through all rows.
        batch_size: how many rows a step takes; None, all; 1, online. The last batch of an epoch may be smaller.
        shuffle: whether each epoch takes the rows in an order of its own, drawn with `seed`.
        schedule: the learning rate as a function of time in epochs, of `nn.schedules` or one of your own.
        clip: a limit on the global norm of the gradient, or one of `nn.optim.clip_by_norm`, `clip_by_value`.
        penalty: a function of the list of parameters that is added to the loss, such as
            `lambda parameters: nn.l2(parameters, 1e-3)`.
        validation: rows and targets (X, y) on which loss and metrics are taken after each epoch, in eval mode.
        metrics: names in `nn.metrics.METRICS`, or functions of outputs and target of one row; the history has their
            means over rows, in training as the parameters were when the rows had their turn.
        callbacks: functions of an `Event`, after each epoch.
        compile: "auto", where it can be, and the history's `why_eager` says why where not; True, and an error says so;
            False, eagerly. The first compilation on a machine takes up to a minute, later ones seconds, for each shape
            of rows.
        progress: a bar: True, False, or "auto", at a terminal or in a notebook.
        executor: of `concurrent.futures` or dask: workers that share the rows of each batch.
        shards: into how many parts a batch is split, whose totals are added up in order; as many as the executor has
            workers unless given. The same number gives the same bits, with an executor or without.

    Raises TypeError or ValueError for any other argument, before anything has changed; TracingError for compile=True
    where the model cannot be compiled; FloatingPointError where a loss is not finite, with the model as it
    was at the end of the last epoch.

    >>> import nn
    >>> model = nn.Neuron(1, "linear", seed=0)
    >>> sgd = nn.optim.SGD(model.parameters(), lr=0.1)
    >>> xs, ys = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
    >>> history = fit(model, xs, ys, loss=nn.mse, optimizer=sgd, epochs=200, batch_size=None)
    >>> [round(parameter.data, 3) for parameter in model.parameters()], history.epochs
    ([2.0, 1.0], 200)
    """
    _check(epochs, batch_size, compile)
    _check_functions(loss=loss, schedule=schedule, penalty=penalty)
    callbacks = _listed("callbacks", callbacks)
    odd = [callback for callback in callbacks if not callable(callback)]
    if odd:
        raise TypeError(f"a callback is a function of an nn.Event, got {odd[0]!r}")
    if y is None:
        raise TypeError("fit takes y, a target for each row of X, got None")
    data = Data.of(X, y)
    task = Task(model, _trained(model, optimizer), loss, _by_name(_listed("metrics", metrics)))
    with in_mode(model, True):
        dry_run = DryRun(task, data)
    if compile is True and dry_run.obstacle:
        raise TracingError(f"this cannot be compiled: {dry_run.obstacle}")
    if executor is not None and dry_run.obstacle:
        raise TypeError(f"workers would not do as this model does, leave executor out: {dry_run.obstacle}")
    how: bool | str = False if dry_run.obstacle else compile
    held_out = None if validation is None else Evaluation(task, _held_out(validation, data), how)
    history = History(task.names)
    history.classes, history.why_eager = data.classes, dry_run.obstacle
    batches: Any = Batches(task, data, dry_run.counts, how, history)
    if executor is not None or shards is not None:
        batches = Shards(batches, dry_run.counts, shards, executor)
    descent = Descent(task, optimizer, schedule, _clip(clip), penalty, compile)
    size = batch_size or len(data)
    bar = Progress(progress, epochs, -(-len(data) // size))
    return Loop(data, batches, descent, held_out, history, bar, epochs, size, shuffle, seed, callbacks).run()


_EXAMPLE = "nn.fit(model, X, y, loss=nn.mse, optimizer=nn.optim.Adam(model.parameters()), epochs=10)"
fit = explained(fit, _EXAMPLE, ON_FIT)


def _check(epochs: Any, batch_size: Any, compile: Any) -> None:
    whole_number("epochs", epochs, least=0)
    whole_number("batch_size", 1 if batch_size is None else batch_size)
    if compile not in (True, False, "auto"):
        raise ValueError(f'compile is True, False or "auto", got {compile!r}')


def _check_functions(**functions: Any) -> None:
    for name, function in functions.items():
        if not callable(function) and (function is not None or name == "loss"):
            raise TypeError(f"{name} is a function, got {function!r}; write {name}={_FUNCTIONS[name]}")


def _trained(model: Any, optimizer: Any) -> list[Any]:
    """The parameters that the optimiser changes; raise for another model or optimiser."""
    if not is_module(model):
        raise TypeError(
            f"fit trains an nn.Module, got {type(model).__name__}; write a class with __init__ and __call__"
        )
    if isinstance(optimizer, type) or not hasattr(optimizer, "on_arrays"):
        raise TypeError(
            f"optimizer is one of nn.optim on the model's parameters, got {optimizer!r}; "
            "write nn.optim.Adam(model.parameters())"
        )
    trained = list(optimizer.parameters)
    if not set(trained) & set(model.parameters()):
        raise ValueError("the optimizer has none of the model's parameters; make it of model.parameters()")
    return trained


def _listed(name: str, functions: Any) -> list[Any]:
    if isinstance(functions, str) or callable(functions):
        shown = repr(functions) if isinstance(functions, str) else named(functions)
        raise TypeError(f"{name} is a list, got {shown} alone; write {name}=[{shown}]")
    if not isinstance(functions, Iterable):
        raise TypeError(f"{name} is a list of functions, got {functions!r}; leave it out where there are none")
    return list(functions)


def _by_name(metrics: Sequence[Metric]) -> dict[str, Any]:
    """The functions that are meant, by name."""
    functions: dict[str, Any] = {}
    for metric in metrics:
        if not callable(metric) and metric not in METRICS:
            raise ValueError(f"no metric is called {metric!r}; known are {', '.join(METRICS)}, or give a function")
        name = metric if isinstance(metric, str) else named(metric)
        if name in ("loss", "lr", "seconds", *functions):
            raise ValueError(f"metrics have names of their own, other than loss, lr and seconds, got {name!r} again")
        functions[name] = METRICS[metric] if isinstance(metric, str) else metric
    return functions


def _clip(clip: Any) -> Any:
    if clip is None or hasattr(clip, "on_array"):
        return clip
    if callable(clip) or isinstance(clip, str):
        raise TypeError(f"clip is a limit on the norm, or nn.optim.clip_by_value(limit), got {clip!r}; write clip=1.0")
    return clip_by_norm(clip)


def _held_out(validation: Any, data: Data) -> Data:
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise TypeError(f"validation is a pair (X, y) of rows and targets, got {type(validation).__name__}")
    rows, targets = validation
    held_out = Data.of(rows, targets, data.classes)
    if held_out.classes is not None and data.classes is None:
        raise TypeError("the targets of validation are labels, and y holds numbers; give both in the same way")
    return held_out
