"""Totals over the rows of a batch, and whether two of them are the same but for rounding."""

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple


class Totals(NamedTuple):
    """Over the rows of a batch, as arrays: of the loss and each metric, and of the slopes, none unless asked for."""

    figures: Any
    slopes: Any


def alike(some: Totals, others: Totals) -> bool:
    """Whether totals of the same rows differ by no more than rounding."""
    return are_close([*some.figures, *some.slopes], [*others.figures, *others.slopes])


def are_close(found: Any, expected: Any) -> bool:
    """Whether arrays have one shape, and numbers that differ by no more than rounding."""
    import numpy

    found, expected = numpy.asarray(found), numpy.asarray(expected)
    size = numpy.abs(expected[numpy.isfinite(expected)]).max(initial=0.0)
    return found.shape == expected.shape and numpy.allclose(found, expected, 1e-6, 1e-9 * size, equal_nan=True)


def added(parts: Sequence[Totals]) -> Totals:
    """The sum of the totals, added up in their order."""
    return reduce(lambda x, y: Totals(x.figures + y.figures, x.slopes + y.slopes), parts)


def kept(totals: Totals) -> Totals:
    """The same in arrays of their own."""
    return Totals(totals.figures.copy(), totals.slopes.copy())
