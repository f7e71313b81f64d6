"""A thin neural network package on top of autodiff: neurons, layers, MLPs, initialisers, losses, SGD.

>>> model = MLP(2, [8, 1], activation="tanh", seed=0)
>>> loss = mse(model([0.5, -1.0]), 0.25)
>>> loss.backward()
>>> SGD(model.parameters(), lr=0.1).step()
"""

from typing import Any

from nn import init
from nn.elsewhere import missing
from nn.layers import MLP, Layer, Neuron
from nn.losses import binary_cross_entropy, cross_entropy, hinge, mse
from nn.module import Module
from nn.optim import SGD

__all__ = ["MLP", "SGD", "Layer", "Module", "Neuron", "binary_cross_entropy", "cross_entropy", "hinge", "init", "mse"]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
