"""Neuron, Layer, MLP: lists of Values in, Values out.

A neuron is `activation(dot(w, x) + b)`, three nodes however many inputs it has; a layer is a list of neurons on the
same inputs; an MLP is a chain of layers, the last one linear.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from operator import index
from typing import Any

import autodiff
from autodiff import Value
from nn import init as initializers
from nn.init import Initializer
from nn.module import Module

Activation = str | Callable[[Value], Value]


def linear(x: Value) -> Value:
    """Return x: no activation."""
    return x


ACTIVATIONS: dict[str, Callable[[Value], Value]] = {
    "linear": linear,
    "relu": autodiff.relu,
    "leaky_relu": autodiff.leaky_relu,
    "elu": autodiff.elu,
    "gelu": autodiff.gelu,
    "silu": autodiff.silu,
    "sigmoid": autodiff.sigmoid,
    "softplus": autodiff.softplus,
    "tanh": autodiff.tanh,
}
_RECTIFIERS = [ACTIVATIONS[name] for name in ("relu", "leaky_relu", "elu", "gelu", "silu", "softplus")]


class Neuron(Module):
    """A neuron: `activation(w . x + b)`.

    Args:
        nin: the number of inputs, at least 1.
        activation: a name in `nn.layers.ACTIVATIONS`, or a function of a Value.
        seed, rng: what weights are drawn with; a seed makes a `random.Random` of its own. Neither: fresh every time.
        init: an initialiser of `nn.init`; He for ReLU and its relatives, Glorot for the others, unless given. The bias
            starts at 0.
        nout: how many neurons share the inputs; Glorot reads it.
        name: what error messages call it.

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
        init: Initializer | None = None,
        nout: int = 1,
        name: str = "Neuron",
    ) -> None:
        nin = _width("nin", nin)
        rng = _generator(seed, rng)
        self.activation = _activation(activation)
        init = init or (initializers.he() if self.activation in _RECTIFIERS else initializers.glorot())
        self.name = name
        self.w = [Value(init(rng, nin, nout), f"w{i}") for i in range(nin)]
        self.b = Value(0.0, "b")

    def __call__(self, x: Sequence[Any]) -> Value:
        """Return the output for a list of inputs, numbers or Values. Raises ValueError if it has the wrong width."""
        if type(x) is not list or len(x) != len(self.w):
            x = _inputs(self.name, x, len(self.w))
        return self.activation(autodiff.dot(self.w, x) + self.b)

    def __repr__(self) -> str:
        return f"Neuron({len(self.w)}, {_name(self.activation)!r})"


class Layer(Module):
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
        init: Initializer | None = None,
        name: str = "Layer",
    ) -> None:
        nout = _width("nout", nout)
        rng = _generator(seed, rng)
        self.name = name
        self.neurons = [
            Neuron(nin, activation, rng=rng, init=init, nout=nout, name=f"{name}.neurons[{i}]") for i in range(nout)
        ]

    def outputs(self, x: Sequence[Any]) -> list[Value]:
        """Return the list of all outputs for a list of inputs. Raises ValueError if it has the wrong width.

        >>> len(Layer(2, 1, seed=0).outputs([1.0, 2.0]))
        1
        """
        x = _inputs(self.name, x, len(self.neurons[0].w))
        return [neuron(x) for neuron in self.neurons]

    def __call__(self, x: Sequence[Any]) -> Any:
        """Return the outputs for a list of inputs: a Value when there is one, else a list."""
        return _unwrapped(self.outputs(x))

    def __repr__(self) -> str:
        neuron = self.neurons[0]
        return f"Layer({len(neuron.w)}, {len(self.neurons)}, {_name(neuron.activation)!r})"


class MLP(Module):
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
        init: Initializer | None = None,
    ) -> None:
        widths = list(nouts) if isinstance(nouts, Iterable) else []
        if not widths:
            raise ValueError(f"nouts is a list with the width of each layer, got {nouts!r}; write [16, 16, 1]")
        rng = _generator(seed, rng)
        activations = [activation] * (len(widths) - 1) + ["linear"]
        self.activation = _activation(activation)
        self.layers = [
            Layer(n, m, f, rng=rng, init=init, name=f"layers[{i}]")
            for i, (n, m, f) in enumerate(zip([nin, *widths], widths, activations, strict=False))
        ]

    def __call__(self, x: Sequence[Any]) -> Any:
        """Return the outputs for a list of inputs: a Value when there is one, else a list."""
        outputs: Sequence[Any] = x
        for layer in self.layers:
            outputs = layer.outputs(outputs)
        return _unwrapped(outputs)

    def __repr__(self) -> str:
        widths = [len(layer.neurons) for layer in self.layers]
        return f"MLP({len(self.layers[0].neurons[0].w)}, {widths}, {_name(self.activation)!r})"


def _unwrapped(outputs: Sequence[Any]) -> Any:
    return outputs[0] if len(outputs) == 1 else outputs


def _inputs(name: str, x: Any, width: int) -> list[Any]:
    """Return x as a list of `width` inputs; raise for anything else."""
    if isinstance(x, (str, bytes, dict)) or not hasattr(type(x), "__iter__"):
        raise TypeError(f"{name} expects a list of {width} inputs, got {type(x).__name__}; write [x] for a single one")
    inputs = x.tolist() if hasattr(x, "tolist") else list(x)
    if not isinstance(inputs, list):
        raise TypeError(f"{name} expects a list of {width} inputs, got a single number; write [x]")
    if len(inputs) != width:
        raise ValueError(f"{name} expects a list of {width} inputs, got {len(inputs)}")
    return inputs


def _generator(seed: int | None, rng: random.Random | None) -> random.Random:
    if seed is not None and rng is not None:
        raise ValueError("give either seed or rng, not both")
    if rng is not None and not isinstance(rng, random.Random):
        raise TypeError(f"rng is a random.Random, got {type(rng).__name__}; give a number as seed")
    return rng or random.Random(_seed(seed))


def _seed(seed: Any) -> Any:
    """Return the seed as random.Random takes it; a numpy integer is seeded with as the int that it equals."""
    if seed is None or isinstance(seed, (int, float, str, bytes, bytearray)):
        return seed
    try:
        return index(seed)
    except TypeError:
        raise TypeError(f"seed is a number or a text, got {type(seed).__name__} {seed!r}") from None


def _width(name: str, width: Any) -> int:
    """Return a number of units as an int; numpy's integers are as good."""
    if isinstance(width, bool) or not hasattr(type(width), "__index__") or width < 1:
        raise ValueError(f"{name} is a whole number of at least 1, got {width!r}")
    return index(width)


def _activation(activation: Activation) -> Callable[[Value], Value]:
    if callable(activation):
        return activation
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"no activation is called {activation!r}; known are {known}, or give a function")
    return ACTIVATIONS[activation]


def _name(activation: Callable[[Value], Value]) -> str:
    return getattr(activation, "__name__", type(activation).__name__)
