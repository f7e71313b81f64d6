"""Gradients of functions of one number of output: one reverse sweep, whatever the number of inputs."""

from collections.abc import Callable
from typing import Any

from autodiff.transforms.arguments import Argnums, wrapping
from autodiff.transforms.runs import evaluated


def grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient of f, as a function: df/dx for each number x in an argument, in its form.

    Args:
        f: a function that returns one number.
        argnums: the index of the argument to differentiate, or a list of them, for a tuple of gradients.
        has_aux: whether f returns a pair (number, anything else); then so does its gradient: (gradient, anything else).

    Cost: recording f, and one reverse sweep, whatever the number of inputs: two to three times the recording; more
    where f is a few wide dots, which the native core records in next to no time.

    Raises TypeError when f returns anything but one number, or something else than numbers is in the argument;
    ValueError for argnums out of range.

    Source: Linnainmaa, Taylor expansion of the accumulated rounding error, 1976.

    >>> grad(lambda x: x**3)(2)
    12.0
    >>> grad(lambda p: p["w"][0] * p["w"][1] + p["b"])({"w": [2.0, 3.0], "b": 1.0})
    {'w': [3.0, 2.0], 'b': 1.0}
    """

    @wrapping("grad", f)
    def gradient_of(*args: Any, **kwargs: Any) -> Any:
        value, slopes = _value_and_gradient("grad", f, args, kwargs, argnums, has_aux)
        return (slopes, value[1]) if has_aux else slopes

    return gradient_of


def value_and_grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The pair (f(...), its gradient), as a function: both from one evaluation.

    With has_aux the first is the pair (number, anything else) that f returns. Cost, arguments and errors as for `grad`.

    >>> value_and_grad(lambda x, y: x * y, argnums=(0, 1))(3.0, 5.0)
    (15.0, (5.0, 3.0))
    """

    @wrapping("value_and_grad", f)
    def value_and_gradient_of(*args: Any, **kwargs: Any) -> Any:
        return _value_and_gradient("value_and_grad", f, args, kwargs, argnums, has_aux)

    return value_and_gradient_of


def _value_and_gradient(
    name: str, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Argnums, has_aux: bool
) -> tuple[Any, Any]:
    with evaluated(name, f, args, kwargs, argnums, has_aux) as run:
        output = run.one_output("jacobian, or return their sum")
        slopes = run.lowered(run.pulled({output: 1.0}, run.order))
        (value,) = run.lowered([output])
        return ((value, run.lowered_aux()) if has_aux else value), run.of_inputs.build(slopes)
