"""`draw`: what is in a drawing, and what is refused."""

import re

import pytest

from autodiff import Value, draw, native
from autodiff.show.drawings import dot
from autodiff.show.drawings.reader import parts_of
from tests.show.pictures import circuit, groups, needs_svg, picture, texts


@needs_svg
def test_boxes_show_label_data_and_grad_and_marks_the_operation() -> None:
    nodes = groups(picture(circuit()), "node")
    assert sorted(nodes) == sorted(
        [
            ["x", "data", "grad", "-2", "-4"],
            ["y", "data", "grad", "5", "-4"],
            ["q", "data", "grad", "3", "-4"],
            ["z", "data", "grad", "-4", "3"],
            ["f", "data", "grad", "-12", "1"],
            ["+"],
            ["×"],
        ]
    )


@needs_svg
def test_edges_to_operations_show_the_local_gradient_and_edges_from_them_nothing() -> None:
    edges = [[text.strip() for text in edge] for edge in groups(picture(circuit()), "edge")]
    assert sorted(edges) == [[], [], ["-4"], ["1"], ["1"], ["3"]]


@needs_svg
def test_a_value_that_is_both_operands_has_two_edges() -> None:
    x = Value(3.0, "x")
    svg = picture(x * x)
    assert [box.label for box in parts_of(x * x).boxes] == ["x", ""]
    assert sorted(groups(svg, "edge")) == [[], ["3"], ["3"]]


def test_a_constant_is_a_box_of_its_own_at_each_use_without_gradients() -> None:
    parts = parts_of(Value(3.0, "x") * 2.0 + 2.0)
    constants = [box for box in parts.boxes if box.kind == "constant"]
    assert [(box.data, box.label, box.grad) for box in constants] == [("2", "", ""), ("2", "", "")]
    assert [edge.local_gradient for edge in parts.edges] == ["2", "", "1", ""]
    assert dot.SHAPES["constant"] != dot.SHAPES["leaf"]


def test_a_leaf_alone_is_one_box() -> None:
    parts = parts_of(Value(3.0, "x"))
    assert [box.kind for box in parts.boxes] == ["leaf"]
    assert not parts.marks
    assert not parts.edges
    assert repr(draw(Value(3.0))).splitlines()[-1] == "A graph of 1 value, 0 operations: show() opens it in a browser."


def test_the_same_graph_gives_the_same_source() -> None:
    sources = {draw(circuit()).digraph.source for _ in range(3)}
    assert len(sources) == 1
    assert "rankdir=LR" in sources.pop()


def test_boxes_stand_in_topological_order_with_the_root_last() -> None:
    parts = parts_of(circuit())
    assert [box.label for box in parts.boxes] == ["x", "y", "q", "z", "f"]
    assert [str(box.id) for box in parts.boxes] == ["n0", "n1", "n2", "n3", "n4"]


def test_a_drawing_keeps_the_numbers_of_its_moment() -> None:
    x = Value(3.0, "x")
    y = x * 2.0
    graph = draw(y)
    y.backward()
    x.data = 7.0
    assert "├─ x   3     not yet" in graph.text()
    assert "├─ x   7     2" in draw(y).text()


def test_numbers_have_six_significant_digits_and_nan_and_inf_are_said() -> None:
    x = Value(24.70408163265306)
    for number, text in [
        (1e-18, "1e-18"),
        (1e6, "1e+06"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ]:
        x.grad = number
        assert draw(x).text().splitlines()[1].split() == ["y", "24.7041", text]
    assert draw(Value(-0.0)).text().splitlines()[1].split()[1] == "-0"


@pytest.mark.skipif(native.core is not None, reason="the native core refuses at once what is not a number")
def test_whatever_was_assigned_to_data_is_drawn() -> None:
    x = Value(1.0)
    y = x * 2.0
    x.data = "seven"  # type: ignore[assignment]
    assert "'seven'" in draw(y).text()
    assert "'seven'" in draw(y).digraph.source


@needs_svg
def test_direction_is_from_left_to_right_or_from_top_to_bottom() -> None:
    sizes = {}
    for direction in ("LR", "TB"):
        svg = draw(circuit(), direction=direction).svg()
        sizes[direction] = [float(size) for size in re.findall(r'(?:width|height)="(\d+)pt"', svg)]
        assert ["q", "data", "grad", "3", "-4"] in groups(svg, "node")
    assert sizes["LR"][0] > sizes["LR"][1]
    assert sizes["TB"][0] < sizes["TB"][1]


@needs_svg
def test_what_is_changed_in_the_digraph_shows() -> None:
    graph = draw(circuit())
    graph.digraph.node("note", "written by hand")
    assert "written by hand" in texts(graph._repr_mimebundle_()["image/svg+xml"])


def test_draw_of_no_value_says_what_it_takes() -> None:
    takes = "draw takes a Value, a list or an array of Values or a model, got"
    with pytest.raises(TypeError, match=rf"^{takes} float 3\.0; only Values have a graph$"):
        draw(3.0)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=rf"^{takes} list \[3\.0, 3\.0"):
        draw([3.0] * 1000)  # type: ignore[list-item]
    for nothing in ([], None, Value, "x"):
        with pytest.raises(TypeError, match=f"^{takes} "):
            draw(nothing)  # type: ignore[call-overload]


@pytest.mark.parametrize("direction", ["RL", "lr", "", None, 3])
def test_another_direction_is_refused(direction: object) -> None:
    message = f"direction is 'LR' (left to right) or 'TB' (top to bottom), got {direction!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        draw(Value(1.0), direction=direction)  # type: ignore[arg-type]


def test_rows_of_values_are_roots_as_a_list_is() -> None:
    a, b, c = Value(1.0, "a"), Value(2.0, "b"), Value(3.0, "c")
    rows = [[a * b, b], ((c * 2.0,), a)]
    assert draw(rows).text() == draw([rows[0][0], b, rows[1][0][0], a]).text()
    with pytest.raises(TypeError, match="got list"):
        draw([[a], []])
