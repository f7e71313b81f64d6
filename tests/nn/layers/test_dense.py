"""Neurons, layers, MLPs: with and without a bias."""

from typing import Any

import pytest

import autodiff as ad
import nn


@pytest.mark.parametrize(
    "make", [lambda **more: nn.Neuron(2, "tanh", **more), lambda **more: nn.Layer(2, 1, "tanh", **more)]
)
def test_without_a_bias_there_are_two_nodes_and_no_parameter_for_it(make: Any) -> None:
    model = make(bias=False, seed=0)
    y = model([1.0, -2.0])
    assert y.op is ad.tanh
    assert y.operands[0].op.name == "dot"
    assert len(model.parameters()) == 2
    again = type(model)(**model.config())
    again.load_state_dict(model.state_dict())
    assert again([1.0, -2.0]).data == y.data


def test_a_bias_changes_no_weight_that_is_drawn() -> None:
    weights = nn.Layer(3, 2, bias=False, seed=0).state_dict()
    assert {name: w for name, w in nn.Layer(3, 2, seed=0).state_dict().items() if ".b" not in name} == weights


def test_a_layer_without_biases_is_drawn() -> None:
    assert "layer  2       2      4 " in ad.draw(nn.Layer(2, 2, bias=False, seed=0)).text()
