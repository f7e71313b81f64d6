"""From an element to a page of its own: one file of HTML, which needs nothing else and follows a light or dark theme.

>>> "<title>a &amp; b</title>" in page("<svg/>", "a & b")
True
"""

from html import escape

from autodiff.show.words.text import printable
from autodiff.show.words.theme import Theme, scheme, variables

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
