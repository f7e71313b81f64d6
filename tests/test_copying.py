"""Copies and pickles of graphs: what is shared stays shared, whatever holds the Values, in linear time."""

import copy
import gc
import io
import pickle
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Value, copying


def pickled(thing: Any, protocol: int | None = None) -> Any:
    return pickle.loads(pickle.dumps(thing, protocol))


def pickled_in_python(thing: Any) -> Any:
    """By the pickler that is written in Python, whose memo works in another way."""
    file = io.BytesIO()
    pickle._Pickler(file).dump(thing)  # type: ignore[attr-defined]
    return pickle._Unpickler(io.BytesIO(file.getvalue())).load()  # type: ignore[attr-defined]


WAYS: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": pickled,
    "pickle, protocol 0": lambda thing: pickled(thing, 0),
    "pickle, in Python": pickled_in_python,
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


class Kept(Value):
    """A Value with attributes of its own."""


class Slotted(Value):
    __slots__ = ("first", "second")


def parts_of(thing: Any) -> Iterator[Any]:
    """Yield what a thing holds, in a fixed order."""
    if isinstance(thing, Value):
        yield from thing.operands
        yield from getattr(thing, "__dict__", {}).values()
        yield from [getattr(thing, name) for name in ("first", "second") if hasattr(thing, name)]
    elif isinstance(thing, dict):
        yield from thing.values()
    elif isinstance(thing, (list, tuple)):
        yield from thing
    elif isinstance(thing, np.ndarray):
        yield from thing.ravel().tolist()
    elif hasattr(thing, "__dict__"):
        yield from vars(thing).values()


def check_alike(one: Any, other: Any) -> None:
    """Check that other is a copy of one: what is one object in the one is one object in the other, and another one."""
    twins: dict[int, Any] = {}
    stack = [(one, other)]
    while stack:
        x, y = stack.pop()
        assert type(x) is type(y)
        if id(x) in twins:
            assert twins[id(x)] is y
            continue
        if isinstance(x, (str, float, int, type(None))):
            assert x == y
            continue
        twins[id(x)] = y
        if isinstance(x, Value):
            assert x is not y
            assert (x.data, x.grad, x.label, x.op) == (y.data, y.grad, y.label, y.op)
            assert x.local_gradients == y.local_gradients
        stack += zip(parts_of(x), parts_of(y), strict=True)
    assert len({id(y) for y in twins.values()}) == len(twins)


def states(count: int) -> list[Value]:
    """Return the hidden states of a chain, each made from the one before."""
    w, h = Value(0.5, "w"), Value(1.0)
    made = []
    for _ in range(count):
        h = ad.tanh(w * h)
        made.append(h)
    return made


# --- sharing ---


@st.composite
def structures(draw: st.DrawFn) -> Any:
    """A random graph, and some of its nodes in nested containers, in any order, some of them twice."""
    nodes: list[Any] = [Value(1.0, "x"), Kept(2.0, "k"), Slotted(3.0)]
    count = draw(st.integers(1, 12))
    for _ in range(count):
        a, b = draw(st.sampled_from(nodes)), draw(st.sampled_from([*nodes, 2.0]))
        nodes.append(draw(st.sampled_from([a + b, a * b, ad.sin(a), ad.sum([a, b, a]), copy.copy(a)])))
    nodes[1].any = draw(st.sampled_from(nodes))
    nodes[2].second = draw(st.sampled_from(nodes))
    nodes[-1].backward()
    some = st.sampled_from(nodes)

    def held(inner: Any) -> Any:
        return st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(st.sampled_from("abc"), inner),
            st.tuples(inner, inner),
            inner.map(lambda x: SimpleNamespace(held=x)),
            st.lists(some, min_size=1).map(lambda x: np.array(x, dtype=object)),
        )

    return [draw(st.recursive(some, held, max_leaves=6)) for _ in range(draw(st.integers(1, 4)))]


@every_way
@given(structure=structures())
def test_all_sharing_is_kept_in_any_structure_of_any_graph(way: Callable[[Any], Any], structure: Any) -> None:
    check_alike(structure, way(structure))


@every_way
def test_hidden_states_and_a_loss_are_one_graph_afterwards(way: Callable[[Any], Any]) -> None:
    hidden = states(5)
    loss = hidden[-1] ** 2
    for things in ((hidden, loss), (loss, hidden), (hidden[2], loss, hidden[4], hidden[0])):
        check_alike(things, way(things))
    h, again = way((hidden[2], loss))
    again.backward()
    loss.backward()
    assert h.grad == hidden[2].grad != 0.0


@every_way
def test_a_model_and_what_was_made_with_it_stay_together(way: Callable[[Any], Any]) -> None:
    model = nn.MLP(2, [3, 1], "tanh", seed=0)
    loss = model([1.0, 2.0]) ** 2
    again, same = way(OrderedDict(model=model, loss=loss)).values()
    same.backward()
    loss.backward()
    assert [p.grad for p in again.parameters()] == [p.grad for p in model.parameters()]
    assert any(p.grad for p in again.parameters())


@every_way
def test_attributes_of_a_subclass_are_copied_with_what_they_share(way: Callable[[Any], Any]) -> None:
    x, y = Kept(2.0, "x"), Slotted(3.0, "y")
    z = x * y
    x.square, x.itself, y.first = [z, z * z], x, x  # type: ignore[attr-defined]
    check_alike([z, x, y], way([z, x, y]))
    check_alike([x], way([x]))
    inner = copy.copy(x)
    assert inner.square is x.square  # type: ignore[attr-defined]
    assert copy.copy(y).first is x


@every_way
def test_an_interior_node_of_a_subclass_keeps_its_attributes(way: Callable[[Any], Any]) -> None:
    node: Any = copying.clone(Kept(2.0), ())
    node.op, node.operands, node.local_gradients = ad.exp, (Value(1.0),), (1.0,)
    node.parent, node.name = node.operands[0], "named"
    last = node * 3.0
    node.child = last
    check_alike([last, node], way([last, node]))
    check_alike([node], way([node]))


def test_a_deepcopy_takes_what_its_memo_has_already() -> None:
    x, y = Value(1.0), Value(5.0)
    z = x * x
    twin = copy.deepcopy(z * x, {id(x): y})
    assert [leaf is y for leaf in (twin.operands[1], *twin.operands[0].operands)] == [True] * 3
    zero = Value(0.0)
    assert copy.deepcopy(x * zero, {id(zero): zero}).operands[1] is zero


# --- cost ---


@every_way
def test_many_roots_of_one_chain_cost_as_much_as_one(way: Callable[[Any], Any]) -> None:
    """With the square of the work it would be many minutes."""
    hidden = states(8_000)
    again = way(hidden)
    assert all(b.operands[0].operands[1] is a for a, b in pairwise(again))
    backwards = way(hidden[::-1])
    assert all(a.operands[0].operands[1] is b for a, b in pairwise(backwards))


def test_the_size_of_a_pickle_grows_with_the_nodes_and_not_with_their_product() -> None:
    sizes = [len(pickle.dumps(states(count))) for count in (500, 1000, 2000)]
    assert sizes[2] - sizes[1] < 2.1 * (sizes[1] - sizes[0])


def test_nothing_of_a_pickle_stays_behind() -> None:
    x = Kept(2.0)
    node = x * 1.0
    gone = weakref.ref(x)
    gc.collect()
    gc.disable()
    try:
        pickle.dumps([node, node * 2.0])
        copy.deepcopy([node, node * 2.0])
        del x, node
        assert gone() is None
        assert not any(parts() for parts in copying._alive())
    finally:
        gc.enable()


# --- picklers that meet ---


class Inside:
    """An object that is pickled by a pickle of its own."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __reduce__(self) -> tuple[Any, ...]:
        return Inside.of, (pickle.dumps(self.held),)

    @staticmethod
    def of(stored: bytes) -> "Inside":
        return Inside(pickle.loads(stored))


def test_a_pickle_within_a_pickle_is_whole_and_those_around_it_go_on() -> None:
    hidden = states(4)
    before, inside, after = pickled((hidden[1], Inside([hidden[2], hidden[3]]), hidden[3]))
    check_alike([hidden[1], hidden[3]], [before, after])
    check_alike([hidden[2], hidden[3]], inside.held)
    assert inside.held[1] is not after


def loaded(file: io.BytesIO, count: int) -> list[Any]:
    unpickler = pickle.Unpickler(io.BytesIO(file.getvalue()))
    return [unpickler.load() for _ in range(count)]


def test_one_pickler_keeps_sharing_over_all_that_it_is_given() -> None:
    hidden = states(50)
    file = io.BytesIO()
    pickler = pickle.Pickler(file)
    for h in hidden:
        pickler.dump(h)
    check_alike(hidden, loaded(file, 50))


def test_a_pickler_that_is_still_there_is_no_part_of_the_next() -> None:
    hidden = states(3000)  # each a part of its own in the first: as many levels, were they looked for in the next
    first = pickle.Pickler(io.BytesIO())
    for h in hidden:
        first.dump(h)
    check_alike(hidden[::-1], pickled(hidden[::-1]))
    check_alike(hidden[-1], pickled(hidden[-1]))


def test_picklers_by_turns_each_store_what_they_are_given() -> None:
    hidden = states(6)
    files = [io.BytesIO(), io.BytesIO()]
    picklers = [pickle.Pickler(file) for file in files]
    for h in hidden:
        for pickler in picklers:
            pickler.dump(h)
    for file in files:
        for h, again in zip(hidden, loaded(file, 6), strict=True):
            check_alike(h, again)


def test_a_pickler_that_forgets_stores_again() -> None:
    hidden = states(3)
    file = io.BytesIO()
    pickler = pickle.Pickler(file)
    for h in hidden:
        pickler.dump(h)
        pickler.clear_memo()
    for h, again in zip(hidden, loaded(file, 3), strict=True):
        check_alike(h, again)


def test_a_pickle_after_one_that_failed_is_whole() -> None:
    hidden = states(3)
    segment = ad.checkpoint(lambda h: h * 2.0)(hidden[1])
    with pytest.raises((pickle.PicklingError, AttributeError)) as error:
        pickle.dumps([hidden[0], segment, hidden[2]])
    check_alike(hidden, pickled(hidden))
    del error


def test_threads_pickle_one_graph_at_once() -> None:
    hidden = states(500)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(pickled(hidden))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for again in found:
        check_alike(hidden, again)


def test_a_deep_copy_that_a_function_makes_is_a_constant_of_its_own_to_a_transform() -> None:
    w = Value(2.0)
    assert type(ad.grad(lambda x: x * w)(3.0)) is Value
    assert type(ad.grad(lambda x: x * copy.deepcopy(w))(3.0)) is float
    assert type(ad.grad(lambda x: x * copy.deepcopy(w * w))(3.0)) is float


def test_a_method_of_value_pickles_by_its_name() -> None:
    functions = [getattr(Value, name) for name in dir(Value(1.0)) if callable(getattr(Value, name))]
    assert {Value.exp, Value.arctan2, Value.backward} <= set(functions)
    for function in [*functions, Value.__add__, Value.__round__, Value.__eq__]:
        assert pickled(function) is function
