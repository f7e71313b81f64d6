"""Numbers, functions and objects that several tests of the compiler use."""

import math
from typing import Any

from hypothesis import strategies as st

from autodiff import Value

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, math.inf, -math.inf, math.nan, 1e308, -1e308, 5e-324]


def points(program: Any) -> st.SearchStrategy[list[float]]:
    n = len(program.leaves)
    return st.one_of(st.just(list(program.leaves)), st.lists(st.sampled_from(SPECIAL), min_size=n, max_size=n))


def lowered(x: Any) -> Any:
    return x.data if isinstance(x, Value) else x


def linear(p: Any, x: Any) -> Any:
    return (p["w"] * x).sum() + p["b"].sum()


class Settings:
    def __init__(self, rate: float, steps: int = 2) -> None:
        self.rate, self.steps = rate, steps

    def scaled(self, x: Any) -> Any:
        return x * self.rate**self.steps


def one() -> float:
    return 1.0


def two() -> float:
    return 2.0
