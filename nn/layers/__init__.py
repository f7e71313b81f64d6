"""Layers: modules that take numbers, or lists of them, and give Values, an idea a file.

>>> Layer(3, 2, "tanh", seed=0)
Layer(3, 2, 'tanh')
"""

from typing import Any

from nn.hints import missing
from nn.layers.activations import ACTIVATIONS as ACTIVATIONS
from nn.layers.attention import MultiHeadAttention
from nn.layers.convolution import Conv1d, Conv2d, Flatten, MaxPool2d
from nn.layers.dense import MLP, Layer, Neuron
from nn.layers.dropout import Dropout
from nn.layers.embedding import Embedding
from nn.layers.norms import LayerNorm, RMSNorm
from nn.layers.recurrent import LSTMCell, RNNCell, unroll
from nn.layers.sequential import Sequential

__all__ = [
    "MLP",
    "Conv1d",
    "Conv2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "LSTMCell",
    "Layer",
    "LayerNorm",
    "MaxPool2d",
    "MultiHeadAttention",
    "Neuron",
    "RMSNorm",
    "RNNCell",
    "Sequential",
    "unroll",
]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
