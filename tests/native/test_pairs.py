"""The law of pairs: what is bound for speed, of the native core or written out in Python, does what the plain one does.

To the last bit, whatever it is given: the same results, operands by identity, structural zeros, errors with the same
messages, and the same numbers in all the nodes afterwards. A NaN need only be a NaN.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from itertools import product
from math import inf, nan
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Value, backprop, chain, functions, graph, modes, value
from autodiff.chain import NOTHING
from autodiff.fast import TWINS, Twin
from autodiff.graph import FORGOTTEN
from autodiff.primitives import TABLE, Primitive
from autodiff.testing import loop_programs, programs
from autodiff.value import SourcedValue
from tests.test_fast import FLOATS, MODES, NUMBERS, OTHERS, Labelled, unbound

# --- what they are given ---

BOTH = "no_grad, detect_anomaly"
MODE = st.sampled_from(["none", "none", *MODES, BOTH])


def ambient(mode: str) -> ExitStack:
    """The contexts of that name."""
    stack = ExitStack()
    for name in mode.split(", "):
        stack.enter_context(MODES[name]())
    return stack


def _step(out: Any, x: Any, y: Any) -> Any:
    return ad.where(x > y, 1.0, 0.0)


def _broken(*operands: Any) -> Any:
    raise ZeroDivisionError("on purpose")


def _with_no_partials() -> Primitive:
    made = ad.primitive("bare", evaluate=lambda x: x, partials=[lambda out, x: 1.0])
    del made.partials
    return made


OWN = [
    ad.primitive("cube", evaluate=lambda x: x * x * x, partials=[lambda out, x: 3.0 * x * x]),
    ad.primitive("mean", evaluate=lambda *xs: sum(xs) / len(xs), partials=lambda out, *xs: [1.0 / len(xs)] * len(xs)),
    ad.primitive("each", evaluate=lambda *xs: sum(xs), partials=lambda out, *xs: (1.0 for _ in xs)),
    ad.primitive("few", evaluate=lambda *xs: sum(xs), partials=lambda out, *xs: [1.0]),
    ad.primitive("whole", evaluate=lambda x: 2, partials=[lambda out, x: 3]),
    ad.primitive("text", evaluate=lambda x: "2", partials=[lambda out, x: "3"]),
    ad.primitive("broken", evaluate=_broken, partials=[lambda out, x: 1.0]),
    ad.primitive("broken_slope", evaluate=lambda x: x, partials=[_broken]),
    ad.primitive(
        "step", evaluate=lambda x, y: ad.where(x > y, x, y), partials=[lambda out, x, y: ad.where(x > y, 1.0, 0.0)] * 2
    ),
    _with_no_partials(),
]


class Leaf(NamedTuple):
    """How a leaf is made."""

    kind: type[Value]
    data: float
    grad: float
    label: str

    def made(self) -> Value:
        with ad.record_source() if self.kind is SourcedValue else nullcontext():
            leaf = Value(self.data, self.label) if self.kind is SourcedValue else self.kind(self.data, self.label)
        leaf.grad = self.grad
        return leaf


LEAVES = st.builds(
    Leaf,
    st.sampled_from([Value, Value, Value, Value, SourcedValue, Labelled]),
    NUMBERS,
    st.sampled_from([0.0, 0.0, -0.0, 3.0, -1e300, inf, nan]),
    st.sampled_from(["", "", "x"]),
)
ORDINARY = st.builds(Leaf, st.just(Value), NUMBERS, st.just(0.0), st.just(""))


class World(NamedTuple):
    """How a graph is made, each time anew: leaves, a program on them, local gradients that are assigned."""

    leaves: list[Leaf]
    program: Any
    assigned: dict[int, list[float]]

    def made(self) -> list[Value]:
        leaves = [leaf.made() for leaf in self.leaves]
        nodes = leaves if self.program is None else self.program.run(leaves)
        for i, slopes in self.assigned.items():
            node = nodes[i % len(nodes)]
            node.local_gradients = tuple([slopes[j % len(slopes)] for j in range(len(node.operands))])
        return nodes


@st.composite
def worlds(draw: st.DrawFn, leaves: st.SearchStrategy[Leaf] = LEAVES) -> World:
    program = draw(st.none() | programs(max_steps=12))
    count = draw(st.integers(1, 4)) if program is None else len(program.leaves)
    slopes = st.lists(st.sampled_from([*FLOATS, NOTHING]), min_size=1, max_size=3)
    assigned = draw(st.dictionaries(st.integers(0, 30), slopes, max_size=2))
    return World(draw(st.lists(leaves, min_size=count, max_size=count)), program, assigned)


# --- how it is told ---


def told(x: Any, nodes: list[Value], log: Sequence[Any] = ()) -> Any:
    """All that tells one result from another: numbers to the last bit, nodes by where they stand, what was logged."""
    if isinstance(x, Value):
        for i, node in enumerate(nodes):
            if node is x:
                return f"node {i}"
        zeros = [slope is NOTHING for slope in x.local_gradients]
        numbers = repr((x.data, x.grad, tuple(x.local_gradients)))
        operands = [told(operand, nodes) for operand in x.operands]
        is_forgotten, is_logged = x.operands is FORGOTTEN, any(leaf is x for leaf in log)
        return type(x), x.op, operands, zeros, numbers, x.label, is_forgotten, is_logged, bool(x.source)
    if isinstance(x, (list, tuple)):
        return type(x), [told(item, nodes, log) for item in x]
    return type(x), repr(x), x is NOTHING


def outcome(world: World, call: Callable[[list[Value]], Any], mode: str) -> Any:
    """The result of a call on a world that is made anew, or its error, and what the nodes are like afterwards."""
    nodes = world.made()
    with modes.new_leaves as log, ambient(mode):
        try:
            result = told(call(nodes), nodes, log)
        except Exception as error:
            result = type(error), str(error).partition("\n  at ")[0]
    return result, [repr((x.data, x.grad, x.label)) for x in nodes]


# --- how each is called ---

Call = Callable[[list[Value]], Any]


def _from(nodes: list[Value], drawn: Any) -> Any:
    """What was drawn, with a node in the place of each index."""
    if isinstance(drawn, (list, tuple)) and type(drawn) in (list, tuple):
        return type(drawn)([_from(nodes, x) for x in drawn])
    return nodes[drawn.i % len(nodes)] if isinstance(drawn, At) else drawn


class At(NamedTuple):
    """The index of a node, counted from the last."""

    i: int


NODE = st.builds(lambda i: At(-1 - i), st.integers(0, 12))
ANY = st.one_of(NODE, NODE, NUMBERS, st.sampled_from(OTHERS))
USUAL = st.one_of(NODE, NODE, NUMBERS)


def called(owner: Any, name: str, *arguments: Any) -> Call:
    """The call of a function or method by name, at the time."""
    return lambda nodes: getattr(owner, name)(*_from(nodes, arguments))


def called_on(x: At, name: str, arguments: tuple[Any, ...]) -> Call:
    """The call of a method."""
    return lambda nodes: getattr(_from(nodes, x), name)(*_from(nodes, arguments))


def of_method(name: str) -> st.SearchStrategy[Call]:
    arguments = st.just(()) if name == "__neg__" else st.tuples(ANY)
    return st.builds(lambda x, others: called_on(x, name, others), NODE, arguments)


@st.composite
def of_primitives(draw: st.DrawFn, hook: bool) -> Call:
    primitive = draw(st.sampled_from([*TABLE.values(), *OWN]))
    arity = primitive.arity or 2 * draw(st.integers(1, 3))
    kinds = draw(st.sampled_from([NODE, USUAL, USUAL, NUMBERS, ANY]))
    operands = draw(st.lists(kinds, min_size=arity, max_size=arity))
    if draw(st.integers(0, 9)) == 0:
        operands.append(1.0)
    if hook:
        return lambda nodes: Value.__apply__(primitive, (nodes[0], *_from(nodes, operands[1:])))
    return lambda nodes: primitive(*_from(nodes, operands))


def _lists(numbers: st.SearchStrategy[Any], length: int | None = None) -> st.SearchStrategy[list[Any]]:
    return st.lists(numbers, min_size=length or 1, max_size=length or 6)


SHAPES = st.sampled_from([list, list, list, tuple, iter])


@st.composite
def of_lists(draw: st.DrawFn, name: str, count: int) -> Call:
    """Of lists of one length, or not."""
    length = draw(st.integers(1, 5))
    kinds = [draw(st.sampled_from([NODE, NUMBERS, USUAL, ANY])) for _ in range(count)]
    lists = [draw(st.lists(kind, min_size=length, max_size=length)) for kind in kinds]
    shapes = draw(st.lists(SHAPES, min_size=count, max_size=count))
    if draw(st.integers(0, 9)) == 0:
        lists[-1] = lists[-1][1:]

    def call(nodes: list[Value]) -> Any:
        given = [shape(numbers) for shape, numbers in zip(shapes, _from(nodes, lists), strict=True)]
        return getattr(functions, name)(*given)

    return call


@st.composite
def of_orders(draw: st.DrawFn, name: str) -> Call:
    roots = tuple(draw(_lists(NODE)))
    without = draw(st.lists(NODE, max_size=3))
    if name == "ordered":
        return lambda nodes: graph.ordered(_from(nodes, roots), set(_from(nodes, without)))
    return lambda nodes: graph.leaves_below(graph.topological_order(*_from(nodes, roots)))


@st.composite
def of_sweeps(draw: st.DrawFn, owner: Any, name: str) -> Call:
    seeds = draw(st.lists(st.tuples(NODE, st.sampled_from([1.0, 0.0, -0.0, -2.0, inf, nan])), min_size=1, max_size=3))

    asked = draw(_lists(NODE))

    def sweep(nodes: list[Value]) -> Any:
        roots = {nodes[at.i % len(nodes)]: seed for at, seed in seeds}
        order = graph.topological_order(*roots, *_from(nodes, asked))
        return getattr(owner, name)(order, roots, *([] if name == "add_gradients" else [_from(nodes, asked)]))

    return sweep


@st.composite
def of_steps(draw: st.DrawFn, name: str) -> Call:
    values = draw(_lists(draw(st.sampled_from([NODE, NODE, ANY]))))
    of = draw(st.sampled_from(["data", "grad"]))
    if name == "numbers_of":
        return called(backprop, name, values, of)
    kinds = draw(st.sampled_from([st.sampled_from([0.1, 0.0, nan]), ANY]))
    numbers = draw(_lists(kinds, len(values)))
    return called(backprop, name, values, *([of] if name == "assign_numbers" else []), numbers)


def of_passes(name: str) -> st.SearchStrategy[Call]:
    if name == "sound_order":
        return NODE.map(lambda root: called(backprop, name, root))
    return st.builds(
        lambda root, seed: called(backprop, name, root, seed), NODE, st.sampled_from([1.0, 0.0, -2.0, inf, nan])
    )


CALLS: dict[str, st.SearchStrategy[Call]] = {
    "__apply__": of_primitives(hook=True),
    "__call__": of_primitives(hook=False),
    "leaves_of": st.one_of(_lists(NUMBERS), _lists(NUMBERS).map(tuple)).map(
        lambda numbers: called(value, "leaves_of", numbers)
    ),
    "dot_of_lists": of_lists("dot_of_lists", 2),
    "ordered": of_orders("ordered"),
    "leaves_below": of_orders("leaves_below"),
    "add_gradients": of_sweeps(backprop, "add_gradients"),
    "slopes_at": of_sweeps(backprop, "slopes_at"),
    "adjoints_at": of_sweeps(chain, "adjoints_at"),
    "tangents_at": of_sweeps(chain, "tangents_at"),
    "sound_order": of_passes("sound_order"),
    "pass_from": of_passes("pass_from"),
    "numbers_of": of_steps("numbers_of"),
    "assign_numbers": of_steps("assign_numbers"),
    "descend_by": of_steps("descend_by"),
}


def _name(twin: Twin) -> str:
    return f"{twin.owner.__name__.removeprefix('autodiff.')}.{twin.name}"


@pytest.mark.parametrize("twin", TWINS, ids=_name)
@settings(max_examples=2 * settings().max_examples)
@given(mode=MODE, data=st.data())
def test_each_does_what_the_plain_one_does(twin: Twin, mode: str, data: st.DataObject) -> None:
    call = data.draw(of_method(twin.name) if twin.owner is Value and twin.name != "__apply__" else CALLS[twin.name])
    world = data.draw(worlds(data.draw(st.sampled_from([LEAVES, ORDINARY]))))
    quick = outcome(world, call, mode)
    with unbound():
        assert outcome(world, call, mode) == quick


@pytest.mark.parametrize("name", [twin.name for twin in TWINS if twin.owner is Value and twin.name != "__apply__"])
def test_an_operator_is_the_plain_one_at_all_odd_numbers(name: str) -> None:
    for number, other in product(FLOATS, FLOATS):
        world = World([Leaf(Value, number, 0.0, ""), Leaf(Value, other, 0.0, "")], None, {})
        for arguments in [()] if name == "__neg__" else [(other,), (At(1),), (At(0),)]:
            call = called_on(At(0), name, arguments)
            quick = outcome(world, call, "none")
            with unbound():
                assert outcome(world, call, "none") == quick


# --- programs ---


def passed(f: Callable[..., Any], leaves: list[Leaf], mode: str) -> Any:
    """The numbers of a graph, and of the backward pass through it."""
    inputs = [leaf.made() for leaf in leaves]
    with ambient(mode):
        try:
            made = f(*inputs)
            root = made if isinstance(made, Value) else ad.sum(made)
            root.backward()
        except (FloatingPointError, TypeError) as error:
            return type(error), str(error).partition("\n  at ")[0], [repr(x.grad) for x in inputs]
    order = graph.topological_order(root)
    return repr((root.data, [node.local_gradients for node in order], [node.grad for node in [*order, *inputs]]))


@settings(max_examples=2 * settings().max_examples)
@given(MODE, programs(max_steps=16), st.data())
def test_a_program_and_its_backward_pass_are_the_same(mode: str, program: Any, data: st.DataObject) -> None:
    n = len(program.leaves)
    leaves = data.draw(st.lists(data.draw(st.sampled_from([LEAVES, ORDINARY])), min_size=n, max_size=n))
    quick = passed(program, leaves, mode)
    with unbound():
        assert passed(program, leaves, mode) == quick


def _leaves(numbers: Any) -> list[Leaf]:
    return [Leaf(Value, x, 0.0, "") for x in numbers]


@given(loop_programs())
def test_loops_and_their_backward_pass_are_the_same(program: Any) -> None:
    lists = [*program.parameters, *program.inputs]
    leaves = _leaves(x for numbers in lists for x in numbers)

    def f(*values: Value) -> Any:
        rest = iter(values)
        given = [[next(rest) for _ in numbers] for numbers in lists]
        count = len(program.parameters)
        return program.closing_over(*given[:count])(*given[count:])

    quick = passed(f, leaves, "none")
    with unbound():
        assert passed(f, leaves, "none") == quick


@given(programs(max_steps=8))
def test_derivatives_of_derivatives_are_the_same(program: Any) -> None:
    def run() -> str:
        point = list(program.leaves)
        f = lambda xs: program(*xs)
        return repr((ad.grad(f)(point), ad.hessian(f)(point), ad.jvp(f, (point,), (point,))))

    quick = run()
    with unbound():
        assert run() == quick
