"""An example of every layer: the layer, how it is called on a row, and the shape of a row for it."""

from collections.abc import Callable
from typing import Any

import nn


def of_state(cell: Any, x: Any) -> Any:
    """The output of a cell at the second of two items, so that a state has been carried over."""
    return cell(x, cell(x, None)[1])[0]


def in_eval(layer: Any, x: Any) -> Any:
    return layer.eval()(x)


def of_row(layer: Any, x: Any) -> Any:
    return layer(x)


EXAMPLES: dict[str, tuple[nn.Module, Callable[[Any, Any], Any], tuple[int, ...]]] = {
    "Neuron": (nn.Neuron(3, "gelu", seed=0), of_row, (3,)),
    "Layer": (nn.Layer(3, 2, "tanh", seed=0), of_row, (3,)),
    "MLP": (nn.MLP(3, [4, 2], "tanh", seed=0), of_row, (3,)),
    "Sequential": (nn.Sequential(nn.Layer(3, 2, "linear", seed=0), "softplus"), of_row, (3,)),
    "Dropout": (nn.Dropout(0.25, seed=0), in_eval, (3,)),
    "LayerNorm": (nn.LayerNorm(3), of_row, (3,)),
    "RMSNorm": (nn.RMSNorm(3), of_row, (3,)),
    "Embedding": (nn.Embedding(3, 2, seed=0), lambda layer, x: [layer(1), x[0] * layer(2)[0]], (1,)),
    "RNNCell": (nn.RNNCell(3, 2, seed=0), of_state, (3,)),
    "LSTMCell": (nn.LSTMCell(3, 2, seed=0), of_state, (3,)),
    "Conv1d": (nn.Conv1d(2, 2, 2, seed=0), of_row, (2, 3)),
    "Conv2d": (nn.Conv2d(1, 2, 2, padding=1, seed=0), of_row, (1, 2, 2)),
    "MaxPool2d": (nn.MaxPool2d(2), of_row, (1, 2, 4)),
    "Flatten": (nn.Flatten(), of_row, (2, 2)),
    "MultiHeadAttention": (nn.MultiHeadAttention(2, 1, causal=True, seed=0), of_row, (3, 2)),
}
