"""Activations: functions of one number, by name or one's own.

>>> activation_of("tanh")(0.0), recorded(autodiff.tanh)
(0.0, 'tanh')
"""

from collections.abc import Callable
from typing import Any

import autodiff
from autodiff import Value

Activation = str | Callable[[Value], Value]


def linear(x: Value) -> Value:
    """x: no activation."""
    return x


ACTIVATIONS: dict[str, Callable[[Value], Value]] = {
    "linear": linear,
    "relu": autodiff.relu,
    "leaky_relu": autodiff.leaky_relu,
    "elu": autodiff.elu,
    "gelu": autodiff.gelu,
    "silu": autodiff.silu,
    "sigmoid": autodiff.sigmoid,
    "softplus": autodiff.softplus,
    "tanh": autodiff.tanh,
}
RECTIFIERS = [ACTIVATIONS[name] for name in ("relu", "leaky_relu", "elu", "gelu", "silu", "softplus")]


def activation_of(activation: Activation) -> Callable[[Value], Value]:
    """The function of that name, and a function as it is. Raises ValueError for an unknown name."""
    if callable(activation):
        return activation
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"no activation is called {activation!r}; known are {known}, or give a function")
    return ACTIVATIONS[activation]


def named(function: Any) -> str:
    """The name of a function, or of the class of a callable object."""
    return str(getattr(function, "__name__", type(function).__name__))


def recorded(activation: Any) -> str:
    """The name of an activation for `config`. Raises TypeError for a function that has none in ACTIVATIONS."""
    name = named(activation)
    if ACTIVATIONS.get(name) is not activation:
        raise TypeError(f"the function {name} cannot be recorded, only {', '.join(ACTIVATIONS)}; load with into=model")
    return name
