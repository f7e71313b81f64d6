"""From the story to HTML: an element that needs nothing else, in a notebook or in a page.

Where scripts are off it is the model as a picture, and a table of its parameters. A name is text, whatever it says: it
is in JSON, and the script writes it as text. Every rule of the style sheet begins with the element's id.
"""

from html import escape
from string import Template
from typing import Any

from autodiff import draw
from autodiff.show.drawings.pages import AltText, files_of, json_of, root_of, still, styled
from autodiff.show.live import engine_script
from autodiff.show.words.numbers import shortened
from autodiff.show.words.tables import Table
from autodiff.show.words.theme import Theme
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
_HERE = "nn.show.playground"


def element(story: dict[str, Any], model: Module, prefix: str | None, theme: Theme) -> str:
    """The element. Raises ValueError for a prefix that is not a name."""
    root = root_of(prefix)
    script = engine_script() + files_of(_HERE, "trainer.js", "play.js")
    return _ELEMENT.substitute(
        root=root,
        title=escape(f"Playground: {story['model']}"),
        style=styled(files_of(_HERE, "play.css"), root, theme, _COLOURS),
        still=_still(story, model),
        template=files_of(_HERE, "play.html"),
        story=json_of(story),
        script=script.replace("ROOT", root).strip(),
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
