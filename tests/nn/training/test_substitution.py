"""Substitution: copies of models with other numbers in the place of the parameters."""

import gc
import weakref
from typing import Any

import pytest

import nn
from autodiff import Value
from nn.training.batches.substitution import substituted


@pytest.fixture
def no_collections() -> Any:
    gc.disable()
    yield
    gc.enable()


def test_a_copy_lists_the_numbers_it_was_given() -> None:
    model, scale = nn.MLP(2, [3, 1], seed=0), Value(2.0)
    numbers = [scale * p.data for p in model.parameters()]
    other = substituted(model, model.parameters(), numbers)
    assert [id(p) for p in other.parameters()] == [id(x) for x in numbers]
    assert [name for name, _ in other.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert [id(p) for p in other.layers[1].parameters()] == [id(x) for x in numbers[-4:]]


def test_a_dropped_copy_is_freed_without_a_collection(no_collections: Any) -> None:
    """So a trace, which asks whether the function has kept numbers of it, need not collect in all of memory."""
    model = nn.MLP(2, [3, 1], seed=0)
    other = substituted(model, model.parameters(), [1.0] * 13)
    gone = [weakref.ref(module) for module in other.modules()]
    del other
    assert [ref() for ref in gone] == [None] * len(gone)
