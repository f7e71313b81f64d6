"""Expressions in text: right values, or an error that says where and what; never anything else."""

import math
import string
import time
import warnings
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Value
from autodiff.expression import ALLOWED, FUNCTIONS, LONGEST, Expression, ExpressionError, parse
from autodiff.primitives import TABLE
from autodiff.testing import Program, programs

OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "floordiv": "//", "mod": "%", "pow": "**"}


def said(text: str) -> list[str]:
    """Return the lines of the error that a text makes."""
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    return str(caught.value).split("\n")


def printed(program: Program) -> str:
    """Return a program as one expression of x0, x1, ..., every step written out where it is used."""
    texts = [f"x{i}" for i in range(len(program.leaves))]
    for step in program.steps:
        operands = [texts[x] if isinstance(x, int) else f"({x!r})" for x in step.operands]
        listed = f"[{', '.join(operands)}]"
        if step.name in OPERATORS:
            text = f"({operands[0]} {OPERATORS[step.name]} {operands[1]})"
        elif step.name == "dot":
            half = len(operands) // 2
            text = f"dot([{', '.join(operands[:half])}], [{', '.join(operands[half:])}])"
        elif FUNCTIONS[step.name].takes == "a list":
            text = f"{step.name}({listed})"
        else:
            text = f"{step.name}({', '.join(operands)})"
        texts.append(text)
    return texts[-1]


PRINTABLE = [name for name in TABLE if name not in ("softmax", "log_softmax")]  # those two take a list here


@given(program=programs(PRINTABLE, max_steps=5))
def test_random_programs_printed_as_expressions_give_the_same_value_and_gradient(program: Program) -> None:
    text = printed(program)
    if len(text) > LONGEST:
        return
    f = parse(text)
    leaves = {f"x{i}": Value(x) for i, x in enumerate(program.leaves)}
    out, expected = f(**{name: leaves[name] for name in f.names}), program(*leaves.values())
    assert repr(Value(out.data)) == repr(Value(expected.data))
    gradients = []
    for y in (expected, out):  # parts used twice are written twice: the same terms, added in another order
        for leaf in leaves.values():
            leaf.grad = 0.0
        y.backward()
        gradients.append([leaf.grad for leaf in leaves.values()])
    assert gradients[1] == pytest.approx(gradients[0], rel=1e-6, abs=1e-6)


NUMBERS = st.sampled_from(["x", "y", "2", "0.5", "3.25", "1e2", "10"])
ARITHMETIC = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner),
        st.builds("({})".format, inner),
        st.builds("-{}".format, inner),
        st.builds("+{}".format, inner),
        st.builds("{}**2".format, NUMBERS),
        st.builds("abs({})".format, inner),
    ),
    max_leaves=12,
)


@given(text=ARITHMETIC, x=st.floats(0.1, 10.0), y=st.floats(0.1, 10.0))
def test_precedence_and_grouping_are_pythons(text: str, x: float, y: float) -> None:
    f = parse(text)
    try:
        expected = eval(text, {"x": x, "y": y, "abs": abs})
    except (ZeroDivisionError, OverflowError):
        return
    assert f(**{name: {"x": x, "y": y}[name] for name in f.names}) == pytest.approx(expected, rel=1e-12, abs=1e-9)


TOKENS = st.sampled_from(
    [
        *FUNCTIONS,
        *"xyzλ_0123456789.()[]{}+-*/%,<>=!&|~@:;#'\"\\ \n\t\r\0\x0c",
        "**",
        "//",
        "lambda ",
        " if ",
        "1e999",
        "9**9**9",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=60), st.text(string.printable, max_size=60), st.lists(TOKENS, max_size=30).map("".join)
)


@given(text=TEXTS)
@example("\ud800")
@example("x\r\n+")
@example("x.y\u2028")
@example("1" * 400)
def test_any_text_is_an_expression_or_a_clear_error(text: str) -> None:
    try:
        f = parse(text)
    except ExpressionError as error:
        message, shown, caret, *advice = str(error).split("\n")
        assert message
        assert shown.isprintable()
        assert caret.strip() == "^"
        assert len(caret) <= max(len(shown), 2) + 1
        assert advice in ([], [ALLOWED])
    else:
        out = f(**dict.fromkeys(f.names, Value(0.75)))
        assert isinstance(out, (Value, float))


def test_an_expression_is_a_function_of_its_names_in_order() -> None:
    f = parse("  b + a*b ")
    assert f.names == ("b", "a")
    assert repr(f) == "Expression('b + a*b')"
    assert f(a=2.0, b=3.0) == 9.0
    assert isinstance(f(a=Value(2.0), b=3.0), Value)
    assert parse("self + numbers")(self=1.0, numbers=2.0) == 3.0
    for wrong in ({"a": 1.0}, {"a": 1.0, "b": 1.0, "c": 1.0}):
        with pytest.raises(TypeError, match=r"Expression\('b \+ a\*b'\) takes b, a, got a"):
            f(**wrong)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_called_as_in_autodiff(name: str) -> None:
    function = FUNCTIONS[name]
    numbers = [0.5, 1.5, 2.5]
    if function.takes == "a list":
        arguments: list[Any] = [numbers[:2], numbers[1:]][: function.most]
        text = f"{name}({', '.join(map(repr, arguments))})" + ("[1]" if function.gives == "a list" else "")
    else:
        arguments = numbers[: function.least]
        text = f"{name}({', '.join(map(repr, arguments))})"
    expected = round(0.5) if name == "round" else getattr(ad, name)(*arguments)
    if isinstance(expected, list):
        expected = expected[1]
    assert parse(text)() == pytest.approx(expected, nan_ok=True)


def test_the_functions_are_the_tables() -> None:
    assert set(FUNCTIONS) == set(TABLE)


def test_lists_conditions_and_indices_have_their_places() -> None:
    assert parse("sum(softmax([x, y]))")(x=1.0, y=2.0) == pytest.approx(1.0)
    assert parse("softmax([x, y])[1]")(x=1.0, y=1.0) == pytest.approx(0.5)
    assert parse("dot([x, 2], [y, 3])")(x=1.0, y=2.0) == 8.0
    for op, truth in (("<", 1.0), ("<=", 1.0), (">", 0.0), (">=", 0.0), ("==", 0.0), ("!=", 1.0)):
        assert parse(f"where(x {op} 2, 1, 0)")(x=1.0) == truth
    assert parse("where(x, 1, 0)")(x=0.0) == 0.0
    x = Value(0.0)
    parse("where(x > 0, log(x), 0)")(x=x).backward()
    assert x.grad == 0.0


@pytest.mark.parametrize(
    ("text", "message", "caret"),
    [
        ("tahn(x)", "there is no function 'tahn'; did you mean 'tanh'?", 0),
        ("1 + asin(x)", "there is no function 'asin'; did you mean 'arcsin'?", 4),
        ("x + open('f')", "there is no function 'open'; `python -m autodiff --help` lists those there are", 4),
        ("x + sin", "sin is a function; call it, as in sin(x)", 4),
        ("sin(x, y)", "sin takes 1 number, as in sin(x); got 2", 0),
        ("max(x, y)", "max takes 1 list, as in max([x, y]); got 2", 0),
        ("clip(x)", "clip takes 3 numbers, as in clip(x, y, z); got 1", 0),
        ("elu(x, y, z)", "elu takes 1 or 2 numbers, as in elu(x, y); got 3", 0),
        ("dot([1], [2, 3])", "dot takes two lists of one length, got 1 and 2 numbers", 0),
        ("x < y", "expected a number, got a condition; a comparison has its place in where(x > 0, x, 0)", 0),
        ("softmax([x])[1]", "this list has 1 numbers, counted from 0", 13),
        ("9" * 400, "this number is too large for a float; write it as 1e300", 0),
    ],
)
def test_errors_say_what_where_and_what_instead(text: str, message: str, caret: int) -> None:
    first, _, under = said(text)
    assert (first, under) == (message, "  " + " " * caret + "^")


@pytest.mark.parametrize(
    ("text", "caret"),
    [
        ("x.__class__", 1),
        ("λ + x.y", 5),
        ("().__class__.__bases__", 12),
        ("x @ y", 0),
        ("~x", 0),
        ("x and y", 0),
        ("where(0 < x < 1, 1, 0)", 6),
        ("'text'", 0),
        ("f'{x}'", 0),
        ("True", 0),
        ("1j", 0),
        ("...", 0),
        ("[y for y in [x]]", 0),
        ("(lambda: 1)()", 0),
        ("x if y else z", 0),
        ("sin(x=1)", 0),
        ("sin(*x)", 4),
        ("max([])", 4),
        ("softmax([x])[-1]", 0),
        ("x[0]", 0),
        ("x := 3", 2),
        ("x +", 3),
        ("", 0),
    ],
)
def test_all_else_is_refused_with_its_place_and_what_is_allowed(text: str, caret: int) -> None:
    _, shown, under, advice = said(text)
    assert shown == "  " + text
    assert under == "  " + " " * caret + "^"
    assert advice == ALLOWED


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9",
        "9**9**9**9",
        "-" * 1999 + "x",
        "x" + "+x" * 999,
        "x" + "**x" * 600,
        "(" * 100 + "x" + ")" * 100,
        "(" * 999 + "x" + ")" * 999,
        "sin(" * 300 + "x" + ")" * 300,
        "sum([" * 300 + "x" + "])" * 300,
        "(" * 1_000_000,
        "x" * 10_000_000,
        "1" * 1_000_000,
        "round(x, 9**9**9)",
        "exp2(exp2(exp2(exp2(x))))",
    ],
    ids=lambda text: text[:12],
)
def test_huge_and_deep_texts_end_at_once(text: str) -> None:
    start = time.perf_counter()
    message = ""
    try:
        f = parse(text)
        f(**dict.fromkeys(f.names, Value(1.5)))
    except ExpressionError as error:
        message = str(error)
    assert len(message) < 400
    assert time.perf_counter() - start < 5.0


def test_depth_within_the_limit_of_length_gives_the_value() -> None:
    assert parse("-" * 1998 + "x")(x=3.0) == 3.0
    assert parse("x" + "+x" * 999)(x=1.0) == 1000.0


def test_a_long_line_is_cut_around_the_place() -> None:
    _, shown, under, *_ = said("x + " * 200 + "tahn(x)")
    assert len(shown) <= 74
    assert shown[len(under) - 1 :].startswith("tahn(x)")


def test_control_characters_are_not_sent_to_the_terminal() -> None:
    assert not any("\x1b" in line for line in said("\x1b[31mx"))


def test_python_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said("'\\d' + 1is")


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="parse takes a string, got int"):
        parse(3)  # type: ignore[arg-type]


def test_an_expression_is_an_ordinary_function_to_transforms() -> None:
    f: Expression = parse("tanh(w*x + b)")
    slope = ad.grad(lambda w: f(w=w, x=1.0, b=0.5))(2.0)
    assert slope == pytest.approx(1.0 - math.tanh(2.5) ** 2)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("x^2", "^ is no power here; write **, as in x**2"),
        ("x^2 + 1", "^ is no power here; write **, as in x**2"),
        ("2x", "; a product is written 2*x"),
        ("3 + 2.5e-3y", "; a product is written 2.5e-3*y"),
        ("2 sin(x)", "; a product is written 2*sin"),
        ("2e", "; a product is written 2*e"),
        ("3(x + 1)", "* is missing; a product is written 2*(x + y)"),
        ("(x + 1)(y)", "* is missing; a product is written 2*(x + y)"),
        ("x(y + 1)", "there is no function 'x'; a product is written x*(x + y)"),
        ("x²", "; write **2"),
        ("2 × x", "; write *"),
        ("x − 1", "; write -"),
        ("√x", "; write sqrt(x)"),
    ],
)
def test_what_mathematics_writes_leads_to_what_python_reads(text: str, advice: str) -> None:
    first, *_ = said(text)
    assert first.endswith(advice)


def test_constants_have_their_numbers_unless_they_are_given_others() -> None:
    f = parse("e**x + pi")
    assert (f.names, f.constants) == (("x",), ("e", "pi"))
    assert f(x=1.0) == math.e + math.pi
    assert f(x=3.0, e=2.0) == 8.0 + math.pi
    with pytest.raises(TypeError, match="takes x, got x, tau"):
        f(x=1.0, tau=2.0)
    assert math.isnan(parse("inf - inf")())


@pytest.mark.parametrize("primitive", TABLE.values(), ids=TABLE)
def test_what_formula_writes_is_read(primitive: ad.Primitive) -> None:
    operands = [Value(x, f"x{i}") for i, x in enumerate(primitive.example())]
    y = primitive(*operands) ** 2 + pow(Value(2.0, "x9"), -1.5) * math.pi
    f = ad.formula(y)
    read = parse(f.expression)
    result = read(**{name: f.names[name] for name in read.names})
    assert result.data == pytest.approx(y.data, rel=1e-14)
