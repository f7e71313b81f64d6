"""Sliders: as text, as a widget of a kernel, and in a browser, where the drawing follows without one."""

import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import autodiff as ad
import nn
from autodiff import Value, what_if
from autodiff.graph import topological_order
from autodiff.show.drawings.reader import parts_of
from autodiff.show.drawings.titles import titles
from autodiff.show.live.moving import Moving
from autodiff.show.live.picture import NAME
from autodiff.show.live.sliders import Sliders
from autodiff.show.words.text import shorter
from autodiff.show.words.theme import PALETTE
from tests.examples import neuron
from tests.show import browser as browsers
from tests.show.browser import Browser
from tests.show.pictures import needs_svg


def branching(x: Any, scale: Any) -> Any:
    return x * scale if x > 0.0 else ad.exp(x) * scale


def own(x: Any) -> Any:
    """An operation that Python alone can evaluate."""
    return ad.primitive("own", evaluate=lambda x: math.exp(x), partials=[lambda out, x: out])(x)


# --- as text ---


def test_sliders_answer_and_print_as_a_table() -> None:
    x, w = Value(2.0, "x"), Value(3.0, "w")
    sliders = what_if(x * w, {x: (0.0, 4.0), w: (-1.0, 1.0)})
    assert sliders.at({x: 4.0}).value == 12.0
    assert str(sliders).splitlines()[2:] == [
        "x         0       0    2       6     4      12",
        "w        -1      -2    3       6     1       2",
    ]
    assert sliders._repr_html_().count("<tr") == 3
    with pytest.raises(ValueError, match=r"^there is no slider for 'y'; those here move x, w$"):
        sliders.at({"y": 1.0})
    of_function = what_if(branching, {"x": (-1.0, 1.0)}, args=(2.0, 3.0))
    assert of_function.at({"x": 1.0}).value == 3.0


def test_a_notebook_gets_what_every_viewer_may_show(tmp_path: Path) -> None:
    x = Value(2.0, "</script><b>")
    html = what_if(x * x, {x: (0.0, 4.0)})._repr_mimebundle_()["text/html"]
    still = re.sub(r"<(script|style).*?</\1>", "", html, flags=re.DOTALL)
    assert "&lt;/script&gt;&lt;b&gt;" in still
    assert "y = 4, dy/d(&lt;/script&gt;&lt;b&gt;) = 4" in still or "y = 4, dy/d&lt;" in still
    assert "<b>" not in html
    assert html.count("</script>") == 2
    assert "<svg" not in html


@needs_svg
def test_a_saved_page_names_no_address_but_namespaces(tmp_path: Path) -> None:
    x = Value(2.0, "x")
    text = what_if(x * x, {x: (0.0, 4.0)}).save(tmp_path / "x.html").read_text()
    assert {*re.findall(r"https?://[^\s\"'<>)]*", text)} <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    with pytest.raises(ValueError, match=r"^save takes a name that ends in \.html, got 'x\.png'$"):
        what_if(x * x, {x: (0.0, 4.0)}).save("x.png")


def test_an_exported_notebook_shows_what_only_python_can_move() -> None:
    pytest.importorskip("anywidget")
    exporters, nbformat = pytest.importorskip("nbconvert"), pytest.importorskip("nbformat")
    x = Value(0.5, "x")
    bundle = what_if(own(x) * 2.0, {x: (0.0, 1.0)})._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    output = nbformat.v4.new_output("display_data", data=bundle)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[output])])
    page, _ = exporters.HTMLExporter().from_notebook_node(notebook)
    assert "Own is evaluated by Python alone" in page
    assert "widget-view" not in page


def test_ranges_may_be_as_large_as_floats(tmp_path: Path) -> None:
    x = Value(math.nan, "x")
    sliders = what_if(x * 2.0, {x: (1e308, 1.7e308)})
    assert sliders.sliders[0].start == 1e308
    assert "y = inf, dy/dx = 2" in sliders._repr_html_()


def test_what_only_python_can_evaluate_says_so(tmp_path: Path) -> None:
    x = Value(0.5, "x")
    sliders = what_if(own(x) * 2.0, {x: (0.0, 1.0)})
    with pytest.raises(ValueError, match=r"^own is evaluated by Python alone .* in a live notebook its sliders move"):
        sliders.save(tmp_path / "x.html")
    html = sliders._repr_html_()
    assert "Own is evaluated by Python alone" in html
    assert "<script" not in html
    function = what_if(branching, {"x": (-1.0, 1.0)}, args=(2.0, 3.0))
    assert "only Python can compute what its sliders move" in function._repr_html_()
    chosen = what_if(lambda x: ad.where(x > 0.0, x, 2.0 * x), {"x": (-1.0, 1.0)}, args=(2.0,))
    with pytest.raises(ValueError, match="does not do the same for all numbers"):
        chosen.save(tmp_path / "x.html")


def test_a_function_that_compares_nothing_is_a_graph() -> None:
    sliders = what_if(
        lambda x, w, unused: ad.tanh(x * w), {"w": (-1.0, 1.0), "unused": (0.0, 1.0)}, args=(2.0, 0.5, 0.0)
    )
    assert "y = 0.761594, dy/dw = 0.839949, dy/dunused = 0" in sliders._repr_html_()


def test_a_where_that_was_decided_says_so_below_the_drawing() -> None:
    x = Value(2.0, "x")
    assert "A where kept the side it took" in what_if(ad.where(x > 0, x, -x), {x: (-1.0, 1.0)})._repr_html_()


def test_where_nothing_draws_there_are_sliders_and_a_table(no_renderer: None) -> None:
    x = Value(2.0, "x")
    html = what_if(x * x, {x: (0.0, 4.0)})._repr_html_()
    assert "To see the drawing: pip install" in html
    assert html.count("<tr") == 2


# --- by a kernel ---


def test_the_widget_follows_its_sliders() -> None:
    pytest.importorskip("anywidget")
    x, w = Value(2.0, "<b>"), Value(3.0, "w")
    widget = what_if(x * w, {x: (0.0, 4.0), w: (-1.0, 1.0)}, gradients=True).widget()
    assert [slider["name"] for slider in widget.data["sliders"]] == ["<b>", "w"]
    assert widget.numbers == [2.0, 1.0]  # w is out of its range now
    widget.numbers = [0.5, 1.0]
    assert [widget.slots[result["slot"]] for result in widget.data["results"]] == [0.5, 1.0, 0.5]
    assert "y = 0.5, not 6, for &lt;b&gt; = 0.5, w = 1" in widget.answer
    assert "Gradients" in widget.answer
    assert "<b>" not in widget.answer + widget.html
    assert (x.data, x.grad) == (2.0, 0.0)
    json.dumps(widget.get_state(["data", "slots"]), allow_nan=False)
    widget.close()


def test_the_kernel_moves_what_a_page_cannot() -> None:
    pytest.importorskip("anywidget")
    x = Value(0.5, "x")
    widget = what_if(ad.log(own(x) * 2.0 - 2.0), {x: (0.0, 1.0)}).widget()
    widget.numbers = [1.0]
    value, slope = [widget.slots[result["slot"]] for result in widget.data["results"]]
    assert value == pytest.approx(math.log(2.0 * math.e - 2.0))
    assert slope == pytest.approx(math.e / (math.e - 1.0))
    widget.numbers = [0.0]
    assert widget.slots[widget.data["results"][0]["slot"]] == "-Infinity"
    widget.close()
    of_function = what_if(branching, {"x": (-1.0, 1.0)}, args=(2.0, 3.0)).widget()
    of_function.numbers = [-1.0]
    assert "It went another way" in of_function.answer
    of_function.close()


def test_without_anywidget_the_widget_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    x = Value(2.0, "x")
    with pytest.raises(ModuleNotFoundError, match=r"^These sliders need anywidget .*: pip install "):
        what_if(x * 1, {x: (0.0, 4.0)}).widget()


# --- in a browser ---


def relus() -> tuple[Sliders, list[list[float]]]:
    x, w, b = Value(2.0, "x"), Value(-3.0, "w"), Value(6.88, "<b>")
    y = ad.relu(w * x + b) * 2.0 + w.tanh()
    moves = [[-4.0, 1.75, 0.0], [4.0, -2.0, 7.0], [0.0, 0.0, 0.0], [-1.0, 2.0, 2.0]]
    return what_if(y, {w: (-4.0, 4.0), x: (-2.0, 2.0), b: (-3.0, 7.0)}), moves


def infinite() -> tuple[Sliders, list[list[float]]]:
    x = Value(1.0, "x")
    return what_if(ad.log(x) * x + ad.sqrt(x), {x: (-1.0, 1.0)}), [[0.0], [-1.0], [0.5]]


def inner() -> tuple[Sliders, list[list[float]]]:
    x = Value(1.0, "x")
    middle = x * 3.0
    return what_if(ad.exp(middle) - x, {middle: (-1.0, 1.0)}), [[0.0], [-1.0]]


def a_neuron() -> tuple[Sliders, list[list[float]]]:
    out = neuron()
    leaf = next(x for x in ad.show.words.names.names_of(out) if not x.operands)
    return what_if(out, {leaf: (-10.0, 10.0)}), [[-10.0], [1e-7], [7.125]]


def folded() -> tuple[Sliders, list[list[float]]]:
    model = nn.MLP(2, [16, 16, 1], activation="relu", seed=0)
    x = Value(0.5, "x")
    with ad.record_source():
        loss = nn.mse([model([x, -1.0])], [1.0])
    return what_if(loss, {x: (-3.0, 3.0)}), [[-3.0], [0.0], [2.5]]


def odd_labels() -> tuple[Sliders, list[list[float]]]:
    """Labels that mean something to a page; a present value that is no number; flags at 0, which lies inside."""
    x, w = Value(math.nan, "ROOT </script><b>"), Value(2.0, "w" * 200)
    y = x * w + x
    y.label = "ROOT"
    return what_if(y, {x: (-1.0, 1.0), w: (-4.0, 9.0)}), [[0.0, 0.0], [-0.5, 8.0]]


def even() -> tuple[Sliders, list[list[float]]]:
    """Slopes that are -0 at 0."""
    bump = ad.primitive("bump", evaluate=lambda x: ad.exp(-x * x), partials=[lambda out, x: -2.0 * x * out])
    x = Value(0.5, "x")
    return what_if(bump(x) * bump(2.0 * x) + bump(x), {x: (-1.0, 1.0)}), [[0.0], [-1.0]]


GRAPHS = {
    "relus": relus,
    "infinite": infinite,
    "inner": inner,
    "neuron": a_neuron,
    "folded": folded,
    "odd_labels": odd_labels,
    "even": even,
}


def moved(browser: Browser, numbers: list[float]) -> None:
    for i, number in enumerate(numbers):
        browser.run(
            "const s = document.querySelectorAll('input[type=range]')[arguments[0]]; s.value = arguments[1];"
            "s.dispatchEvent(new Event('input'))",
            i,
            number,
        )


_SHOWN = """
const svg = document.querySelector("svg"), start = svg.id.length + 1, found = {};
for (const g of svg.querySelectorAll("g.node, g.edge")) {
  const texts = Object.fromEntries([...g.querySelectorAll("[data-shows]")].map(t => [t.dataset.shows, t.textContent]));
  const shape = g.querySelector("path, polygon, ellipse"), title = g.querySelector("title");
  found[g.id.slice(start)] = { texts, fill: shape.getAttribute("fill"), title: title && title.textContent,
                               dashed: shape.hasAttribute("stroke-dasharray") };
}
return found;
"""


def assert_shows(found: dict[str, Any], moving: Moving, numbers: list[float]) -> None:
    parts = moving._picture.at(moving.values(numbers))
    said, names = titles(moving._picture._named(parts)), {box: moving._names[x] for x, box in parts.ids.items()}
    for box in parts.boxes:
        shown, texts = found[str(box.id)], found[str(box.id)]["texts"]
        if box.kind == "fold":
            assert texts["grad"] == f"|grad| {box.grad}"
        elif box.kind != "constant":
            assert (texts["data"], texts["grad"]) == (box.data, box.grad)
            assert texts["label"].removeprefix(shorter(names[box.id], NAME)).strip() == box.flag
            assert shown["fill"] == PALETTE[box.tone][0]
        assert shown["title"] == said[box.id]
    for mark in parts.marks:
        assert found[str(mark.id)]["texts"].get("flag", mark.flag) == mark.flag
        assert found[str(mark.id)]["title"] == said[mark.id]
    for edge in parts.edges:
        if edge.local_gradient:
            shown = found[str(edge.id)]
            assert shown["texts"]["local"] == edge.local_gradient
            assert shown["dashed"] == (edge.local_gradient in ("0", "-0"))
            assert shown["title"] == said[edge.id]


@needs_svg
@pytest.mark.parametrize("name", GRAPHS)
def test_the_drawing_follows_the_sliders(browser: Browser, tmp_path: Path, name: str) -> None:
    sliders, moves = GRAPHS[name]()
    browser.open(sliders.save(tmp_path / "x.html"))
    browser.until("return document.querySelector('[data-sliders]').dataset.ready === 'true'")
    moving = sliders._moving
    assert isinstance(moving, Moving)
    start = [slider.start for slider in sliders.sliders]
    for numbers in (start, *moves):
        moved(browser, numbers)
        values = moving.values(numbers)
        assert_shows(browser.run(_SHOWN), moving, numbers)
        assert browser.run("return document.querySelector('[data-part=result]').textContent") == moving._result(values)
        assert browser.run("return document.querySelectorAll('text[textLength]').length") == 0  # there is room for all
        assert [word["text"] for word in browser.words() if word["box"] > 1.0] == []
    browser.run("document.querySelector('[data-part=controls] > button').click()")
    assert_shows(browser.run(_SHOWN), moving, start)


def anew(y: Value, numbers: dict[Value, float]) -> tuple[Value, dict[Value, Value]]:
    """The graph recorded again on other numbers, and its nodes by the old ones."""
    new: dict[Value, Value] = {}
    for old in topological_order(y):
        for x in old.operands:
            if isinstance(x, Value) and not x.operands:
                new.setdefault(x, Value(numbers.get(x, x.data), x.label))
        assert old.op is not None
        new[old] = old.op(*[new[x] if isinstance(x, Value) else x for x in old.operands])
        new[old].label = old.label
    return new[y], new


def used_twice() -> tuple[Sliders, list[list[float]]]:
    a, b = Value(-3.0, "a"), Value(2.0, "b")
    c = a + a
    y = ad.dot([a, b, c], [b, c, -1.5]) / c + ad.maximum(a, b) - ad.relu(a) ** 2
    return what_if(y, {a: (-4.0, 4.0), b: (-4.0, 4.0)}), [[-2.0, -1.0], [3.5, 0.25], [1e-9, 4.0]]


@needs_svg
@pytest.mark.parametrize("name", ["relus", "neuron", "used_twice", "odd_labels", "even"])
def test_the_film_says_and_shows_what_animate_does_on_the_moved_numbers(
    browser: Browser, tmp_path: Path, name: str
) -> None:
    sliders, moves = {**GRAPHS, "used_twice": used_twice}[name]()
    browser.open(sliders.save(tmp_path / "x.html"))
    moving = sliders._moving
    assert moving is not None
    for numbers in moves:
        moved(browser, numbers)
        y, new = anew(moving._y, dict(zip(moving._inputs, numbers, strict=True)))
        scenes: Any = ad.animate(y)._play.tracks[0].stage.scenes
        ids = parts_of(moving._y).ids
        place = {parts_of(y).ids[new[old]]: str(box) for old, box in ids.items()}
        for k, scene in enumerate(scenes):
            browser.run(
                "const s = document.querySelector('.film input'); s.value = arguments[0];"
                "s.dispatchEvent(new Event('input'))",
                k,
            )
            assert browser.run("return document.querySelector('[data-part=caption]').textContent") == scene.caption
            found = browser.run(_SHOWN)
            for box, here in place.items():
                expected = (scene.data[box], scene.grads[box])
                assert (found[here]["texts"]["data"], found[here]["texts"]["grad"]) == expected, (k, scene.caption)
                if 0 < k < len(scenes) - 1:
                    assert found[here]["fill"] == PALETTE[scene.tones[box]][0], (k, box)


@needs_svg
def test_the_film_plays_and_starts_again(browser: Browser, tmp_path: Path) -> None:
    browser.open(relus()[0].save(tmp_path / "x.html"))
    browser.run("const now = setTimeout; window.setTimeout = (f, ms) => now(f, ms / 100)")
    play = "return document.querySelector('.film button').textContent"
    browser.run("document.querySelector('.film button').click()")
    assert browser.run(play) == "Pause"
    browser.until(f"{play} === 'Play'")
    root = "document.querySelector('[data-sliders]')"
    assert browser.run(f"return {root}.dataset.step") == browser.run("return document.querySelector('.film input').max")
    assert browser.run(f"return {root}.querySelectorAll('[data-lit]').length") == 0


@needs_svg
def test_without_scripts_the_picture_and_the_table_remain(browser: Browser, tmp_path: Path) -> None:
    sliders, _ = relus()
    page = sliders.save(tmp_path / "x.html")
    moving = sliders._moving
    assert moving is not None
    browser.scripts(on=False)
    try:
        browser.open(page)
        assert browser.run("return document.querySelectorAll('input').length") == 0
        assert browser.run("return document.querySelector('svg').getBoundingClientRect().width") > 500
        assert "0.764945" in browser.run("return document.querySelector('table').innerText")
        assert_shows(browser.run(_SHOWN), moving, [slider.start for slider in sliders.sliders])
    finally:
        browser.scripts(on=True)


@needs_svg
def test_two_on_a_page_leave_each_other_alone(browser: Browser, tmp_path: Path) -> None:
    sliders, _ = relus()
    page = tmp_path / "two.html"
    page.write_text(f"<meta charset=utf-8>{sliders._repr_html_()}{sliders._repr_html_()}")
    browser.open(page)
    results = "return [...document.querySelectorAll('[data-part=result]')].map(e => e.textContent)"
    before = browser.run(results)
    moved(browser, [4.0])
    after = browser.run(results)
    assert before[0] == before[1] == after[1] != after[0]
    assert browser.run("return document.querySelectorAll('svg').length") == 2


@needs_svg
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_sliders_can_be_used_by_everyone(browser: Browser, tmp_path: Path, width: int, scheme: Any) -> None:
    if browsers.axe() is None:
        pytest.skip("needs axe-core: pip install 'scalar-autodiff[browser]'")
    browser.open(relus()[0].save(tmp_path / "x.html"), width, scheme)
    assert browser.violations() == []
    assert browser.width_beyond() == 0
    assert browser.run("return document.body.innerText").find("[object") == -1
    assert browser.run("return document.querySelectorAll('.zoom button').length") > 0


@needs_svg
def test_keys_and_typed_numbers_move_a_slider(browser: Browser, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser.open(relus()[0].save(tmp_path / "x.html"))
    label = browser.driver.find_element(By.CSS_SELECTOR, "label")
    slider = browser.driver.find_element(By.ID, label.get_attribute("for"))
    slider.send_keys(Keys.HOME)
    number = browser.driver.find_element(By.CSS_SELECTOR, "input[type=number]")
    assert (label.text, slider.get_attribute("aria-valuetext"), number.get_attribute("value")) == ("w", "-4", "-4")
    number.send_keys(Keys.CONTROL + "a")
    number.send_keys("1.5")
    assert slider.get_attribute("value") == "1.5"
    number.send_keys(Keys.CONTROL + "a")
    number.send_keys("9", Keys.TAB)
    assert (slider.get_attribute("value"), number.get_attribute("value")) == ("4", "4")
    assert "dy/dw = " in browser.run("return document.querySelector('[data-part=result]').textContent")
