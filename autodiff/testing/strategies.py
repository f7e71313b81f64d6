"""Hypothesis strategies: Values, operands from the domain of a primitive, random programs with shared parts.

    >>> from hypothesis import given, settings
    >>> from autodiff.testing import values
    >>> @given(values(-5.0, 5.0))
    ... def test_the_derivative_of_exp_is_exp(x):
    ...     y = x.exp()
    ...     y.backward()
    ...     assert x.grad == y.data
    >>> test_the_derivative_of_exp_is_exp()

Where hypothesis and this library are installed, `st.from_type(Value)` and `@given(...)` of a function annotated with
Value draw from `values()`: `autodiff.testing.plugin` tells hypothesis so.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import chain
from typing import Any, NamedTuple

from hypothesis import assume
from hypothesis import strategies as st

from autodiff.primitives import TABLE, Primitive
from autodiff.value import Value

# --- Values ---


def values(
    min_value: float | None = None,
    max_value: float | None = None,
    *,
    allow_nan: bool = False,
    allow_infinity: bool = False,
    labels: st.SearchStrategy[str] | None = None,
) -> st.SearchStrategy[Value]:
    """A strategy of new leaves that hold floats from min_value to max_value.

    Without bounds they are finite floats of all magnitudes. A failing example prints as the call that makes it.

    Args:
        min_value: the smallest number; no bound unless given.
        max_value: the largest number; no bound unless given.
        allow_nan: whether nan is drawn, too; then there are no bounds.
        allow_infinity: whether inf and -inf are drawn, too, where the bounds let them.
        labels: a strategy of labels; all are empty unless given.

    >>> from hypothesis import find
    >>> find(values(0.0, 10.0), lambda x: x.exp() > 100.0)
    Value(5.0, grad=0.0)
    """
    numbers = st.floats(min_value, max_value, allow_nan=allow_nan, allow_infinity=allow_infinity)
    return st.builds(Value, numbers) if labels is None else st.builds(Value, numbers, label=labels)


# --- operands of one primitive ---


def numbers(low: float, high: float, smallest: float) -> st.SearchStrategy[float]:
    """A strategy of floats from low to high, of all magnitudes; except for 0 none is below `smallest`."""
    if low == high:
        return st.just(low)
    kinds = [st.floats(low, high), st.sampled_from([low, high])]
    if math.ceil(low) <= math.floor(high):
        kinds.append(st.integers(math.ceil(low), math.floor(high)).map(float))
    for sign, near, far in ((1.0, low, high), (-1.0, -high, -low)):
        if far > 0.0:
            exponents = st.floats(math.log10(max(near, smallest, 1e-20)), math.log10(far))
            kinds.append(st.builds(lambda sign, exponent: sign * 10.0**exponent, st.just(sign), exponents))
    return st.one_of(kinds).map(lambda x: min(max(x, low), high) if abs(x) >= smallest else 0.0)


# Factors whose product does not underflow on the way, 64 of them: where it does, digits are lost for good.
_SMALLEST = {"prod": 1e-4}


def points(
    primitive: Primitive | str, *, margin: float = 1e-9, max_operands: int = 64
) -> st.SearchStrategy[tuple[float, ...]]:
    """A strategy of operands from a primitive's domain, away from its kinks by that margin.

    Numbers of all magnitudes, the ends of the intervals and whole numbers come up often. A primitive of your own is
    drawn for as one of the table is, by the domain it was made with.

    Args:
        primitive: a Primitive, or the name of one of the table.
        margin: how far `primitive.domain.kinks` is from 0, at least.
        max_operands: how many operands at most one gets that takes any number.

    Raises ValueError for a name that the table has not.

    >>> from hypothesis import find
    >>> find(points("div"), lambda operands: operands[0] > operands[1])
    (0.0, -1.0)
    """
    primitive = named(primitive)
    name, kinks = primitive.name, primitive.domain.kinks
    smallest = 1e-300 if primitive.arity == 1 else _SMALLEST.get(name, 1e-100)
    each = [numbers(low, high, smallest) for low, high in primitive.domain.intervals]
    if primitive.arity is not None:
        each += each[-1:] * (primitive.arity - len(each))  # the last interval stands for all further operands
        if name == "where":
            return st.tuples(st.sampled_from([0.0, 1.0]), *each[1:])  # its condition chooses: no kink lies between
        drawn: st.SearchStrategy[tuple[float, ...]] = st.tuples(*each)
    else:
        pairs = 2 if name == "dot" else 1
        sizes = st.integers(1, max_operands // pairs).map(lambda n: n * pairs)
        unique = kinks is not None  # ties are kinks
        drawn = sizes.flatmap(lambda n: st.lists(each[0], min_size=n, max_size=n, unique=unique)).map(tuple)
    return drawn if kinks is None else drawn.filter(lambda operands: abs(kinks(*operands)) >= margin)


def named(primitive: Primitive | str) -> Primitive:
    """The primitive of that name. Raises ValueError where the table has none."""
    if isinstance(primitive, Primitive):
        return primitive
    if primitive not in TABLE:
        near = get_close_matches(str(primitive), TABLE, n=1) or ["sin"]
        raise ValueError(f"no primitive of the table is called {primitive!r}; {near[0]!r} is one")
    return TABLE[primitive]


# --- programs ---


class Step(NamedTuple):
    """A primitive and its operands: each the index of an earlier number of the program, or a constant float."""

    primitive: Primitive
    operands: tuple[int | float, ...]

    @property
    def name(self) -> str:
        """The name of the primitive."""
        return self.primitive.name

    def resolved(self, numbers: Sequence[Any]) -> list[Any]:
        """The operands, given all numbers before this step."""
        return [numbers[x] if isinstance(x, int) else x for x in self.operands]


class Program(NamedTuple):
    """A function of some numbers, and a point: steps that each make one number from earlier ones.

    Numbers are counted from the leaves on, and the last is the result. Call a program on floats or Values, as many as
    it has leaves; its repr is Python that runs.

    >>> program = Program((2.0,), (Step(TABLE["square"], (0,)), Step(TABLE["sub"], (1, 3.0))))
    >>> program(*program.leaves)
    1.0
    >>> print(program)
    <BLANKLINE>
    from autodiff import Value, primitives
    x0 = Value(2.0)
    v1 = primitives.square(x0)
    v2 = primitives.sub(v1, 3.0)
    v2.backward()
    <BLANKLINE>
    """

    leaves: tuple[float, ...]
    steps: tuple[Step, ...]

    def __call__(self, *leaves: Any) -> Any:
        """The result for these leaves."""
        return self.run(leaves)[-1]

    def run(self, leaves: Sequence[Any], functions: Mapping[str, Callable[..., Any]] | None = None) -> list[Any]:
        """All numbers that the program goes through; made by other functions, by name, where they are given."""
        if len(leaves) != len(self.leaves):
            raise TypeError(f"the program takes {len(self.leaves)} numbers, got {len(leaves)}")
        numbers = list(leaves)
        for step in self.steps:
            function = step.primitive if functions is None else functions[step.name]
            numbers.append(function(*step.resolved(numbers)))
        return numbers

    def __repr__(self) -> str:
        own = {step.primitive for step in self.steps if not _in_table(step.primitive)}
        imports = sorted(f"from {p.__module__} import {p.name}" for p in own if p.__module__ != "__main__")
        names = [f"x{i}" for i in range(len(self.leaves))]
        lines = [f"{name} = Value({x!r})" for name, x in zip(names, self.leaves, strict=True)]
        for step in self.steps:
            function = f"primitives.{step.name}" if _in_table(step.primitive) else step.name
            call = f"{function}({', '.join(map(str, step.resolved(names)))})"
            names.append(f"v{len(names)}")
            lines.append(f"{names[-1]} = {call}")
        return "\n".join(
            ["", "from autodiff import Value, primitives", *imports, *lines, f"{names[-1]}.backward()", ""]
        )


def _in_table(primitive: Primitive) -> bool:
    return TABLE.get(primitive.name) is primitive


def _rounded(x: float) -> float:
    return round(x, 4)


SMOOTH_LEAVES = st.floats(-3.0, 3.0).map(_rounded)


@st.composite
def _programs(
    draw: st.DrawFn,
    primitives: Sequence[Primitive],
    leaves: st.SearchStrategy[float],
    constants: Sequence[float],
    max_leaves: int,
    max_steps: int,
    margin: float,
    max_abs: float,
) -> Program:
    start = draw(st.lists(leaves, min_size=1, max_size=max_leaves).map(tuple))
    numbers = list(start)
    steps: list[Step] = []
    wishes = st.lists(_wishes(primitives, constants), min_size=(max_steps + 1) // 2, max_size=max_steps)
    for wish in draw(wishes):
        if wish is None:
            continue
        operands = [x if isinstance(x, float) else len(numbers) - 1 - x % len(numbers) for x in wish.operands]
        step = Step(wish.primitive, tuple(operands))
        floats = step.resolved(numbers)
        if _is_smooth(step, floats, margin) and abs(result := wish.primitive(*floats)) <= max_abs:
            steps.append(step)
            numbers.append(result)
    assume(steps)
    return Program(start, tuple(steps))


def programs(
    primitives: Iterable[Primitive | str] | None = None,
    *,
    leaves: st.SearchStrategy[float] = SMOOTH_LEAVES,
    constants: Sequence[float] = (0.0, 0.5, 1.0, 2.0, -1.5),
    max_leaves: int = 3,
    max_steps: int = 24,
    margin: float = 1e-3,
    max_abs: float = 1e4,
) -> st.SearchStrategy[Program]:
    """A strategy of random programs: expression graphs whose parts are used more than once.

    Every step stays in the domain of its primitive, so a program has a gradient at its leaves. It shrinks to few steps:
    a mistake in one primitive is found as a program of that one step.

    Args:
        primitives: Primitives, or names of some of the table; the whole table unless given.
        leaves: a strategy of the numbers at which it is differentiated.
        constants: floats that stand among the operands.
        max_leaves: how many leaves at most.
        max_steps: how many steps at most.
        margin: how far `domain.kinks` of each primitive is from 0, at least.
        max_abs: no number on the way is larger.

    Raises ValueError for a name that the table has not, or an empty list of primitives.

    >>> from hypothesis import find
    >>> find(programs(["mul", "sin"]), lambda program: any(step.name == "sin" for step in program.steps))
    <BLANKLINE>
    from autodiff import Value, primitives
    x0 = Value(0.0)
    v1 = primitives.sin(x0)
    v1.backward()
    <BLANKLINE>
    """
    chosen = list(TABLE.values()) if primitives is None else [named(p) for p in primitives]
    if not chosen:
        raise ValueError("programs got no primitives; leave them out for all of the table")
    return _programs(chosen, leaves, [float(x) for x in constants], max_leaves, max_steps, margin, max_abs)


def _wishes(primitives: Sequence[Primitive], constants: Sequence[float]) -> st.SearchStrategy[Step | None]:
    """A strategy of steps whose indices count back from the newest number, around and around.

    It is made to shrink well: to None, no step at all; and an operand is one choice, so that steps of few choices are
    deleted whole.
    """
    operand = st.sampled_from([0, 1, 2, 3, 0, 1, 5, 8, *constants])

    def of(primitive: Primitive | None) -> st.SearchStrategy[Step | None]:
        if primitive is None:
            return st.none()
        operands: st.SearchStrategy[tuple[int | float, ...]]
        if primitive.arity is not None:
            operands = st.tuples(*[operand] * primitive.arity)
        elif primitive.facts.parity == 0:
            pairs = st.lists(st.tuples(operand, operand), min_size=1, max_size=3)
            operands = pairs.map(lambda pairs: tuple(chain(*zip(*pairs, strict=True))))
        else:
            operands = st.lists(operand, min_size=1, max_size=5).map(tuple)
        return operands.map(lambda operands: Step(primitive, operands))

    return st.sampled_from([None, *primitives]).flatmap(of)


def _is_smooth(step: Step, operands: Sequence[float], margin: float) -> bool:
    """Whether the operands lie in the primitive's domain, away from its kinks, and move at all."""
    intervals, kinks, _ = step.primitive.domain
    inside = all(
        low <= x <= high for x, (low, high) in zip(operands, intervals + intervals[-1:] * len(operands), strict=False)
    )
    if step.name == "where" and isinstance(step.operands[0], float):
        kinks = None  # a constant condition has none
    moves = any(isinstance(x, int) for x in step.operands)
    return inside and moves and (kinks is None or abs(kinks(*operands)) > margin)
