"""What all elements of HTML here are made of: an id of their own, a style and a script from files, data as JSON.

In a style sheet ROOT stands for the element's id, with which every rule begins, SCHEME for the rules that make it light
or dark, VARIABLES for its colours; in a script, too, ROOT is the id.

    >>> styled("SCHEME\\n#ROOT { VARIABLES }", "mine", "dark", ["ink"])
    '#mine{color-scheme:dark}\\n#mine { --ink: #f4f4f5; }'
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from autodiff.show.drawings.svg import new_prefix
from autodiff.show.words.theme import Theme, scheme, variables

PAGES = "autodiff.show.drawings.pages"  # where the files of all elements stand: still images, zoom
COLOURS = ("paper", "ink", "line", "operation", "focus")  # of controls


def root_of(prefix: str | None) -> str:
    """The id of an element: the prefix that was asked for, or one that no other element has.

    Raises ValueError for a prefix that is not a name.
    """
    root = prefix or new_prefix()
    if re.fullmatch(r"[A-Za-z][\w-]*", root, re.ASCII) is None:
        raise ValueError(f"a prefix is a letter, then letters, digits, hyphens or underscores, got {root!r}")
    return root


@cache
def files_of(package: str, *names: str) -> str:
    """The text of files that stand in a package.

    Without the lines that are comments, and without indents, which each output would repeat.
    """
    texts = [(files(package) / name).read_text(encoding="utf-8") for name in names]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return "".join([f"{line}\n" for line in lines if line and not line.startswith("//")])


def styled(rules: str, root: str, theme: Theme, colours: Iterable[str] = COLOURS) -> str:
    """A style sheet for the element with an id, in a theme, with colours of the palette as its variables."""
    look = {"SCHEME": scheme("#ROOT", theme), "VARIABLES": variables(colours, theme), "ROOT": root}
    for word, meant in look.items():
        rules = rules.replace(word, meant)
    return rules.strip()


def json_of(data: Any) -> str:
    r"""Data as JSON that may stand in a <script> element, whatever it says.

    >>> json_of({"label": "</script>"})
    '{"label":"\\u003c/script>"}'
    """
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
