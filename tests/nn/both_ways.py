"""A model with other parameters in it, eager and compiled; outputs as one number, or as plain ones."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import autodiff as ad
import nn
from autodiff import Value


def with_parameters(model: Any, numbers: Sequence[Any]) -> Any:
    """A copy of the model whose parameters are these numbers, which may be Values or tracers."""
    return copy.deepcopy(model, {id(p): number for p, number in zip(model.parameters(), numbers, strict=True)})


def flat(outputs: Any) -> list[Any]:
    """The numbers in nested lists and tuples, in one list."""
    if isinstance(outputs, (list, tuple)):
        return [number for part in outputs for number in flat(part)]
    return [outputs]


def scored(outputs: Any) -> Any:
    """A sum of all outputs in which each weighs differently."""
    numbers = flat(outputs)
    return ad.dot(numbers, [np.sin(1.0 + i) for i in range(len(numbers))])


def data_of(outputs: Any) -> Any:
    """The same nested lists, with the data of Values."""
    if isinstance(outputs, (list, tuple)):
        return [data_of(part) for part in outputs]
    return outputs.data if isinstance(outputs, Value) else outputs


def drawn(model: Any, seed: int = 0) -> Any:
    """The model with all its parameters, biases too, drawn anew."""
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.data = float(rng.normal())
    return model


def assert_compiled_equals_eager(call: Callable[..., Any], model: nn.Module, *rows: np.ndarray) -> None:
    """One program for all rows gives the score of `call(model, *row)`, and its gradient, as eager code does."""

    def score(numbers: list[Any], *row: Any) -> Any:
        return scored(call(with_parameters(model, numbers), *row))

    compiled = ad.compile(ad.value_and_grad(score), rows=tuple(range(1, 1 + len(rows))))
    scores, slopes = compiled([p.data for p in model.parameters()], *rows)
    for k, row in enumerate(zip(*rows, strict=True)):
        model.zero_grad()
        score_of_row = scored(call(model, *row))
        score_of_row.backward()
        np.testing.assert_allclose(scores[k], score_of_row.data, rtol=0, atol=1e-12)
        np.testing.assert_allclose(slopes[k], [p.grad for p in model.parameters()], rtol=0, atol=1e-12)
    assert compiled.stats().paths == 1
