"""Names that the user's code and models give: to drawings, tables and formulas, where lines were recorded."""

import linecache
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import autodiff as ad
import nn
from autodiff import Value, draw, explain, formula, record_source
from autodiff.graph import topological_order
from autodiff.show.drawings.reader import parts_of
from autodiff.show.words.given import assignments, given_names, places_in_models
from autodiff.show.words.names import names_of


def ran(code: str, **known: Any) -> dict[str, Any]:
    """The variables after some code ran, as if from a file, inside record_source()."""
    filename = f"<code {abs(hash(code))}>"
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    scope = {"ad": ad, "nn": nn, "Value": Value, **known}
    with record_source():
        exec(compile(code, filename, "exec"), scope)
    return scope


def names_in(root: Value) -> list[str]:
    """The names that code gives to Values of a graph."""
    values = {x: None for node in topological_order(root) for x in (*node.operands, node) if isinstance(x, Value)}
    return list(given_names(values).values())


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("w = Value(2.0)\nx = Value(3.0)\ny = ad.tanh(w * x + 1)", ["w", "x", "y"]),
        ("x = Value(3.0)\nh = x * x\ny = -h", ["x", "h", "y"]),
        ("x = Value(3.0)\ny = (x\n  + x\n)", ["x", "y"]),
        ("x = Value(3.0)\ny = x.exp()", ["x", "y"]),
        ("x = Value(3.0)\ny = x + 1\ny += x", ["x", "y", "y"]),
        ("x, k = Value(3.0), Value(2.0)\ny = x * k", ["x", "k", "y"]),
        ("w = [Value(3.0), Value(2.0)]\ny = ad.dot(w, [1.0, 2.0])", ["w[0]", "w[1]", "y"]),
        ("p = {'b': Value(3.0)}\ny: Value = p['b'] * 2", ["p['b']", "y"]),
        ("x = Value(3.0)\nif (z := x * 2).data > 1:\n    y = z + 1", ["x", "z", "y"]),
        ("y = h = Value(3.0)\nfor _ in range(2):\n    y = y * h", ["y", "y", "y"]),
        ("x = Value(3.0)\ndef f(a):\n    u = a * 2\n    return u + 1\ny = f(x)", ["x", "u"]),
        ("x = Value(3.0)\ny = sum([x * 1, x * 2, x * 3])", ["x", "y"]),
        ("x = Value(3.0)\ny = ad.softmax([x, x * 2])[0]", ["x"]),
        ("class A: pass\na = A()\na.w = Value(3.0)\na.y = ad.log(a.w)\ny = a.y", ["w", "y"]),
        ("y = Value(2.0, 'mine') * 3.0", ["y"]),
        ("y = (lambda v: v * 2.0)(Value(2.0))", []),
        ("x = Value(3.0)\ny = x * 2 if x > 0 else x * 3", ["x", "y"]),
        ("x = Value(3.0)\nq = [x * 2, 0]\nfor i in [1]:\n    q[i] = q[i - 1] * x\ny = q[1] * x", [*"x", "q[0]", *"qy"]),
    ],
)  # fmt: skip
def test_a_value_has_the_name_that_its_expression_is_assigned_to(code: str, names: list[str]) -> None:
    assert names_in(ran(code)["y"]) == names


def test_what_a_call_makes_on_the_way_has_no_name() -> None:
    scope = ran("model = nn.MLP(2, [2, 1], seed=0)\nx, z = Value(1.0), Value(2.0)\nout = model([x, z])")
    named = given_names(topological_order(scope["out"]))
    assert [name for value, name in named.items() if value.operands] == ["out"]
    assert named[scope["out"]] == "out"


def test_each_call_of_a_module_has_its_result_named() -> None:
    scope = ran(
        "model = nn.Neuron(1, 'tanh', seed=0)\nh = Value(0.5)\nfor _ in range(3):\n    h = model([h])\ny = h * 2.0"
    )
    values = topological_order(scope["y"])
    assert [name for value, name in given_names(values).items() if value.operands] == ["h", "h", "h", "y"]
    assert [name for name in names_of(scope["y"]).values() if name[0] == "h"] == ["h", "h_2", "h_3", "h_4"]


def test_parameters_without_a_label_are_called_by_their_place_in_the_model() -> None:
    model = nn.MLP(1, [2, 1], seed=0)
    for parameter in model.parameters():
        parameter.label = ""
    with record_source():
        y = model([1.0])
    names = [name for value, name in names_of(y).items() if value in set(model.parameters())]
    assert sorted(names) == sorted(
        f"layers[{layer}].neurons[{neuron}].{part}"
        for layer, neuron, parts in [(0, 0, ["w[0]", "b"]), (0, 1, ["w[0]", "b"]), (1, 0, ["w[0]", "w[1]", "b"])]
        for part in parts
    )
    boxes = [box.label for box in parts_of(y).boxes]
    assert "w[1]" in boxes  # in the frame of its neuron
    assert not any("layers[" in label for label in boxes)
    tree = draw(y).text()  # which has no frames
    assert all(name in tree for name in names)
    assert "layers_1_neurons_0_w_1" in str(formula(y))


def test_labels_that_parameters_share_are_told_apart_by_their_places() -> None:
    model = nn.MLP(1, [2, 1], seed=0)
    with record_source():
        y = model([1.0])
    names = list(names_of(y).values())
    assert "layers[0].neurons[1].w[0]" in names
    assert "w1" in names  # one neuron alone has that label
    assert not places_in_models(topological_order(model([1.0])))


def test_tables_formulas_and_drawings_use_the_names() -> None:
    scope = ran("x = Value(0.5)\nw = Value(2.0)\nhidden = ad.tanh(w * x)\ny = hidden * hidden")
    y, x = scope["y"], scope["x"]
    assert "∂y/∂hidden" in str(explain(y, x))
    assert str(formula(y)) == "tanh(w * x)**2"
    assert "hidden" in draw(y).text()
    assert names_in(scope["x"] * 1.0) == ["x"]


def test_a_label_is_stronger_than_a_variable() -> None:
    scope = ran("y = Value(2.0)\nz = y * 3.0\nz.label = 'mine'")
    assert list(names_of(scope["z"]).values()) == ["y", "mine"]


def test_code_that_cannot_be_read_gives_no_names() -> None:
    with record_source():
        scope: dict[str, Any] = {"Value": Value}
        exec(compile("y = Value(1.0) * 2.0", "<nowhere>", "exec"), scope)
    assert names_in(scope["y"]) == []
    assert scope["y"].source.code == ""
    assert assignments("no python at all") == assignments("\0") == {}


def test_values_outside_of_record_source_have_no_given_names() -> None:
    x = Value(1.0)
    y = x * 2.0
    assert given_names([x, y]) == {}
    assert list(names_of(y).values()) == ["x1", "y"]


# --- places and code ---


def test_a_source_says_its_place_and_its_code() -> None:
    scope = ran("x = Value(0.5)\ny = (x +\n     1.0)")
    source = scope["y"].source
    assert source.line == 2
    assert source.code == "y = (x + 1.0)"
    assert source.place == f"{source.filename}:2"
    assert f"{source.filename}:2: y = (x + 1.0)" in str(explain(scope["y"], scope["x"]))


@contextmanager
def ipython() -> Iterator[Any]:
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell
    yield shell.instance()
    shell.clear_instance()


def test_a_notebook_s_source_is_its_cell() -> None:
    with ipython() as shell:
        shell.run_cell("import autodiff as ad", store_history=True)
        shell.run_cell("with ad.record_source():\n    x = ad.Value(2.0)\n    y = x * x", store_history=True)
        y = shell.user_ns["y"]
        number = shell.execution_count - 1
        assert (y.source.place, str(y.source), y.source.code) == (f"In[{number}]:3", f"In[{number}]:3", "y = x * x")
        assert list(names_of(y).values()) == ["x", "y"]
