"""The plan of a formula: which terms get a name, and which are left out of one that is too long.

A term that would be written more than once is named where that saves something, and written once: an expression is then
never longer than its graph, however often its parts are shared.

    >>> from autodiff import primitives
    >>> from autodiff.show.formulas.terms import Terms
    >>> terms = Terms()
    >>> x = terms.variable("x")
    >>> for _ in range(3):
    ...     x = terms.make(primitives.exp, x)
    >>> planned(x, limit=2).left_out
    1
"""

from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from itertools import count, islice
from typing import NamedTuple

from autodiff.graph import topological_order
from autodiff.show.formulas.functions import SOFTMAX
from autodiff.show.formulas.terms import WORTH_A_NAME, Term


class Plan(NamedTuple):
    """The terms to be named, in order, and then the root; only those kept are written out."""

    named: list[Term]
    root: Term
    kept: Collection[Term]
    left_out: int


def planned(root: Term, limit: int | None) -> Plan:
    """The plan to write `root` with at most `limit` operations, those nearest to the root."""
    order: list[Term] = topological_order(root)
    number = len(order)
    if limit is not None and number > limit:
        kept = _nearest(root, limit)
        order = [term for term in order if term in kept]
        _drop_bare(order, kept)
    else:
        kept = set(order)
    uses = Counter([x for term in order if term in kept for x in term.operands if x in kept])
    for term in reversed(order):
        if term.op is SOFTMAX:  # no number, and so without a name: its operands are written wherever it is
            uses.update({x: uses[term] - 1 for x in term.operands if x in kept})
    sizes: dict[Term, int] = {}
    named: list[Term] = []
    for term in order:
        if term not in kept:
            continue
        size = max(1, len(term.operands) - 1)
        for x in term.operands:
            size += sizes.get(x, 0)
        if size > 1 and term.op is not SOFTMAX and size * (uses[term] - 1) >= WORTH_A_NAME:
            named.append(term)
            size = 0
        sizes[term] = size
    return Plan(named, root, kept, number - len(kept))


def _nearest(root: Term, limit: int) -> set[Term]:
    """The first operations that are met from the root down, level by level."""
    found: dict[Term, None] = {root: None}
    waiting = deque([root])
    while waiting and len(found) < limit:
        for x in waiting.popleft().operands:
            if x.op is not None and x not in found:
                found[x] = None
                waiting.append(x)
    return set(islice(found, limit))


def _drop_bare(order: Sequence[Term], kept: set[Term]) -> None:
    """Leave out terms that would be written as `... + ...`, which says no more than `...`."""
    for term in order[:-1]:
        if len(term.operands) > 1 and all(x.op is not None and x not in kept for x in term.operands):
            kept.discard(term)


def names_for(plan: Plan, names: dict[Term, str], labels: Mapping[Term, str], taken: Collection[str]) -> list[str]:
    """Give each term that is to be named its label, or else v1, v2, ...; return the names, in order."""
    used = {*taken, *names.values()}
    numbered = (name for i in count(1) if (name := f"v{i}") not in used)
    for term in plan.named:
        names[term] = labels.get(term) or next(numbered)
    return [names[term] for term in plan.named]
