"""Rules read with floats: IEEE 754 answers where Python raises, and zeros that are structural.

Ordinary arithmetic on floats raises where IEEE 754 has an answer (1 / 0), or leaves the real line ((-2) ** 0.5).
Arithmetic on Values does neither, so a rule that did is read again with Values, as mere numbers. The class of Values,
which stands above the table, is handed in.

    >>> from autodiff import Value
    >>> on_floats("reciprocal", lambda x: (1.0 / x,), [0.0], Value)
    (inf,)
"""

from collections.abc import Callable, Sequence
from typing import Any

from autodiff import floats, modes
from autodiff.chain import NOTHING, Nothing
from autodiff.primitives.primitive import Primitive

_FLOATS = {float, Nothing}


def local_gradients_at(
    primitive: Primitive, data: float, operands: Sequence[Any], numbers: Sequence[float], value: type[Any]
) -> tuple[float, ...]:
    """The local gradients as floats, with IEEE 754 answers, of operands that hold these numbers.

    One that is a plain 0 when the rule is read with Values, in the place of the operands that are Values, is NOTHING.
    """
    gradients = on_floats(primitive.name, primitive.local_gradients, [data, *numbers], value)
    if not primitive.scales or not (0.0 in gradients or 0.0 in numbers):
        return gradients
    try:
        with modes.on_numbers_alone():
            values = [value(y) if isinstance(x, value) else x for x, y in zip(operands, numbers, strict=True)]
            again = primitive.local_gradients(value(data), *values)
    except (ArithmeticError, TypeError, ValueError):
        return gradients
    return tuple([y if isinstance(z, value) or z else NOTHING for y, z in zip(gradients, again, strict=True)])


def on_floats(
    name: str, rule: Callable[..., tuple[Any, ...]], numbers: list[float], value: type[Any]
) -> tuple[float, ...]:
    """The numbers that a rule gives for floats, as floats.

    Raises TypeError, naming the primitive, for a rule that cannot be read with Values or gives something else than
    numbers, or a Value of its own, whose gradient would be lost.
    """
    try:
        results = rule(*numbers)
        kinds = set(map(type, results))
        if kinds <= _FLOATS:
            return results
        if complex in kinds:
            raise ArithmeticError(f"{name} left the real line")
        if any(issubclass(kind, value) for kind in kinds):
            raise TypeError(
                f"{name} gave a Value for plain numbers, so it closes over a Value, whose gradient would be lost; "
                "make that one an operand"
            )
    except (ArithmeticError, ValueError) as error:
        results = _with_values(name, rule, numbers, error, value)
    try:
        return tuple([x if x is NOTHING else floats.as_float(x) for x in results])
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from error


def _with_values(
    name: str, rule: Callable[..., tuple[Any, ...]], numbers: list[float], cause: Exception, value: type[Any]
) -> tuple[Any, ...]:
    try:
        with modes.on_numbers_alone():
            results = rule(*map(value, numbers))
    except (ArithmeticError, ValueError):  # the rule's own word on these numbers
        raise
    except Exception as error:  # what code that is made for floats alone makes of a Value
        raise TypeError(
            f"{name} raised {cause!r} on the numbers {numbers}, and cannot be read with Values instead ({error}); "
            "write it in arithmetic and the functions of autodiff: autodiff.exp for math.exp"
        ) from cause
    return tuple([x.data if isinstance(x, value) else x for x in results])
