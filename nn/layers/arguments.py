"""Arguments of layers: inputs of the right width, widths that are whole numbers.

>>> inputs_of("hidden", (1.0, 2.0), 2), whole_number("nin", 3)
([1.0, 2.0], 3)
"""

from collections.abc import Iterable, Sequence
from operator import index
from typing import Any


def unwrapped(outputs: Sequence[Any]) -> Any:
    """The output itself when there is one, else the list of them."""
    return outputs[0] if len(outputs) == 1 else outputs


def inputs_of(name: str, x: Any, width: int) -> list[Any]:
    """x as a list of `width` inputs. Raises TypeError if it is not a list, ValueError for another width."""
    if type(x) is list and len(x) == width:  # the checks below take as long as a neuron
        return x
    inputs = x.tolist() if hasattr(x, "tolist") else x
    if not isinstance(inputs, Iterable) or isinstance(inputs, (str, bytes, dict)):
        got = type(inputs).__name__
        raise TypeError(f"{name} expects a list of {width} inputs, got {got}; write [x] for a single one")
    inputs = list(inputs)
    if len(inputs) != width:
        lists = any(isinstance(each, Sequence) for each in inputs)
        advice = " lists; call it with one at a time, nn.predict(model, X) with many, or flatten them" if lists else ""
        raise ValueError(f"{name} expects a list of {width} inputs, got {len(inputs)}{advice}")
    return inputs


def whole_number(name: str, given: Any, least: int = 1) -> int:
    """The number, such as a width, as an int. Raises ValueError for one below the least, or anything else."""
    if isinstance(given, bool) or not hasattr(type(given), "__index__") or given < least:
        raise ValueError(f"{name} is a whole number of at least {least}, got {given!r}")
    return index(given)
