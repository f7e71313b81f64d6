"""What a missing name was probably meant to be: near misspellings, and what other libraries call the same thing.

It stands below everything and knows names alone. `ELSEWHERE` and `ELSEWHERE_ON_VALUES` are the dictionary, as data:
numpy's, torch's, JAX's, micrograd's and the math module's word for it, and ours.

    >>> raise missing("module 'autodiff'", "sofmax", ["softmax", "softplus"], ELSEWHERE)
    Traceback (most recent call last):
    AttributeError: module 'autodiff' has no attribute 'sofmax'; did you mean 'softmax'?
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any, NoReturn

_INVERSES = {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "atan2": "arctan2",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
}
_FUNCTIONS = {
    **_INVERSES,
    "arctg": "arctan",
    "tg": "tan",
    "ln": "log",
    "expit": "sigmoid",
    "logistic": "sigmoid",
    "swish": "silu",
    "sgn": "sign",
}

# Public names that stand in a room, and not in the package.
_ROOMS = {
    "backprop": ("descend", "get_data", "get_grads", "set_data", "set_grads"),
    "compiler": ("Compiled", "Prepared", "Stats", "TracingError"),
    "expression": ("parse",),
    "testing": (
        "Estimate", "LoopProgram", "Program", "Step", "Undecided", "ValueMachine", "assert_gradients_close",
        "check_grads", "complex_step", "error_in_ulps", "finite_differences", "loop_programs", "mpmath_gradient",
        "mpmath_value", "points", "programs", "richardson", "values",
    ),
}  # fmt: skip

# A plain name is what to write instead; anything else is a sentence about it.
ELSEWHERE: Mapping[str, str] = {
    **_FUNCTIONS,
    "Tensor": "Value",
    "tensor": "Value",
    "Variable": "Value",
    "Scalar": "Value",
    "absolute": "abs",
    "fabs": "abs",
    "negative": "neg",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "true_divide": "div",
    "floor_divide": "floordiv",
    "remainder": "mod",
    "power": "pow",
    "product": "prod",
    "average": "mean",
    "clamp": "clip",
    "inner": "dot",
    "vdot": "dot",
    "logaddexp": "logsumexp",
    "amax": "max",
    "amin": "min",
    "jacrev": "jacobian",
    "jacfwd": "jacobian",
    "elementwise_grad": "grad",
    "make_vjp": "vjp",
    "make_jvp": "jvp",
    "custom_vjp": "primitive",
    "custom_jvp": "primitive",
    "custom_gradient": "primitive",
    "defvjp": "primitive",
    "Function": "primitive",
    "Op": "primitive",
    "deriv": "grad",
    "derivative": "grad",
    "diff": "grad",
    "jit": "compile",
    "njit": "compile",
    "function": "compile",
    "lambdify": "compile",
    **dict.fromkeys(("scan", "fori_loop", "while_loop"), "write it as a loop, which compile finds again"),
    **dict.fromkeys(("cond", "switch"), "write an if, or where(condition, x, y); compile follows both"),
    "inference_mode": "no_grad",
    "set_grad_enabled": "no_grad",
    "remat": "checkpoint",
    "vmap": "of many rows, write [f(x) for x in rows], or compile(f, rows=0), which runs them as one program",
    "GradientTape": "operations on Values are always recorded: write y.backward()",
    "draw_dot": "draw",
    "plot": "draw",
    "visualize": "draw",
    "show": "draw",
    "round": "it is Python's own: round(x, digits)",
    "stop_gradient": "write x.detach()",
    "detach": "write x.detach()",
    "backward": "write y.backward()",
    "zero_grad": "write x.grad = 0.0 for each, or optimizer.zero_grad()",
    **{name: f"it is autodiff.{room}.{name}" for room, names in _ROOMS.items() for name in names},
    **dict.fromkeys(("gradcheck", "check_grad"), "it is autodiff.testing.check_grads"),
    **{name: f"it is Python's own: math.{name}" for name in ("pi", "e", "tau", "inf", "nan")},
    "nn": "it is a package of its own: import nn",
    "optim": "it is nn.optim: import nn",
    **{name: f"it is nn.{name}: import nn" for name in ("MLP", "Module", "SGD", "Layer", "Neuron")},
    **{name: f"it is nn.{name}: import nn" for name in ("mse", "mae", "huber", "hinge", "cross_entropy", "nll")},
    "Adam": "optimisers are in nn: import nn",
}

# What programs put on a number of their own, and a Value has no room for.
_STATE = ("m", "v", "s", "momentum", "velocity", "vel", "cache", "state", "exp_avg", "exp_avg_sq", "square_avg")
_BESIDE = "a Value has no room for it; keep it beside, in a dict: m = {p: 0.0 for p in parameters}"
_WALKED = "it is x.operands, in which constants are floats; autodiff.draw(x) draws the graph"

ELSEWHERE_ON_VALUES: Mapping[str, str] = {
    **dict.fromkeys(_STATE, _BESIDE),
    **_FUNCTIONS,
    "item": "data",
    "numpy": "data",
    "tolist": "data",
    "value": "data",
    "val": "data",
    "_data": "data",
    "primal": "data",
    "gradient": "grad",
    "derivative": "grad",
    "name": "label",
    "backwards": "backward",
    "backprop": "backward",
    "stop_gradient": "detach",
    "grad_fn": "op",
    "_op": "it is x.op, the Primitive that made x, None for a leaf; its name is x.op.name",
    "children": "operands",
    "parents": "operands",
    **dict.fromkeys(("_prev", "_children", "_parents", "_inputs"), _WALKED),
    "_local_grads": "local_gradients",
    "local_grads": "local_gradients",
    "_backward": "a rule belongs to its primitive, x.op; write your own with autodiff.primitive",
    "requires_grad": "every Value has a gradient; x.detach() gives one that passes none on",
    "requires_grad_": "every Value has a gradient; x.detach() gives one that passes none on",
    "retain_grad": "every Value keeps its grad",
    "is_leaf": "a leaf is what has x.op is None",
    "zero_": "write x.grad = 0.0",
    "zero_grad": "write x.grad = 0.0",
    "clone": "write copy.copy(x)",
    "abs": "write abs(x)",
    "absolute": "write abs(x)",
    "pow": "write x ** y",
    "add": "write x + y",
    "sub": "write x - y",
    "mul": "write x * y",
    "div": "write x / y",
    "neg": "write -x",
    "mod": "write x % y",
    "floordiv": "write x // y",
    "round": "write round(x, digits)",
    "clamp": "write autodiff.clip(x, low, high)",
    "draw": "write autodiff.draw(x)",
}


@lru_cache(maxsize=256)  # hasattr(x, name) in a loop asks the same again and again
def near(name: str, names: tuple[str, ...]) -> str | None:
    """The name most like a misspelt one, None if none is like it.

    >>> near("sofmax", ("sin", "softmax")), near("qqq", ("sin", "softmax"))
    ('softmax', None)
    """
    from difflib import get_close_matches  # not at the top: `import autodiff` does without

    for other in names:  # two letters swapped are one mistake, to a person
        if sorted(other.lower()) == sorted(name.lower()[:100]):
            return other
    found = get_close_matches(name[:100], names, n=1, cutoff=0.7)
    return found[0] if found else None


def hint(name: str, names: Iterable[str], elsewhere: Mapping[str, str]) -> str:
    """The remark to append to an error about a name: "; did you mean ...?" or another, "" if there is none.

    >>> hint("asin", [], ELSEWHERE), hint("round", [], ELSEWHERE), hint("qqq", [], ELSEWHERE)
    ("; did you mean 'arcsin'?", "; it is Python's own: round(x, digits)", '')
    """
    meant = elsewhere.get(name) or near(name, tuple(names))
    if meant is None:
        return ""
    return f"; did you mean {meant!r}?" if meant.isidentifier() else f"; {meant}"


def missing(owner: str, name: str, names: Iterable[str], elsewhere: Mapping[str, str]) -> AttributeError:
    """The AttributeError to raise for a name that `owner` does not have.

    Args:
        owner: what the error calls it, such as "'Value' object".
        name: what was asked for. Nothing is like a private name, but `elsewhere` may know it.
        names: those that it has.
        elsewhere: what other libraries call them: a name, or a sentence to append.

    >>> print(missing("'Value' object", "zero_", ["data", "grad"], ELSEWHERE_ON_VALUES))
    'Value' object has no attribute 'zero_'; write x.grad = 0.0
    """
    remark = hint(name, () if name.startswith("_") else names, elsewhere)
    message = f"{owner} has no attribute {name!r}{remark}"
    # Python appends a suggestion of its own, drawn from dir(error.obj): nothing is like a name of None's.
    return AttributeError(message, name=name, obj=None)


# Arguments that other libraries' constructors and backward take.
OWN_OPERATION = 'an operation of your own is autodiff.primitive("name", evaluate=..., partials=[...])'
_HISTORY = ("children", "local_grads", "operands", "parents", "op", "_children", "_local_grads", "_prev", "_op")
ARGUMENTS_ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(_HISTORY, OWN_OPERATION),
    "name": "label",
    "retain_graph": "a graph stays: backward() can be called again",
    "create_graph": "autodiff.gradient(y, x) gives gradients that can be differentiated again",
    "inputs": "autodiff.gradient(y, inputs) gives those alone, and changes no grad",
    "requires_grad": "every Value has a gradient; x.detach() gives one that passes none on",
    "dtype": "every Value is a float",
}


def unexpected(owner: str, takes: str, named: Iterable[str], positional: int = 0) -> TypeError:
    """The TypeError to raise for arguments that a function does not take, by name or too many.

    Args:
        owner: what the error calls the function, such as "backward()".
        takes: what it takes.
        named: the names of arguments that it has not; what others mean by the first is said.
        positional: how many arguments it got by position, if those were too many.

    >>> print(unexpected("backward()", "a gradient", ["retain_graph"]))
    backward() takes a gradient, got retain_graph=...; a graph stays: backward() can be called again
    """
    got = [f"{name}=..." for name in named]
    meant = ARGUMENTS_ELSEWHERE.get(next(iter(named))) if got else OWN_OPERATION
    remark = "" if meant is None else f"; did you mean {meant!r}?" if meant.isidentifier() else f"; {meant}"
    return TypeError(f"{owner} takes {takes}, got {', '.join(got) or f'{positional} arguments'}{remark}")


def refused_label(label: Any) -> TypeError:
    """The TypeError to raise for a label that is not a string."""
    kind = type(label).__name__
    if kind in ("tuple", "list", "set"):  # what other engines take there: the operands
        return TypeError(f"a label is a string, got {kind}; {OWN_OPERATION}")
    return TypeError(f"a label is a string, got {kind} {label!r}; write label={'' if label is None else str(label)!r}")


class Elsewhere:
    """A name of another library, on a class: asked of an object or assigned, it raises AttributeError, and says ours.

    A `__getattr__` does it better, where it costs nothing; `answer_for` says where not. An object of a subclass that
    has a `__dict__` may have the name as its own.

    >>> def say(number, name):
    ...     raise missing("'Number' object", name, [], {"item": "data"})
    >>> class Number:
    ...     __slots__ = ()
    ...     item = Elsewhere(say, "item")
    >>> Number().item
    Traceback (most recent call last):
    AttributeError: 'Number' object has no attribute 'item'; did you mean 'data'?
    >>> Number().item = 3.0
    Traceback (most recent call last):
    AttributeError: 'Number' object has no attribute 'item'; did you mean 'data'?
    """

    __slots__ = ("_name", "_say")

    def __init__(self, say: Callable[[Any, str], NoReturn], name: str) -> None:
        self._say, self._name = say, name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        own = getattr(instance, "__dict__", {})
        return own[self._name] if self._name in own else self._say(instance, self._name)

    def __set__(self, instance: Any, value: Any) -> None:
        if not hasattr(instance, "__dict__"):
            self._say(instance, self._name)
        instance.__dict__[self._name] = value

    def __delete__(self, instance: Any) -> None:
        if getattr(instance, "__dict__", {}).pop(self._name, self) is self:
            self._say(instance, self._name)


# --- names of other libraries, on a class ---


def _is_ours(kind: type, name: str) -> bool:
    return not isinstance(getattr(kind, name, None), Elsewhere)


if sys.version_info >= (3, 12):
    Listed = type
else:

    class Listed(type):
        """A class whose dir(), which help() and completion read, leaves out the names of other libraries."""

        def __dir__(cls) -> list[str]:
            return [name for name in type.__dir__(cls) if _is_ours(cls, name)]


def listed(instance: Any) -> list[str]:
    """The names that completion offers for an object: the public ones, without those of other libraries."""
    return [name for name in sorted(object.__dir__(instance)) if name[0] != "_" and _is_ours(type(instance), name)]


def say_missing(names: tuple[str, ...], elsewhere: Mapping[str, str], instance: Any, name: str) -> NoReturn:
    """Raise the AttributeError for a name that an object does not have."""
    if name[:2] == "__" or name in names:  # what Python and numpy look for; a slot that is not filled yet
        raise AttributeError(f"{type(instance).__name__!r} object has no attribute {name!r}", name=name, obj=instance)
    raise missing(f"{type(instance).__name__!r} object", name, names, elsewhere)


def answer_for(kind: type[Any], elsewhere: Mapping[str, str]) -> None:
    """Have objects of a class, which is Listed, answer for names of other libraries and for misspelt ones.

    A `__getattr__` makes Python 3.11 look up every attribute of a Value four times as slowly, and record and
    differentiate a chain a third more slowly; later ones are as fast with it. So there the names of other libraries
    stand on the class, which hides them, and misspellings are left to Python's own suggestions. Standing there they
    are met by assignments, too: a `__setattr__` would slow those of data and grad on any Python. A metaclass that hides
    them makes isinstance of a float take three times as long from Python 3.12 on, so that there the class has those
    alone that are hidden anyway.
    """
    names = tuple(sorted({name for base in kind.__mro__[:-1] for name in vars(base) if name[0] != "_"}))
    say = partial(say_missing, names, elsewhere)
    if sys.version_info >= (3, 12):
        kind.__getattr__ = lambda self, name: say(self, name)
    hidden = [name for name in elsewhere if name not in names and (sys.version_info < (3, 12) or name[0] == "_")]
    for name in hidden:
        setattr(kind, name, Elsewhere(say, name))
