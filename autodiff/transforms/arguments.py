"""What users hand to a transform: the function, the arguments to differentiate, and directions in their form.

Errors speak in the name of the transform.
"""

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

from autodiff.primitives import Primitive
from autodiff.structures.structure import NUMBER, Structure, flatten, ordered_as

Argnums = int | Sequence[int]


def wrapping(name: str, f: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that names a function `grad(f)`."""
    check_function(name, f)

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        wrapped = wraps(f)(function)
        if name == "hvp":
            del wrapped.__wrapped__  # whose signature has no v
        wrapped.__name__ = wrapped.__qualname__ = f"{name}({getattr(f, '__name__', type(f).__name__)})"
        return wrapped

    return decorated


def check_function(name: str, f: Any) -> None:
    if not callable(f):
        raise TypeError(f"{name} takes a function, got {type(f).__name__} {f!r}; write {name}(f), then call that")


def indices_of(name: str, argnums: Any, count: int) -> tuple[list[int], bool]:
    """The indices of the arguments to differentiate, counted from 0, and whether just one was asked for."""
    is_one = hasattr(type(argnums), "__index__") and not isinstance(argnums, Iterable)
    if isinstance(argnums, (bool, str)) or not (is_one or isinstance(argnums, Iterable)):
        raise TypeError(f"argnums of {name} is the index of an argument, or a list of them, got {argnums!r}")
    indices = []
    for i in [argnums] if is_one else argnums:
        if isinstance(i, bool) or not hasattr(type(i), "__index__"):
            raise TypeError(f"argnums of {name} holds indices of arguments, got {i!r}")
        index = operator.index(i)
        if not -count <= index < count:
            raise ValueError(
                f"argnums={argnums!r} of {name} is out of range: f was given {count} positional "
                f"argument{'s' * (count != 1)}, counted from 0; pass what is differentiated by position"
            )
        indices.append(index % count)
    if len(set(indices)) < len(indices):
        raise ValueError(f"argnums={argnums!r} of {name} names an argument twice")
    return indices, is_one


def flattened(name: str, whole: Any, what: str) -> tuple[list[Any], Structure]:
    """The numbers of `whole` and its structure."""
    try:
        return flatten(whole, what)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def numbers_like(name: str, whole: Any, structure: Structure, what: str, other: str) -> list[Any]:
    """The numbers of `whole`, which must have that form; an array may stand for lists of numbers of its shape."""
    numbers, form = flattened(name, ordered_as(whole, structure), what)
    if not _fits(form, structure):
        raise TypeError(f"{name}: expected {what} in the form of {other}, {structure}; got {form}")
    return numbers


def _fits(form: Structure, structure: Structure) -> bool:
    """Whether numbers of one form, in order, go into the other: f of an array often gives a list."""
    if form == structure:
        return True
    parts: Sequence[Structure] = form.children
    if form.kind == "array" and form.shape and structure.kind in (list, tuple):
        row = form._replace(shape=form.shape[1:], size=math.prod(form.shape[1:])) if form.shape[1:] else NUMBER
        parts = [row] * form.shape[0]
    elif not parts or (form.kind, form.keys, form.factory) != (structure.kind, structure.keys, structure.factory):
        return False
    return len(parts) == len(structure.children) and all(map(_fits, parts, structure.children))


def refuse_containers(name: str, f: Primitive, args: tuple[Any, ...]) -> None:
    """Raise TypeError for lists and arrays as operands of an operation, which takes single numbers."""
    for i, whole in enumerate(args):
        _, structure = flattened(name, whole, f"args[{i}]")
        if structure != NUMBER:
            raise TypeError(
                f"{f.name} takes single numbers, and {name}({f.name}) got {structure} at args[{i}]; "
                f"for each of them, write [{name}({f.name})(x) for x in numbers]"
            )
