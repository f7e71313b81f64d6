"""Machine code on disk: it saves time, and whatever happens to its files costs no more than time."""

import errno
import importlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numba")

from autodiff.compiler.machine import caching

SOURCE = """
from numba import float64, int64
from autodiff.compiler.machine.caching import cached

@cached
def later(x):
    return 2.0 * x

def now(x):
    return 3.0 * x

def from_c(x):
    return 4 * x
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """A function that does what a new process does: loads or compiles three kinds of functions, and runs them.

    It returns how often the cache was of use, for each of them.
    """
    path = tmp_path / "tiny.py"
    path.write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)

    def run() -> list[int]:
        sys.modules.pop("tiny", None)
        tiny = importlib.import_module("tiny")
        now = caching.compiled(tiny.now, tiny.float64(tiny.float64))
        from_c = caching.c_function(tiny.from_c, tiny.int64(tiny.int64))
        assert (tiny.later(1.0), now(1.0), from_c.ctypes(1)) == (2.0, 3.0, 4)
        return [sum(tiny.later.stats.cache_hits.values()), sum(now.stats.cache_hits.values()), from_c.cache_hits]

    return run


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("__pycache__/*.code"))


def test_what_was_compiled_once_is_loaded(run: Callable[[], list[int]], tmp_path: Path) -> None:
    assert run() == [0, 0, 0]
    assert len(files(tmp_path)) == 3
    assert run() == [1, 1, 1]


def empty(path: Path, other: Path) -> None:
    path.write_bytes(b"")


def cut_short(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def damage(path: Path, other: Path) -> None:
    text = bytearray(path.read_bytes())
    text[len(text) // 2] ^= 1
    path.write_bytes(text)


def put_text(path: Path, other: Path) -> None:
    path.write_text("not machine code")


def put_another(path: Path, other: Path) -> None:
    shutil.copy(other, path)


def put_a_folder(path: Path, other: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("happen", [empty, cut_short, damage, put_text, put_another, put_a_folder, Path.unlink])
def test_a_file_that_something_happened_to_is_made_anew(
    run: Callable[[], list[int]], tmp_path: Path, happen: Any
) -> None:
    run()
    kept = files(tmp_path)
    others = [path.with_suffix(".other") for path in kept]
    for path, other in zip(kept, others, strict=True):
        shutil.copy(path, other)
    for path, other in zip(kept, [*others[1:], others[0]], strict=True):
        happen(*((path,) if happen == Path.unlink else (path, other)))
    assert run() == [0, 0, 0]
    assert run() == ([0, 0, 0] if happen is put_a_folder else [1, 1, 1])


@pytest.mark.parametrize("name", ["mkstemp", "open", "replace"])
def test_where_nothing_can_be_written_all_is_compiled(
    run: Callable[[], list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def full(*args: Any, **kwargs: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place = {"mkstemp": caching.tempfile, "open": caching, "replace": caching.os}[name]
    with monkeypatch.context() as patch:
        patch.setattr(place, name, full, raising=False)
        assert run() == [0, 0, 0]
    assert {path.suffix for path in tmp_path.glob("__pycache__/*")} <= {".pyc"}  # nothing half written
    assert run() == [0, 0, 0]
    assert run() == [1, 1, 1]


def test_without_a_folder_to_write_to_all_is_compiled(
    run: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(self: Any, function: Any) -> None:
        raise RuntimeError("cannot cache function: no locator available for file")

    monkeypatch.setattr(caching._Cache, "__init__", nowhere)
    assert run() == run() == [0, 0, 0]


def test_machine_code_is_named_by_its_sources(run: Callable[[], list[int]], tmp_path: Path) -> None:
    run()
    assert all(caching.fingerprint() in path.name for path in files(tmp_path))


def test_all_modules_that_are_compiled_are_among_the_sources() -> None:
    from numba.core.dispatcher import Dispatcher

    for page in ("flatten_sums", "fold_products", "shorten_sums"):
        importlib.import_module(f"autodiff.compiler.passes.{page}")
    importlib.import_module("autodiff.compiler.backends.numba")
    functions = [x for module in list(sys.modules.values()) for x in vars(module).values() if isinstance(x, Dispatcher)]
    package = Path(caching.__file__).parents[2]
    ours = {path for x in functions if (path := Path(x.py_func.__code__.co_filename)).is_relative_to(package)}
    assert len(ours) > 10
    assert ours <= set(caching._SOURCES)
