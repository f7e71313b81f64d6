"""Scalar automatic differentiation: write scalars you can read.

`Value` is a number in a computation graph; arithmetic and the functions below record the graph, and `backward()`
differentiates it. `draw(value)` shows it.

    >>> import autodiff as ad
    >>> x, y = ad.Value(-2.0, "x"), ad.Value(5.0, "y")
    >>> f = (x + y) * ad.exp(x / y)
    >>> f.backward()
    >>> f.data, x.grad, y.grad
    (2.0109601381069178, 1.0725120736570228, 0.8311968570841928)

What there is, by use; help() of each shows an example:

- Numbers that remember: `Value`, and `draw`, which returns a `Graph`.
- A graph explained: `formula` `explain` `forward_steps` `backward_steps` `animate` `what_if`.
- Arithmetic, as the operators do it: `add` `sub` `mul` `div` `neg` `pow` `mod` `floordiv` `abs`.
- Powers and logarithms: `exp` `exp2` `expm1` `log` `log2` `log10` `log1p` `sqrt` `cbrt` `square` `reciprocal`.
- Angles: `sin` `cos` `tan` `arcsin` `arccos` `arctan` `arctan2` `hypot`.
- Hyperbolic functions: `sinh` `cosh` `tanh` `arcsinh` `arccosh` `arctanh`.
- Activations: `relu` `leaky_relu` `elu` `silu` `gelu` `sigmoid` `softplus`, `erf` `erfc`.
- Choices and steps: `where` `maximum` `minimum` `clip` `sign` `floor` `ceil`.
- Lists: `sum` `mean` `prod` `dot` `norm` `max` `min` `logsumexp` `softmax` `log_softmax`.
- Derivatives of functions: `grad` `value_and_grad` `jacobian` `hessian` `hvp` `jvp` `vjp`; of a graph: `gradient`.
- Arrays of Values on which numpy's functions are these: `array`.
- Speed: `compile`, which runs a function of Values as fast as numerical code written by hand.
- Memory: `checkpoint`, `preaccumulate`. How graphs are recorded: `no_grad`, `detect_anomaly`, `record_source`.
- Numbers of many Values at once, in `autodiff.backprop`: `get_data` `get_grads` `set_data` `set_grads` `descend`.
- A function of your own as one operation: `primitive`, which returns a `Primitive`, smooth on its `Domain`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autodiff import fast
from autodiff.functions import (
    clip,
    dot,
    elu,
    leaky_relu,
    log_softmax,
    logsumexp,
    mean,
    norm,
    primitive,
    prod,
    softmax,
    where,
)
from autodiff.functions import max as max
from autodiff.functions import min as min
from autodiff.functions import sum as sum
from autodiff.hints import ELSEWHERE, missing
from autodiff.modes import detect_anomaly, no_grad, record_source
from autodiff.primitives import Domain, Primitive
from autodiff.primitives.public import *
from autodiff.primitives.public import abs as abs
from autodiff.primitives.public import pow as pow
from autodiff.value import Value

fast.bind()

if TYPE_CHECKING:
    from autodiff.arrays import array
    from autodiff.compiler import compile as compile
    from autodiff.show import Graph, animate, backward_steps, draw, explain, formula, forward_steps, what_if
    from autodiff.transforms import (
        checkpoint,
        grad,
        gradient,
        hessian,
        hvp,
        jacobian,
        jvp,
        preaccumulate,
        value_and_grad,
        vjp,
    )

__all__ = [
    "Domain",
    "Graph",
    "Primitive",
    "Value",
    "add",
    "animate",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "array",
    "backward_steps",
    "cbrt",
    "ceil",
    "checkpoint",
    "clip",
    "cos",
    "cosh",
    "detect_anomaly",
    "div",
    "dot",
    "draw",
    "elu",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "explain",
    "expm1",
    "floor",
    "floordiv",
    "formula",
    "forward_steps",
    "gelu",
    "grad",
    "gradient",
    "hessian",
    "hvp",
    "hypot",
    "jacobian",
    "jvp",
    "leaky_relu",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logsumexp",
    "maximum",
    "mean",
    "minimum",
    "mod",
    "mul",
    "neg",
    "no_grad",
    "norm",
    "preaccumulate",
    "primitive",
    "prod",
    "reciprocal",
    "record_source",
    "relu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "softmax",
    "softplus",
    "sqrt",
    "square",
    "sub",
    "tan",
    "tanh",
    "value_and_grad",
    "vjp",
    "what_if",
    "where",
]

# Public as well, as ad.max is. Python's own have these names: `from autodiff import *` leaves them what they are.
_NAMES_OF_BUILTINS = ["abs", "compile", "max", "min", "pow", "sum"]

# Loaded at their first use: `import autodiff` itself loads the standard library and the engine alone.
_LAZY = {
    "autodiff.arrays": "array",
    "autodiff.compiler": "compile",
    "autodiff.show": "Graph animate backward_steps draw explain formula forward_steps what_if",
    "autodiff.transforms": "checkpoint grad gradient hessian hvp jacobian jvp preaccumulate value_and_grad vjp",
}
_HOME = {name: module for module, names in _LAZY.items() for name in names.split()}
_PACKAGES = ["compiler", "expression", "testing", "transforms"]  # need no import of their own


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"autodiff.{name}")
    if name in _HOME:
        found = globals()[name] = getattr(import_module(_HOME[name]), name)
        return found
    raise missing("module 'autodiff'", name, __dir__(), ELSEWHERE)


def __dir__() -> list[str]:
    return sorted([*__all__, *_NAMES_OF_BUILTINS])
