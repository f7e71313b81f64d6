"""Folding: what of a graph is drawn, which frames it stands in, and what a folded box says."""

import gc
import random
import weakref
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Value, draw, record_source
from autodiff.show.drawings.parts import Box, Id, Parts
from autodiff.show.drawings.reader import parts_of
from autodiff.show.folding.fold import Folding, Request, folded
from autodiff.show.folding.patterns import period
from autodiff.show.folding.wiring import wiring_of


def recorded(call: Callable[[], Value]) -> Value:
    with record_source():
        return call()


def classifier() -> nn.MLP:
    return nn.MLP(64, [32, 10], seed=0)


def loss(model: nn.MLP) -> Value:
    return nn.cross_entropy(model([0.1 * i for i in range(64)]), 3)


def folds(parts: Parts) -> list[str]:
    return [box.label for box in parts.boxes if box.kind == "fold"]


def steps(length: int) -> Value:
    x = Value(1.0, "x")
    for _ in range(length):
        x = (x * 1.001 + 0.1).sin()
    return x


def irregular(length: int) -> Value:
    rng = random.Random(0)
    made = [Value(rng.random()) for _ in range(100)]
    for i in range(length):
        left, right = made[-rng.randrange(1, 100)], made[-rng.randrange(1, 50)]
        made.append(left * right if i % 3 else (left + right).tanh())
    return made[-1]


# --- frames ---


def test_modules_are_frames_around_what_was_made_in_them_with_their_names() -> None:
    model = nn.MLP(2, [3, 1], seed=0)
    parts = parts_of(recorded(lambda: model([Value(1.0, "x0"), Value(2.0, "x1")])))
    assert [frame.label for frame in parts.frames] == ["MLP", "layers.0"] + [f"neurons.{i}" for i in range(3)] + [
        "layers.1",
        "neurons.0",
    ]
    title = {frame.id: frame.title for frame in parts.frames}
    where = {box.id: title.get(box.frame, "") for box in parts.boxes}
    assert [where[box.id] for box in parts.boxes if box.label.startswith("x")] == ["", ""]
    assert where[parts.roots[0]] == "MLP.layers.1.neurons.0"
    assert [where[mark.result] for mark in parts.marks] == [title[mark.frame] for mark in parts.marks]


def test_parameters_made_before_stand_in_the_frame_that_uses_them() -> None:
    model = nn.MLP(2, [3, 1], seed=0)
    parts = parts_of(recorded(lambda: model([1.0, 2.0])))
    title = {frame.id: frame.title for frame in parts.frames}
    inside = [title[parts_box.frame] for parts_box in parts.boxes if parts_box.label == "w0"]
    assert sorted(inside) == [f"MLP.layers.0.neurons.{i}" for i in range(3)] + ["MLP.layers.1.neurons.0"]


def test_the_picture_has_a_cluster_for_each_frame_inside_the_one_around_it() -> None:
    model = nn.MLP(2, [3, 1], seed=0)
    source = draw(recorded(lambda: model([1.0, 2.0])), collapse="never").digraph.source
    assert source.count("subgraph cluster_") == 7
    outer = source[source.index("subgraph cluster_f0") :]
    assert outer.index("cluster_f0") < outer.index("cluster_f1") < outer.index("cluster_f2")


def test_without_recording_there_are_no_frames() -> None:
    assert parts_of(nn.MLP(2, [3, 1], seed=0)([1.0, 2.0])).frames == ()


# --- modules fold ---


def test_a_large_model_folds_to_its_layers_which_say_what_is_in_them() -> None:
    root = recorded(lambda: loss(classifier()))
    root.backward()
    parts = parts_of(root, Request())
    first, second = folds(parts)
    assert first.split("\n")[:4] == ["layers.0", "32 neurons", "2,080 parameters", "96 operations"]
    assert second.split("\n")[:4] == ["layers.1", "10 neurons", "330 parameters", "20 operations"]
    assert [mark.operation for mark in parts.marks] == ["logsumexp", "sub"]
    assert [edge.times for edge in parts.edges if edge.operand == Id("fold", (0,))] == [320]


def test_a_folded_box_has_the_norm_of_the_gradients_of_its_parameters() -> None:
    model = classifier()
    root = recorded(lambda: loss(model))
    assert all(box.grad == "not yet" for box in boxes(parts_of(root, Request())))
    root.backward()
    titles = draw(root).svg()
    for layer, box in zip(model.layers, boxes(parts_of(root, Request())), strict=True):
        norm = sum(p.grad**2 for p in layer.parameters()) ** 0.5
        assert box.grad == f"{norm:.2g}"
        assert f"operations, |grad| {norm:.2g}" in titles


def test_depth_opens_one_level_of_modules_after_another() -> None:
    root = recorded(lambda: loss(classifier()))
    counts = [len(folds(parts_of(root, Request(depth=depth)))) for depth in range(4)]
    assert counts == [1, 2, 42, 0]
    assert folds(parts_of(root, Request(depth=0)))[0].startswith("MLP\n2 layers\n2,410 parameters")


def test_what_is_folded_says_how_to_open_it() -> None:
    graph = draw(recorded(lambda: loss(classifier())))
    note = "2,526 values folded into 2 boxes: depth=2 or focus=value opens them"
    assert graph.text().splitlines()[-1] == note
    assert note in graph.digraph.source
    assert "\nA graph of 2 values, 2 operations, 2 folded: show() opens" in repr(graph)


# --- structure folds ---


def test_the_neurons_of_a_layer_are_found_in_the_graph_itself() -> None:
    parts = parts_of(loss(classifier()), Request())
    first, second = folds(parts)
    assert first.split("\n")[:3] == ["32 × (dot → add → relu)", "2,080 parameters", "96 operations"]
    assert second.split("\n")[:3] == ["10 × (dot → add)", "330 parameters", "20 operations"]


def test_depth_opens_repeated_structure_to_its_copies_and_then_to_all() -> None:
    root = loss(classifier())
    labels = [folds(parts_of(root, Request(depth=depth))) for depth in range(3)]
    assert [len(found) for found in labels] == [2, 42, 0]
    assert labels[1][0].startswith("dot → add → relu\n65 parameters")


def test_samples_of_a_batch_share_their_boxes() -> None:
    model = nn.MLP(2, [16, 16, 1], seed=0)
    root = ad.mean([nn.mse([model([0.1 * i, 1.0])], [1.0]) for i in range(100)])
    parts = parts_of(root, Request())
    assert len(parts.boxes) < 10
    assert [label.split("\n")[0] for label in folds(parts)[:2]] == ["1,600 × (dot → add → relu)"] * 2


def test_a_chain_of_5000_operations_folds_to_its_period() -> None:
    parts = parts_of(steps(5_000), Request())
    assert len(parts.boxes) <= 200
    assert len(folds(parts)) == 1
    assert "× (" in folds(parts)[0]
    assert folds(parts_of(steps(5_000), Request(max_nodes=20)))[0].startswith("4,99")


def test_a_sum_in_a_loop_is_a_run() -> None:
    total = sum((Value(float(i)) for i in range(1_500)), 0.0)
    parts = parts_of(total, Request())
    assert len(parts.boxes) < 10
    assert folds(parts)[0].startswith("1,498 × add\n")


def test_the_operands_of_one_large_sum_are_one_box() -> None:
    parts = parts_of(ad.dot([Value(float(i)) for i in range(10_000)], [2.0] * 10_000), Request())
    assert folds(parts)[0] == "10,000 parameters"
    assert boxes(parts)[0].grad == "not yet"
    assert [box.data for box in parts.boxes if box.kind == "constant"] == ["10,000 constants"]
    assert sorted(edge.times for edge in parts.edges) == [10_000, 10_000]


@pytest.mark.parametrize("length", [1_000, 20_000])
def test_a_graph_without_any_structure_folds_too(length: int) -> None:
    parts = parts_of(irregular(length), Request())
    assert len(parts.boxes) <= 200


def test_the_period_of_a_sequence() -> None:
    assert [period(list(word)) for word in ("", "a", "aaaa", "abab", "ababa", "abcd", "aabaab")] == [
        0,
        1,
        1,
        2,
        2,
        4,
        3,
    ]


# --- what is never folded ---


def test_small_graphs_are_drawn_as_they_are_and_always_folds_them_all_the_same() -> None:
    model = nn.MLP(2, [3, 1], seed=0)
    root = model([1.0, 2.0])
    assert folds(parts_of(root, Request())) == []
    assert folds(parts_of(root, Request(collapse="always")))[0].startswith("3 × (dot → add → relu)")
    traced = recorded(lambda: model([1.0, 2.0]))
    assert folds(parts_of(traced, Request(collapse="always")))[0].startswith("MLP\n2 layers")


def test_never_folds_nothing() -> None:
    parts = parts_of(steps(500), Request(collapse="never"))
    assert len(parts.boxes) == 1 + 3 * 500 + 2 * 500
    assert not parts.note


def test_max_nodes_is_where_folding_begins() -> None:
    root = steps(10)
    size = len(parts_of(root).boxes)
    assert not folds(parts_of(root, Request(max_nodes=size)))
    assert folds(parts_of(root, Request(max_nodes=size - 1)))


def test_the_roots_are_always_drawn() -> None:
    x = steps(1_000)
    one, other = x * 2.0, x + 1.0
    parts = parts_of([one, other], Request())
    assert set(parts.roots) == {parts.ids[one], parts.ids[other]}


def test_focus_is_drawn_in_its_neighbourhood() -> None:
    root = steps(2_000)
    middle = root
    for _ in range(3_000):
        middle = next(x for x in middle.operands if isinstance(x, Value))
    parts = parts_of(root, Request(focus=middle))
    box = next(box for box in parts.boxes if box.focus)
    assert box.id == parts.ids[middle]
    assert all(x in parts.ids for x in middle.operands if isinstance(x, Value))
    before, after = [box.id for box in parts.boxes if box.kind == "fold"]
    assert not [edge for edge in parts.edges if (edge.operand, edge.mark) == (after, before)]
    assert len(parts.boxes) <= 200


def test_a_focus_in_a_module_opens_the_frames_around_it() -> None:
    model = classifier()
    parts = parts_of(recorded(lambda: loss(model)), Request(focus=model.layers[0].neurons[3].b))
    assert "MLP.layers.0.neurons.3" in [frame.title for frame in parts.frames]
    assert len(parts.boxes) <= 200


def test_a_focus_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^focus is a Value of the graph that is drawn, got Value\(1\.0, grad=0\.0\)"):
        draw(steps(3), focus=Value(1.0))
    with pytest.raises(TypeError, match=r"^focus is a Value of the graph that is drawn, got int 3"):
        draw(steps(3), focus=3)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("depth", -1, "depth is a whole number of at least 0, got -1"),
        ("max_nodes", 0, "max_nodes is a whole number of at least 1, got 0"),
        ("collapse", "sometimes", "collapse is 'auto', 'never' or 'always', got 'sometimes'"),
        ("theme", "blue", "theme is 'auto', 'light' or 'dark', got 'blue'"),
        ("show", ("data", "slope"), "show takes names out of 'data', 'grad', 'local', 'contribution', got 'slope'"),
    ],
)
def test_what_draw_does_not_know_is_refused(name: str, given: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        draw(steps(3), **{name: given})  # type: ignore[call-overload]


# --- laws ---


@st.composite
def graphs(draw: st.DrawFn) -> list[Value]:
    """Roots of a random graph with shared nodes and constants."""
    made = [Value(float(i)) for i in range(draw(st.integers(1, 4)))]
    for _ in range(draw(st.integers(1, 60))):
        left = draw(st.sampled_from(made[-5:]))
        right = draw(st.sampled_from([*made[-20:], 2.0]))
        made.append(draw(st.sampled_from([lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a.tanh()]))(left, right))
    return draw(st.lists(st.sampled_from(made), min_size=1, max_size=3, unique_by=id))


requests = st.builds(
    Request,
    depth=st.none() | st.integers(0, 3),
    max_nodes=st.integers(1, 40),
    collapse=st.sampled_from(["auto", "always"]),
    focus=st.none(),
)


@given(graphs(), requests)
def test_every_value_is_drawn_or_folded_exactly_once(roots: list[Value], request: Request) -> None:
    folding = folded(roots, request)
    members = sorted(i for group in folding.groups for i in group.members)
    assert members == [i for i, group in enumerate(folding.group) if group is not None]
    parts = parts_of(roots, request)
    assert len([box for box in parts.boxes if box.kind in ("leaf", "interior")]) + len(members) == len(folding.group)


@given(graphs(), requests)
def test_every_use_of_a_value_is_on_one_edge_unless_it_is_inside_a_box(roots: list[Value], request: Request) -> None:
    folding = folded(roots, request)
    uses = [(j, i) for i, operands in enumerate(folding.wiring.operands) for j in operands if j >= 0]
    inside = [(j, i) for j, i in uses if folding.group[i] is not None and folding.group[i] == folding.group[j]]
    parts = parts_of(roots, request)
    constants = {box.id for box in parts.boxes if box.kind == "constant"}
    drawn = sum(edge.times for edge in parts.edges if edge.operand not in constants)
    assert drawn == len(uses) - len(inside)


@given(graphs(), requests)
def test_folding_by_structure_makes_no_cycle(roots: list[Value], request: Request) -> None:
    parts = parts_of(roots, request)
    result = {mark.id: mark.result for mark in parts.marks}
    waiting = {box.id: set[Id]() for box in parts.boxes}
    for edge in parts.edges:
        waiting[result.get(edge.mark, edge.mark)].add(edge.operand)
    while waiting:
        ready = [name for name, needed in waiting.items() if not needed & set(waiting)]
        assert ready
        for name in ready:
            del waiting[name]


def groups_of(folding: Folding) -> list[tuple[str, int]]:
    return [(group.title, len(group.members)) for group in folding.groups]


@given(graphs(), requests)
def test_the_same_graph_folds_the_same_way(roots: list[Value], request: Request) -> None:
    assert groups_of(folded(roots, request)) == groups_of(folded(roots, request))
    assert draw(roots).digraph.source == draw(roots).digraph.source


def boxes(parts: Parts) -> list[Box]:
    return [box for box in parts.boxes if box.kind == "fold"]


def test_a_folded_box_counts_what_is_not_finite_and_what_is_dead() -> None:
    xs = [Value(-1.0 if i % 4 == 0 else 1.0) for i in range(400)]
    root = ad.mean([(x * 2.0).relu() * (float("inf") if i == 7 else 1.0) for i, x in enumerate(xs)])
    root.backward()
    assert "✕ 100 dead" in "".join(box.flag for box in boxes(parts_of(root, Request())))
    assert "nan or inf" in "".join(box.flag for box in boxes(parts_of(root, Request())))


def test_layers_stay_folded_where_their_neurons_would_be_a_tangle() -> None:
    model = nn.MLP(2, [16, 16, 1], seed=0)
    with ad.record_source():
        loss = nn.mse([model([1.0, 2.0]), model([0.5, -1.0])], [1.0, 0.0])
    assert "3 folded" in repr(ad.draw(loss))
    assert "33 folded" in repr(ad.draw(loss, depth=2))


# --- parameters are counted, inputs apart ---


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(
    ("nouts", "layers"),
    [
        ([2, 1], ["6 parameters, ", "3 parameters, "]),
        ([1], ["3 parameters, "]),
        ([3], ["9 parameters, "]),
    ],
)
def test_counts_of_parameters_leave_inputs_out(nouts: list[int], layers: list[str], inside: bool) -> None:
    xs = [Value(1.0, "x0"), Value(2.0, "x1")]
    with ad.record_source():
        given = [Value(1.0, "x0"), Value(2.0, "x1")] if inside else xs
        outputs = nn.MLP(2, nouts, seed=0)(given)  # a model that nobody else holds
    total = ad.sum(outputs) if isinstance(outputs, list) else outputs
    count = sum((nin + 1) * nout for nin, nout in zip([2, *nouts], nouts, strict=False))
    (whole,) = folds(parts_of(total, Request(depth=0)))
    assert whole.split("\n")[2] == f"{count} parameters"
    assert {box.label for box in parts_of(total, Request(depth=0)).boxes if box.kind == "leaf"} == {"x0", "x1"}
    each = [label.replace("\n", ", ") for label in folds(parts_of(total, Request(depth=1)))]
    assert all(count in label for count, label in zip(layers, each, strict=True))


def test_inputs_that_layers_share_are_no_parameters() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            self.one, self.other = nn.Neuron(20, seed=0), nn.Neuron(20, seed=1)

        def __call__(self, x: list[Value]) -> Value:
            return self.one(x) + self.other(x)

    root = recorded(lambda: Both()([Value(float(i)) for i in range(20)]))
    assert sorted(label.split("\n")[:2] for label in folds(parts_of(root, Request(depth=1)))) == [
        ["one", "21 parameters"],
        ["other", "21 parameters"],
        ["shared", "20 inputs"],
    ]


def test_state_that_a_module_computed_is_an_input_of_its_next_call() -> None:
    class Cell(nn.Module):
        def __init__(self) -> None:
            self.w, self.h = Value(0.5), Value(0.0).detach()

        def __call__(self, x: float) -> Value:
            h = ad.tanh(self.w * x + self.h)
            self.h = h.detach()
            return h

    cell = Cell()
    cell(1.0)
    (label,) = folds(parts_of(recorded(lambda: cell(2.0) * 1.0), Request(depth=0)))
    assert label.split("\n")[:3] == ["Cell", "1 parameter", "3 operations"]


def test_what_was_recorded_keeps_no_model_alive_through_its_parameters() -> None:
    with ad.record_source():
        model = nn.MLP(2, [2, 1], seed=0)
    parameters, watched = model.parameters(), weakref.ref(model)
    gc.collect()
    gc.disable()
    try:
        del model
        assert watched() is None
    finally:
        gc.enable()
    assert all(p.source is not None for p in parameters)


def test_models_of_one_class_are_told_apart_and_the_rows_of_one_are_not() -> None:
    with record_source():
        first, second = nn.RNNCell(1, 1, seed=0), nn.RNNCell(1, 1, seed=1)
        states, _ = nn.unroll(first, [[Value(0.1)], [Value(0.2)]])
        stacked = nn.unroll(second, states)[0][-1][0]
        model = nn.MLP(2, [1], seed=0)
        rows = model([1.0, 2.0]) + model([3.0, 4.0])
    around = {its[0] for its in wiring_of([stacked]).modules if its}
    assert around == {f"RNNCell {which}, t = {t}" for which in (1, 2) for t in (1, 2)}
    assert {its[0] for its in wiring_of([rows]).modules if its} == {"MLP"}
