"""What cannot be part of a program is an error, which says where, and what to write instead."""

import functools
import gc
import math
import operator
import pickle
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from autodiff import Value, compile, grad, vjp, where
from autodiff.compiler import TracingError
from autodiff.compiler.calls import kept

ROOT = Path(__file__).parent.parent.parent


def _assigns(x: Any, w: Value) -> Any:
    w.data = 5.0
    return w * x


def _clears(x: Any, w: Value) -> Any:
    w.grad = 0.0
    return w * x


REFUSED: dict[str, tuple[Callable[[Any, Value], Any], str]] = {
    "data": (lambda x, w: x.data * 2, "x.data leaves the graph"),
    "grad": (lambda x, w: x.grad * 2, "x.grad leaves the graph"),
    "float": (lambda x, w: math.sin(x), r"float\(x\) leaves the graph"),
    "int": (lambda x, w: int(x), r"int\(x\) leaves the graph"),
    "index": (lambda x, w: [1, 2, 3][x], "index or a length"),
    "range": (lambda x, w: sum(x for _ in range(x)), "index or a length"),
    "format": (lambda x, w: f"{x:.2f}", "leaves the graph"),
    "backward": (lambda x, w: (x * w).backward(), r"backward\(\) inside a compiled function"),
    "backward of a leaf": (lambda x, w: w.backward(), r"backward\(\) inside a compiled function"),
    "assigned data": (_assigns, "x.data was assigned"),
    "assigned grad": (_clears, "x.grad was assigned"),
    "assigned tracer": (lambda x, w: setattr(x, "data", 1.0), "x.data was assigned"),
    "pickle": (lambda x, w: pickle.dumps(x), "leaves the graph"),
    "tilde": (lambda x, w: where(~(x > 0), x, w), "opposite comparison"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_stale_is_refused_with_its_line(name: str) -> None:
    f, message = REFUSED[name]
    w = Value(3.0)
    with pytest.raises(TracingError, match=message) as error:
        compile(lambda x: f(x, w), backend="python")(1.0)
    assert f"{Path(__file__).name}:" in str(error.value)
    assert (w.data, w.grad) == (3.0, 0.0)
    w.data = 4.0  # outside, Values are as ever
    assert w.data == 4.0


def _doubled_in_place(xs: Any) -> Any:
    xs[0] = xs[0] * 2
    return xs[0]


@pytest.mark.parametrize("f", [_doubled_in_place, lambda xs: xs.append(1.0), lambda xs: xs.sort(key=lambda x: -x)])
def test_changing_an_argument_is_refused(f: Any) -> None:
    with pytest.raises(TracingError, match="changed a list, dict, array or object that it was given"):
        compile(f, backend="python")([1.0, 2.0])
    assert compile(lambda xs: _doubled_in_place(list(xs)), backend="python")([1.0, 2.0]) == 2.0


class _Box:
    def __init__(self, x: Any) -> None:
        self.x = x


class _Slotted:
    __slots__ = ("h",)


class _Recurrent:
    count: Any = 0.0

    def __init__(self) -> None:
        self.h: Any = 0.0
        self.log: list[Any] = []
        self.cell = _Slotted()

    def step(self, x: Any) -> Any:
        y = self.h * 0.5 + x
        self.h = y  # assigned h
        return y

    def logs(self, x: Any) -> Any:
        self.log.append({"h": x * 2})  # used log
        return x

    def counts(self, x: Any) -> Any:
        _Recurrent.count = x * 2  # assigned count
        return x

    def deeper(self, x: Any) -> Any:
        self.cell.h = x * 2  # assigned h of the cell
        return x


_state: dict[str, Any] = {}


_last: Any = 0.0


def _remembers(x: Any) -> Any:
    _state["sum"] = _state.get("sum", 0.0) + x  # used _state
    return _state["sum"] * 1.0


def _replaces(x: Any) -> Any:
    global _last
    _last = x * 2  # assigned _last
    return x


@functools.cache  # the cache
def _cached(x: Any) -> Any:
    return x * 2


def _running() -> Callable[[Any], Any]:
    total: Any = 0.0

    def f(x: Any) -> Any:
        nonlocal total
        total = total + x  # assigned total
        return total * 1.0

    return f


KEPT: dict[str, tuple[Callable[[], Callable[[Any], Any]], str, str]] = {
    "an attribute": (lambda: _Recurrent().step, "the attribute 'h' of a _Recurrent, assigned", "assigned h"),
    "a list in one": (lambda: _Recurrent().logs, "the attribute 'log' of a _Recurrent, used", "used log"),
    "a class's": (lambda: _Recurrent().counts, "'count' of the class _Recurrent, assigned", "assigned count"),
    "a slot": (lambda: _Recurrent().deeper, "the attribute 'h' of a _Slotted", ""),
    "a transform": (lambda: grad(_Recurrent().step), "the attribute 'h' of a _Recurrent, assigned", "assigned h"),
    "a global dict": (lambda: _remembers, "the global '_state' of ", "used _state"),
    "a global": (lambda: _replaces, "the global '_last' of ", "assigned _last"),
    "a cache": (lambda: lambda x: _cached(x), "functools.cache of _cached", "the cache"),
    "a variable": (_running, "the variable 'total' around the function, assigned", "assigned total"),
    "a generator": (lambda: lambda x: (x * i for i in range(3)), "its result, in a generator", ""),
    "a set": (lambda: lambda x: {x * 2}, "its result, in a set", ""),
    "an object": (lambda: lambda x: _Box(x * 2), "its result, in a _Box", ""),
    "a pullback": (lambda: lambda x: vjp(lambda y: y * y, x)[1], "its result, in a function", ""),
}


@pytest.mark.parametrize("name", KEPT)
def test_numbers_of_the_program_that_stay_outside_are_refused_with_their_place(name: str) -> None:
    make, place, comment = KEPT[name]
    f = make()
    _state.clear()
    _cached.cache_clear()
    with pytest.raises(TracingError, match=f"keeps a number of its program in .*{place}") as error:
        compile(f, backend="python")(1.0)
    _Recurrent.count = 0.0
    if comment:
        line = int(str(error.value).partition(f"{Path(__file__).name}:")[2].partition(";")[0])
        assert comment in Path(__file__).read_text().splitlines()[line - 1]


def _never(*args: Any) -> Any:
    raise AssertionError("asked")


class _Raises:
    """All that may be asked of an object raises, but for its hash."""

    __getattribute__ = __eq__ = __len__ = __iter__ = __bool__ = __repr__ = _never
    __hash__ = object.__hash__


class _KnowsNoClass:
    __class__ = property(_never)  # type: ignore[assignment]


class _Dict(dict[Any, Any]):
    __iter__ = items = values = keys = __len__ = _never


class _Module(ModuleType):
    __getattribute__ = _never


def _dead() -> Any:
    return weakref.proxy(_Box(None))  # which nobody keeps


def _set(holder: Any) -> Callable[[Any], None]:
    return lambda y: object.__setattr__(holder, "kept", y)


ODD: dict[str, tuple[Callable[[], Any], Callable[[Any], Callable[[Any], None]], str]] = {
    "raises": (_Raises, _set, "the attribute 'kept' of a _Raises"),
    "knows no class": (_KnowsNoClass, _set, "the attribute 'kept' of a _KnowsNoClass"),
    "a module": (lambda: _Module("odd"), _set, "the global 'kept' of odd"),
    "a dict": (_Dict, lambda d: lambda y: dict.__setitem__(d, "k", y), "the variable 'holder' around the function"),
    "odd keys": (dict, lambda d: lambda y: d.update({_Raises(): y}), "the variable 'holder' around the function"),
    "a dead proxy": (lambda: [_dead()], lambda held: held.append, "the variable 'holder' around the function"),
    "no function": (lambda: functools.cache(_Cached()), lambda cached: cached, "functools.cache"),
}


class _Cached:
    def __call__(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize("name", ODD)
def test_the_search_for_a_place_asks_nothing_of_what_it_meets(name: str) -> None:
    make, keeps, place = ODD[name]
    holder = make()
    keep = keeps(holder)

    def f(x: Any) -> Any:
        keep(x * 2.0)
        return x if holder is not None else None

    with pytest.raises(TracingError, match=f"keeps a number of its program in {place}"):
        compile(f, backend="python")(1.0)


def test_rows_of_data_do_not_hide_a_place() -> None:
    data = [[float(i)] for i in range(kept._MOST)]
    box = _Box(None)

    def f(x: Any) -> Any:
        box.x = x * 2.0
        return x * len(data)

    with pytest.raises(TracingError, match="the attribute 'x' of a _Box, assigned"):
        compile(f, backend="python")(1.0)


def test_the_search_for_a_place_ends_however_much_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    much, few = [[[i]] for i in range(500_000)], [[[i]] for i in range(5)]

    def f(x: Any) -> Any:
        return len(much), len(few)

    looked_at = 0
    of: Callable[..., list[Any]] = gc.get_referents

    def counting(*things: Any) -> list[Any]:
        nonlocal looked_at
        looked_at += len(things)
        return of(*things)

    monkeypatch.setattr(gc, "get_referents", counting)
    monkeypatch.setattr(gc, "get_referrers", None)  # of all that lives: a search of its own for each
    assert kept._holder([object()], f) is None
    assert looked_at <= kept._MOST
    assert (kept._holder([few[3]], f) or "").startswith("the variable 'few' around the function, used at ")


def test_the_search_for_a_place_leaves_alone_what_modules_in_c_have_freed() -> None:
    """In Python 3.12, asyncio's module shows a list of what it has freed to the collector, which has no end if one is
    freed twice: collecting garbage would never end."""
    code = """
    import _asyncio, asyncio, gc
    import autodiff as ad
    waiting = [iter(asyncio.Future(loop=asyncio.new_event_loop())) for _ in range(3)]
    del waiting
    kept = []
    def f(x):
        kept.append(x * 2.0)
        return x if _asyncio else None
    try: ad.compile(f)(1.0)
    except ad.compiler.TracingError as error: print("kept" in str(error))
    gc.collect()
    print("ended")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["True", "ended"]


def test_numbers_in_cycles_of_garbage_are_not_kept() -> None:
    def f(x: Any) -> Any:
        box = _Box(x * 2)
        box.me = box  # type: ignore[attr-defined]
        return x * 3

    assert compile(f, backend="python")(1.0) == 3.0


def test_a_number_kept_outside_is_of_no_use_after_the_trace() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(x * 2)
        raise KeyError

    with pytest.raises(KeyError):
        compile(f, backend="python")(1.0)
    uses = [lambda x: x + 1.0, lambda x: Value(1.0) * x, lambda x: x.exp(), lambda x: x.data, lambda x: x > 0, bool]
    for use in uses:
        with pytest.raises(TracingError, match="after its trace"):
            use(kept[0])
    for use in (lambda x: x + kept[0], lambda x: kept[0].exp(), lambda x: kept[0] > x, lambda x: kept[0]):
        with pytest.raises(TracingError, match="at another call"):
            compile(use, backend="python")(1.0)


def test_an_error_in_f_leaves_everything_as_it_was() -> None:
    def f(x: Any) -> Any:
        raise KeyError("mine")

    compiled = compile(f, backend="python")
    for _ in range(2):
        with pytest.raises(KeyError, match="mine"):
            compiled(1.0)
    x = Value(2.0)
    (x * x).backward()
    assert (x.grad, "__setattr__" in vars(Value)) == (4.0, False)


def test_an_interrupt_anywhere_leaves_nothing_behind() -> None:
    """Raises in every line that a trace goes through, one after the other."""
    source = (ROOT / "autodiff").as_posix()

    def interrupted(at: int) -> bool:
        count = 0

        def tracer(frame: Any, event: str, arg: Any) -> Any:
            nonlocal count
            if not frame.f_code.co_filename.startswith(source):
                return None
            if event == "line":
                count += 1
                if count == at:
                    raise KeyboardInterrupt
            return tracer

        f = compile(lambda x: x * 2.0 if x > 0 else x, backend="python")
        sys.settrace(tracer)
        try:
            f(1.0)
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
        return False

    at = 1
    while interrupted(at):
        at += 7
        x = Value(2.0)
        y = x * 3.0
        assert type(y) is Value
        y.backward()
        assert x.grad == 3.0
    assert at > 300
    gc.collect()  # what was interrupted may be in cycles
    assert compile(lambda x: x * 2.0, backend="python")(1.0) == 2.0
    assert "__setattr__" not in vars(Value)


def test_what_keeps_a_number_is_named_while_weak_proxies_of_the_dead_are_about() -> None:
    class Cell:
        def step(self, x: Any) -> Any:
            self.state = x * 2.0
            return self.state

    proxy = weakref.proxy(Cell())
    gc.collect()
    with pytest.raises(TracingError, match="the attribute 'state' of a Cell"):
        compile(Cell().step)(1.0)
    with pytest.raises(ReferenceError):
        proxy.step(1.0)


def test_a_trace_is_let_go() -> None:
    f = compile(lambda x: functools.reduce(operator.add, [x * float(i) for i in range(2000)]), backend="python")
    f(1.0)
    gc.collect()
    assert sum(type(x).__name__ == "Tracer" for x in gc.get_objects()) < 10
