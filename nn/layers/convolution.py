"""Conv1d, Conv2d, MaxPool2d, Flatten: windows that slide over a row of several channels.

A row is a nested list or an array, channels first: (channels, length) or (channels, height, width). A filter of a
convolution is one neuron, whose inputs are the numbers that a window shows of all channels; each window gives one of
its outputs, three nodes however large the window is. In the padding stands the constant 0, which is no node.

>>> from nn import Layer, Sequential
>>> model = Sequential(Conv2d(1, 4, 3), "relu", MaxPool2d(2), Flatten(), Layer(4 * 3 * 3, 10, "linear"))
>>> len(model([[[0.5] * 8] * 8]))  # of 8 x 8 pixels 6 x 6 windows, of these 3 x 3
10
"""

import math
import random
from collections.abc import Sequence
from functools import reduce
from typing import Any, ClassVar

import autodiff
from nn.init import Initializer, Whole, generator, weights
from nn.layers.activations import Activation, activation_of, linear, named
from nn.layers.arguments import width_of
from nn.layers.dense import Layer, suited
from nn.layers.windows import OUTSIDE, flat, nested, sizes_of, slid
from nn.module import Module


class _Convolution(Module):
    """A convolution over as many axes as the subclass says, beside that of the channels."""

    axes: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        bias: bool = True,
        activation: Activation = "linear",
        *,
        seed: int | None = None,
        rng: random.Random | None = None,
        init: str | Initializer | None = None,
    ) -> None:
        self.in_channels = width_of("in_channels", in_channels)
        self.kernel_size = sizes_of("kernel_size", kernel_size, self.axes)
        self.stride = sizes_of("stride", stride, self.axes)
        self.padding = sizes_of("padding", padding, self.axes, least=0)
        self.dilation = sizes_of("dilation", dilation, self.axes)
        rows, area = width_of("out_channels", out_channels), math.prod(self.kernel_size)
        columns, rng, function = self.in_channels * area, generator(seed, rng), activation_of(activation)
        matrix = weights(init or suited(function), rng, rows, columns, fan_out=rows * area)
        name = f"{type(self).__name__}.filters"
        self.filters = Layer(columns, rows, function, rng=rng, init=Whole(lambda *_: matrix), bias=bias, name=name)

    def __call__(self, x: Any) -> list[Any]:
        """Return the outputs of all filters, channels first, for a row.

        Raises ValueError for a row with other channels, or smaller than the kernel; TypeError for no nested list.
        """
        name = type(self).__name__
        numbers, sizes = flat(name, x, self.axes)
        if sizes[0] != self.in_channels:
            raise ValueError(f"{name} expects a row of {self.in_channels} channels, got one of shape {sizes}")
        kernel = (self.in_channels, *self.kernel_size)
        shape, places = slid(name, sizes, kernel, (1, *self.stride), (0, *self.padding), (1, *self.dilation))
        numbers.append(0.0)  # which OUTSIDE finds
        windows = [[numbers[place] for place in window] for window in places]
        outputs = [neuron(window) for neuron in self.filters.neurons for window in windows]
        return nested(outputs, (len(self.filters.neurons), *shape[1:]))

    def config(self) -> dict[str, Any]:
        """Return the keyword arguments that make such a convolution."""
        of_filters = self.filters.config()
        return {
            "in_channels": self.in_channels,
            "out_channels": of_filters["nout"],
            **{name: list(getattr(self, name)) for name in ("kernel_size", "stride", "padding", "dilation")},
            "bias": of_filters["bias"],
            "activation": of_filters["activation"],
        }

    def __repr__(self) -> str:
        usual = {"stride": 1, "padding": 0, "dilation": 1}
        given = {name: getattr(self, name) for name, size in usual.items() if set(getattr(self, name)) != {size}}
        neuron = self.filters.neurons[0]
        given |= {"bias": False} if neuron.b is None else {}
        given |= {"activation": named(neuron.activation)} if neuron.activation is not linear else {}
        more = "".join(f", {name}={x!r}" for name, x in given.items())
        return f"{type(self).__name__}({self.in_channels}, {len(self.filters.neurons)}, {self.kernel_size}{more})"


class Conv1d(_Convolution):
    """A convolution along rows of shape (channels, length): y[o, p] = activation(b[o] + w[o] . window p of x).

    It is the cross-correlation of signal processing, as everywhere in the field: the kernel is not reversed. Window p
    shows the numbers at p * stride - padding + k * dilation, for k from 0 up to the kernel's size, of all channels;
    there are (length + 2 padding - dilation (kernel - 1) - 1) // stride + 1 windows. The weights of filter o, in
    `filters.neurons[o].w`, are torch's `weight[o]`, flattened.

    Args:
        in_channels, out_channels: how many channels a row has, and how many the outputs have; at least 1.
        kernel_size: how many numbers of each channel a window shows, at least 1.
        stride: how far the next window is, at least 1.
        padding: how many zeros are thought of at both ends.
        dilation: how far apart are the numbers in a window, at least 1.
        bias: whether a filter has one.
        activation, seed, rng, init: as in Neuron; fan-in and fan-out are channels times kernel size.

    >>> edges = Conv1d(1, 1, 2, seed=0)
    >>> edges.load_state_dict({"filters.neurons.0.w.0": -1, "filters.neurons.0.w.1": 1, "filters.neurons.0.b": 0})
    >>> [y.data for y in edges([[0.0, 0.0, 5.0, 5.0]])[0]]
    [0.0, 5.0, 0.0]
    """

    axes = 1


class Conv2d(_Convolution):
    """A convolution over rows of shape (channels, height, width), such as pictures; all else is as in Conv1d.

    Args:
        in_channels, out_channels: how many channels a row has, and how many the outputs have; at least 1.
        kernel_size, stride, padding, dilation: as in Conv1d, a number for both axes, or a pair (down, across).
        bias: whether a filter has one.
        activation, seed, rng, init: as in Neuron; fan-in and fan-out are channels times the kernel's area.

    Source: LeCun et al., Backpropagation applied to handwritten zip code recognition, 1989; of the windows, Dumoulin
    and Visin, A guide to convolution arithmetic for deep learning, 2016.

    >>> conv = Conv2d(1, 2, 3, padding=1, seed=0)
    >>> y = conv([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    >>> len(y), len(y[0]), len(y[0][0]), y[0][0][0].operands[0].op.name
    (2, 2, 3, 'dot')
    """

    axes = 2


class MaxPool2d(Module):
    """The largest number in each window, channel by channel, of rows of shape (channels, height, width).

    Of equal ones the first takes the whole gradient, as in torch; a nan is the largest.

    Args:
        kernel_size: the size of a window, a number for both axes or a pair (down, across).
        stride: how far the next window is; as far as the window is large, unless given.
        padding: by how much windows may reach outside, where nothing is; at most half of the kernel's size.

    >>> MaxPool2d(2)([[[1.0, 2.0, 0.0, 0.0], [4.0, 3.0, 0.0, 7.0]]])
    [[[4.0, 7.0]]]
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
    ) -> None:
        self.kernel_size = sizes_of("kernel_size", kernel_size, 2)
        self.stride = self.kernel_size if stride is None else sizes_of("stride", stride, 2)
        self.padding = sizes_of("padding", padding, 2, least=0)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(f"padding is at most half of kernel_size {self.kernel_size}, got {self.padding}")

    def __call__(self, x: Any) -> list[Any]:
        """Return the largest numbers, channels first, for a row. Raises as Conv2d does."""
        numbers, sizes = flat("MaxPool2d", x, 2)
        kernel, stride, padding = (1, *self.kernel_size), (1, *self.stride), (0, *self.padding)
        shape, places = slid("MaxPool2d", sizes, kernel, stride, padding, (1, 1, 1))
        windows = [[numbers[place] for place in window if place != OUTSIDE] for window in places]
        return nested([reduce(_larger, window) for window in windows], shape)

    def config(self) -> dict[str, Any]:
        """Return the keyword arguments that make such a layer."""
        return {name: list(getattr(self, name)) for name in ("kernel_size", "stride", "padding")}

    def __repr__(self) -> str:
        return f"MaxPool2d({self.kernel_size}, stride={self.stride}, padding={self.padding})"


class Flatten(Module):
    """The numbers of a nested list or array in one list, as a Layer takes them after a convolution.

    >>> Flatten()([[[1.0, 2.0]], [[3.0, 4.0]]])
    [1.0, 2.0, 3.0, 4.0]
    """

    def config(self) -> dict[str, Any]:
        """Return no arguments: there are none."""
        return {}

    def __repr__(self) -> str:
        return "Flatten()"

    def __call__(self, x: Any) -> list[Any]:
        """Return all numbers of x, row by row."""
        x = x.tolist() if hasattr(x, "tolist") else x
        return [number for part in x for number in self(part)] if isinstance(x, (list, tuple)) else [x]


def _larger(x: Any, y: Any) -> Any:
    return autodiff.where((y > x) | (y != y), y, x)
