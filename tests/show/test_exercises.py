"""Exercises: what is right is accepted as it is typed, what is wrong is not, and each says why."""

import math
from typing import Any

import numpy as np
import pytest

from autodiff import Value, grad, tanh
from autodiff.show import exercise

VERDICTS: list[tuple[Any, Any, bool]] = [
    (12, 12.0, True),
    (12.0, Value(12.0), True),
    (Value(12.0), 12.0, True),
    (0.105, -math.log(0.9), True),  # three digits
    (0.11, -math.log(0.9), False),
    (0.0, 1e-12, True),
    (-12.0, 12.0, False),
    (math.nan, math.nan, True),
    (math.nan, 1.0, False),
    (math.inf, math.inf, True),
    ([1, 2], (1.0, 2.0), True),
    ([1, 2], [1.0, 2.0, 3.0], False),
    ([1, 2], 1.0, False),
    (1.0, [1.0], False),
    (np.array([[1.0, 2.0]]), [[1.0, 2.0]], True),
    (True, True, True),
    ("relu", "relu", True),
    ("tanh", "relu", False),
    ("1", 1.0, False),
    (None, 1.0, False),
]


@pytest.mark.parametrize(("answer", "right", "verdict"), VERDICTS, ids=repr)
def test_an_answer_is_right_to_three_digits(answer: Any, right: Any, verdict: bool) -> None:
    said = exercise(answer, right, hint="Think.")
    assert bool(said) == verdict
    assert repr(said).startswith("Right" if verdict else "Not yet")
    assert ("Think." in repr(said)) == (not verdict)


def test_a_known_mistake_has_its_own_answer() -> None:
    said = repr(exercise(3, 6.0, hint="Look again.", mistakes={3.0: "Both uses count.", 9.0: "No."}))
    assert said == "Not yet: 3 is not it. Both uses count."
    assert repr(exercise(4, 6.0, hint="Look again.", mistakes={3.0: "Both uses count."})).endswith("Look again.")


def test_no_answer_is_neither_right_nor_wrong() -> None:
    for said in (exercise(..., 6.0), exercise(lambda x: ..., grad(tanh))):
        assert not said
        assert repr(said).startswith("Your turn")


def test_a_function_is_tried_at_points() -> None:
    assert exercise(lambda x: 1 - math.tanh(x) ** 2, grad(tanh))
    said = exercise(lambda x: 1 - math.tanh(x), grad(tanh), hint="Square it.", points=[0.0, 1.0])
    assert repr(said) == "Not yet: at 1 yours gives 0.238406, and it is 0.419974. Square it."


def test_a_function_of_several_arguments_takes_tuples() -> None:
    def step(w: float, slope: float, lr: float) -> float:
        return w - lr * slope

    points = [(1.0, 2.0, 0.1), (0.5, -1.0, 0.3)]
    assert exercise(lambda w, slope, lr: w - lr * slope, step, points=points)
    assert repr(exercise(lambda w, slope, lr: w + lr * slope, step, points=points)).startswith("Not yet: at 1, 2, 0.1")


def test_a_function_is_no_number() -> None:
    said = exercise(math.tanh, 6.0, hint="Think.")
    assert not said
    assert "is a function" in repr(said)
