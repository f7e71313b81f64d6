"""Sequential: modules, activations and functions in a chain.

>>> from nn import Dropout, Layer, LayerNorm
>>> from autodiff import softmax
>>> model = Sequential(Layer(2, 8, "linear"), LayerNorm(8), "relu", Dropout(0.1), Layer(8, 3, "linear"), softmax)
>>> round(sum(model([0.5, -1.0])).data, 12)
1.0
"""

from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any

from autodiff import Value
from nn.layers.activations import ACTIVATIONS, activation_of, named
from nn.layers.configured import Configured
from nn.lists import each
from nn.modules.module import Module

Step = str | Callable[[Any], Any]


class Sequential(Configured):
    """A chain: each step is called on the output of the one before it.

    Args:
        steps: modules; activations, by name or as one of the functions that `nn.layers.ACTIVATIONS` names, which are
            applied to each number; and other functions, which get the list as a whole, such as `autodiff.softmax`.
        layers: the same as a list.

    Raises TypeError for anything that is not a step, ValueError for none at all, or an activation that is unknown.

    >>> from nn import Layer
    >>> Sequential(Layer(2, 8, "linear"), "relu", Layer(8, 1, "linear"))
    Sequential(Layer(2, 8, 'linear'), 'relu', Layer(8, 1, 'linear'))
    """

    def __init__(self, *steps: Step, layers: Iterable[Step] = ()) -> None:
        self.layers = [_checked(step) for step in (*steps, *layers)]
        if not self.layers:
            raise ValueError("Sequential takes at least one step, got none")

    def __call__(self, x: Any) -> Any:
        """The output of the last step: a Value when there is one, else a list.

        Between the steps a single number is a list of one.
        """
        for i, step in enumerate(self.layers):
            try:
                x = each(ACTIVATIONS[step], x) if isinstance(step, str) else step(x)
            except (TypeError, ValueError) as error:
                error.add_note(f"in step {i} of Sequential, {_shown(step)}")
                raise
            x = [x] if isinstance(x, (Value, Real)) else x
        return x[0] if isinstance(x, list) and len(x) == 1 and isinstance(x[0], Value) else x

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(_shown, self.layers))})"


def _checked(step: Any) -> Step:
    """A step, an activation by its name."""
    if isinstance(step, type) or not (callable(step) or isinstance(step, str)):
        advice = "; write Sequential(*steps)" if isinstance(step, (list, tuple)) else ""
        raise TypeError(
            f"a step of Sequential is a module, a function, or the name of an activation, got {step!r}{advice}"
        )
    function = activation_of(step)
    return named(function) if ACTIVATIONS.get(named(function)) is function else function


def _shown(step: Step) -> str:
    return repr(step) if isinstance(step, (str, Module)) else named(step)
