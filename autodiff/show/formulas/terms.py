"""Expressions as they are written: the graph of a Value once more, made of terms.

A term is a number, a variable or an operation on terms; equal ones are one object, so that an expression computed
twice, by a derivative of its own for instance, is seen to be the same.

    >>> from autodiff import primitives
    >>> from autodiff.show.formulas.rules import RULES
    >>> terms = Terms(RULES)
    >>> x = terms.variable("x")
    >>> terms.make(primitives.mul, x, 1.0) is x
    True
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from autodiff.graph import topological_order
from autodiff.primitives import Primitive
from autodiff.value import Value


class Term:
    """A number, a variable (which has a key), or an operation on terms."""

    __slots__ = ("key", "number", "op", "operands")

    def __init__(
        self,
        op: Primitive | None = None,
        operands: tuple["Term", ...] = (),
        number: float | None = None,
        key: Hashable = None,
    ) -> None:
        self.op = op
        self.operands = operands
        self.number = number
        self.key = key


Rule = Callable[..., Term | None]
"""Given Terms and the operands of a primitive: a simpler term for its result, None if there is none."""


class Terms:
    """A maker of terms, which makes one object for equal terms, and simplifies by the rules it is given."""

    def __init__(self, rules: Mapping[Primitive, Rule] | None = None) -> None:
        self._known: dict[Hashable, Term] = {}
        self._rules = rules or {}

    def variable(self, key: Hashable) -> Term:
        """The variable with that key."""
        known = ("variable", id(key) if isinstance(key, Value) else key)
        found = self._known.get(known)
        if found is None:
            found = self._known[known] = Term(key=key)
        return found

    def number(self, number: float) -> Term:
        """A number as a term."""
        known = number if number and number == number else repr(number)  # 0.0 and -0.0 are equal, nan is not
        found = self._known.get(known)
        if found is None:
            found = self._known[known] = Term(number=number)
        return found

    def make(self, op: Primitive, *operands: Term | float) -> Term:
        """The term of op(*operands), expanded and simplified; a float is an operand, too."""
        terms = tuple([x if isinstance(x, Term) else self.number(x) for x in operands])
        if op.notation.expansion is not None:
            expanded: Term = op.notation.expansion(self.make, *terms)
            return expanded
        if op in self._rules:
            simplified = self._rules[op](self, *terms)
            if simplified is not None:
                return simplified
        found = self._known.get((op, terms))
        if found is None:
            found = self._known[op, terms] = Term(op, terms)
        return found


def term_of(root: Value, terms: Terms) -> tuple[Term, dict[Value, Term]]:
    """The term of a Value, and the terms of all Values below it; leaves are variables."""
    made: dict[Value, Term] = {}

    def found(x: Any) -> Term:
        if type(x) is float:
            return terms.number(x)
        if x not in made:
            made[x] = terms.variable(x)
        return made[x]

    for node in topological_order(root):
        made[node] = terms.make(node.op, *[found(x) for x in node.operands])
    return found(root), made
