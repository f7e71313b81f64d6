"""Dropout: in training, numbers are left out at random.

>>> dropout = Dropout(0.5, seed=1)
>>> dropout([1.0, 2.0, 3.0])
[0.0, 4.0, 6.0]
>>> dropout.eval()([1.0, 2.0, 3.0])
[1.0, 2.0, 3.0]
"""

import random
from typing import Any

import autodiff
from nn.init import generator
from nn.layers.configured import Configured
from nn.lists import each


class Dropout(Configured):
    """In training, each number is 0 with probability p, else divided by 1 - p: the expectation is the number itself.

    After `model.eval()` it returns its input. In a compiled function of your own, the mode and the numbers drawn
    stay as they were when it was traced; `nn.fit` draws anew for each row.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, 2014.

    Args:
        p: the probability, at least 0 and below 1.
        seed, rng: the source of its draws; a seed makes a `random.Random` of its own. Neither: fresh every time.

    Raises ValueError for another p.

    >>> Dropout(0.25, seed=0)
    Dropout(0.25)
    """

    def __init__(self, p: float = 0.5, *, seed: int | None = None, rng: random.Random | None = None) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"Dropout takes a probability p, at least 0 and below 1, got {p!r}")
        self.p = float(p)
        self.rng = generator(seed, rng)

    def __call__(self, x: Any) -> Any:
        """A list of numbers, nested as x is, with some left out; outside of training, x."""
        return each(self._perhaps, x) if self.training and self.p else x

    def _perhaps(self, x: Any) -> Any:
        return autodiff.where(self.rng.random() < self.p, 0.0, x / (1.0 - self.p))
