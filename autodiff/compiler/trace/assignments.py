"""Assignments to Values while something is traced: the reading under way is asked before each.

The data and grad of a Value are slots, which Python fills at once. A setter that asks would cost every assignment of
eager code ten times its price, whether anything is traced or not; so the class has one only while something is. No
other class of the project changes while it is used, and this module alone changes it.

    >>> from autodiff import Value
    >>> "__setattr__" in vars(Value)
    False
"""

from typing import Any

from autodiff import modes
from autodiff.system.blocks import Block
from autodiff.value import Value

_watching: set[Block] = set()  # without a lock, which an interrupt could leave held


def watch(block: Block) -> None:
    """Ask the reading under way before each assignment, in all threads, until `unwatch`, or the block is over."""
    _watching.add(block)
    Value.__setattr__ = _asking  # type: ignore[method-assign, assignment]


def unwatch(block: Block) -> None:
    """Let go of it: once nothing is watched, an assignment costs what it did."""
    _watching.discard(block)
    _restore_if_nothing_is_watched()


def _restore_if_nothing_is_watched() -> None:
    if not _watching and "__setattr__" in vars(Value):
        del Value.__setattr__
        if _watching:  # another thread has begun in between
            Value.__setattr__ = _asking  # type: ignore[method-assign, assignment]


def _asking(self: Value, name: Any, new: Any) -> None:
    reading = modes.reading()
    if reading is None:  # another thread traces, or a trace was interrupted before it could unwatch
        _watching.difference_update([block for block in _watching if block.is_over()])
        _restore_if_nothing_is_watched()
    elif name in ("data", "grad") and hasattr(self, name):
        reading.refuse_change(self, name)
    object.__setattr__(self, name, new)
