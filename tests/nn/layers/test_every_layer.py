"""Laws that every layer of nn obeys; a new one fails here until it has an example."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff.testing import check_grads
from tests.nn.both_ways import data_of, drawn, flat, scored, with_parameters
from tests.nn.examples import EXAMPLES

ROOT = Path(__file__).parents[3]


CLASSES = {name for name in nn.layers.__all__ if isinstance(getattr(nn, name), type)}
EVERY = pytest.mark.parametrize("name", sorted(EXAMPLES))


def test_every_layer_has_an_example() -> None:
    missing = CLASSES - EXAMPLES.keys()
    assert not missing, f"give {', '.join(sorted(missing))} an example in tests/nn/examples.py"


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_the_reference_names_every_layer(name: str) -> None:
    page = ROOT / "notebooks/reference/nn.md"
    row = re.search(r"^\| layers \|.*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert row
    assert f"`{name}`" in row[0], f"name {name} in the row of layers of {page.name}"


def as_a_function(name: str) -> tuple[Callable[..., Any], np.ndarray]:
    """The score of a layer's outputs as a function of its parameters and a row, and parameters drawn at random."""
    layer, call, _ = EXAMPLES[name]
    numbers = np.array([p.data for p in drawn(layer).parameters()])
    return lambda numbers, x: scored(call(with_parameters(layer, numbers.tolist()), x.tolist())), numbers


@EVERY
def test_gradients_of_a_layer_are_differences(name: str) -> None:
    f, numbers = as_a_function(name)
    check_grads(f, (numbers, np.random.default_rng(0).normal(size=EXAMPLES[name][2])), order=1, atol=1e-12)


@EVERY
def test_one_program_of_a_layer_gives_the_eager_numbers_and_gradients(name: str) -> None:
    f, numbers = as_a_function(name)
    rows = np.random.default_rng(1).normal(size=(3, *EXAMPLES[name][2]))
    eager = ad.value_and_grad(f, argnums=(0, 1))
    compiled = ad.compile(eager, rows=(1,), backend="python")
    scores, (of_numbers, of_rows) = compiled(numbers, rows)
    for i, row in enumerate(rows):
        score, (expected, expected_of_row) = eager(numbers, row)
        np.testing.assert_allclose(scores[i], score, rtol=0, atol=1e-12)
        np.testing.assert_allclose(of_numbers[i], expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(of_rows[i], expected_of_row, rtol=0, atol=1e-12)
    assert compiled.stats().paths == 1


@EVERY
def test_a_layer_is_made_again_from_its_configuration(name: str) -> None:
    layer, call, shape = EXAMPLES[name]
    if name == "Sequential":
        pytest.skip("its steps are modules, which JSON does not hold; saving has a test of it")
    other = type(layer)(**json.loads(json.dumps(layer.config())))
    other.load_state_dict(layer.state_dict())
    x = np.random.default_rng(1).normal(size=shape).tolist()
    assert repr(other) == repr(layer)
    assert flat(data_of(call(other, x))) == flat(data_of(call(layer, x)))
