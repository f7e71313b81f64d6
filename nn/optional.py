"""Packages that a part of nn needs, and the rest does not."""

from importlib import import_module
from typing import Any


def optional(module: str, what: str) -> Any:
    """Import a module. Raises ImportError, which names the need for it and the package to install.

    >>> optional("nonsense", "training on the moon")
    Traceback (most recent call last):
    ImportError: training on the moon needs nonsense: python -m pip install "scalar-autodiff[train]"
    """
    package = module.partition(".")[0]
    try:
        import_module(package)
        return import_module(module)
    except ImportError as error:
        raise ImportError(f'{what} needs {package}: python -m pip install "scalar-autodiff[train]"') from error
