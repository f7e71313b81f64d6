"""`python -m autodiff --version`: the version, which of the two runs, and how to have the other run."""

import importlib.metadata
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from autodiff import __main__ as program
from autodiff import native
from autodiff.app import version


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert program.main(["--version"]) == 0
    return capsys.readouterr().out.splitlines()


def be_pure(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    monkeypatch.delenv("AUTODIFF_PURE", raising=False)
    monkeypatch.setattr(native, "core", None)
    monkeypatch.setattr(native, "reason", reason)


def test_it_says_that_the_core_runs_and_how_to_switch_it_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "core", ModuleType("core"))
    monkeypatch.setattr(version, "version", lambda name: "9.8.7")
    first, second, third = lines(capsys)
    assert first.startswith("scalar-autodiff 9.8.7 on ")
    assert first.endswith(sys.version.split()[0])
    assert second == "The native core runs: Values and their arithmetic are in C."
    assert third == "AUTODIFF_PURE=1 in the environment has pure Python run."


def test_it_says_why_pure_python_runs_and_how_to_build_the_core(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    be_pure(monkeypatch, "there is no C compiler")
    _, second, third = lines(capsys)
    assert second == "Pure Python runs, without the native core: there is no C compiler."
    assert third == f"This builds it, with a C compiler: python -m pip install -e {Path(__file__).parents[2]}"
    monkeypatch.setattr(native, "__file__", str(tmp_path / "autodiff/native/__init__.py"))  # not a checkout
    assert "again, with a C compiler and with --force-reinstall" in lines(capsys)[2]
    be_pure(monkeypatch, "AUTODIFF_PURE was set when it was installed")
    assert "again, without AUTODIFF_PURE and with --force-reinstall" in lines(capsys)[2]


def test_it_says_how_to_have_the_core_that_was_switched_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    be_pure(monkeypatch, "AUTODIFF_PURE is set")
    monkeypatch.setenv("AUTODIFF_PURE", "1")
    _, second, third = lines(capsys)
    assert second == "Pure Python runs, without the native core: AUTODIFF_PURE is set."
    assert third == "Without AUTODIFF_PURE in the environment the core runs, where it is built."


def test_no_python_without_the_global_lock_is_told_to_build_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    be_pure(monkeypatch, "it relies on the global lock, and this Python is a free-threaded one")
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: 1)
    assert lines(capsys)[2] == "It runs on CPython with the global lock."


def test_a_checkout_need_not_be_installed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def is_missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(version, "version", is_missing)
    assert lines(capsys)[0].startswith("scalar-autodiff, not installed on ")


def test_what_runs_here_is_said() -> None:
    if native.core is None:
        assert version.engine() == f"Pure Python runs, without the native core: {native.reason}."
    else:
        assert native.reason == ""
