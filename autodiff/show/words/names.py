"""Names for the Values of a graph, so that a line of text can speak of each of them: a name stands for one Value.

A label that one Value alone has is its name; without one, the variable of the user's code, and a parameter's place in
its model, where `record_source()` made them known. Values that share a name are numbered; leaves without one are called
x1, x2, ..., interior nodes v1, v2, ..., and the root y, if nothing says otherwise.

    >>> from autodiff import Value
    >>> a = Value(2.0, "a")
    >>> root = a * Value(3.0) + Value(1.0, "a")
    >>> list(names_of(root).values())
    ['a', 'x1', 'v1', 'a_2', 'y']
"""

import keyword
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import chain, count

from autodiff.graph import topological_order
from autodiff.show.words.given import given_names, places_in_models
from autodiff.show.words.text import on_one_line
from autodiff.value import Value


def names_of(root: Value, *, identifiers: bool = False, reserved: Collection[str] = ()) -> dict[Value, str]:
    """A name for each Value that `root` was made from, and for itself, in topological order.

    Args:
        root: the end of the graph.
        identifiers: whether names are to be Python's; `w[0]` is then w_0.
        reserved: names that mean something else.

    >>> list(names_of(Value(1.0, "w[0]") * Value(1.0, "exp"), identifiers=True, reserved={"exp"}).values())
    ['w_0', 'exp_', 'y']
    """
    cleaned = _identifier if identifiers else _short
    values = list(_values(root))
    called = {value: value.label for value in values if value.label} | given_names(values)
    if not identifiers:
        called |= _told_apart(called, values)
    labels = {label: cleaned(label, reserved) for label in set(called.values())}
    names: dict[Value, str] = {}
    taken = {*reserved, *labels.values()}
    given: set[str] = set()
    fresh: dict[str, Iterator[int]] = {}
    for value in values:
        name = labels.get(called.get(value, ""), "")
        if not name:
            name = _unused(_stem(value, root), taken, fresh)
        elif name in given:
            name = _unused(f"{name}_", taken, fresh)
        names[value] = name
        given.add(name)
        taken.add(name)
    return names


def _told_apart(called: dict[Value, str], values: list[Value]) -> dict[Value, str]:
    """The places in their model of parameters that share a label, as the w0 of each neuron does."""
    shared = Counter(called.values())
    return {x: place for x, place in places_in_models(values).items() if shared[called.get(x, "")] > 1}


def _values(root: Value) -> Iterator[Value]:
    """Yield every Value once, each after its operands."""
    seen: set[Value] = set()
    for node in topological_order(root):
        for value in chain(node.operands, (node,)):
            if type(value) is not float and value not in seen:
                seen.add(value)
                yield value
    if not root.operands:
        yield root


def _stem(value: Value, root: Value) -> str:
    if value is root:
        return "y"
    return "v" if value.operands else "x"


def _unused(stem: str, taken: Collection[str], fresh: dict[str, Iterator[int]]) -> str:
    """A name that nobody has: the stem and a number; for the root a letter or a word alone, if one is free."""
    if stem == "y":
        for name in ("y", "f", "out"):
            if name not in taken:
                return name
    start = 2 if stem.endswith("_") else 1
    return next(name for i in fresh.setdefault(stem, count(start)) if (name := f"{stem}{i}") not in taken)


def _identifier(label: str, reserved: Collection[str]) -> str:
    """A label as an identifier of Python, which takes those alike in NFKC for one; empty if nothing is left."""
    name = re.sub(r"_*\W+_*", "_", unicodedata.normalize("NFKC", label)).strip("_")
    if not name:
        return ""
    if not name.isidentifier():
        name = f"x_{name}"
    return f"{name}_" if keyword.iskeyword(name) or name in reserved else name


def _short(label: str, reserved: Collection[str]) -> str:
    """A label on one line, of printable characters alone, and not a long one."""
    shown = on_one_line(label).strip()
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|upsilon|phi|chi|psi|omega"
    "|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega"
)


def in_latex(name: str) -> str:
    r"""A name as LaTeX writes it.

    >>> in_latex("x"), in_latex("x12"), in_latex("beta_1"), in_latex("loss")
    ('x', 'x_{12}', '\\beta_{1}', '\\mathrm{loss}')
    """
    found = re.fullmatch(r"([^\W\d_]+)_?(\d+)", name) or re.fullmatch(r"([^\W_]+)_(\w+)", name)
    if found is None:
        return _word(name)
    stem, index = found.groups()
    return f"{_word(stem)}_{{{index if index.isdecimal() else _word(index)}}}"


def _word(text: str) -> str:
    if _GREEK.fullmatch(text.rstrip("_")):
        return f"\\{text.rstrip('_')}"
    return text if len(text) == 1 and text.isalpha() else f"\\mathrm{{{escaped(text)}}}"


_ESCAPES: dict[str, str] = {character: f"\\{character}" for character in "_%$#&{}"} | {
    "\\": r"\backslash ",
    "^": r"\wedge ",
    "~": r"\sim ",
    " ": r"\ ",
}


def escaped(text: str) -> str:
    r"""Text for \mathrm{...}, its special characters escaped."""
    return "".join([_ESCAPES.get(character, character) for character in text])
