"""From an element to a page of its own: one file of HTML, which needs nothing else and follows a light or dark theme.

>>> "<title>a &amp; b</title>" in page("<svg/>", "a & b")
True
"""

import os
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path

from autodiff.show.words.text import printable
from autodiff.show.words.theme import Theme, scheme, variables
from autodiff.system.files import write_whole

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{scheme}
body {{ {variables} margin: 1rem; background: var(--paper); color: var(--ink); font-family: system-ui, sans-serif; }}
h1 {{ margin: 0 0 0.75rem; font-size: 1.25rem; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{element}
</main>
</body>
</html>
"""


def page(element: str, title: str, theme: Theme = "auto") -> str:
    """A page of HTML that shows an element under its title."""
    look = {"scheme": scheme(":root", theme), "variables": variables(("paper", "ink"), theme)}
    return _PAGE.format(title=escape(printable(title)), element=element.strip(), **look)


def saved(path: str | os.PathLike[str], element: Callable[[], str], title: str, theme: Theme = "auto") -> Path:
    """Write a page that shows an element under its title to a file, and return the path.

    Raises ValueError for a name that does not end in .html, and OSError as `write_whole` does.
    """
    path = checked(path, [".html"])
    write_whole(path, page(element(), title, theme).encode())
    return path


def checked(path: str | os.PathLike[str], endings: Iterable[str]) -> Path:
    """The path of a file that is to be written, if its name ends as it must, in a directory that is there.

    >>> checked("y.txt", [".html", ".svg"])
    Traceback (most recent call last):
    ValueError: save takes a name that ends in .html or .svg, got 'y.txt'
    """
    path, endings = Path(path), list(endings)
    if path.suffix.lower() not in endings:
        named = " or ".join(filter(None, [", ".join(endings[:-1]), endings[-1]]))
        raise ValueError(f"save takes a name that ends in {named}, got {str(path)!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no directory {str(path.parent)!r} to save {path.name!r} in; make it first")
    return path
