"""The engine: the script that runs a program in a page, alone or beside others.

It defines one function, `autodiffEngine`, and fetches nothing.

    >>> "</" in engine_script()
    False
"""

from functools import cache
from importlib.resources import files


@cache
def engine_script() -> str:
    """The text of engine.js, for a <script> element or a module."""
    return (files("autodiff.show.live") / "engine.js").read_text(encoding="utf-8")
