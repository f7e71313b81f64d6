"""No Python code crashes the core, whatever it does to nodes, and whenever.

Random programs run in processes of their own (`chaos`), and so do those below, each of which once ended its process, or
might: they print what they come to.
"""

import os
import signal
import subprocess
import sys
from textwrap import dedent

import pytest
from hypothesis import given

from autodiff import native
from tests.native.chaos import PROGRAMS, fate, run_program

pytestmark = pytest.mark.skipif(native.core is None, reason="there is no core")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="each program runs in a process of its own")


@forks
@given(PROGRAMS)
def test_no_program_crashes(program: tuple[list[str], list[str], bool]) -> None:
    assert fate(lambda: run_program(*program)) == ""


def printed(code: str, status: int = 0, *options: str) -> list[str]:
    """What a new process prints that runs the code."""
    preamble = "import gc, os, sys, threading, time, signal, pickle, copy, weakref\nimport autodiff as ad\n"
    imports = "from autodiff import Value, native, primitives\nfrom autodiff.native import Node\ncore = native.core\n"
    command = [sys.executable, "-X", "faulthandler", *options, "-c", preamble + imports + dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stderr
    return done.stdout.splitlines()


# --- what the collector, or an object that goes, may do in the middle of a call ---


def test_operands_may_be_assigned_while_they_are_read() -> None:
    code = """
    y = primitives.sum(*[Value(float(i)) for i in range(30)])
    def meanwhile(phase, info):
        y.operands = (Value(2.0),)
        y.local_gradients = (1.0,)
    gc.callbacks.append(meanwhile)
    gc.set_threshold(1)
    for _ in range(100):
        y.operands = tuple([Value(float(i)) for i in range(30)])
        y.local_gradients = (1.0,) * 30
        for z in y.operands + y.local_gradients:
            z * 2.0
        copy.copy(y), pickle.dumps(y), y.backward()
    print("alive")
    """
    assert printed(code) == ["alive"]


def test_a_node_that_was_kept_alive_as_one_of_a_subclass_may_come_to_hold_anything() -> None:
    code = """
    class Risen(Value):
        __slots__ = ()
        def __del__(self): risen.append(self)
    class Text(str): pass
    risen = []
    x = Value(1.0) * 2.0
    x.__class__ = Risen
    del x
    (x,) = risen
    x.__class__ = Value
    x.label = Text("label")
    x.op = print
    print(x.label, (x * 2.0).data, gc.is_tracked(x))
    """
    assert printed(code) == ["label 4.0 True"]


def test_no_list_is_found_that_is_still_to_be_filled() -> None:
    code = """
    found = 0
    def meanwhile(phase, info):
        global found
        for x in gc.get_objects():
            if type(x) in (list, tuple) and len(x) == 5000:
                found += sum(1 for y in x)
    gc.callbacks.append(meanwhile)
    numbers = [0.5] * 5000
    values = [Value(x) for x in numbers]
    gc.set_threshold(50)
    made = [ad.sum(values), ad.dot(values, values), primitives.sum(*values), primitives.max(*values)]
    for y in made:
        y.operands, y.local_gradients
        y.backward()
    print(found > 0)
    """
    assert printed(code) == ["True"]


def test_no_node_is_found_that_an_int_which_is_too_large_leaves_half_made() -> None:
    code = """
    class Text(str): pass
    x = Value(1.0)
    x.label = Text("x")
    gc.callbacks.append(lambda *_: [y.operands for y in gc.get_objects() if type(y) is Value])
    gc.set_threshold(1)
    for _ in range(20):
        try: 1 / 0
        except ZeroDivisionError:
            try: primitives.maximum(x, 10**400)
            except OverflowError: pass
    print("alive")
    """
    assert printed(code) == ["alive"]


def test_a_rule_may_read_the_local_gradients_that_are_still_to_be_filled_in() -> None:
    code = """
    def reads(out, x, y):
        return float(len([(z[0], z[1]) for z in gc.get_objects() if type(z) is tuple and len(z) == 2]) > 0)
    op = ad.primitive("op", evaluate=lambda x, y: x, partials=[reads, reads])
    print(op(Value(2.0), 3.0).local_gradients)
    """
    assert printed(code) == ["(1.0, 1.0)"]


def test_a_thread_that_waits_while_a_node_goes_keeps_no_other_node() -> None:
    code = """
    class Text(str):
        def __del__(self):
            if self == "waits": entered.set(); go.wait()
    entered, go = threading.Event(), threading.Event()
    def drop():
        x = Value(1.0); x.label = Text("waits")
    thread = threading.Thread(target=drop)
    thread.start()
    entered.wait()
    x = Value(1.0); x.label = Text("goes")
    gone = weakref.ref(x.label)
    y = x * 2.0
    del x, y
    print(gone() is None)
    if hasattr(os, "fork"):
        child = os.fork()
        if not child:
            x = Value(1.0); x.label = Text("goes"); gone = weakref.ref(x.label); del x
            os._exit(gone() is not None)
        print(os.waitpid(child, 0)[1])
    go.set()
    thread.join()
    """
    assert printed(code) == ["True", "0"] if hasattr(os, "fork") else ["True"]


def test_rules_may_reassign_themselves_and_each_other() -> None:
    code = """
    def evaluate(x):
        del op.evaluate
        op.partials = (slope,) if len(made) % 2 else [slope]
        made.append(x)
        return 2.0 * x
    def slope(out, x):
        try: del op.partials
        except AttributeError: pass
        op.evaluate = evaluate
        gc.collect()
        return 2.0
    made = []
    op = ad.primitive("op", evaluate=evaluate, partials=[slope])
    op.evaluate = evaluate
    for _ in range(50):
        try: print(op(Value(1.0)).local_gradients) if not made else op(Value(1.0))
        except (AttributeError, TypeError): op.evaluate, op.partials = evaluate, (slope,)
    exp = primitives.exp
    for _ in range(20):  # a new rule may lie where the first one lay
        exp.partials = [lambda out, x: 7.0]
        assert exp(Value(1.0)).local_gradients == (7.0,)
    print(len(made))
    """
    assert printed(code)[-1] == "50"


# --- threads, forks, interrupts ---


def test_threads_that_build_and_drop_graphs_of_shared_leaves_lose_nothing() -> None:
    code = """
    sys.setswitchinterval(1e-6)
    class Text(str):
        def __del__(self): time.sleep(0)
    x, w = Value(2.0), [Value(1.0) for _ in range(4)]
    def work():
        for i in range(100):
            y = ad.dot(w, [x * 1.0, 1.0, x.exp(), 2.0]) + ad.sum([x, x * x]) + ad.logsumexp([x, 1.0])
            y.label = Text(i)
            (x * 3.0).backward()
            copy.copy(y), ad.Value(1.0, "label"), y.operands
            with ad.no_grad():
                y * 2.0
            y = x
            for _ in range(100): y = y * 1.0
            del y
    threads = [threading.Thread(target=work) for _ in range(16)]
    [t.start() for t in threads], [t.join() for t in threads]
    print(x.grad)
    """
    assert printed(code) == ["4800.0"]


def test_a_million_nodes_are_freed_on_a_small_stack() -> None:
    code = """
    def work():
        y = Value(1.0)
        for _ in range(1_000_000): y = y * 1.0
        y.backward()
        del y
        for _ in range(100_000): gone = Kin(1.0)
        y = Value(1.0)
        for _ in range(100_000):
            y = y + 1.0
            y.label = Text("x")
        y = Kin(1.0)
        for _ in range(30_000):
            z = Kin(1.0); z.operands, z.local_gradients, z.op = (y,), (1.0,), primitives.exp
            y = z
        del y, z
        print("freed")
    class Kin(Value): pass
    class Text(str): pass
    threading.stack_size(256 * 1024)
    thread = threading.Thread(target=work)
    thread.start(), thread.join()
    """
    assert printed(code) == ["freed"]


@forks
def test_a_process_may_fork_in_the_middle_of_a_call() -> None:
    code = """
    def evaluate(x):
        child = os.fork()
        children.append(child)
        return 2.0 * x
    class Text(str):
        def __del__(self): children.append(os.fork())
    children = []
    x = Value(3.0)
    y = ad.primitive("op", evaluate=evaluate, partials=[lambda out, x: 2.0])(x) * x
    x.label = Text("x")
    x.label = ""
    y.backward()
    del y
    for child in children:
        try: child and os.waitpid(child, 0)
        except ChildProcessError: pass  # it is the parent's
    sys.stdout.write(f"{x.grad}\\n")
    """
    assert printed(code) == ["12.0"] * 4


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no timer")
def test_an_interrupt_anywhere_leaves_all_as_it_should_be() -> None:
    code = """
    def interrupted(*_): raise KeyboardInterrupt
    signal.signal(signal.SIGALRM, interrupted)
    own = ad.primitive("own", evaluate=lambda x: 2.0 * x, partials=[lambda out, x: 2.0])
    x, w, count = Value(0.5), [Value(1.0) for _ in range(50)], 0
    with ad.record_source(): x + 1.0  # sysconfig, which it asks, does not get over an interrupt the first time
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0002 + count % 17 * 0.0001)
                while True:
                    y = own(x) * x + ad.dot(w, w) + ad.softmax([x, x * 2.0])[0]
                    for _ in range(100): y = y * 1.0
                    with ad.no_grad(): y * 2.0
                    y.backward()
                    y.operands, copy.copy(y), y.label, Value(2), y > 1
                    with ad.record_source(): y + 1
                    y.data = 2
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0.0)
        except KeyboardInterrupt:
            count += 1
    x.grad = 0.0
    thread = threading.Thread(target=(own(x) * x + ad.dot(w, w)).backward)
    thread.start(), thread.join(10.0)
    print(count > 100, x.grad, thread.is_alive())
    """
    assert printed(code) == ["True 2.0 False"]


def test_errors_and_interrupts_raised_in_callbacks_come_through() -> None:
    code = """
    def evaluate(x):
        signal.raise_signal(signal.SIGINT)
        return x
    class Number(float):
        def __float__(self): raise MemoryError("on purpose")
    for call in [lambda: ad.primitive("op", evaluate=evaluate, partials=[lambda out, x: 1.0])(Value(1.0)),
                 lambda: setattr(Value(1.0), "data", Number(1.0)), lambda: Node.__init__(Value(1.0), Number(1.0))]:
        try: call()
        except BaseException as error: print(type(error).__name__)
    """
    assert printed(code)[0] == "KeyboardInterrupt"


# --- the end of the interpreter, other interpreters, other imports ---


@pytest.mark.parametrize("trial", range(3))
def test_the_interpreter_may_end_while_graphs_and_threads_live(trial: int) -> None:
    code = """
    import atexit
    class Text(str):
        def __del__(self): (Value(1.0) * 2.0).backward()
    class Kin(Value):
        def __del__(self): (self * 2.0).exp().backward()
    def build():
        while True:
            y = Value(1.0); y.label = Text("x")
            for _ in range(50): y = y * 1.0 + 1.0
            y.backward()
    for _ in range(4): threading.Thread(target=build, daemon=True).start()
    x = Value(1.0); x.label = Text("global")
    kin = Kin(2.0)
    kin.me = kin, x * kin
    sys.kin = kin * 3.0
    own = ad.primitive("own", evaluate=lambda x: 2.0 * x, partials=[lambda out, x: 2.0])
    y = own(x)
    own.y = y
    @atexit.register
    def last(): print((own(x) * kin).data)
    sys.setswitchinterval(1e-5)
    time.sleep(0.05)
    """
    assert printed(code) == ["4.0"]


def test_another_interpreter_does_without_the_core() -> None:
    code = """
    try: import _interpreters as interpreters
    except ImportError: import _xxsubinterpreters as interpreters
    here = core is not None
    for _ in range(2):
        other = interpreters.create()
        work = f"import sys; sys.path[:] = {sys.path!r}; import autodiff as ad; from autodiff import native"
        work += "; x = ad.Value(3.0); (x * x).backward()"
        work += "; assert x.grad == 6.0 and native.core is None and native.reason, native.reason"
        error = interpreters.run_string(other, work) if sys.version_info < (3, 13) else interpreters.exec(other, work)
        interpreters.destroy(other)
        x = Value(3.0)
        (x * x).backward()
        print(error, x.grad, (native.core is not None) == here)
    """
    assert printed(code) == ["None 6.0 True"] * 2


def test_the_package_may_be_imported_again_beside_values_of_the_first() -> None:
    code = """
    import importlib, importlib.util
    old, x = Value, Value(3.0)
    y = x * x
    importlib.reload(native)
    if core is not None: importlib.reload(core)
    for name in [name for name in sys.modules if name.partition(".")[0] == "autodiff"]: del sys.modules[name]
    import autodiff as again
    z = again.Value(3.0)
    (z * z + again.dot([z], [z])).backward()
    print(again.Value is old, z.grad)
    try: y.backward(), y + 1.0, y.exp(), x * z
    except Exception: pass
    made = [Value(1.0) * 2.0 for _ in range(3000)] + [again.Value(1.0) * 2.0 for _ in range(3000)]
    del made, x, y
    made = [Value(1.0) * 2.0 for _ in range(3000)] + [again.Value(1.0) * 2.0 for _ in range(3000)]
    """
    assert printed(code) == ["False 12.0"]


def test_the_core_is_bound_to_classes_of_nodes_alone() -> None:
    code = """
    class Roomy(Node): pass
    given = {}
    while True:  # it asks for one after the other
        try: core.bind(**given)
        except TypeError as error:
            name = str(error).rpartition(" ")[2]
            if name in given or not name.isidentifier(): break
            given[name] = print
    for value in (None, 3, int, type, Roomy, Value(1.0)):
        for nothing in (0.0, None):
            try: core.bind(**given | {"value": value, "sourced": value, "nothing": nothing})
            except TypeError: print("refused")
    print((Value(2.0) * 3.0).data)
    """
    assert printed(code) == ["refused"] * 12 + ["6.0"]


# --- recursion, memory, pickles ---


def test_recursion_through_rules_and_labels_ends_in_an_error() -> None:
    code = """
    op = ad.primitive("op", evaluate=lambda x: x, partials=[lambda out, x: op(Value(x)).data])
    op.evaluate = lambda x: op(Value(x)).data
    try: op(Value(1.0))
    except RecursionError: print("RecursionError")
    op.evaluate = lambda x: op(x)
    try: op(Value(1.0))
    except RecursionError: print("RecursionError")
    class Kin(Value):
        def __add__(self, other): return self + other
    try: Kin(1.0) + 1.0
    except RecursionError: print("RecursionError")
    """
    assert printed(code) == ["RecursionError"] * 3


def test_no_memory_is_an_error_wherever_it_happens() -> None:
    """But in Python functions: there Python 3.12 and 3.13 crash by themselves."""
    pytest.importorskip("_testcapi")
    code = """
    import _testcapi
    own = ad.primitive("own", evaluate=lambda x: 2.0 * x, partials=[lambda out, x: 2.0])
    x, y = Value(0.5), Value(2.0, "y")
    w = [Value(float(i)) for i in range(5)]
    z = x * y + 1.0
    calls = [lambda: x * y, lambda: -x, lambda: x + 3, lambda: x ** y, lambda: Value(1.0) * 2.0 * x, lambda: x > 10**5,
             lambda: Value(1.0, "a"), lambda: Value(2), lambda: z.operands, lambda: z.local_gradients, lambda: z.label,
             lambda: setattr(z, "operands", (x, y, x)), lambda: setattr(z, "op", own), lambda: setattr(z, "data", 2.0),
             lambda: Node.__init__(z, 1.0, own, (x,)), lambda: primitives.exp(x), lambda: primitives.max(*w),
             lambda: primitives.softmax(x, y), lambda: core.dot_of_lists(w, w), lambda: primitives.sum(*w),
             lambda: core.leaves_below([z]), lambda: core.ordered((z,), set()), lambda: core.pass_from(z, 1.0),
             lambda: core.numbers_of(w, "data"), lambda: core.descend_by(w, [0.1] * 5)]
    raised = 0
    for call in calls:
        for start in range(12):
            many = [Value(1.0) for _ in range(9000)]  # more than are kept for the next ones
            try:
                _testcapi.set_nomemory(start, start + 1)
                try: call()
                finally: _testcapi.remove_mem_hooks()
            except MemoryError: raised += 1
            except Exception: pass
    x.grad = y.grad = 0.0
    (x * y).backward()
    print(raised > 20, x.grad, y.grad)
    """
    assert printed(code) == ["True 2.0 0.5"]


def test_pickles_of_all_protocols_and_broken_ones_are_refused_or_right() -> None:
    code = """
    y = (Value(2.0, "x") * 3.0).exp()
    takes = [pickle.dumps, lambda x, _: copy.copy(x), lambda x, p: x.__reduce_ex__(p), lambda x, _: copy.deepcopy(x)]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        if pickle.loads(pickle.dumps(y, protocol)).data != y.data: print("wrong")
        for x in (Node(), ad.primitive("own", evaluate=abs, partials=[abs])):
            for take in takes:
                try: take(x, protocol)
                except Exception: pass
    for kind in (Value, Node, type(primitives.exp)):
        for make in (object.__new__, Node.__new__, native.Operation.__new__, kind.__new__):
            try: print(repr(make(kind))[:0], end="")
            except (TypeError, AttributeError): pass
    data = pickle.dumps(y)
    for i in range(len(data)):
        for byte in (0, 75, 133, 255):
            try: repr(pickle.loads(data[:i] + bytes([byte]) + data[i + 1:]))
            except Exception: pass
    print("alive")
    """
    assert printed(code) == ["alive"]
