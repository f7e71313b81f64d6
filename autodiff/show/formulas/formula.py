"""`formula`: the expression that a Value was computed from, as mathematics.

    >>> from autodiff import Value, gradient, tanh
    >>> x = Value(0.5, "x")
    >>> formula(gradient(tanh(x), [x])[0])
    1 - tanh(x)**2
    >>> print(formula(gradient(x**3 * tanh(x), [x])[0]).latex())
    x^{3} \\cdot \\left(1 - \\tanh^{2}\\left(x\\right)\\right) + 3 \\, x^{2} \\, \\tanh\\left(x\\right)
    >>> formula(gradient(x * x + 3 * x + 1, x))
    2 * x + 3

It is made in three steps: the graph is read as terms, simplified; a plan says which of them get a name, and
which are left out; and they are written in the form of each primitive, which stands in its row of the table.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from reprlib import repr as short
from typing import Any, Literal, NamedTuple

from autodiff.graph import topological_order
from autodiff.primitives import TABLE, Primitive, add, div, dot, mean, mul
from autodiff.show.formulas.plan import Plan, names_for, planned
from autodiff.show.formulas.rules import RULES
from autodiff.show.formulas.terms import Term, Terms, term_of
from autodiff.show.formulas.writing import Style, written
from autodiff.show.words.given import given_names
from autodiff.show.words.names import in_latex, names_of
from autodiff.show.words.numbers import shortened
from autodiff.value import Value

__all__ = ["Formula", "formula", "operation"]

LIMIT = 200
_MOST_READ = 12_000  # operations; at most, unless there is no limit
_SHOWN = 20  # operations of what fractions were reduced by
_RESERVED = frozenset({*TABLE, "inf", "nan", "pi"})


def formula(y: Value, *, leaves: Literal["names", "numbers"] = "names", limit: int | None = LIMIT) -> "Formula":
    """The expression that `y` was computed from: `str(f)` is text, `f.latex()` LaTeX, which notebooks show.

    The text is Python that gives y's value again, and its expression can be read by `autodiff.expression.parse`: names
    are keys of `f.names`, functions are autodiff's; inf, nan and pi are math's. Leaves without a label are called
    x1, x2, ..., inside `record_source()` by the variable that they were assigned to. A part that is used again is
    named, on a line of its own before the expression, where that makes the whole shorter: by its label or variable if
    it has one, else v1, v2, ...

    It is simplified as one would on paper: `autodiff.show.formulas.rules` has the rules. Where y and all numbers on the
    way to it are finite, the value remains, but for rounding; for `1 - tanh(x)**2`, which stands for tanh's derivative,
    that may be all the digits when x is large. Where y is nan, because a fraction is 0 / 0, the reduced one may have a
    value: `f.reduced_by` says what was taken not to be 0.

    Args:
        y: the end of the graph; `gradient(y, [x])[0]` is a graph, too.
        leaves: "names", or "numbers" to write leaves without a label as their numbers.
        limit: how many operations are written; `...` stands for the others, which are furthest from y. None for all.

    Raises TypeError if y is not a Value, or limit not an int, ValueError for other leaves or a limit less than 1.

    >>> from autodiff import Value, exp, gradient, log
    >>> x, y, z = Value(-2.0, "x"), Value(5.0, "y"), Value(-4.0, "z")
    >>> formula((x + y) * z)
    (x + y) * z
    >>> q = (x + y) * z - 1
    >>> formula(q / (exp(q) + q))
    v1 = (x + y) * z - 1
    v1 / (exp(v1) + v1)
    >>> f = formula(gradient(x * log(x), x))
    >>> f, f.reduced_by
    (log(x) + 1, ('x',))
    """
    if not isinstance(y, Value):
        raise TypeError(f"formula takes a Value, got {type(y).__name__} {short(y)}; call f on Values: formula(f(x))")
    if leaves not in ("names", "numbers"):
        raise ValueError(f"leaves is 'names' or 'numbers', got {leaves!r}")
    if limit is not None:
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise TypeError(f"limit is a number of operations, or None for all, got {limit!r}")
        if limit < 1:
            raise ValueError(f"limit is a number of operations, at least 1, or None for all, got {limit}")
    return Formula(y, leaves == "numbers", limit)


class Definition(NamedTuple):
    """A part of a formula that has a name."""

    name: str
    expression: str


class Formula:
    """An expression: `str(f)` is text, `f.latex()` LaTeX. Made by `formula(y)`.

    Attributes:
        expression: the text, without the definitions that come before it.
        definitions: the parts that have a name, each with its text, in an order in which they can be computed.
        names: the Value that each name of a leaf stands for.
        left_out: the number of operations that `...` stands for.
        reduced_by: what fractions were reduced by: x, where x / x was made 1. Where one of these is 0, or infinite, y
            may be nan, and the formula is what it is beside that point.
    """

    def __init__(self, root: Value, numbers: bool, limit: int | None) -> None:
        values = names_of(root, identifiers=True, reserved=_RESERVED)
        terms = Terms(RULES)
        term, made = term_of(root, terms, None if limit is None else max(_MOST_READ, limit))
        called = given_names(values)
        labels = {
            made[value]: name
            for value, name in values.items()
            if (value.label or value in called) and value in made and made[value].op is not None
        }
        self._term = term
        self.names: dict[str, Value] = {}
        self._names: dict[Term, str] = {}
        for x, name in values.items():
            if x.operands or x not in made:
                continue
            if not x.label and (numbers or x is root):  # a derivative may be one number
                made[x].number = x.data  # written, but not computed with
            else:
                self.names[name], self._names[made[x]] = x, name
        self._plan: Plan = planned(term, limit)
        own = names_for(self._plan, self._names, labels, {*labels.values(), *_RESERVED})
        self.left_out = self._plan.left_out + terms.unread
        self.definitions = [
            Definition(name, self._written(term)) for name, term in zip(own, self._plan.named, strict=True)
        ]
        self.expression = self._written(term)
        self.reduced_by = tuple(dict.fromkeys([self._beginning(x) for x in terms.reduced]))

    def _written(self, term: Term, style: Style = "text") -> str:
        return written(term, self._names, style, self._plan.kept)

    def _beginning(self, term: Term) -> str:
        return written(term, self._names, kept=planned(term, _SHOWN).kept)

    def __str__(self) -> str:
        lines = [f"{name} = {text}" for name, text in self.definitions] + [self.expression]
        if self.left_out:
            lines.append(f"(... stands for {self.left_out:,} more operations; formula(y, limit=None) writes all)")
        return "\n".join(lines)

    __repr__ = __str__

    @cached_property
    def _latex_lines(self) -> list[tuple[str, str]]:
        """The definitions and the expression, which has no name, as LaTeX."""
        named = [(in_latex(self._names[term]), self._written(term, "latex")) for term in self._plan.named]
        return [*named, ("", self._written(self._term, "latex"))]

    def latex(self) -> str:
        r"""The formula as LaTeX, without dollar signs; several lines stand in an `aligned` environment.

        >>> formula(Value(2.0, "alpha") / Value(3.0, "x1")).latex()
        '\\frac{\\alpha}{x_{1}}'
        """
        lines = self._latex_lines
        if len(lines) == 1:
            return lines[0][1]
        rows = [f"{name} &= {text}" if name else f"& {text}" for name, text in lines]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


# --- one operation, for the lines of tables ---

_MOST_OPERANDS = 8


def operation(node: Value, names: Mapping[Value, str]) -> str:
    """The operation that made a node, with operands by their names: `a * b`."""
    return _one_operation(node, [names[x] if isinstance(x, Value) else x for x in node.operands])


def operation_on_numbers(node: Value, numbers: Iterable[Any]) -> str:
    """The operation that made a node, with numbers of six digits: `2 * (-3)`."""
    return _one_operation(node, [shortened(x) for x in numbers])


def _one_operation(node: Value, operands: list[str | float]) -> str:
    assert node.op is not None
    terms = Terms()
    leaves = [terms.variable((i, shortened(x) if type(x) is float else x)) for i, x in enumerate(operands)]
    names = {leaf: str(leaf.key[1]) for leaf in leaves}  # type: ignore[index]
    if len(operands) <= _MOST_OPERANDS:
        return written(terms.make(node.op, *leaves), names)
    term = _in_short(terms, node.op, leaves)
    return written(term, names, kept=topological_order(term))


def _in_short(terms: Terms, op: Primitive, xs: Sequence[Term]) -> Term:
    """An operation on a long list, with an ellipsis, a variable without a name, for what is inside: x + y + ... + z."""
    ends = [0, 1, -1]
    if op is dot:
        half = len(xs) // 2
        first, second, last = [terms.make(mul, xs[:half][i], xs[half:][i]) for i in ends]
    else:
        first, second, last = [xs[i] for i in ends]
    shown = first, second, terms.variable("..."), last
    if op is mean:
        return terms.make(div, terms.make(add, *shown), float(len(xs)))
    return terms.make(add if op is dot else op, *shown)
