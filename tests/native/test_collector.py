"""Nodes and the cyclic collector: plain graphs cost it nothing, and what can be part of a cycle is collected.

By design a cycle is not found that is made by assigning operands to a node which others, all plain, were made from.
"""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import autodiff as ad
from autodiff import Value, native, primitives
from autodiff.native import Node

natively = pytest.mark.skipif(native.core is None, reason="Python's own objects are all tracked")


class Text(str):
    """A label that can hold things."""


class Kin(Value):
    """A Value with room for attributes."""


class Slotted(Value):
    """A Value with room for one."""

    __slots__ = ("held",)


@natively
def test_graphs_of_plain_nodes_are_unknown_to_the_collector() -> None:
    x, w = Value(2.0, "x"), [Value(1.0), Value(2.0)]
    made = [x, x * 3.0, x + x, -x, x**2.0, x.exp(), x.tanh(), ad.dot(w, w), ad.sum([*w, x]), ad.where(x > 1.0, x, 0.0)]
    made += [ad.softmax(w)[0], ad.logsumexp(w), ad.maximum(x, 1.0), x.detach(), x % 2.0, ad.prod(w), abs(x)]
    with ad.no_grad():
        made.append(x * x)
    y = ad.sum(made) * 2.0
    y.backward()
    y.operands = (x, 2.0)
    y.local_gradients = (1.0, 2.0)
    y.label = "y"
    assert not any(map(gc.is_tracked, [*made, y]))
    before = len(gc.get_objects())
    many = x
    for _ in range(1000):
        many = many * 1.0
    assert len(gc.get_objects()) - before < 100


@natively
def test_nodes_are_tracked_from_when_they_hold_what_may_be_part_of_a_cycle() -> None:
    own = ad.primitive("own", evaluate=lambda x: x, partials=[lambda out, x: 1.0])
    x = Value(2.0)
    with ad.record_source():
        sourced = x * 1.0
    made = [Kin(1.0), Kin(1.0) * x, Kin(1.0).exp(), ad.dot([x, Kin(1.0)], [1.0, 2.0]), own(x), own(x) * 2.0]
    assert all(map(gc.is_tracked, [*made, sourced, sourced * x, ad.sum([x, sourced])]))
    assert not gc.is_tracked(x)
    x.label = Text("x")
    assert gc.is_tracked(x)
    assert gc.is_tracked(x * 2.0)


def _of_a_subclass(gone: Callable[[Any], Any]) -> None:
    x = Kin(1.0)
    x.me = (x * 2.0).exp() + x  # type: ignore[attr-defined]
    x.witness = gone()  # type: ignore[attr-defined]


def _of_slots(gone: Callable[[Any], Any]) -> None:
    x = Slotted(1.0)
    x.held = [x * 2.0, gone()]  # type: ignore[attr-defined]


def _of_a_closure(gone: Callable[[Any], Any]) -> None:
    held: list[Any] = [gone()]
    own = ad.primitive("own", evaluate=lambda x: x * len(held), partials=[lambda out, x: 1.0])
    held.append(ad.dot([own(Value(1.0)), 2.0], [1.0, Value(3.0)]))


def _of_a_label(gone: Callable[[Any], Any]) -> None:
    x, label = Value(1.0), Text("x")
    x.label = label
    label.held = [ad.sum([x * 2.0, 1.0]), gone()]  # type: ignore[attr-defined]


def _of_a_checkpoint(gone: Callable[[Any], Any]) -> None:
    held: list[Any] = [gone()]

    def f(x: Any) -> Any:
        return x * x + len(held)

    held.append(ad.checkpoint(f)(Value(3.0)) * 2.0)


def _of_an_operation_of_any_kind(gone: Callable[[Any], Any]) -> None:
    x = Value(1.0)
    y = x * 2.0
    y.op = held = [gone()]  # type: ignore[assignment]
    held.append(y + 1.0)


def _of_local_gradients(gone: Callable[[Any], Any]) -> None:
    y = Value(1.0) * 2.0
    held = [gone()]
    y.local_gradients = (held, 2.0)  # type: ignore[assignment]
    held.append(y.exp())


def _of_a_node_made_anew(gone: Callable[[Any], Any]) -> None:
    y = Value(1.0) * 2.0
    held = Kin(1.0)
    Node.__init__(y, 1.0, primitives.exp, (held,), (1.0,))
    held.held = [y, gone()]  # type: ignore[attr-defined]


def _of_a_node_that_changes_its_class(gone: Callable[[Any], Any]) -> None:
    class Other(Value):
        __slots__ = ()

    x = Other(1.0)
    x.__class__ = Value  # type: ignore[assignment]
    label = Text("x")
    x.label = label
    label.held = [x, gone()]  # type: ignore[attr-defined]


CYCLES = [made for name, made in list(globals().items()) if name.startswith("_of_")]


@pytest.mark.parametrize("make", CYCLES, ids=lambda make: make.__name__[1:])
def test_cycles_are_collected(make: Callable[[Callable[[], Any]], None]) -> None:
    class Witness:
        pass

    gone = []

    def witness() -> Witness:
        made = Witness()
        gone.append(weakref.ref(made))
        return made

    gc.collect()
    make(witness)
    assert gone[0]() is not None
    gc.collect()
    assert gone[0]() is None


def test_what_the_collector_clears_can_still_be_read() -> None:
    class Late(Text):
        def __del__(self) -> None:
            read.append((x.data, y.operands, y.local_gradients, y.op, y.label, (x * 2.0).data))

    read: list[Any] = []
    x, y, label = Kin(1.0), Value(2.0) * 3.0, Late("x")
    x.label = label
    label.held = [x, y]  # type: ignore[attr-defined]
    del label
    assert gc.collect() >= 0
    assert read == []
    x.label = ""
    gc.collect()
    assert len(read) == 1


def test_there_are_no_weak_references_to_values_but_to_those_of_subclasses() -> None:
    with pytest.raises(TypeError, match="weak reference"):
        weakref.ref(Value(1.0))
    kin = Kin(1.0)
    assert weakref.ref(kin)() is kin
