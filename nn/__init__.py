"""A thin neural network package on top of autodiff: neurons, layers, MLPs, initialisers, losses, metrics, SGD.

>>> model = MLP(2, [8, 1], activation="tanh", seed=0)
>>> loss = mse(model([0.5, -1.0]), 0.25)
>>> loss.backward()
>>> SGD(model.parameters(), lr=0.1).step()

`nn.sklearn`, which loads scikit-learn when it is first used, has multi-layer perceptrons as its estimators.
"""

from importlib import import_module
from typing import Any

from nn import init, metrics, optim
from nn.elsewhere import missing
from nn.layers import (
    MLP,
    Conv1d,
    Conv2d,
    Dropout,
    Embedding,
    Flatten,
    Layer,
    LayerNorm,
    LSTMCell,
    MaxPool2d,
    MultiHeadAttention,
    Neuron,
    RMSNorm,
    RNNCell,
    Sequential,
    unroll,
)
from nn.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge,
    huber,
    kl_divergence,
    mae,
    mse,
    multiclass_hinge,
    nll,
)
from nn.minimize import least_squares, minimize
from nn.module import Module
from nn.optim import SGD, l1, l2, schedules
from nn.training import (
    Event,
    History,
    checkpoint,
    diagnose,
    each_batch,
    early_stopping,
    fit,
    load,
    plot_boundary,
    plot_confusion,
    predict,
    save,
)

__all__ = [
    "MLP",
    "SGD",
    "Conv1d",
    "Conv2d",
    "Dropout",
    "Embedding",
    "Event",
    "Flatten",
    "History",
    "LSTMCell",
    "Layer",
    "LayerNorm",
    "MaxPool2d",
    "Module",
    "MultiHeadAttention",
    "Neuron",
    "RMSNorm",
    "RNNCell",
    "Sequential",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "checkpoint",
    "cross_entropy",
    "diagnose",
    "each_batch",
    "early_stopping",
    "fit",
    "hinge",
    "huber",
    "init",
    "kl_divergence",
    "l1",
    "l2",
    "least_squares",
    "load",
    "mae",
    "metrics",
    "minimize",
    "mse",
    "multiclass_hinge",
    "nll",
    "optim",
    "plot_boundary",
    "plot_confusion",
    "predict",
    "save",
    "schedules",
    "unroll",
]


def __getattr__(name: str) -> Any:
    if name == "sklearn":
        return import_module("nn.sklearn")
    raise missing(__name__, name)
