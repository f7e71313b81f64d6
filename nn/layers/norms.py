"""Normalisation of a vector by its own mean and size, with or without a weight for each number.

>>> [y.data for y in LayerNorm(2, eps=0.0)([1.0, 3.0])]
[-1.0, 1.0]
>>> [y.data for y in RMSNorm(2, eps=0.0)([3.0, 3.0])]
[1.0, 1.0]
"""

import math
import sys
from collections.abc import Sequence
from typing import Any

import autodiff
from autodiff import Value
from nn.layers.arguments import inputs_of, whole_number
from nn.layers.configured import Configured
from nn.lists import is_list


class _Norm(Configured):
    """The base of norms: a width, and weights that start at 1; lists of vectors are normalised one by one."""

    def __init__(self, width: int, *, eps: float, elementwise_affine: bool) -> None:
        if not 0 <= eps < math.inf:
            raise ValueError(f"eps is a number of at least 0, got {eps!r}")
        self.width, self.eps = whole_number("width", width), float(eps)
        self.elementwise_affine = bool(elementwise_affine)
        self.weight = self._parameters(1.0, "weight")

    def _parameters(self, start: float, name: str) -> list[Value]:
        return [Value(start, f"{name}{i}") for i in range(self.width)] if self.elementwise_affine else []

    def __call__(self, x: Sequence[Any]) -> list[Any]:
        """The list of normalised numbers; of a list of vectors, a list of them.

        Raises ValueError if a vector has the wrong width.
        """
        if is_list(x) and len(x) and is_list(x[0]):
            return [self(vector) for vector in x]
        return self._normalised(inputs_of(type(self).__name__, x, self.width))

    def _normalised(self, x: list[Any]) -> list[Any]:
        """x / sqrt(mean of x² + eps), times the weights."""
        scale = autodiff.div(1.0, autodiff.sqrt(autodiff.dot(x, x) / len(x) + self.eps))  # of floats, too, perhaps 0
        scaled = [v * scale for v in x]
        return [w * v for w, v in zip(self.weight, scaled, strict=True)] if self.elementwise_affine else scaled


class LayerNorm(_Norm):
    """Layer normalisation: weight * (x - mean) / sqrt(variance + eps) + bias, over the numbers of one vector.

    The variance is the mean of the squared differences from the mean. Weights start at 1, biases at 0.

    Source: Ba, Kiros and Hinton, Layer normalization, 2016, eq. 3.

    Args:
        width: how many numbers a vector has, at least 1.
        eps: keeps the divisor above 0, where all numbers are the same; at least 0.
        elementwise_affine: whether there are weights and biases.

    >>> norm = LayerNorm(3)
    >>> norm, len(norm.parameters())
    (LayerNorm(3), 6)
    """

    def __init__(self, width: int, *, eps: float = 1e-5, elementwise_affine: bool = True) -> None:
        super().__init__(width, eps=eps, elementwise_affine=elementwise_affine)
        self.bias = self._parameters(0.0, "bias")

    def _normalised(self, x: list[Any]) -> list[Any]:
        mean = autodiff.mean(x)
        scaled = super()._normalised([v - mean for v in x])
        return [y + b for y, b in zip(scaled, self.bias, strict=True)] if self.elementwise_affine else scaled


class RMSNorm(_Norm):
    """Root mean square normalisation: weight * x / sqrt(mean of x² + eps). Weights start at 1.

    Source: Zhang and Sennrich, Root mean square layer normalization, 2019, eq. 4.

    Args:
        width: how many numbers a vector has, at least 1.
        eps: keeps the divisor above 0, where all numbers are 0; at least 0. Unless given, the spacing of floats at 1.
        elementwise_affine: whether there are weights.

    >>> norm = RMSNorm(3, eps=1e-6)
    >>> norm, len(norm.parameters())
    (RMSNorm(3, eps=1e-06), 3)
    >>> len(RMSNorm(3, elementwise_affine=False).parameters())
    0
    """

    def __init__(self, width: int, *, eps: float = sys.float_info.epsilon, elementwise_affine: bool = True) -> None:
        super().__init__(width, eps=eps, elementwise_affine=elementwise_affine)
