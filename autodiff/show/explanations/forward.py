"""`forward_steps`: a graph computed one operation at a time.

>>> from autodiff import Value
>>> a, b = Value(2.0, "a"), Value(-3.0, "b")
>>> c = a * b
>>> c.label = "c"
>>> for step in forward_steps(c):
...     print(step)
c = a * b = 2 * (-3) = -6
"""

from collections.abc import Mapping
from dataclasses import dataclass

from autodiff.graph import topological_order
from autodiff.show.explanations.sentences import follows, rounded
from autodiff.show.explanations.steps import Steps, check_is_value
from autodiff.show.formulas.formula import operation, operation_on_numbers
from autodiff.show.words.names import names_of
from autodiff.show.words.numbers import shortened
from autodiff.show.words.tables import Row, Table
from autodiff.value import Value

_MOST_FOLLOWED = 8  # in one sentence


@dataclass(frozen=True)
class ForwardStep:
    """The operation that made a node.

    Attributes:
        node: the result.
        operands: its operands, Values and constants.
        data: the number that was made.
    """

    node: Value
    operands: tuple[Value | float, ...]
    data: float
    _names: Mapping[Value, str]

    def __str__(self) -> str:
        name, made, numbers = self._cells()
        return f"{name} = {made} = {numbers} = {shortened(self.data)}"

    @property
    def words(self) -> str:
        """The step in plain words: its result, and what is kept of it for the way back."""
        node, names = self.node, self._names
        places = [i for i, operand in enumerate(self.operands) if isinstance(operand, Value)]
        kept = follows(node, places[:_MOST_FOLLOWED], names)
        more = len(places) - _MOST_FOLLOWED
        said = kept + f"; and so on for {more:,} more" * (more > 0)
        return f"{names[node]} becomes {rounded(self.data)}. Kept for the way back: it {said}."

    def _cells(self) -> tuple[str, str, str]:
        numbers = [x.data if isinstance(x, Value) else x for x in self.operands]
        made = operation(self.node, self._names), operation_on_numbers(self.node, numbers)
        return self._names[self.node], *made

    __repr__ = __str__


class ForwardSteps(Steps[ForwardStep]):
    """The steps of the forward pass, in topological order. Made by `forward_steps(y)`."""

    def _row(self, step: ForwardStep) -> Row:
        return (*step._cells(), shortened(step.data))

    def _table(self) -> Table:
        header = ("step", "node", "operation", "in numbers", "data")
        return Table("Forward", header, self._rows(), numbers={0, 4}, notes=self._sentences())


def forward_steps(y: Value, *, words: bool = False) -> ForwardSteps:
    """The operations that `y` was made by, each after those that made its operands.

    A step has `.node`, `.operands`, `.data`, and `.words` to say it plainly. The steps are a sequence, on which `len`,
    indices and `reversed` work, and print as a table, with `words` followed by a sentence for each step. Numbers are as
    of this moment; nothing is computed again. Raises TypeError if y is not a Value.

    >>> x = Value(3.0, "x")
    >>> forward_steps(x * x + 1)
    Forward
    step  node  operation  in numbers  data
       1  v1    x * x      3 * 3          9
       2  y     v1 + 1     9 + 1         10
    >>> print(forward_steps(x * 2.0)[0].words)
    y becomes 6. Kept for the way back: it moves twice as far as x.
    """
    check_is_value(y, "forward_steps")
    names = names_of(y)
    return ForwardSteps([ForwardStep(node, node.operands, node.data, names) for node in topological_order(y)], words)
