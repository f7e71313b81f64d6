"""Places: nothing lies on anything else, all reads from left to right and in the order of the formula."""

import random
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Value, draw, record_source
from autodiff.show.drawings.parts import Id, Parts
from autodiff.show.drawings.placing.columns import grid_of
from autodiff.show.drawings.placing.place import Direction, Place, Places, least_size, places_of
from autodiff.show.drawings.placing.routes import routes_of
from autodiff.show.drawings.placing.sizes import BOX_FONT, label_size, text_size
from autodiff.show.drawings.reader import parts_of
from autodiff.show.folding.fold import Request
from autodiff.show.folding.steps import with_steps
from tests.show.pictures import RENDERERS, SVG, every_renderer, needs_svg


def mlp() -> Value:
    return nn.MLP(2, [3, 1], seed=1)([Value(0.5, "x0"), Value(0.2, "x1")])


def rnn(steps: int = 4) -> Value:
    outputs, _ = nn.unroll(nn.RNNCell(1, 2, seed=0), [[Value(0.1 * t, f"x{t}")] for t in range(1, steps + 1)])
    return outputs[-1][0] + outputs[-1][1]


def lstm() -> Value:
    outputs, _ = nn.unroll(nn.LSTMCell(1, 1, seed=0), [[Value(0.5, "x1")], [Value(0.2, "x2")]])
    return outputs[-1][0]


def convolution() -> Value:
    [filtered] = nn.Conv1d(1, 1, 3, seed=0)([[Value(0.1 * i, f"x{i}") for i in range(6)]])
    return ad.sum(filtered)


def polynomial() -> Value:
    x = Value(2.0, "x")
    return 3 * x**3 - 2 * x**2 + x - 5


def rows() -> Value:
    model = nn.MLP(2, [2, 1], seed=0)
    return ad.sum([(model([Value(0.1 * i), Value(1.0)]) - 1.0) ** 2 for i in range(3)])


GRAPHS: dict[str, Callable[[], Value]] = {
    made.__name__: made for made in (mlp, rnn, lstm, convolution, polynomial, rows)
}


def irregular(seed: int, length: int) -> Value:
    rng = random.Random(seed)
    made = [Value(rng.random(), f"a{i}") for i in range(4)]
    for i in range(length):
        left, right = rng.choice(made[-8:]), rng.choice(made)
        made.append(left * right if i % 3 else (left + 2.0).tanh())
    return made[-1]


def recorded(make: Callable[[], Value]) -> Parts:
    with record_source():
        y = make()
    y.backward()
    return parts_of(y)


def placed(parts: Parts, direction: Direction = "LR") -> Places:
    return places_of(parts, ("data", "grad"), direction, lambda edge: edge.local_gradient)


# --- the laws ---


def sides(place: Place) -> tuple[float, float, float, float]:
    """Left, right, top, bottom."""
    x, y, wide, high = place
    return x - wide / 2, x + wide / 2, y - high / 2, y + high / 2


def overlap(one: Place, other: Place) -> bool:
    left, right, top, bottom = sides(one)
    left2, right2, top2, bottom2 = sides(other)
    return min(right, right2) - max(left, left2) > 0.1 and min(bottom, bottom2) - max(top, top2) > 0.1


def inside(one: Place, other: Place) -> bool:
    left, right, top, bottom = sides(one)
    left2, right2, top2, bottom2 = sides(other)
    return left >= left2 - 0.1 and right <= right2 + 0.1 and top >= top2 - 0.1 and bottom <= bottom2 + 0.1


def points_on(places: Places, line: Id) -> Iterator[tuple[float, float]]:
    points = places.ways[line].points
    for a, b, c, d in zip(points[::3], points[1::3], points[2::3], points[3::3], strict=False):
        for t in [i / 12 for i in range(13)]:
            weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
            yield (
                sum(w * p[0] for w, p in zip(weights, (a, b, c, d), strict=True)),
                sum(w * p[1] for w, p in zip(weights, (a, b, c, d), strict=True)),
            )


def check(parts: Parts, direction: Direction) -> None:
    places = placed(parts, direction)
    for one, other in combinations(places.boxes.values(), 2):
        assert not overlap(one, other)
    reads_on(parts, places, direction)
    labels_are_clear(parts, places)
    lines_pass_by(parts, places)
    frames_hold(parts, places)


def reads_on(parts: Parts, places: Places, direction: Direction) -> None:
    """No line goes back: what is needed ends before what needs it begins."""
    along = 0 if direction == "LR" else 2
    follows = [(mark.id, mark.result) for mark in parts.marks] + [(edge.operand, edge.mark) for edge in parts.edges]
    for one, other in follows:
        assert sides(places.boxes[one])[along + 1] < sides(places.boxes[other])[along]


def labels_are_clear(parts: Parts, places: Places) -> None:
    """Of boxes and of one another, and of all lines."""
    labels = {}
    for edge in parts.edges:
        if (middle := places.ways[edge.id].label) is not None:
            wide, high = label_size(edge.local_gradient)
            labels[edge.id] = Place(*middle, wide, high - 2.0)
    assert set(labels) == {edge.id for edge in parts.edges if edge.local_gradient}
    for one, other in combinations([*labels.values(), *places.boxes.values()], 2):
        assert not overlap(one, other)
    for line in places.ways:
        for x, y in points_on(places, line):
            assert not any(overlap(Place(x, y, 0.3, 0.3), label) for label in labels.values())


def lines_pass_by(parts: Parts, places: Places) -> None:
    """A line touches no box but those at its ends."""
    ends = {mark.result.sibling("result"): {mark.id, mark.result} for mark in parts.marks}
    ends |= {edge.id: {edge.operand, edge.mark} for edge in parts.edges}
    for line, its in ends.items():
        others = [place for part, place in places.boxes.items() if part not in its]
        for x, y in points_on(places, line):
            assert not any(overlap(Place(x, y, 0.3, 0.3), other) for other in others)


def frames_hold(parts: Parts, places: Places) -> None:
    """What was made in a module, and nothing else."""
    grid = grid_of(parts)
    for frame, place in places.frames.items():
        for item, box in places.boxes.items():
            its_own = frame in grid.path[grid.frame[item]]
            assert inside(box, place) if its_own else not overlap(box, place)
        for other, second in places.frames.items():
            if other in grid.path[frame][:-1]:
                assert inside(place, second)
            elif frame not in grid.path[other]:
                assert not overlap(place, second)


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("name", GRAPHS)
def test_nothing_lies_on_anything_else_and_all_reads_on(name: str, direction: Direction) -> None:
    check(recorded(GRAPHS[name]), direction)
    check(parts_of(GRAPHS[name]()), direction)


@given(st.integers(0, 10_000), st.integers(1, 30), st.sampled_from(["LR", "TB"]))
@settings(max_examples=20)
def test_random_graphs_keep_the_laws(seed: int, length: int, direction: Direction) -> None:
    check(parts_of(irregular(seed, length)), direction)


# --- order ---


def heights(parts: Parts, *labels: str) -> list[float]:
    places = placed(parts)
    return [places.boxes[box.id].y for box in parts.boxes if box.label in labels]


@pytest.mark.parametrize("make", [lambda: recorded(mlp), lambda: parts_of(mlp())], ids=["modules", "none"])
def test_weights_inputs_and_neurons_stand_in_order(make: Callable[[], Parts]) -> None:
    parts = make()
    places = placed(parts)
    dots = [places.boxes[mark.id].y for mark in parts.marks if mark.operation == "dot"][:3]
    assert dots == sorted(dots)
    upper = {box.label: places.boxes[box.id].y for box in reversed(parts.boxes)}
    assert upper["x0"] < upper["x1"]
    for mark in parts.marks:
        ends = [edge for edge in parts.edges if edge.mark == mark.id]
        weights = [places.boxes[edge.operand].y for edge in ends[: len(ends) // 2]]
        assert mark.operation != "dot" or weights == sorted(weights)


def test_inputs_stand_once_each_paired_with_its_weight() -> None:
    parts = recorded(mlp)
    assert [box.label for box in parts.boxes].count("x0") == 1
    places = placed(parts)
    first = next(mark for mark in parts.marks if mark.operation == "dot")
    arriving = sorted(
        [edge for edge in parts.edges if edge.mark == first.id], key=lambda edge: places.ways[edge.id].tip[1]
    )
    labels = {box.id: box.label for box in parts.boxes}
    assert [labels[edge.operand] for edge in arriving] == ["w0", "x0", "w1", "x1"]


def test_operands_stand_in_the_order_of_the_formula() -> None:
    a, b, c, d = [Value(1.0, name) for name in "abcd"]
    for y, order in (((a - b) / (c * d), "abcd"), ((d * c) - (b / a), "dcba")):
        parts = parts_of(y)
        found = sorted("abcd", key=lambda name: heights(parts, name)[0])
        assert "".join(found) == order


def test_layers_stand_side_by_side_none_below_the_one_before() -> None:
    parts = recorded(lambda: nn.MLP(3, [4, 4, 1], seed=0)([Value(1.0) for _ in range(3)]))
    places = placed(parts)
    layers = [places.frames[frame.id] for frame in parts.frames if frame.label.startswith("layers.")]
    for one, other in pairwise(layers):
        assert sides(one)[1] < sides(other)[0]
        assert abs(one.y - other.y) < 1.0


# --- time ---


def test_the_steps_of_a_cell_are_a_film_strip() -> None:
    parts = recorded(rnn)
    steps = [frame for frame in parts.frames if frame.parent is None]
    assert [frame.label for frame in sorted(steps, key=lambda f: f.label)] == [
        f"RNNCell, t = {t}" for t in (1, 2, 3, 4)
    ]
    places = placed(parts)
    frames = [places.frames[frame.id] for frame in sorted(steps, key=lambda frame: frame.label)]
    assert all(abs(one.y - other.y) < 1.0 for one, other in pairwise(frames))
    assert all(sides(one)[1] < sides(other)[0] for one, other in pairwise(frames))


def test_folding_keeps_each_step_and_what_they_share() -> None:
    with record_source():
        y = rnn(6)
    boxes = parts_of(y, Request(depth=0)).boxes
    folds = [box.label.split("\n")[:2] for box in boxes if box.kind == "fold"]
    assert ["RNNCell", "8 parameters"] in folds
    assert sorted(title for title, _ in folds if "t =" in title) == [f"RNNCell, t = {t}" for t in range(1, 7)]
    assert [box.label for box in boxes if box.kind == "leaf"] == [f"x{t}" for t in range(1, 7)]


def test_calls_on_the_rows_of_a_batch_are_one() -> None:
    labels = {frame.label for frame in recorded(rows).frames}
    assert "MLP" in labels
    assert not any("t =" in label for label in labels)


def test_a_module_called_on_its_own_output_within_another_has_steps() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Neuron(1, "tanh", seed=0)

        def __call__(self, x: Value) -> Value:
            return self.inner([self.inner([x])])

    model = Twice()
    with record_source():
        y = model(Value(0.5)) + model(Value(0.7))
    assert sorted({frame.label for frame in parts_of(y).frames}) == ["Twice", "inner, t = 1", "inner, t = 2"]


def test_a_step_is_known_by_what_it_depends_on_even_if_its_first_node_does_not() -> None:
    names, calls = [("m",)] * 5, [(1,), (1,), (2,), (2,), (2,)]
    operands = [(-1,), (0,), (-1,), (2, 1), (3,)]
    assert with_steps(names, calls, operands) == [("m, t = 1",)] * 2 + [("m, t = 2",)] * 3


# --- pages ---


def test_what_does_not_fit_a_page_folds_and_what_fits_does_not() -> None:
    with record_source():
        small, large = mlp(), nn.MLP(3, [4, 4, 1], seed=0)([Value(1.0, f"x{i}") for i in range(3)])
    assert "folded" not in repr(draw(mlp())).splitlines()[-1]
    for y in (small, large):
        graph = draw(y)
        assert "folded" in repr(graph).splitlines()[-1]
        places = placed(graph._parts)
        assert places.size.width <= 1_230
    assert "folded" not in repr(draw(small, collapse="never")).splitlines()[-1]


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("name", GRAPHS)
def test_no_drawing_is_smaller_than_its_least_size(name: str, direction: Direction) -> None:
    parts = recorded(GRAPHS[name])
    least, size = least_size(parts, ("data", "grad"), direction), placed(parts, direction).size
    assert 0 < least.width <= size.width
    assert 0 < least.height <= size.height


def test_a_formula_without_repetition_is_not_folded() -> None:
    x = Value(0.5, "x")
    for f in (ad.sin, ad.exp, ad.tanh, ad.log1p, ad.sqrt, ad.cos, ad.sinh, ad.expm1, ad.arctan, ad.cbrt):
        x = f(x) + 1.0
    assert "folded" not in repr(draw(x)).splitlines()[-1]


def test_in_a_large_graph_lines_run_straight_and_boxes_keep_the_laws() -> None:
    parts = parts_of(irregular(0, 400))
    grid = grid_of(parts)
    many, few = [routes_of(parts, grid, lambda edge: edge.local_gradient, most) for most in (100_000, 1)]
    assert max(len(way.stops) for way in few.ways.values()) == 1 < max(len(way.stops) for way in many.ways.values())
    places = placed(parts_of(irregular(0, 1_500)))
    boxes = sorted(places.boxes.values(), key=lambda place: place.x - place.width / 2)
    for k, one in enumerate(boxes):
        for other in boxes[k + 1 :]:
            if sides(other)[0] >= sides(one)[1]:
                break
            assert not overlap(one, other)


def test_lines_from_one_operand_are_a_trunk_that_branches() -> None:
    x = Value(0.9, "x")
    y = x
    for _ in range(40):
        y = y * x
    parts = parts_of(y)
    routes = routes_of(parts, grid_of(parts), lambda edge: edge.local_gradient, 10_000)
    assert len(routes.column) < 10 * len(parts.boxes)
    places = placed(parts)
    assert sum(len(way.points) for way in places.ways.values()) < 20 * len(places.ways)
    lines = [edge.id for edge in parts.edges if edge.operand == parts.ids[x]]
    assert len({places.ways[line].tip for line in lines}) == len(lines)


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_labels_are_on_the_page(direction: Direction) -> None:
    w, x, b = Value(-123456.789, "w"), Value(1.23456e-7, "x"), Value(0.1, "b")
    parts = parts_of(w * x + b)
    places = places_of(parts, (), direction, lambda edge: "123456 × 0.123456 = 15241.6")
    half = label_size("123456 × 0.123456 = 15241.6").width / 2
    for way in places.ways.values():
        assert way.label is None or half - 0.1 <= way.label[0] <= places.size.width - half + 0.1


def test_graphs_that_nothing_joins_stand_close_together() -> None:
    x = Value(1.0, "x")
    y = x * 2.0
    z = y + x
    roots = [y, z, Value(3.0, "alone"), z * z, Value(4.0, "too")]
    places = placed(parts_of(roots))
    edges = sorted([sides(place)[2:] for place in places.boxes.values()])
    reached = edges[0][1]
    for top, bottom in edges:
        assert top - reached < 40.0
        reached = max(reached, bottom)


# --- Graphviz ---


@every_renderer
@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_graphviz_draws_each_box_where_it_was_put(renderer: str, direction: Direction) -> None:
    with record_source():
        y = mlp()
    parts = parts_of(y)
    picture = RENDERERS[renderer](draw(y, collapse="never", direction=direction).digraph.source)
    places = placed(parts, direction)
    root = ElementTree.fromstring(picture)
    middles = {}
    for group in root.iter(f"{SVG}g"):
        if group.get("class", "").startswith("node"):
            if (ellipse := group.find(f"{SVG}ellipse")) is not None:
                middles[group.get("id")] = float(ellipse.attrib["cx"]), float(ellipse.attrib["cy"])
            else:
                xs, ys = corners(group)
                middles[group.get("id")] = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    first = next(iter(places.boxes))
    dx, dy = [a - b for a, b in zip(middles[str(first)], places.boxes[first][:2], strict=True)]
    for part, place in places.boxes.items():
        assert middles[str(part)] == (pytest.approx(place.x + dx, abs=2.0), pytest.approx(place.y + dy, abs=2.0))


def corners(group: ElementTree.Element) -> tuple[list[float], list[float]]:
    shapes = [
        shape.get("points") or shape.get("d", "") for shape in group if shape.tag in (f"{SVG}polygon", f"{SVG}path")
    ]
    numbers = "".join([c if c in "-.0123456789 " else " " for c in shapes[0].replace(",", " ")]).split()
    return [float(x) for x in numbers[::2]], [float(y) for y in numbers[1::2]]


@needs_svg
def test_a_text_fits_its_box() -> None:
    for text in ("-0.123457", "data", "a long label, with i and W", "∅ zero grad"):
        source = f'digraph {{ node [shape=plain fontname=Verdana fontsize={BOX_FONT:g} margin=0]; a [label="{text}"] }}'
        for render in [render for name, render in RENDERERS.items() if name == "wasm"]:
            root = ElementTree.fromstring(render(source))
            assert text_size(text, BOX_FONT).width >= 0.93 * (float(root.attrib["width"].removesuffix("pt")) - 8.0)


@needs_svg
@pytest.mark.parametrize("most", [1, 3, None])
def test_a_focus_that_leaves_folded_boxes_in_a_circle_is_drawn(most: int | None) -> None:
    with record_source():
        y = rnn()
    for node in list(draw(y, collapse="never")._parts.ids):
        graph = draw(y, focus=node, max_nodes=most)
        assert f'id="p-{graph.id_of(node)}"' in graph.svg("p")
