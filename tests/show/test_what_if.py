"""What if: other numbers in a graph or a function, held against computing it all anew."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Value, what_if
from autodiff.graph import leaves as leaves_of
from autodiff.graph import topological_order
from autodiff.testing import Program, programs


def same(x: float, y: float) -> bool:
    return x == y or (x != x and y != y)


def state(y: Value, leaves: list[Value]) -> list[tuple[float, float, tuple[float, ...]]]:
    return [(node.data, node.grad, node.local_gradients) for node in [*leaves, *topological_order(y)]]


# --- graphs ---


@given(programs(), st.data())
def test_the_answer_is_what_the_program_gives_for_those_numbers(program: Program, data: st.DataObject) -> None:
    leaves = [Value(x) for x in program.leaves]
    y = program(*leaves)
    x = data.draw(st.sampled_from(leaves_of(y)))
    number = data.draw(st.sampled_from([0.5, -1.0, 2.0, x.data]))
    before = state(y, leaves)
    hypothesis = what_if(y, {x: number})
    others = [Value(number if leaf is x else leaf.data) for leaf in leaves]
    anew = program(*others)
    assert same(hypothesis.value, anew.data)
    assert same(hypothesis.before, y.data)
    gradients = {change.node: change for change in hypothesis.gradients}
    assert repr(state(y, leaves)) == repr(before)
    y.backward()
    anew.backward()
    for leaf, other in zip(leaves, others, strict=True):
        if leaf in gradients:
            assert same(gradients[leaf].before, leaf.grad)
            assert same(gradients[leaf].after, other.grad)


def test_only_what_depends_on_it_is_computed_again() -> None:
    seen = []

    def counted(x: float) -> float:
        seen.append(x)
        return 2 * x

    double = ad.primitive("double", evaluate=counted, partials=[lambda out, x: 2.0])
    x, w = Value(1.0, "x"), Value(10.0, "w")
    y = double(x) + double(w)
    seen.clear()
    hypothesis = what_if(y, {x: 3.0})
    assert seen == [3.0]
    assert hypothesis.value == 26.0
    first = hypothesis.changes[0]
    assert (first.node, first.before, first.after, first.change) == (x, 1.0, 3.0, 2.0)
    assert w not in hypothesis.numbers
    assert str(hypothesis).endswith("2 of 3 operations were computed again.")


def test_what_stays_is_no_change() -> None:
    x = Value(-2.0, "x")
    hypothesis = what_if(x.relu() + 1, {x: -1.0})
    assert [change.node for change in hypothesis.changes] == [x]
    assert str(hypothesis).startswith("y = 1, as before, for x = -1\n")


def test_an_inner_node_can_be_given_a_number() -> None:
    x, z = Value(2.0, "x"), Value(5.0, "z")
    q = x * x
    q.label = "q"
    y = q * z + x
    hypothesis = what_if(y, {q: 10.0}, gradients=True)
    assert hypothesis.value == 52.0
    assert {c.node: (c.before, c.after) for c in hypothesis.gradients} == {
        x: (21.0, 1.0),
        z: (4.0, 10.0),
        q: (5.0, 5.0),
    }
    assert "dy/dq" in str(hypothesis)
    assert what_if(y, {q: 10.0, x: 3.0}).value == 53.0


def test_conventions_hold_for_the_new_numbers() -> None:
    x = Value(1.0, "x")
    y = ad.where(x, x.sqrt(), 2.0 * x)  # the condition is the Value: not frozen, as `x > 0` would be
    hypothesis = what_if(y, {x: 0.0})
    assert hypothesis.value == 0.0
    assert [(c.before, c.after) for c in hypothesis.gradients] == [(0.5, 2.0)]
    assert what_if(1 / x, {x: 0.0}).value == float("inf")
    nowhere = (-x).log()
    assert str(what_if(nowhere, {x: 2.0})).startswith("y = nan, as before, for x = 2\n")


def test_the_table_shows_before_after_and_change() -> None:
    x, w = Value(2.0, "x"), Value(3.0, "w")
    shown = what_if(w * x, {x: 1.5}, gradients=True)
    assert str(shown) == (
        "y = 4.5, not 6, for x = 1.5\n"
        "value  made by  before  after  change\n"
        "x                    2    1.5    -0.5\n"
        "y      w * x         6    4.5    -1.5\n"
        "1 of 1 operation was computed again.\n"
        "\n"
        "Gradients\n"
        "gradient  before  after  change\n"
        "dy/dw          2    1.5    -0.5\n"
        "dy/dx          3      3       0"
    )
    html = shown._repr_html_()
    assert html.count("<table") == 2
    assert html.count('scope="col"') == 9


def test_labels_are_text_in_html() -> None:
    x = Value(2.0, "<script>")
    shown = what_if(x * x, {x: 1.0}, gradients=True)._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_a_graph_of_a_hundred_thousand_nodes_answers_in_seconds() -> None:
    x = y = Value(1.0, "x")
    for _ in range(50_000):
        y = y * 0.999 + 0.001
    start = time.perf_counter()
    hypothesis = what_if(y, {x: 2.0}, gradients=True)
    text = str(hypothesis)
    assert time.perf_counter() - start < 30.0
    assert len(text.splitlines()) < 120
    assert "changes left out" in text


# --- functions ---


def branching(x: Value, scale: float) -> Value:
    return x * scale if x > 0 else x.exp() + scale


def test_a_function_takes_its_other_branch() -> None:
    hypothesis = what_if(branching, {"x": -1.0}, args=(2.0, 3.0))
    assert (hypothesis.before, hypothesis.value) == (6.0, branching(Value(-1.0), 3.0).data)
    assert "It went another way: 1 operation before, 2 after." in str(hypothesis)
    assert [(c.before, c.after) for c in hypothesis.gradients] == [
        (3.0, pytest.approx(0.36787944117144233)),
        (2.0, 1.0),
    ]


def test_a_function_that_goes_the_same_way_has_all_its_changes() -> None:
    hypothesis = what_if(branching, {"x": 1.0}, args=(2.0, 3.0))
    assert [(c.before, c.after) for c in hypothesis.changes] == [(2.0, 1.0), (6.0, 3.0)]
    assert "It went the same way: 1 operation before, 1 after." in str(hypothesis)


def test_a_functions_other_arguments_are_handed_on() -> None:
    def power(xs: list[float], n: int, *more: float) -> Value:
        return xs[0] * n + more[0] * more[1]  # type: ignore[return-value]

    hypothesis = what_if(power, {"n": 3, "more1": 5.0}, args=([2.0], 2, 1.0, 4.0))
    assert (hypothesis.before, hypothesis.value) == (8.0, 11.0)
    assert what_if(lambda x: x, {"x": 2.0}, args=(1.0,)).changes[0][1:] == (1.0, 2.0)
    assert what_if(lambda x: 7.0, {"x": 2.0}, args=(1.0,)).value == 7.0


# --- mistakes ---


def test_wrong_input_is_refused_with_what_to_do() -> None:
    x = Value(1.0, "x")
    y = x * 2
    with pytest.raises(TypeError, match=r"^what_if takes a Value or a function that returns one, got float 1\.0$"):
        what_if(1.0, {x: 2.0})  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"^what_if takes a dict of changes, \{x: 1\.5\}, got float 2\.0$"):
        what_if(y, 2.0)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match=r"^what_if got no changes"):
        what_if(y, {})
    with pytest.raises(ValueError, match=r"^what_if changes a Value that y was made from; got 'x', which is not$"):
        what_if(y, {"x": 1.0})  # type: ignore[call-overload]
    with pytest.raises(ValueError, match=r"which is not$"):
        what_if(y, {Value(1.0): 1.0})
    with pytest.raises(TypeError, match=r"not some of both"):
        what_if(x * y, {x: 1.0, y: (0.0, 1.0)})  # type: ignore[dict-item]
    for wrong in ((1.0, 0.0), (1.0,), [1.0, 1.0]):
        with pytest.raises(ValueError, match=r"^a range is \(low, high\), two finite numbers with low < high, got"):
            what_if(y, {x: wrong})  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"args for a function alone"):
        what_if(y, {x: 1.0}, (1.0,))  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"^what_if of a function needs args"):
        what_if(branching, {"x": 1.0})  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"^args is a tuple"):
        what_if(branching, {"x": 1.0}, 1.0)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match=r"a parameter of branching that is a number: \['x', 'scale'\]; got 'z'$"):
        what_if(branching, {"z": 1.0}, (1.0, 2.0))
    with pytest.raises(TypeError, match=r"^what_if expected .* to return a Value, got list"):
        what_if(lambda x: [x], {"x": 1.0}, (1.0,))
    with pytest.raises(TypeError):
        what_if(y, {x: "1"})  # type: ignore[call-overload]


def test_a_parameter_that_the_other_branch_does_not_use_stays_in_the_table() -> None:
    found = ad.what_if(lambda t: t * t if t > 0 else 5.0, {"t": -1.0}, args=(1.0,))
    assert str(found).splitlines()[0] == "y = 5, not 1, for t = -1"
    found = ad.what_if(lambda x, y: x * y if x > 0 else ad.exp(x), {"x": -1.0}, args=(2.0, 3.0), gradients=True)
    assert [(c.before, c.after) for c in found.gradients] == [(3.0, math.exp(-1.0)), (2.0, 0.0)]
    assert "dy/dy" in str(found)


def test_a_where_that_was_decided_says_so() -> None:
    a, b = Value(2.0, "a"), Value(3.0, "b")
    found = ad.what_if(ad.where(a > b, a, b), {a: 10.0})
    assert "A where kept the side it took" in str(found)
    assert "A where" not in str(ad.what_if(ad.where(a, a, b), {a: 10.0}))
