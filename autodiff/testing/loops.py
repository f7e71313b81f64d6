"""A hypothesis strategy of programs of loops: functions of lists, made of maps, rows of dots, windows, prefix sums.

    >>> from hypothesis import given, settings
    >>> from autodiff import compile
    >>> @settings(deadline=None)  # the first call of a process loads machine code
    ... @given(loop_programs())
    ... def test_compiled_loops_give_what_the_loops_give(program):
    ...     assert compile(program)(*program.inputs) == program(*program.inputs)
    >>> test_compiled_loops_give_what_the_loops_give()

Unless told otherwise they hold whole numbers, and do with them what rounds nothing: in whatever order a sum is added
up, it is the same, so two ways to run a program or to differentiate it can be held to each other exactly.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from hypothesis import assume
from hypothesis import strategies as st

from autodiff import primitives as table
from autodiff.testing.strategies import named

WHOLE = (
    "add", "sub", "mul", "maximum", "minimum", "neg", "square", "abs", "relu", "sum", "dot", "prod", "max", "min",
)  # fmt: skip
"""Primitives whose values and derivatives at whole numbers are whole numbers."""

WHOLE_LEAVES = st.integers(-3, 3).map(float)
_PREAMBLE = "from itertools import accumulate\n\nfrom autodiff import Value, primitives"
_WIDEST = 12  # numbers in a row, a window or a part
_FEW = st.sets(st.integers(0, 5), min_size=1, max_size=3)


class LoopProgram(NamedTuple):
    """A function f of lists, and lists to call it with: lines that each make a list from earlier ones.

    In its lines the lists that f takes are x0, x1, ..., those that it closes over w0, w1, ..., and those that it has
    made v0, v1, ...; the last is what f returns. Call a program on lists of floats or Values, as many as there are
    inputs; its repr is Python that runs.

    Attributes:
        inputs: lists of numbers to call f with.
        parameters: lists of numbers that f closes over.
        lines: Python expressions.

    >>> program = LoopProgram(((1.0, 2.0, 4.0),), ((10.0,),), ("[x * w0[0] for x in x0]", "list(accumulate(v0))"))
    >>> program(*program.inputs)
    [10.0, 30.0, 70.0]
    >>> print(program)
    <BLANKLINE>
    from itertools import accumulate
    <BLANKLINE>
    from autodiff import Value, primitives
    <BLANKLINE>
    w0 = [Value(x) for x in [10.0]]
    <BLANKLINE>
    def f(x0):
        v0 = [x * w0[0] for x in x0]
        v1 = list(accumulate(v0))
        return v1
    <BLANKLINE>
    x0 = [Value(x) for x in [1.0, 2.0, 4.0]]
    y = f(x0)
    <BLANKLINE>
    """

    inputs: tuple[tuple[float, ...], ...]
    parameters: tuple[tuple[float, ...], ...]
    lines: tuple[str, ...]

    def __call__(self, *inputs: Sequence[Any]) -> list[Any]:
        """The result for these lists, with the parameters as plain numbers."""
        result: list[Any] = self.closing_over(*self.parameters)(*inputs)
        return result

    def closing_over(self, *parameters: Sequence[Any]) -> Callable[..., list[Any]]:
        """f as a function that closes over these lists, such as lists of Values, for its parameters.

        >>> from autodiff import Value
        >>> program = LoopProgram(((1.0, 2.0),), ((3.0,),), ("[x * w0[0] for x in x0]",))
        >>> w = Value(3.0)
        >>> program.closing_over([w])([1.0, 2.0])[1].backward()
        >>> w.grad
        2.0
        """
        if len(parameters) != len(self.parameters):
            raise TypeError(f"the program closes over {len(self.parameters)} lists, got {len(parameters)}")
        scope: dict[str, Any] = {f"w{i}": list(numbers) for i, numbers in enumerate(parameters)}
        exec(f"{_PREAMBLE}\n{self._definition()}", scope)
        f: Callable[..., list[Any]] = scope["f"]
        return f

    def _definition(self) -> str:
        lines = [f"    v{i} = {line}" for i, line in enumerate(self.lines)]
        names = ", ".join(f"x{i}" for i in range(len(self.inputs)))
        return "\n".join([f"def f({names}):", *lines, f"    return v{len(lines) - 1}"])

    def __repr__(self) -> str:
        kinds = (("w", self.parameters), ("x", self.inputs))
        w, x = (
            "\n".join(f"{name}{i} = [Value(x) for x in {[*xs]}]" for i, xs in enumerate(lists)) for name, lists in kinds
        )
        call = f"y = f({', '.join(f'x{i}' for i in range(len(self.inputs)))})"
        return f"\n{_PREAMBLE}\n\n{w}\n\n{self._definition()}\n\n{x}\n{call}\n"


def loop_programs(
    primitives: Iterable[str] = WHOLE,
    *,
    leaves: st.SearchStrategy[float] = WHOLE_LEAVES,
    constants: Sequence[float] = (0.0, 1.0, -1.0, 2.0, -3.0),
    max_lists: int = 2,
    max_length: int = 64,
    max_steps: int = 8,
    max_abs: float = 1e4,
) -> st.SearchStrategy[LoopProgram]:
    """A strategy of random programs of loops: what a compiler of loops, or one that finds them, must get right.

    Each step makes a list: a map, a zip, an outer product, a slice with a step, a gather, rows of dots, a convolution,
    sums of parts, a running sum; one adds constants to some of the numbers and not to others. No care is taken of the
    domains and kinks of primitives: choose those that are smooth everywhere, or compare what is exact.

    Args:
        primitives: names of some of the table: of one operand for maps, two for zips, any number for parts.
        leaves: a strategy of the numbers in the lists that the program takes and closes over.
        constants: floats that stand in the loops.
        max_lists: how many lists at most it takes, and how many it closes over.
        max_length: how long a list is at most.
        max_steps: how many steps at most.
        max_abs: no number on the way is larger.

    Raises ValueError for a name that the table has not, and where no primitive has one or two operands.

    >>> from hypothesis import find
    >>> small = loop_programs(["neg", "add"], max_lists=1, max_length=3, max_steps=2)
    >>> find(small, lambda program: any("accumulate" in line for line in program.lines))
    <BLANKLINE>
    from itertools import accumulate
    <BLANKLINE>
    from autodiff import Value, primitives
    <BLANKLINE>
    w0 = [Value(x) for x in [0.0]]
    <BLANKLINE>
    def f(x0):
        v0 = list(accumulate(x0, primitives.add))
        v1 = [*v0]
        return v1
    <BLANKLINE>
    x0 = [Value(x) for x in [0.0]]
    y = f(x0)
    <BLANKLINE>
    """
    chosen = [named(name) for name in primitives]
    maps, zips, parts = ([p.name for p in chosen if p.arity == arity] for arity in (1, 2, None))
    pool = _Pool(maps, zips, parts, constants)
    if not pool.maps or not pool.zips:
        raise ValueError("loop_programs got no primitives for maps and zips: it needs one of one operand, one of two")
    return _loop_programs(pool, leaves, max_lists, max_length, max_steps, max_abs)


# --- how they are drawn ---


class _Pool(NamedTuple):
    """The ingredients of loops: names of primitives of one, of two, of any number of operands; numbers."""

    maps: Sequence[str]
    zips: Sequence[str]
    parts: Sequence[str]
    constants: Sequence[float]


class _Loops:
    """Draws loops over the lists that there are, the newest first; each loop is text."""

    def __init__(self, draw: st.DrawFn, pool: _Pool, lengths: dict[str, int]) -> None:
        self.draw, self.pool, self.lengths = draw, pool, lengths

    def name(self) -> str:
        return self.draw(st.sampled_from([*reversed(self.lengths)]))

    def size(self, most: int) -> int:
        return self.draw(st.integers(1, max(1, min(most, _WIDEST))))

    def element(self) -> str:
        """A constant, or a number of a list: what all steps of a loop share."""
        if self.draw(st.booleans()):
            return repr(float(self.draw(st.sampled_from(self.pool.constants))))
        name = self.name()
        return f"{name}[{self.draw(st.integers(0, self.lengths[name] - 1))}]"

    def map(self) -> str:
        return f"[primitives.{self.draw(st.sampled_from(self.pool.maps))}(x) for x in {self.name()}]"

    def scaled(self) -> str:
        return f"[{self.element()} * x + {self.element()} for x in {self.name()}]"

    def zip(self) -> str:
        function = self.draw(st.sampled_from(self.pool.zips))
        return f"[primitives.{function}(x, y) for x, y in zip({self.name()}, {self.name()})]"

    def outer(self) -> str:
        function = self.draw(st.sampled_from(self.pool.zips))
        return f"[primitives.{function}(x, y) for x in {self.name()} for y in {self.name()}]"

    def slice(self) -> str:
        name = self.name()
        start = self.draw(st.integers(0, self.lengths[name] - 1))
        step = self.draw(st.sampled_from([1, 2, 3, -1, -2]))
        return f"{name}[{start}::{step}]"

    def gather(self) -> str:
        name = self.name()
        indices = st.lists(st.integers(0, self.lengths[name] - 1), min_size=1, max_size=_WIDEST)
        return f"[{name}[i] for i in {self.draw(indices)}]"

    def joined(self) -> str:
        return f"[*{self.name()}, *{self.name()}]"

    def irregular(self) -> str:
        """A list, or what another loop makes, with some of its first numbers changed."""
        loop = self.name() if self.draw(st.booleans()) else self.draw(st.sampled_from(_SUMS))(self)
        some = self.draw(_FEW)
        change = f"{self.draw(st.sampled_from(['+', '+', '-', '*']))} {self.element()}"
        return f"[x {change} if i in {sorted(some)} else x for i, x in enumerate({loop})]"

    def choice(self) -> str:
        comparison = self.draw(st.sampled_from(["<", ">="]))
        branches = f"{self.draw(st.sampled_from(['x', 'y']))}, {self.element()}"
        return f"[primitives.where(x {comparison} y, {branches}) for x, y in zip({self.name()}, {self.name()})]"

    def rows_of_dots(self) -> str:
        """A matrix times a vector, or times each row of another matrix."""
        rows, columns = self.name(), self.name()
        n = self.size(min(self.lengths[rows], self.lengths[columns]))
        return (
            f"[primitives.dot(*{rows}[i : i + {n}], *{columns}[j : j + {n}])"
            f" for j in range(0, len({columns}) - {n - 1}, {n}) for i in range(0, len({rows}) - {n - 1}, {n})]"
        )

    def convolution(self) -> str:
        """Windows of one list times the begin of another, as dots or as chains of additions."""
        name, kernel = self.name(), self.name()
        apart, stride = self.draw(st.integers(1, 3)), self.draw(st.integers(1, 3))
        n = self.size(min(self.lengths[kernel], (self.lengths[name] - 1) // apart + 1))
        windows = f"for i in range(0, len({name}) - {apart * (n - 1)}, {stride})"
        if self.draw(st.booleans()):
            return f"[primitives.dot(*{name}[i : i + {apart * (n - 1) + 1} : {apart}], *{kernel}[:{n}]) {windows}]"
        products = [f"{name}[i + {k * apart}] * {kernel}[{k}]" for k in range(n)]
        return f"[{' + '.join(products)} {windows}]"

    def parts(self) -> str:
        """A primitive, or Python's sum, of each of many windows, some with one operand more."""
        name = self.name()
        n = self.size(self.lengths[name])
        stride = self.draw(st.sampled_from([n, 1, 2]))
        windows = f"for i in range(0, len({name}) - {n - 1}, {stride})"
        functions = [function for function in self.pool.parts if function != "dot"]
        if not functions or self.draw(st.integers(0, 3)) == 0:
            return f"[sum({name}[i : i + {n}]) {windows}]"
        function = self.draw(st.sampled_from(functions[:1]) | st.sampled_from(functions))
        some = [f"in {[i * stride for i in sorted(self.draw(_FEW))]}", f"// {stride} % 2"]
        more = f"*[{self.element()}] * (i {self.draw(st.sampled_from(some))}), "
        return f"[primitives.{function}({more}*{name}[i : i + {n}]) {windows}]"

    def running(self) -> str:
        return f"list(accumulate({self.name()}, primitives.{self.draw(st.sampled_from(self.pool.zips))}))"

    def prefix_sums(self) -> str:
        name = self.name()
        return f"[primitives.sum(*{name}[: i + 1]) for i in range(len({name}))]"


_SUMS = (_Loops.parts, _Loops.rows_of_dots, _Loops.convolution)
_KINDS = (
    _Loops.map, _Loops.zip, _Loops.scaled, *_SUMS, _Loops.parts, _Loops.irregular, _Loops.irregular, _Loops.running,
    _Loops.prefix_sums, _Loops.outer, _Loops.slice, _Loops.gather, _Loops.joined, _Loops.choice,
)  # fmt: skip
"""The loops, those of sums with something irregular more often than others."""


@st.composite
def _loop_programs(
    draw: st.DrawFn, pool: _Pool, leaves: st.SearchStrategy[float], lists: int, length: int, steps: int, most: float
) -> LoopProgram:
    def drawn(count: int) -> tuple[tuple[float, ...], ...]:
        sizes = [draw(st.integers(1, length)) for _ in range(count)]
        return tuple(tuple(draw(st.lists(leaves, min_size=n, max_size=n))) for n in sizes)

    parameters, inputs = drawn(draw(st.integers(1, lists))), drawn(draw(st.integers(1, lists)))
    known = {f"{kind}{i}": [*xs] for kind, given in (("w", parameters), ("x", inputs)) for i, xs in enumerate(given)}
    lines: list[str] = []
    for _ in range(draw(st.integers(1, steps))):
        line = draw(st.sampled_from(_KINDS))(_Loops(draw, pool, {name: len(xs) for name, xs in known.items()}))
        made = eval(line, {**known, "primitives": table, "accumulate": accumulate})
        if 0 < len(made) <= length and all(abs(x) <= most for x in made):
            known[f"v{len(lines)}"] = made
            lines.append(line)
    assume(lines)
    returned = draw(st.lists(st.sampled_from([f"v{i}" for i in reversed(range(len(lines)))]), min_size=1, max_size=3))
    return LoopProgram(inputs, parameters, (*lines, f"[{', '.join(f'*{name}' for name in returned)}]"))
