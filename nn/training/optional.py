"""Packages that a part of nn needs, and the rest does not."""

from importlib import import_module
from typing import Any


def optional(module: str, what: str) -> Any:
    """Import a module. Raises ImportError that says what needs it, and what to install.

    >>> optional("nonsense", "training on the moon")
    Traceback (most recent call last):
    ImportError: training on the moon needs nonsense: python -m pip install "scalar-autodiff[train]"
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f'{what} needs {package}: python -m pip install "scalar-autodiff[train]"') from error
