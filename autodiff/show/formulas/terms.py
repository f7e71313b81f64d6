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

from collections import Counter, deque
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import reduce
from typing import Any

from autodiff.graph import topological_order
from autodiff.primitives import Primitive, add, div, mul, sub
from autodiff.show.formulas.coefficients import CoefficientError
from autodiff.value import Value

HUGE = 1_000_000
WORTH_A_NAME = 6  # operations that a name saves
_ALWAYS_TAKEN_APART: Mapping[Primitive | None, int] = {
    add: 2,
    sub: 2,
    mul: 3,
    div: 3,
}  # terms of so many operations, in sums and products


class Term:
    """A number, a variable (which has a key), or an operation on terms.

    Its size is the number of operations that are written, HUGE at most.
    """

    __slots__ = ("key", "number", "op", "operands", "size")

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
        self.size: int = 0 if op is None else min(sum([x.size for x in operands], max(1, len(operands) - 1)), HUGE)


Rule = Callable[..., Term | None]
"""Given Terms and the operands of a primitive: a simpler term for its result. None or CoefficientError: there is none.

Those of add and mul are given any number of operands."""


class Terms:
    """A maker of terms, which makes one object for equal terms, and simplifies by the rules it is given.

    Attributes:
        whole: those that no sum or product takes apart, for they are to have a name.
        reduced: the terms by which fractions were reduced, which are taken not to be 0.
        unread: the number of operations of which no terms were made.
        items: what the total of a softmax was found to make of each of its parts.
    """

    def __init__(self, rules: Mapping[Primitive, Rule] | None = None) -> None:
        self._known: dict[Hashable, Term] = {}
        self._rules = rules or {}
        self.whole: set[Term] = set()
        self.reduced: dict[Term, None] = {}
        self.unread = 0
        self.items: dict[Term, dict[Term, Term]] = {}

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
        """The term of op(*operands), expanded and simplified; a float is an operand, too.

        Of add and mul with more than two operands it is their sum and product, from left to right.
        """
        terms = [x if isinstance(x, Term) else self.number(x) for x in operands]
        simplified = self._simplified(op, terms)
        if simplified is not None:
            return simplified
        if op.notation.expansion is not None:
            expanded: Term = op.notation.expansion(self.make, *terms)
            return expanded
        return self.written(op, *terms)

    def _simplified(self, op: Primitive, terms: list[Term]) -> Term | None:
        try:
            return self._rules[op](self, *terms) if op in self._rules else None
        except CoefficientError:
            return None

    def written(self, op: Primitive, *terms: Term) -> Term:
        """The term of op(*operands) as it stands, expanded and simplified by nobody."""
        if len(terms) != 2 and op in (add, mul):
            return reduce(lambda x, y: self.written(op, x, y), terms)
        found = self._known.get((op, terms))
        if found is None:
            found = self._known[op, terms] = Term(op, terms)
        return found

    def known(self, op: Primitive, *terms: Term) -> Term | None:
        """The term of op(*operands) if it was made before."""
        return self._known.get((op, terms))


def term_of(root: Value, terms: Terms, most: int | None = None) -> tuple[Term, dict[Value, Term]]:
    """The term of a Value, and the terms of Values below it; leaves are variables.

    Of a graph of more than `most` operations those furthest from the root are not read: they are variables, too.

    A chain of sums, or of products, is made at once: its links, which nothing else uses, have no term. A sum or product
    that is used again and is long enough for a name stays whole, as long as it is used more than once.
    """
    made: dict[Value, Term] = {}
    chains: dict[Value, list[Term]] = {}
    order: Sequence[Value] = topological_order(root)
    uses = Counter([x for node in order for x in node.operands if type(x) is not float])
    links = _links(order, uses)
    if most is not None and len(order) > most:
        read = _nearest(root, links, most)
        terms.unread = len(order) - len(read)
        order = [node for node in order if node in read]

    def found(x: Any) -> Term:
        if type(x) is float:
            return terms.number(x)
        if x not in made:
            made[x] = terms.variable(x)
        return made[x]

    for node in order:
        operands: list[Term] = []
        for x in node.operands:
            chain = chains.pop(x, None) if isinstance(x, Value) and x in links else None
            if chain is None:
                operands.append(found(x))
            else:
                operands = chain if not operands else [*operands, *chain]
        if node in links:
            chains[node] = operands
            continue
        assert node.op is not None
        made[node] = term = terms.make(node.op, *operands)
        if term.size > _ALWAYS_TAKEN_APART.get(term.op, HUGE) and term.size * (uses[node] - 1) >= WORTH_A_NAME:
            terms.whole.add(term)
    return _with_few_whole(found(root), made, terms)


def _links(order: Sequence[Value], uses: Mapping[Any, int]) -> set[Any]:
    """The sums that only one sum uses, once, and the products that only one product uses; squares stand alone."""
    return {
        x
        for node in order
        if node.op in (add, mul)
        for x in node.operands
        if isinstance(x, Value) and x.op is node.op and uses[x] == 1 and not x.label
        if x.operands[0] is not x.operands[1]
    }


def _nearest(root: Value, links: Collection[Any], most: int) -> set[Any]:
    """The nodes that are met first from the root down; links do not count, lest a sum be read in part."""
    read: set[Any] = set()
    waiting, met, count = deque([root]), {root}, 0
    while waiting and count < most:
        node = waiting.popleft()
        read.add(node)
        for x in node.operands:
            if isinstance(x, Value) and x.operands and x not in met:
                met.add(x)
                if x in links:
                    waiting.appendleft(x)
                else:
                    waiting.append(x)
        count += node not in links
    return read


def _with_few_whole(root: Term, made: dict[Value, Term], terms: Terms) -> tuple[Term, dict[Value, Term]]:
    """The terms made anew, where some that stayed whole turned out to be used once."""
    if not terms.whole:
        return root, made
    order: list[Term] = topological_order(root)
    uses = Counter([x for term in order for x in term.operands])
    needed = {x for x in terms.whole if x.size * (uses[x] - 1) >= WORTH_A_NAME}
    if needed == terms.whole:
        return root, made
    released, terms.whole = terms.whole - needed, needed
    anew: dict[Term, Term] = {}
    for term in order:
        if not any(x in anew or x in released for x in term.operands):
            continue
        assert term.op is not None
        anew[term] = again = terms.make(term.op, *[anew.get(x, x) for x in term.operands])
        if term in needed:
            terms.whole.add(again)
    return anew.get(root, root), {value: anew.get(term, term) for value, term in made.items()}
