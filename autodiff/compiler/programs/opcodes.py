"""What an instruction of a program can do: the table of primitives, and the few operations that only programs have.

An opcode is the position of a primitive in `OPCODES`; the primitives of users come after it, by program. What an
instruction means is its primitive's `evaluate`, and nothing else: every backend is tested against it. `products` adds
up fused products, each of which rounds once.

    >>> OPCODES[CODE["products"]].evaluate(10.0, 2.0, 3.0, 4.0, 5.0)  # 10 + 2 * 3 + 4 * 5
    36.0

Whether something was passed on to a node may differ from run to run. An adjoint (an upstream gradient, or a tangent) of
which that is so is -0.0 where there is nothing, and never -0.0 where it was computed: a sum of them is -0.0 exactly if
all its terms are, and `strong_mul` hands nothing on as nothing.

    >>> strong_mul(-0.0, float("inf")), strong_mul(0.0, float("inf"))
    (-0.0, nan)
"""

import math
from typing import Any

from autodiff import floats, native, primitives
from autodiff.chain import NOTHING
from autodiff.primitives import KNOWN, Primitive
from autodiff.primitives.primitive import Facts


def is_nothing(x: float) -> bool:
    """Whether an adjoint of a program says that nothing was passed on: whether it is -0.0."""
    return x == 0.0 and math.copysign(1.0, x) < 0.0


def _strong_mul(x: float, y: float) -> float:
    return -0.0 if is_nothing(x) else 0.0 + x * y


def _products(start: float, *pairs: float) -> float:
    total = start
    for x, y in zip(pairs[::2], pairs[1::2], strict=True):
        total = floats.fused(x, y, total)
    return total


def _strong_products(start: float, *pairs: float) -> float:
    total = start
    for x, y in zip(pairs[::2], pairs[1::2], strict=True):
        if not is_nothing(x):
            total = floats.fused(x, y, total) + 0.0
    return total


def _no_rule(out: Any, *operands: Any) -> tuple[float, ...]:
    raise AssertionError("no trace holds it, so nothing differentiates it")


def _comparison(name: str, symbol: str, evaluate: Any, commutes: bool) -> Primitive:
    return Primitive(
        name,
        f"x {symbol} y",
        evaluate,
        [lambda out, x, y: NOTHING, lambda out, x, y: NOTHING],
        symbol=symbol,
        ulps=0,
        facts=Facts(commutes=commutes, choosing=(0, 1), vectorises=True, python=f"1.0 if {{}} {symbol} {{}} else 0.0"),
    )


less = _comparison("less", "<", lambda x, y: 1.0 if x < y else 0.0, commutes=False)
less_equal = _comparison("less_equal", "<=", lambda x, y: 1.0 if x <= y else 0.0, commutes=False)
equal = _comparison("equal", "==", lambda x, y: 1.0 if x == y else 0.0, commutes=True)
not_equal = _comparison("not_equal", "!=", lambda x, y: 1.0 if x != y else 0.0, commutes=True)

detach = Primitive(
    "detach", "x, without its gradient", lambda x: x, [lambda out, x: NOTHING], ulps=0, facts=Facts(python="{}")
)

# Whether an adjoint is nothing: 1.0 for -0.0.
nothing = Primitive(
    "nothing",
    "x is nothing",
    lambda x: 1.0 if is_nothing(x) else 0.0,
    [lambda out, x: NOTHING],
    ulps=0,
    facts=Facts(choosing=(0,)),
)

# The chain rule's product of an adjoint x, which may be nothing, with a local gradient y.
strong_mul = Primitive(
    "strong_mul",
    "x * y, but nothing where x is nothing",
    _strong_mul,
    [
        lambda out, x, y: primitives.where(nothing(x), NOTHING, y),
        lambda out, x, y: primitives.where(nothing(x), NOTHING, x),
    ],
    symbol="×",
    facts=Facts(vectorises=True, python="-0.0 if is_nothing({0}) else 0.0 + {0} * {1}"),
)

# What chains of additions are made into; no trace holds them, so nothing differentiates them.
products = Primitive("products", "start + x₁ y₁ + x₂ y₂ + ...", _products, _no_rule, symbol="Σ×", facts=Facts(parity=1))
# An adjoint that is added as it is comes first, with a factor of 1: where it is nothing, nothing is added.
strong_products = Primitive(
    "strong_products",
    "start + x₁ y₁ + x₂ y₂ + ..., strong products",
    _strong_products,
    _no_rule,
    facts=Facts(parity=1),
)

OPCODES: tuple[Primitive, ...] = (
    *KNOWN.values(),
    less,
    less_equal,
    equal,
    not_equal,
    detach,
    nothing,
    strong_mul,
    products,
    strong_products,
)
CODE: dict[str, int] = {primitive.name: code for code, primitive in enumerate(OPCODES)}


def _known_to_the_core(primitive: Primitive) -> tuple[Any, ...]:
    """What `bind_opcodes` of the core takes for an opcode."""
    counts = (-1 if count is None else count for count in (primitive.arity, primitive.facts.parity))
    facts = primitive.facts
    choosing = sum(1 << i for i in facts.choosing)
    return primitive.name, primitive, *counts, facts.commutes, facts.involution, *facts.unit, choosing


if native.core is not None:
    native.of_core("bind_opcodes")(tuple(map(_known_to_the_core, OPCODES)))
