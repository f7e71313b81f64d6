"""Nothing leaks: calls of all kinds, errors among them, leave references and memory as they were."""

import gc
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

import autodiff as ad
from autodiff import Value, backprop, chain, functions, graph, modes, native, primitives
from autodiff.native import Node
from autodiff.primitives import TABLE
from autodiff.value import SourcedValue

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
CALLS = 40_000 if NIGHTLY else 1_000  # of each


class Kin(Value):
    """A Value of a class of its own."""


class Text(str):
    """A label of a class of its own."""


class Refusing(float):
    """A number that no float can be made of."""

    def __float__(self) -> float:
        raise ValueError("on purpose")


def _refuse(*_: Any) -> Any:
    raise ZeroDivisionError("on purpose")


X, Y, K, S = Value(2.0, "x"), Value(-0.5), Kin(1.5), Value(3.0)
with ad.record_source():
    SOURCED = X * 1.0
W, V = [Value(float(i)) for i in range(6)], [0.5, 1.0, 0.0, X, 3.0, 2]
Z = X * Y + ad.sum(W)
OP = ad.primitive("op", evaluate=lambda x: 2.0 * x, partials=[lambda out, x: 2.0])
MANY = ad.primitive("many", evaluate=lambda *xs: sum(xs), partials=lambda out, *xs: [1.0] * len(xs))
BROKEN = ad.primitive("broken", evaluate=_refuse, partials=[_refuse])
STEEP = ad.primitive("steep", evaluate=lambda x: x, partials=[_refuse])
ODD = ad.primitive("odd", evaluate=lambda x: x, partials=[lambda out, x: "slope"])
HELD = [X, Y, K, S, SOURCED, *W, Z, OP, MANY, BROKEN, STEEP, ODD, *TABLE.values(), None, 0.5, "text", (), Value, Kin]
HELD += [SourcedValue, Node, Text, True, 10**400]

_BINARY = [
    "__add__",
    "__radd__",
    "__sub__",
    "__rsub__",
    "__mul__",
    "__rmul__",
    "__truediv__",
    "__rtruediv__",
    "__pow__",
]
_BINARY += ["__rpow__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__mod__", "__floordiv__"]


def _assign(x: Any, name: str, given: Any) -> None:
    before = getattr(x, name)
    setattr(x, name, given)
    setattr(x, name, before)


def _of_a_mode(call: Callable[[], Any], context: Any) -> Callable[[], Any]:
    def inside() -> Any:
        with context():
            return call()

    return inside


def _calls() -> dict[str, Callable[[], Any]]:
    calls: dict[str, Callable[[], Any]] = {}
    for name in _BINARY:
        for other in (Y, 0.5, 3, True, K, SOURCED, "text", None, 10**400):
            calls[f"{name} {other!r:.20}"] = lambda name=name, other=other: getattr(X, name)(other)
    for given in (2.0, 3, "text", Refusing(1.0), X):
        calls[f"Value({given!r:.20})"] = lambda given=given: Value(given)
        calls[f"Value({given!r:.20}, label)"] = lambda given=given: Value(given, label=Text("label"))
        calls[f"Value({given!r:.20}, None)"] = lambda given=given: Value(given, None)  # type: ignore[arg-type]
        calls[f"Kin({given!r:.20})"] = lambda given=given: Kin(given)
        for name in ("data", "grad", "label", "op", "operands", "local_gradients", "missing"):
            calls[f"{name} = {given!r:.20}"] = lambda name=name, given=given: _assign(Z, name, given)
            calls[f"{name} of Kin = {given!r:.20}"] = lambda name=name, given=given: _assign(K, name, given)
    for operands in ((X, 2.0), (X,), (X, Y, K), (), ("text",), (2.0,) * 5):
        for op in (primitives.mul, OP, None, "op"):
            init = lambda op=op, operands=operands: Node.__init__(S, 1.0, op, operands, (1.0,) * len(operands))
            calls[f"Node.__init__ {op} {len(operands)} {operands[:1]!r:.9}"] = init
    for primitive in (primitives.exp, primitives.dot, primitives.max, primitives.where, OP, MANY, BROKEN, STEEP, ODD):
        for operands in ((X,), (X, 2.0), (2.0, X, 0.0), (X, "text"), (1, X), (K,), (2.0,), (2, 3, True), ()):
            calls[f"{primitive.name} {operands!r:.30}"] = lambda f=primitive, operands=operands: f(*operands)
    calls |= {
        "unary": lambda: (-X, +X, abs(X), bool(X), repr(X), X.exp(), X.detach(), hash(X), X.op, X.label, X.is_result),
        "read": lambda: (Z.operands, Z.local_gradients, Z.data, Z.grad, getattr(Z, "missing", None), dir(Z)),
        "lists": lambda: (ad.dot(W, V), ad.dot(W, W), ad.sum(V), ad.sum(W), ad.logsumexp(W), ad.softmax(W)),
        "odd lists": lambda: functions.dot_of_lists(W, V[:2]),
        "lists of text": lambda: functions.sum([X, "text", X]),
        "huge": lambda: functions.dot_of_lists(W, [X, 1.0, 10**400, X, X, X]),
        "backward": lambda: (Z.backward(), Z.backward(0.0), (X * Y).backward(), X.backward(), (K * X).backward()),
        "backward of text": lambda: Z.backward("text"),  # type: ignore[arg-type]
        "orders": lambda: (graph.topological_order(Z, X), graph.leaves(Z), graph.topological_order(Z, without={Z})),
        "sweep": lambda: backprop.add_gradients(graph.topological_order(Z), {Z: 1.0}),
        "sweeps aside": lambda: (chain.adjoints_at([Z], {Z: 1.0}, [X, Y]), chain.tangents_at([Z], {X: 1.0}, [Z])),
        "steps": lambda: (backprop.numbers_of(W, "grad"), backprop.descend_by(W, [0.0] * 6)),
        "steps of a subclass": lambda: backprop.assign_numbers([K, X], "grad", [0.0, 0.0]),
        "odd steps": lambda: backprop.descend_by(W, ["text"] * 6),  # type: ignore[list-item]
        "logs": _logged,
        "copies": lambda: (X.__copy__(), Z.__copy__(), Z.__reduce__()),
        "transforms": lambda: ad.grad(lambda x: x * x.exp() + OP(x))(2.0),
    }
    for name, context in (("no_grad", ad.no_grad), ("record_source", ad.record_source), ("anomaly", ad.detect_anomaly)):
        calls[name] = _of_a_mode(
            lambda: (X * 2.0, -X, X.exp(), OP(X), ad.dot(W, V), X > 1, Value(1.0), Value(2)), context
        )
        calls[f"{name}, errors"] = _of_a_mode(lambda: BROKEN(X), context)
    return calls


def _some_calls() -> None:
    X * 2.0, -X, X.exp(), OP(X), ad.dot(W, V), X > 1, Value(1.0), Value(2), 3 - X


def _logged() -> None:
    with modes.new_leaves:
        X.detach(), Value(1.0), primitives.exp(X)


CALLS_BY_NAME = _calls()


def _run(call: Callable[[], Any], times: int) -> None:
    for _ in range(times):
        with suppress(TypeError, ValueError, ArithmeticError, AttributeError):
            call()


@pytest.fixture(autouse=True)
def _only_what_is_made_here() -> Iterator[None]:
    """The collector leaves all else alone: many times as fast."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def _counts() -> list[int]:
    return [sys.getrefcount(x) for x in HELD]


def test_calls_leave_references_as_they_were() -> None:
    for call in CALLS_BY_NAME.values():
        _run(call, 2)  # what is made once, such as caches
    rose: dict[str, list[str]] = {}
    gc.collect()
    for name, call in CALLS_BY_NAME.items():
        before = _counts()
        _run(call, 100)
        gc.collect()
        changed = [f"{x!r:.30}: {b - a:+}" for x, a, b in zip(HELD, before, _counts(), strict=True) if abs(b - a) > 20]
        if changed:
            rose[name] = changed
    assert not rose


@pytest.mark.skipif(not hasattr(sys, "gettotalrefcount"), reason="only a debug build of Python counts all references")
def test_calls_leave_all_references_as_they_were() -> None:
    rose = {}
    for name, call in CALLS_BY_NAME.items():
        _run(call, 3)
        gc.collect()
        before = sys.gettotalrefcount()  # type: ignore[attr-defined]
        _run(call, 100)
        gc.collect()
        if abs(sys.gettotalrefcount() - before) > 50:  # type: ignore[attr-defined]
            rose[name] = sys.gettotalrefcount() - before  # type: ignore[attr-defined]
    assert not rose


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _risen(call: Callable[[], Any], times: int) -> float:
    """How many bytes more are in use after so many calls and a collection, for each of them.

    As many are made before: Python keeps up to 2,000 freed tuples of each length.
    """
    _run(call, times)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    _run(call, times)
    gc.collect()
    return (tracemalloc.get_traced_memory()[0] - before) / times


def test_calls_leave_memory_as_it_was_to_the_byte() -> None:
    tracemalloc.start()
    try:
        rose = {}
        for name, call in CALLS_BY_NAME.items():
            _run(call, 20)
            before = tracemalloc.get_traced_memory()[0]
            _run(call, 100)
            if tracemalloc.get_traced_memory()[0] - before >= 1600:  # a leak takes 16 bytes or more in each call,
                rose[name] = _risen(call, 4_000)  # however many there are; what Python keeps for itself does not
    finally:
        tracemalloc.stop()
    assert {name: more for name, more in rose.items() if more >= 16} == {}


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="only Linux says what memory is in use")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer keeps freed memory for a while")
def test_calls_leave_memory_as_it_was() -> None:
    for _ in range(2):
        for call in CALLS_BY_NAME.values():
            _run(call, CALLS // 10)
    gc.collect()
    before = _resident()
    for call in CALLS_BY_NAME.values():
        _run(call, CALLS)
    gc.collect()
    assert _resident() - before < 4e6  # a leak of 16 bytes in each call would take more


def test_nothing_is_counted_that_is_not_there() -> None:
    assert len(CALLS_BY_NAME) * 40_000 > 1e6
    assert native.core is None or type(X).__mro__[-2] is Node
