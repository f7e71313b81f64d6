"""diagnose: run rows through a copy of a model whose layers tell what they give."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import lru_cache, partial
from typing import Any

from autodiff import Value
from nn.holding import Path, children, dotted, is_module, walk
from nn.layers import Neuron
from nn.module import Module
from nn.training.diagnosis import Diagnosis, LayerReport
from nn.training.rows import Data

# How steep an activation is at an output, as a share of how steep it can be.
_STEEPNESS: dict[str, Callable[[float], float]] = {
    "tanh": lambda a: 1.0 - a * a,
    "sigmoid": lambda a: 4.0 * a * (1.0 - a),
}
_FLAT = 0.05


def diagnose(model: Module, X: Any, y: Any, loss: Callable[[Any, Any], Any]) -> Diagnosis:
    """Run rows forward and backward, and say how large outputs and gradients of each layer are, and what is wrong.

    Layers are the modules that hold parameters themselves, or no modules; neurons count as the layer that holds them.
    A ReLU, tanh or sigmoid that is applied to an output afterwards counts as part of the layer. It all happens on a
    copy: the model, its gradients and its random generators stay as they are.

    Flagged are gradients in a layer that are less than a thousandth of those in the last one, or more than a thousand
    times as large (vanishing, exploding), outputs above 1,000 in the mean, more than a quarter of ReLUs dead, and more
    than half of outputs saturated: where the activation is less than 5 % as steep as at its steepest.

    Args:
        model: a Module, in the mode in which it is to be looked at.
        X, y, loss: rows, targets and the loss of a row, as `nn.fit` takes them; a few hundred rows will do.

    Raises TypeError or ValueError for what `nn.fit` refuses.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010.

    >>> import nn
    >>> model = nn.MLP(2, [8, 1], "relu", seed=0)
    >>> for neuron in model.layers[0].neurons:
    ...     neuron.b.data = -100.0
    >>> print(diagnose(model, [[0.0, 1.0], [1.0, 0.5]], [0.0, 1.0], nn.mse).flags[0].partition(";")[0])
    layers.0: 8 of 8 ReLUs give 0 on all rows and no longer learn
    """
    if not isinstance(model, Module):
        raise TypeError(f"diagnose takes a Module, got {type(model).__name__}")
    data, watch = Data.of(X, y), _Watch(deepcopy(model))
    for i in range(len(data)):
        result = loss(watch.model(data.row(i)), data.target(i))
        if not isinstance(result, Value):
            raise TypeError(
                f"the loss of a row is a Value, got {type(result).__name__}; make it of the model's outputs"
            )
        result.backward()
        watch.read(result)
    return Diagnosis([tally.report() for tally in watch.tallies.values()])


class _Tally:
    """What a layer gave so far."""

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        self.outputs, self.slopes, self.flat = list[float](), list[float](), 0
        self.alive: dict[tuple[int, int], bool | None] = {}  # of each unit; None where it is no ReLU

    def add(self, module: int, outputs: list[Value]) -> None:
        for i, x in enumerate(outputs):
            operation = x.op.name if x.op else ""
            self.outputs.append(x.data)
            self.slopes.append(x.grad)
            self.flat += operation in _STEEPNESS and _STEEPNESS[operation](x.data) < _FLAT
            alive = self.alive.get((module, i))
            self.alive[module, i] = bool(alive or x.data) if operation == "relu" else None

    def report(self) -> LayerReport:
        import numpy

        relus = [alive for alive in self.alive.values() if alive is not None]
        with numpy.errstate(all="ignore"):
            return LayerReport(
                self.name,
                self.kind,
                units=len(self.alive),
                mean=float(numpy.mean(numpy.abs(self.outputs))),
                deviation=float(numpy.std(self.outputs)),
                gradient=float(numpy.sqrt(numpy.mean(numpy.square(self.slopes)))),
                relus=len(relus),
                dead=relus.count(False),
                saturated=self.flat / len(self.outputs),
            )


class _Watch:
    """A model whose layers tell what they give; `tallies` has those that were called, in that order."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.tallies: dict[str, _Tally] = {}
        self._given: list[tuple[_Tally, int, list[Value]]] = []
        for module, tally in _layers_of(model):
            vars(module)["_tell"] = partial(self._note, tally)
            module.__class__ = _telling(module.__class__)

    def read(self, result: Value) -> None:
        """Add what was given since the last time to the tallies, with the gradients that are there now."""
        activated = _activated(result)
        for tally, module, outputs in self._given:
            tally.add(module, [activated.get(x, x) for x in outputs])
        self._given.clear()

    def _note(self, tally: _Tally, module: Any, outputs: Any) -> None:
        if values := list(_values_in(outputs)):
            self.tallies.setdefault(tally.name, tally)
            self._given.append((tally, id(module), values))


@lru_cache(maxsize=64)
def _telling(kind: Any) -> Any:
    """A class like this one, whose instances tell what they give when they are called."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = kind.__call__(self, *args, **kwargs)
        self._tell(self, outputs)
        return outputs

    return type(kind.__name__, (kind,), {"__call__": call, "__slots__": ()})


def _layers_of(model: Any) -> list[tuple[Any, _Tally]]:
    """The modules that hold parameters themselves, or no modules, with the tally that each adds to."""
    modules: dict[Path, Any] = {}
    holders, owners = set[Path](), set[Path]()
    for path, thing in walk(model):
        if is_module(thing):
            holders.add(_holder(path, modules))
            modules[path] = thing
        else:
            owners.add(_holder(path, modules))
    tallies: dict[Path, _Tally] = {}
    found = []
    for path, module in modules.items():
        if path in owners or path not in holders:
            at = _holder(path, modules) if isinstance(module, Neuron) else path
            kind = type(modules[at]).__name__
            found.append((module, tallies.setdefault(at, _Tally(dotted(at) or kind, kind))))
    return found


def _holder(path: Path, modules: dict[Path, Any]) -> Path:
    """The path of the module that holds what is at a path; of the outermost one, its own."""
    while path is not None:
        path = path[0]
        if path in modules:
            break
    return path


def _activated(result: Value) -> dict[Value, Value]:
    """What activations made of each Value, of those that a result was made from."""
    made, seen, stack = dict[Value, Value](), {result}, [result]
    while stack:
        node = stack.pop()
        operands = [x for x in node.operands if isinstance(x, Value)]
        if node.op and (node.op.name == "relu" or node.op.name in _STEEPNESS):
            made[operands[0]] = node
        stack += set(operands) - seen
        seen.update(operands)
    return made


def _values_in(outputs: Any) -> Iterator[Value]:
    if isinstance(outputs, Value):
        yield outputs
    for _, child in children(outputs) or ():
        yield from _values_in(child)
