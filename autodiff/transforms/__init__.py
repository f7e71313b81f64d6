"""Derivatives of functions: from f to f' by name, in any order, to any order.

    >>> from autodiff import exp, sin
    >>> def f(x):
    ...     return exp(x) * sin(x)
    >>> grad(f)(0.5), grad(grad(f))(0.5)
    (2.2373281197977843, 2.8937780731683387)

The names and the order of arguments are JAX's. A transform calls f on Values of its own, sweeps over the graph that f
recorded, and hands back numbers in the form of the arguments: nested lists, tuples, dicts, numpy arrays (which reach f
as arrays of Values). What is handed back is a float, unless it depends on a Value that was there before, an argument
or one that f closes over: then it is a Value, so that transforms nest, and a gradient can itself be trained through.

Inner and outer derivatives cannot be confused: each transform differentiates with respect to nodes it made itself.

    >>> grad(lambda x: x * grad(lambda y: x * y)(1.0))(3.0)  # d/dx (x * x)
    6.0
"""

from autodiff.transforms.gradients import grad, value_and_grad
from autodiff.transforms.hessians import hessian, hvp
from autodiff.transforms.jacobians import jacobian, jvp, vjp
from autodiff.transforms.segments import checkpoint, preaccumulate
from autodiff.transforms.sweeps import gradient

__all__ = [
    "checkpoint",
    "grad",
    "gradient",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "preaccumulate",
    "value_and_grad",
    "vjp",
]
