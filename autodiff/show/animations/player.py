"""From scenes to HTML: the drawing with a slider and buttons, in one element that needs nothing else.

The element stands as well in a notebook as in a page of its own. Where scripts are off, or taken out, it is a picture
of the end of the pass and the table of its steps; the script makes the controls, goes back to the start and folds the
table away. A label is text, whatever it says: in an element, or in an attribute as JSON; the script itself is always
the same but for the element's id. Every rule of the style sheet begins with that id.
"""

import json
from html import escape
from string import Template
from xml.etree import ElementTree

from autodiff.show.animations.stage import Play
from autodiff.show.drawings import svg
from autodiff.show.drawings.pages import PAGES, files_of, json_of, root_of, still, styled

HERE = "autodiff.show.animations"

_TRACK = Template("""\
<section class="track" data-track="$number" data-captions="$captions" data-words="$words" aria-label="$title">
$heading<div class="said" aria-live="polite">
<p data-part="caption">$caption</p>
<p data-part="words" hidden></p>
</div>
<figure role="group" aria-label="Drawing: $title" tabindex="0" data-whole="height" style="margin: 0">
$picture
</figure>
</section>""")


def player(play: Play, *, prefix: str | None = None, alone: bool = False) -> str:
    """The element, with a slider that moves all tracks together, which stand side by side where there is room.

    Args:
        play: the animation.
        prefix: the element's id, with which all ids in it begin; by default one that no other has.
        alone: whether the page is the animation's own: then its address may name a step, all keys are for it, and the
            picture itself stands in it, which nobody will clean.

    Raises ValueError for a prefix that is not a name.
    """
    root = root_of(prefix)
    script = files_of(PAGES, "inline.js", "zoom.js") + files_of(HERE, "player.js")
    script = script.replace("CONTROLS", json_of(files_of(HERE, "controls.html")))
    return Template(files_of(HERE, "player.html")).substitute(
        root=root,
        seconds=f"{play.seconds:g}",
        speaks=("now" if play.words else "if asked") if play.speaks else "never",
        alone=str(alone).lower(),
        title=escape(play.title),
        style=styled(files_of(PAGES, "frame.css", "zoom.css") + files_of(HERE, "player.css"), root, play.theme),
        tracks="\n".join([_track(play, i, f"{root}-{i}", alone) for i in range(len(play.tracks))]),
        tables="\n".join([track.steps._repr_html_() for track in play.tracks]),
        script=script.replace("ROOT", root).strip(),
    )


def _track(play: Play, number: int, prefix: str, alone: bool) -> str:
    track = play.tracks[number]
    captions, sentences = zip(*[(scene.caption, scene.words) for scene in track.stage.scenes], strict=True)
    titles = {str(part): title for part, title in track.stage.titles().items()}
    alt = svg.AltText(track.title, "The table below has all steps.", titles)
    picture = svg.finished(ElementTree.tostring(track.stage.element(), encoding="unicode"), prefix, alt, play.theme)
    return _TRACK.substitute(
        number=number,
        title=escape(track.title),
        heading=f"<h2>{escape(track.title)}</h2>\n" if len(play.tracks) > 1 else "",
        captions=escape(json.dumps(captions)),
        words=escape(json.dumps(sentences)),
        caption=escape(captions[-1]),
        picture=picture if alone else still(picture, alt),
    )
