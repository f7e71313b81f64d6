"""Sources: the line of the user's code that runs now, and the modules around it.

The stack of Python tells both. Packages that are machinery are passed over: this one, and those that say so by
`pass_over`; after them the standard library and what is installed. A module is anything that can name its parts.

    >>> user_line().modules, str(Source("net.py", 7, ("MLP", "layers.0")))
    ((), 'net.py:7 in MLP.layers.0')

A module that is called again, as an RNN's cell is at each step, has a number for each of its calls.
"""

import os
import sys
from collections.abc import Iterator
from functools import cache
from itertools import count, islice
from types import FrameType
from typing import Any, NamedTuple, Protocol

__all__ = ["NamesChildren", "Source", "pass_over"]


class Span(NamedTuple):
    """The expression of a line that was evaluated: its first column, in bytes, and where it ends."""

    column: int
    end_line: int
    end_column: int


class Source(NamedTuple):
    """Where a node was made: the user's file and line, and the modules around it, outermost first.

    `span` is the expression that made it, where Python remembers that. `calls` has a number for each module's call,
    which no other call has; calls that begin later have larger ones.
    """

    filename: str
    line: int
    modules: tuple[str, ...] = ()
    span: Span | None = None
    calls: tuple[int, ...] = ()

    def __str__(self) -> str:
        where = f"{_cell(self.filename) or self.filename}:{self.line}"
        return where + (f" in {'.'.join(self.modules)}" if self.modules else "")

    @property
    def place(self) -> str:
        """The line, in few words: "net.py:7", and of a notebook's cell "In[3]:2"."""
        return f"{_cell(self.filename) or os.path.basename(self.filename)}:{self.line}"

    @property
    def code(self) -> str:
        """The code of the line; of all lines of an expression that goes on; empty where it cannot be read."""
        from linecache import getline  # it loads much, and `import autodiff` is to be quick

        last = self.line if self.span is None else self.span.end_line
        return " ".join([getline(self.filename, i).strip() for i in range(self.line, last + 1)])


def _cell(filename: str) -> str | None:
    """What IPython calls the cell of that file, in a notebook or at its prompt: "In[3]"; None for other files."""
    current = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = current() if current is not None else None
    called = getattr(getattr(shell, "compile", None), "format_code_name", None)
    named = called(filename) if called is not None else None
    return str(named[1]) if named else None


class NamesChildren(Protocol):
    """A module, as sources know it: an object that knows its parts by name. While a method of it runs, it is around."""

    def child_name(self, child: object, /) -> str | None:
        """The name of a part, however deep; None for an object that is not a part."""


_numbers = count(1)


class Calls:
    """Tells one call of a module from the next while nodes are recorded.

    A call is a frame of Python's stack. Those around the last node are kept, so that no new frame can be taken for one
    of them. A generator or coroutine that goes on after others have made nodes counts as another call.
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[FrameType, int]] = {}

    def numbers(self, frames: list[FrameType]) -> list[int]:
        """The number of the call that each frame is."""
        last = self._last
        self._last = {id(frame): last.get(id(frame)) or (frame, next(_numbers)) for frame in frames}
        return [number for _, number in self._last.values()]


_machinery = {"autodiff"}


def pass_over(package: str) -> None:
    """Take a top-level package for machinery: no line of its code is the user's.

    For packages built on this one, when they are imported. Installed packages are passed over anyway, but for want of
    a line of the user's own the line is theirs.
    """
    _machinery.add(package)


def user_source() -> Source:
    """The source of the innermost frame of the user's own code, with the modules it runs in.

    Where no frame is the user's own, it is the innermost that is not machinery; failing that, the innermost.
    """
    return user_source_and_model()[0]


def user_source_and_model(calls: Calls | None = None) -> tuple[Source, NamesChildren | None]:
    """The source, with the numbers of its calls if `calls` gives them, and the outermost module, None outside all."""
    frames = list(_stack())[1:]  # without our own: it would hold the list that holds it, until the collector comes
    innermost = next(filter(_is_the_users, frames), None) or next(filter(_is_not_machinery, frames), frames[0])
    owned = [(owner, frame) for frame in reversed(frames) if (owner := _owner(frame)) is not None]
    outermost = [pair for pair, before in zip(owned, [(None, None), *owned], strict=False) if pair[0] is not before[0]]
    owners = [owner for owner, _ in outermost]  # a module's method may call another one of its own
    numbers = calls.numbers([frame for _, frame in outermost]) if calls is not None else ()
    line, span = _position(innermost)
    source = Source(innermost.f_code.co_filename, line, _names(owners), span, tuple(numbers))
    return source, next(iter(owners), None)


def user_line() -> Source:
    """The file and line alone, a hundred times as fast."""
    frame = next(filter(_is_the_users, _stack()), None)
    return user_source() if frame is None else Source(frame.f_code.co_filename, frame.f_lineno)


def _position(frame: FrameType) -> tuple[int, Span | None]:
    """The line that runs in a frame, and the expression on it."""
    positions = frame.f_code.co_positions()  # of instructions of two bytes
    line, end_line, column, end_column = next(islice(positions, frame.f_lasti // 2, None), (None,) * 4)
    if line is None or end_line is None or column is None or end_column is None:
        return frame.f_lineno, None  # Python was told to forget them
    return line, Span(column, end_line, end_column)


def _stack() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_not_machinery(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__", "").partition(".")[0] not in _machinery


def _is_the_users(frame: FrameType) -> bool:
    return _is_not_machinery(frame) and not frame.f_code.co_filename.startswith(_installed())


@cache
def _installed() -> tuple[str, ...]:
    from sysconfig import get_paths  # takes some milliseconds, and only this needs it

    paths = get_paths()
    return tuple({f"{paths[name]}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib")} | {"<frozen "})


def _owner(frame: FrameType) -> Any:
    """The module whose method runs in the frame, None for other functions."""
    code = frame.f_code
    if code.co_varnames[:1] != ("self",):
        return None  # a function that is given a model, say
    owner = frame.f_locals.get("self")
    return owner if hasattr(type(owner), "child_name") else None


def _names(owners: list[NamesChildren]) -> tuple[str, ...]:
    """The name of each module by the one around it; the outermost goes by its class."""
    names = []
    parent: NamesChildren | None = None
    for owner in owners:
        names.append((parent is not None and parent.child_name(owner)) or type(owner).__name__)
        parent = owner
    return tuple(names)
