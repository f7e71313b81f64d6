"""Formulas: what they say, that they say the truth, and that they end."""

import math
import time
from typing import Any

import pytest
from hypothesis import example, given, settings

import autodiff as ad
from autodiff import Value, formula, gradient, primitives
from autodiff.primitives import KNOWN, TABLE
from autodiff.show.formulas.formula import Formula
from autodiff.testing import Program, Step, programs


def xyz() -> tuple[Value, Value, Value]:
    return Value(-2.0, "x"), Value(5.0, "y"), Value(4.0, "z")


def evaluated(f: Formula) -> float:
    """The value of the text in Python, with autodiff's functions."""
    functions = {name: getattr(ad, name, primitive) for name, primitive in TABLE.items()}
    scope: dict[str, Any] = {**functions, "inf": math.inf, "nan": math.nan, "pi": math.pi, **f.names}
    with ad.no_grad():
        *definitions, expression = str(f).splitlines()
        exec("\n".join(definitions), scope)
        result = eval(expression, scope)
    return float(result.data if isinstance(result, Value) else result)


# --- what is written ---


def test_the_circuit_reads_as_it_was_written() -> None:
    x, y, z = xyz()
    q = x + y
    q.label = "q"  # a label of a part that is used once names nothing
    assert str(formula(q * z)) == repr(formula(q * z)) == "(x + y) * z"


def test_parentheses_are_those_that_are_needed() -> None:
    x, y, z = xyz()
    expected = {
        "x - (y + z) * y": x - (y + z) * y,
        "x - y - z": (x - y) - z,
        "x / (y * z)": x / (y * z),
        "-(x + y)": -(x + y),
        "-x * y": -(x * y),
        "(-2)**x": (-2.0) ** x,
        "(x + y)**2": (x + y) ** 2,
        "(x**y)**z": (x**y) ** z,
        "x**(y**z)": x ** (y**z),
        "(-x)**y": (-x) ** y,
        "-x**2": -(x**2),
        "z * (x % y)": (x % y) * z,
        "(x * y) // z": (x * y) // z,
        "x + y * z": x + y * z,
        "x + y + z": x + (y + z),
        "sin(x + y)**2": ad.sin(x + y) ** 2,
        "1 / x**1.5": x**-1.5,
    }
    assert {str(formula(value)): text for text, value in expected.items()} == {text: text for text in expected}


@pytest.mark.parametrize(
    ("derivative", "of"),
    [
        ("1 - tanh(x)**2", ad.tanh),
        ("sigmoid(x) * (1 - sigmoid(x))", ad.sigmoid),
        ("cos(x)", ad.sin),
        ("-sin(x)", ad.cos),
        ("1 / x", ad.log),
        ("0.5 / sqrt(x)", ad.sqrt),
        ("-1 / x**2", ad.reciprocal),
        ("2 / sqrt(pi) * exp(-x**2)", ad.erf),
        ("3 * x**2", lambda x: x**3),
        ("3 * x**2", lambda x: x * x * x),
        ("2 * x", lambda x: x * x),
        ("6 * x", lambda x: gradient(x**3, [x])[0]),
        ("-1.5", lambda x: x * -1.5),
        ("tanh(2 * x) + 2 * x * (1 - tanh(2 * x)**2)", lambda x: ad.tanh(x * 2) * x),
    ],
)
def test_derivatives_read_as_in_a_table_of_them(derivative: str, of: Any) -> None:
    x = Value(0.5, "x")
    assert str(formula(gradient(of(x), [x])[0])) == derivative


def test_simplification_is_what_one_does_on_paper() -> None:
    x, y, z = xyz()
    expected = {
        "x": (x * 1 + 0) ** 1 / 1,
        "y": -ad.neg(y),
        "x - y": x + -y,
        "x + y": x - -y,
        "x + 2": 2 + x,
        "2 * z": z + z,
        "x - y + z": x - (y - z),
        "x**2 - 3 * x + 1": 1 - 3 * x + x * x,
        "1 - x": 1 - x,
        "1 + exp(-x)": 1 + ad.exp(-x),
        "z": x + z - x,
        "0.3 * x": 3 * (0.1 * x),
        "x / 2": x / 2,
        "2 * x / 3": x * (2 / 3),
        "-1": (x - 1) / (1 - x),
        "2 * (x + y)": (x + y) * (x + y) / ((x + y) / 2),
        "x**1.5": x * x**0.5,
        "x * y": (x * y) ** 0.5 * (x * y) ** 0.5,
        "y / x": x**-1.5 * x**0.5 * y,
        "(x**2)**0.5": (x**2) ** 0.5,
        "(x + y) * (z + 1)": x + y + z * (x + y),
        "(x - y) * (z - 1)": (x - y) * z - x + y,
        "x + 2 * y + z * (x + y)": x + 2 * y + z * (x + y),
        "4 * x**3 / 9": (x * (2 / 3)) ** 2 * x,
        "1 / x**y": x / x ** (y + 1),
        "x**z": x ** (z + 1) / x,
        "x**3 + 2 * x**2": x * x + x * (x * x + x),
    }
    assert [str(formula(value)) for value in expected.values()] == list(expected)
    assert str(formula(x + y * -2)) == "x - 2 * y"
    assert str(formula(x**0)) == "1"


def test_lists_are_written_out() -> None:
    x, y, z = xyz()
    assert str(formula(ad.sum([x, y, z]))) == "x + y + z"
    assert str(formula(ad.mean([x, y, z]))) == "(x + y + z) / 3"
    assert str(formula(ad.prod([x, y, z]))) == "x * y * z"
    assert str(formula(ad.dot([x, y], [z, 3.0]))) == "x * z + 3 * y"
    assert str(formula(ad.max([x, y, z]))) == "max([x, y, z])"


def test_a_long_part_that_is_used_again_is_named_by_its_label_if_it_has_one() -> None:
    x, y, z = xyz()
    q = (x + y) * z - 1
    assert str(formula(q / (ad.exp(q) + q))) == "v1 = (x + y) * z - 1\nv1 / (exp(v1) + v1)"
    q.label = "q"
    f = formula(q / (ad.exp(q) + q))
    assert f.definitions == [("q", "(x + y) * z - 1")]
    assert f.expression == "q / (exp(q) + q)"
    assert str(formula(q / (q * q + q))) == "1 / ((x + y) * z)"  # of what is left once, nothing is named


def test_names_are_identifiers_and_stand_for_one_leaf_each() -> None:
    leaves = [Value(1.0, label) for label in ("w[0]", "exp", "lambda", "a b", "a b", "2x", "!", "", "x1")]
    f = formula(ad.sum(leaves))
    assert str(f) == "w_0 + exp_ + lambda_ + a_b + a_b_2 + x_2x + x2 + x3 + x1"
    assert list(f.names.values()) == leaves
    assert all(f.names[name] is leaf for name, leaf in zip(f.names, leaves, strict=True))


def test_leaves_without_labels_can_be_written_as_numbers_that_are_not_computed_with() -> None:
    product = Value(2.0) * Value(-3.0) + 1e-07
    assert str(formula(product)) == "x1 * x2 + 1e-07"
    assert str(formula(product, leaves="numbers")) == "2 * (-3) + 1e-07"
    assert evaluated(formula(product, leaves="numbers")) == product.data
    assert str(formula(Value(2.5))) == "2.5"
    assert str(formula(Value(2.5, "x"))) == "x"


def test_a_primitive_of_ones_own_is_a_call_even_where_it_bears_a_name_of_the_table() -> None:
    x, y, _ = xyz()
    rules = [lambda out, x, y: y, lambda out, x, y: x]
    swish = ad.primitive("my_swish", evaluate=lambda x, y: x * y, partials=rules)
    assert str(formula(swish(x, y + 1))) == "my_swish(x, y + 1)"
    assert formula(swish(x, 2.0)).latex() == r"\operatorname{my\_swish}\left(x, 2\right)"
    assert str(formula(ad.preaccumulate(lambda x: x * 2)(x))) == "lambda(x)"
    mine = ad.primitive("add", evaluate=lambda x, y: x * y, partials=rules)
    assert str(formula(mine(x, 0.0))) == "add(x, 0)"


def test_every_primitive_has_its_notation_and_it_fits() -> None:
    for name, primitive in KNOWN.items():
        text, latex, expansion = primitive.notation
        forms = [form for form in (text, latex) if form is not None]
        assert not forms or expansion is None, name
        assert text or expansion or (primitive.arity and not primitive.facts.for_rules), name
        for form in forms:
            places = form.template.count("{}")
            assert places == primitive.arity or (places == 0 and "{...}" in form.template), name
            assert len(form.needs) in (0, places), name


def test_a_neuron_and_the_derivative_of_its_weight_read_as_in_a_textbook() -> None:
    w, x, b = Value(2.0, "w"), Value(-1.0, "x"), Value(-3.0, "b")
    out = ad.sigmoid(w * x + b)
    assert str(formula(out)) == "sigmoid(w * x + b)"
    assert str(formula(gradient(out, [w])[0])) == "x * sigmoid(w * x + b) * (1 - sigmoid(w * x + b))"
    slope = gradient(ad.tanh(w * x + b), [b])[0]
    assert str(formula(slope)) == "1 - tanh(w * x + b)**2"


# --- laws ---


@given(programs())
@example(Program((1.0,), (Step(TABLE["softmax"], (0, 2.0)), Step(TABLE["mean"], (0, 1)))))
@example(Program((0.5,), (Step(TABLE["pow"], (0, -1.0)), Step(TABLE["sub"], (-1.5, 1)))))
def test_python_gives_the_value_of_the_text(program: Program) -> None:
    leaves = [Value(x, f"x{i}") for i, x in enumerate(program.leaves)]
    y = program(*leaves)
    assert evaluated(formula(y)) == pytest.approx(y.data, rel=1e-6, abs=1e-9)
    assert evaluated(formula(y, leaves="numbers")) == pytest.approx(y.data, rel=1e-6, abs=1e-9)


@given(programs(["add", "sub", "mul", "div", "neg", "pow", "sin", "exp", "tanh", "sigmoid"], max_steps=8, max_abs=50.0))
def test_python_gives_the_value_of_a_derivatives_text(program: Program) -> None:
    leaves = [Value(x) for x in program.leaves]
    for slope in gradient(program(*leaves), leaves):
        if abs(slope.data) < 1e6:
            assert evaluated(formula(slope, limit=None)) == pytest.approx(slope.data, rel=1e-6, abs=1e-6)


def without_arguments(latex: str) -> list[str]:
    return [line.replace("&", "").removesuffix(r" \\") for line in latex.splitlines() if "aligned" not in line]


@given(programs(max_steps=10))
@settings(max_examples=15)
def test_latex_is_balanced_and_renders(program: Program) -> None:
    mathtext = pytest.importorskip("matplotlib.mathtext")
    f = formula(program(*[Value(x, f"weight_{i}") for i, x in enumerate(program.leaves)]))
    latex = f.latex()
    assert latex.count("{") == latex.count("}")
    assert latex.count(r"\left") == latex.count(r"\right")
    assert f._repr_latex_() == f"$\\displaystyle {latex}$"
    parser = mathtext.MathTextParser("path")
    for line in without_arguments(latex):
        width, *_ = parser.parse(f"${line}$")
        assert width > 0, line


@pytest.mark.parametrize("name", KNOWN)
def test_the_notation_of_each_primitive_renders(name: str) -> None:
    mathtext = pytest.importorskip("matplotlib.mathtext")
    leaves = [Value(0.5, label) for label in ("x", "alpha", "loss_a")]
    primitive = primitives.KNOWN[name]
    y = primitive(*leaves[: primitive.arity or 2])
    for node in (y, y * 1e-07, (y + 1) ** 2, 1e-07**y):
        assert mathtext.MathTextParser("path").parse(f"${formula(node).latex()}$")[0] > 0


def test_hostile_labels_are_words() -> None:
    f = formula(Value(1.0, "<script>$}\\x") * Value(2.0, "^_%"))
    assert str(f) == "script_x * x1"
    assert "<" not in f._repr_latex_()


# --- sizes ---


def test_a_long_chain_is_cut_and_says_so() -> None:
    x = y = Value(0.5, "x")
    for _ in range(100_000):
        y = y.sin()
    start = time.perf_counter()
    f = formula(y)
    assert time.perf_counter() - start < 20.0
    assert f.expression == f"{'sin(' * 200}...{')' * 200}"
    assert f.left_out == 99_800
    assert str(f).endswith("\n(... stands for 99,800 more operations; formula(y, limit=None) writes all)")
    whole = formula(y, limit=None)
    assert str(whole) == f"{'sin(' * 100_000}x{')' * 100_000}"
    assert whole.left_out == 0
    assert formula(y, limit=2).latex() == r"\sin\left(\sin\left(\ldots\right)\right)"
    assert x.grad == 0.0


def test_what_is_left_out_is_not_counted_out_in_dots() -> None:
    x = Value(0.5, "x")
    y = ad.sum([ad.sin(x * i) * ad.cos(x * i) for i in range(2, 100)])
    text = str(formula(y, limit=8))
    assert text.count("...") <= 8
    assert "... + ... + " not in text
    assert formula(y, limit=8).left_out >= formula(y, limit=None).left_out + 300


def test_what_is_shared_again_and_again_is_no_longer_than_the_graph() -> None:
    y = Value(0.5, "x")
    for _ in range(60):
        y = y + y * y.sin()  # written out, 3^60 names
    text = str(formula(y, limit=None))
    assert text.count("sin") <= 66  # small parts are written again
    assert len(text) < 5_000


def test_wrong_input_is_refused_with_what_to_do() -> None:
    x = Value(1.0)
    with pytest.raises(
        TypeError, match=r"^formula takes a Value, got float 1\.0; call f on Values: formula\(f\(x\)\)$"
    ):
        formula(1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^leaves is 'names' or 'numbers', got 'letters'$"):
        formula(x, leaves="letters")  # type: ignore[arg-type]
    for limit in ("all", True, 1.5):
        with pytest.raises(TypeError, match=r"^limit is a number of operations, or None for all, got"):
            formula(x, limit=limit)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1"):
        formula(x, limit=0)


def test_jupyter_gets_latex_and_text() -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(formula(Value(1.0, "x") ** 2))
    assert data == {"text/plain": "x**2", "text/latex": r"$\displaystyle x^{2}$"}


def test_constants_are_not_folded_where_their_product_underflows() -> None:
    q = Value(1e300, "q")
    assert str(ad.formula(1e-200 * (1e-200 * q))).count("1e-200") == 2


def test_a_negative_zero_is_written_as_one() -> None:
    assert str(ad.formula(Value(2.0, "x") / -0.0)) == "x / (-0.0)"
