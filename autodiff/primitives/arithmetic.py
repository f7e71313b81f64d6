"""Arithmetic: what operators do, and the steps."""

import operator
from typing import Any

from autodiff import floats
from autodiff.chain import NOTHING
from autodiff.primitives import exponentials
from autodiff.primitives.notation import ADD, ANY, ATOM, MOD, MUL, NEG, POW, Form, Notation
from autodiff.primitives.primitive import NEVER, REAL, Facts, Primitive, on
from autodiff.primitives.rules import choose, scaled, to_integer


def _power_slope(x: Any, y: Any) -> Any:
    """y x^(y - 1), the derivative of x ** y in x; 0 where that is 0 * inf, or nan, at y = 0.

    x ** 0 is the constant 1 at any x, so every derivative of x ** 2 from the third on is 0. Elsewhere y = 0 needs the
    product: its derivative in y is 1 / x.
    """
    slope = y * x ** (y - 1.0)
    return scaled(y, choose(y == 0.0, choose(slope == slope, slope, NOTHING), slope))


def _exponent_slope(out: Any, x: Any, y: Any) -> Any:
    """x^y ln x, the derivative of x ** y in y.

    0 ** y is the constant 0 for y > 0: there it is 0, not 0 * log(0). For y < 0 the value is inf, and this the limit
    from the right, -inf.
    """
    slope = out * exponentials.log(x)
    return choose(x == 0.0, choose(y < 0.0, slope, NOTHING), slope)


add: Primitive = Primitive(
    "add",
    "x + y",
    operator.add,
    [lambda out, x, y: 1.0, lambda out, x, y: 1.0],
    symbol="+",
    ulps=4,
    facts=Facts(commutes=True, unit=(-0.0, -0.0), vectorises=True, python="{} + {}"),
    notation=Notation(text=Form("{} + {}", ADD, (NEG, ADD)), latex=Form("{} + {}", ADD, (NEG, ADD))),
)
sub: Primitive = Primitive(
    "sub",
    "x - y",
    operator.sub,
    [lambda out, x, y: 1.0, lambda out, x, y: -1.0],
    symbol="−",
    ulps=4,
    facts=Facts(unit=(None, 0.0), vectorises=True, python="{} - {}"),
    notation=Notation(text=Form("{} - {}", ADD, (NEG, MOD)), latex=Form("{} - {}", ADD, (NEG, MOD))),
)
mul: Primitive = Primitive(
    "mul",
    "x * y",
    operator.mul,
    [lambda out, x, y: y, lambda out, x, y: x],
    symbol="×",
    ulps=4,
    scales=True,
    facts=Facts(commutes=True, unit=(1.0, 1.0), vectorises=True, python="{} * {}"),
    notation=Notation(text=Form("{} * {}", MUL, (MUL, MUL)), latex=Form(r"{} \cdot {}", MUL, (MUL, MUL))),
)
div: Primitive = Primitive(
    "div",
    "x / y",
    floats.divide,
    [lambda out, x, y: 1.0 / y, lambda out, x, y: scaled(x, -out / y)],
    symbol="÷",
    domain=on(REAL, REAL, kinks=lambda x, y: y, words="y = 0"),
    ulps=4,
    scales=True,
    facts=Facts(unit=(None, 1.0), vectorises=True),
    notation=Notation(text=Form("{} / {}", MUL, (MUL, POW)), latex=Form(r"\frac{{}}{{}}", POW)),
)
neg = Primitive(
    "neg",
    "-x",
    operator.neg,
    [lambda out, x: -1.0],
    symbol="−",
    ulps=4,
    facts=Facts(involution=True, vectorises=True, python="-{}"),
    notation=Notation(text=Form("-{}", NEG, (MUL,)), latex=Form("-{}", NEG, (MUL,))),
)
pow: Primitive = Primitive(
    "pow",
    "x ** y",
    floats.power,
    [lambda out, x, y: _power_slope(x, y), lambda out, x, y: _exponent_slope(out, x, y)],
    symbol="xʸ",
    domain=on((1e-3, 1e3), (-20.0, 20.0)),
    scales=True,
    ulps=128,  # y - 1 may round, by half an ulp of 20; ln x, up to 7, times that is a relative error of 110 ulps
    facts=Facts(unit=(None, 1.0)),
    notation=Notation(text=Form("{}**{}", POW, (ATOM, ATOM)), latex=Form("{}^{{}}", POW, (ATOM, ANY))),
)
mod = Primitive(
    "mod",
    "x % y",
    floats.modulo,
    [lambda out, x, y: 1.0, lambda out, x, y: round((out - x) / y, 0.0)],
    symbol="mod",
    domain=on((-1e3, 1e3), (0.1, 1e3), kinks=lambda x, y: to_integer(x / y), words="x / y whole"),
    ulps=4,
    notation=Notation(text=Form("{} % {}", MOD, (POW, POW)), latex=Form(r"{} \;\mathrm{mod}\; {}", MOD, (POW, POW))),
)
floordiv = Primitive(
    "floordiv",
    "x // y",
    floats.floor_divide,
    [lambda out, x, y: NOTHING, lambda out, x, y: NOTHING],
    symbol="//",
    domain=on((-1e3, 1e3), (0.1, 1e3), kinks=lambda x, y: to_integer(x / y), words="x / y whole"),
    ulps=4,
    notation=Notation(text=Form("{} // {}", MOD, (POW, POW)), latex=Form(r"\left\lfloor \frac{{}}{{}} \right\rfloor")),
)
abs = Primitive(
    "abs",
    "|x|",
    operator.abs,
    [lambda out, x: choose(x == 0.0, NOTHING, sign(x))],
    domain=on(REAL, kinks=lambda x: x, words="x = 0"),
    ulps=4,
    facts=Facts(vectorises=True),
    notation=Notation(latex=Form(r"\left|{}\right|")),
)
sign: Primitive = Primitive(
    "sign",
    "sign of x",
    floats.sign,
    [lambda out, x: NOTHING],
    domain=on(REAL, kinks=lambda x: x, words="x = 0"),
    ulps=4,
    facts=Facts(vectorises=True),
)
floor = Primitive(
    "floor",
    "⌊x⌋",
    floats.floor,
    [lambda out, x: NOTHING],
    domain=on(REAL, kinks=to_integer, words="x whole"),
    ulps=4,
    notation=Notation(latex=Form(r"\left\lfloor {} \right\rfloor")),
)
ceil = Primitive(
    "ceil",
    "⌈x⌉",
    floats.ceil,
    [lambda out, x: NOTHING],
    domain=on(REAL, kinks=to_integer, words="x whole"),
    ulps=4,
    notation=Notation(latex=Form(r"\left\lceil {} \right\rceil")),
)
round: Primitive = Primitive(
    "round",
    "x rounded to that many digits",
    floats.round,
    [lambda out, x, digits: NOTHING, lambda out, x, digits: NOTHING],
    domain=on(REAL, NEVER, kinks=lambda x, digits: to_integer(x - 0.5), words="x - ½ whole"),
    ulps=4,
    facts=Facts(choosing=(1,), defaults=(0.0,)),
)
square: Primitive = Primitive(
    "square",
    "x²",
    lambda x: x * x,
    [lambda out, x: 2.0 * x],
    symbol="x²",
    ulps=4,
    facts=Facts(vectorises=True),
    notation=Notation(expansion=lambda make, x: make(pow, x, 2.0)),
)
reciprocal = Primitive(
    "reciprocal",
    "1 / x",
    lambda x: floats.divide(1.0, x),
    [lambda out, x: -out * out],
    symbol="1/x",
    domain=on(REAL, kinks=lambda x: x, words="x = 0"),
    ulps=4,
    facts=Facts(vectorises=True),
    notation=Notation(expansion=lambda make, x: make(div, 1.0, x)),
)
