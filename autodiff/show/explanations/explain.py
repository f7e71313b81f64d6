"""`explain`: the chain rule at work. A derivative is a sum over paths of the products of local gradients along them.

    >>> from autodiff import Value
    >>> x, w = Value(3.0, "x"), Value(2.0, "w")
    >>> q = w * x; q.label = "q"
    >>> y = q * x; y.label = "y"
    >>> explain(y, x)
    dy/dx = 12, the sum over 2 paths
    chain rule     in numbers  contribution
    ∂y/∂q * ∂q/∂x  3 * 2                  6
    ∂y/∂x          6                      6
    dy/dx          6 + 6                 12
    <BLANKLINE>
    Local gradients
    local gradient  of         is  here
    ∂y/∂q           y = q * x  x      3
    ∂q/∂x           q = w * x  w      2
    ∂y/∂x           y = q * x  q      6

The partial derivative ∂y/∂x is that of one operation, its other operands held fixed; dy/dx goes by every path. Here the
two differ: x is in q as well.

There are as many paths as there are ways through the graph, soon more than could ever be listed: they are counted, and
the largest found, by one pass over the nodes.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from reprlib import repr as short
from typing import NamedTuple, TypeVar

from autodiff.graph import topological_order
from autodiff.show.explanations.gradients import gradients_of
from autodiff.show.explanations.paths import Path, count_paths, largest_paths
from autodiff.show.explanations.sentences import moves, nudges, sentence
from autodiff.show.explanations.symbols import partial, partial_in_latex, slope_in_symbols, total, total_in_latex
from autodiff.show.formulas.formula import operation
from autodiff.show.formulas.writing import number_text
from autodiff.show.words.names import names_of
from autodiff.show.words.numbers import shortened
from autodiff.show.words.tables import Row, Table
from autodiff.show.words.text import shorter
from autodiff.value import Value

LIMIT = 10
_MOST_FACTORS = 12
_MOST_EDGES = 40
_MOST_NAMED = 4

T = TypeVar("T")


def explain(y: Value, x: Value, *, limit: int = LIMIT, words: bool = False) -> "Explanation":
    """The reason for dy/dx: the paths from y to x, the product of local gradients along each, and their sum.

    It prints as text, shows itself in a notebook as tables, and gives LaTeX by `.latex()`. Nodes made inside
    `record_source()` are shown with their source line, its file or the notebook's cell, and its code. Numbers are those
    on the edges, as `backward()` uses them, with its conventions: a path ends, with 0, at an operand that was not
    taken, because a primitive such as `max` did not choose it, or because it is multiplied with the constant 0. No
    `.grad` is touched.

    `.total` is the gradient, to the last bit the amount that `backward()` adds to a leaf. The sum of the products is
    the same number, but for rounding: the pass adds up at each node before it multiplies.

    Args:
        y: the output.
        x: the input: a leaf, or a node inside the graph.
        limit: how many paths are listed, those with the largest products; the others are counted and summed.
        words: whether the tables are followed by sentences, one for each step from x to y, as in `.words`.

    Raises TypeError if y or x is not a Value or limit not an int, ValueError for a limit less than 1.

    >>> a = Value(3.0, "a")
    >>> b = a + a
    >>> for _ in range(99):
    ...     b = b + b
    >>> explanation = explain(b, a, limit=2)
    >>> explanation.count == 2**100, explanation.total == 2.0**100, explanation.paths[0].contribution
    (True, True, 1.0)
    >>> print("\\n".join(explain(a.tanh() * 2.0, a).words))
    tanh's slope at 3 is 1 - tanh(3)² = 0.00987, so a nudge of a moves v1 0.00987 times as far.
    v1 is multiplied by 2, so a nudge of v1 moves y twice as far.
    In all, a nudge of a moves y 0.0197 times as far.
    """
    for value, what in ((y, "y"), (x, "x")):
        if not isinstance(value, Value):
            raise TypeError(
                f"explain takes two Values, got {type(value).__name__} {short(value)} as {what}; call it on the output "
                "and an input of a graph: explain(f(x), x)"
            )
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"limit is a number of paths, got {limit!r}")
    if limit < 1:
        raise ValueError(f"limit is a number of paths, at least 1, got {limit}")
    return Explanation(y, x, limit, words)


class Explanation:
    """The reason for dy/dx. Made by `explain(y, x)`.

    Attributes:
        y: the output.
        x: the input.
        paths: the paths with the largest contributions, those first.
        count: the number of paths; inf for more than 10^300.
        total: dy/dx, as `backward()` computes it.
        rest: the contribution of all paths that are not listed.
    """

    def __init__(self, y: Value, x: Value, limit: int, words: bool) -> None:
        self.y, self.x = y, x
        self._in_words = words
        order = topological_order(y)
        gradients = gradients_of(y)
        self.total = gradients.get(x, 0.0)
        self.count = count_paths(order, y, x)
        self.paths = largest_paths(order, y, x, limit, gradients)
        self.rest = _difference(self.total, [path.contribution for path in self.paths]) if self._more else 0.0
        self._names = names_of(y)
        self._names.setdefault(x, x.label or "x")

    @property
    def _more(self) -> int | float:
        return self.count - len(self.paths)

    # --- text and HTML ---

    def __str__(self) -> str:
        return "\n\n".join([table.text() for table in self._tables()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "\n".join([table.html() for table in self._tables()])

    def _tables(self) -> Iterator[Table]:
        whole = self._total()
        if not self.paths:
            yield Table(f"{whole} = 0: {self._names[self.y]} was not made from {self._names[self.x]}", (), [])
            return
        many = "one path" if self.count == 1 else f"the sum over {_counted(self.count)} paths"
        header = ("chain rule", "in numbers", "contribution")
        rows = [(self._symbols(p), _product(p), shortened(p.contribution)) for p in self.paths]
        if self._more:
            rows.append((f"{_counted(self._more)} more paths", "all together", shortened(self.rest)))
        if len(rows) > 1:
            rows.append((whole, _added([amount for _, _, amount in rows]), shortened(self.total)))
        yield Table(f"{whole} = {shortened(self.total)}, {many}", header, rows, numbers={2}, notes=self._rounding())
        yield from self._local_gradients()
        if self._in_words:
            yield Table("In words", (), [], notes=self.words)

    def _rounding(self) -> list[str]:
        """A note where rounding makes the paths sum to another number."""
        added = _sum([path.contribution for path in self.paths])
        if self._more or added == self.total or not math.isfinite(added):
            return []
        return [f"The paths sum to {added!r}; backward() adds up at each node, and rounds to {self.total!r}."]

    @property
    def words(self) -> list[str]:
        """The steps in plain words: a sentence for each local gradient listed, from x to y, and one for the sum."""
        found = [nudges(edge.node, [(edge.place, None)], self._names) for edge in reversed(self._edges_listed)]
        whole = f"{self._names[self.x]} {moves(self._names[self.y], self.total)}"
        by = "In all" if self.count == 1 else f"The effects of {_counted(self.count)} paths add up: in all"
        return [*[sentence(clauses) for clauses in found], f"{by}, a nudge of {whole}."] if self.paths else []

    def _repeated(self) -> list[str]:
        """A note where an operand stands in an operation twice."""
        twice = [edge for edge in self._edges_listed if sum([x is edge.operand for x in edge.node.operands]) > 1]
        found = list(dict.fromkeys([f"{self._names[edge.operand]} in {self._made(edge.node)}" for edge in twice]))
        said = ", ".join(found[:_MOST_NAMED]) + ", ..." * (len(found) > _MOST_NAMED)
        return [f"A Value that is two operands has a local gradient, and a path, by each: {said}"] if found else []

    def _total(self) -> str:
        return total(self._names[self.y], self._names[self.x])

    def _made(self, node: Value) -> str:
        return f"{self._names[node]} = {operation(node, self._names)}"

    def _symbols(self, path: Path) -> str:
        factors = [partial(self._names[edge.node], self._names[edge.operand]) for edge in _edges_shown(path)]
        return _joined(factors, len(path.local_gradients), " * ", "... ({:,} more)") or "1"

    @cached_property
    def _edges_listed(self) -> list["_Edge"]:
        """The first edges on the paths that are listed, each once."""
        edges = [edge for path in self.paths for edge in _edges_shown(path)]
        return list({(id(edge.node), id(edge.operand), edge.local): edge for edge in edges}.values())[:_MOST_EDGES]

    def _local_gradients(self) -> Iterator[Table]:
        edges = self._edges_listed
        sourced = any(edge.node.source for edge in edges)
        rows: list[Row] = []
        for edge in edges:
            node, names = edge.node, self._names
            rule = slope_in_symbols(node, edge.place, names) or f"the rule of {node.op.name}"  # type: ignore[union-attr]
            row = (partial(names[node], names[edge.operand]), self._made(node), rule, shortened(edge.local))
            rows.append((*row, _source(node)) if sourced else row)
        header = ("local gradient", "of", "is", "here", *(["source"] if sourced else []))
        if rows:
            yield Table("Local gradients", header, rows, numbers={3}, notes=self._repeated())

    # --- LaTeX ---

    def latex(self) -> str:
        r"""The sum over paths as LaTeX, in symbols and in numbers, without dollar signs.

        >>> x = Value(3.0, "x")
        >>> y = x * 2.0; y.label = "y"
        >>> print(explain(y, x).latex())
        \begin{aligned}
        \frac{\mathrm{d} y}{\mathrm{d} x} &= \frac{\partial y}{\partial x} \\
        &= 2 \\
        &= 2
        \end{aligned}
        """
        symbols = [self._latex_product(path) for path in self.paths]
        numbers = [_product(path, latex=True) for path in self.paths]
        if self._more:
            symbols.append(r"\cdots")
            numbers.append(rf"\left({_in_latex(self.rest)}\right)")
        total = _in_latex(self.total)
        lines = [" + ".join(terms) for terms in (symbols, numbers) if terms]
        rows = " \\\\\n&= ".join([*lines, total])
        whole = total_in_latex(self._names[self.y], self._names[self.x])
        return f"\\begin{{aligned}}\n{whole} &= {rows}\n\\end{{aligned}}"

    def _latex_product(self, path: Path) -> str:
        factors = [partial_in_latex(self._names[edge.node], self._names[edge.operand]) for edge in _edges_shown(path)]
        return _joined(factors, len(path.local_gradients), r" \cdot ", r"\cdots") or "1"


class _Edge(NamedTuple):
    """A node, the place of one of its operands, and its local gradient there."""

    node: Value
    place: int
    local: float

    @property
    def operand(self) -> Value:
        """The Value at that place."""
        operand = self.node.operands[self.place]
        assert isinstance(operand, Value)
        return operand


# --- numbers and text ---


def _sum(numbers: Sequence[float]) -> float:
    """The sum, rounded once; nan for inf - inf."""
    try:
        return math.fsum(numbers)
    except (OverflowError, ValueError):
        return sum(numbers)


def _difference(total: float, numbers: Sequence[float]) -> float:
    return _sum([total, *[-x for x in numbers]])


def _ends(items: Sequence[T]) -> list[T]:
    """The items, or, if there are many, the first and the last."""
    return [*items] if len(items) <= _MOST_FACTORS else [*items[: _MOST_FACTORS - 4], *items[-4:]]


def _edges_shown(path: Path) -> list[_Edge]:
    places = _ends(range(len(path.places)))
    return [_Edge(path.nodes[i], path.places[i], path.local_gradients[i]) for i in places]


def _joined(factors: list[str], length: int, sign: str, gap: str) -> str:
    """The factors as a product, which has `length` factors in all."""
    if length > len(factors):
        factors = [*factors[:-4], gap.format(length - len(factors)), *factors[-4:]]
    return sign.join(factors)


def _product(path: Path, latex: bool = False) -> str:
    numbers = [_in_latex(x) if latex else shortened(x) for x in _ends(path.local_gradients)]
    if len(path.local_gradients) > 1:
        around = r"\left({}\right)" if latex else "({})"
        numbers = [around.format(x) if x.startswith("-") else x for x in numbers]
    sign, gap = (r" \cdot ", r"\cdots") if latex else (" * ", "...")
    return _joined(numbers, len(path.local_gradients), sign, gap) or "1"


def _in_latex(number: float) -> str:
    return number_text(float(shortened(number)), "latex")


def _added(terms: Sequence[str]) -> str:
    """Numbers as a sum: 6 + 6 - 2."""
    return " + ".join(terms).replace("+ -", "- ")


def _counted(number: float) -> str:
    if number == math.inf:
        return "more than 10^300"
    return f"{number:,}" if number < 10**12 else f"about {number:.3g}"


def _source(node: Value) -> str:
    """The line that made a node, and its code, if that can be read."""
    if node.source is None:
        return "not recorded"
    return ": ".join([node.source.place, *[shorter(node.source.code)] * bool(node.source.code)])
