"""The playground: the page is told what Python knows, and a step by its programs is a step by the optimiser."""

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Value
from autodiff.show.live import program_of_function
from nn.show.playground import points
from nn.show.playground.network import layers_of, recorded

HOSTILE = ["</script><b>x", "<img src=x onerror=alert(1)>"]


def small(activation: str = "tanh") -> nn.MLP:
    return nn.MLP(2, [4, 3, 1], activation, seed=1)


def filled(model: nn.MLP, number: float) -> nn.MLP:
    model.parameters()[0].data = number
    return model


# --- data ---


@pytest.mark.parametrize("kind", points.KINDS)
def test_points_are_of_both_classes_and_apart(kind: str) -> None:
    made = points.named(kind, 100, seed=0)
    classes = [second for _, second in made.rows]
    assert classes.count(True) == classes.count(False) == 50
    assert made == points.named(kind, 100, seed=0) != points.named(kind, 100, seed=1)
    xs = np.array([x for x, _ in made.rows])
    assert np.abs(xs).max() < 2.0
    nearest = [np.argsort(np.linalg.norm(xs - x, axis=1))[1] for x in xs]
    assert np.mean([classes[i] == classes[j] for i, j in enumerate(nearest)]) > 0.8


def test_classes_may_be_texts_and_columns_have_names() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"long": [0.0, 1.0, 2.0], "wide": [1.0, 0.0, 1.0]})
    [told] = nn.play(small(), (frame, ["dog", "cat", "dog"])).data["sets"]
    assert told == {
        "name": "your rows",
        "rows": [[0.0, 1.0, 1], [1.0, 0.0, 0], [2.0, 1.0, 1]],
        "classes": ("cat", "dog"),
        "axes": ("long", "wide"),
    }


@pytest.mark.parametrize(
    ("model", "options", "error", "words"),
    [
        (nn.MLP(3, [2, 1]), {}, ValueError, "two inputs and one output, got 3 and 1"),
        (nn.MLP(2, [2, 2]), {}, ValueError, "two inputs and one output, got 2 and 2"),
        (nn.MLP(2, [17, 1]), {}, ValueError, "16 units in a layer"),
        (nn.Sequential(nn.Layer(2, 1), "tanh"), {}, TypeError, "a Sequential of Layers"),
        (3, {}, TypeError, "got int"),
        (nn.MLP(2, [2, 1]), {"data": "moon"}, ValueError, "moons, circles, xor, spirals"),
        (nn.MLP(2, [2, 1]), {"data": [[0.0, 1.0]]}, TypeError, "a name, or a pair"),
        (nn.MLP(2, [2, 1]), {"data": ([[0.0, 1.0]], [1])}, ValueError, "in two classes"),
        (nn.MLP(2, [2, 1]), {"data": ([[0.0], [1.0]], [1, 0])}, ValueError, "rows of two numbers"),
        (nn.MLP(2, [2, 1]), {"theme": "blue"}, ValueError, "theme is 'auto', 'light' or 'dark', got 'blue'"),
        (nn.MLP(2, [2, 1]), {"batch_size": 0}, ValueError, "batches of 1 or more"),
        (nn.MLP(2, [2, 1]), {"loss": lambda y, t: 1.0}, TypeError, "makes a Value of an output and a target"),
        (nn.MLP(2, [2, 1], lambda z: z if z.data > 0 else 0.1 * z, 0), {}, ValueError, "chooses by comparing"),
        (nn.MLP(2, [2, 1], lambda z: ad.where(z > 0, z, 0.1 * z), 0), {}, ValueError, "chooses by comparing"),
        (
            nn.MLP(2, [2, 1]),
            {"loss": lambda y, t: y * t if y.data > 9 * t else y * y},
            ValueError,
            "chooses by comparing",
        ),
        (nn.MLP(2, [2, 1]), {"loss": "mse"}, TypeError, "such as nn.hinge, got 'mse'"),
        (nn.MLP(2, [2, 1]), {"loss": lambda y, t: y * 1.0 + 0.0 if t > 9.0 else y}, ValueError, "the output itself"),
        (nn.MLP(2, [2, 1]), {"loss": nn.huber}, ValueError, "chooses by comparing"),
        (nn.MLP(2, [2, 1]), {"optimizer": nn.SGD([Value(1.0)])}, ValueError, "of the model's parameters"),
        (nn.MLP(2, [2, 1]), {"optimizer": nn.optim.Adam}, TypeError, "of the model's parameters"),
        (nn.MLP(2, [2, 1]), {"batch_size": 2.5}, TypeError, "whole numbers"),
        (filled(nn.MLP(2, [2, 1]), math.nan), {}, ValueError, r"finite, got layers\.0\.neurons\.0\.w\.0 = nan"),
    ],
)
def test_mistakes_are_named(model: Any, options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        nn.play(model, **options)


# --- what the page is told ---


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "linear"])
@pytest.mark.parametrize("bias", [True, False])
def test_units_are_found_in_the_graph(activation: str, bias: bool) -> None:
    model = nn.Sequential(nn.Layer(2, 3, activation, seed=0, bias=bias), nn.Layer(3, 1, "linear", seed=1, bias=bias))
    units, output = recorded(layers_of(model), [Value(0.5), Value(-1.0)])
    assert output.data == model([0.5, -1.0]).data
    for unit in units:
        assert unit.sum.op is not None
        assert unit.sum.op.name == "dot"
        assert set(unit.neuron.w) <= set(unit.sum.operands)
        assert unit.biased.data == unit.sum.data + (unit.neuron.b.data if unit.neuron.b else 0.0)
        assert unit.output.data == unit.neuron.activation(Value(unit.biased.data)).data


def test_programs_have_the_numbers_of_the_graph() -> None:
    model = small("relu")
    told = nn.play(model).data
    for example, target in zip(told["examples"], told["targets"], strict=True):
        model.zero_grad()
        x = [Value(0.5), Value(-0.25)]
        loss = nn.binary_cross_entropy_with_logits(model(x), target)
        loss.backward()
        assert [node["name"] for node in example["nodes"]][:2] == ["x0", "x1"]
        assert len({node["name"] for node in example["nodes"]}) == len(example["nodes"]), "a name is one node's"
        names = [parameter["name"] for parameter in told["parameters"]]
        assert [node["name"] for node in example["nodes"]][2 : 2 + len(names)] == names
        assert example["nodes"][example["loss"]]["name"] == "L"
        assert example["nodes"][example["output"]]["name"] == "y"
    assert [parameter["path"] for parameter in told["parameters"]] == [path for path, _ in model.named_parameters()]


def test_the_rule_of_a_bend_tells_both_sides() -> None:
    nodes = {node["name"]: node for node in nn.play(small("relu")).data["examples"][0]["nodes"]}
    assert nodes["h1"]["rules"] == ["1 if z1 > 0, else 0"]
    assert (nodes["s1"]["made"], nodes["s1"]["rules"]) == ("w1[0] * x0 + w1[1] * x1", ["x0", "x1", "w1[0]", "w1[1]"])


OPTIMIZERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "SGD": (nn.SGD, {}),
    "momentum": (nn.SGD, {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
    "Nesterov": (nn.SGD, {"momentum": 0.9, "nesterov": True, "maximize": True}),
    "Adam": (nn.optim.Adam, {"amsgrad": True}),
    "AdamW": (nn.optim.AdamW, {}),
    "RMSprop": (nn.optim.RMSprop, {"centered": True, "momentum": 0.5}),
    "Rprop": (nn.optim.Rprop, {}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_rule_is_the_optimisers(name: str) -> None:
    """Evaluated as the page does, for steps of a parameter against any slopes."""
    make, options = OPTIMIZERS[name]
    model = nn.MLP(2, [2, 1], seed=0)
    told = nn.play(model, optimizer=make(model.parameters(), lr=0.05, **options)).data["optimizer"]
    x = Value(0.5)
    optimizer = make([x], lr=0.05, **options)
    number, state = 0.5, [0.05 if start == "lr" else start for start in told["state"]]
    evaluate = _evaluator(told["rule"])
    for step, slope in enumerate([1.0, -0.5, -0.25, 0.0, 3.0, 2.0], 1):
        x.grad = slope
        optimizer.step()
        number, *state = evaluate([0.05, step, number, slope, *state])
        assert number == pytest.approx(x.data, rel=1e-14)


def _evaluator(program: dict[str, Any]) -> Any:
    """A program as the page evaluates it, by Python's own functions."""
    table = {primitive.name: primitive.evaluate for primitive in _table()}

    def evaluate(numbers: list[float]) -> list[float]:
        values = [*numbers, *map(float, program["constants"])]
        starts = program["starts"]
        for i, code in enumerate(program["codes"]):
            operands = program["operands"][starts[i] : starts[i + 1]]
            values.append(float(table[program["operations"][code]](*[values[x] for x in operands])))
        return [values[slot] for slot in program["outputs"]]

    return evaluate


def _table() -> list[Any]:
    from autodiff.compiler.programs.opcodes import OPCODES

    return list(OPCODES)


def test_a_function_that_chooses_by_if_is_refused() -> None:
    assert program_of_function(lambda x: [ad.where(x > 0.0, x, -x)], [1.0]).evaluate([-3.0])[-1] == 3.0
    with pytest.raises(ValueError, match="if"):
        program_of_function(lambda x: [x if x > 0.0 else -x], [1.0])


# --- the page ---


class Reader(HTMLParser):
    """The elements of a page, and the texts outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]


def test_a_page_needs_nothing_else(tmp_path: Path) -> None:
    page = nn.play(small()).save(tmp_path / "play.html").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"'<)]+", page)) <= {"http://www.w3.org/2000/svg"}
    assert Reader(page).tags.count("main") == 1


def test_what_is_named_is_text_whatever_it_says() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({HOSTILE[0]: [0.0, 1.0], HOSTILE[1]: [1.0, 0.0]})
    html = nn.play(small(), (frame, HOSTILE)).html("mine")
    plain = Reader(nn.play(small(), ([[0.0, 1.0], [1.0, 0.0]], [0, 1])).html("mine"))
    assert Reader(html).tags == plain.tags
    assert plain.ids == ["mine"]
    story = re.search(r'data-part="story">(.*?)</script>', html, re.DOTALL)
    assert story is not None
    assert json.loads(story[1])["sets"][0]["axes"] == HOSTILE


def test_activations_of_ones_own_are_taken() -> None:
    model = nn.MLP(2, [2, 1], lambda z: z * ad.sigmoid(z), seed=0)
    example = nn.play(model, loss=lambda y, t: (y - t) ** 2).data["examples"][1]
    made = {node["name"]: node["made"] for node in example["nodes"]}
    assert (made["h1"], made["L"]) == ("z1 * v1", "v3**2")


def test_two_on_a_page_have_ids_of_their_own() -> None:
    made = nn.play(small())
    assert made.html() != made.html()
    with pytest.raises(ValueError, match="a prefix is a letter"):
        made.html("1 <")


def test_sizes_of_pages_are_reasonable() -> None:
    assert len(nn.play(nn.MLP(2, [6, 1], "tanh", seed=0)).html()) < 150_000
    assert len(nn.play(nn.MLP(2, [16, 16, 1], "tanh", seed=0)).html()) < 450_000
