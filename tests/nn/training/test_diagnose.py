"""Diagnoses: figures equal the definition, each illness is flagged, health is not, and the model stays as it is."""

import math
import random
import sys
from typing import Any

import numpy as np
import pytest

import autodiff
import nn
from autodiff import Value
from nn.training.diagnosis.report import Diagnosis, LayerReport

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4))
Y = (X[:, 0] * X[:, 1]).tolist()


def wide(scale: float) -> Any:
    return lambda rng, nin, nout: rng.gauss(0.0, scale)


def diagnosis(model: nn.Module) -> Any:
    return nn.diagnose(model, X, Y, nn.mse)


# --- what the figures are ---


def test_figures_are_those_of_the_definition() -> None:
    model = nn.MLP(4, [6, 1], "tanh", seed=0, init=wide(2.0))
    w = np.array([[v.data for v in neuron.w] for neuron in model.layers[0].neurons])
    v = np.array([x.data for x in model.layers[1].neurons[0].w])
    hidden = np.tanh(X @ w.T)
    output = hidden @ v
    slope = 2.0 * (output - Y)
    first, second = diagnosis(model).layers
    assert (first.name, first.kind, first.units, first.relus, first.dead) == ("layers.0", "Layer", 6, 0, 0)
    assert first.mean == pytest.approx(np.abs(hidden).mean(), rel=1e-12)
    assert first.deviation == pytest.approx(hidden.std(), rel=1e-12)
    assert first.gradient == pytest.approx(math.sqrt(np.mean(np.outer(slope, v) ** 2)), rel=1e-12)
    assert first.saturated == np.mean(1.0 - hidden**2 < 0.05)
    assert second.mean == pytest.approx(np.abs(output).mean(), rel=1e-12)
    assert second.gradient == pytest.approx(math.sqrt(np.mean(slope**2)), rel=1e-12)


def test_layers_stand_in_the_order_of_their_calls() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            self.last, self.first = nn.Layer(3, 1, "linear", seed=0), nn.Layer(4, 3, seed=1)

        def __call__(self, x: Any) -> Any:
            return self.last(self.first(x))

    assert [layer.name for layer in diagnosis(Backwards()).layers] == ["first", "last"]


@pytest.mark.parametrize(
    ("model", "kinds"),
    [
        (nn.Neuron(4, "tanh", seed=0), ["Neuron"]),
        (nn.Layer(4, 1, "tanh", seed=0), ["Layer"]),
        (
            nn.Sequential(nn.Layer(4, 3, seed=0), nn.LayerNorm(3), nn.Dropout(0.5), nn.Layer(3, 1)),
            ["Layer", "LayerNorm", "Dropout", "Layer"],
        ),
    ],
    ids=["neuron", "layer", "sequence"],
)
def test_layers_are_what_holds_parameters_or_no_modules(model: nn.Module, kinds: list[str]) -> None:
    assert [layer.kind for layer in diagnosis(model).layers] == kinds


def test_a_module_of_ones_own_with_parameters_is_a_layer() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            self.scale, self.inner = Value(2.0), nn.Layer(4, 1, "linear", seed=0)

        def __call__(self, x: Any) -> Any:
            return self.scale * self.inner(x)

    inner, outer = diagnosis(Scaled()).layers
    assert (inner.name, outer.name, outer.units) == ("inner", "Scaled", 1)
    assert outer.mean == pytest.approx(2.0 * inner.mean)
    assert inner.gradient == pytest.approx(2.0 * outer.gradient)


def test_a_layer_that_is_called_twice_has_its_units_once() -> None:
    layer = nn.Layer(4, 4, "relu", seed=0)
    first, last = diagnosis(nn.Sequential(layer, layer, nn.Layer(4, 1, "linear", seed=1))).layers
    assert (first.units, first.relus, last.units) == (4, 4, 1)


def test_an_activation_applied_afterwards_counts_as_part_of_the_layer() -> None:
    def dead(model: Any) -> nn.Module:
        for neuron in model.layers[0].neurons:
            neuron.b.data = -100.0
        return model  # type: ignore[no-any-return]

    inside = dead(nn.Sequential(nn.Layer(4, 5, "relu", seed=0), nn.Layer(5, 1, "linear", seed=1)))
    after = dead(nn.Sequential(nn.Layer(4, 5, "linear", seed=0), "relu", nn.Layer(5, 1, "linear", seed=1)))
    assert diagnosis(after).layers[0] == diagnosis(inside).layers[0]
    assert diagnosis(after).layers[0].dead == 5


def test_cells_embeddings_and_convolutions_are_seen() -> None:
    class Tagger(nn.Module):
        def __init__(self) -> None:
            self.table, self.cell = nn.Embedding(5, 3, seed=0), nn.RNNCell(3, 4, "relu", seed=1)
            self.head = nn.Layer(4, 2, "linear", seed=2)

        def __call__(self, word: Any) -> Any:
            outputs, _ = nn.unroll(self.cell, self.table(word))
            return self.head(outputs[-1])

    layers = nn.diagnose(Tagger(), [[0, 1, 2], [3, 4, 0]], [0, 1], nn.cross_entropy).layers
    assert [layer.name for layer in layers] == ["table", "cell.gate", "head"]
    assert layers[1].units == layers[1].relus == 4
    conv = nn.Sequential(nn.Conv1d(1, 2, 2, seed=0), nn.Flatten(), nn.Layer(6, 1, "linear", seed=1))
    assert len(nn.diagnose(conv, [[[1.0, 2.0, 3.0, 4.0]]], [1.0], nn.mse).layers) == 3


def test_gradients_in_an_embedding_are_those_of_single_rows() -> None:
    model = nn.Sequential(nn.Embedding(1, 2, seed=0), nn.Layer(2, 1, "linear", seed=1))
    one, three = (nn.diagnose(model, [0] * rows, [1.0] * rows, nn.mse) for rows in (1, 3))
    assert one.layers[0].gradient == three.layers[0].gradient > 0.0


# --- what is flagged ---


@pytest.mark.parametrize(
    "model",
    [
        nn.MLP(4, [32, 32, 32, 1], "relu", seed=0),
        nn.MLP(4, [32] * 8 + [1], "relu", seed=1),
        nn.MLP(4, [16, 16, 1], "tanh", seed=0),
        nn.Sequential(
            nn.Layer(4, 16, seed=0), nn.LayerNorm(16), nn.Dropout(0.1, seed=0), nn.Layer(16, 1, "linear", seed=1)
        ),
    ],
    ids=["relu", "deep relu", "tanh", "norm"],
)
def test_a_healthy_model_is_not_flagged(model: nn.Module) -> None:
    assert diagnosis(model).flags == []


def test_deep_sigmoids_are_flagged_as_vanishing() -> None:
    found = diagnosis(nn.MLP(4, [8] * 8 + [1], "sigmoid", seed=0))
    [flag] = found.flags
    assert flag.startswith("layers.0, layers.1, layers.2: the gradient vanishes, down to ")
    assert 'use "relu"' in flag
    assert found.layers[0].gradient < 1e-3 * found.layers[-1].gradient


def test_huge_weights_are_flagged_as_exploding() -> None:
    flags = diagnosis(nn.MLP(4, [16, 16, 16, 1], "relu", seed=0, init=wide(100.0))).flags
    assert any("layers.0, layers.1: the gradient explodes, up to " in flag for flag in flags)
    assert any(flag.startswith("layers.3: outputs explode") for flag in flags)


def test_huge_weights_before_tanh_are_flagged_as_saturated() -> None:
    found = diagnosis(nn.MLP(4, [16, 1], "tanh", seed=0, init=wide(100.0)))
    assert found.layers[0].saturated > 0.9
    assert found.flags[0].startswith("layers.0: 100% of outputs are saturated")


def test_dead_relus_are_flagged() -> None:
    model = nn.MLP(4, [8, 8, 1], "relu", seed=0)
    for neuron in model.layers[0].neurons[:3]:
        neuron.b.data = -100.0
    found = diagnosis(model)
    assert (found.layers[0].dead, found.layers[0].relus) == (3, 8)
    assert found.flags[0].startswith("layers.0: 3 of 8 ReLUs give 0 on all rows and no longer learn")


def test_a_relu_that_lives_on_one_row_is_not_dead() -> None:
    model = nn.Neuron(1, "relu", seed=0)
    model.w[0].data = 1.0
    assert nn.diagnose(model, [[-1.0], [2.0], [-3.0]], [0.0, 1.0, 2.0], nn.mse).layers[0].dead == 0
    assert nn.diagnose(model, [[-1.0], [-2.0], [-3.0]], [0.0, 1.0, 2.0], nn.mse).layers[0].dead == 1


def test_a_layer_behind_dead_relus_is_not_called_vanishing() -> None:
    model = nn.MLP(4, [8, 8, 1], "relu", seed=0)
    for neuron in model.layers[1].neurons:
        neuron.b.data = -100.0
    found = diagnosis(model)
    assert found.layers[0].gradient == 0.0
    assert [flag[:40] for flag in found.flags] == ["layers.1: 8 of 8 ReLUs give 0 on all row"]


def test_rows_whose_loss_passes_no_gradient_are_flagged() -> None:
    def clipped(output: Any, target: float) -> Any:
        return autodiff.clip(output - target, -1.0, 1.0) ** 2

    far = [target + 10.0 for target in Y[:5]] + Y[5:]
    model = nn.Neuron(4, "linear", init="zeros")
    found = nn.diagnose(model, X, far, clipped)
    assert (found.mute, found.rows) == (sum(abs(target) > 1.0 for target in far), 64)
    assert found.flags[-1].startswith(f"loss: on {found.mute} of 64 rows it is not 0, and yet passes no gradient")
    assert nn.diagnose(model, X, far, nn.huber).flags == []


def test_rows_that_are_right_already_are_not_mute() -> None:
    model = nn.Neuron(1, "linear", seed=0)
    model.w[0].data = 5.0
    found = nn.diagnose(model, [[1.0], [-1.0]], [1, -1], nn.hinge)  # a loss of 0 and a slope of 0
    assert (found.mute, found.flags) == (0, [])


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e308])
def test_what_is_not_finite_is_flagged(bad: float) -> None:
    model = nn.MLP(4, [4, 1], "relu", seed=0)
    model.layers[0].neurons[0].b.data = bad
    assert any("not finite" in flag and "detect_anomaly" in flag for flag in diagnosis(model).flags)


# --- what stays as it is, and what is refused ---


def test_the_model_stays_as_it_is() -> None:
    model = nn.Sequential(nn.Layer(4, 8, seed=0), nn.Dropout(0.5, seed=0), nn.Layer(8, 1, "linear", seed=1))
    model.layers[2].eval()
    model.register_buffer("seen", 3)
    for parameter in model.parameters():
        parameter.grad = 0.5
    kinds, generator = [type(module) for module in model.modules()], model.layers[1].rng.getstate()
    attributes = [list(vars(module)) for module in model.modules()]
    state, modes = model.state_dict(), [module.training for module in model.modules()]
    diagnosis(model)
    assert model.state_dict() == state
    assert [parameter.grad for parameter in model.parameters()] == [0.5] * len(model.parameters())
    assert [module.training for module in model.modules()] == modes
    assert model.layers[1].rng.getstate() == generator
    assert [type(module) for module in model.modules()] == kinds
    assert [list(vars(module)) for module in model.modules()] == attributes


def test_the_mode_of_the_model_counts() -> None:
    model = nn.Sequential(nn.Layer(4, 8, "tanh", seed=0), nn.Dropout(0.5, seed=0), nn.Layer(8, 1, "linear", seed=1))
    training = diagnosis(model).layers[1]
    model.eval()
    assert diagnosis(model).layers[1].mean != training.mean
    assert diagnosis(model).layers[1].mean == diagnosis(model).layers[0].mean


def test_labels_are_told_by_their_classes() -> None:
    y = ["big" if a > 0 else "small" for a in Y]
    assert len(nn.diagnose(nn.Layer(4, 2, "linear", seed=0), X, y, nn.cross_entropy).layers) == 1


def test_what_cannot_be_looked_at_is_refused() -> None:
    with pytest.raises(TypeError, match="diagnose takes a Module, got function"):
        nn.diagnose(lambda x: x, X, Y, nn.mse)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"the loss of a row is a Value made of .* got float"):
        nn.diagnose(nn.Layer(4, 1, seed=0), X, Y, lambda output, target: 1.0)
    with pytest.raises(ValueError, match="X has 64 rows and y 1"):
        nn.diagnose(nn.Layer(4, 1, seed=0), X, [1.0], nn.mse)


# --- how it is shown ---


def test_the_text_is_a_table_and_the_flags() -> None:
    model = nn.MLP(4, [8, 1], "relu", seed=0)
    for neuron in model.layers[0].neurons:
        neuron.b.data = -100.0
    head, first, second, *flags = repr(diagnosis(model)).splitlines()
    assert head.split() == "layer class units mean |output| deviation gradient dead".split()
    assert first.split()[:3] == ["layers.0", "Layer", "8"]
    assert first.endswith("8 of 8")
    assert second.split()[:3] == ["layers.1", "Layer", "1"]
    assert [flag[:2] for flag in flags] == ["! "] * len(flags)


def test_html_is_escaped() -> None:
    found = Diagnosis([LayerReport("<b>", "Layer", 4, 1.0, 1.0, 1.0, 4, 4, 0.0)])
    html = found._repr_html_()
    assert "&lt;b&gt;: 4 of 4 ReLUs" in html
    assert "<b>" not in html
    assert html.count("<tr>") == 2


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e155])
def test_the_picture_has_a_line_for_each_layer_and_labels(scale: float) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    sizes, shares = diagnosis(nn.MLP(4, [8, 8, 1], "relu", seed=0, init=wide(scale))).plot()
    sizes.figure.canvas.draw()
    assert [text.get_text() for text in sizes.get_yticklabels()] == ["layers.0", "layers.1", "layers.2"]
    assert (sizes.get_xlabel(), shares.get_xlabel()) == ("size", "share in %")
    assert [text.get_text() for text in shares.get_legend().get_texts()] == ["dead ReLUs", "saturated outputs"]
    pyplot.close("all")


def test_a_missing_matplotlib_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="plot needs matplotlib: python -m pip install"):
        diagnosis(nn.Layer(4, 1, seed=0)).plot()


def test_generators_of_the_copy_are_its_own() -> None:
    rng = random.Random(5)
    model = nn.Sequential(nn.Dropout(0.5, rng=rng), nn.Layer(4, 1, "linear", seed=0))
    diagnosis(model)
    assert rng.random() == random.Random(5).random()
    assert autodiff.mean([1.0, 3.0]) == 2.0


def test_a_layer_that_passes_relus_on_has_none_of_its_own() -> None:
    hidden = nn.Layer(4, 6, "relu", seed=0)
    for neuron in hidden.neurons[:4]:
        neuron.b.data = -100.0
    found = diagnosis(nn.Sequential(hidden, nn.Flatten(), nn.Dropout(0.5), nn.Layer(6, 1, "linear", seed=1)).eval())
    assert [layer.relus for layer in found.layers] == [6, 0, 0, 0]
    assert len(found.flags) == 1


def test_sizes_are_drawn_over_whole_decades_whose_labels_do_not_meet() -> None:
    sizes, _ = diagnosis(nn.MLP(4, [6, 1], seed=0)).plot()
    decades = [math.log10(limit) for limit in sizes.get_xlim()]
    assert decades == [round(decade) for decade in decades]


def test_a_loss_by_name_leads_to_the_function() -> None:
    with pytest.raises(TypeError, match=r"loss is a function, got 'mse'; write loss=nn.mse"):
        nn.diagnose(nn.Layer(4, 1), X, Y, "mse")  # type: ignore[arg-type]
