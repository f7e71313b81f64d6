"""From terms to text or LaTeX: each operation in its form, with parentheses where they are needed. Nothing recurses.

>>> from autodiff import primitives
>>> from autodiff.show.formulas.terms import Terms
>>> terms = Terms()
>>> x, y = terms.variable("x"), terms.variable("y")
>>> written(terms.make(primitives.mul, terms.make(primitives.add, x, y), 2.0), {x: "x", y: "y"})
'(x + y) * 2'
"""

import math
import re
from collections.abc import Collection, Mapping
from typing import Literal

from autodiff.primitives import Primitive, div, mul, pow
from autodiff.primitives.notation import ANY, ATOM, MUL, NEG, POW, Form, command
from autodiff.show.formulas.coefficients import fraction
from autodiff.show.formulas.products import is_sum
from autodiff.show.formulas.terms import Term
from autodiff.show.words.names import escaped, in_latex

Style = Literal["text", "latex"]
ELLIPSIS = {"text": "...", "latex": r"\ldots"}


def written(term: Term, names: Mapping[Term, str], style: Style = "text", kept: Collection[Term] | None = None) -> str:
    """A term as text or LaTeX. Terms that have a name are written as that, but for the term itself.

    Of the others only those `kept` are written out, if that is given.
    """
    pieces: list[str] = []
    stack: list[tuple[Term | str, int]] = [(term, ANY)]
    while stack:
        piece, need = stack.pop()
        if isinstance(piece, str):
            pieces.append(piece)
            continue
        text = _atom(piece, names, style, piece is term, kept)
        if text is not None:
            pieces.append(_in_parentheses(text, style) if binding(text) < need else text)
            continue
        raised = _power_of_function(piece, style, names)
        form, inside = raised or (_form(piece, style, names), piece)
        parts = _filled(form, inside)
        if form.binds < need:
            parts = [(_OPEN[style], ANY), *parts, (_CLOSE[style], ANY)]
        stack.extend(reversed(parts))
    return "".join(pieces)


_OPEN = {"text": "(", "latex": r"\left("}
_CLOSE = {"text": ")", "latex": r"\right)"}


def _in_parentheses(text: str, style: Style) -> str:
    return f"{_OPEN[style]}{text}{_CLOSE[style]}"


def _atom(
    term: Term, names: Mapping[Term, str], style: Style, is_root: bool, kept: Collection[Term] | None
) -> str | None:
    """The text of a number, a name or a part left out; None for an operation."""
    if term.number is not None:
        return number_text(term.number, style)
    if term in names and not (is_root and term.op is not None):
        return names[term] if style == "text" else in_latex(names[term])
    return ELLIPSIS[style] if kept is not None and term not in kept else None


def binding(text: str) -> int:
    """How tightly a number or a name binds."""
    if text.startswith("-"):
        return NEG
    if "^" in text:
        return POW
    return MUL if " / " in text or r"\cdot" in text else ATOM


def number_text(number: float, style: Style = "text") -> str:
    r"""A number with all its digits: the shortest text that Python reads as the same.

    >>> number_text(2.0), number_text(0.1), number_text(1e-05, "latex"), number_text(math.log(2.0)), number_text(1 / 3)
    ('2', '0.1', '10^{-5}', 'log(2)', '1 / 3')
    """
    if number == 0.0 and math.copysign(1.0, number) < 0.0:
        return "-0.0"  # Python reads -0 as the whole number 0
    if number in _KNOWN:
        return _KNOWN[number][style == "latex"]
    p, q = fraction(number)
    if q != 1.0:
        return f"{p:.0f} / {q:.0f}" if style == "text" else rf"{'-' * (p < 0.0)}\frac{{{math.fabs(p):.0f}}}{{{q:.0f}}}"
    text = repr(number).removesuffix(".0")
    if style == "text":
        return text
    if not math.isfinite(number):
        return text.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    digits, _, exponent = text.partition("e")
    if not exponent:
        return digits
    power = f"10^{{{int(exponent)}}}"
    return {"1": power, "-1": f"-{power}"}.get(digits, f"{digits} \\cdot {power}")


# Numbers that rules of the table hold, in text and LaTeX.
_KNOWN = {
    math.pi: ("pi", r"\pi"),
    math.log(2.0): ("log(2)", r"\ln\left(2\right)"),
    math.log(10.0): ("log(10)", r"\ln\left(10\right)"),
    math.sqrt(2.0): ("sqrt(2)", r"\sqrt{2}"),
    math.sqrt(0.5): ("sqrt(0.5)", r"\sqrt{0.5}"),
    math.sqrt(2.0 * math.pi): ("sqrt(2 * pi)", r"\sqrt{2 \, \pi}"),
    2.0 / math.sqrt(math.pi): ("2 / sqrt(pi)", r"\frac{2}{\sqrt{\pi}}"),
}


def _form(term: Term, style: Style, names: Mapping[Term, str]) -> Form:
    assert term.op is not None
    op = term.op
    if style == "text":
        return op.notation.text or Form(f"{_name(op)}({{...}})")
    if op is mul and _needs_no_dot(term.operands[0], term.operands[1], names):
        return mul.notation.latex._replace(template=r"{} \, {}")  # type: ignore[union-attr]
    return op.notation.latex or command(f"\\operatorname{{{escaped(_name(op))}}}")


_RAISED = re.compile(r"(\\(?:sin|cos|tan|sinh|cosh|tanh))\\left\(\{\.\.\.\}\\right\)")


def _power_of_function(term: Term, style: Style, names: Mapping[Term, str]) -> tuple[Form, Term] | None:
    """The form of sin²(x), and sin(x), where the term is that in LaTeX."""
    if style == "text" or term.op is not pow or term.operands[0] in names:
        return None
    base, exponent = term.operands
    form = base.op.notation.latex if base.op is not None else None
    found = _RAISED.fullmatch(form.template) if form is not None else None
    if found is None or exponent.number is None or not exponent.number > 0.0:
        return None
    return command(f"{found[1]}^{{{number_text(exponent.number, style)}}}"), base


def _name(op: Primitive) -> str:
    """The name of an operation as a function could have it: those made by traces and checkpoints have any."""
    return re.sub(r"\W+", "_", op.name).strip("_") or "f"


def _needs_no_dot(left: Term, right: Term, names: Mapping[Term, str]) -> bool:
    """Whether factors stand side by side: 2 x, x sin(x) and 2 (x + 1), but 2 times 3 times x, and x times (x + 1)."""
    while right.op in (mul, pow) and right not in names:
        right = right.operands[0]
    if right in names:
        return names[right][:1].isalpha()
    if is_sum(right):
        return left.number is not None
    return right.op is not None and right.op is not div and (right.op.notation.latex or command("f")).binds >= POW


def _filled(form: Form, term: Term) -> list[tuple[Term | str, int]]:
    """The template taken apart, with the operands in their places."""
    if "{...}" in form.template:
        before, after = form.template.split("{...}")
        inside: list[tuple[Term | str, int]] = []
        for i, x in enumerate(term.operands):
            inside += [(", ", ANY)] * (i > 0) + [(x, ANY)]
        return [(before, ANY), *inside, (after, ANY)]
    texts = form.template.split("{}")
    parts: list[tuple[Term | str, int]] = [(texts[0], ANY)]
    for i, (x, text) in enumerate(zip(term.operands, texts[1:], strict=True)):
        parts += [(x, form.needs[i] if form.needs else ANY), (text, ANY)]
    return parts
