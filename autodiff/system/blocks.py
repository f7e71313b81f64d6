"""With blocks that end whatever interrupts them.

Python calls `__enter__` and `__exit__`, and Ctrl-C may strike inside of either, before anything is put back, say. So
nothing hangs on their coming to an end: what a block changes counts as long as the block runs, and whoever needs that
asks. A with statement looks `__exit__` up when it begins, and drops what it got when it ends, in whichever way: a weak
reference to that tells.

    >>> class Room(Scope):
    ...     def begin(self, block): self.block = block
    ...     def end(self, block): raise SystemError  # nothing is put back
    >>> room = Room()
    >>> with room:
    ...     room.block.runs()
    Traceback (most recent call last):
    SystemError
    >>> room.block.runs()
    False

A block in a generator does not run while the generator is suspended: its caller does. So it is with coroutines, but
for tasks and threads that began inside of the block: they have inherited it.
"""

import sys
from _thread import get_ident
from contextvars import ContextVar
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, cast
from weakref import ref

# Flags of code: generators, coroutines, both in one, asynchronous generators. `inspect` names them, but imports slowly.
_SUSPENDABLE = 0x20 | 0x80 | 0x100 | 0x200
# Whose generators stand for a block elsewhere: `@contextmanager`, and fixtures that yield.
_DRIVERS = ("contextlib", "_pytest.fixtures")


class Block:
    """One run of a with block."""

    __slots__ = ("__weakref__", "_frame", "_place", "alive", "has_begun", "scope")

    def __init__(self, scope: Any) -> None:
        self.scope, self.has_begun = scope, False
        self._frame: FrameType | None = None
        self._place: Any = None

    def guarded_by(self, guard: Any) -> None:
        """Run no longer than this object is there, which `alive` returns, None then."""
        self.alive = ref(guard)

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
        """Whether the block has ended, and will not run again."""
        return self.alive() is None

    def runs(self) -> bool:
        """Whether code that runs now is inside of the block."""
        if self.alive() is None:
            return False
        return self._frame is None or self._frame.f_back is not None or self._place != _place()


_looked_up: ContextVar[Any] = ContextVar("autodiff block", default=lambda: None)  # the guard that was made last


class _Exit:
    """The attribute `__exit__` of a scope: each with statement that looks it up gets another object."""

    def __get__(self, scope: Any, kind: Any = None) -> Any:
        if scope is None:
            return Scope.leave
        block = Block(scope)
        leave = partial(_leave, block)
        block.guarded_by(leave)
        _looked_up.set(ref(leave))
        return leave


class _Guard:
    """An object to be held."""


class Scope:
    """A context manager that can be entered again, also inside itself; subclasses say what begins and ends.

    Entered by hand, as `contextlib.ExitStack` does, a block runs until it is left, or the scope is gone.
    """

    def begin(self, block: Block) -> Any:
        """Have what the block changes count while it runs, and return what `with ... as` gives."""

    def end(self, block: Block) -> None:
        """Let go of the block, which runs no longer. An interrupt may prevent that."""

    def __enter__(self) -> Any:
        block = self._with_statement() or self._by_hand()
        block.begin(sys._getframe(1))
        return self.begin(block)

    def _with_statement(self) -> Block | None:
        """The block of the with statement that enters, None if there is none."""
        leave = _looked_up.get()()  # held by no frame that goes on: the traceback of an interrupt would hold it, too
        if leave is None or leave.args[0].scope is not self or leave.args[0].has_begun:
            return None
        return cast(Block, leave.args[0])

    def _by_hand(self) -> Block:
        block, guard = Block(None), _Guard()  # a block that had the scope would keep what guards it
        block.guarded_by(guard)
        self._entered.append((guard, ref(block)))
        return block

    def leave(self, *error: object) -> None:
        """End the block that was entered last by hand."""
        if not self._entered:
            raise RuntimeError(f"{type(self).__name__} was left, but not entered; write with ...:")
        block = self._entered.pop()[1]()
        if block is not None:
            self.end(block)

    @property
    def _entered(self) -> list[tuple["_Guard", ref[Block]]]:
        """The blocks that were entered by hand, and what guards them."""
        entered: list[tuple[_Guard, ref[Block]]] = self.__dict__.setdefault("entered", [])
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
    """The generator or coroutine that a block in this frame stands in; None for a function.

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
    """The thread and the task that run now."""
    asyncio = sys.modules.get("asyncio")
    try:
        task = asyncio.current_task() if asyncio is not None else None
    except RuntimeError:  # no loop runs
        task = None
    return get_ident(), id(task)
