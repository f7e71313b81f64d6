"""Derivatives from values alone, with an estimate of how far they may be off: the oracle that knows no rule.

`finite_differences` differentiates any function that can be evaluated; `richardson` is the routine below it, for
functions of one number. What rounding does to a value is read off the graph that made it, by `rounding_error`; only the
estimate of the error depends on that. The standard library is all this needs.

    >>> slopes, errors = finite_differences(lambda x: [x[0] * x[1], x[0].sin()], ([2.0, 3.0],))
    >>> [[round(slope, 9) for slope in row] for row in slopes], max(map(max, errors)) < 1e-11
    ([[3.0, 2.0], [-0.416146837, 0.0]], True)
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import inf, nan
from typing import Any, NamedTuple

from autodiff import modes
from autodiff.chain import NOTHING, Arithmetic, reverse
from autodiff.graph import topological_order
from autodiff.structures.structure import Structure, flatten, in_blocks
from autodiff.value import Value

_EPSILON = 2.0**-52
_SMALLEST = 2.0**-1074
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


def finite_differences(f: Callable[..., Any], args: tuple[Any, ...], argnums: int | Sequence[int] = 0) -> Any:
    """(derivative, error) of each result of f in each number of an argument, in the form of the Jacobian.

    f is called on Values, so that it may use their methods; no rule of differentiation is read, but for the error. The
    error is an estimate, rounding included; where f has no value near the point it is inf, and the derivative nan. The
    error is inf, too, where all that is seen may be an oscillation too fast for the steps, as of sin at 1e14.

    Args:
        f: gives numbers, or a structure of them: nested lists, tuples, dicts, numpy arrays.
        args: the tuple of its arguments.
        argnums: the index of the argument to differentiate, or a list of them, as of `autodiff.jacobian`.

    Cost: some 15 to 30 evaluations of f for each number where f is smooth, about 100 where it is not.

    Raises TypeError for args that are no tuple and for what is no number; IndexError for argnums out of range.

    Source: see `richardson`.

    >>> slope, error = finite_differences(lambda x: x.exp(), (0.0,))
    >>> abs(slope - 1.0) < error < 1e-11
    True
    """
    if not isinstance(args, tuple):
        raise TypeError(f"args is the tuple of f's arguments, got {type(args).__name__}; write (x,) for one")
    indices = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    parts = [flatten(args[i], f"args[{i}]") for i in indices]
    point = data_of([x for numbers, _ in parts for x in numbers])

    def of_these(*moved: Any) -> Any:
        replaced = dict(zip(indices, moved, strict=True))
        return f(*[replaced.get(i, arg) for i, arg in enumerate(args)])

    whole = Structure(tuple, children=tuple(structure for _, structure in parts))
    flat = FlatFunction(of_these, whole)
    rounding = [rounding_error(y) for y in flat.recorded([Value(x) for x in point])]
    columns = differences(flat.values, point, rounding)
    inputs = whole.children[0] if isinstance(argnums, int) else whole
    slopes, errors = ([[column[i][k] for column in columns] for i in range(flat.form.size)] for k in (0, 1))
    return in_blocks(flat.form, inputs, slopes), in_blocks(flat.form, inputs, errors)


class FlatFunction:
    """f as a function from a list of numbers to a list of numbers.

    Attributes:
        form: that of f's results, once it has been called.
    """

    def __init__(self, f: Callable[..., Any], structure: Structure) -> None:
        self.f, self.structure = f, structure
        self.form = Structure(tuple)

    def __call__(self, numbers: Sequence[Any]) -> list[Any]:
        """The results of f at these numbers, which are put in the form of its arguments."""
        outputs, self.form = flatten(self.f(*self.structure.build(numbers)), "f's result")
        return outputs

    def recorded(self, leaves: Sequence[Value]) -> list[Any]:
        """The same, recorded even inside `no_grad()`."""
        with modes.recording():
            return self(leaves)

    def values(self, numbers: Sequence[float]) -> list[float]:
        """The same in floats. f is still called on Values, whose methods it may use; nothing is recorded."""
        with modes.no_grad():
            return data_of(self([Value(x) for x in numbers]))


def data_of(numbers: Sequence[Any]) -> list[float]:
    """The numbers as floats: of a Value, its data."""
    return [x.data if isinstance(x, Value) else x for x in numbers]


def differences(
    f: Callable[[Sequence[float]], Sequence[float]], point: Sequence[float], rounding: Sequence[float] = ()
) -> list[list[Estimate]]:
    """Return, for each input number, the derivative of each output number of f there."""

    def along(i: int) -> Callable[[float], Sequence[float]]:
        return lambda x: f([*point[:i], x, *point[i + 1 :]])

    return [richardson(along(i), x, rounding=rounding) for i, x in enumerate(point)]


# --- one number ---


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


class _Row(NamedTuple):
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
        self.found: list[_Row] = []
        self.rows: list[_Row] = []  # those found, but the last one, with a spread that its neighbours vouch for
        self.best: _Row | None = None

    def add(self, step: float, difference: float, mean: float, rounding: float, steepness: float) -> None:
        """Append the row that begins with that difference."""
        if not math.isfinite(difference) or not math.isfinite(rounding):
            self.above, self.means, self.steps = [], [], []  # nothing is extrapolated across the edge of the domain
            return
        row, means, found = [difference], [mean], _Row(step, difference, inf, rounding, steepness)
        neighbours = zip(self.above[:_COLUMNS], [*self.above[1:], inf], self.means, self.steps, strict=False)
        for coarser, before, coarser_mean, larger in neighbours:
            factor = 1.0 / ((larger / step) ** 2 - 1.0)
            left, mean = row[-1], means[-1] + (means[-1] - coarser_mean) * factor
            slope = left + (left - coarser) * factor
            row.append(slope)
            means.append(mean)
            spread = max(abs(slope - left), abs(slope - coarser), abs(slope - before), abs(mean) / step)
            if spread < found.spread:
                found = _Row(step, slope, spread, rounding, steepness)
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


# --- what rounding does ---


class _Influence(Arithmetic):
    """Products that a 0 ends: what has no influence has none on an infinite slope either."""

    def product(self, adjoint: float, local: float) -> float:
        return adjoint * local if adjoint and local else NOTHING


def adjoints(root: Any) -> dict[Any, float]:
    """d(root)/d(node) for each node below `root` that has an influence, and itself; no `.grad` is touched.

    >>> x = Value(3.0)
    >>> adjoints(x * x - 5.0 * x)[x]
    1.0
    """
    return reverse(topological_order(root), {root: 1.0}, arithmetic=_Influence())


def rounding_error(root: Any) -> float:
    """A bound on the rounding error of a root's data, to first order.

    Each node is off by a unit in its last place, or, where terms cancel inside it (sum, dot, logsumexp), in that of the
    terms, or by the smallest float, where it underflowed; the root by that times its derivative in the node. Of a
    number that is no Value it is 0; inf where a derivative on the way overflows.

    Source: Linnainmaa, Taylor expansion of the accumulated rounding error, 1976.

    >>> x = Value(1e-4)
    >>> 1e-16 < rounding_error(1.0 - x.cos()) < 1e-15
    True
    """
    if not isinstance(root, Value):
        return 0.0
    total = 0.0
    for node, adjoint in adjoints(root).items():
        if node.op is not None and adjoint:
            total += abs(adjoint) * (_EPSILON * (abs(node.data) + _terms(node)) + _SMALLEST)
    return total if total == total else inf


def _terms(node: Any) -> float:
    total = 0.0
    for operand, local in zip(node.operands, node.local_gradients, strict=True):
        term = abs((operand if isinstance(operand, float) else operand.data) * local) if local else 0.0
        if term < inf:  # not so of a constant, such as the exponent in (-2.0) ** 2
            total += term
    return total
