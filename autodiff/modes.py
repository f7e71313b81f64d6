"""What is ambient while a graph is recorded: recording off, anomaly detection, the user's source lines.

One context variable holds the mode, None outside every context, so that an ordinary operation pays for a single look.
Each context sets it for its `with` block (or decorated function) and restores it however the block is left; threads
and asynchronous tasks have their own.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from types import FrameType
from typing import Any, NamedTuple

from autodiff.nothing import NOTHING, local_gradients


class Mode(NamedTuple):
    """How operations are recorded: whether at all, checked for non-finite numbers, with the line they stand on.

    Inside a trace of `compile`, the trace records them instead, and knows what depends on its inputs.
    """

    recording: bool = True
    checking: bool = False
    sourcing: bool = False
    trace: Any = None


class Source(NamedTuple):
    """Where a node was made: the user's file and line, and the modules around it, outermost first."""

    filename: str
    line: int
    modules: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.filename}:{self.line}" + (f" in {'.'.join(self.modules)}" if self.modules else "")


_mode: ContextVar[Mode | None] = ContextVar("autodiff mode", default=None)
current = _mode.get


class _changed(AbstractContextManager[None]):  # noqa: N801  # no generator: those run on when an interrupt abandons them
    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    def __enter__(self) -> None:
        self.token = _mode.set((current() or Mode())._replace(**self.changes))

    def __exit__(self, *error: object) -> None:
        _mode.reset(self.token)


def recording() -> AbstractContextManager[None]:
    """Return a context in which operations are recorded, even inside `no_grad()`."""
    mode = current()
    return nullcontext() if mode is None or mode.recording else _changed(recording=True)


# The leaves made since each `logging_leaves()` around began, a list for each.
_logs: ContextVar[tuple[list[Any], ...]] = ContextVar("autodiff leaves", default=())


def log_leaves(leaves: Iterable[Any]) -> None:
    """Put new leaves on the list of each `logging_leaves()` around."""
    for log in _logs.get():
        log.extend(leaves)


class logging_leaves(AbstractContextManager[list[Any]]):  # noqa: N801
    """A context that lists the leaves made in it: what else a graph made there depends on was there before."""

    def __enter__(self) -> list[Any]:
        log = list[Any]()
        self.token = _logs.set((*_logs.get(), log))
        return log

    def __exit__(self, *error: object) -> None:
        _logs.reset(self.token)


def on_numbers_alone() -> AbstractContextManager[None]:
    """Return a context in which Values are mere IEEE 754 numbers: nothing is recorded, checked or remembered."""
    return _changed(recording=False, checking=False, sourcing=False, trace=None)


def tracing(trace: Any) -> AbstractContextManager[None]:
    """Return a context in which a trace records what is done; with None, one outside of every trace."""
    return _changed(recording=True, checking=False, sourcing=False, trace=trace)


def current_trace() -> Any:
    """Return the trace under way, None outside."""
    mode = current()
    return None if mode is None else mode.trace


@contextmanager
def no_grad() -> Iterator[None]:
    """Return a context in which nothing is recorded: results are leaves.

    >>> from autodiff import Value, no_grad
    >>> x = Value(2.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.data, y.op, y.operands
    (4.0, None, ())
    """
    with _changed(recording=False):
        yield


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Return a context in which the first operation on Values with a result that is not finite, and the
    first gradient that is not, raises FloatingPointError.

    The error names the operation that made the number, its operands and the user's source line, which nodes made here
    remember, as in `record_source()`. A `backward()` inside the context that meets one leaves every gradient as it was.

    >>> from autodiff import Value, detect_anomaly
    >>> x = Value(0.0, label="x")
    >>> with detect_anomaly():  # doctest: +ELLIPSIS
    ...     x.log()
    Traceback (most recent call last):
    FloatingPointError: log made -inf from Value(0.0, grad=0.0, label='x')
      at ...
    """
    with _changed(checking=True, sourcing=True):
        yield


@contextmanager
def record_source() -> Iterator[None]:
    """Return a context in which nodes remember where they were made, as `.source`.

    A source has the user's `filename` and `line`, and `modules`, the names of the nn modules whose call made the node,
    outermost first. Outside the context `.source` is None, and nothing is paid for it.

    >>> from autodiff import Value, record_source
    >>> with record_source():
    ...     y = Value(2.0) * 3.0
    >>> y.source.line > 0, (y * 2.0).source
    (True, None)
    """
    with _changed(sourcing=True):
        yield


def check_gradients(order: list[Any], seeds: dict[Any, float]) -> None:
    """Run the backward pass aside from the graph; raise FloatingPointError at the first gradient that is not finite."""
    for seed in seeds.values():
        if seed - seed != 0.0:
            raise FloatingPointError(f"the gradient that the backward pass starts from is {seed}")
    gradients = {root: seed for root, seed in seeds.items() if seed}
    for node in reversed(order):
        upstream = gradients.get(node, NOTHING)
        for operand, local in zip(node.operands, local_gradients(node), strict=True):
            if upstream is not NOTHING and local is not NOTHING and type(operand) is not float:
                before = 0.0 if operand.operands else operand.grad
                gradient = gradients.get(operand, before) + upstream * local
                if gradient - gradient != 0.0:
                    raise FloatingPointError(
                        f"the gradient of {operand!r} became {gradient} in the backward pass through {node.op.name}: "
                        f"upstream {upstream} times local gradient {local}\n"
                        f"  {made_from(node.op, node.data, node.operands)}\n"
                        f"  at {node.source or 'an unknown line; run the forward pass inside detect_anomaly(), too'}"
                    )
                gradients[operand] = gradient


def made_from(primitive: Any, data: float, operands: tuple[Any, ...]) -> str:
    """Return what an operation made of what, in one line."""
    shown = [repr(x) for x in operands[:8]] + ["..."] * (len(operands) > 8)
    return f"{primitive.name} made {data} from {', '.join(shown)}"


def user_source() -> Source:
    """Return the source of the innermost frame of the user's own code, with the modules it runs in.

    That is neither this project's packages, nor the standard library or an installed package such as numpy, unless
    there is nothing else.
    """
    return user_source_and_model()[0]


def user_source_and_model() -> tuple[Source, Any]:
    """Return the same, and the outermost of the modules, None outside of all."""
    frames = list(_stack())
    others = [f for f in frames if f.f_globals.get("__name__", "").partition(".")[0] not in ("autodiff", "nn")]
    users = [f for f in others if not f.f_code.co_filename.startswith(_installed())]
    innermost = (users or others or frames)[0]
    owners = [owner for owner in map(_owner, reversed(frames)) if owner is not None]
    return Source(innermost.f_code.co_filename, innermost.f_lineno, _names(owners)), next(iter(owners), None)


def user_line() -> Source:
    """Return the same without the modules, a hundred times as fast."""
    for frame in _stack():
        ours = frame.f_globals.get("__name__", "").partition(".")[0] in ("autodiff", "nn")
        if not ours and not frame.f_code.co_filename.startswith(_installed()):
            return Source(frame.f_code.co_filename, frame.f_lineno)
    return user_source()


@cache
def _installed() -> tuple[str, ...]:
    from sysconfig import get_paths  # takes some milliseconds, and only this needs it

    paths = get_paths()
    return tuple({f"{paths[name]}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib")} | {"<frozen "})


def _stack() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _owner(frame: FrameType) -> object | None:
    """Return the module whose method runs in `frame`: a self that can name its children."""
    code = frame.f_code
    if code.co_varnames[:1] != ("self",):
        return None  # not, say, a function that is given a model
    owner = frame.f_locals.get("self")
    return owner if hasattr(type(owner), "child_name") else None


def _names(owners: list[Any]) -> tuple[str, ...]:
    """Return what each module is called by the one around it; the outermost by its class."""
    names = []
    parent = None
    for owner in owners:
        if owner is not parent:  # a module's method may call another one of its own
            names.append((parent is not None and parent.child_name(owner)) or type(owner).__name__)
        parent = owner
    return tuple(names)
