"""Embedding: a vector of parameters for each of so many things, letters or words, say.

>>> letters = Embedding(26, 3, seed=0)
>>> len(letters(2)), len(letters([2, 0, 19]))
(3, 3)
"""

import random
from math import nan
from numbers import Real
from typing import Any

import autodiff
from autodiff import Value
from nn.init import Initializer, generator, weights
from nn.layers.arguments import is_list, width_of
from nn.module import Module


class Embedding(Module):
    """A table of `count` vectors of `width` parameters each; called with an index, it gives that vector.

    In a compiled function whose arguments hold the index, one program serves all of them, without a guard, and cannot
    raise: there, an index that is out of range makes the vector and its gradients nan.

    Args:
        count: how many vectors, at least 1.
        width: the length of each, at least 1.
        seed, rng: what the parameters are drawn with, as in Neuron.
        init: an initialiser, by name or as a function; N(0, 1) unless given. It counts `count` inputs, for an index is
            a one-hot vector as the input of a linear layer.

    >>> Embedding(26, 3, seed=0)
    Embedding(26, 3)
    """

    def __init__(
        self,
        count: int,
        width: int,
        *,
        seed: int | None = None,
        rng: random.Random | None = None,
        init: str | Initializer = "normal",
    ) -> None:
        count, width = width_of("count", count), width_of("width", width)
        table = weights(init, generator(seed, rng), count, width, fan_in=count, fan_out=width)
        self.weight = [[Value(w, f"weight{i},{j}") for j, w in enumerate(row)] for i, row in enumerate(table)]

    def __call__(self, index: Any) -> list[Any]:
        """Return the vector of an index; of a list of them, a list of vectors, nested as they are.

        Raises ValueError for what is no whole number from 0 to count - 1.
        """
        if is_list(index):
            return [self(i) for i in index]
        count = len(self.weight)
        valid = _is_index(index, count)
        if valid is False:
            raise ValueError(f"{self} takes whole numbers from 0 to {count - 1}, got {index!r}")
        return self._selected(index, valid) if isinstance(index, Value) else list(self.weight[int(index)])

    def _selected(self, index: Value, valid: Any) -> list[Value]:
        """Return the vector of an index that compile traces: each run selects."""
        hits = [index == float(i) for i in range(len(self.weight))]
        known = autodiff.where(valid, 1.0, nan)
        return [
            known * autodiff.sum([autodiff.where(hit, w, 0.0) for hit, w in zip(hits, column, strict=True)])
            for column in zip(*self.weight, strict=True)
        ]

    def config(self) -> dict[str, Any]:
        return {"count": len(self.weight), "width": len(self.weight[0])}

    def __repr__(self) -> str:
        return f"Embedding({len(self.weight)}, {len(self.weight[0])})"


def _is_index(index: Any, count: int) -> Any:
    if isinstance(index, Value):
        return (index >= 0.0) & (index < float(count)) & (index == autodiff.floor(index))
    return isinstance(index, Real) and index in range(count)
