"""The table under its names: the functions of one and two numbers, and those of one as methods.

It is read off the table, so that a new primitive is a function and a method at once. Type checkers cannot follow that:
they read `public.pyi`, which `python -m tests.table --write` writes.

    >>> FUNCTIONS["exp"](0.0), UnaryMethods.exp.__qualname__
    (1.0, 'Value.exp')

What takes a list or has defaults is a function of its own, in `autodiff.functions`.
"""

import builtins
from collections.abc import Callable
from typing import Any

from autodiff.primitives import TABLE, Primitive

FUNCTIONS = {
    name: entry
    for name, entry in TABLE.items()
    if entry.arity in (1, 2) and not (entry.facts.of_list or entry.facts.defaults)
}
"""The primitives that are functions as they stand."""

__all__ = [name for name in FUNCTIONS if not hasattr(builtins, name)]
globals().update(FUNCTIONS)


class UnaryMethods:
    """The functions of one number as methods, under numpy's names, so that np.exp(array_of_values) calls them."""

    __slots__ = ()


def method(primitive: Primitive) -> Callable[[Any], Any]:
    """The method of Value that applies a primitive of one operand."""

    def method(self: Any) -> Any:
        return primitive(self)

    name = primitive.name
    method.__name__ = name
    method.__module__, method.__qualname__ = "autodiff.value", f"Value.{name}"  # where pickles look it up
    (x,) = primitive.example()
    example = f"abs(Value({x}))" if name == "abs" else f"Value({x}).{name}()"
    summary = str(primitive.__doc__).partition("\n\n>>>")[0]
    method.__doc__ = (
        f"{summary}\n\n>>> from autodiff import Value\n>>> {example}\nValue({primitive(x)!r}, grad=0.0, op={name})"
    )
    return method


METHODS = [name for name, entry in FUNCTIONS.items() if entry.arity == 1 and name not in ("abs", "neg")]  # operators
for _name in METHODS:
    setattr(UnaryMethods, _name, method(FUNCTIONS[_name]))
