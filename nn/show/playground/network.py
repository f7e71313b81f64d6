"""The units of a model in layers: their parameters, and the Values that each makes of a row.

>>> from nn import MLP
>>> layers = layers_of(MLP(2, [3, 1], "tanh", seed=0))
>>> [len(layer.neurons) for layer in layers]
[3, 1]
>>> units, output = recorded(layers, [Value(0.5), Value(-1.0)])
>>> [unit.name for unit in units], output.op.name
(['h1', 'h2', 'h3', 'y'], 'add')
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from autodiff import Value
from nn.layers.dense import MLP, Layer, Neuron
from nn.layers.sequential import Sequential
from nn.modules.module import Module

MOST_PARAMETERS, MOST_UNITS = 500, 16


class Unit(NamedTuple):
    """A unit as it was recorded, from its weighted sum on.

    Attributes:
        name: h1, h2, ... in the order of the layers; y for the one at the end.
        layer: the number of its layer, from 0.
        neuron: the module.
        sum: the Value of w · x.
        biased: the same and b; the sum itself without one.
        output: what its activation makes of that.
    """

    name: str
    layer: int
    neuron: Neuron
    sum: Value
    biased: Value
    output: Value

    @property
    def number(self) -> str:
        """What tells the names of its parts from those of others: 1 of h1; nothing at the end."""
        return self.name.lstrip("hy")

    def names(self) -> dict[Value, str]:
        """The names of its Values and parameters."""
        number, neuron = self.number, self.neuron
        found = {self.sum: f"s{number}", self.biased: f"z{number}", self.output: self.name}
        found |= {w: f"w{number}[{i}]" for i, w in enumerate(neuron.w)}
        return found if neuron.b is None else found | {neuron.b: f"b{number}"}


def layers_of(model: Any) -> list[Layer]:
    """The layers of a model. Raises TypeError for one that is not made of layers alone, ValueError for its size."""
    if isinstance(model, MLP):
        layers = list(model.layers)
    elif isinstance(model, Layer):
        layers = [model]
    else:
        layers = [step for step in model.layers if isinstance(step, Layer)] if isinstance(model, Sequential) else []
        if not layers or len(layers) != len(model.layers):
            kind = repr(model) if isinstance(model, Module) else type(model).__name__
            raise TypeError(f"play trains an nn.MLP, or a Sequential of Layers, got {kind}; write nn.MLP(2, [6, 1])")
    if layers[0].nin != 2 or layers[-1].nout != 1:
        raise ValueError(
            f"play shows models of two inputs and one output, got {layers[0].nin} and {layers[-1].nout}; "
            "write nn.MLP(2, [6, 1])"
        )
    count, widest = len(model.parameters()), max([layer.nout for layer in layers])
    if count > MOST_PARAMETERS or widest > MOST_UNITS:
        raise ValueError(
            f"play shows up to {MOST_PARAMETERS} parameters, {MOST_UNITS} units in a layer, got {count:,} and {widest}"
        )
    return layers


def recorded(layers: Sequence[Layer], x: Sequence[Value]) -> tuple[list[Unit], Value]:
    """The units of a model called on a row, and its output, recorded anew."""
    units: list[Unit] = []
    hidden = 0
    outputs: Sequence[Value] = x
    for depth, layer in enumerate(layers):
        made = layer.outputs(outputs)
        for neuron, output in zip(layer.neurons, made, strict=True):
            hidden += 1
            name = "y" if layer is layers[-1] else f"h{hidden}"
            units.append(_unit(name, depth, neuron, output))
        outputs = made
    return units, outputs[0]


def _unit(name: str, layer: int, neuron: Neuron, output: Value) -> Unit:
    """The unit that an output ends: what was made from its bias, and from its weights, on the way there."""
    biased = total = output
    stack = [output]
    while stack:
        node = stack.pop()
        if any(x is neuron.w[0] for x in node.operands):
            total = node
            biased = node if neuron.b is None else biased
        else:
            biased = node if any(x is neuron.b for x in node.operands) else biased
            stack += [x for x in node.operands if isinstance(x, Value) and x is not neuron.b]
    return Unit(name, layer, neuron, total, biased, output)
