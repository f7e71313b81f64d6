"""Conv1d, Conv2d, MaxPool2d, Flatten: windows that slide over a row of several channels.

A row is a nested list or an array, channels first: (channels, length) or (channels, height, width). A filter of a
convolution is one neuron, whose inputs are the numbers that a window shows of all channels; each window gives one of
its outputs, three nodes however large the window is. In the padding stands the constant 0, which is not a node.

>>> from nn import Layer, Sequential
>>> model = Sequential(Conv2d(1, 4, 3), "relu", MaxPool2d(2), Flatten(), Layer(4 * 3 * 3, 10, "linear"))
>>> len(model([[[0.5] * 8] * 8]))  # of 8 x 8 pixels 6 x 6 windows, of these 3 x 3
10
"""

import math
import random
from collections.abc import Callable, Sequence
from functools import reduce
from operator import lt
from typing import Any, ClassVar

import autodiff
from nn.init import Init, generator, weights
from nn.layers.activations import Activation, activation_of
from nn.layers.arguments import whole_number
from nn.layers.configured import Configured
from nn.layers.dense import Layer, suited
from nn.lists import flat


class _Windowed(Configured):
    """A layer on windows that slide over the one or two axes of a row behind the channels."""

    axes: ClassVar[int] = 2

    def _set_windows(self, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1) -> None:
        self.kernel_size = self._sizes("kernel_size", kernel_size)
        self.stride = self._sizes("stride", stride)
        self.padding = self._sizes("padding", padding, least=0)
        self.dilation = self._sizes("dilation", dilation)

    def _sizes(self, name: str, given: Any, least: int = 1) -> tuple[int, ...]:
        """A whole number for each axis; a single one counts for all."""
        sizes = given if isinstance(given, Sequence) else (given,) * self.axes
        if len(sizes) != self.axes:
            raise ValueError(f"{name} is a number or {self.axes} of them, got {given!r}")
        return tuple([whole_number(name, size, least) for size in sizes])

    def _windows(self, x: Any, channels: int | None, outside: Any) -> list[Any]:
        """The numbers in each window on a row, of so many channels, or one by one for None; padded with `outside`.

        They are in nested lists, by position, first along the channels; each is the list of its numbers.
        """
        from numpy import pad
        from numpy.lib.stride_tricks import sliding_window_view

        row, name = autodiff.array(x), type(self).__name__
        if row.ndim != 1 + self.axes:
            shape = "(channels, length)" if self.axes == 1 else "(channels, height, width)"
            raise ValueError(f"{name} expects one row of shape {shape}, in lists of one length, got shape {row.shape}")
        padded = pad(row, [(0, 0), *[(p, p) for p in self.padding]], constant_values=outside)
        reach = tuple([d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size, strict=True)])
        if len(row) != (channels or len(row)) or any(map(lt, padded.shape[1:], reach)):
            raise ValueError(
                f"{name} expects {channels or 'any'} channels, at least as large, with their padding, as a window of "
                f"{reach}; got shape {row.shape}"
            )
        steps = [slice(None, None, step) for step in (1, *self.stride, 1, *self.dilation)]
        windows = sliding_window_view(padded, (channels or 1, *reach))[tuple(steps)]
        return list(windows.reshape(*windows.shape[: row.ndim], -1).tolist())


class _Convolution(_Windowed):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        *,
        bias: bool = True,
        activation: Activation = "linear",
        seed: int | None = None,
        rng: random.Random | None = None,
        init: Init = None,
    ) -> None:
        self.in_channels = whole_number("in_channels", in_channels)
        self.out_channels = whole_number("out_channels", out_channels)
        self._set_windows(kernel_size, stride, padding, dilation)
        self.bias, self.activation, rng = bool(bias), activation_of(activation), generator(seed, rng)
        area, name = math.prod(self.kernel_size), f"{type(self).__name__}.filters"
        columns, rows = self.in_channels * area, self.out_channels
        drawn = iter(flat(weights(init or suited(self.activation), rng, rows, columns, fan_out=rows * area)))
        self.filters = Layer(columns, rows, self.activation, rng=rng, init=lambda *_: next(drawn), bias=bias, name=name)

    def __call__(self, x: Any) -> list[Any]:
        """The outputs of all filters, channels first, for a row.

        Raises ValueError for a row with other channels or axes, or smaller than the kernel.
        """
        [windows] = self._windows(x, self.in_channels, outside=0.0)
        return [_of_each(neuron, windows, self.axes) for neuron in self.filters.neurons]


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


class MaxPool2d(_Windowed):
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
        self._set_windows(kernel_size, kernel_size if stride is None else stride, padding)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(f"padding is at most half of kernel_size {self.kernel_size}, got {self.padding}")

    def __call__(self, x: Any) -> list[Any]:
        """The largest numbers, channels first, for a row. Raises as Conv2d does."""
        windows = self._windows(x, None, outside=None)
        return list(_of_each(lambda window: reduce(_larger, [y for y in window if y is not None]), windows, 3))


class Flatten(Configured):
    """The numbers of a nested list or array in one list, as a Layer takes them after a convolution.

    >>> Flatten()([[[1.0, 2.0]], [[3.0, 4.0]]])
    [1.0, 2.0, 3.0, 4.0]
    """

    def __call__(self, x: Any) -> list[Any]:
        """All numbers of x, row by row."""
        return flat(x)


def _of_each(function: Callable[[list[Any]], Any], windows: list[Any], axes: int) -> Any:
    """The function of each window, in lists nested over so many axes."""
    return [_of_each(function, part, axes - 1) for part in windows] if axes else function(windows)


def _larger(x: Any, y: Any) -> Any:
    return autodiff.where((y > x) | (y != y), y, x)
