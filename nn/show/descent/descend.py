"""`descend`: the path of gradient descent on a function, by any optimiser of nn.

>>> path = descend(lambda x: x * x, 3.0, lr=0.25, steps=3)
>>> path.points, path.gradients
([3.0, 1.5, 0.75, 0.375], [6.0, 3.0, 1.5, 0.75])
"""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from math import isfinite
from operator import index
from typing import Any

import autodiff
from autodiff import Value
from autodiff.backprop import get_data, set_grads
from autodiff.show.words.numbers import shortened
from nn.lists import flat, is_list, listed
from nn.optim import SGD, Optimizer
from nn.show.descent.path import DescentPath, written


def descend(
    f: Callable[[Any], Any],
    start: Any,
    lr: float = 0.1,
    steps: int = 20,
    optimizer: Callable[..., Optimizer] = SGD,
    **options: Any,
) -> DescentPath:
    """The path of gradient descent on `f` from a point, as points, values and gradients.

    A notebook shows it as a film with a slider: of one number over the curve, with its tangents; of two over the
    contour lines; of more the values alone. It ends early where a number is not finite, and says so.

    Args:
        f: a function of a number, or of a list of numbers, which returns one number: as `autodiff.grad` takes it.
        start: the number, or a list, tuple or array of numbers, to start from.
        lr: the learning rate.
        steps: how many steps to take, at most.
        optimizer: a class of `nn.optim`, or a function that makes one: it is called with a list of leaf Values, `lr`
            and the options.
        options: the optimiser's own, such as momentum=0.9.

    Raises TypeError for a start that is neither, or a function of something else; ValueError for no steps, a start that
    is not finite, or where f is not, and for options that the optimiser refuses.

    >>> path = descend(lambda p: p[0] ** 2 + 3.0 * p[1] ** 2, [4.0, 1.0], lr=0.25, steps=2)
    >>> path.points
    [[4.0, 1.0], [2.0, -0.5], [1.0, 0.25]]
    >>> path
    Descent by SGD(lr=0.25)
    step  p[0]  p[1]   value  ∂/∂p[0]  ∂/∂p[1]
    0        4     1      19        8        6
    1        2  -0.5    4.75        4       -3
    2        1  0.25  1.1875        2      1.5
    >>> from nn.optim import Adam
    >>> descend(lambda x: x * x, 3.0, lr=0.5, steps=2, optimizer=Adam, betas=(0.5, 0.9)).points[1]
    2.5000...
    """
    if not callable(f):
        raise TypeError(f"descend takes a function of the point, got {type(f).__name__}; write lambda x: ...")
    numbers, steps = _numbers(start), _count(steps)
    coordinates = [Value(number) for number in numbers]
    chosen = _optimizer(optimizer, coordinates, {"lr": lr, **options})
    shaped: Callable[[list[float]], Any] = list if is_list(start) else lambda numbers: numbers[0]
    f = _of_lists(f, start)
    slope_of = autodiff.value_and_grad(f)
    points: list[Any] = []
    values: list[float] = []
    gradients: list[Any] = []
    stopped = None
    for step in range(steps + 1):
        if step:
            set_grads(coordinates, flat(gradients[-1]))
            chosen.step()
        point = shaped(get_data(coordinates))
        value, gradient = slope_of(point) if all(map(isfinite, flat(point))) else (float("nan"), point)
        if not all(map(isfinite, [value, *flat(gradient)])):
            slope = written(gradient) if gradient is not point else "unknown"
            there = f"{written(point)}, where the value is {shortened(value)}, its gradient {slope}"
            if not step:
                raise ValueError(f"descend starts where f and its gradient are finite numbers, got {there}")
            stopped = f"step {step} leads to {there}"
            break
        points, values, gradients = [*points, point], [*values, value], [*gradients, gradient]
    name = _named(chosen, {"lr": lr, **options})
    return DescentPath(f, points, values, gradients, name, lr if _is_plain(optimizer, options) else None, stopped)


def _numbers(start: Any) -> list[float]:
    """The coordinates of the start, as floats."""
    given = listed(start)
    numbers = list(given) if is_list(given) else [given]
    if not numbers or any(is_list(x) or isinstance(x, (Value, str)) for x in numbers):
        raise TypeError(f"descend starts from a number, or from a list of numbers, got {start!r}")
    try:
        found = [float(x) for x in numbers]
    except (TypeError, ValueError):
        raise TypeError(f"descend starts from a number, or from a list of numbers, got {start!r}") from None
    if not all(map(isfinite, found)):
        raise ValueError(f"descend starts from finite numbers, got {start!r}")
    return found


def _of_lists(f: Callable[[Any], Any], start: Any) -> Callable[[Any], Any]:
    """The function, which is given arrays for lists where the start is one, and tuples where it is a tuple."""
    if hasattr(start, "tolist") and is_list(start):
        return wraps(f)(lambda point: f(autodiff.array(point)))
    return wraps(f)(lambda point: f(tuple(point))) if isinstance(start, tuple) else f


def _count(steps: Any) -> int:
    try:
        count = index(steps)
    except TypeError:
        raise TypeError(f"steps is a whole number, got {steps!r}") from None
    if count < 1:
        raise ValueError(f"descend takes at least one step, got steps={steps!r}")
    return count


def _optimizer(make: Any, coordinates: list[Value], options: dict[str, Any]) -> Optimizer:
    if not callable(make):
        raise TypeError(f"optimizer is a class of nn.optim, such as nn.optim.Adam, got {make!r}")
    try:
        signature(make).bind(coordinates, **options)
    except TypeError as error:
        known = ", ".join(list(signature(make).parameters)[1:])
        raise TypeError(f"{make.__name__} takes the options {known}; here it {error}") from None
    made = make(coordinates, **options)
    if not isinstance(made, Optimizer):
        raise TypeError(f"optimizer makes an nn.optim.Optimizer from a list of Values, got {type(made).__name__}")
    return made


def _is_plain(make: Any, options: dict[str, Any]) -> bool:
    """Whether every step is the learning rate times the gradient."""
    return make is SGD and not any(options.values())


def _named(optimizer: Optimizer, options: dict[str, Any]) -> str:
    """The optimiser, and the options that it was given."""
    return f"{type(optimizer).__name__}({', '.join([f'{name}={option!r}' for name, option in options.items()])})"
