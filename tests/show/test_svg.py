"""The SVG as it is shown: ids of its own, words for readers, both themes, no scripts; what boxes and edges say."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

import autodiff as ad
import nn
from autodiff import Value, draw, record_source
from autodiff.show.drawings import render, svg
from autodiff.show.drawings.reader import parts_of
from tests.show.test_show import HAS_DOT, HOSTILE, circuit, needs_svg, texts

SVG = "{http://www.w3.org/2000/svg}"


def ids(picture: str) -> list[str]:
    return [element.attrib["id"] for element in ElementTree.fromstring(picture).iter() if "id" in element.attrib]


def titles(picture: str) -> list[str]:
    return [title.text or "" for title in ElementTree.fromstring(picture).iter(f"{SVG}title")]


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
    rules = re.findall(r"([^{}]+)\{[^{}]+\}", style.text.partition("{")[2])
    assert rules
    assert all(rule.startswith("#mine ") for rule in rules)


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
    assert "prefers-color-scheme:dark" in auto
    assert re.sub("<style>.*?</style>", "", auto, flags=re.DOTALL) == light
    assert "<style>" not in dark
    assert dark != light


@needs_svg
def test_the_picture_shrinks_with_its_column_but_not_below_what_can_be_read() -> None:
    root = ElementTree.fromstring(draw(circuit()).svg())
    pixels = float(root.attrib["width"].removesuffix("pt")) * 4 / 3
    rules = dict(rule.split(":") for rule in root.attrib["style"].split(";"))
    assert rules["max-width"] == "100%"
    assert rules["height"] == "auto"
    assert float(rules["min-width"].removesuffix("px")) == pytest.approx(pixels * svg.SMALLEST, abs=1)
    assert 11 * 4 / 3 * svg.SMALLEST > 8


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
    assert 'label=" 0 " id="e3-0" style=dashed' in draw(y).digraph.source


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


# --- models ---


def test_a_model_is_drawn_as_columns_of_units_and_lines_for_weights() -> None:
    model = nn.MLP(2, [3, 1], seed=0)
    picture = draw(model).svg("p")
    elements = list(ElementTree.fromstring(picture).iter())
    assert sum(element.tag == f"{SVG}circle" for element in elements) == 2 + 3 + 1
    assert sum(element.get("class", "").startswith("weight ") for element in elements) == 2 * 3 + 3
    assert {"inputs", "layers.0", "layers.1", "3 × relu", "1 × linear"} <= set(texts(picture))
    weight = model.layers[0].neurons[1].w[0].data
    assert f"layers.0 weight 0 of unit 1: {weight:.6g}, grad 0" in titles(picture)
    assert len(set(ids(picture))) == len(ids(picture))
    assert repr(draw(model)) == "ModelDrawing(MLP, 2 layers)"


def test_large_layers_are_abbreviated_with_their_count() -> None:
    picture = draw(nn.MLP(64, [32, 10], seed=0)).svg()
    written = texts(picture)
    assert {"64 inputs", "⋮ 56 more", "32 × relu", "⋮ 24 more"} <= set(written)
    assert len(picture) < 60_000


def test_a_model_is_known_by_what_it_holds() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.hidden = nn.Layer(3, 4, seed=0)
            self.heads = {"out": nn.Neuron(4, "tanh", seed=1)}

    assert [line.split()[:4] for line in draw(Net()).text().splitlines()[1:]] == [
        ["hidden", "3", "4", "16"],
        ["heads.out", "4", "1", "5"],
    ]
    assert draw(nn.Neuron(2, seed=0)).text().splitlines()[1].split()[:4] == ["neuron", "2", "1", "3"]


def test_no_name_in_a_model_is_obeyed_by_a_terminal_or_refused_by_xml() -> None:
    bad = "a\x1b[31m\x9bb\ud800\n"

    class Odd(nn.Module):
        def __init__(self) -> None:
            self.layers = {bad: nn.Layer(2, 2, seed=0)}

    Odd.__name__ = Odd.__qualname__ = "Odd\x1b[31m"
    model = Odd()
    model.layers[bad].neurons[0].activation = bad
    drawing = draw(model)
    for text in (drawing.text(), repr(drawing), drawing.svg()):
        assert all(c.isprintable() or c == "\n" for c in text)
    assert [title for title in titles(drawing.svg()) if title.startswith(r"Odd\x1b[31m, a model")]
    assert r"layers.a\x1b[31m\x9bb\ud800\n  2 " in drawing.text()
    ElementTree.fromstring(drawing.svg())


def test_a_module_without_layers_is_refused() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            self.factor = Value(2.0)

    with pytest.raises(TypeError, match=r"^draw takes a Value, a list or an array of Values or a model, got Scale"):
        draw(Scale())


def test_weights_of_zero_and_nan_are_dashed() -> None:
    model = nn.MLP(2, [2], seed=0)
    model.layers[0].neurons[0].w[0].data = float("nan")
    model.layers[0].neurons[0].w[1].data = 0.0
    picture = draw(model).svg()
    assert picture.count("stroke-dasharray") == 2
    assert "⚠ 1 nan or inf" in "".join(texts(picture))


def test_a_model_saves_itself_without_graphviz(tmp_path: Path) -> None:
    drawing = draw(nn.MLP(2, [2, 1], seed=0), theme="dark")
    assert drawing.save(tmp_path / "m.svg").read_text(encoding="utf-8").startswith("<svg")
    assert "color-scheme: dark" in drawing.save(tmp_path / "m.html").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=r"^save takes a name that ends in \.svg, \.png, \.pdf, \.html, got"):
        drawing.save(tmp_path / "m.dot")


# --- PDF ---


@pytest.mark.skipif(HAS_DOT, reason="the dot program writes PDF itself")
@needs_svg
def test_a_pdf_is_typeset_from_the_svg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compile(document: bytes, sys_inputs: dict[str, str], font_paths: list[str]) -> bytes:
        assert b"sys.inputs.svg" in document
        return b"%PDF" + sys_inputs["svg"].encode()

    monkeypatch.setitem(sys.modules, "typst", SimpleNamespace(compile=compile))
    assert draw(circuit()).save(tmp_path / "g.pdf").read_bytes().startswith(b"%PDF<svg")


@pytest.mark.skipif(HAS_DOT, reason="the dot program writes PDF itself")
@needs_svg
def test_without_anything_that_writes_pdf_save_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(RuntimeError, match=f"^{re.escape(render.INSTALL_PDF)}$"):
        draw(circuit()).save(tmp_path / "g.pdf")
    assert not (tmp_path / "g.pdf").exists()


@needs_svg
def test_a_real_pdf(tmp_path: Path) -> None:
    if not HAS_DOT:
        pytest.importorskip("typst")
    assert draw(circuit()).save(tmp_path / "g.pdf").read_bytes().startswith(b"%PDF")
