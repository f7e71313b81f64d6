"""Programs that do whatever Python can do to nodes, and a process of their own to run them in.

A program is a list of lines, each a statement on `v`, a list of Values, classes and oddities, to which most lines add
one more. Others are run in the middle of calls, again and again: when an oddity is converted, compared, called or
freed, and whenever the collector comes, which is often.
"""

import gc
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from traceback import format_exc
from typing import Any

from hypothesis import strategies as st

PREAMBLE = '''
import contextvars, copy, gc, operator, pickle, sys
import autodiff as ad
from autodiff import Value, backprop, fast, functions, graph, modes, native, primitives, value
from autodiff.native import Node, Operation
from autodiff.primitives import TABLE, Primitive
from autodiff.value import SourcedValue

core, others, count, depth = native.core, [], 0, 0
sys.unraisablehook = lambda _: None  # errors in __del__

def meanwhile(*_):
    """Run one of the other lines, in the middle of whatever goes on.

    In a context of its own: Python 3.11 crashes where a variable is set twice at once in one.
    """
    global count, depth
    if others and count < 500 and depth < 2:
        count += 1
        depth += 1
        try:
            contextvars.copy_context().run(run, others[count % len(others)])
        finally:
            depth -= 1

def run(line):
    try:
        exec(line, globals())
    except Exception:
        pass
    if len(v) > 400:
        del v[100:300]

class Odd:
    """An object that runs another line whenever it is asked for anything."""
    def __init__(self, answer=1.5): self.answer = answer
    def __float__(self): meanwhile(); return self.answer
    def __index__(self): meanwhile(); return 2
    def __call__(self, *args, **kwargs): meanwhile(); return self.answer
    def __eq__(self, other): meanwhile(); return True
    def __hash__(self): meanwhile(); return 7
    def __iter__(self): meanwhile(); yield self.answer; meanwhile(); yield self.answer
    def __getitem__(self, i): meanwhile(); return self.answer if i < 2 else [][0]
    def __len__(self): meanwhile(); return 2
    def __bool__(self): meanwhile(); return True
    def __add__(self, other): meanwhile(); return self.answer
    __radd__ = __mul__ = __rmul__ = __rsub__ = __lt__ = __add__
    def __del__(self): meanwhile()

class Text(str):
    def __del__(self): meanwhile()

class Tuple(tuple):
    def __del__(self): meanwhile()

class Number(float):
    def __add__(self, other): meanwhile(); return Number(1.0)
    __radd__ = __mul__ = __rmul__ = __add__
    def __del__(self): meanwhile()

class Plain(Value):
    __slots__ = ()

class Roomy(Value):
    def __del__(self): meanwhile()

class Risen(Value):
    __slots__ = ()
    def __del__(self): v.append(self); meanwhile()

class Slotted(Value):
    __slots__ = ("a", "__weakref__")

class Overriding(Value):
    def __add__(self, other): meanwhile(); return super().__add__(other)
    def __radd__(self, other): meanwhile(); return NotImplemented
    def __eq__(self, other): meanwhile(); return False
    def __hash__(self): meanwhile(); return 3
    def __bool__(self): meanwhile(); return False
    def __getattr__(self, name): meanwhile(); raise AttributeError(name)
    @property
    def data(self): meanwhile(); return 2.5
    @data.setter
    def data(self, x): meanwhile()

class Bare(Node):
    __slots__ = ()

class Operating(Operation):
    def __call__(self, *args): meanwhile(); return 1.0

class Described(Primitive):
    def __call__(self, *args): meanwhile(); return super().__call__(*args)

def own(evaluate=lambda x: 2.0 * x, slope=lambda out, x: 2.0):
    return ad.primitive("own", evaluate=evaluate, partials=[slope])

x, y = Value(2.0), Value(-1.0, "y")
v = [x, x * 3.0, primitives.sum(x, y, x, 4.0), ad.dot([x, y], [1.0, x]), own()(x), Plain(1.0) * y, Risen(1.0),
     Roomy(1.0), [x, y, x * y], [1.0, x], y, 1.5, 0.0, float("nan"), float("inf"), 3, 10**400, True, None, "text", (),
     (1.0, 2.0), [], {}, Odd(), Odd("x"), Text("label"), Number(2.0), Plain(1.0), Slotted(1.0), Overriding(1.0), Node(),
     Bare(2.0), own(), own(Odd(), Odd()), Operating(), Value, Roomy, Plain, Node, Bare, SourcedValue, primitives.exp,
     primitives.add, primitives.dot, primitives.softmax, Tuple((1.0, 2.0)), {Value(2.0): 1.0}, {1.0}, object(), type,
     meanwhile]
'''

_COMPILED = compile(PREAMBLE, "chaos", "exec")

# --- programs ---

_INDEX = st.one_of(st.integers(0, 9), st.integers(0, 9), st.integers(-4, -1), st.integers(0, 60))
_ATTRIBUTES = ["data", "grad", "label", "op", "operands", "local_gradients", "source", "_model", "missing", "__class__"]
_RULES = ["evaluate", "partials", "arity", "name", "domain", "scales"]
_BINARY = ["+", "-", "*", "/", "**", "//", "%", "==", "!=", "<", "<=", ">", ">=", "@", "and", "or"]
_METHODS = [*"add sub mul truediv pow radd rsub rmul rtruediv rpow eq ne lt le gt ge".split()]
_UNARY = [
    *["-{}", "+{}", "abs({})", "bool({})", "repr({})", "float({})", "hash({})", "{}.exp()", "{}.tanh()", "{}.relu()"],
    *["{}.backward()", "{}.detach()", "copy.copy({})", "copy.deepcopy({})", "pickle.loads(pickle.dumps({}))"],
    *["list({})", "type({})({})", "{}()", "len({})", "{}.zero_grad()", "dir({})", "sys.getsizeof({})"],
    *["gc.get_referents({})", "graph.leaves({})", "graph.topological_order({})", "backprop.sound_order({})"],
]
_CORE = [*"ordered leaves_below pass_from adjoints_at tangents_at dot_of_lists numbers_of".split()]
_CORE += ["assign_numbers", "descend_by", "enter", "answer_calls", "bind", "Node", "Operation"]
_PRIMITIVES = ["exp", "add", "mul", "where", "maximum", "clip", "dot", "sum", "prod", "softmax", "logsumexp", "max"]
_WHOLE = [
    *["gc.collect()", "gc.set_threshold(1)", "gc.set_threshold(700)", "gc.freeze()", "gc.get_objects()"],
    *["gc.callbacks.append(meanwhile)", "gc.callbacks.clear()", "fast.unbind()", "fast.bind()", "v.clear()"],
    *["v.reverse()", "del v[:40]", "context = ad.no_grad().__enter__()", "sys.setrecursionlimit(300)"],
    "Value.__del__ = meanwhile",
]
_SLOPES = ["1.0,", "1.0, 2.0", "", "0.0, 1.0, 2.0", "None,"]


def _at(i: int) -> str:
    return f"v[{i} % len(v)]"


_X = _INDEX.map(_at)
_SEVERAL = st.lists(_X, max_size=4).map(", ".join)
_KEPT: Sequence[st.SearchStrategy[str]] = [
    st.builds("{} {} {}".format, _X, st.sampled_from(_BINARY), _X),
    st.builds("{} * {} + {}".format, _X, _X, _X),
    st.builds(lambda form, x: form.replace("{}", x), st.sampled_from(_UNARY), _X),
    st.builds("getattr({}, {!r})".format, _X, st.sampled_from([*_ATTRIBUTES, *_RULES])),
    st.builds("Node.__{}__({}, {})".format, st.sampled_from(_METHODS), _X, _X),
    st.builds("core.{}({})".format, st.sampled_from(_CORE), _SEVERAL),
    st.builds("primitives.{}({})".format, st.sampled_from(_PRIMITIVES), _SEVERAL),
    st.builds("{}({})".format, _X, _SEVERAL),
    st.builds("{}.__new__({})".format, _X, _X),
    st.builds("Value({}, {})".format, _X, _X),
    st.builds("({},)".format, _SEVERAL),
    st.builds("[{}]".format, _SEVERAL),
    st.builds("[x for x in {} if isinstance(x, Value)]".format, _X),
    st.builds("own({}, {})".format, _X, _X),
    st.builds("ad.dot({}, {})".format, _X, _X),
    st.builds("ad.grad(lambda x: x * {})({})".format, _X, _X),
    st.builds("Text({})".format, _X),
    st.builds("Odd({})".format, _X),
    st.just("meanwhile"),
]
_DONE: Sequence[st.SearchStrategy[str]] = [
    st.builds("setattr({}, {!r}, {})".format, _X, st.sampled_from(_ATTRIBUTES), _X),
    st.builds("{}.operands = ({},)".format, _X, st.lists(_X, min_size=1, max_size=4).map(", ".join)),
    st.builds("{}.local_gradients = ({})".format, _X, st.sampled_from(_SLOPES)),
    st.builds("setattr({}, {!r}, {})".format, _X, st.sampled_from(_RULES), _X),
    st.builds("setattr(primitives.{}, {!r}, {})".format, st.sampled_from(_PRIMITIVES), st.sampled_from(_RULES), _X),
    st.builds("delattr({}, {!r})".format, _X, st.sampled_from([*_ATTRIBUTES, *_RULES])),
    st.builds("Node.__init__({}, {})".format, _X, _SEVERAL),
    st.builds("Value.__init__({}, {})".format, _X, _SEVERAL),
    st.builds("{}.__class__ = {}".format, _X, st.sampled_from(["Value", "Plain", "Risen", "Bare", "Node", "Roomy"])),
    st.builds("{}.append({})".format, _X, _X),
    st.builds("{}.clear()".format, _X),
    st.builds("{}.extend([{}] * 50)".format, _X, _X),
    st.builds("del {}".format, _X),
    st.builds("{} = {}".format, _X, _X),
    st.builds("{}.backward({})".format, _X, _X),
    st.builds("Value.{} = {}".format, st.sampled_from(["__add__", "__init__", "extra"]), _X),
    st.sampled_from(_WHOLE),
]  # fmt: skip
LINES = st.one_of([*_KEPT, *_KEPT]).map("v.append({})".format) | st.one_of(_DONE)
PROGRAMS = st.tuples(st.lists(LINES, min_size=1, max_size=50), st.lists(LINES, max_size=5), st.booleans())
"""Of lines, of others that are run meanwhile, and whether that is whenever the collector comes."""

# --- a process of its own ---


def _lived(work: Callable[[], None], report: int) -> None:
    """What the child does: it never returns to the tests."""
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(30)
        gc.freeze()  # the tests' own objects are not looked at again, nor copied for it
        work()
        code = 0
    except BaseException:
        os.write(report, format_exc()[-4000:].encode())
    finally:
        os._exit(code)


def fate(work: Callable[[], None]) -> str:
    """How a process ends that does the work: "" for well, else by what signal, or with what error."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _lived(work, writing)
    os.close(writing)
    said = b""
    limit = time.monotonic() + 60
    while time.monotonic() < limit and select.select([reading], [], [], limit - time.monotonic())[0]:
        some = os.read(reading, 4096)
        if not some:
            break
        said += some
    else:
        os.kill(child, signal.SIGKILL)
    os.close(reading)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return "" if status == 0 else f"{signal.Signals(-status).name if status < 0 else status}: {said.decode()}"


def run_program(lines: Sequence[str], others: Sequence[str], is_restless: bool) -> None:
    """Run a program, and let go of all that it made."""
    world: dict[str, Any] = {}
    exec(_COMPILED, world)
    world["others"].extend(others)
    if is_restless:
        gc.callbacks.append(world["meanwhile"])
        gc.set_threshold(1)
    for line in lines:
        world["run"](line)
    world["v"].clear()
    gc.callbacks.clear()
    gc.collect()
