"""Neuron, Layer, MLP: lists of Values in, Values out.

A neuron is `activation(dot(w, x) + b)`, three nodes however many inputs it has; a layer is a list of neurons on the
same inputs; an MLP is a chain of layers, the last one linear.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import autodiff
from autodiff import Value
from nn.init import Init, generator, warn_if_alike, weights
from nn.layers.activations import RECTIFIERS, Activation, activation_of, linear
from nn.layers.arguments import inputs_of, unwrapped, whole_number
from nn.layers.configured import Configured


class Neuron(Configured):
    """A neuron: `activation(w . x + b)`.

    Args:
        nin: the number of inputs, at least 1.
        activation: a name in `nn.layers.ACTIVATIONS`, or a function of a Value.
        seed, rng: the source of the weights; a seed makes a `random.Random` of its own. Neither: fresh every time.
        init: the name of an initialiser, as "he", or one of `nn.init`, or a function of your own; He for ReLU and its
            relatives, Glorot for the others, unless given.
        bias: whether there is one, which starts at 0; without one, `b` is None.
        nout: how many neurons share the inputs; Glorot reads it.
        name: its name in error messages.

    >>> neuron = Neuron(2, "tanh", seed=0)
    >>> len(neuron.parameters()), neuron([1.0, 2.0]).op.name
    (3, 'tanh')
    """

    def __init__(
        self,
        nin: int,
        activation: Activation = "relu",
        *,
        seed: int | None = None,
        rng: random.Random | None = None,
        init: Init = None,
        bias: bool = True,
        nout: int = 1,
        name: str = "Neuron",
    ) -> None:
        self.nin, self.nout = whole_number("nin", nin), whole_number("nout", nout)
        self.bias, self.name = bool(bias), name
        self.activation = activation_of(activation)
        [drawn] = weights(init or suited(self.activation), generator(seed, rng), 1, self.nin, fan_out=self.nout)
        self.w = [Value(w, f"w{i}") for i, w in enumerate(drawn)]
        self.b = Value(0.0, "b") if bias else None

    def __call__(self, x: Sequence[Any]) -> Value:
        """The output for a list of inputs, numbers or Values. Raises ValueError if it has the wrong width."""
        if type(x) is not list or len(x) != len(self.w):
            x = inputs_of(self.name, x, len(self.w))
        total = autodiff.dot(self.w, x)
        return self.activation(total if self.b is None else total + self.b)


class Layer(Configured):
    """A layer: `nout` neurons on the same `nin` inputs. Arguments are those of Neuron.

    >>> layer = Layer(3, 2, seed=0)
    >>> len(layer([1.0, 2.0, 3.0])), len(layer.parameters())
    (2, 8)
    """

    def __init__(
        self,
        nin: int,
        nout: int,
        activation: Activation = "relu",
        *,
        seed: int | None = None,
        rng: random.Random | None = None,
        init: Init = None,
        bias: bool = True,
        name: str = "Layer",
    ) -> None:
        self.nin, self.nout = whole_number("nin", nin), whole_number("nout", nout)
        self.bias, self.name = bool(bias), name
        self.activation, rng = activation_of(activation), generator(seed, rng)
        matrix = weights(init or suited(self.activation), rng, self.nout, self.nin)
        if self.activation is not linear:
            warn_if_alike(name, matrix)
        drawn = chain.from_iterable(matrix)
        self.neurons = [
            Neuron(nin, self.activation, rng=rng, init=lambda *_: next(drawn), bias=bias, name=f"{name}.neurons[{i}]")
            for i in range(self.nout)
        ]

    def outputs(self, x: Sequence[Any]) -> list[Value]:
        """The list of all outputs for a list of inputs. Raises ValueError if it has the wrong width.

        >>> len(Layer(2, 1, seed=0).outputs([1.0, 2.0]))
        1
        """
        x = inputs_of(self.name, x, self.nin)
        return [neuron(x) for neuron in self.neurons]

    def __call__(self, x: Sequence[Any]) -> Any:
        """The outputs for a list of inputs: a Value when there is one, else a list."""
        return unwrapped(self.outputs(x))


class MLP(Configured):
    """A multi-layer perceptron: layers of the widths `nouts`, with the activation between them; the last is linear.

    Args:
        nin: the number of inputs.
        nouts: the widths of the layers, one number for each.
        activation, seed, rng, init: as in Neuron.

    >>> model = MLP(2, [16, 16, 1], seed=0)
    >>> model
    MLP(2, [16, 16, 1], 'relu')
    >>> len(model.parameters()), type(model([0.5, -1.0])).__name__
    (337, 'Value')
    """

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        activation: Activation = "relu",
        seed: int | None = None,
        *,
        rng: random.Random | None = None,
        init: Init = None,
    ) -> None:
        widths = list(nouts) if isinstance(nouts, Iterable) else []
        if not widths:
            raise ValueError(f"nouts is a list with the width of each layer, got {nouts!r}; write [16, 16, 1]")
        self.nin, self.nouts = whole_number("nin", nin), [whole_number("nout", width) for width in widths]
        self.activation, rng = activation_of(activation), generator(seed, rng)
        activations = [self.activation] * (len(widths) - 1) + [linear]
        self.layers = [
            Layer(n, m, f, rng=rng, init=init, name=f"layers[{i}]")
            for i, (n, m, f) in enumerate(zip([nin, *self.nouts], self.nouts, activations, strict=False))
        ]

    def __call__(self, x: Sequence[Any]) -> Any:
        """The outputs for a list of inputs: a Value when there is one, else a list."""
        outputs: Sequence[Any] = x
        for layer in self.layers:
            outputs = layer.outputs(outputs)
        return unwrapped(outputs)


def suited(activation: Callable[[Value], Value]) -> str:
    """The name of the initialiser for weights in front of it."""
    return "he" if activation in RECTIFIERS else "glorot"
