"""With blocks that end whatever interrupts them.

Python calls `__enter__` and `__exit__`, and Ctrl-C may strike inside of either: before `__exit__` has put anything back,
say. So what a block changes is not put back; it counts as long as the block runs, which others ask. A with statement
looks `__exit__` up when it begins, and drops what it got when it ends, in whichever way: a weak reference tells.

    >>> class Room(Scope):
    ...     def begin(self, block): self.block = block
    ...     def end(self, block): raise KeyboardInterrupt  # nothing is put back
    >>> room = Room()
    >>> with room:
    ...     room.block.runs()
    Traceback (most recent call last):
    KeyboardInterrupt
    >>> room.block.runs()
    False

A block in a generator does not run while the generator is suspended: its caller does. So it is with coroutines, but
for tasks and threads that began inside of the block: they have inherited it.
"""

import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_ITERABLE_COROUTINE
from types import FrameType
from typing import TYPE_CHECKING, Any
from weakref import ref

_SUSPENDABLE = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR | CO_ITERABLE_COROUTINE
# Whose generators stand for a block elsewhere: `@contextmanager`, and fixtures that yield.
_DRIVERS = ("contextlib", "_pytest.fixtures")


class Block:
    """One run of a with block."""

    __slots__ = ("_frame", "_guard", "_place", "has_begun", "scope")

    def __init__(self, scope: "Scope") -> None:
        self.scope, self.has_begun = scope, False
        self._frame: FrameType | None = None
        self._place: Any = None

    def guard(self) -> Callable[..., None]:
        """Return what ends the block when it is called; the block runs no longer than this object is there."""
        leave = partial(_leave, self)
        self._guard = ref(leave)
        return leave

    def begin(self, frame: FrameType) -> None:
        """Begin in the frame, and run only while it does, if it can be suspended."""
        self._frame = _suspendable(frame)
        self._place = _place() if self._frame is not None else None
        self.has_begun = True

    @property
    def may_be_suspended(self) -> bool:
        """Whether it stands in a generator or coroutine."""
        return self._frame is not None

    def is_over(self) -> bool:
        """Return whether the block has ended, and will not run again."""
        return self._guard() is None

    def runs(self) -> bool:
        """Return whether code that runs now is inside of the block."""
        if self._guard() is None:
            return False
        return self._frame is None or self._frame.f_back is not None or self._place != _place()


_looked_up: ContextVar[Any] = ContextVar("autodiff block", default=lambda: None)  # the guard that was made last


class _Exit:
    """The attribute `__exit__` of a scope: each with statement that looks it up gets another object."""

    def __get__(self, scope: Any, kind: Any = None) -> Any:
        if scope is None:
            return Scope.leave
        leave = Block(scope).guard()
        _looked_up.set(ref(leave))
        return leave


class Scope:
    """A context manager that can be entered again, also inside itself; subclasses say what begins and ends.

    Entered by hand, as `contextlib.ExitStack` does, a block runs until it is left, or the scope is gone.
    """

    def begin(self, block: Block) -> Any:
        """Have what the block changes count while it runs, and return what `with ... as` gives."""

    def end(self, block: Block) -> None:
        """Let go of the block, which runs no longer. An interrupt may prevent that."""

    def __enter__(self) -> Any:
        leave = _looked_up.get()()
        if leave is None or leave.args[0].scope is not self or leave.args[0].has_begun:
            leave = Block(self).guard()
            self._by_hand().append(leave)
        block = leave.args[0]
        block.begin(sys._getframe(1))
        return self.begin(block)

    def leave(self, *error: object) -> None:
        """End the block that was entered last by hand."""
        if not self._by_hand():
            raise RuntimeError(f"{type(self).__name__} was left, but not entered; write with ...:")
        self._by_hand().pop()()

    def _by_hand(self) -> list[Any]:
        entered: list[Any] = self.__dict__.setdefault("_entered", [])
        return entered

    if TYPE_CHECKING:

        def __exit__(self, *error: object) -> None: ...

    else:
        __exit__ = _Exit()


def _leave(block: Block, *error: object) -> None:
    if block.has_begun:
        block.scope.end(block)
    else:  # `scope.__exit__(...)`, called by hand
        block.scope.leave()


# --- where a block runs ---


def _suspendable(frame: FrameType | None) -> FrameType | None:
    """Return the generator or coroutine that a block in this frame stands in; None for a function.

    The block in a generator that is a context manager, by `@contextmanager`, is that of the with statement around.
    """
    while frame is not None:
        if _is_driver(frame) or (frame.f_code.co_flags & _SUSPENDABLE and _is_driver(frame.f_back)):
            frame = frame.f_back
        else:
            return frame if frame.f_code.co_flags & _SUSPENDABLE else None
    return None


def _is_driver(frame: FrameType | None) -> bool:
    return frame is not None and frame.f_globals.get("__name__") in _DRIVERS


def _place() -> tuple[int, int]:
    """Return the thread and the task that run now."""
    asyncio = sys.modules.get("asyncio")
    try:
        task = asyncio.current_task() if asyncio is not None else None
    except RuntimeError:  # no loop runs
        task = None
    return threading.get_ident(), id(task)
