"""`diagnose`: run rows through a copy of a model whose layers report their outputs."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

from autodiff import Value
from nn.layers import Layer
from nn.lists import flat
from nn.modules.contents import is_module, walk
from nn.modules.module import Module
from nn.modules.summary import tree
from nn.training.batches.data import Data
from nn.training.diagnosis.report import Diagnosis, LayerReport

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
    than half of outputs saturated: where the activation is less than 5 % as steep as at its steepest. So are rows with
    a loss that is not 0, and yet has the slope 0 in every output of the model: something in it stops the gradient.

    Args:
        model: a Module, in the mode in which it is to be looked at.
        X, y, loss: rows, targets and the loss of a row, as `nn.fit` takes them; a few hundred rows will do.

    Raises TypeError or ValueError for arguments that `nn.fit` refuses.

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
    if not callable(loss):
        raise TypeError(f"loss is a function, got {loss!r}; write loss=nn.mse")
    data, own = Data.of(X, y), deepcopy(model)
    layers, given = _layers(own), list[tuple[str, _Unit, Value]]()
    for name, layer in layers.items():
        for module in layer.neurons if isinstance(layer, Layer) else [layer]:
            _tell(module, name, given)
    seen: dict[str, list[_Seen]] = {}
    mute = 0
    for i in range(len(data)):
        outputs = own(data.row(i))
        result, values = loss(outputs, data.target(i)), [x for x in flat(outputs) if isinstance(x, Value)]
        if not isinstance(result, Value):
            raise TypeError(f"the loss of a row is a Value made of the model's outputs, got {type(result).__name__}")
        own.zero_grad()  # an embedding gives parameters, whose gradients would add up over rows
        result.backward()
        mute += result.data != 0.0 and all(x.grad == 0.0 for x in values) and bool(values)
        activated, told = _activated(result), set[Value]()
        for name, unit, x in given:
            x = activated.get(x, x)
            own_operation = x.op.name if x.op and x not in told else ""  # what a layer passes on is that of another
            seen.setdefault(name, []).append(_Seen(unit, own_operation, x.data, x.grad))
            told.add(x)
        given.clear()
    return Diagnosis([_report(name, layers[name], those) for name, those in seen.items()], mute, len(data))


_Unit = tuple[int, int]  # the id of a module, and which of its outputs it is


class _Seen(NamedTuple):
    unit: _Unit
    operation: str  # that gave the output
    output: float
    slope: float


def _layers(model: Module) -> dict[str, Module]:
    """The modules that hold parameters themselves, or no modules, by name."""
    layers = {}
    for names, _, module in tree(model):
        of_modules = [is_module(held) for place, held in walk(module, deep=False) if place]
        if isinstance(module, Layer) or not of_modules or not all(of_modules):
            layers[".".join(names) or type(module).__name__] = module
    return layers


def _tell(module: Any, name: str, given: list[tuple[str, _Unit, Value]]) -> None:
    """Have a module add its outputs to a list, with a name and their units, whenever it is called."""
    kind: Any = type(module)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = kind.__call__(self, *args, **kwargs)
        given.extend((name, (id(self), i), x) for i, x in enumerate(flat(outputs)) if isinstance(x, Value))
        return outputs

    module.__class__ = type(kind.__name__, (kind,), {"__call__": call})


def _activated(result: Value) -> dict[Value, Value]:
    """The activation that was applied to each Value below a result."""
    made, seen, stack = dict[Value, Value](), {result}, [result]
    while stack:
        node = stack.pop()
        if node.op and (node.op.name == "relu" or node.op.name in _STEEPNESS):
            made.update((x, node) for x in node.operands if isinstance(x, Value))
        below = {x for x in node.operands if isinstance(x, Value) and x.op} - seen  # leaves, the most, lead nowhere
        stack += below
        seen |= below
    return made


def _report(name: str, layer: Module, seen: list[_Seen]) -> LayerReport:
    import numpy

    outputs, slopes = numpy.array([(each.output, each.slope) for each in seen]).T
    relus = [each for each in seen if each.operation == "relu"]
    units, alive = {each.unit for each in relus}, {each.unit for each in relus if each.output != 0.0}
    curved = [_STEEPNESS[each.operation](each.output) for each in seen if each.operation in _STEEPNESS]
    with numpy.errstate(all="ignore"):
        return LayerReport(
            name,
            type(layer).__name__,
            units=len({each.unit for each in seen}),
            mean=float(numpy.mean(numpy.abs(outputs))),
            deviation=float(numpy.std(outputs)),
            gradient=float(numpy.sqrt(numpy.mean(numpy.square(slopes)))),
            relus=len(units),
            dead=len(units - alive),
            saturated=sum(steepness < _FLAT for steepness in curved) / len(seen),
        )
