"""Points of the plane in two classes, which a line does not tell apart: made by name, or anyone's own.

>>> points = named("moons", 6, seed=0)
>>> [second for _, second in points.rows]
[False, True, False, True, False, True]
"""

import random
from collections.abc import Callable
from math import cos, pi, sin
from typing import Any, NamedTuple

from nn.training.batches.data import Data

Point = tuple[float, float]

MOST = 500


class Points(NamedTuple):
    """Rows under a name: each a point, and whether it is of the second class; and what the two classes are called."""

    name: str
    rows: list[tuple[Point, bool]]
    classes: tuple[str, str] = ("0", "1")
    axes: tuple[str, str] = ("x0", "x1")


def _moons(t: float, second: bool, rng: random.Random) -> Point:
    """Two half circles, each with its end in the other."""
    angle = pi * t
    return (1.0 - cos(angle) - 0.5, 0.25 - sin(angle)) if second else (cos(angle) - 0.5, sin(angle) - 0.25)


def _circles(t: float, second: bool, rng: random.Random) -> Point:
    """A circle in another."""
    size = 0.45 if second else 1.1
    return size * cos(2.0 * pi * t), size * sin(2.0 * pi * t)


def _xor(t: float, second: bool, rng: random.Random) -> Point:
    """Squares: the signs of the coordinates are alike, or not."""
    x, y, sign = rng.uniform(0.1, 1.2), rng.uniform(0.1, 1.2), rng.choice((-1.0, 1.0))
    return sign * x, (-sign if second else sign) * y


def _spirals(t: float, second: bool, rng: random.Random) -> Point:
    """Two arms of a spiral."""
    angle = 3.5 * t + (pi if second else 0.0)
    return (0.1 + 1.1 * t) * cos(angle), (0.1 + 1.1 * t) * sin(angle)


KINDS: dict[str, tuple[Callable[[float, bool, random.Random], Point], float]] = {
    "moons": (_moons, 0.12),
    "circles": (_circles, 0.1),
    "xor": (_xor, 0.03),
    "spirals": (_spirals, 0.04),
}
"""How the points of each kind lie, and how far noise moves them."""


def named(kind: str, count: int, seed: int) -> Points:
    """So many points of a kind, the classes in turn."""
    lies, noise = KINDS[kind]
    rng = random.Random(seed)
    order = list(range(count))
    rng.shuffle(order)  # along the curve, for batches of a few
    rows = []
    for i, place in enumerate(order):
        second = i % 2 == 1
        x, y = lies((place + 0.5) / count, second, rng)
        rows.append(((x + rng.gauss(0.0, noise), y + rng.gauss(0.0, noise)), second))
    return Points(kind, rows)


def given(X: Any, y: Any) -> Points:
    """Anyone's own rows. Raises ValueError for others than pairs of numbers in two classes, or more than 500."""
    data = Data.of(X, y)
    classes = sorted(set(data.y.ravel().tolist()))
    if getattr(data.X, "shape", ())[1:] != (2,) or data.y.size != len(data) or len(classes) != 2:
        raise ValueError(
            f"play shows rows of two numbers in two classes, got rows of shape {getattr(data.X, 'shape', ())[1:]} and "
            f"the classes {classes[:9]}"
        )
    if len(data) > MOST:
        raise ValueError(
            f"play takes at most {MOST} rows, got {len(data):,}; give some of them: X[:{MOST}], y[:{MOST}]"
        )
    names = data.classes or [f"{x:g}" for x in classes]
    rows = [((x0, x1), t == classes[1]) for (x0, x1), t in zip(data.X.tolist(), data.y.ravel().tolist(), strict=True)]
    axes = tuple(map(str, getattr(X, "columns", ("x0", "x1"))))
    return Points("your rows", rows, (str(names[0]), str(names[1])), (axes[0], axes[1]))
