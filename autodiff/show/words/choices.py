"""Choices among a few words, as arguments have them."""

from collections.abc import Mapping
from typing import Any, get_args

from autodiff.show.words.theme import Theme

__all__ = ["check_choice", "check_theme"]


def check_choice(name: str, given: object, choices: Any, meanings: Mapping[str, str] | None = None) -> None:
    """Raise ValueError unless an argument is one of the choices of a Literal; the error says what they mean.

    >>> check_choice("theme", "blue", Theme)
    Traceback (most recent call last):
    ValueError: theme is 'auto', 'light' or 'dark', got 'blue'
    """
    known = get_args(choices)
    if given not in known:
        said = [f"{choice!r} ({meanings[choice]})" if meanings else repr(choice) for choice in known]
        raise ValueError(f"{name} is {', '.join(said[:-1])} or {said[-1]}, got {given!r}")


def check_theme(given: object) -> None:
    """Raise ValueError for a theme that there is not."""
    check_choice("theme", given, Theme)
