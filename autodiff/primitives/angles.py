"""Angles: trigonometric functions, their inverses and lengths."""

import math

from autodiff import floats
from autodiff.chain import NOTHING
from autodiff.primitives import arithmetic, exponentials
from autodiff.primitives.notation import ATOM, Form, Notation, command
from autodiff.primitives.primitive import REAL, Facts, Primitive, on
from autodiff.primitives.rules import choose, over, squared

sin: Primitive = Primitive(
    "sin", "sin x", floats.sin, [lambda out, x: cos(x)], notation=Notation(latex=command(r"\sin"))
)
cos: Primitive = Primitive(
    "cos", "cos x", floats.cos, [lambda out, x: -sin(x)], notation=Notation(latex=command(r"\cos"))
)
tan = Primitive(
    "tan",
    "tan x",
    floats.tan,
    [lambda out, x: 1.0 + out * out],
    domain=on(REAL, kinks=math.cos, words="cos x = 0"),
    notation=Notation(latex=command(r"\tan")),
)
arcsin = Primitive(
    "arcsin",
    "arcsin x",
    floats.arcsin,
    [lambda out, x: arcsin_slope(x)],
    domain=on((-0.999, 0.999)),
    notation=Notation(latex=command(r"\arcsin")),
)
arccos = Primitive(
    "arccos",
    "arccos x",
    floats.arccos,
    [lambda out, x: -arcsin_slope(x)],
    domain=on((-0.999, 0.999)),
    notation=Notation(latex=command(r"\arccos")),
)
arctan = Primitive(
    "arctan",
    "arctan x",
    floats.arctan,
    [lambda out, x: squared(cosine(1.0, x))],
    notation=Notation(latex=command(r"\arctan")),
)
arctan2 = Primitive(
    "arctan2",
    "the angle of the point (x, y), given as y, x",
    floats.arctan2,
    [lambda out, y, x: over(cosine(x, y), hypot(x, y)), lambda out, y, x: over(-cosine(y, x), hypot(x, y))],
    domain=on(REAL, REAL, kinks=lambda y, x: y if x <= 0.0 else math.hypot(x, y), words="y = 0 and x ≤ 0"),
    notation=Notation(latex=command(r"\operatorname{atan2}")),
)
# The zero vector has no direction: its derivative is 0, of every order, in hypot, norm and arctan2 alike. So is then
# the second derivative of norm(x) ** 2, by the chain rule 2 (n'² + n n''), although that of the square itself is 2: no
# finite n'' makes it 2 while n is 0. The square of a length is dot(x, x), smooth everywhere.
hypot: Primitive = Primitive(
    "hypot",
    "√(x² + y²)",
    floats.hypot,
    [
        lambda out, x, y: choose(out == 0.0, NOTHING, cosine(x, y)),
        lambda out, x, y: choose(out == 0.0, NOTHING, cosine(y, x)),
    ],
    domain=on(REAL, REAL, kinks=math.hypot, words="x = y = 0"),
    notation=Notation(latex=Form(r"\sqrt{{}^{2} + {}^{2}}", ATOM, (ATOM, ATOM))),
)

# --- for rules alone ---

# Infinite at -1 and 1, in every order: x times a power of out is never a difference.
arcsin_slope: Primitive = Primitive(
    "arcsin_slope",
    "1 / √(1 - x²)",
    floats.arcsin_slope,
    [lambda out, x: x * out * out * out],
    domain=on((-0.999, 0.999)),
    facts=Facts(for_rules=True),
    notation=Notation(
        expansion=lambda make, x: make(
            arithmetic.div, 1.0, make(exponentials.sqrt, make(arithmetic.sub, 1.0, make(arithmetic.pow, x, 2.0)))
        )
    ),
)
# Of the zero vector it is 0, as are its derivatives.
cosine: Primitive = Primitive(
    "cosine",
    "x / √(x² + y²)",
    floats.cosine,
    [
        lambda out, x, y: over(squared(cosine(y, x)), hypot(x, y)),
        lambda out, x, y: over(-out * cosine(y, x), hypot(x, y)),
    ],
    domain=on(REAL, REAL, kinks=math.hypot, words="x = y = 0"),
    facts=Facts(for_rules=True),
    notation=Notation(expansion=lambda make, x, y: make(arithmetic.div, x, make(hypot, x, y))),
)
