"""Richardson's extrapolation: the derivative of a function of one number, with an estimate of its error.

>>> richardson(lambda x: [math.sin(x)], 1.0)[0].slope - math.cos(1.0) < 1e-11
True
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import inf, nan
from typing import Any, NamedTuple

_COLUMNS = 8  # of a tableau: further ones gain nothing, their steps are too far apart
_AGREE = 4.0  # two estimates disagree when they lie further apart than so many times the sum of their errors
_UNEXPLAINED = (
    10.0  # times the rounding that was told: more than this is no rounding; that of smooth functions is below 1
)


class Estimate(NamedTuple):
    """A derivative from differences.

    Attributes:
        slope: the derivative; nan where none could be taken.
        error: an estimate of its error, rounding included; inf where none could be taken.
        steepness: the largest |f(x + h) - f(x)| / |h| at the steps whose estimates were good: what the derivative could
            have been, where it is 0 for once.
        is_resolved: whether the smallest steps show no more than a smooth function and its rounding. If not, f
            oscillates faster than they can follow, or rounds more than it tells, and the derivative may be another.
    """

    slope: float
    error: float
    steepness: float
    is_resolved: bool = True


def richardson(
    f: Callable[[float], Sequence[float]],
    x: float,
    *,
    step: float | None = None,
    rounding: Sequence[float] = (),
    ulps: int = 4,
) -> list[Estimate]:
    """f'(x), for each number that f gives, from values in floats alone, and an estimate of its error.

    Central differences at shrinking steps, extrapolated to step 0. Each step gives a row of a tableau; of a row counts
    the entry that differs least from its three neighbours (of two alone, one in 100,000 agrees by chance), by so much,
    plus the rounding of f's values, which smaller steps magnify. The mean of the two values is extrapolated as well:
    its limit is f(x), and what it misses counts as an error of the difference, so that a kink at x itself, or a narrow
    bump that the steps miss, is noticed. Of the rows, the one with the smallest error is given among those that agree
    with all rows of smaller steps: at steps above a period, or across a kink, neighbours may agree on something else.

    Args:
        f: the function, of one float, its values a list. A step may leave its domain: a nan, or an ArithmeticError or
            ValueError of f or of a rule of a primitive, only ends that row.
        x: where.
        step: the first and largest one; a quarter of x, or of 1, unless given.
        rounding: the absolute error of each of f's values near x, beyond `ulps` of the value itself.
        ulps: the error of f's values in units in their last place.

    Cost: two evaluations a step. It ends when smaller steps have nothing to add: there are thirteen digits, or as
    many as rounding allows. For a smooth function those are some 10 steps; for another one at most 70, at x = 1.

    Sources: Ridders, Accurate computation of F'(x) and F'(x) F''(x), 1982; Numerical Recipes, section 5.7. The choice
    of the row is that of Lepskii, On a problem of adaptive estimation in Gaussian white noise, 1990.

    >>> sine, absolute = richardson(lambda x: [math.sin(x), abs(x)], 1.0)
    >>> abs(sine.slope - math.cos(1.0)) < sine.error < 1e-11, absolute.slope
    (True, 1.0)
    >>> richardson(lambda x: [abs(x)], 0.0)[0].error > 0.1  # there is no derivative
    True
    """
    middle = f(x)
    rounding = rounding or [0.0] * len(middle)
    tableaus = [_Tableau() for _ in middle]
    for size in _steps(x, step):
        right, left = _values(f, x + size, len(middle)), _values(f, x - size, len(middle))
        ahead, behind = (x + size) - x, x - (x - size)
        for tableau, after, here, before, noise in zip(tableaus, right, middle, left, rounding, strict=True):
            error = (noise + ulps * math.ulp(max(abs(after), abs(before)))) / size
            curvature = ((after - here) - (here - before)) / size / size
            error += abs(ahead - behind) * abs(curvature)
            steepness = max(abs(after - here), abs(before - here)) / size
            mean = ((after - here) + (before - here)) / 2.0
            tableau.add(size, (after - before) / (ahead + behind), mean, error, steepness)
        if all(tableau.is_settled() for tableau in tableaus):
            break
    return [tableau.estimate() for tableau in tableaus]


def _steps(x: float, largest: float | None) -> Iterator[float]:
    """Yield steps, each smaller by a ratio that is near no fraction.

    By a half or two thirds, one in two or three multiples of a period would lie on a multiple again, and so on: f would
    look smooth at steps above its period.

    The last one is 2^-46 of x, 64 units in its last place; at 0, where nothing tells the scale of f, it is 2^-46 of
    the smallest scale that is looked at.
    """
    step = max(abs(x), 1.0) / 4.0 if largest is None else largest
    last = 2.0**-46 * max(min(abs(x), step) or step * 2.0**-90, 1e-290)
    before = inf
    while step > last:
        exact = (4.0 * x + step) - 4.0 * x  # so that x + step and x - step are exact, but near a power of 2
        if 0.0 < exact < before:
            yield exact
            before = exact
        step /= math.pi / 2.0


def _values(f: Callable[[float], Sequence[float]], x: float, count: int) -> Sequence[float]:
    values = at_a_step(f, x)
    return [nan] * count if values is None else values


def at_a_step(f: Callable[[float], Any], x: float) -> Any:
    """f(x), or None where x is not in its domain: f, or a rule of a primitive in it, raises there."""
    try:
        return f(x)
    except (ArithmeticError, ValueError):
        return None
    except TypeError as error:
        if isinstance(error.__cause__, (ArithmeticError, ValueError)):  # a rule's, which Values were no help with
            return None
        raise


class _Entry(NamedTuple):
    """The best entry of a row."""

    step: float
    slope: float
    spread: float  # how far its neighbours are
    rounding: float
    steepness: float

    @property
    def error(self) -> float:
        return self.spread + self.rounding


class _Tableau:
    """Central differences of one output at shrinking steps, and their extrapolations; of each row the best entry."""

    def __init__(self) -> None:
        self.above: list[float] = []  # the row before: differences,
        self.means: list[float] = []  # and means of the two sides, less the value between them
        self.steps: list[float] = []  # of the rows before, the last one first
        self.found: list[_Entry] = []
        self.rows: list[_Entry] = []  # those found, but the last one, with a spread that its neighbours vouch for
        self.best: _Entry | None = None

    def add(self, step: float, difference: float, mean: float, rounding: float, steepness: float) -> None:
        """Append the row that begins with that difference."""
        if not math.isfinite(difference) or not math.isfinite(rounding):
            self.above, self.means, self.steps = [], [], []  # nothing is extrapolated across the edge of the domain
            return
        row, means, found = [difference], [mean], _Entry(step, difference, inf, rounding, steepness)
        neighbours = zip(self.above[:_COLUMNS], [*self.above[1:], inf], self.means, self.steps, strict=False)
        for coarser, before, coarser_mean, larger in neighbours:
            factor = 1.0 / ((larger / step) ** 2 - 1.0)
            left, mean = row[-1], means[-1] + (means[-1] - coarser_mean) * factor
            slope = left + (left - coarser) * factor
            row.append(slope)
            means.append(mean)
            spread = max(abs(slope - left), abs(slope - coarser), abs(slope - before), abs(mean) / step)
            if spread < found.spread:
                found = _Entry(step, slope, spread, rounding, steepness)
        self.above, self.means, self.steps = row, means, [step, *self.steps[:_COLUMNS]]
        if found.spread < inf:
            self.found.append(found)
            self._vouch()

    def _vouch(self) -> None:
        """Keep the last row but one; its spread is at least the smaller one of its neighbours'.

        A row of noise whose entries agree by chance stands alone; near the best of rows that converge are good ones.
        """
        if len(self.found) >= 3:
            before, row, after = self.found[-3:]
            row = row._replace(spread=max(row.spread, min(before.spread, after.spread)))
            self.rows.append(row)
            self.best = row if self.best is None or row.error < self.best.error else self.best

    def is_settled(self) -> bool:
        """Whether smaller steps have nothing to add: they are noisier, or there are thirteen digits already.

        An estimate that is as good as rounding allows has seen nothing of an amplitude above that of rounding. One that
        is merely the best so far has perhaps not yet seen the scale of f.
        """
        best = self.best
        if best is None or best.spread > 100.0 * best.rounding:
            return False
        return self.rows[-1].rounding >= 10.0 * best.error or best.error <= 1e-13 * abs(best.slope)

    def estimate(self) -> Estimate:
        """The entry with the smallest error that agrees with what smaller steps gave."""
        accepted: list[Estimate] = []
        noise = self._noise()
        for row in reversed(self.rows):
            error = row.spread + max(row.rounding, noise / row.step)
            if all(abs(row.slope - other.slope) <= _AGREE * (error + other.error) for other in accepted):
                accepted.append(Estimate(row.slope, error, row.steepness))
        best = min(accepted, key=lambda estimate: estimate.error, default=Estimate(nan, inf, 0.0))
        good = [estimate.steepness for estimate in accepted if estimate.error <= 1e-3 * estimate.steepness]
        best = best._replace(steepness=max(good, default=0.0))
        if self.best is None or noise <= _UNEXPLAINED * self.best.rounding * self.best.step:
            return best
        is_noise_alone = abs(best.slope) * self.best.step <= _UNEXPLAINED * noise
        return best._replace(error=inf if is_noise_alone else best.error, is_resolved=False)

    def _noise(self) -> float:
        """The amplitude of the rounding that is seen at the smallest steps, where it is all that is seen.

        It may be larger than what f's graph tells: a user's primitive may lose digits inside.
        """
        last = [
            row for row in self.rows[-6:] if self.best and row.step <= self.best.step
        ]  # those before still converge
        return max([abs(a.slope - b.slope) * b.step for a, b in pairwise(last)], default=0.0)
