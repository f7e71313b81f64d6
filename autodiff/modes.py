"""What is ambient while a graph is recorded: recording off, anomaly detection, the user's source lines, a reading.

One context variable holds the mode, None outside every context, so that an ordinary operation pays for a single look.
A mode counts while its `with` block runs (`autodiff.system.blocks`), which ends it whatever interrupts it; threads and
asynchronous tasks have their own.

Three settings of the mode say how Values record. A `Reading` records in their stead: it makes of each operation what
it likes, and the rules of the table, the transforms and the user's code go on as ever. This module declares what it is
asked; a trace of `compile` is one.

    >>> from autodiff import Value
    >>> with no_grad():
    ...     now().recording, (Value(2.0) * 3.0).op, reading()
    (False, None, None)
    >>> current() is None
    True
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar, cast, overload

from autodiff.chain import Arithmetic
from autodiff.sources import Calls
from autodiff.system.blocks import Block, Scope
from autodiff.system.inside import inside
from autodiff.system.logs import Logs

if TYPE_CHECKING:
    from autodiff.primitives import Primitive
    from autodiff.value import Value

Change = Literal["backward", "data", "grad"]
_F = TypeVar("_F", bound=Callable[..., Any])


class Reading(Protocol):
    """A recorder of operations on Values, which answers for them in place of the graph that they make themselves.

    While one is ambient, Values and primitives ask it. Values made before, or from constants alone, may be operands
    beside the reading's own.
    """

    @property
    def adjoints(self) -> Arithmetic:
        """The products and sums of the chain rule: what is nothing may turn out at every run."""

    def apply(self, primitive: "Primitive", operands: Sequence[Any], /) -> Any:
        """The result of an operation; called for each, with numbers and Values as they were given."""

    def compare(self, symbol: str, left: "Value", right: Any, /) -> Any:
        """The result of `left == right`, or `<`, as the symbol says: a bool, or a Value that stands for one."""

    def detach(self, x: "Value", /) -> Any:
        """A Value with the same data and no gradient; called by `x.detach()` and `copy.deepcopy(x)`."""

    def copy(self, x: "Value", /) -> Any:
        """Another node made from the same operands; called by `copy.copy(x)`."""

    def refuse_change(self, x: "Value", change: Change, /) -> None:
        """Raise if x must stay as it is; called before `x.backward()`, and before an assignment to its data or grad."""

    def is_constant(self, x: Any, /) -> bool:
        """Whether x is a number that the reading need not know of, so that its data may be looked at."""


class Mode(NamedTuple):
    """How operations are recorded: whether at all, checked for non-finite numbers, with the line they stand on.

    With a reading, that records them instead. `blocks` are those that made it so, each with what it changes, and
    `guards` tell whether they are there still; it `is_settled` unless one of them may be suspended. The native core
    finds the items by their places (compiler/tracer.c).
    """

    recording: bool = True
    checking: bool = False
    sourcing: Calls | None = None
    reading: Reading | None = None
    blocks: tuple[tuple[Block, dict[str, Any]], ...] = ()
    guards: tuple[Callable[[], Any], ...] = ()
    is_settled: bool = True


variable: ContextVar[Mode | None] = ContextVar("autodiff mode", default=None)
current = variable.get  # in the hottest code: None is no mode, anything else is for `now` to read


new_leaves = Logs("leaves")  # inside of a block; what else a graph made there depends on was there before


def now() -> Mode | None:
    """The mode that counts here, None for none."""
    mode = current()
    if mode is None:
        return None
    if mode.is_settled:
        for guard in mode.guards:
            if guard() is None:
                break  # an interrupt kept the block from being let go
        else:
            return mode
    left = [entry for entry in mode.blocks if not entry[0].is_over()]
    if len(left) < len(mode.blocks):
        variable.set(_mode_of(left))
    return _mode_of([entry for entry in left if entry[0].runs()])


def reading() -> Reading | None:
    """The reading under way, None outside."""
    mode = now()
    return None if mode is None else mode.reading


def _mode_of(blocks: list[tuple[Block, dict[str, Any]]]) -> Mode | None:
    """The mode that the blocks add up to, the innermost last."""
    changes: dict[str, Any] = {}
    is_settled = True
    for block, changed in blocks:
        changes.update(changed)
        is_settled = is_settled and not block.may_be_suspended
    guards = tuple([block.alive for block, _ in blocks])
    return Mode(**changes, blocks=tuple(blocks), guards=guards, is_settled=is_settled) if blocks else None


def change(block: Block, **changes: Any) -> None:
    """Change the mode while the block runs."""
    mode = current()
    variable.set(_mode_of([*(() if mode is None else mode.blocks), (block, changes)]))


def restore(block: Block) -> None:
    """Let go of what the block changed."""
    mode = current()
    if mode is not None:
        variable.set(_mode_of([entry for entry in mode.blocks if entry[0] is not block and not entry[0].is_over()]))


class Context(Scope):
    """The result of `no_grad()` and its like: for `with` statements, as often as you like, or as a decorator."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    def begin(self, block: Block) -> None:
        sourcing = {"sourcing": Calls()} if self.changes.get("sourcing") else {}
        change(block, **self.changes | sourcing)

    def end(self, block: Block) -> None:
        restore(block)

    def __call__(self, f: _F) -> _F:
        """f, run inside the context; a generator or coroutine has it in its body, not whoever drives it."""
        if not callable(f):
            raise TypeError(f"expected a function to decorate, got {type(f).__name__} {f!r}; write with ...():")
        return cast(_F, inside(self, f))


# --- for the engine itself ---


def recording() -> AbstractContextManager[None]:
    """A context in which operations are recorded, even inside `no_grad()`."""
    mode = now()
    return nullcontext() if mode is None or mode.recording else Context(recording=True)


def plainly() -> Context:
    """A context in which operations are recorded as if nothing were ambient."""
    return Context(recording=True, checking=False, sourcing=None, reading=None)


def on_numbers_alone() -> Context:
    """A context in which Values are mere IEEE 754 numbers: nothing is recorded, checked or remembered."""
    return Context(recording=False, checking=False, sourcing=None, reading=None)


# --- for everyone ---


@overload
def no_grad() -> Context: ...
@overload
def no_grad(f: _F) -> _F: ...
def no_grad(f: Any = None) -> Any:
    """A context in which nothing is recorded: results are leaves.

    Also a decorator, with or without parentheses, of functions, generator functions and coroutine functions. A context
    can be entered again. Around a `yield` it counts for the generator alone, not for the code that it yields to; but
    around the `yield` of a context manager of your own, by `contextlib.contextmanager`, or of a pytest fixture, for
    what runs inside of that. Tasks and threads that are given a copy of this context have it, too.

    >>> from autodiff import Value, no_grad
    >>> x = Value(2.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.data, y.op, y.operands
    (4.0, None, ())
    >>> @no_grad
    ... def square(x): return x * x
    >>> square(x).op is None, (x * x).op is None
    (True, False)
    """
    return _context(f, recording=False)


@overload
def detect_anomaly() -> Context: ...
@overload
def detect_anomaly(f: _F) -> _F: ...
def detect_anomaly(f: Any = None) -> Any:
    """A context in which the first result or gradient that is not finite raises FloatingPointError.

    The error names the operation that made the number, its operands and the user's source line, which nodes made here
    remember, as in `record_source()`. A `backward()` inside the context that meets one leaves every gradient as it was.
    Also a decorator, as `no_grad`.

    >>> from autodiff import Value, detect_anomaly
    >>> x = Value(0.0, label="x")
    >>> with detect_anomaly():  # doctest: +ELLIPSIS
    ...     x.log()
    Traceback (most recent call last):
    FloatingPointError: log made -inf from Value(0.0, grad=0.0, label='x')
      at ...
    """
    return _context(f, checking=True, sourcing=True)


@overload
def record_source() -> Context: ...
@overload
def record_source(f: _F) -> _F: ...
def record_source(f: Any = None) -> Any:
    """A context in which nodes remember where they were made, as `.source`.

    A source has the user's `filename` and `line`, and `modules`, the names of the nn modules whose call made the node,
    outermost first. Outside the context `.source` is None, and nothing is paid for it. Also a decorator, as `no_grad`.

    >>> from autodiff import Value, record_source
    >>> with record_source():
    ...     y = Value(2.0) * 3.0
    >>> y.source.line > 0, (y * 2.0).source
    (True, None)
    """
    return _context(f, sourcing=True)


def _context(f: Callable[..., Any] | None, **changes: bool) -> Any:
    context = Context(**changes)
    return context if f is None else context(f)


def described(primitive: Any, data: float, operands: tuple[Any, ...]) -> str:
    """The result of an operation and its operands, in one line."""
    shown = [repr(x) for x in operands[:8]] + ["..."] * (len(operands) > 8)
    return f"{primitive.name} made {data} from {', '.join(shown)}"
