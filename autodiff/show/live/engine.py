"""The engine: the script that runs a program in a page, alone or beside others.

It defines one function, `autodiffEngine`, and fetches nothing.

    >>> "</" in engine_script()
    False
"""

from autodiff.show.drawings.pages import files_of


def engine_script() -> str:
    """The text of engine.js, for a <script> element or a module."""
    return files_of("autodiff.show.live", "engine.js")
