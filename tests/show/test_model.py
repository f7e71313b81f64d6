"""Pictures of models: columns of units, lines for weights."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

import nn
from autodiff import Value, draw
from tests.show.pictures import SVG, ids, texts, titles


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
    assert repr(draw(model)).splitlines()[-1] == "MLP, a model of 2 layers: show() opens it in a browser."


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

    takes = "draw takes a Value, a list or an array of Values or a model, got"
    with pytest.raises(TypeError, match=rf"^{takes} Scale .*; it has no layers of neurons, so draw what it returns$"):
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
    assert "color-scheme:dark" in drawing.save(tmp_path / "m.html").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=r"^save takes a name that ends in \.svg, \.png, \.pdf or \.html, got"):
        drawing.save(tmp_path / "m.dot")
