"""From scenes to HTML: the drawing with a slider and buttons, in one element that needs nothing else.

The element stands as well in a notebook as in a page of its own. Where scripts are off it is the end of the pass and
the table of its steps; the script goes back to the start, folds the table away and shows the controls. Whatever a
label says is text: in an element, or in an attribute as JSON; the script itself is always the same but for the
element's id. Every rule of the style sheet begins with that id.
"""

import json
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import NamedTuple
from xml.etree import ElementTree

from autodiff.show.animations.stage import Stage
from autodiff.show.drawings import svg
from autodiff.show.words.theme import PALETTE, Theme

_SCHEMES: dict[Theme, str] = {"auto": "light dark", "light": "light", "dark": "dark"}
_COLOURS = ("paper", "ink", "line", "operation", "focus")
_TRACK = Template("""\
<section class="track" data-track="$number" data-captions="$captions" aria-label="$title">
$heading<p class="caption" data-part="caption" aria-live="polite">$caption</p>
<figure role="group" aria-label="Drawing: $title" tabindex="0">
$picture
</figure>
</section>""")


class Track(NamedTuple):
    """One drawing of an animation: its title, its scenes laid out, and the table of its steps, in HTML."""

    title: str
    stage: Stage
    table: str


def player(
    tracks: Sequence[Track], title: str, seconds: float, theme: Theme, *, prefix: str | None = None, alone: bool = False
) -> str:
    """Return the element, with a slider that moves all tracks together.

    Args:
        tracks: the drawings, side by side where there is room.
        title: what the animation is, in words.
        seconds: how long a step is shown while it plays.
        theme: its colours.
        prefix: the element's id, which all ids in it begin with; by default one that no other has.
        alone: whether the page is the animation's own, so that its address may name a step, and all keys are for it.

    Raises ValueError for a prefix that is no name.
    """
    root = prefix or svg.new_prefix()
    if re.fullmatch(r"[A-Za-z][\w-]*", root, re.ASCII) is None:
        raise ValueError(f"a prefix is a letter, then letters, digits, hyphens or underscores, got {root!r}")
    return Template(_file("player.html")).substitute(
        root=root,
        seconds=f"{seconds:g}",
        alone=str(alone).lower(),
        title=escape(title),
        style=_style(root, theme),
        last=max([len(track.stage.scenes) for track in tracks]) - 1,
        tracks="\n".join([_track(track, i, f"{root}-{i}", len(tracks) > 1, theme) for i, track in enumerate(tracks)]),
        tables="\n".join([track.table for track in tracks]),
        script=_file("player.js").replace("ROOT", root).strip(),
    )


def page(animation: str, title: str, theme: Theme) -> str:
    """Return a page of its own for the element."""
    dark = f"body {{ background: {PALETTE['paper'][1]}; }} h1 {{ color: {PALETTE['ink'][1]}; }}"
    return Template(_file("player_page.html")).substitute(
        title=escape(title),
        animation=animation,
        scheme=_SCHEMES[theme],
        paper=PALETTE["paper"][theme == "dark"],
        ink=PALETTE["ink"][theme == "dark"],
        dark=f"@media (prefers-color-scheme: dark) {{ {dark} }}" if theme == "auto" else "",
    )


def _track(track: Track, number: int, prefix: str, several: bool, theme: Theme) -> str:
    captions = [scene.caption for scene in track.stage.scenes]
    drawn = ElementTree.tostring(track.stage.element(), encoding="unicode")
    words = "The drawing as it is at the step that is shown; the table below has all steps."
    return _TRACK.substitute(
        number=number,
        title=escape(track.title),
        heading=f"<h2>{escape(track.title)}</h2>\n" if several else "",
        captions=escape(json.dumps(captions)),
        caption=escape(captions[-1]),
        picture=svg.finished(drawn, prefix, track.title, words, track.stage.titles(), theme),
    )


def _style(root: str, theme: Theme) -> str:
    dark = f"@media (prefers-color-scheme: dark) {{ #{root} {{ {_variables('dark')} }} }}" if theme == "auto" else ""
    rules = _file("player.css").replace("SCHEME", _SCHEMES[theme]).replace("VARIABLES", _variables(theme))
    return rules.replace("DARK", dark).replace("ROOT", root).strip()


def _variables(theme: Theme) -> str:
    return " ".join([f"--{name}: {PALETTE[name][theme == 'dark']};" for name in _COLOURS])


def _file(name: str) -> str:
    return (files("autodiff.show.animations") / name).read_text(encoding="utf-8")
