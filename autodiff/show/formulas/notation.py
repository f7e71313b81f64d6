"""How each primitive is written, as data: in text that Python can evaluate, and in LaTeX.

A form is a template, with {} for each operand, how tightly the whole binds, and how tightly each operand must: one that
binds less gets parentheses. A form of any number of operands has {...} in their place.

    >>> NOTATIONS["mul"].text
    Form(template='{} * {}', binds=4, needs=(4, 4))
    >>> notation(NOTATIONS, "swish", 2).text.template
    'swish({}, {})'

Primitives that are others in disguise have no form: `EXPANSIONS` says what to write in their place.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from autodiff import primitives
from autodiff.primitives import Primitive
from autodiff.show.words.names import escaped

ANY, NEG, ADD, MOD, MUL, POW, ATOM = range(7)


class Form(NamedTuple):
    """A template, how tightly the whole binds, and how tightly each operand must; anything will do unless given."""

    template: str
    binds: int = ATOM
    needs: tuple[int, ...] = ()


class Notation(NamedTuple):
    """The two forms of a primitive."""

    text: Form
    latex: Form


def _call(name: str, latex: str = "", operands: int = 1) -> Notation:
    """Return the notation of a function: name(x, ...), whose LaTeX name is a command or a word."""
    places = ", ".join(["{}"] * operands)
    command = latex or f"\\operatorname{{{escaped(name)}}}"
    return Notation(Form(f"{name}({places})"), Form(f"{command}\\left({places}\\right)"))


def _around(name: str, latex: str, binds: int = ATOM, needs: tuple[int, ...] = ()) -> Notation:
    """Return the notation of a function that mathematics writes around its operands."""
    return Notation(Form(f"{name}({', '.join(['{}'] * (latex.count('{}')))})"), Form(latex, binds, needs))


def _of_list(name: str, latex: str = "") -> Notation:
    command = latex or f"\\operatorname{{{escaped(name)}}}"
    return Notation(Form(f"{name}([{{...}}])"), Form(f"{command}\\left({{...}}\\right)"))


NOTATIONS: Mapping[str, Notation] = {
    "add": Notation(Form("{} + {}", ADD, (NEG, ADD)), Form("{} + {}", ADD, (NEG, ADD))),
    "sub": Notation(Form("{} - {}", ADD, (NEG, MOD)), Form("{} - {}", ADD, (NEG, MOD))),
    "mul": Notation(Form("{} * {}", MUL, (MUL, MUL)), Form(r"{} \cdot {}", MUL, (MUL, MUL))),
    "div": Notation(Form("{} / {}", MUL, (MUL, POW)), Form(r"\frac{{}}{{}}", POW)),
    "neg": Notation(Form("-{}", NEG, (MUL,)), Form("-{}", NEG, (MUL,))),
    "pow": Notation(Form("{}**{}", POW, (ATOM, ATOM)), Form("{}^{{}}", POW, (ATOM, ANY))),
    "mod": Notation(Form("{} % {}", MOD, (POW, POW)), Form(r"{} \;\mathrm{mod}\; {}", MOD, (POW, POW))),
    "floordiv": Notation(Form("{} // {}", MOD, (POW, POW)), Form(r"\left\lfloor \frac{{}}{{}} \right\rfloor")),
    "abs": _around("abs", r"\left|{}\right|"),
    "sign": _call("sign"),
    "floor": _around("floor", r"\left\lfloor {} \right\rfloor"),
    "ceil": _around("ceil", r"\left\lceil {} \right\rceil"),
    "round": _call("round", operands=2),
    "exp": _around("exp", "e^{{}}", POW),
    "exp2": _around("exp2", "2^{{}}", POW),
    "expm1": _around("expm1", "e^{{}} - 1", ADD),
    "log": _call("log", r"\ln"),
    "log2": _call("log2", r"\log_{2}"),
    "log10": _call("log10", r"\log_{10}"),
    "log1p": _around("log1p", r"\ln\left(1 + {}\right)", ATOM, (ADD,)),
    "sqrt": _around("sqrt", r"\sqrt{{}}"),
    "cbrt": _around("cbrt", r"\sqrt[3]{{}}"),
    **{
        name: _call(name, f"\\{name}")
        for name in ["sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"]
    },
    "arctan2": _call("arctan2", r"\operatorname{atan2}", 2),
    "arcsinh": _call("arcsinh", r"\operatorname{arsinh}"),
    "arccosh": _call("arccosh", r"\operatorname{arcosh}"),
    "arctanh": _call("arctanh", r"\operatorname{artanh}"),
    "hypot": _around("hypot", r"\sqrt{{}^{2} + {}^{2}}", ATOM, (ATOM, ATOM)),
    "erf": _call("erf"),
    "erfc": _call("erfc"),
    "sigmoid": _call("sigmoid", r"\sigma"),
    "softplus": _call("softplus"),
    "relu": _call("relu"),
    "leaky_relu": _call("leaky_relu", operands=2),
    "elu": _call("elu", operands=2),
    "silu": _call("silu"),
    "gelu": _call("gelu"),
    "maximum": _call("maximum", r"\max", 2),
    "minimum": _call("minimum", r"\min", 2),
    "clip": _call("clip", operands=3),
    "where": _call("where", operands=3),
    "norm": _of_list("norm"),
    "logsumexp": _of_list("logsumexp"),
    "max": _of_list("max", r"\max"),
    "min": _of_list("min", r"\min"),
}
"""The notation of each primitive of the table that has no expansion, by its name."""

# Given a function that makes an operation of terms, and the operands: what to write in the place of a primitive.
Make = Callable[..., Any]
Expansion = Callable[..., Any]


def _chain(make: Make, op: Primitive, *terms: Any) -> Any:
    result = terms[0]
    for term in terms[1:]:
        result = make(op, result, term)
    return result


def _dot(make: Make, *wx: Any) -> Any:
    half = len(wx) // 2
    return _chain(
        make, primitives.add, *[make(primitives.mul, w, x) for w, x in zip(wx[:half], wx[half:], strict=True)]
    )


EXPANSIONS: Mapping[str, Expansion] = {
    "square": lambda make, x: make(primitives.pow, x, 2.0),
    "reciprocal": lambda make, x: make(primitives.div, 1.0, x),
    "sum": lambda make, *xs: _chain(make, primitives.add, *xs),
    "prod": lambda make, *xs: _chain(make, primitives.mul, *xs),
    "mean": lambda make, *xs: make(primitives.div, _chain(make, primitives.add, *xs), float(len(xs))),
    "dot": _dot,
    "softmax": lambda make, x, total: make(primitives.exp, make(primitives.sub, x, total)),
    "log_softmax": lambda make, x, total: make(primitives.sub, x, total),
    "sech": lambda make, x: make(primitives.div, 1.0, make(primitives.cosh, x)),
    "arcsin_slope": lambda make, x: make(
        primitives.div, 1.0, make(primitives.sqrt, make(primitives.sub, 1.0, make(primitives.pow, x, 2.0)))
    ),
    "cosine": lambda make, x, y: make(primitives.div, x, make(primitives.hypot, x, y)),
}
"""What is written in the place of a primitive, by its name."""


def notation(table: Mapping[str, Notation], name: str, operands: int) -> Notation:
    """Return the notation of a name in the table; of any other, name(x, ...)."""
    return table.get(name) or _call(re.sub(r"\W+", "_", name).strip("_") or "f", operands=operands)
