"""Explanations: the paths are those of the graph, their products sum to the gradient."""

import math
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given

import autodiff as ad
from autodiff import Value, backward_steps, explain, forward_steps, record_source
from autodiff.primitives import TABLE, Primitive
from autodiff.show.explanations.symbols import slope_in_symbols
from autodiff.testing import Program, programs
from tests.examples import circuit, micrograds


def all_paths(y: Value, x: Value) -> list[list[int]]:
    """Every path as the places of operands, by recursion: the definition."""
    if y is x:
        return [[]]
    return [
        [i, *rest]
        for i, operand in enumerate(y.operands)
        if isinstance(operand, Value)
        for rest in all_paths(operand, x)
    ]


@given(programs(max_steps=8))
def test_all_paths_are_found_and_sum_to_the_gradient(program: Program) -> None:
    leaves = [Value(x) for x in program.leaves]
    y = program(*leaves)
    explanations = [explain(y, leaf, limit=10_000) for leaf in leaves]
    assert all(leaf.grad == 0.0 for leaf in leaves)
    y.backward()
    for leaf, explanation in zip(leaves, explanations, strict=True):
        assert explanation.total == leaf.grad
        assert explanation.count == len(explanation.paths) == len(all_paths(y, leaf))
        size = math.fsum(abs(path.contribution) for path in explanation.paths)
        assert math.fsum(path.contribution for path in explanation.paths) == pytest.approx(leaf.grad, abs=1e-12 * size)
        assert explanation.rest == 0.0


@given(programs(max_steps=12))
def test_a_path_leads_from_y_to_x_and_contributes_its_product(program: Program) -> None:
    leaves = [Value(x) for x in program.leaves]
    y = program(*leaves)
    for path in explain(y, leaves[0], limit=5).paths:
        assert path.nodes[0] is y
        assert path.nodes[-1] is leaves[0]
        for (node, operand), local in zip(pairwise(path.nodes), path.local_gradients, strict=True):
            edges = zip(node.operands, node.local_gradients, strict=True)
            assert any(x is operand and slope == local for x, slope in edges)
        assert path.contribution == pytest.approx(math.prod(path.local_gradients), rel=1e-12)


@given(programs(max_steps=8))
def test_those_listed_are_the_largest(program: Program) -> None:
    leaf = Value(program.leaves[0])
    y = program(leaf, *program.leaves[1:])
    if not isinstance(y, Value):
        return
    every = [abs(path.contribution) for path in explain(y, leaf, limit=10_000).paths]
    explanation = explain(y, leaf, limit=3)
    assert [abs(path.contribution) for path in explanation.paths] == pytest.approx(every[:3], rel=1e-9)
    assert every == sorted(every, reverse=True)
    listed = math.fsum(path.contribution for path in explanation.paths)
    assert listed + explanation.rest == pytest.approx(explanation.total, rel=1e-9, abs=1e-12 * sum(every))


def test_the_circuit_is_explained() -> None:
    x, _, z, f = circuit()
    assert str(explain(f, x)) == (
        "df/dx = -4, one path\n"
        "chain rule     in numbers  contribution\n"
        "∂f/∂q * ∂q/∂x  (-4) * 1              -4\n"
        "\n"
        "Local gradients\n"
        "local gradient  of         is  here\n"
        "∂f/∂q           f = q * z  z     -4\n"
        "∂q/∂x           q = x + y  1      1"
    )
    assert explain(f, z).total == 3.0


def test_local_gradients_are_shown_in_symbols() -> None:
    x, b = Value(0.5, "x"), Value(1.0, "b")
    y = ad.tanh(x * b)
    y.label = "y"
    text = str(explain(y, x))
    assert "1 - tanh(v1)**2" in text
    assert "v1 = x * b" in text


def test_each_use_of_an_operand_is_a_path() -> None:
    x = Value(3.0, "x")
    explanation = explain(x * x, x)
    assert [(path.nodes[-1], path.contribution) for path in explanation.paths] == [(x, 3.0), (x, 3.0)]
    assert explanation.total == 6.0


def test_a_node_explains_itself_by_one_and_what_is_elsewhere_by_zero() -> None:
    x = Value(3.0, "x")
    assert explain(x, x).total == explain(x, x).paths[0].contribution == 1.0
    assert str(explain(x, x)).startswith("dx/dx = 1, one path\nchain rule  in numbers  contribution\n1 ")
    elsewhere = explain(x * 2, Value(1.0, "z"))
    assert (elsewhere.total, elsewhere.count, elsewhere.paths) == (0.0, 0, [])
    assert str(elsewhere) == "dy/dz = 0: y was not made from z"
    assert "dy/dz = 0" in elsewhere._repr_html_()
    assert elsewhere.latex().count("&=") == 1


def test_an_inner_node_can_be_explained() -> None:
    x, _, _, f = circuit()
    q = f.operands[0]
    assert isinstance(q, Value)
    assert explain(f, q).total == -4.0
    assert [path.nodes for path in explain(q, x).paths] == [(q, x)]


def test_micrograds_example_has_the_gradients_it_is_known_for() -> None:
    a, b = Value(-4.0, "a"), Value(2.0, "b")
    g = micrograds(a, b)
    assert round(explain(g, a).total, 4) == 138.8338
    assert round(explain(g, b).total, 4) == 645.5773
    every = explain(g, a, limit=1_000)
    assert math.fsum(path.contribution for path in every.paths) == pytest.approx(every.total, rel=1e-12)
    assert every.count == len(every.paths) == len(all_paths(g, a))


# --- no cell is blank ---


def operands_of(primitive: Primitive) -> list[list[Value]]:
    """Operands from its domain: as many as it has, or of a list two, three and twelve."""
    numbers = primitive.example()
    counts = [primitive.arity] if primitive.arity is not None else [2, 4, 12]
    return [[Value(numbers[i % len(numbers)] + 0.01 * i, f"x{i}") for i in range(count)] for count in counts]


@pytest.mark.parametrize("primitive", TABLE.values(), ids=TABLE.keys())
def test_every_primitive_has_its_rule_in_symbols_which_gives_its_local_gradient(primitive: Primitive) -> None:
    """For lists of any length, too; a long rule may be cut short, but is never blank."""
    functions = {name: getattr(ad, name, each) for name, each in TABLE.items()}
    for operands in operands_of(primitive):
        y = primitive(*operands)
        names = {x: x.label for x in operands} | {y: "y"}
        known = {**functions, **{name: value.data for value, name in names.items()}, "pi": math.pi, "log": ad.log}
        for place, local in enumerate(y.local_gradients):
            rule = slope_in_symbols(y, place, names)
            assert rule
            if "..." not in rule:
                assert float(eval(rule, known)) == pytest.approx(local, rel=1e-9), rule
        html = explain(y, operands[-1], words=True)._repr_html_()
        assert not re.search(r"<t[dh][^>]*></t", html)


def test_a_rule_of_floats_alone_and_a_line_that_was_not_recorded_leave_no_cell_blank() -> None:
    x = Value(2.0, "x")
    cube = ad.primitive("cube", evaluate=lambda x: x**3, partials=[lambda out, x: math.pow(x, 2) * 3])
    with record_source():
        y = cube(x)
    html = explain(y * 2.0, x)._repr_html_()
    assert "<td" in html
    assert "the rule of cube" in html
    assert "not recorded" in html
    assert not re.search(r"<t[dh][^>]*></t", html)


def test_the_sum_is_written_out_and_called_by_its_total_derivative() -> None:
    x = Value(3.0, "x")
    q = x * -2.0
    q.label = "q"
    lines = str(explain(q * x, x)).splitlines()
    assert lines[2:5] == [
        "∂y/∂q * ∂q/∂x  3 * (-2)              -6",
        "∂y/∂x          -6                    -6",
        "dy/dx          -6 - 6               -12",
    ]


def test_a_label_that_is_not_one_word_is_held_together() -> None:
    x = Value(3.0, "hidden 1")
    y = x * 2.0
    y.label = "a/b"
    assert str(explain(y, x)).startswith("d(a/b)/d(hidden 1) = 2, one path\n")
    assert "∂(a/b)/∂(hidden 1)" in str(explain(y, x))
    x.label = "layers[0].w[1]"
    assert str(explain(y, x)).startswith("d(a/b)/d(layers[0].w[1]) = 2, one path\n")


# --- in plain words ---


def test_each_step_is_a_sentence_on_request() -> None:
    w, x, b = Value(0.5, "w"), Value(2.0, "x"), Value(-0.3, "b")
    y = ad.tanh(w * x + b)
    explanation = explain(y, w, words=True)
    assert explanation.words == [
        "w is multiplied by x = 2, so a nudge of w moves v1 twice as far.",
        "A nudge of v1 moves v2 just as far.",
        "tanh's slope at 0.7 is 1 - tanh(0.7)² = 0.635, so a nudge of v2 moves y 0.635 times as far.",
        "In all, a nudge of w moves y 1.27 times as far.",
    ]
    assert str(explanation).endswith("\nIn words\n" + "\n".join(explanation.words))
    assert explanation.words[-1] in explanation._repr_html_()
    assert "In words" not in str(explain(y, w))
    assert explain(y, Value(1.0)).words == []


def test_what_is_not_taken_or_flat_or_multiplied_by_zero_is_said_to_be_so() -> None:
    x, z = Value(-2.0, "x"), Value(0.0, "z")
    assert explain(ad.relu(x), x).words[0] == "A nudge of x does not move y: relu is flat at -2."
    chosen = explain(ad.where(True, z, x), x).words[0]
    assert chosen == "A nudge of x does not move y: where(1, z, x) does not depend on it here."
    assert explain(0.0 * x, x).words[0] == "A nudge of x does not move y: it is multiplied by 0."
    assert explain(x * z, x).words[0] == "x is multiplied by z = 0, so a nudge of x does not move y."
    assert explain(z.sqrt(), z).words[0].endswith("so a nudge of z moves y infinitely far.")
    assert explain(ad.sqrt(z * z), z).words[-1].endswith("in all, a nudge of z moves y by nan.")
    assert forward_steps(ad.sqrt(z))[0].words.endswith("it moves infinitely far with z.")


def test_a_slope_that_is_a_convention_is_said_to_be_one() -> None:
    z, c, d = Value(0.0, "z"), Value(2.0, "c"), Value(2.0, "d")
    for op in (ad.abs, ad.relu, ad.sign, ad.floor, ad.ceil):
        said = f"A nudge of z does not move y: {op.__name__} has no slope at 0, and 0 is taken for it."
        assert explain(op(z), z).words[0] == said
    for y, made in [(ad.maximum(c, d), "maximum(c, d)"), (ad.min([c, d, Value(3.0, "e")]), "min([c, d, e])")]:
        because = f"{made} has no slope in c here, and 1 / 2 = 0.5 is taken for it"
        assert explain(y, c).words[0] == f"{because}, so a nudge of c moves y half as far."
    smooth = [ad.max([Value(3.0, "x"), c, d]), ad.where(z, c, d), ad.elu(z, 1.0), ad.tanh(z), ad.leaky_relu(c, z)]
    for y in smooth:
        assert "no slope" not in backward_steps(y)[0].words


def test_alternatives_are_listed_as_in_english() -> None:
    a, b, c = (Value(i + 1.0, name) for i, name in enumerate("abc"))
    assert backward_steps(ad.sum([a, b, c]))[0].words == "A nudge of a, b or c moves y just as far."
    assert explain(a * 1.0000001, a).words[-1] == "In all, a nudge of a moves y just as far."


def test_a_function_without_a_name_is_called_as_its_formula_calls_it() -> None:
    x = Value(2.0, "x")
    y = ad.checkpoint(lambda x: x * x)(x)
    assert explain(y, x).words[0].startswith("The slope of lambda(x) in x is 2 * x = 2 * 2 = 4, so")


@given(programs(max_steps=8))
def test_sentences_are_as_many_as_steps_and_say_the_total(program: Program) -> None:
    leaf = Value(program.leaves[0], "leaf")
    y = program(leaf, *program.leaves[1:])
    if isinstance(y, Value) and y is not leaf:
        explanation = explain(y, leaf, words=True)
        rows = str(explanation).partition("Local gradients\n")[2].partition("\n\n")[0].splitlines()[1:]
        rows = [row for row in rows if not row.startswith("A Value that is two operands")]
        assert len(explanation.words) == (len(rows) + 1 if explanation.paths else 0)
        assert all(text.endswith(".") and "\n" not in text for text in explanation.words)


# --- conventions ---


def test_a_zero_in_front_ends_a_path_with_zero_whatever_follows() -> None:
    x = Value(0.0, "x")
    explanation = explain(0.0 * x.sqrt(), x)
    assert explanation.paths[0].local_gradients == (0.0, math.inf)
    assert explanation.paths[0].contribution == explanation.total == 0.0


def test_what_was_not_chosen_contributes_nothing() -> None:
    x = Value(0.0, "x")
    explanation = explain(ad.where(x > 0, x.log(), 2 * x), x)
    assert explanation.total == 2.0
    assert sorted(path.contribution for path in explanation.paths) == [0.0, 2.0]


def test_upstreams_that_cancel_pass_on_a_zero_which_times_infinity_is_nan() -> None:
    x = Value(0.0, "x")
    root = x.sqrt()
    explanation = explain(root - root, x)
    (root - root).backward()
    assert math.isnan(explanation.total)
    assert math.isnan(x.grad)
    assert [path.contribution for path in explanation.paths] == [math.inf, -math.inf]


def test_finite_contributions_that_cancel_are_shown() -> None:
    x = Value(3.0, "x")
    square = x * x
    contributions = [path.contribution for path in explain(square - square, x).paths]
    assert sorted(contributions) == [-3.0, -3.0, 3.0, 3.0]


def test_a_sum_that_is_rounded_otherwise_says_so() -> None:
    x = Value(1.0, "x")
    explanation = explain(ad.sum([x * 0.3, x * 0.2, x * 0.1]), x)
    assert explanation.total == 0.6000000000000001
    assert "The paths sum to 0.6; backward() adds up at each node, and rounds to 0.6000000000000001." in str(
        explanation
    )
    assert "The paths sum" not in str(explain(x * 0.1, x))


# --- shown ---


def test_sources_are_shown_where_they_were_recorded() -> None:
    x = Value(2.0, "x")
    with record_source():
        y = x * 3.0
    assert y.source is not None
    assert f"test_explain.py:{y.source.line}" in str(explain(y, x))
    assert "source" not in str(explain(x * 3.0, x))


def test_notebooks_get_tables_with_headers_in_which_labels_are_text() -> None:
    x = Value(2.0, "<script>alert(1)</script>")
    html = explain(x * x, x)._repr_html_()
    assert "<script" not in html
    assert html.count("<table") == html.count("</table>") == 2
    assert html.count('scope="col"') == 7
    assert html.count('<th scope="row"') == 3 + 1
    assert "color: #" not in html


def test_latex_shows_symbols_numbers_and_sum() -> None:
    x, _, _, f = circuit()
    assert explain(f, x).latex() == (
        "\\begin{aligned}\n"
        "\\frac{\\mathrm{d} f}{\\mathrm{d} x} &= "
        "\\frac{\\partial f}{\\partial q} \\cdot \\frac{\\partial q}{\\partial x} \\\\\n"
        "&= \\left(-4\\right) \\cdot 1 \\\\\n"
        "&= -4\n"
        "\\end{aligned}"
    )


# --- sizes ---


def test_a_number_of_paths_that_cannot_be_listed_is_counted() -> None:
    a = b = Value(1.0, "a")
    for _ in range(64):
        b = b + b
    explanation = explain(b, a)
    assert explanation.count == 2**64
    assert len(explanation.paths) == 10
    assert explanation.rest == 2.0**64 - 10
    assert "about 1.84e+19 more paths" in str(explanation)
    for _ in range(2_000):
        b = b * 0.5 + b * 0.5
    assert explain(b, a).count == math.inf
    assert "more than 10^300 more paths" in str(explain(b, a))


def test_a_chain_of_a_hundred_thousand_nodes_is_explained_in_seconds() -> None:
    x = y = Value(1.0, "x")
    for _ in range(50_000):
        y = y * 0.9999 + 0.0 * y
    start = time.perf_counter()
    explanation = explain(y, x)
    text, html, latex = str(explanation), explanation._repr_html_(), explanation.latex()
    assert time.perf_counter() - start < 60.0
    y.backward()
    assert explanation.total == x.grad
    assert explanation.paths[0].contribution == pytest.approx(x.grad)
    assert len(explanation.paths[0].nodes) == 100_001
    assert max(map(len, (text, html, latex))) < 60_000


def test_wrong_input_is_refused_with_what_to_do() -> None:
    x = Value(1.0)
    with pytest.raises(TypeError, match=r"^explain takes two Values, got float 1\.0 as y; call it on the output"):
        explain(1.0, x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^explain takes two Values, got str 'x' as x"):
        explain(x, "x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^limit is a number of paths, got 1\.5$"):
        explain(x, x, limit=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^limit is a number of paths, at least 1, got 0$"):
        explain(x, x, limit=0)


def test_a_value_that_is_two_operands_has_the_rule_of_each() -> None:
    x = Value(2.0, "x")
    table, note = str(explain(x**x, x)).split("Local gradients\n")[1].rsplit("\n", 1)
    assert note == "A Value that is two operands has a local gradient, and a path, by each: x in y = x**x"
    rows = [re.split(" {2,}", line) for line in table.splitlines()]
    assert rows[0] == ["local gradient", "of", "is", "here"]
    assert {row[2]: float(row[3]) for row in rows[1:]} == {"x**x": 4.0, "x**x * log(x)": 2.77259}


def test_what_backward_rounds_to_is_told_where_all_paths_are_listed_and_finite() -> None:
    x = Value(0.1, "x")
    y = (x * 0.1 + (x * 0.1 + x * 0.6)) * 0.1
    assert "The paths sum to 0.08; backward() adds up at each node" in str(explain(y, x))
    few = str(explain(y, x, limit=2))
    assert "1 more path" in few
    assert "The paths sum to" not in few
    x = Value(0.0, "x")
    assert "The paths sum to" not in str(explain(x.log() + 1.0 / x, x))  # inf - inf


@pytest.mark.parametrize(("zero", "rule"), [(0.0, "1 / 0"), (-0.0, "1 / (-0.0)")])
def test_the_rule_of_a_division_by_the_constant_zero_is_shown_with_it(zero: float, rule: str) -> None:
    x = Value(2.0, "x")
    assert f"  {rule}  " in str(explain(x / zero, x))


def test_an_infinite_slope_behind_a_zero_hides_no_larger_path() -> None:
    x = Value(0.0, "x")
    y = ad.sum([x.sqrt() * Value(0.0), 3.0 * x, 5.0 * x])
    assert [path.contribution for path in explain(y, x, limit=2).paths] == [5.0, 3.0]


@pytest.mark.parametrize("labels", [("\ufb01t", "fit"), ("x\u00b2", "x2"), ("\u2133", "M")])
def test_labels_that_python_reads_as_one_name_are_told_apart(labels: tuple[str, str]) -> None:
    """Python takes identifiers in NFKC: a ligature for its letters."""
    a, b = [Value(float(i + 2), label) for i, label in enumerate(labels)]
    f = ad.formula(a - b)
    assert len(f.names) == 2
    assert eval(str(f), {name: x.data for name, x in f.names.items()}) == -1.0


def test_a_long_list_is_written_by_its_ends() -> None:
    xs, ws = ([Value(0.5, f"{name}{i}") for i in range(40)] for name in "xw")
    for y, made in [
        (ad.sum(xs), "x0 + x1 + ... + x39"),
        (ad.mean(xs), "(x0 + x1 + ... + x39) / 40"),
        (ad.prod(xs), "x0 * x1 * ... * x39"),
        (ad.dot(ws, xs), "w0 * x0 + w1 * x1 + ... + w39 * x39"),
        (ad.dot(ws[:6], [-2.0] * 6), "w0 * (-2) + w1 * (-2) + ... + w5 * (-2)"),
        (ad.norm(xs), "norm([x0, x1, ..., x39])"),
    ]:
        assert str(backward_steps(y)[0]).startswith(f"y = {made} = ")
