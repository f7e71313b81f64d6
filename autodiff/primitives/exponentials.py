"""Exponentials, logarithms and roots."""

import math

from autodiff import floats
from autodiff.primitives.notation import ADD, ATOM, POW, Form, Notation, command
from autodiff.primitives.primitive import POSITIVE, REAL, Facts, Primitive, on
from autodiff.primitives.rules import squared

exp: Primitive = Primitive(
    "exp",
    "eˣ",
    floats.exp,
    [lambda out, x: out],
    domain=on((-700.0, 700.0)),
    notation=Notation(latex=Form("e^{{}}", POW)),
)
exp2 = Primitive(
    "exp2",
    "2ˣ",
    floats.exp2,
    [lambda out, x: out * math.log(2.0)],
    domain=on((-1000.0, 1000.0)),
    notation=Notation(latex=Form("2^{{}}", POW)),
)
expm1: Primitive = Primitive(
    "expm1",
    "eˣ - 1",
    floats.expm1,
    [lambda out, x: exp(x)],
    domain=on((-700.0, 700.0)),
    notation=Notation(latex=Form("e^{{}} - 1", ADD)),
)
log: Primitive = Primitive(
    "log", "ln x", floats.log, [lambda out, x: 1.0 / x], domain=on(POSITIVE), notation=Notation(latex=command(r"\ln"))
)
log2 = Primitive(
    "log2",
    "log₂ x",
    floats.log2,
    [lambda out, x: math.log2(math.e) / x],
    domain=on(POSITIVE),
    notation=Notation(latex=command(r"\log_{2}")),
)
log10 = Primitive(
    "log10",
    "log₁₀ x",
    floats.log10,
    [lambda out, x: math.log10(math.e) / x],
    domain=on(POSITIVE),
    notation=Notation(latex=command(r"\log_{10}")),
)
log1p = Primitive(
    "log1p",
    "ln(1 + x)",
    floats.log1p,
    [lambda out, x: 1.0 / (1.0 + x)],
    domain=on((-0.999, 1e6)),
    notation=Notation(latex=Form(r"\ln\left(1 + {}\right)", ATOM, (ADD,))),
)
sqrt: Primitive = Primitive(
    "sqrt",
    "√x",
    floats.sqrt,
    [lambda out, x: 0.5 / out],
    symbol="√",
    domain=on(POSITIVE),
    facts=Facts(vectorises=True),
    notation=Notation(latex=Form(r"\sqrt{{}}")),
)
# The second derivative at 0 is infinite, with the sign it has beside 0 on the side of the signed zero.
cbrt = Primitive(
    "cbrt",
    "∛x",
    floats.cbrt,
    [lambda out, x: squared(1.0 / out) / 3.0],
    symbol="∛",
    domain=on(REAL, kinks=lambda x: x, words="x = 0"),
    notation=Notation(latex=Form(r"\sqrt[3]{{}}")),
)
