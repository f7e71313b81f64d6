"""Layers: modules that take numbers, or lists of them, and give Values, an idea a file.

>>> Layer(3, 2, "tanh", seed=0)
Layer(3, 2, 'tanh')
"""

from typing import Any

from nn.elsewhere import missing
from nn.layers.activations import ACTIVATIONS
from nn.layers.dense import MLP, Layer, Neuron

__all__ = ["ACTIVATIONS", "MLP", "Layer", "Neuron"]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
