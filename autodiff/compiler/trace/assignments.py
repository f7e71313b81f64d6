"""Assignments to Values while something is traced: the reading under way is asked before each.

The data and grad of a Value are slots, which Python fills at once. A setter written in Python that asks at all times
would slow all eager code: as a `__setattr__` it takes a chain 2.7 times as long, as properties 1.9 times; and were the
engine's own code spared, a loop of a user's that descends would still take 8 times as long. A look at the numbers when
the trace ends would know neither the line nor what was put back by then. So the class has a `__setattr__` while
something is traced, and then alone. No other class changes while it is used, and this module alone changes it. The
setters of the native core ask at all times (`number.assigned`), and need nothing of what is here.

    >>> from autodiff import Value
    >>> "__setattr__" in vars(Value)
    False
"""

from typing import Any

from autodiff import modes, native
from autodiff.native import Node
from autodiff.system.blocks import Block
from autodiff.value import Value

_watching: set[Block] = set()  # without a lock, which an interrupt could leave held


def watch(block: Block) -> None:
    """Ask the reading under way before each assignment, in all threads, until `unwatch`, or the block is over."""
    if native.core is not None:
        return
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
    Node.__setattr__(self, name, new)
