"""Logs: lists that objects are put on while with blocks run, whatever interrupts them.

>>> things = Logs("things")
>>> things.put(["before"])
>>> with things as outer:
...     things.put(["one"])
...     with things as inner:
...         things.put(["two"])
>>> things.put(["after"])
>>> outer, inner
(['one', 'two'], ['two'])
"""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from autodiff.system.blocks import Block, Scope


class Logs(Scope):
    """The logs of one kind of object, for a module to hold: a with block gets one of its own.

    Threads and asynchronous tasks have theirs: `variable` holds the blocks and their logs.
    """

    def __init__(self, name: str) -> None:
        logs: ContextVar[tuple[tuple[Block, list[Any]], ...]] = ContextVar(f"autodiff {name}", default=())
        self.variable = logs
        self._logs, self._set = logs.get, logs.set  # bound once: `put` is called for every leaf

    def put(self, objects: Iterable[Any]) -> None:
        """Put the objects on the log of each block around."""
        for block, log in self._logs():
            if block.is_over():
                self.end(block)
            else:
                log.extend(objects)

    def blocks(self) -> list[Block]:
        """The blocks that have a log."""
        return [block for block, _ in self._logs()]

    def begin(self, block: Block) -> list[Any]:
        """The log of the block, from now on."""
        log = list[Any]()
        self._set((*self._logs(), (block, log)))
        return log

    def end(self, block: Block) -> None:
        """Let go of the log of the block."""
        self._set(tuple([entry for entry in self._logs() if entry[0] is not block]))
