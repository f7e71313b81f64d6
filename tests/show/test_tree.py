"""A drawing as text: a tree from the root to the leaves, as long as the graph, in aligned columns."""

import time

from hypothesis import example, given
from hypothesis import strategies as st

from autodiff import Value, draw
from autodiff.show.drawings.reader import parts_of
from tests.show.pictures import circuit


def test_text_is_a_tree_from_the_root_to_the_leaves() -> None:
    assert draw(circuit()).text().splitlines() == [
        "value    data  grad  operation  local gradient",
        "f        -12   1     mul",
        "├─ q     3     -4    add        -4",
        "│  ├─ x  -2    -4               1",
        "│  └─ y  5     -4               1",
        "└─ z     -4    3                3",
    ]


def test_shared_node_is_expanded_once() -> None:
    x = Value(2.0, "x")
    a = x + 1.0
    a.label = "a"
    b = a * a
    b.backward()
    assert draw(b).text().splitlines() == [
        "value    data  grad  operation    local gradient",
        "y        9     1     mul",
        "├─ a     3     6     add          3",
        "│  ├─ x  2     6                  1",
        "│  └─ 1              constant",
        "└─ a                 shown above  3",
    ]


def test_values_without_a_label_of_their_own_are_called_as_explain_calls_them() -> None:
    x, other = Value(1.0, "x"), Value(2.0, "x")
    lines = draw((x - other) * x.exp()).text().splitlines()[1:]
    titles = [line[: len("├─ x_2")].rstrip() for line in [line.replace("│  ", "").lstrip() for line in lines]]
    assert titles == ["y", "├─ v1", "├─ x", "└─ x_2", "└─ v2", "└─ x"]


def test_what_is_too_deep_goes_on_at_the_margin_below() -> None:
    x = Value(0.0, "leaf")
    for _ in range(45):
        x = x.sin()
    lines = draw(x, collapse="never").text().splitlines()
    below = [line.split()[-4] for line in lines if "shown below" in line]
    assert len(below) == 2
    assert [line.split()[0] for line in lines[1:] if line[0] not in " └"] == ["y", *below]
    assert lines[-1].lstrip().startswith("└─ leaf")
    assert sum("sin" in line for line in lines) == 45


def test_text_of_a_long_chain_is_linear_in_its_length() -> None:
    def chain(length: int) -> str:
        x = Value(1.0, "x")
        for _ in range(length):
            x = x * 1.0
        return draw(x, collapse="never").text()

    short, long = chain(1_000), chain(100_000)
    assert len(long) / len(short) < 110
    assert max(map(len, long.splitlines())) < 130
    assert long.count("mul") == 100_000


def test_text_of_2000_nodes_takes_less_than_a_second() -> None:
    xs = [Value(1.0, "x")]
    for i in range(2_000):
        xs.append(xs[-1] * xs[i // 2])
    began = time.perf_counter()
    text = draw(xs[-1], collapse="never").text()
    assert time.perf_counter() - began < 1.0
    assert text.count(" mul") == 2_000


@st.composite
def graphs(draw: st.DrawFn) -> Value:
    """The root of a random graph with shared nodes and constants."""
    values: list[Value] = [Value(1.0, draw(st.sampled_from(["", "x", "y"]))) for _ in range(draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(0, 40))):
        left = draw(st.sampled_from(values[-4:]))
        values.append(left + draw(st.sampled_from([*values, 2.0])))
    return values[-1]


@given(graphs())
def test_text_shows_each_value_once_and_each_use_on_one_line(root: Value) -> None:
    parts = parts_of(root)
    lines = draw(root).text().splitlines()[1:]
    above, below = [sum(f"shown {where}" in line for line in lines) for where in ("above", "below")]
    shown = len(lines) - above - below
    assert shown == len(parts.boxes)
    assert len([line for line in lines if "─ " in line]) == len(parts.edges)


@given(st.text(st.characters()))
@example("a\nb\r\x0b\x0c\x1c\x85\u2028\u2029\ud800")
def test_any_label_stays_on_its_line(label: str) -> None:
    text = draw(Value(1.0, label) * 2.0).text()
    assert len(text.splitlines()) == 4
    assert text.encode().decode() == text


def test_labels_stand_in_the_text_as_written_with_newlines_escaped() -> None:
    for label in ("<b> & {x|y} \\N", "漢字 漢字", "emoji 👨‍👩‍👧"):
        assert draw(Value(1.0, label)).text().splitlines()[1].startswith(label + "  1")
    assert "line one\\nline two  1" in draw(Value(1.0, "line one\nline two")).text()


def test_columns_are_aligned_beside_wide_characters() -> None:
    *_, wide, narrow = draw(Value(1.0, "漢字 ") + Value(1.0, "abcdé")).text().splitlines()
    assert wide == "├─ 漢字   1     not yet             1"
    assert narrow == "└─ abcdé  1     not yet             1"


def test_one_long_label_does_not_widen_every_line() -> None:
    lines = draw(Value(1.0, "x" * 10_000) + Value(1.0, "y")).text().splitlines()
    assert len(lines[2]) > 10_000
    assert max(len(line) for line in lines if "xxx" not in line) < 200


def test_a_root_that_another_root_was_made_from_is_referred_to() -> None:
    x = Value(2.0, "x")
    y = x * 3.0
    y.label = "y"
    z = y + 1.0
    z.label = "z"
    lines = [line.split() for line in draw([z, y]).text().splitlines()[1:]]
    assert [line[0] for line in lines if line[0] not in ("├─", "│", "└─")] == ["z", "y"]
    assert lines[-1][:1] + lines[-1][-2:] == ["y", "shown", "above"]


def test_folded_boxes_that_are_called_alike_are_numbered_whatever_their_gradients() -> None:
    one, other = [(Value(x) * 2.0).sin().exp() for x in (1.0, 2.0)]
    root = one.tanh() + other.sqrt()
    root.backward()
    lines = draw(root, collapse="always", depth=1, max_nodes=8).text().splitlines()
    folded = [line.split("─ ")[1].split("  ")[0] for line in lines if line.endswith("folded")]
    assert folded == [f"mul → sin → exp, 1 parameter, 3 operations #{number}" for number in (1, 2)]


def test_two_graphs_in_one_drawing_are_numbered() -> None:
    x = Value(2.0, "x")
    lines = draw([x + 1.0, x * x]).text().splitlines()[1:]
    assert [line.split()[0] for line in lines if line[0] == "#"] == ["#1", "#2"]
