"""A local gradient in symbols: the rule of the primitive, read with leaves in place of its operands.

>>> from autodiff import Value
>>> x = Value(2.0)
>>> y = x.sin()
>>> slope_in_symbols(y, x, y.local_gradients[0], {x: "x"})
'cos(x)'
"""

from collections.abc import Mapping

from autodiff import modes
from autodiff.show.formulas.rules import RULES
from autodiff.show.formulas.terms import Terms, term_of
from autodiff.show.formulas.writing import number_text, written
from autodiff.transforms.sweeps import rules_read
from autodiff.value import Value

MOST_OPERANDS = 4  # of an operation whose rule is short enough for a table


def slope_in_symbols(node: Value, operand: Value, local: float, names: Mapping[Value, str]) -> str:
    """The rule for d(node)/d(operand), which has the number `local` here; empty where only floats can read it.

    An operand that is there twice, as in x ** x, has two rules; the number says which of them is meant.
    """
    assert node.op is not None
    if len(node.operands) > MOST_OPERANDS:
        return ""
    place = next(
        i
        for i, (x, slope) in enumerate(zip(node.operands, node.local_gradients, strict=True))
        if x is operand and (slope == local or slope != slope)
    )
    stand_ins = {x: Value(x.data) for x in node.operands if isinstance(x, Value)}
    with modes.recording():
        try:
            out = node.op(*[stand_ins[x] if isinstance(x, Value) else x for x in node.operands])
            slope = rules_read(out, [i == place for i in range(len(node.operands))])[place]
        except (TypeError, FloatingPointError):
            return ""  # a rule that floats alone can read, or an anomaly that is not ours to report
    if not isinstance(slope, Value):
        return number_text(slope)
    term, made = term_of(slope, Terms(RULES))
    numbers = {made[leaf]: number_text(leaf.data) for leaf in made if not leaf.operands}  # 0 in 1 / 0 is a Value
    return written(term, numbers | {made[leaf]: names[x] for x, leaf in stand_ins.items() if leaf in made})
