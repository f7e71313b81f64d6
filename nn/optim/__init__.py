"""Optimisers on lists of parameters, learning rates that follow a schedule, clipping, penalties.

>>> from autodiff import Value
>>> x = Value(3.0)
>>> x.grad = 2.0
>>> Adam([x], lr=0.1).step()
>>> round(x.data, 6)
2.9
"""

from typing import Any

from nn.elsewhere import missing
from nn.optim.optimizer import Optimizer
from nn.optim.rules import SGD, Adam, AdamW, RMSprop, Rprop

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "Rprop"]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
