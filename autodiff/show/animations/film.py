"""From scenes to a picture that moves by itself: an animated SVG, without a script, for wherever pictures are shown.

Each element of a stage has an animation of its `visibility`, by CSS. Readers who prefer reduced motion, and viewers
without animations, see the end of the pass; the pointer on the picture halts it where it is part of a page. The names
of animations say all that they do, so that films on one page leave each other alone.

    >>> motion(1, 2, scenes=3, seconds=2.0)[0]
    'ad-1-2-of-3-2000ms'
"""

import textwrap
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from autodiff.show.animations.stage import FROM, TO, Play, Track
from autodiff.show.drawings.svg import NAMESPACE, own_ids
from autodiff.show.words.text import printable
from autodiff.show.words.theme import FONTS, Theme, colour

HOLD = 2  # steps' time more for the last scene, before it all begins again
_NARROWEST, _MARGIN, _LINE, _CHARACTER = 400.0, 10.8, 15.0, 6.9  # points; the width of a character of text, on average
_SIZE = "11"


def film(play: Play) -> str:
    """An <svg> element: the tracks one above the other, each with its steps in words below it."""
    tracks, theme = play.tracks, play.theme
    root = Element(f"{{{NAMESPACE}}}svg", {"class": "ad-film"})
    sheet = SubElement(root, f"{{{NAMESPACE}}}style")
    paper = SubElement(root, f"{{{NAMESPACE}}}rect", {"fill": colour("paper", theme)})
    pictures = [_named(track.stage.element(), _prefix(i)) for i, track in enumerate(tracks)]
    wide = max([_NARROWEST, *[_size(picture)[0] for picture in pictures]])
    high = _MARGIN / 2
    for track, picture in zip(tracks, pictures, strict=True):
        if len(tracks) > 1:
            _write(root, [track.title], high, theme).set("font-weight", "bold")
            high += _LINE + _MARGIN / 2
        _place(root, picture, high)
        high += _size(picture)[1]
        high += _captions(root, track, high, wide, play)
    for name, number in {"width": wide, "height": high}.items():
        root.set(name, f"{number:.2f}pt")
        paper.set(name, f"{number:.2f}")
    root.set("viewBox", f"0 0 {wide:.2f} {high:.2f}")
    sheet.text = _moved(root, play.last + 1, play.seconds)
    return tostring(root, encoding="unicode")


def titles(tracks: Sequence[Track]) -> dict[str, str]:
    """The titles of all elements, by their ids in a film."""
    return {
        f"{_prefix(i)}-{part}": words for i, track in enumerate(tracks) for part, words in track.stage.titles().items()
    }


def _prefix(track: int) -> str:
    """The beginning of the ids in a track: the same part is in several."""
    return f"t{track}"


# --- places ---


def _named(picture: Element, prefix: str) -> Element:
    for element in picture.iter():
        own_ids(element, prefix)
    return picture


def _size(picture: Element) -> tuple[float, float]:
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    return width, height


def _place(root: Element, picture: Element, y: float) -> None:
    width, height = _size(picture)
    picture.attrib |= {"x": "0", "y": f"{y:.2f}", "width": f"{width:.2f}", "height": f"{height:.2f}"}
    root.append(picture)


def _captions(root: Element, track: Track, y: float, wide: float, play: Play) -> float:
    """Write the caption of each scene at the same place, and return the height that this takes."""
    scenes = track.stage.scenes
    most = int((wide - 2 * _MARGIN) / _CHARACTER)
    written = []
    for i, scene in enumerate(scenes):
        number = f"Step {i} of {len(scenes) - 2}: " if 0 < i < len(scenes) - 1 else ""
        said = [number + scene.caption, *[scene.words] * bool(play.words and scene.words)]
        lines = [line for text in said for line in textwrap.wrap(printable(text), most) or [""]]
        element = _write(root, lines, y, play.theme)
        element.attrib |= {FROM: str(i), TO: str(i)} | ({"visibility": "hidden"} if i + 1 < len(scenes) else {})
        written.append(len(lines))
    return max(written) * _LINE + _MARGIN


def _write(root: Element, lines: Iterable[str], y: float, theme: Theme) -> Element:
    look = {"font-family": FONTS, "font-size": _SIZE, "fill": colour("ink", theme)}
    text = SubElement(root, f"{{{NAMESPACE}}}text", look)
    for i, line in enumerate(lines, 1):
        place = {"x": str(_MARGIN), "y": f"{y + i * _LINE:.2f}"}
        SubElement(text, f"{{{NAMESPACE}}}tspan", place).text = line
    return text


# --- motion ---


def _moved(root: Element, scenes: int, seconds: float) -> str:
    """Give each element that is shown in turn the class that does so, and return the rules of these classes."""
    rules = {}
    for element in root.iter():
        if FROM in element.attrib:
            first, last = int(element.attrib[FROM]), int(element.attrib[TO])
            name, rule = motion(first, scenes - 1 if _is_last(element) else last, scenes, seconds)
            element.set("class", name)
            rules[name] = rule
    still = ".ad-film *{animation:none!important}"
    return (
        f"{''.join(rules.values())}.ad-film:hover *{{animation-play-state:paused}}"
        f"@media (prefers-reduced-motion:reduce){{{still}}}"
    )


def _is_last(element: Element) -> bool:
    """Whether an element belongs to its track's last scene, which stays until the longest track ends."""
    return element.get("visibility") != "hidden"


def motion(first: int, last: int, scenes: int, seconds: float) -> tuple[str, str]:
    """The name of a class, and the CSS that shows it from one scene to another, over and over."""
    name = f"ad-{first}-{last}-of-{scenes}-{1000 * seconds:.0f}ms"
    whole = scenes + HOLD
    frames = "0%{visibility:hidden}" if first else ""
    frames += f"{100 * first / whole:.4f}%{{visibility:visible}}"
    if last + 1 < scenes:
        frames += f"{100 * (last + 1) / whole:.4f}%{{visibility:hidden}}"
    frames += f"100%{{visibility:{'hidden' if last + 1 < scenes else 'visible'}}}"
    rule = f".{name}{{animation:{name} {whole * seconds:g}s step-end infinite}}"
    return name, f"@keyframes {name}{{{frames}}}{rule}"
