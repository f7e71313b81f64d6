"""Folded boxes open in place: everything makes room, nothing overlaps, order stays, and closing brings all back."""

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from autodiff import Value, draw, record_source
from autodiff.show.drawings.parts import Parts
from autodiff.show.drawings.reader import MOST_IN_ALL, MOST_IN_ONE
from autodiff.show.folding.fold import Request, folded
from autodiff.show.folding.insides import Inside, insides
from autodiff.show.folding.wiring import CONSTANT
from tests.show import browser as browsers
from tests.show.browser import Browser
from tests.show.pictures import SVG, needs_svg


def network(inputs: int = 4, width: int = 8) -> Value:
    model = nn.MLP(inputs, [width, width, 1], seed=0)
    with record_source():
        loss = nn.mse([model([float(i + 1) for i in range(inputs)])], [1.0])
    loss.backward()
    return loss


def drawing(loss: Value | None = None) -> Any:
    return draw(network() if loss is None else loss, max_nodes=30, depth=1)


def each(parts: Parts) -> Iterator[Parts]:
    for inside in parts.insides.values():
        yield inside
        yield from each(inside)


# --- what is in a fold ---


def assert_whole(inside: Inside, around: Any, members: list[int]) -> None:
    """The inside has each member once, and each operand of a member is that member or a port."""
    wiring = inside.folding.wiring
    assert set(inside.ports) == set(range(len(inside.ports)))
    own = wiring.nodes[len(inside.ports) :]
    assert [id(node) for node in own] == [id(around.nodes[i]) for i in members]
    for node, operands in zip(own, wiring.operands[len(inside.ports) :], strict=True):
        for operand, number in zip(node.operands, operands, strict=True):
            assert (number == CONSTANT) == (type(operand) is float)
            if number >= len(inside.ports):
                assert wiring.nodes[number] is operand
    assert all(wiring.operands[port] == () for port in inside.ports)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.booleans()), min_size=30, max_size=120))
def test_an_inside_has_all_members_of_its_group_and_nothing_else(steps: list[tuple[int, int, bool]]) -> None:
    nodes = [Value(0.5, "x"), Value(1.5, "c")]
    for one, other, is_sum in steps:
        a, b = nodes[one % len(nodes)], nodes[other % len(nodes)]
        nodes.append(a + b if is_sum else a * b)
    folding = folded([nodes[-1]], Request(max_nodes=8))
    for group, inside in zip(folding.groups, insides(folding, 30), strict=True):
        if inside is not None:
            assert_whole(inside, folding.wiring, group.members)
            shown = inside.folding.group.count(None) + len(inside.folding.groups)
            assert shown <= 30 + len(inside.ports)


def test_modules_open_one_level_at_a_time() -> None:
    parts = drawing()._parts
    titles = {box.id: box.label.split("\n")[0] for box in parts.boxes}
    assert [titles[fold] for fold in parts.insides] == ["layers.0", "layers.1", "layers.2"]
    first = next(iter(parts.insides.values()))
    assert {box.label.split("\n")[0] for box in first.boxes if box.kind == "fold"} == {f"neurons.{i}" for i in range(8)}
    neuron = next(iter(first.insides.values()))
    assert not [box for box in neuron.boxes if box.kind == "fold"]
    assert "w0" in {box.label for box in neuron.boxes}


def test_what_comes_from_without_is_a_port_with_its_name() -> None:
    parts = drawing()._parts
    last = list(parts.insides.values())[-1]
    ports = [box for box in last.boxes if box.kind == "port"]
    assert len(ports) == 8
    assert {port.label.split("\n")[0] for port in ports} == {"layers.1"}
    assert not any(port.grad or port.data for port in ports)
    assert not {mark.result for mark in last.marks} & {port.id for port in ports}


def test_insides_are_few_and_a_drawing_that_is_not_folded_has_none() -> None:
    parts = drawing()._parts
    assert sum(len(inside.boxes) + len(inside.marks) for inside in each(parts)) <= MOST_IN_ALL
    assert max(len(inside.boxes) for inside in each(parts)) <= 2 * MOST_IN_ONE
    assert not draw(Value(1.0) * 2.0)._parts.insides
    x = Value(1.0)
    y = x
    for _ in range(5_000):  # one fold that would be as large inside
        y = y * 1.001
    assert not draw(y)._parts.insides


def test_numbers_in_a_fold_are_those_of_the_moment_of_drawing() -> None:
    loss = network()
    before = drawing(loss)
    texts = [[box.data for box in inside.boxes] for inside in each(before._parts)]
    for node in [loss, *loss.operands]:
        if isinstance(node, Value):
            node.data = 99.0
    assert [[box.data for box in inside.boxes] for inside in each(before._parts)] == texts


# --- in the file ---


@needs_svg
def test_only_html_holds_the_insides_and_stays_small() -> None:
    graph = drawing()
    bundle = graph._repr_mimebundle_()
    assert "opened" not in bundle["image/svg+xml"]
    assert len(bundle["text/html"]) < 130_000
    insides = ElementTree.fromstring(graph._insides("p"))
    ids = [element.attrib["id"] for element in insides.iter() if "id" in element.attrib]
    assert len(set(ids)) == len(ids) > 300
    known = {*ids, *re.findall(r'id="(p-[^"]+)"', graph.svg("p"))}
    for element in insides.iter():
        for name in ("data-tail", "data-head", "data-of"):
            assert element.get(name, ids[0]) in known
        assert not [name for name in element.attrib if name.startswith("on") or "href" in name]
    tags = {element.tag.removeprefix(SVG) for element in insides.iter()}
    assert tags <= set("svg g title path polygon polyline ellipse text rect".split())


# --- in the page ---


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose layers are folded, and their neurons in them."""
    return drawing().save(tmp_path_factory.mktemp("page") / "network.html")


def opened(browser: Browser, path: Path, width: int = 1100, scheme: browsers.Scheme = "light") -> None:
    browser.open(path, width, scheme)
    assert browser.until("return document.querySelector('[data-opens]') !== null")


def click(browser: Browser, selector: str, number: int = 0) -> None:
    event = "new MouseEvent('click', {bubbles: true})"
    browser.run(f"document.querySelectorAll(arguments[0])[arguments[1]].dispatchEvent({event})", selector, number)


PLACES = """
const seen = [...document.querySelectorAll('g.node, g.bar')].filter(g => g.getBoundingClientRect().width > 0);
return seen.map(g => {
    const r = g.getBoundingClientRect();
    const within = [];
    for (let e = g.parentElement; e; e = e.parentElement) if (e.classList.contains('opened')) within.push(e.id);
    return {id: g.id || g.parentElement.id, bar: g.classList.contains('bar'), within,
            rect: [r.left, r.top, r.right, r.bottom]};
});
"""
WRITTEN = "return document.querySelector('[data-drawing] svg').outerHTML"


def assert_in_place(browser: Browser) -> None:
    """No two boxes of one graph overlap, and each is inside of the box that was opened around it."""
    places = browser.run(PLACES)
    frames = {place["id"]: place["rect"] for place in places if place["bar"]}
    for place in places:
        around = [frames[name] for name in place["within"][bool(place["bar"]) :]]
        left, top, right, bottom = place["rect"]
        for outer in around:
            assert outer[0] - 1 <= left
            assert outer[1] - 1 <= top
            assert right <= outer[2] + 1
            assert bottom <= outer[3] + 1
    for one, other in combinations(places, 2):
        if one["within"][bool(one["bar"]) :] == other["within"][bool(other["bar"]) :]:
            a, b = one["rect"], other["rect"]
            across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            assert across <= 1.5 or down <= 1.5, (one["id"], other["id"])


TIPS = """
return [...document.querySelectorAll('g.edge[data-head]')].filter(g => g.getBoundingClientRect().width > 0).map(g => {
    const head = document.getElementById(g.dataset.head);
    const seen = head.getBoundingClientRect().width > 0 ? head
        : document.querySelector(`[data-of="${head.id}"] > .bar`);
    const polygon = g.querySelector('polygon').getBoundingClientRect();
    const path = g.querySelector('path').getBoundingClientRect();
    const box = seen.getBoundingClientRect();
    const apart = Math.max(box.left - polygon.right, polygon.left - box.right,
                           box.top - polygon.bottom, polygon.top - box.bottom);
    const gap = Math.max(path.left - polygon.right, polygon.left - path.right,
                         path.top - polygon.bottom, polygon.top - path.bottom);
    return [apart, gap, polygon.width, polygon.height];
});
"""


def assert_joined(browser: Browser) -> None:
    """Each arrow ends at its box, and its tip is as small as ever."""
    scale = browser.run("return document.querySelector('[data-drawing] svg').getScreenCTM().a")
    tips = browser.run(TIPS)
    assert tips
    for apart, gap, width, height in tips:
        assert apart <= 3 * scale
        assert gap <= 1
        assert max(width, height) <= 14 * scale


@needs_svg
def test_boxes_open_in_any_order_and_nested_without_overlap(browser: Browser, page: Path) -> None:
    opened(browser, page)
    before = browser.run(WRITTEN)
    assert_in_place(browser)
    assert_joined(browser)
    places = {place["id"] for place in browser.run(PLACES)}
    click(browser, ".fold.opens", 2)
    click(browser, ".fold.opens", 0)
    assert_in_place(browser)
    assert_joined(browser)
    click(browser, ".opened .fold.opens", 0)
    click(browser, ".opened .fold.opens", 3)
    assert_in_place(browser)
    assert_joined(browser)
    assert len(browser.run(PLACES)) > len(places) + 30
    assert browser.run("return document.querySelectorAll('.opened .opened[display=inline]').length") == 2
    while browser.run("return document.querySelectorAll('.opened[display=inline] > .bar').length"):
        click(browser, ".opened[display=inline] > .bar")
    assert {place["id"] for place in browser.run(PLACES)} == places
    attributes = r'(?<= )(?:d|points|x|y|transform|width|height)="([^"]*)"'
    was, now = [
        re.findall(attributes, written.split('class="opened"')[0]) for written in (before, browser.run(WRITTEN))
    ]
    assert was == now


@needs_svg
def test_order_stays_and_distances_never_shrink(browser: Browser, page: Path) -> None:
    opened(browser, page)
    middles = """
        const box = document.querySelector('svg').getScreenCTM().inverse();
        return [...document.querySelectorAll('g.graph:not(.opened g) > g.node')].map(g => {
            const r = (g.getAttribute('display') === 'none' ? document.querySelector(`[data-of="${g.id}"] > .bar`) : g)
                .getBoundingClientRect();
            const p = new DOMPoint((r.left + r.right) / 2, (r.top + r.bottom) / 2).matrixTransform(box);
            return [p.x, p.y];
        });
    """
    before = browser.run(middles)
    click(browser, ".fold.opens", 1)
    after = browser.run(middles)
    for (a, b), (c, d) in zip(combinations(before, 2), combinations(after, 2), strict=True):
        for axis in (0, 1):
            was, now = b[axis] - a[axis], d[axis] - c[axis]
            assert now >= was - 0.6 if was > 0.5 else now <= was + 0.6 if was < -0.5 else abs(now) < 1.5


@needs_svg
def test_letters_keep_their_size_and_the_box_its_place_when_it_opens(browser: Browser, page: Path) -> None:
    opened(browser, page, 900)
    size = "return document.querySelector('[data-drawing] svg').getScreenCTM().a"
    was = browser.run(size)
    place = "const r = document.querySelectorAll(arguments[0])[0].getBoundingClientRect(); return [r.left, r.top]"
    corner = browser.run(place, ".fold.opens")
    click(browser, ".fold.opens")
    assert browser.run(size) == pytest.approx(was, rel=0.01)
    assert browser.run(place, ".opened[display=inline] > .bar")[0] == pytest.approx(corner[0], abs=3)
    click(browser, ".opened[display=inline] > .bar")
    assert browser.run(size) == pytest.approx(was, rel=0.01)
    assert browser.run("return document.querySelector('[data-drawing]').dataset.zoom") == "whole"


@needs_svg
def test_keys_open_and_close_and_the_focus_stays_where_they_were_pressed(browser: Browser, page: Path) -> None:
    from selenium.webdriver import ActionChains, Keys

    opened(browser, page)
    focused = "const e = document.activeElement; return [e.getAttribute('role'), e.getAttribute('aria-expanded'),"
    focused += " e.getAttribute('aria-label')]"
    ActionChains(browser.driver).send_keys(Keys.TAB + Keys.TAB).perform()  # past the figure
    role, expanded, label = browser.run(focused)
    assert (role, expanded) == ("button", "false")
    assert label.startswith("folded: layers.0, 8 neurons, 40 parameters")
    ActionChains(browser.driver).send_keys(Keys.ENTER).perform()
    role, expanded, label = browser.run(focused)
    assert (role, expanded) == ("button", "true")
    assert label.startswith("opened: layers.0")
    assert browser.run("return document.querySelectorAll('.opened[display=inline]').length") == 1
    ActionChains(browser.driver).send_keys(" ").perform()
    assert browser.run(focused)[1] == "false"
    assert browser.run("return document.querySelectorAll('.opened[display=inline]').length") == 0


@needs_svg
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_opened_box_can_be_read_and_is_accessible(browser: Browser, page: Path, scheme: browsers.Scheme) -> None:
    opened(browser, page, 1100, scheme)
    if browsers.axe() is not None:
        assert browser.violations() == []
    click(browser, ".fold.opens")
    shown = "return document.querySelector('.opened[display=inline] .bar text').textContent"
    assert browser.run(shown) == "layers.0, 8 neurons"
    browser.run("document.querySelectorAll('[display=none]').forEach(element => element.remove())")
    words = browser.words()
    assert not [word for word in words if word["hidden"]]
    assert {"neurons.0", "neurons.7"} <= {word["text"] for word in words}
    assert min(word["contrast"] for word in words) >= 4.5
    if browsers.axe() is not None:
        assert browser.violations() == []


@needs_svg
@pytest.mark.parametrize(
    "label", ["<script>window.hacked=1</script>", "</title></svg><img src=x onerror=window.hacked=1>"]
)
def test_a_hostile_label_in_a_fold_is_text(browser: Browser, tmp_path: Path, label: str) -> None:
    model = nn.MLP(4, [8, 8, 1], seed=0)
    with record_source():
        y = model([Value(float(i), label) for i in range(4)])
    for parameter in model.parameters():
        parameter.label = label
    opened(browser, drawing(y).save(tmp_path / "x.html"))
    click(browser, ".fold.opens")
    click(browser, ".opened .fold.opens")
    assert browser.run("return typeof window.hacked") == "undefined"
    assert browser.run("return document.querySelectorAll('svg img, svg script, svg b').length") == 0
    assert browser.run(
        "return [...document.querySelectorAll('.opened title')].some(t => t.textContent.includes(arguments[0]))", label
    )


@needs_svg
def test_two_drawings_open_each_their_own(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    outputs = [drawing()._repr_mimebundle_()["text/html"] for _ in range(2)]
    path.write_text(f"<!DOCTYPE html><html lang='en'><title>x</title><body>{''.join(outputs)}</body></html>")
    browser.open(path)
    browser.until("return document.querySelectorAll('[data-opens]').length === 2")
    ids = browser.run("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(set(ids)) == len(ids)
    click(browser, "[data-drawing]:nth-of-type(2) .fold.opens")
    drawings = "[...document.querySelectorAll('[data-drawing]')]"
    shown = f"return {drawings}.map(drawing => drawing.querySelectorAll('[display=inline]').length)"
    assert browser.run(shown) == [0, 1]
    assert browser.driver.get_log("browser") == []
