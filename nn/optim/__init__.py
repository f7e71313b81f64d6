"""Optimisers on lists of parameters, learning rates that follow a schedule, clipping, penalties.

>>> from autodiff import Value
>>> x = Value(3.0)
>>> x.grad = 2.0
>>> Adam([x], lr=0.1).step()
>>> round(x.data, 6)
2.9
"""

from typing import Any

from nn.hints import missing
from nn.optim import schedules
from nn.optim.clipping import Clip, clip_by_norm, clip_by_value
from nn.optim.optimizer import Optimizer
from nn.optim.penalties import l1, l2
from nn.optim.rules import SGD, Adam, AdamW, RMSprop, Rprop
from nn.optim.schedules import ReduceOnPlateau

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Clip",
    "Optimizer",
    "RMSprop",
    "ReduceOnPlateau",
    "Rprop",
    "clip_by_norm",
    "clip_by_value",
    "l1",
    "l2",
    "schedules",
]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
