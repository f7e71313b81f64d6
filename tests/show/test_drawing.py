"""Drawings save themselves: by the ending of a name, whole or not at all."""

import os
import re
import signal
import threading
from pathlib import Path

import pytest

from autodiff import Value, draw
from tests.show.pictures import circuit, needs_png, needs_svg, needs_wasm, picture, without_prefix


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
    graph.digraph.node("wide", "x" * 10_000, pos="0,0")
    data = graph.save(tmp_path / "wide.png").read_bytes()
    assert 31_000 < int.from_bytes(data[16:20], "big") <= 32_000


@needs_svg
def test_html_is_one_page_that_needs_nothing_else(tmp_path: Path) -> None:
    page = draw(Value(1.0, "</title><script>")).save(tmp_path / "graph.html").read_text(encoding="utf-8")
    assert "<title>Computation graph of &lt;/title&gt;&lt;script&gt;</title>" in page
    assert page.count("<script") == page.count("</script>") == 1  # the viewer's own
    assert '<html lang="en">' in page
    assert '<meta name="viewport"' in page
    assert "color-scheme:light dark" in page
    assert not re.search(r'(?:src|href)="|url\(|@import', page)
    assert set(re.findall(r"https?:[^\"' ]*", page)) <= {"http://www.w3.org/2000/svg"}
    assert page.count("<svg") == page.count("</svg>") == 1


@pytest.mark.parametrize("name", ["graph.xyz", "graph", "graph.svg.gz", ".svg"])
def test_another_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"^save takes a name that ends in \.svg, \.png, \.pdf, \.html or \.dot, got"):
        draw(Value(1.0)).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"^there is no directory '.*nowhere' to save 'x\.dot' in; make it first$"
    ):
        draw(Value(1.0)).save(tmp_path / "nowhere" / "x.dot")


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


# --- at the plain prompt ---


def test_the_prompt_shows_the_tree_and_how_to_see_the_picture() -> None:
    graph = draw(circuit())
    assert repr(graph) == f"{graph.text()}\nA graph of 5 values, 2 operations: show() opens it in a browser."


def test_the_prompt_shows_the_beginning_of_a_large_graph() -> None:
    graph = draw(sum((Value(float(i), f"x{i}") for i in range(500)), 0.0), collapse="never")
    lines, whole = repr(graph).splitlines(), graph.text().splitlines()
    assert lines[:40] == whole[:40]
    assert lines[40] == f"... {len(whole) - 40:,} more lines: print(drawing.text()) shows all of them."
    assert len(lines) == 42


@needs_svg
def test_show_opens_a_page_in_the_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    path = draw(circuit()).show()
    assert opened == [path.as_uri()]
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert path.is_relative_to(tmp_path)


@needs_svg
def test_without_a_browser_show_says_where_the_page_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    with pytest.raises(RuntimeError, match=r"^found no browser to open; the drawing is in '.*drawing\.html'$"):
        draw(circuit()).show()
