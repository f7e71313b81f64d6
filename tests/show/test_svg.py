"""The SVG as it is shown: ids of its own, words for readers, both themes, no scripts; what boxes and edges say."""

import re
from xml.etree import ElementTree

import pytest

import autodiff as ad
import nn
from autodiff import Value, draw, record_source
from autodiff.show.drawings import svg
from autodiff.show.drawings.reader import parts_of
from tests.show.pictures import HOSTILE, SVG, circuit, ids, needs_svg, texts, titles

# --- ids ---


@needs_svg
def test_two_drawings_never_share_ids_even_of_the_same_graph() -> None:
    graph, root = draw(circuit()), circuit()
    pictures = [
        graph.svg(),
        graph.svg(),
        graph._repr_mimebundle_()["image/svg+xml"],
        draw(root).svg(),
        draw(root).svg(),
    ]
    pictures += [draw(nn.MLP(2, [2, 1], seed=0)).svg() for _ in range(2)]
    found = [name for picture in pictures for name in ids(picture)]
    assert len(set(found)) == len(found)


@needs_svg
def test_every_reference_and_every_rule_is_of_the_drawing_itself() -> None:
    picture = draw(circuit()).svg("mine")
    assert all(name == "mine" or name.startswith("mine-") for name in ids(picture))
    root = ElementTree.fromstring(picture)
    assert set(root.attrib["aria-labelledby"].split()) <= set(ids(picture))
    (style,) = root.iter(f"{SVG}style")
    assert style.text is not None
    rules = re.findall(r"([^{}]+)\{[^{}]+\}", style.text)
    assert rules
    assert all(re.search(r"(^|\) )#mine( \S+)?$", rule) for rule in rules)


@needs_svg
def test_each_value_operation_and_edge_has_a_stable_id_and_class() -> None:
    x = Value(3.0, "x")
    y = (x * x + 2.0).sin()
    before, root = draw(y), y
    y.backward()
    after = draw(y)
    for node in (root, root.operands[0], x):
        assert isinstance(node, Value)
        assert before.id_of(node) == after.id_of(node)
    square = root.operands[0].operands[0]  # type: ignore[union-attr]
    assert isinstance(square, Value)
    names = [after.id_of(x), after.id_of(square), after.operation_id(square), after.edge_id(square, 1)]
    assert names == ["n0", "n1", "o1", "e1-1"]
    picture = after.svg("p")
    elements = {element.get("id"): element for element in ElementTree.fromstring(picture).iter()}
    for name in [*names, "r1", "e2-1", "c2-1"]:
        assert name in elements[f"p-{name}"].attrib["class"].split()


def test_what_is_not_drawn_has_no_id() -> None:
    x = Value(1.0)
    y = x
    for _ in range(1_000):
        y = y * 2.0
    graph = draw(y)
    folded = y.operands[0]
    assert isinstance(folded, Value)
    with pytest.raises(KeyError, match="it is folded, or not in the graph"):
        graph.id_of(folded)
    with pytest.raises(KeyError, match="no operation made it"):
        draw(x).operation_id(x)
    with pytest.raises(KeyError, match="there is no edge from operand 2 of Value"):
        graph.edge_id(y, 2)


# --- words ---


@needs_svg
def test_the_picture_and_its_parts_say_what_they_are() -> None:
    picture = draw(circuit()).svg()
    root = ElementTree.fromstring(picture)
    assert root.attrib["role"] == "img"
    title, description = root[0], root[1]
    assert (title.tag, title.text) == (f"{SVG}title", "Computation graph of f")
    assert description.tag == f"{SVG}desc"
    assert description.text is not None
    assert description.text.startswith("5 values, 2 operations. Blue is positive and orange negative")
    words = titles(picture)
    for text in (
        "leaf x: data -2, grad -4",
        "value q: data 3, grad -4",
        "mul makes f",
        "q goes into f: local gradient -4, contribution 1 × -4 = -4",
    ):
        assert text in words
    assert not [text for text in words if re.fullmatch(r"[a-z]\d+(->[a-z]\d+)?|%\d+", text)]


@needs_svg
@pytest.mark.parametrize("label", HOSTILE, ids=lambda label: ascii(label[:20]))
def test_svg_of_hostile_labels_is_xml_without_scripts_and_has_the_whole_label_in_its_title(label: str) -> None:
    picture = draw(Value(1.0, label) * 2.0).svg()
    elements = list(ElementTree.fromstring(picture).iter())
    assert {element.tag.removeprefix(SVG) for element in elements} <= set(
        "svg g title desc style path polygon polyline ellipse text".split()
    )
    assert not [name for element in elements for name in element.attrib if name.startswith("on") or "href" in name]
    if len(label) <= 1_000:
        assert any(label.expandtabs(4) in text for text in titles(picture))
    else:
        assert any("… (10,000 characters)" in text for text in titles(picture))
        assert len(picture) < 30_000


# --- theme and size ---


@needs_svg
def test_theme_auto_follows_the_reader_by_a_style_sheet_and_the_others_have_none() -> None:
    auto, light, dark = [draw(circuit(), theme=theme).svg("p") for theme in ("auto", "light", "dark")]  # type: ignore[call-overload]
    assert "#p{color-scheme:light dark}" in auto
    assert re.sub("<style>.*?</style>", "", auto, flags=re.DOTALL) == light
    assert "<style>" not in dark
    assert dark != light


@needs_svg
def test_the_picture_shrinks_with_its_column() -> None:
    root = ElementTree.fromstring(draw(circuit()).svg())
    assert dict(rule.split(":") for rule in root.attrib["style"].split(";")) == {"max-width": "100%", "height": "auto"}


@needs_svg
@pytest.mark.parametrize("label", ["a  b", " a b ", "  a", "a", "\tb"])
def test_what_all_texts_share_is_said_once_and_spaces_are_kept(label: str) -> None:
    graph = draw(Value(1.0, label) * 2.0)
    before = list(ElementTree.fromstring(graph._drawn()).iter(f"{SVG}text"))
    root = ElementTree.fromstring(graph.svg())
    after = list(root.iter(f"{SVG}text"))
    space = "{http://www.w3.org/XML/1998/namespace}space"
    for one, other in zip(before, after, strict=True):
        assert one.text == other.text
        for attribute in ("font-family", "font-size", "text-anchor", "fill", "x", "y"):
            assert one.get(attribute) == other.get(attribute, root.get(attribute))
        assert other.get(space) == one.get(space) or " ".join((one.text or "").split()) == (one.text or "").strip(" ")
    assert len(ElementTree.tostring(root)) < 1.25 * len(graph._drawn().encode()) + 2_500


def test_titles_have_labels_as_they_are_written() -> None:
    assert "leaf a :b: data 1, grad not yet" in titles(draw(Value(1.0, "a :b")).svg())


def test_a_reference_within_a_drawing_gets_its_prefix() -> None:
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><linearGradient id="l"/>'
        '<path fill="url(#l)"/><a xlink:href="#l"/><a xlink:href="https://example.org/#l"/></svg>'
    )
    picture = svg.finished(drawn, "p", svg.AltText("t", "d", {}), "light")
    assert 'url(#p-l)"' in picture
    assert picture.count('href="#p-l"') == 1
    assert 'href="https://example.org/#l"' in picture


# --- what boxes and edges say ---


def test_before_backward_gradients_are_not_yet() -> None:
    x, y = Value(3.0, "x"), Value(-2.0, "y")
    z = x * y
    assert [box.grad for box in parts_of(z).boxes] == ["not yet"] * 3
    assert [edge.contribution for edge in parts_of(z).edges] == ["not yet"] * 2
    z.backward()
    assert [box.grad for box in parts_of(z).boxes] == ["-2", "3", "1"]
    assert [edge.contribution for edge in parts_of(z).edges] == ["1 × -2 = -2", "1 × 3 = 3"]


def test_a_gradient_from_elsewhere_is_shown_before_backward() -> None:
    x = Value(3.0, "x")
    (x * 5.0).backward()
    assert [box.grad for box in parts_of(x * 2.0).boxes if box.kind != "constant"] == ["5", "not yet"]


def test_colour_is_by_data_before_backward_and_by_gradient_after() -> None:
    x = Value(-3.0, "x")
    y = x * x
    assert [box.tone[0] for box in parts_of(y).boxes] == ["-", "+"]
    x.data = 3.0
    y = -x
    y.backward()
    assert [box.tone[0] for box in parts_of(y).boxes] == ["-", "+"]


def test_nan_inf_zero_and_dead_are_said_in_words() -> None:
    zero, dead, huge = Value(0.0, "zero"), Value(-1.0, "dead"), Value(1000.0, "huge")
    y = ad.log(zero) * ad.relu(dead) + ad.exp(huge)
    assert [(box.label, box.flag) for box in parts_of(y).boxes if box.flag] == [
        ("zero", "∅ zero"),
        ("", "⚠ inf"),
        ("", "∅ zero"),
        ("", "⚠ nan"),
        ("", "⚠ inf"),
        ("", "⚠ nan"),
    ]
    assert {mark.operation: mark.flag for mark in parts_of(y).marks if mark.flag} == {"relu": "✕ dead"}
    assert "relu\\n✕ dead" in draw(y).digraph.source
    y.backward()
    assert {box.flag for box in parts_of(y).boxes if box.label == "dead"} == {"∅ zero grad"}
    assert {box.tone for box in parts_of(y).boxes if "⚠" in box.flag} == {"bad"}
    assert 'label=0 id="e3-0" ' in draw(y).digraph.source


@needs_svg
def test_show_says_which_numbers_are_drawn() -> None:
    def drawn(*show: str) -> set[str]:
        return {text.strip() for text in texts(draw(circuit(), show=show).svg())}  # type: ignore[call-overload]

    assert drawn() == {*"xyqzf", "+", "×"}
    assert "data" in drawn("data")
    assert "grad" not in drawn("data")
    assert "-12" not in drawn("grad", "local")
    assert "1 × -4 = -4" in drawn("contribution")
    assert "1 × -4 = -4" not in drawn("local")


@needs_svg
def test_several_outputs_share_one_drawing() -> None:
    x = Value(2.0, "x")
    a, b = x * 3.0, x.exp()
    a.label, b.label = "a", "b"
    picture = draw([a, b]).svg()
    assert titles(picture)[0] == "Computation graph of a, b"
    assert texts(picture).count("x") == 1
    assert draw([a, b]).text().splitlines()[1:] == [
        "a      6        not yet  mul",
        "├─ x   2        not yet               3",
        "└─ 3                     constant",
        "b      7.38906  not yet  exp",
        "└─ x                     shown above  7.38906",
    ]
    assert draw([a, a]).text() == draw(a).text()


@needs_svg
def test_frames_and_folded_boxes_are_in_the_picture() -> None:
    model = nn.MLP(64, [32, 10], seed=0)
    with record_source():
        root = ad.sum(model([1.0] * 64))
    picture = draw(root).svg()
    assert {"MLP", "layers.0", "32 neurons", "2,080 parameters"} <= set(texts(picture))
    assert "module MLP" in titles(picture)
    assert any(title.startswith("folded: layers.0, 32 neurons, 2,080 parameters") for title in titles(picture))


@needs_svg
def test_a_chain_of_5000_operations_draws_folded() -> None:
    x = Value(1.0)
    for _ in range(5_000):
        x = x * 1.001
    assert "4,998 × mul" in texts(draw(x)._repr_mimebundle_()["image/svg+xml"])
