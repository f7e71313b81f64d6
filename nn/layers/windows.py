"""Windows that slide over a row of numbers, along any number of axes: which number each of them shows.

A row is a nested list or an array, channels first. Its numbers stand in one flat list, and a window is a list of places
there, OUTSIDE for those in the padding. Nothing here depends on the numbers, so that the windows of a shape are found
once.

>>> slid("a convolution", (1, 4), kernel=(1, 3), stride=(1, 1), padding=(0, 1), dilation=(1, 1))
((1, 4), [[-1, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, -1]])
"""

from collections.abc import Sequence, Sized
from functools import lru_cache
from itertools import product
from operator import index
from typing import Any

Sizes = tuple[int, ...]
"""A whole number for each axis, that of the channels first."""

OUTSIDE = -1
"""The place of what lies in the padding: the last one, in a list of numbers."""

_SHAPES = {1: "(channels, length)", 2: "(channels, height, width)"}


@lru_cache(maxsize=64)
def slid(
    name: str, sizes: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> tuple[Sizes, list[list[int]]]:
    """Return how many windows there are along each axis, and of each what it shows: places in the flat row."""
    axes = [_along(*axis) for axis in zip(sizes, kernel, stride, padding, dilation, strict=True)]
    if not all(axes):
        raise ValueError(
            f"{name} expects a row at least as large as its kernel, {kernel[1:]} with dilation {dilation[1:]}; got "
            f"shape {sizes}, with padding {padding[1:]}"
        )
    windows = [[_place(at, sizes) for at in product(*window)] for window in product(*axes)]
    return tuple(map(len, axes)), windows


def _along(size: int, kernel: int, stride: int, padding: int, dilation: int) -> list[range]:
    """Return the coordinates that each window shows along one axis; those outside 0 to size are padding."""
    reach = dilation * (kernel - 1)
    starts = range(-padding, size + padding - reach, stride)
    return [range(start, start + reach + 1, dilation) for start in starts]


def _place(coordinates: Sizes, sizes: Sizes) -> int:
    """Return where the number with these coordinates stands in the flat row, or OUTSIDE."""
    place = 0
    for at, size in zip(coordinates, sizes, strict=True):
        if not 0 <= at < size:
            return OUTSIDE
        place = place * size + at
    return place


def flat(name: str, x: Any, axes: int) -> tuple[list[Any], Sizes]:
    """Return the numbers of a row in one list, and its sizes, channels first."""
    numbers, sizes = [x], list[int]()
    for _ in range(1 + axes):
        parts = [part.tolist() if hasattr(part, "tolist") else part for part in numbers]
        if not all(isinstance(part, (list, tuple)) for part in parts):
            raise TypeError(f"{name} expects a row of shape {_SHAPES[axes]}, got {len(sizes)} axes; nest the lists")
        lengths = sorted({len(part) for part in parts})
        if len(lengths) > 1 or 0 in lengths:
            raise ValueError(f"{name} expects lists of one length, at least 1, on each axis, got lengths {lengths}")
        sizes += lengths
        numbers = [number for part in parts for number in part]
    if isinstance(numbers[0], Sized):
        raise TypeError(f"{name} expects one row of shape {_SHAPES[axes]}, got more axes; call it on each row")
    return numbers, tuple(sizes)


def nested(numbers: list[Any], sizes: Sizes) -> list[Any]:
    """Return the numbers in nested lists of these sizes."""
    for size in reversed(sizes[1:]):
        numbers = [numbers[i : i + size] for i in range(0, len(numbers), size)]
    return numbers


def sizes_of(name: str, given: int | Sequence[int], axes: int, least: int = 1) -> Sizes:
    """Return a whole number for each axis; a single one counts for all."""
    sizes = tuple(given) if isinstance(given, Sequence) else (given,) * axes
    are_whole = all(hasattr(type(size), "__index__") and not isinstance(size, bool) for size in sizes)
    if len(sizes) != axes or not are_whole or min(sizes) < least:
        pair = ", or a pair of them" * (axes == 2)
        raise ValueError(f"{name} is a whole number of at least {least}{pair}, got {given!r}")
    return tuple(map(index, sizes))
