"""Which version this is, and which of two does its arithmetic: the native core, or pure Python.

An application: it stands above the engine. `python -m autodiff --version` runs it.
"""

import os
import platform
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from autodiff import native


def report() -> str:
    """The version, what runs, and how to have the other run."""
    return f"{_version()} on {platform.python_implementation()} {platform.python_version()}\n{engine()}\n{_other()}"


def engine() -> str:
    """What runs: one line, for pure Python with the reason."""
    if native.core is not None:
        return "The native core runs: Values and their arithmetic are in C."
    return f"Pure Python runs, without the native core: {native.reason}."


def _version() -> str:
    try:
        return f"scalar-autodiff {version('scalar-autodiff')}"
    except PackageNotFoundError:
        return "scalar-autodiff, not installed"


def _other() -> str:
    if native.core is not None:
        return "AUTODIFF_PURE=1 in the environment has pure Python run."
    if os.environ.get("AUTODIFF_PURE"):
        return "Without AUTODIFF_PURE in the environment the core runs, where it is built."
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "It runs on CPython with the global lock."
    how = "without AUTODIFF_PURE" if "AUTODIFF_PURE" in native.reason else "with a C compiler"
    root = Path(native.__file__).parent.parent.parent
    if (root / "pyproject.toml").exists():
        return f"This builds it, {how}: python -m pip install -e {root}"
    return f"The same installation again, {how} and with --force-reinstall --no-cache-dir, builds it."
