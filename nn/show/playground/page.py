"""From the story to HTML: an element that needs nothing else, in a notebook or in a page.

Where scripts are off it is the model as a picture, and a table of its parameters. A name is text, whatever it says: it
is in JSON, and the script writes it as text. Every rule of the style sheet begins with the element's id.
"""

import json
import re
from html import escape
from importlib.resources import files
from secrets import token_hex
from string import Template
from typing import Any

from autodiff import draw
from autodiff.show.drawings.pages import AltText, still
from autodiff.show.live import engine_script
from autodiff.show.words.numbers import shortened
from autodiff.show.words.tables import Table
from autodiff.show.words.theme import Theme, scheme, variables
from nn.modules.module import Module

_ELEMENT = Template("""\
<div id="$root" data-play="$root" data-lm-suppress-shortcuts="true" role="group" aria-label="$title">
<style>
$style
</style>
<div data-part="still">
$still
</div>
<div data-part="live" style="display: none"></div>
<script type="text/plain" data-part="template">$template</script>
<script type="application/json" data-part="story">$story</script>
<script>
{
$script
}
</script>
</div>""")
_COLOURS = ("paper", "ink", "line", "frame", "frame line", "operation", "focus", "positive line", "negative line")
_MOST_ROWS = 40


def element(story: dict[str, Any], model: Module, prefix: str | None, theme: Theme) -> str:
    """The element. Raises ValueError for a prefix that is not a name."""
    root = prefix or f"ad{token_hex(5)}"
    if re.fullmatch(r"[A-Za-z][\w-]*", root, re.ASCII) is None:
        raise ValueError(f"a prefix is a letter, then letters, digits, hyphens or underscores, got {root!r}")
    scripts = [engine_script(), _file("trainer.js"), _file("play.js").replace("ROOT", root)]
    return _ELEMENT.substitute(
        root=root,
        title=escape(f"Playground: {story['model']}"),
        style=_style(root, theme),
        still=_still(story, model),
        template=_file("play.html"),
        story=json.dumps(story, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        script="\n".join(scripts),
    )


def _still(story: dict[str, Any], model: Module) -> str:
    """What is seen without scripts."""
    parameters = story["parameters"][:_MOST_ROWS]
    rows = [(parameter["name"], parameter["path"], shortened(parameter["now"])) for parameter in parameters]
    more = len(story["parameters"]) - len(rows)
    notes = [f"and {more} more"] if more else []
    table = Table("Parameters", ("name", "in the model", "now"), rows, numbers={2}, notes=notes).html()
    try:
        picture = still(draw(model).svg(), AltText("The model", story["model"], {}))
    except RuntimeError:  # nothing that is installed can draw
        return table
    return f"{picture}\n{table}"


def _style(root: str, theme: Theme) -> str:
    look = {"SCHEME": scheme("#ROOT", theme), "VARIABLES": variables(_COLOURS, theme), "ROOT": root}
    style = _file("play.css")
    for word, meant in look.items():
        style = style.replace(word, meant)
    return style.strip()


def _file(name: str) -> str:
    return (files("nn.show.playground") / name).read_text(encoding="utf-8")
