"""The chain rule in plain words: how far a nudge of an operand moves the result, and why, in one sentence.

>>> from autodiff import Value
>>> x = Value(0.7, "x")
>>> y = x.tanh()
>>> print(sentence(nudges(y, [(0, None)], {x: "x", y: "y"})))
tanh's slope at 0.7 is 1 - tanh(0.7)² = 0.635, so a nudge of x moves y 0.635 times as far.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from math import isfinite, isinf, isnan
from operator import itemgetter

from autodiff.chain import NOTHING, recorded
from autodiff.primitives import clip, dot, elu, leaky_relu, max, maximum, min, minimum, mul, round, where
from autodiff.show.explanations.symbols import slope_in_symbols
from autodiff.show.formulas.formula import operation
from autodiff.value import Value

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_LONGEST = 60  # characters of a rule in numbers
_PLAIN = {"1": "just as far", "2": "twice as far", "0.5": "half as far"}

Share = tuple[int, tuple[str, float] | None]
"""The place of an operand, and the name of the output with how far it is moved by way of the node, if that is told."""


def nudges(node: Value, shares: Iterable[Share], names: Mapping[Value, str]) -> list[str]:
    """What a nudge of each operand moves: clauses, one for operands of which the same is to be said.

    >>> a, b = Value(3.0, "a"), Value(-2.0, "b")
    >>> c, d, names = a * b, a + b, {a: "a", b: "b"}
    >>> nudges(c, [(0, None)], {**names, c: "c"})
    ['a is multiplied by b = -2, so a nudge of a moves c twice as far, the other way']
    >>> nudges(d, [(0, ("y", 3.0)), (1, ("y", 3.0))], {**names, d: "d"})
    ['a nudge of a or b moves d just as far, and with it y 3 times as far']
    """
    told = [_told(node, place, further, names) for place, further in shares]
    clauses = []
    for (why, moved), alike in groupby(told, itemgetter(0, 2)):
        whom = _any_of([each for _, each, _ in alike])
        clauses.append(f"{why}a nudge of {whom} {moved}")
    return clauses


def _told(
    node: Value, place: int, further: tuple[str, float] | None, names: Mapping[Value, str]
) -> tuple[str, str, str]:
    """Why, a nudge of what, moves what how far."""
    operand, local = node.operands[place], recorded(node)[place]
    assert node.op is not None
    assert isinstance(operand, Value)
    count = sum([x is operand for x in node.operands])
    whom = names[operand] + (f" in one of its {count} places" if count > 1 else "")
    is_alone = len(node.operands) == 1
    if local is NOTHING:
        by = f"{_made(node, names)} does not depend on it here"
        if is_at_kink(node, place):
            by = f"{_no_slope(node, place, names)}, and 0 is taken for it"
        elif is_alone:
            by = f"{node.op.name} is flat at {rounded(operand.data)}"
        elif node.op in (mul, dot):
            by = "it is multiplied by 0"
        return "", whom, f"does not move {names[node]}: {by}"
    return _why(node, place, names), whom, _moved(names[node], local, further)


def _why(node: Value, place: int, names: Mapping[Value, str]) -> str:
    """The slope of an operation, in symbols and numbers; empty where it is a sum's, which needs no reason."""
    operand, local = node.operands[place], node.local_gradients[place]
    assert node.op is not None
    assert isinstance(operand, Value)
    numbers = {x: rounded(x.data) for x in (node, *node.operands) if isinstance(x, Value)}
    symbols, here = [_prose(slope_in_symbols(node, place, each)) for each in (names, numbers)]
    equal = " = ".join([text for text in dict.fromkeys([symbols, here, rounded(local)]) if 0 < len(text) <= _LONGEST])
    if node.op in (mul, dot):
        return f"{names[operand]} is multiplied by {equal}, so "
    if is_at_kink(node, place):
        return f"{_no_slope(node, place, names)}, and {equal} is taken for it, so "
    if len(node.operands) == 1 and node.op.name.isidentifier():
        equal = " = ".join(dict.fromkeys([*[here] * (0 < len(here) <= _LONGEST), rounded(local)]))
        return f"{node.op.name}'s slope at {rounded(operand.data)} is {equal}, so "
    is_constant = symbols == here and abs(local) in (1.0, 0.0)
    return "" if is_constant else f"the slope of {_made(node, names)} in {names[operand]} is {equal}, so "


def is_at_kink(node: Value, place: int) -> bool:
    """Whether a node has no slope in that operand, and its finite local gradient is a convention.

    >>> x = Value(0.0, "x")
    >>> [is_at_kink(node, 0) for node in (abs(x), x.tanh(), maximum(x, 0.0), maximum(x, -1.0), x / 0.0)]
    [True, False, True, False, False]
    """
    assert node.op is not None
    numbers = [x.data if isinstance(x, Value) else x for x in node.operands]
    kinks = node.op.domain.kinks
    if node.op in _CHOICES:  # between operands that are equal to the result
        return numbers[place] == node.data and numbers.count(node.data) > 1
    if (node.op in _OF_ONE and place > 0) or (node.op is elu and numbers[1] == 1.0):
        return False
    return kinks is not None and isfinite(node.data + recorded(node)[place]) and kinks(*numbers) == 0.0


_CHOICES = (maximum, minimum, clip, max, min)
_OF_ONE = (leaky_relu, elu, where, round)  # whose kinks are in the first operand


def _no_slope(node: Value, place: int, names: Mapping[Value, str]) -> str:
    operand = node.operands[place]
    assert node.op is not None
    assert isinstance(operand, Value)
    if len(node.operands) == 1:
        return f"{node.op.name} has no slope at {rounded(operand.data)}"
    return f"{_made(node, names)} has no slope in {names[operand]} here"


def _made(node: Value, names: Mapping[Value, str]) -> str:
    return _prose(operation(node, names))


def _moved(node: str, local: float, further: tuple[str, float] | None) -> str:
    """How far a node is moved, and with it the output."""
    if further is None:
        return moves(node, local)
    output, amount = further
    if not amount:
        return f"{moves(node, local)}, {'but not' if local else 'nor'} {output}"
    if amount == local:
        return f"moves {node}, and with it {output}, {so_far(local)}"
    return f"{moves(node, local)}, and with it {output} {so_far(amount)}"


def follows(node: Value, places: Iterable[int], names: Mapping[Value, str]) -> str:
    """How far a node moves when its operands do: one clause, operands that it follows alike named together.

    >>> a, b = Value(3.0, "a"), Value(-2.0, "b")
    >>> names = {a: "a", b: "b"}
    >>> follows(a * b, [0, 1], names), follows(a.floor(), [0], names)
    ('moves twice as far as a, the other way; 3 times as far as b', 'does not move with a')
    """
    edges = [(recorded(node)[place], node.operands[place]) for place in places]
    said = []
    for slope, alike in groupby([edge for edge in edges if edge[0]], itemgetter(0)):
        far, comma, way = so_far(slope).partition(",")
        link = "as" if far in _PLAIN.values() or far.endswith("times as far") else "with"
        said.append(f"{far} {link} {_any_of([names[x] for _, x in alike if isinstance(x, Value)])}{comma}{way}")
    still = _any_of([names[x] for slope, x in edges if not slope and isinstance(x, Value)])
    if not said:
        return f"does not move with {still}"
    return f"moves {'; '.join([*said, *[f'not with {still}'] * bool(still)])}"


def _any_of(names: Iterable[str]) -> str:
    """Names as alternatives: a, b or c."""
    *before, last = dict.fromkeys(names) or [""]
    return f"{', '.join(before)} or {last}" if before else last


def moves(name: str, slope: float) -> str:
    """What a nudge does to the Value of that name."""
    return f"moves {name} {so_far(slope)}" if slope else f"does not move {name}"


def so_far(slope: float) -> str:
    """How far something is moved, in multiples of the nudge.

    >>> so_far(1.0), so_far(-0.3)
    ('just as far', '0.3 times as far, the other way')
    """
    if isnan(slope):
        return "by nan"
    size = rounded(abs(slope))
    size = "infinitely far" if isinf(slope) else _PLAIN.get(size, f"{size} times as far")
    return size + ", the other way" * (slope < 0.0)


def rounded(number: float) -> str:
    """A number with three significant digits, or all digits before the point.

    >>> rounded(0.63474), rounded(1234.5), rounded(-2.0), rounded(1.5e9)
    ('0.635', '1234', '-2', '1.5e+09')
    """
    return f"{number:.0f}" if 1e3 <= abs(number) < 1e6 else f"{number:.3g}"


def _prose(text: str) -> str:
    """A formula with its whole exponents raised: 1 - tanh(x)²."""
    return re.sub(r"\*\*(\d+)(?![\w.]|\*\*)", lambda found: found[1].translate(_SUPERSCRIPTS), text)


def sentence(clauses: Sequence[str]) -> str:
    """Clauses as one sentence."""
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}." if text.startswith(("a nudge of ", "the slope of ")) else f"{text}."
