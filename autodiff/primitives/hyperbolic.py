"""Hyperbolic functions and their inverses."""

from autodiff import floats
from autodiff.primitives import angles, arithmetic, exponentials
from autodiff.primitives.notation import Notation, command
from autodiff.primitives.primitive import Facts, Primitive, on
from autodiff.primitives.rules import squared

sinh: Primitive = Primitive(
    "sinh",
    "sinh x",
    floats.sinh,
    [lambda out, x: cosh(x)],
    domain=on((-700.0, 700.0)),
    notation=Notation(latex=command(r"\sinh")),
)
cosh: Primitive = Primitive(
    "cosh",
    "cosh x",
    floats.cosh,
    [lambda out, x: sinh(x)],
    domain=on((-700.0, 700.0)),
    notation=Notation(latex=command(r"\cosh")),
)
# sech², where 1 - tanh² would lose every digit from x = 20 on.
tanh: Primitive = Primitive(
    "tanh",
    "tanh x",
    floats.tanh,
    [lambda out, x: squared(sech(x))],
    domain=on((-350.0, 350.0)),
    notation=Notation(latex=command(r"\tanh")),
)
arcsinh = Primitive(
    "arcsinh",
    "arsinh x",
    floats.arcsinh,
    [lambda out, x: angles.cosine(1.0, x)],
    notation=Notation(latex=command(r"\operatorname{arsinh}")),
)
# Two quotients, not one by a product: at 1, where the first is infinite, no zero meets it in the second derivative.
arccosh = Primitive(
    "arccosh",
    "arcosh x",
    floats.arccosh,
    [lambda out, x: 1.0 / exponentials.sqrt(x - 1.0) / exponentials.sqrt(x + 1.0)],
    domain=on((1.001, 1e6)),
    notation=Notation(latex=command(r"\operatorname{arcosh}")),
)
arctanh = Primitive(
    "arctanh",
    "artanh x",
    floats.arctanh,
    [lambda out, x: squared(angles.arcsin_slope(x))],
    domain=on((-0.999, 0.999)),
    notation=Notation(latex=command(r"\operatorname{artanh}")),
)

# --- for rules alone ---

sech: Primitive = Primitive(
    "sech",
    "1 / cosh x",
    floats.sech,
    [lambda out, x: -out * tanh(x)],
    domain=on((-700.0, 700.0)),
    facts=Facts(for_rules=True),
    notation=Notation(expansion=lambda make, x: make(arithmetic.div, 1.0, make(cosh, x))),
)
