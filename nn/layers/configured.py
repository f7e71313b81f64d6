"""Configured: a module that keeps the arguments of its constructor, so that it can be shown, and made again.

>>> from nn import Layer
>>> layer = Layer(3, 2, "tanh", seed=0, bias=False)
>>> layer, layer.config()
(Layer(3, 2, 'tanh', bias=False), {'nin': 3, 'nout': 2, 'activation': 'tanh', 'bias': False, 'name': 'Layer'})
"""

from inspect import Parameter, signature
from typing import Any

from nn.layers.activations import named, recorded
from nn.modules.module import Module

_LEFT_OUT = ("seed", "rng", "init", "steps")  # how numbers are drawn, which a state_dict holds; and Sequential's layers


class Configured(Module):
    """A module with an attribute for each argument of its constructor, of the same name, but for seed, rng and init."""

    def config(self) -> dict[str, Any]:
        return {name: _recorded(getattr(self, name)) for name in _arguments(self)}

    def __repr__(self) -> str:
        """Show the positional arguments, and those by keyword that differ from their defaults, but for the name."""
        arguments = _arguments(self)
        if not all(hasattr(self, name) for name in arguments):  # those of a subclass that keeps them elsewhere
            return super().__repr__()
        shown = []
        for name, parameter in arguments.items():
            value = _shown(getattr(self, name))
            if parameter.kind is not Parameter.KEYWORD_ONLY:
                shown.append(value)
            elif name != "name" and value != _shown(parameter.default):
                shown.append(f"{name}={value}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _arguments(module: Module) -> dict[str, Parameter]:
    return {name: p for name, p in signature(type(module)).parameters.items() if name not in _LEFT_OUT}


def _recorded(value: Any) -> Any:
    """An argument as JSON can hold it: an activation as its name, a tuple as a list."""
    if isinstance(value, (list, tuple)):
        return [_recorded(x) for x in value]
    return recorded(value) if callable(value) and not isinstance(value, Module) else value


def _shown(value: Any) -> str:
    return repr(named(value) if callable(value) and not isinstance(value, Module) else value)
