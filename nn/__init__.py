"""A thin neural network package on top of autodiff: layers, losses, optimisers, training, saving, diagnosis.

A step by hand, and the same and more by `fit`:

>>> model = MLP(2, [8, 1], activation="tanh", seed=0)
>>> sgd = SGD(model.parameters(), lr=0.1)
>>> loss = mse(model([0.5, -1.0]), 0.25)
>>> loss.backward()
>>> sgd.step()
>>> history = fit(model, [[0.5, -1.0], [1.0, 0.0]], [0.25, -0.5], loss=mse, optimizer=sgd, epochs=20)
>>> history["loss"][-1] < history["loss"][0], predict(model, [[0.5, -1.0]]).shape
(True, (1, 1))

`nn.sklearn`, which loads scikit-learn when it is first used, has multi-layer perceptrons as its estimators.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autodiff.sources import pass_over
from nn import init, layers, losses, metrics, optim, training
from nn.hints import missing
from nn.layers import *
from nn.losses import *
from nn.modules.module import Module
from nn.optim import SGD, l1, l2, schedules
from nn.training import *
from nn.training.minimize import least_squares, minimize

if TYPE_CHECKING:
    from nn.show import DescentPath, Playground, descend, play

pass_over("nn")

__all__ = ["SGD", "Module", "init", "l1", "l2", "least_squares", "metrics", "minimize", "optim", "schedules"]
__all__ += ["DescentPath", "Playground", "descend", "play"]  # of nn.show, which takes long to load
__all__ += [*layers.__all__, *losses.__all__, *training.__all__]


def __getattr__(name: str) -> Any:
    if name == "sklearn":
        return import_module("nn.sklearn")
    if name in ("DescentPath", "Playground", "descend", "play"):
        return getattr(import_module("nn.show"), name)
    raise missing(__name__, name)
