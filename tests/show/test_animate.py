"""Animations: scenes say what the steps say, HTML and SVG hold nothing foreign, and whatever a label is, it is text."""

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

import autodiff as ad
from autodiff import Value, animate, backward_steps, draw, forward_steps
from autodiff.show.animations.animate import Animation, Passes
from autodiff.show.animations.film import motion
from autodiff.show.animations.scenes import MORE, Scene, backward_scenes, both_scenes, forward_scenes
from autodiff.show.drawings.parts import Id
from autodiff.show.drawings.reader import parts_of
from autodiff.show.words.numbers import shortened
from autodiff.show.words.theme import PALETTE, contrast
from autodiff.testing import Program, programs
from tests.examples import neuron
from tests.show.pictures import circuit, inlined, needs_png, needs_svg
from tests.show.test_steps import doubled_twice

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "<script>alert(1)</script>",
    "]]>",
    "</script><!--",
    "\"' onload='x()",
    "$title ROOT $root",
    "🙂é",
    "a\nb",
    "\x00",
]
README_FILM = Path(__file__).parents[2] / "notebooks" / "neuron.svg"
VOID = {"meta", "input", "img"}


class Reader(HTMLParser):
    """Reads HTML strictly: every element is closed where it has to be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open[-1:] == ["script"] else self.words).append(data)

    def having(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.elements if name in attributes]

    def ids(self) -> list[str]:
        return [attributes["id"] or "" for attributes in self.having("id")]


def hostile() -> Value:
    y = Value(1.0, HOSTILE[0])
    for label in HOSTILE[1:]:
        y = y * Value(2.0, label)
        y.label = label[::-1]
    return y


def readme_film() -> str:
    return animate(neuron(), words=True).svg("neuron")


def number(text: str) -> str:
    return text.removesuffix(MORE)


# --- scenes are the steps ---


@given(programs())
def test_scenes_show_the_numbers_of_backward_steps(program: Program) -> None:
    y = program(*[Value(x) for x in program.leaves])
    if not y.operands:
        return
    parts, steps = parts_of(y), backward_steps(y, 2.0)
    scenes = backward_scenes(steps, y, parts)
    assert len(scenes) == len(steps) + 2
    received: dict[Value, float] = {y: 2.0}
    for scene, step in zip(scenes[1:-1], steps, strict=True):
        received.setdefault(step.node, step.upstream)
        received |= {operand: total for (operand, _), total in zip(step.contributions, step.totals, strict=True)}
        known = {value: number(scene.grads[box]) for value, box in parts.ids.items()}
        assert known == {v: shortened(received[v]) if v in received else "not yet" for v in parts.ids}
        amounts = [scene.edges[edge].rpartition(" = ")[2] for edge in sorted(edges_of(scene))]
        assert amounts == [shortened(amount) for _, amount in step.contributions]
        assert (scene.caption, scene.words) == (str(step), step.words)
        assert parts.ids[step.node] in scene.active
        assert scene.changed == {parts.ids[operand] for operand, _ in step.contributions}
    for leaf, gradient in steps.gradients.items():
        assert scenes[-1].grads[parts.ids[leaf]] == shortened(gradient)
    assert not any(text.endswith(MORE) or text == "not yet" for text in scenes[-1].grads.values())
    assert all(scene.data == {box: shortened(value.data) for value, box in parts.ids.items()} for scene in scenes)


def edges_of(scene: Scene) -> list[Id]:
    return [part for part in scene.active if part.element == "operand"]


@given(programs())
def test_a_gradient_is_marked_as_unfinished_until_its_last_share(program: Program) -> None:
    y = program(*[Value(x) for x in program.leaves])
    if not y.operands:
        return
    parts, steps = parts_of(y), backward_steps(y)
    for i, scene in enumerate(backward_scenes(steps, y, parts)):
        later = {parts.ids[operand] for step in steps[i:] for operand, _ in step.contributions}
        marked = {box for box, text in scene.grads.items() if text.endswith(MORE)}
        assert marked == {box for box in later if scene.grads[box] != "not yet"}


@given(programs())
def test_forward_scenes_know_a_number_once_it_is_computed(program: Program) -> None:
    y = program(*[Value(x) for x in program.leaves])
    if not y.operands:
        return
    parts, steps = parts_of(y), forward_steps(y)
    scenes = forward_scenes(steps, y, parts)
    known = {parts.ids[value] for value in parts.ids if not value.operands}
    edges = {edge.id: edge.local_gradient for edge in parts.edges if edge.local_gradient}
    slopes = dict.fromkeys(edges, "")
    assert {box for box, text in scenes[0].data.items() if text != "not yet"} == known
    for scene, step in zip(scenes[1:-1], steps, strict=True):
        box = parts.ids[step.node]
        known.add(box)
        slopes |= {edge: text for edge, text in edges.items() if edge in scene.active}
        assert scene.data[box] == shortened(step.data)
        assert {box for box, text in scene.data.items() if text != "not yet"} == known
        assert scene.edges == slopes
        assert not scene.grads
    assert scenes[-1].edges == edges


@given(programs())
def test_both_passes_are_the_one_and_then_the_other(program: Program) -> None:
    y = program(*[Value(x) for x in program.leaves])
    if not y.operands:
        return
    parts = parts_of(y)
    forward = forward_scenes(forward_steps(y), y, parts)
    backward = backward_scenes(backward_steps(y), y, parts)
    both = both_scenes(forward, backward)
    turn = len(forward) - 1
    assert len(both) == len(forward) + len(backward) - 1
    for scene, there in zip(both[:turn], forward[:-1], strict=True):
        assert set(scene.grads.values()) == {"not yet"}
        assert scene._replace(grads={}) == there
    assert both[turn].caption.startswith(f"y = {shortened(y.data)}, which ends the way forward. dy/dy = 1; no other")
    assert (both[turn].grads, both[turn].changed) == (backward[0].grads, {parts.ids[y]})
    assert both[turn + 1 :] == backward[1:]
    assert both[turn].edges == forward[-1].edges


def test_depth_first_each_visit_goes_on_by_the_edges_that_are_left() -> None:
    a, c = doubled_twice()
    parts = parts_of(c)
    scenes = backward_scenes(backward_steps(c, order="depth-first"), c, parts)
    edges = [sorted(map(str, edges_of(scene))) for scene in scenes]
    assert edges == [[], ["e2-0"], ["e1-0", "e1-1"], ["e2-1"], ["e1-0", "e1-1"], []]
    assert [scene.grads[parts.ids[a]] for scene in scenes] == ["not yet", "not yet", "2 + …", "2 + …", "6", "6"]
    assert scenes[-1].caption == "End: dc/da = 6, but in topological order 4"


def test_what_gets_no_share_ends_with_zero() -> None:
    x = Value(-1.0, "x")
    y = ad.relu(x) * 2.0 + ad.where(x > 0.0, x, 3.0)
    parts = parts_of(y)
    last = backward_scenes(backward_steps(y), y, parts)[-1]
    assert last.grads[parts.ids[x]] == "0"


def test_no_gradient_is_touched_and_one_that_is_there_is_not_shown() -> None:
    y = circuit()
    before = {value: value.grad for value in parts_of(y).ids}
    animation = animate(y, 3.0, passes="backward")
    assert animation.captions[0] == "Start: dL/df = 3; no other gradient is known yet."
    assert {value: value.grad for value in before} == before


# --- HTML ---


@needs_svg
def test_plain_words_are_there_for_whoever_asks_and_shown_at_once_on_request() -> None:
    y = neuron()
    for words in (False, True):
        read = Reader(animate(y, words=words).html())
        (track,) = read.having("data-track")
        sentences = json.loads(str(track["data-words"]))
        there, back = [[step.words for step in steps(y)] for steps in (forward_steps, backward_steps)]
        assert sentences == ["", *there, "", *back, ""]
        (root,) = read.having("data-speaks")
        assert root["data-speaks"] == ("now" if words else "if asked")
        film = " ".join(ElementTree.fromstring(animate(y, words=words).svg()).itertext())
        assert ("0.635 times as far" in film) == words


@needs_svg
@pytest.mark.parametrize("passes", ["forward", "backward", "both"])
def test_the_page_parses_and_holds_nothing_from_elsewhere(passes: Passes, tmp_path: Path) -> None:
    page = animate(neuron(), passes=passes).save(tmp_path / "y.html").read_text(encoding="utf-8")
    read = Reader(page)
    assert [tag for tag, _ in read.elements if tag in ("link", "img", "iframe", "base", "object")] == []
    assert not [name for _, attributes in read.elements for name in attributes if name in ("src", "href", "srcset")]
    foreign = re.sub(r"http://www\.w3\.org/(2000/svg|1999/xlink|XML/1998/namespace)", "", page)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", foreign.replace("// ", ""))
    assert len(read.scripts) == 1


@needs_svg
def test_without_a_script_there_are_no_controls_but_a_picture_and_a_table() -> None:
    """What is left in a notebook that is not trusted, where ids, hiding and style sheets are gone, too."""
    html = animate(neuron()).html("mine")
    read = Reader(html)
    assert not {"button", "input", "label", "svg"} & {tag for tag, _ in read.elements}
    parts = {attributes["data-part"]: attributes for attributes in read.having("data-part")}
    assert "open" in parts["table"]
    assert [attributes["aria-live"] for attributes in read.having("aria-live")] == ["polite"]
    (image,) = [attributes for tag, attributes in read.elements if tag == "img"]
    assert str(image["alt"]).startswith("Forward and backward pass of y. ")
    assert "max-width: 100%" in str(image["style"])
    words = " ".join(" ".join(read.words).split())
    assert all(word in words for word in ("All steps as a table", "End: dy/dw = 1.26948"))
    assert all(shortened(step.upstream) in words for step in backward_steps(neuron()))
    assert "<svg" not in html
    assert "<svg" not in read.scripts[0]


@needs_svg
def test_the_script_makes_controls_that_are_real_and_labelled() -> None:
    (script,) = Reader(animate(neuron()).html("mine")).scripts
    (made,) = re.findall(r"innerHTML = (\".*\");", script)
    read = Reader(json.loads(made.replace(r"<\/", "</")))
    parts = {
        attributes["data-part"]: (tag, attributes) for tag, attributes in read.elements if "data-part" in attributes
    }
    assert [parts[name][0] for name in ("play", "previous", "next")] == ["button"] * 3
    assert parts["slider"][1] | {"type": "range", "min": "0", "step": "1"} == parts["slider"][1]
    words = " ".join(" ".join(read.words).split())
    assert all(word in words for word in ("Play", "Previous", "Next", "Step", "In plain words"))


@needs_svg
def test_without_a_script_the_end_of_the_pass_is_seen() -> None:
    picture = animate(neuron()).svg()
    seen = [text for text in ElementTree.fromstring(picture).iter(f"{SVG}text") if text.get("visibility") != "hidden"]
    words = {"".join(text.itertext()) for text in seen}
    assert {"1.26948", "0.31737", "End: dy/dw = 1.26948, dy/dx = 0.31737, dy/db = 0.63474"} <= words
    assert "not yet" not in words


@needs_svg
def test_each_scene_has_one_text_one_colour_for_each_box() -> None:
    y = neuron()
    y_id = draw(y).id_of(y.operands[0])  # type: ignore[arg-type]
    root = ElementTree.fromstring(first_svg(animate(y, passes="backward").html("p")))
    (group,) = [element for element in root.iter(f"{SVG}g") if element.get("id") == f"p-0-{y_id}"]
    for scene in range(5):
        shown = [x for x in group if int(x.get("data-from", 0)) <= scene <= int(x.get("data-to", 9))]
        texts = [x.text for x in shown if x.tag == f"{SVG}text"]
        assert texts == ["v2", "data", "grad", "0.7", "not yet" if scene == 0 else "0.63474"]
        fills = [x for x in shown if x.tag == f"{SVG}polygon" and "data-highlight" not in x.attrib]
        assert len(fills) == 1
        highlights = [x.get("data-highlight") for x in shown if "data-highlight" in x.attrib]
        assert highlights == {1: ["changed"], 2: ["active"]}.get(scene, [])


def first_svg(html: str) -> str:
    html = inlined(html)
    return html[html.index("<svg") : html.index("</svg>") + 6]


@needs_svg
def test_two_animations_on_one_page_share_no_id_and_no_rule() -> None:
    animation = animate(doubled_twice()[1], order="depth-first")
    one, other = inlined(animation.html()), inlined(animation._repr_html_())
    ids = Reader(one + other).ids()
    assert len(set(ids)) == len(ids) > 20
    for html in (one, other):
        root = Reader(html).ids()[0]
        assert all(name.startswith(root) for name in Reader(html).ids())
        (sheet, *_) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
        rules = re.findall(r"([^{};]+)\{", re.sub(r"@media[^{]*", "", sheet))
        assert rules
        assert all(f"#{root}" in rule for rule in rules if rule.strip())
        labelled = [name for x in Reader(html).having("aria-labelledby") for name in str(x["aria-labelledby"]).split()]
        assert set(labelled) <= set(Reader(html).ids())


@needs_svg
@pytest.mark.parametrize("passes", ["forward", "backward", "both"])
def test_hostile_labels_are_inert(passes: Passes, tmp_path: Path) -> None:
    animation = animate(hostile(), passes=passes, words=True)
    calm = Reader(animate(neuron()).save(tmp_path / "calm.html").read_text(encoding="utf-8"))
    read = Reader(animation.save(tmp_path / "hostile.html").read_text(encoding="utf-8"))
    roots = [next(str(x["id"]) for x in r.having("data-animation")) for r in (calm, read)]
    assert calm.scripts[0].replace(roots[0], "") == read.scripts[0].replace(roots[1], "")
    assert {tag for tag, _ in read.elements} <= {tag for tag, _ in calm.elements} | {"ellipse", "path", "polygon"}
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    (track,) = read.having("data-track")
    assert json.loads(str(track["data-captions"])) == animation.captions
    assert any(HOSTILE[0] in caption for caption in animation.captions)
    root = ElementTree.fromstring(animation.svg())
    assert not list(root.iter(f"{SVG}script"))
    assert any(HOSTILE[0] in "".join(text.itertext()) for text in root.iter(f"{SVG}text"))


@needs_svg
def test_a_prefix_is_a_name() -> None:
    with pytest.raises(ValueError, match="a prefix is a letter"):
        animate(neuron()).html('"><script>')


@pytest.mark.parametrize("dark", [0, 1])
def test_what_is_written_can_be_read(dark: int) -> None:
    colours = {name: pair[dark] for name, pair in PALETTE.items()}
    for ink, paper in [
        ("ink", "paper"),
        ("ink", "operation"),
        ("focus", "paper"),
        ("focus", "frame"),
        ("ink", "frame"),
    ]:
        assert contrast(colours[ink], colours[paper]) >= 4.5


# --- the SVG that moves ---


@needs_svg
@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_the_film_is_xml_without_script_whose_elements_all_have_their_motion(theme: str, tmp_path: Path) -> None:
    animation = animate(doubled_twice()[1], order="depth-first", theme=theme, seconds=0.5)  # type: ignore[arg-type]
    root = ElementTree.fromstring(animation.save(tmp_path / "c.svg").read_bytes())
    assert not list(root.iter(f"{SVG}script"))
    sheet = "".join([style.text or "" for style in root.iter(f"{SVG}style")])
    moving = [element for element in root.iter() if "data-from" in element.attrib]
    assert moving
    assert all(f".{element.get('class')}{{" in sheet for element in moving)
    assert "@media (prefers-reduced-motion:reduce){.ad-film *{animation:none!important}}" in sheet
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(set(ids)) == len(ids)
    titles = {element.text for element in root.iter(f"{SVG}title")}
    assert {"Backward pass of c", "value b: data 6"} <= titles
    text = [" ".join("".join(x.itertext()).split()) for x in root.iter(f"{SVG}text")]
    assert any("Step 2 of 4: b = a + a = 6, dc/db = 1" in line for line in text)


@needs_svg
def test_the_film_in_the_readme_is_that_of_its_neuron() -> None:
    """Made anew by `python -m tests.show.test_animate`."""
    for tag in ("text", "title", "style"):  # places depend on fonts
        kept, made = [
            ["".join(x.itertext()) for x in ElementTree.fromstring(film).iter(f"{SVG}{tag}")]
            for film in (README_FILM.read_text(encoding="utf-8"), readme_film())
        ]
        assert sorted(kept) == sorted(made), tag


def test_what_is_seen_to_the_end_stays_and_the_rest_is_hidden_again() -> None:
    name, rule = motion(1, 1, scenes=3, seconds=2.0)
    frames = "0%{visibility:hidden}20.0000%{visibility:visible}40.0000%{visibility:hidden}100%{visibility:hidden}"
    assert rule == f"@keyframes {name}{{{frames}}}.{name}{{animation:{name} 10s step-end infinite}}"
    assert motion(2, 2, scenes=3, seconds=2.0)[1].count("hidden") == 1


@needs_png
def test_a_png_is_the_end_of_the_pass(tmp_path: Path) -> None:
    assert animate(neuron()).save(tmp_path / "y.png").read_bytes().startswith(b"\x89PNG")


# --- in a notebook and at a prompt ---


@needs_svg
def test_a_notebook_gets_the_animation_and_the_table_in_text() -> None:
    bundle = animate(neuron())._repr_mimebundle_()
    assert {"text/html", "text/plain"} <= set(bundle) <= {"text/html", "image/png", "text/plain"}
    assert bundle["text/plain"] == f"{forward_steps(neuron())}\n\n{backward_steps(neuron())}"
    assert "<script>{" in bundle["text/html"]


@pytest.mark.usefixtures("no_renderer")
def test_where_nothing_draws_the_steps_are_there_and_what_to_install() -> None:
    animation = animate(neuron())
    bundle = animation._repr_mimebundle_()
    assert "pip install" in bundle["text/plain"]
    assert "<table" in bundle["text/html"]
    assert "pip install" in animation._repr_html_()
    with pytest.raises(RuntimeError, match="pip install"):
        animation.html()


def test_it_says_in_one_line_what_it_is() -> None:
    _, c = doubled_twice()
    assert isinstance(animate(c), Animation)
    assert repr(animate(c)) == "Animation(forward and backward pass of c: 4 steps)"
    assert repr(animate(c, passes="backward")) == "Animation(backward pass of c: 2 steps)"
    assert repr(animate(c, passes="forward")) == "Animation(forward pass of c: 2 steps)"
    c.label = "c\nd"
    assert "\n" not in repr(animate(c))


# --- what is refused ---


@pytest.mark.parametrize("wrong", [3.0, "y", None, [Value(1.0)], lambda x: x])
def test_what_is_no_value_is_refused(wrong: object) -> None:
    with pytest.raises(TypeError, match="animate takes a Value"):
        animate(wrong)  # type: ignore[arg-type]


def test_wrong_choices_are_refused_and_the_right_ones_named() -> None:
    y = neuron()
    with pytest.raises(ValueError, match="the leaf Value"):
        animate(Value(1.0))
    with pytest.raises(ValueError, match="order is 'topological' or 'depth-first', got 'breadth-first'"):
        animate(y, order="breadth-first")  # type: ignore[arg-type]
    for passes in ("forward", "both"):
        with pytest.raises(ValueError, match="order is of the backward pass alone; leave out passes="):
            animate(y, order="depth-first", passes=passes)
    with pytest.raises(ValueError, match="passes is 'forward', 'backward' or 'both', got 'there'"):
        animate(y, passes="there")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="direction is 'LR' or 'TB'"):
        animate(y, direction="BT")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="theme is"):
        animate(y, theme="blue")  # type: ignore[arg-type]
    for seconds in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="a positive number"):
            animate(y, seconds=seconds)
    with pytest.raises(ValueError, match="save takes a name that ends in"):
        animate(y).save("y.gif")


@pytest.mark.parametrize("length", [101, 100_000])
def test_large_graphs_are_refused_at_once_with_what_to_do(length: int) -> None:
    y = Value(1.0)
    for _ in range(length):
        y = y * 1.0
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"at most 200 boxes, this one has [\d,]+ or more; animate a Value inside it"):
        animate(y)
    assert time.perf_counter() - start < 5.0


def test_too_many_steps_depth_first_are_refused() -> None:
    y = Value(1.0)
    for _ in range(11):
        y = y + y
    with pytest.raises(ValueError, match=r"at most 1,000 steps, depth-first there are [\d,]+ here"):
        animate(y, order="depth-first")


@needs_svg
@settings(max_examples=10, deadline=None)
@given(programs())
def test_every_program_becomes_xml_and_html(program: Program) -> None:
    y = program(*[Value(x) for x in program.leaves])
    if y.operands and len(parts_of(y).boxes) <= 50:
        ElementTree.fromstring(animate(y).svg())
        Reader(animate(y, passes="forward", direction="TB").html())


@needs_svg
def test_each_track_of_a_film_shows_its_last_scene_until_the_longest_ends() -> None:
    root = ElementTree.fromstring(animate(doubled_twice()[1], order="depth-first").svg())
    lasts = [
        [int(number) for number in re.findall(r"ad-\d+-(\d+)-of-(\d+)", text.get("class", ""))[0]]
        for text in root.iter(f"{SVG}text")
        if "data-from" in text.attrib and text.get("visibility") != "hidden"
    ]
    assert len(lasts) >= 2
    assert all(last + 1 == scenes for last, scenes in lasts)
    ends = {int(text.get("data-to", 0)) for text in root.iter(f"{SVG}text") if text.get("visibility") != "hidden"}
    assert len(ends) > 1  # of different lengths


if __name__ == "__main__":
    README_FILM.write_text(readme_film(), encoding="utf-8")
