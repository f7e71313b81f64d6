"""From terms to text: parentheses where they are needed, names for what is used again, an end to what is too long.

A term that would be written more than once is named where that saves something, and written once: an expression
is then never longer than its graph, however often its parts are shared. Nothing recurses.

    >>> from autodiff import primitives
    >>> from autodiff.show.formulas.terms import Terms
    >>> terms = Terms()
    >>> x, y = terms.variable("x"), terms.variable("y")
    >>> written(terms.make(primitives.mul, terms.make(primitives.add, x, y), 2.0), {x: "x", y: "y"})
    '2 * (x + y)'
"""

import math
import re
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from itertools import count, islice
from typing import Literal, NamedTuple

from autodiff.graph import topological_order
from autodiff.primitives import Primitive, mul, pow
from autodiff.primitives.notation import ANY, ATOM, MUL, NEG, POW, Form, command
from autodiff.show.formulas.terms import Term
from autodiff.show.words.names import escaped, in_latex

Style = Literal["text", "latex"]
ELLIPSIS = {"text": "...", "latex": r"\ldots"}
_WORTH_A_NAME = 6  # operations that a name saves


class Plan(NamedTuple):
    """What to write: the terms to be named, in order, and then the root; only those kept are written out."""

    named: list[Term]
    root: Term
    kept: Collection[Term]
    left_out: int


def planned(root: Term, limit: int | None) -> Plan:
    """Return the plan to write `root` with at most `limit` operations, those nearest to the root."""
    order: list[Term] = topological_order(root)
    number = len(order)
    if limit is not None and number > limit:
        kept = _nearest(root, limit)
        order = [term for term in order if term in kept]
        _drop_bare(order, kept)
    else:
        kept = set(order)
    uses = Counter([x for term in order if term in kept for x in term.operands if x in kept])
    sizes: dict[Term, int] = {}
    named: list[Term] = []
    for term in order:
        if term not in kept:
            continue
        size = 1
        for x in term.operands:
            size += sizes.get(x, 0)
        if size > 1 and size * (uses[term] - 1) >= _WORTH_A_NAME:
            named.append(term)
            size = 0
        sizes[term] = size
    return Plan(named, root, kept, number - len(kept))


def _nearest(root: Term, limit: int) -> set[Term]:
    """Return the first operations that are met from the root down, level by level."""
    found: dict[Term, None] = {root: None}
    waiting = deque([root])
    while waiting and len(found) < limit:
        for x in waiting.popleft().operands:
            if x.op is not None and x not in found:
                found[x] = None
                waiting.append(x)
    return set(islice(found, limit))


def _drop_bare(order: Sequence[Term], kept: set[Term]) -> None:
    """Leave out what would be written as `... + ...`: it says no more than `...`."""
    for term in order[:-1]:
        if len(term.operands) > 1 and all(x.op is not None and x not in kept for x in term.operands):
            kept.discard(term)


def names_for(plan: Plan, names: dict[Term, str], labels: Mapping[Term, str], taken: Collection[str]) -> list[str]:
    """Give each term that is to be named its label, or else v1, v2, ...; return the names, in order."""
    used = {*taken, *names.values()}
    numbered = (name for i in count(1) if (name := f"v{i}") not in used)
    for term in plan.named:
        names[term] = labels.get(term) or next(numbered)
    return [names[term] for term in plan.named]


def written(term: Term, names: Mapping[Term, str], style: Style = "text", kept: Collection[Term] | None = None) -> str:
    """Return a term as text or LaTeX. What has a name is written as that, but for the term itself."""
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
        form = _form(piece, style, names)
        parts = _filled(form, piece)
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
    """Return what is written for a number, a name or what is left out; None for an operation."""
    if term.number is not None:
        return number_text(term.number, style)
    if term in names and not (is_root and term.op is not None):
        return names[term] if style == "text" else in_latex(names[term])
    return ELLIPSIS[style] if kept is not None and term not in kept else None


def binding(text: str) -> int:
    """Return how tightly a number or a name binds."""
    if text.startswith("-"):
        return NEG
    if "^" in text:
        return POW
    return MUL if " / " in text or r"\cdot" in text else ATOM


def number_text(number: float, style: Style = "text") -> str:
    r"""Return a number with all its digits: the shortest text that Python reads as the same.

    >>> number_text(2.0), number_text(0.1), number_text(1e-05, "latex"), number_text(math.log(2.0))
    ('2', '0.1', '10^{-5}', 'log(2)')
    """
    if number == 0.0 and math.copysign(1.0, number) < 0.0:
        return "-0.0"  # Python reads -0 as the whole number 0
    if number in _KNOWN:
        return _KNOWN[number][style == "latex"]
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
    math.sqrt(0.5): ("sqrt(0.5)", r"\sqrt{0.5}"),
    math.sqrt(2.0 * math.pi): ("sqrt(2 * pi)", r"\sqrt{2 \, \pi}"),
    2.0 / math.sqrt(math.pi): ("2 / sqrt(pi)", r"\frac{2}{\sqrt{\pi}}"),
}


def _form(term: Term, style: Style, names: Mapping[Term, str]) -> Form:
    assert term.op is not None
    op = term.op
    if style == "text":
        return op.text or Form(f"{_name(op)}({{...}})")
    if op is mul and term.operands[0].number is not None and _begins_with_letter(term, names):
        return mul.latex._replace(template=r"{} \, {}")  # type: ignore[union-attr]
    return op.latex or command(f"\\operatorname{{{escaped(_name(op))}}}")


def _name(op: Primitive) -> str:
    """The name of an operation as that of a function: what traces and checkpoints made may bear any other."""
    return re.sub(r"\W+", "_", op.name).strip("_") or "f"


def _begins_with_letter(term: Term, names: Mapping[Term, str]) -> bool:
    """Return whether what follows the number is a name, a power of one or a function: 2 x, but 2 times 3 times x."""
    second = term.operands[1]
    base = second.operands[0] if second.op is pow and second not in names else second
    return base in names and names[base][:1].isalpha()


def _filled(form: Form, term: Term) -> list[tuple[Term | str, int]]:
    """Return the template taken apart, with the operands in their places."""
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
