"""Numbers as text: the same six digits in every drawing and every table, and counts with their nouns.

>>> shortened(24.70408163265306), counted(1, "value"), counted(1_088, "parameter")
('24.7041', '1 value', '1,088 parameters')
"""

from typing import Any

__all__ = ["counted", "shortened"]

NOT_YET = "not yet"
"""Stands for a number that is not known so far, such as a gradient before `backward()`."""


def shortened(number: Any) -> str:
    """A number with at most six significant digits; the repr of anything else that was assigned in its place.

    >>> shortened(-1.0), shortened(1e-18), shortened(float("nan"))
    ('-1', '1e-18', 'nan')
    """
    try:
        return f"{float(number):.6g}"
    except (TypeError, ValueError, OverflowError):
        return repr(number)


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
