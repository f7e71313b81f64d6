"""Module: modes, what it holds, its configuration."""

import copy
import pickle
from typing import Any

import pytest

import nn
from autodiff import Value


class Doubling(nn.Module):
    def __init__(self) -> None:  # as of micrograd: no super().__init__()
        self.factor = Value(2.0)
        self.inner = [nn.Neuron(2, seed=0), {"last": nn.Layer(1, 1, seed=0)}]

    def __call__(self, x: Any) -> Any:
        return self.factor * x


def test_train_and_eval_set_the_mode_of_all_modules_in_it() -> None:
    model = Doubling()
    assert all(module.training for module in model.modules())
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    assert len(model.modules()) == 4
    assert model.train() is model
    assert all(module.training for module in model.modules())


def test_the_mode_is_no_parameter_and_is_kept_by_copies() -> None:
    model = nn.MLP(2, [2, 1], seed=0)
    before = model.state_dict()
    model.eval()
    assert model.state_dict() == before
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert not twin.training
        assert not twin.layers[0].neurons[0].training
    assert nn.Module.training
    assert nn.MLP(2, [1], seed=0).training


def test_an_attribute_of_ones_own_may_be_called_modules() -> None:
    class Chain(nn.Module):
        def __init__(self) -> None:
            self.modules = [nn.Neuron(1, seed=0)]  # type: ignore[assignment, method-assign, list-item]

    assert not Chain().eval().modules[0].training  # type: ignore[index]


def test_a_mode_is_true_or_false() -> None:
    with pytest.raises(TypeError, match=r"train takes True or False, got list; to fit data: nn.fit\(model, X, y\)"):
        nn.Neuron(1).train([[1.0]])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "module",
    [
        nn.Neuron(3, "tanh", seed=0),
        nn.Layer(3, 2, "leaky_relu", seed=0, name="encoder"),
        nn.MLP(3, [4, 2], "gelu", seed=0),
    ],
    ids=repr,
)
def test_a_configuration_makes_a_module_of_the_same_shape(module: Any) -> None:
    twin = type(module)(**module.config())
    twin.load_state_dict(module.state_dict())
    assert (repr(twin), twin.state_dict()) == (repr(module), module.state_dict())
    assert twin.config() == module.config()


def test_what_cannot_be_recorded_has_no_configuration() -> None:
    with pytest.raises(TypeError, match=r"Doubling, a Module of your own, .* load with into=model, or define config"):
        Doubling().config()
    with pytest.raises(TypeError, match=r"the function <lambda> cannot be recorded, .* load with into=model"):
        nn.Layer(2, 1, lambda x: x * x).config()
