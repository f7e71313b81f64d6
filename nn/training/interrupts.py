"""Ctrl-C in a loop that has something to put in order: the first one is noted, the second one interrupts."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Self


class Interrupts:
    """A with block that notes Ctrl-C, in the main thread, where Python's own handler is in place.

    Attributes:
        noted: whether it was pressed.

    >>> with Interrupts() as interrupts:
    ...     signal.raise_signal(signal.SIGINT)
    >>> interrupts.noted
    True
    """

    noted = False
    _own = _is_held = _again = False

    def __enter__(self) -> Self:
        self._process = os.getpid()
        ours = threading.current_thread() is threading.main_thread()
        self._own = ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._own:
            signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.noted and not self._is_held:
            raise KeyboardInterrupt
        self.noted, self._again = True, self.noted
        if not self._again and os.getpid() == self._process:  # forked workers have this handler, too
            with suppress(RuntimeError):  # it may have come while stderr, which cannot be entered twice, was written to
                print("\nStopping after this batch; Ctrl-C again stops at once.", file=sys.stderr)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let a block run to its end: the second Ctrl-C interrupts after it."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
            if self._again:
                raise KeyboardInterrupt

    def __exit__(self, *error: object) -> None:
        if self._own:
            signal.signal(signal.SIGINT, signal.default_int_handler)
