"""From scenes to HTML: the drawing with a slider and buttons, in one element that needs nothing else.

The element stands as well in a notebook as in a page of its own. Where scripts are off it is the end of the pass and
the table of its steps; the script goes back to the start, folds the table away and shows the controls. A label is
text, whatever it says: in an element, or in an attribute as JSON; the script itself is always the same but for the
element's id. Every rule of the style sheet begins with that id.
"""

import json
import re
from html import escape
from importlib.resources import files
from string import Template
from xml.etree import ElementTree

from autodiff.show.animations.stage import Play
from autodiff.show.drawings import svg
from autodiff.show.words.theme import PALETTE, Theme

_SCHEMES: dict[Theme, str] = {"auto": "light dark", "light": "light", "dark": "dark"}
_COLOURS = ("paper", "ink", "line", "operation", "focus")
_SPEAKING = """\
<label class="speaking"><input type="checkbox" data-part="speaking"$checked autocomplete="off"> In plain words</label>
"""
_TRACK = Template("""\
<section class="track" data-track="$number" data-captions="$captions" data-words="$words" aria-label="$title">
$heading<div class="said" aria-live="polite">
<p class="caption" data-part="caption">$caption</p>
<p class="caption" data-part="words" hidden></p>
</div>
<figure role="group" aria-label="Drawing: $title" tabindex="0">
$picture
</figure>
</section>""")


def player(play: Play, *, prefix: str | None = None, alone: bool = False) -> str:
    """The element, with a slider that moves all tracks together, which stand side by side where there is room.

    Args:
        play: the animation.
        prefix: the element's id, with which all ids in it begin; by default one that no other has.
        alone: whether the page is the animation's own, so that its address may name a step, and all keys are for it.

    Raises ValueError for a prefix that is not a name.
    """
    root = prefix or svg.new_prefix()
    if re.fullmatch(r"[A-Za-z][\w-]*", root, re.ASCII) is None:
        raise ValueError(f"a prefix is a letter, then letters, digits, hyphens or underscores, got {root!r}")
    return Template(_file("player.html")).substitute(
        root=root,
        seconds=f"{play.seconds:g}",
        alone=str(alone).lower(),
        title=escape(play.title),
        style=_style(root, play.theme),
        last=play.last,
        speaking=_SPEAKING.replace("$checked", " checked" * play.words) if play.speaks else "",
        tracks="\n".join([_track(play, i, f"{root}-{i}") for i in range(len(play.tracks))]),
        tables="\n".join([track.steps._repr_html_() for track in play.tracks]),
        script=_file("player.js").replace("ROOT", root).strip(),
    )


def page(animation: str, title: str, theme: Theme) -> str:
    """A page of its own for the element."""
    dark = f"body {{ background: {PALETTE['paper'][1]}; }} h1 {{ color: {PALETTE['ink'][1]}; }}"
    return Template(_file("player_page.html")).substitute(
        title=escape(title),
        animation=animation,
        scheme=_SCHEMES[theme],
        paper=PALETTE["paper"][theme == "dark"],
        ink=PALETTE["ink"][theme == "dark"],
        dark=f"@media (prefers-color-scheme: dark) {{ {dark} }}" if theme == "auto" else "",
    )


def _track(play: Play, number: int, prefix: str) -> str:
    track = play.tracks[number]
    captions, sentences = zip(*[(scene.caption, scene.words) for scene in track.stage.scenes], strict=True)
    drawn = ElementTree.tostring(track.stage.element(), encoding="unicode")
    titles = {str(part): title for part, title in track.stage.titles().items()}
    description = "The drawing as it is at the step that is shown; the table below has all steps."
    return _TRACK.substitute(
        number=number,
        title=escape(track.title),
        heading=f"<h2>{escape(track.title)}</h2>\n" if len(play.tracks) > 1 else "",
        captions=escape(json.dumps(captions)),
        words=escape(json.dumps(sentences)),
        caption=escape(captions[-1]),
        picture=svg.finished(drawn, prefix, svg.AltText(track.title, description, titles), play.theme),
    )


def _style(root: str, theme: Theme) -> str:
    dark = f"@media (prefers-color-scheme: dark) {{ #{root} {{ {_variables('dark')} }} }}" if theme == "auto" else ""
    rules = _file("player.css").replace("SCHEME", _SCHEMES[theme]).replace("VARIABLES", _variables(theme))
    return rules.replace("DARK", dark).replace("ROOT", root).strip()


def _variables(theme: Theme) -> str:
    return " ".join([f"--{name}: {PALETTE[name][theme == 'dark']};" for name in _COLOURS])


def _file(name: str) -> str:
    return (files("autodiff.show.animations") / name).read_text(encoding="utf-8")
