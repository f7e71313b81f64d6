"""What the entries of the table say about their primitives is true, at special and random numbers, to the last bit."""

import math
import pickle
import struct
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodiff import floats, primitives
from autodiff.compiler.programs.opcodes import OPCODES
from autodiff.primitives import KNOWN, Primitive

INF, NAN = math.inf, math.nan
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.5, 1e300, -1e-320, INF, -INF)
NUMBERS = st.floats() | st.sampled_from(SPECIAL)


def bits(x: float) -> bytes:
    """The bits of a number; a nan is any other."""
    return b"nan" if x != x else struct.pack("d", x)


def those_that(fact: str, *, are: bool = True) -> pytest.MarkDecorator:
    rows = [p for p in OPCODES if (getattr(p.facts, fact) not in (None, False, (), (None, None))) is are]
    return pytest.mark.parametrize("primitive", rows, ids=lambda p: p.name)


EACH = pytest.mark.parametrize("primitive", OPCODES, ids=lambda p: p.name)


@EACH
def test_an_entry_is_the_variable_of_its_name(primitive: Primitive) -> None:
    if primitive in KNOWN.values():
        assert KNOWN[primitive.name] is primitive
        assert getattr(primitives, primitive.name) is primitive
        assert pickle.loads(pickle.dumps(primitive)) is primitive


@those_that("commutes")
@given(x=NUMBERS, y=NUMBERS)
def test_operands_that_commute_may_be_swapped(primitive: Primitive, x: float, y: float) -> None:
    assert bits(primitive.evaluate(x, y)) == bits(primitive.evaluate(y, x))


@those_that("unit")
@given(x=NUMBERS)
def test_a_unit_hands_the_other_operand_on(primitive: Primitive, x: float) -> None:
    left, right = primitive.facts.unit
    if left is not None:
        assert bits(primitive.evaluate(left, x)) == bits(x)
    if right is not None:
        assert bits(primitive.evaluate(x, right)) == bits(x)


@those_that("involution")
@given(x=NUMBERS)
def test_an_involution_undoes_itself(primitive: Primitive, x: float) -> None:
    assert bits(primitive.evaluate(primitive.evaluate(x))) == bits(x)


@those_that("python")
@given(data=st.data())
def test_what_python_writes_is_the_value(primitive: Primitive, data: st.DataObject) -> None:
    assert primitive.arity
    assert primitive.facts.python
    numbers = data.draw(st.tuples(*[NUMBERS] * primitive.arity))
    scope = {"is_nothing": lambda x: x == 0.0 and math.copysign(1.0, x) < 0.0}
    made = eval(primitive.facts.python.format("x", "y", "z"), scope, dict(zip("xyz", numbers, strict=False)))
    assert bits(made) == bits(primitive.evaluate(*numbers))


@EACH
def test_only_an_operand_that_chooses_may_hide_a_nan(primitive: Primitive) -> None:
    count = primitive.arity or (3 if primitive.facts.parity == 1 else 2)
    for i in set(range(count)) - set(primitive.facts.choosing):
        for others in product(SPECIAL, repeat=count - 1):
            made = {bits(primitive.evaluate(*others[:i], x, *others[i:])) for x in (NAN, *SPECIAL, 3.0)}
            assert bits(primitive.evaluate(*others[:i], NAN, *others[i:])) == b"nan" or len(made) == 1, (i, others)


@those_that("choosing")
def test_an_operand_that_chooses_has_no_derivative(primitive: Primitive) -> None:
    operands = primitive.example()
    local_gradients = primitive.local_gradients(primitive.evaluate(*operands), *operands)
    assert all(local_gradients[i] is primitives.rules.NOTHING for i in primitive.facts.choosing)


@EACH
def test_the_number_of_operands_is_told(primitive: Primitive) -> None:
    assert not primitive.takes(0)
    counts = [n for n in range(1, 7) if primitive.takes(n)]
    assert counts == [primitive.arity] if primitive.arity else len(counts) >= 3
    for n in counts:
        assert isinstance(primitive.evaluate(*[floats.as_float(1 + i) for i in range(n)]), float)
