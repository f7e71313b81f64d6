"""Embedding: a vector of parameters for each of so many things, letters or words, say.

>>> letters = Embedding(26, 3, seed=0)
>>> len(letters(2)), len(letters([2, 0, 19]))
(3, 3)
"""

import random
from typing import Any

from autodiff import Value
from nn.init import Init, generator, weights
from nn.layers.arguments import whole_number
from nn.layers.configured import Configured
from nn.lists import is_list
from nn.losses.targets import chosen, is_index, nan_unless


class Embedding(Configured):
    """A table of `count` vectors of `width` parameters each; called with an index, it returns that vector.

    In a compiled function whose arguments hold the index, one program serves all of them, without a guard, and cannot
    raise: there, an index that is out of range makes the vector and its gradients nan.

    Args:
        count: how many vectors, at least 1.
        width: the length of each, at least 1.
        seed, rng: the source of the parameters, as in Neuron.
        init: an initialiser, by name or as a function; N(0, 1) unless given. It counts `count` inputs, for an index is
            a one-hot vector as the input of a linear layer.

    >>> Embedding(26, 3, seed=0)
    Embedding(26, 3)
    """

    def __init__(
        self, count: int, width: int, *, seed: int | None = None, rng: random.Random | None = None, init: Init = None
    ) -> None:
        self.count, self.width = whole_number("count", count), whole_number("width", width)
        table = weights(
            init or "normal", generator(seed, rng), self.count, self.width, fan_in=self.count, fan_out=self.width
        )
        self.weight = [[Value(w, f"weight{i},{j}") for j, w in enumerate(row)] for i, row in enumerate(table)]

    def __call__(self, index: Any) -> list[Any]:
        """The vector of an index; of a list of them, a list of vectors, nested as they are.

        Raises ValueError for anything that is not a whole number from 0 to count - 1.
        """
        if is_list(index):
            return [self(i) for i in index]
        valid = is_index("Embedding", "an index", index, self.count)
        if not isinstance(index, Value):
            return list(self.weight[int(index)])
        vector: list[Any] = [chosen(column, index) for column in zip(*self.weight, strict=True)]
        return list(nan_unless(valid, vector))
