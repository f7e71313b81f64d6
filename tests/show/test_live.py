"""Graphs as programs: they are what eager recording and `backward()` give, for any numbers, without a browser."""

import json
import math
from collections.abc import Sequence

import pytest
from hypothesis import given

import autodiff as ad
import nn
from autodiff import Value
from autodiff.primitives import Primitive
from autodiff.show.live import KernelOnlyError, LiveProgram, program_of
from autodiff.testing.strategies import Program, programs

MOVES = (lambda x: x, lambda x: 0.5 * x + 0.25, lambda x: -x, lambda x: 0.0)


def slot(values: Sequence[float], where: int | None) -> float:
    return 0.0 if where is None else values[where] + 0.0


def assert_is_backward(live: LiveProgram, values: Sequence[float], moved: Sequence[Value]) -> None:
    """The slots hold what the nodes of another recording of the same graph hold, after `backward()`."""
    for slots, node in zip(live.nodes.values(), moved, strict=True):
        expected = [node.data, node.grad, *[x + 0.0 for x in node.local_gradients]]
        found = [values[slots.data], slot(values, slots.gradient), *[slot(values, x) for x in slots.locals]]
        for k, operand in enumerate(node.operands):
            if not isinstance(operand, Value):
                found[2 + k] = expected[2 + k]  # of a constant: nobody asks for it
        assert repr(found) == repr(expected)


@given(programs(max_steps=40))
def test_a_program_is_eager_recording_to_the_last_bit(program: Program) -> None:
    leaves = [*map(Value, program.leaves)]
    nodes = program.run(leaves)
    live = program_of(nodes[-1], inputs=leaves)
    for move in MOVES:
        moved = program.run([Value(move(x)) for x in program.leaves])
        moved[-1].backward()
        place = {id(old): new for old, new in zip(nodes, moved, strict=True)}
        values = live.evaluate([place[id(x)].data if id(x) in place else x.data for x in live.inputs])
        assert_is_backward(live, values, [place[id(x)] for x in live.nodes])


def test_a_share_is_what_an_edge_hands_on() -> None:
    w, x = Value(0.5, "w"), Value(-3.0, "x")
    product = w * x
    relu = ad.relu(product)
    y = relu + w
    live = program_of(y)
    values = live.evaluate([n.data for n in live.inputs])
    assert [slot(values, s) for s in live.nodes[y].shares] == [1.0, 1.0]
    assert [slot(values, s) for s in live.nodes[relu].shares] == [0.0]
    assert [slot(values, s) for s in live.nodes[product].shares] == [0.0, 0.0]
    assert slot(values, live.nodes[w].gradient) == 1.0


def test_inner_nodes_may_be_given_and_then_pass_nothing_on() -> None:
    x = Value(2.0, "x")
    inner = x * x
    y = inner * 3.0
    live = program_of(y, inputs=[inner])
    assert live.inputs == [inner]
    assert x not in live.nodes
    values = live.evaluate([5.0])
    assert (values[live.slot(y)], slot(values, live.nodes[inner].gradient)) == (15.0, 3.0)


def test_a_leaf_is_a_graph() -> None:
    x = Value(2.0)
    live = program_of(x)
    values = live.evaluate([7.0])
    assert (values[live.slot(x)], slot(values, live.nodes[x].gradient)) == (7.0, 1.0)


def test_without_gradients_there_are_numbers_alone() -> None:
    x = Value(2.0)
    live = program_of(ad.tanh(x) * x, gradients=False)
    assert len(live.program.codes) == 2
    assert {slots[1:] for slots in live.nodes.values()} == {(None, (), (), ())}


def test_a_network_is_one_program() -> None:
    model = nn.MLP(2, [4, 1], activation="tanh", seed=0)
    loss = nn.mse([model([0.3, -1.0])], [1.0])
    live = program_of(loss, inputs=model.parameters())
    loss.backward()
    values = live.evaluate([x.data for x in live.inputs])
    assert [slot(values, live.nodes[p].gradient) for p in model.parameters()] == [p.grad for p in model.parameters()]


# --- primitives of users ---


def test_a_primitive_of_arithmetic_is_written_out() -> None:
    bump = ad.primitive("bump", evaluate=lambda x: ad.exp(-x * x), partials=[lambda out, x: -2.0 * x * out])
    x = Value(0.5)
    live = program_of(bump(x) * 2.0)
    assert {live.program.primitive(code).name for code in live.program.codes} <= {"mul", "neg", "exp", "add"}
    moved = Value(1.5)
    y = bump(moved) * 2.0
    y.backward()
    values = live.evaluate([1.5])
    assert values[live.nodes[[*live.nodes][-1]].data] == y.data
    assert slot(values, live.nodes[x].gradient) == moved.grad


def refused(primitive: Primitive) -> str:
    with pytest.raises(KernelOnlyError) as caught:
        program_of(primitive(Value(0.5)))
    return str(caught.value)


def test_a_primitive_that_python_alone_evaluates_is_named() -> None:
    own = ad.primitive("own", evaluate=lambda x: math.exp(x), partials=[lambda out, x: out])
    assert refused(own).startswith("own is evaluated by Python alone (its code is for floats alone)")
    branching = ad.primitive("branching", evaluate=lambda x: x if x > 0.0 else 2.0 * x, partials=[lambda out, x: 1.0])
    assert "branching is evaluated by Python alone (it chooses by `if`)" in refused(branching)


def test_a_rule_that_branches_is_refused() -> None:
    rule = ad.primitive("bent", evaluate=lambda x: x * x, partials=[lambda out, x: 2.0 * x if x > 0.0 else x])
    assert "chooses by `if`" in refused(rule)


def test_a_segment_is_refused() -> None:
    with pytest.raises(KernelOnlyError):
        program_of(ad.preaccumulate(lambda x: x * x)(Value(0.5)) * 2.0)


# --- JSON ---


def test_json_has_every_number_and_cannot_end_a_script() -> None:
    x = Value(math.nan, "</script>")
    live = program_of(x * math.inf + -math.inf)
    data = json.loads(live.json())
    assert data["inputs"] == ["NaN"]
    assert {"Infinity", "-Infinity"} <= {*map(str, data["constants"])}
    assert "<" not in live.json()
