"""Hypotheses: the numbers of a graph if some of its Values held others, and of a function for other arguments.

>>> from autodiff import Value
>>> x = Value(2.0, "x")
>>> WhatIf(x * x, {x: 3.0}).changes[-1].after
9.0
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from autodiff import floats
from autodiff.chain import recorded
from autodiff.graph import leaves, topological_order
from autodiff.primitives import where
from autodiff.primitives.on_floats import local_gradients_at
from autodiff.show.explanations.gradients import gradients_of
from autodiff.show.explanations.symbols import total
from autodiff.show.formulas.formula import operation
from autodiff.show.words.names import names_of
from autodiff.show.words.numbers import counted, shortened
from autodiff.show.words.tables import Row, Table, elided
from autodiff.value import Value

KEPT = "A where kept the side it took: its condition was a plain bool. Hand over the function."
_MOST_ROWS = 100


class Change(NamedTuple):
    """A number before and after: of the node, or the gradient of y in it."""

    node: Value
    before: float
    after: float

    @property
    def change(self) -> float:
        """The difference, after - before."""
        return self.after - self.before


class WhatIf:
    """The result for other numbers, and all that changes on the way. Made by `what_if(y, {x: 1.5})`.

    Attributes:
        y: the end of the graph, as it is.
        before: its number.
        value: the number it would have.
        numbers: the new number of each Value that was given one or computed again.
        changes: those that differ from the present numbers, in topological order.
    """

    def __init__(self, y: Value, given: Mapping[Value, float], shows_gradients: bool = False) -> None:
        self.y, self._given, self._shows_gradients = y, dict(given), shows_gradients
        self.numbers: dict[Value, float] = dict(given)
        self._order = topological_order(y)
        for node in self._order:
            if node not in given and any(isinstance(x, Value) and x in self.numbers for x in node.operands):
                assert node.op is not None
                self.numbers[node] = node.op.evaluate(*self._operands(node))
        self.before, self.value = y.data, self.numbers.get(y, y.data)
        found = [Change(node, node.data, after) for node, after in self.numbers.items()]
        self.changes = [c for c in found if _differs(c.before, c.after)]
        done, all_of_them = len(self.numbers) - len(given), counted(len(self._order), "operation")
        self._notes = [f"{done:,} of {all_of_them} {'was' if done == 1 else 'were'} computed again."]
        again = [node for node in self.numbers if node not in given]
        if chose_for_good(again):
            self._notes.append(KEPT)

    def _operands(self, node: Value) -> list[float]:
        data = [self.numbers.get(x, x.data) if isinstance(x, Value) else x for x in node.operands]
        return [floats.as_float(x) for x in data]

    def local_gradients(self, node: Value) -> Sequence[float]:
        """d(node)/d(operand) for each operand, for the new numbers."""
        if node not in self.numbers:
            return recorded(node)
        assert node.op is not None
        return local_gradients_at(node.op, self.numbers[node], node.operands, self._operands(node), Value)

    def every_gradient(self) -> dict[Value, float]:
        """d(y)/d(node) for the new numbers, for every node that is given a share; no `.grad` is touched."""
        return gradients_of(self.y, self.local_gradients, without=self._given.keys())

    @cached_property
    def gradients(self) -> list[Change]:
        """d(y)/d(leaf) for each leaf, and each node given a number, before and after; no `.grad` is touched."""
        before, after = gradients_of(self.y), self.every_gradient()
        nodes = dict.fromkeys([*leaves(self.y), *self._given])
        return [Change(node, before.get(node, 0.0), after.get(node, 0.0)) for node in nodes]

    # --- text and HTML ---

    def __str__(self) -> str:
        return "\n\n".join([table.text() for table in self._tables()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "\n".join([table.html() for table in self._tables()])

    def _tables(self) -> list[Table]:
        # a parameter that y was not made from has its own name
        names = {**{x: x.label for x in [*self._given, *[c.node for c in self._mentioned()]]}, **names_of(self.y)}
        y = names[self.y]
        given = ", ".join([f"{names[x]} = {shortened(number)}" for x, number in list(self._given.items())[:5]])
        more = ", ..." if len(self._given) > 5 else ""
        was = f"not {shortened(self.before)}" if _differs(self.before, self.value) else "as before"
        caption = f"{y} = {shortened(self.value)}, {was}, for {given}{more}"
        rows = [self._row(change, names) for change in self.changes]
        header = ("value", "made by", "before", "after", "change")
        tables = [Table(caption, header, elided(rows, _MOST_ROWS, "changes"), {2, 3, 4}, self._notes)]
        if self._shows_gradients:
            slopes = [(total(y, names[c.node]), *_numbers(c)) for c in self.gradients]
            tables.append(
                Table("Gradients", ("gradient", *header[2:]), elided(slopes, _MOST_ROWS, "gradients"), {1, 2, 3})
            )
        return tables

    def _mentioned(self) -> list[Change]:
        return [*self.changes, *(self.gradients if self._shows_gradients else [])]

    def _row(self, change: Change, names: Mapping[Value, str]) -> Row:
        node = change.node
        made = operation(node, names) if node.operands and node not in self._given else ""
        return names[node], made, *_numbers(change)


def chose_for_good(nodes: Iterable[Value]) -> bool:
    """Whether there is a `where` whose condition was a plain bool: other numbers do not move it."""
    return any(node.op is where and not isinstance(node.operands[0], Value) for node in nodes)


def _differs(before: float, after: float) -> bool:
    return before != after and (before == before or after == after)  # nan is as before


def _numbers(change: Change) -> Row:
    return shortened(change.before), shortened(change.after), shortened(change.change)


# --- functions: called twice ---


class OfFunction(WhatIf):
    """The result of a function for other arguments: the graph of its second call beside the first."""

    def __init__(
        self, before: Value, after: Value, pairs: Sequence[tuple[Value, Value]], shows_gradients: bool
    ) -> None:
        self.y, self._before, self._shows_gradients = after, before, shows_gradients
        self._pairs = list(pairs)
        self.before, self.value = before.data, after.data
        first, second = topological_order(before), topological_order(after)
        self._same = _shape(first, pairs, 0) == _shape(second, pairs, 1)
        middle = list(zip(first, second, strict=True))[:-1] if self._same else []
        ends = [] if any(old is before for old, _ in pairs) else [(before, after)]
        found = [Change(new, old.data, new.data) for old, new in [*pairs, *middle, *ends]]
        self.numbers = {c.node: c.after for c in found}
        self.changes = [c for c in found if _differs(c.before, c.after)]
        self._given = {new: new.data for old, new in pairs if old.data != new.data}
        way = "It went the same way" if self._same else "It went another way"
        counts = f"{counted(len(first), 'operation')} before, {len(second):,} after"
        self._notes = [f"{way}: {counts}{'' if self._same or len(first) != len(second) else ', not the same'}."]

    @cached_property
    def gradients(self) -> list[Change]:
        before, after = gradients_of(self._before), gradients_of(self.y)
        return [Change(new, before.get(old, 0.0), after.get(new, 0.0)) for old, new in self._pairs]


def _shape(order: Sequence[Value], pairs: Sequence[tuple[Value, Value]], side: int) -> list[Any]:
    """The operations and their operands, without the numbers: equal for two calls that went the same way."""
    places: dict[Any, int] = {pair[side]: i for i, pair in enumerate(pairs)}
    shape = []
    for node in order:
        operands = [places.get(x, id(x)) if isinstance(x, Value) else None for x in node.operands]
        places[node] = len(places)
        shape.append((node.op, tuple(operands)))
    return shape
