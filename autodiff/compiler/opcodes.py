"""What an instruction of a program can do: the table of primitives, and the few operations that only programs have.

An opcode is the position of a primitive in `OPCODES`; the primitives of users come after it, by program. What an
instruction means is its primitive's `evaluate`, and nothing else: every backend is tested against it.

    >>> OPCODES[CODE["products"]].evaluate(10.0, 2.0, 3.0, 4.0, 5.0)  # 10 + 2 * 3 + 4 * 5
    36.0
"""

from typing import Any

from autodiff import primitives
from autodiff.primitives import TABLE, Primitive


def _strong_mul(x: float, y: float) -> float:
    return 0.0 + x * y if x != 0.0 else 0.0


def _products(start: float, *pairs: float) -> float:
    total = start
    for x, y in zip(pairs[::2], pairs[1::2], strict=True):
        total += x * y
    return total


def _strong_products(start: float, *pairs: float) -> float:
    total = start
    for x, y in zip(pairs[::2], pairs[1::2], strict=True):
        if x != 0.0:
            total += x * y
    return total


def _nothing(out: Any, *operands: Any) -> tuple[float, ...]:
    return (0.0,) * len(operands)


def _strong_slope(x: Any, y: Any) -> Any:
    """Return y, the derivative of the strong product in x; 0 where the product was dropped: at x = 0, y not finite."""
    return primitives.where(x == 0.0, primitives.where(y - y == 0.0, y, 0.0), y)


def _comparison(name: str, formula: str, evaluate: Any) -> Primitive:
    rules = [lambda out, x, y: 0.0, lambda out, x, y: 0.0]
    return Primitive(name, formula, evaluate, rules, symbol=formula[2:-2], chooses=True, ulps=0)


less = _comparison("less", "x < y", lambda x, y: 1.0 if x < y else 0.0)
less_equal = _comparison("less_equal", "x <= y", lambda x, y: 1.0 if x <= y else 0.0)
equal = _comparison("equal", "x == y", lambda x, y: 1.0 if x == y else 0.0)
not_equal = _comparison("not_equal", "x != y", lambda x, y: 1.0 if x != y else 0.0)

detach = Primitive("detach", "x, without its gradient", lambda x: x, [lambda out, x: 0.0], chooses=True, ulps=0)

# The chain rule's product of an upstream gradient x with a local one y: 0 where x is exactly 0, and never -0.
strong_mul = Primitive(
    "strong_mul",
    "x * y, but 0 where x is 0",
    _strong_mul,
    [lambda out, x, y: _strong_slope(x, y), lambda out, x, y: x],
    symbol="×",
)

# What chains of additions are made into; no trace holds them, so nothing differentiates them.
products = Primitive("products", "start + x₁ y₁ + x₂ y₂ + ...", _products, _nothing, symbol="Σ×")
strong_products = Primitive(
    "strong_products", "start + x₁ y₁ + x₂ y₂ + ..., without the terms whose x is 0", _strong_products, _nothing
)

OPCODES: tuple[Primitive, ...] = (
    *TABLE.values(),
    less,
    less_equal,
    equal,
    not_equal,
    detach,
    strong_mul,
    products,
    strong_products,
)
CODE: dict[str, int] = {primitive.name: code for code, primitive in enumerate(OPCODES)}
