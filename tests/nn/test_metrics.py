"""Metrics: what they say of one row, eagerly and compiled, and how they are found by name."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Value
from nn.metrics import METRICS, accuracy

ROWS = [
    ([0.5, 2.0, 1.0], 1, 1.0),
    ([0.5, 2.0, 1.0], 0, 0.0),
    ([0.5, 2.0, 1.0], [0, 1, 0], 1.0),
    ([0.5, 2.0, 1.0], [0.2, 0.5, 0.3], 1.0),
    ([0.5, 2.0, 1.0], [0, 0, 1], 0.0),
    ([2.0, 2.0, 1.0], 0, 1.0),  # of equal ones the first
    ([2.0, 2.0, 1.0], 1, 0.0),
    ([0.0, -0.0], [0.5, 0.5], 1.0),
    ([-math.inf, -math.inf], 0, 1.0),
    ([0.5, math.nan, 1.0], 1, 0.0),
    ([0.5, 2.0, 1.0], 3, 0.0),
    (0.3, 1, 1.0),
    (0.3, 0, 0.0),
    (0.3, -1, 0.0),
    (-0.3, 0, 1.0),
    (-0.3, -1, 1.0),
    (-0.3, 1, 0.0),
    (0.0, 0, 1.0),  # not above the threshold
    (0.0, 1, 0.0),
    (math.nan, 0, 0.0),
    (math.nan, 1, 0.0),
    ([0.3], [1], 1.0),
    ([0.3], 1, 1.0),
    (0.3, [1], 1.0),
]


@pytest.mark.parametrize(("outputs", "target", "expected"), ROWS)
def test_accuracy_says_whether_a_row_is_right(outputs: Any, target: Any, expected: float) -> None:
    values = [Value(y) for y in outputs] if isinstance(outputs, list) else Value(outputs)
    compiled = ad.compile(lambda y, t: accuracy(y, t))
    assert accuracy(outputs, target) == expected
    assert accuracy(values, target) == expected
    assert accuracy(np.array(outputs), np.array(target)) == expected
    assert compiled(outputs, target) == expected


@given(st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=1, max_size=8), st.data())
def test_accuracy_over_rows_is_the_share_of_right_ones_in_one_program(rows: Any, data: st.DataObject) -> None:
    classes = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    outputs = np.array(rows, dtype=float)
    compiled = ad.compile(lambda y, t: accuracy(list(y), t), rows=(0, 1), reduce="mean")
    expected = np.mean(outputs.argmax(1) == classes)
    assert compiled(outputs, np.array(classes)) == pytest.approx(expected, rel=1e-15)
    assert compiled(outputs[::-1], np.array(classes[::-1])) == pytest.approx(expected, rel=1e-15)
    assert compiled.stats().paths == 1
    assert compiled(outputs, np.eye(3)[classes]) == pytest.approx(expected, rel=1e-15)


def test_threshold_is_for_probabilities() -> None:
    assert accuracy(0.4, 1) == 1.0
    assert accuracy(0.4, 1, threshold=0.5) == 0.0
    assert accuracy(0.4, 0, threshold=0.5) == 1.0


@pytest.mark.parametrize(
    ("outputs", "target"),
    [([0.5, 1.0], [1, 0, 0]), ([0.5, 1.0], [1]), (0.5, [1, 0]), ([], 0), ([[0.5, 1.0]], [1]), ([[0.5]], [[1]])],
)
def test_accuracy_is_of_one_row(outputs: Any, target: Any) -> None:
    with pytest.raises(ValueError, match=r"accuracy takes the outputs of one row, .* got outputs of shape .* of shape"):
        accuracy(outputs, target)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_each_metric_over_rows_is_one_program_and_the_mean_of_theirs(metric: Any) -> None:
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(20, 3)), np.eye(3)[rng.integers(0, 3, 20)]
    compiled = ad.compile(lambda y, t: metric(y, t), rows=(0, 1), reduce="mean")
    expected = np.mean([metric(y, t) for y, t in zip(outputs, targets, strict=True)])
    assert compiled(outputs, targets) == pytest.approx(expected, rel=1e-14)
    assert compiled.stats().paths == 1
