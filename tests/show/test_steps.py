"""Steps of the forward and the backward pass: what they say is what `backward()` does."""

import time

import pytest
from hypothesis import given

import autodiff as ad
from autodiff import Value, backward_steps, forward_steps
from autodiff.graph import topological_order
from autodiff.testing import Program, programs
from tests import examples


def circuit() -> Value:
    *_, f = examples.circuit()
    return f


def doubled_twice() -> tuple[Value, Value]:
    a = Value(3.0, "a")
    b = a + a
    b.label = "b"
    c = b + b
    c.label = "c"
    return a, c


def same(x: float, y: float) -> bool:
    return x == y or (x != x and y != y)


@given(programs())
def test_gradients_of_the_steps_are_those_of_backward_to_the_last_bit(program: Program) -> None:
    leaves = [Value(x) for x in program.leaves]
    y = program(*leaves)
    steps = backward_steps(y, 2.0)
    assert all(node.grad == 0.0 for node in [*leaves, *topological_order(y)])
    y.backward(2.0)
    assert all(same(steps.gradients.get(leaf, 0.0), leaf.grad) for leaf in leaves)
    assert all(same(step.upstream, step.node.grad) for step in steps)


@given(programs())
def test_contributions_add_up_to_the_gradients_forwards_and_are_taken_away_backwards(program: Program) -> None:
    y = program(*[Value(x) for x in program.leaves])
    steps = backward_steps(y)
    received = {y: 1.0}
    for step in steps:
        assert same(step.upstream, received.get(step.node, 0.0))
        for (operand, amount), total in zip(step.contributions, step.totals, strict=True):
            received[operand] = received.get(operand, 0.0) + amount
            assert same(received[operand], total)
    assert [step.node for step in reversed(steps)] == topological_order(y)
    assert [step.node for step in forward_steps(y)] == topological_order(y)
    shares = sum(len(step.contributions) for step in steps)
    for step in reversed(steps):
        shares -= len(step.contributions)
    assert shares == 0


def test_the_output_comes_first_and_each_step_is_a_line() -> None:
    steps = backward_steps(circuit())
    assert [step.node.label for step in steps] == ["f", "q"]
    assert str(steps[0]) == "f = q * z = -12, df/df = 1: df/dq += 1 * (-4) = -4, df/dz += 1 * 3 = 3"
    assert repr(steps[-1]) == "q = x + y = 3, df/dq = -4: df/dx += -4 * 1 = -4, df/dy += -4 * 1 = -4"
    assert {leaf.label: gradient for leaf, gradient in steps.gradients.items()} == {"x": -4.0, "y": -4.0, "z": 3.0}
    assert (steps[0].upstream, steps[0].local_gradients, steps[0].totals) == (1.0, (-4.0, 3.0), (-4.0, 3.0))
    assert len(steps) == 2
    assert steps[:1] == (steps[0],)
    assert [str(step) for step in forward_steps(circuit())] == [
        "q = x + y = -2 + 5 = 3",
        "f = q * z = 3 * (-4) = -12",
    ]


def test_the_whole_is_a_table() -> None:
    assert str(backward_steps(circuit())) == (
        "Backward\n"
        "step  node       upstream  adds\n"
        "   1  f = q * z         1  df/dq += 1 * (-4) = -4, df/dz += 1 * 3 = 3\n"
        "   2  q = x + y        -4  df/dx += -4 * 1 = -4, df/dy += -4 * 1 = -4\n"
        "df/dx = -4, df/dy = -4, df/dz = 3"
    )
    html = backward_steps(circuit())._repr_html_()
    assert html.count("<tr") == 3
    assert html.count('scope="col"') == 4
    assert html.count('scope="row"') == 2


def test_a_factor_of_a_constant_zero_and_an_operand_that_was_not_chosen_get_nothing() -> None:
    x = Value(0.0, "x")
    root = backward_steps(0.0 * x.sqrt())  # of sqrt the local gradient is inf
    assert [len(step.contributions) for step in root] == [0, 0]
    assert root.gradients == {x: 0.0}
    assert "passes nothing on" in str(root)
    choice = backward_steps(ad.where(x > 0, x.log(), 2 * x))
    assert choice.gradients == {x: 2.0}
    assert [len(step.contributions) for step in choice] == [1, 1, 0]


def test_a_leaf_takes_no_step() -> None:
    x = Value(3.0, "x")
    assert list(backward_steps(x, 5.0)) == list(forward_steps(x)) == []
    assert backward_steps(x, 5.0).gradients == {x: 5.0}
    assert str(backward_steps(x)) == "Backward\nstep  node  upstream  adds\ndx/dx = 1"
    assert backward_steps(x, order="depth-first").gradients == {x: 1.0}


def test_a_given_gradient_is_one_of_something_that_y_is_used_for() -> None:
    f = circuit()
    steps = backward_steps(f, 2.0)
    assert str(steps[0]) == "f = q * z = -12, dL/df = 2: dL/dq += 2 * (-4) = -8, dL/dz += 2 * 3 = 6"
    assert str(steps).endswith("\ndL/dx = -8, dL/dy = -8, dL/dz = 6\nL is what f is used for: dL/df = 2 is given")
    taken = Value(1.0, "L") * Value(1.0, "J")
    assert "dE/dL" in str(backward_steps(taken, 2.0))


def test_each_step_is_a_sentence_on_request() -> None:
    steps = backward_steps(circuit(), words=True)
    assert [step.words for step in steps] == [
        "q is multiplied by z = -4, so a nudge of q moves f 4 times as far, the other way; "
        "z is multiplied by q = 3, so a nudge of z moves f 3 times as far.",
        "A nudge of x or y moves q just as far, and with it f 4 times as far, the other way.",
    ]
    assert str(steps).endswith(f"\n1. {steps[0].words}\n2. {steps[1].words}")
    assert "\n1." not in str(backward_steps(circuit()))
    there = forward_steps(circuit(), words=True)
    assert [step.words for step in there] == [
        "q becomes 3. Kept for the way back: it moves just as far as x or y.",
        "f becomes -12. Kept for the way back: it moves 4 times as far as q, the other way; 3 times as far as z.",
    ]
    assert str(there).endswith(f"\n1. {there[0].words}\n2. {there[1].words}")
    x = Value(-1.0, "x")
    off = backward_steps(ad.relu(x) * 2.0)
    assert forward_steps(ad.relu(x))[0].words == "y becomes 0. Kept for the way back: it does not move with x."
    assert off[1].words == "A nudge of x does not move v1: relu is flat at -1."
    square = backward_steps(0.0 * (x * x))
    assert square[1].words == "A nudge of v1 does not move y, so nothing is passed on."


@given(programs())
def test_of_every_step_there_is_a_sentence_on_one_line(program: Program) -> None:
    y = program(*[Value(x) for x in program.leaves])
    for order in ("topological", "depth-first"):
        for step in backward_steps(y, 0.5, order=order)[:100]:  # type: ignore[arg-type]
            assert step.words.endswith(".")
            assert "\n" not in step.words


def test_of_many_steps_and_many_operands_few_are_said_and_the_others_counted() -> None:
    y = ad.sum([Value(1.0, f"x{i}") for i in range(1_000)])
    (step,) = backward_steps(y)
    assert step.words == "A nudge of x0, x1 or x2 moves y just as far; and so on for 997 more."
    for _ in range(50):
        y = y.sin()
    assert str(backward_steps(y, words=True)).endswith("\n... 21 more: steps[i].words says them")


# --- depth first ---


def test_depth_first_is_wrong_and_says_so() -> None:
    a, c = doubled_twice()
    wrong = backward_steps(c, order="depth-first")
    assert wrong.gradients == {a: 6.0}
    assert backward_steps(c).gradients == {a: 4.0}
    assert [step.node.label for step in wrong] == ["c", "b", "c", "b"]
    assert str(wrong).startswith("Backward, depth first: wrong\n")
    assert str(wrong).endswith("\ndc/da = 6, but in topological order 4")
    assert wrong.order == "depth-first"
    assert a.grad == c.grad == 0.0


def test_depth_first_is_right_where_nothing_inside_is_shared() -> None:
    f = circuit()
    assert backward_steps(f, order="depth-first").gradients == backward_steps(f).gradients
    assert "but" not in str(backward_steps(f, order="depth-first"))


def test_depth_first_through_too_many_paths_is_refused() -> None:
    y = Value(1.0)
    for _ in range(5_000):
        y = y + y
    with pytest.raises(ValueError, match=r"^depth first, this graph takes more than 10,000 steps"):
        backward_steps(y, order="depth-first")
    assert backward_steps(y)[-1].contributions[0][1] == float("inf")


# --- sizes and mistakes ---


def test_a_hundred_thousand_steps_take_seconds_and_few_lines() -> None:
    x = y = Value(0.5, "x")
    for _ in range(100_000):
        y = y * 0.999
    start = time.perf_counter()
    steps = backward_steps(y)
    text, html = str(steps), steps._repr_html_()
    forward = str(forward_steps(y))
    assert time.perf_counter() - start < 30.0
    assert len(steps) == 100_000
    y.backward()
    assert steps.gradients == {x: x.grad}
    assert "... 99,900 steps left out" in text
    assert len(text.splitlines()) == len(forward.splitlines()) + 1 == 104
    assert html.count("<tr") == 102


def test_a_sum_of_many_is_a_short_line() -> None:
    y = ad.sum([Value(1.0, f"x{i}") for i in range(1_000)])
    (step,) = backward_steps(y)
    assert str(step).endswith("dy/dx7 += 1 * 1 = 1, ... 992 more")
    assert str(step).startswith("y = x0 + x1 + ... + x999 = 1000, dy/dy = 1: ")
    assert len(step.contributions) == 1_000


def test_labels_are_text_in_html() -> None:
    x = Value(1.0, '<script>alert("x")</script>')
    for shown in (backward_steps(x * 2.0), forward_steps(x * 2.0)):
        html = shown._repr_html_()
        assert "<script" not in html
        assert "&lt;script&gt;" in html


def test_wrong_input_is_refused_with_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"^backward_steps takes a Value, got float 1\.0; call f on Values: backward_"):
        backward_steps(1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^forward_steps takes a Value, got list \[\]"):
        forward_steps([])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^order is 'topological' or 'depth-first', got 'breadth-first'$"):
        backward_steps(Value(1.0), order="breadth-first")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        backward_steps(Value(1.0), "1")  # type: ignore[arg-type]


def test_a_gradient_that_is_nan_in_both_orders_is_not_called_wrong() -> None:
    x = Value(0.0, "x")
    text = str(ad.backward_steps(ad.sqrt(x * x)))
    assert text.endswith("dy/dx = nan")


def test_of_many_steps_a_hundred_are_shown_the_first_and_the_last() -> None:
    x = Value(0.5, "x")
    for _ in range(250):
        x = x.sin()
    lines = str(forward_steps(x)).splitlines()
    numbers = [int(line.split()[0]) for line in lines[2:] if line.split()[0].isdecimal()]
    assert numbers == [*range(1, 76), *range(226, 251)]
