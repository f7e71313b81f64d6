"""The playground as a person has it, in headless Chromium: steps in the page are steps in Python, and all is told."""

import re
from pathlib import Path
from typing import Any

import pytest

import nn
from autodiff import Value
from autodiff.show.words.numbers import shortened
from tests.show import browser as browsers
from tests.show.browser import Browser

WIDTHS = (1200, 800, 400)
PLAY = "const play = document.querySelector('[data-play]').playground;"


def opened(browser: Browser, playground: nn.Playground, folder: Path, width: int = 1200, scheme: Any = "light") -> None:
    browser.open(playground.save(folder / "play.html"), width, scheme)
    browser.until("return document.querySelector('[data-play]').dataset.ready")


def text(browser: Browser, part: str) -> str:
    found = browser.run(f"return document.querySelector('[data-part=\"{part}\"]').innerText")
    return re.sub(r"\s+", " ", found)


def click(browser: Browser, part: str) -> None:
    browser.run(f"document.querySelector('[data-part=\"{part}\"]').click()")


# --- the law ---


CASES: dict[str, tuple[str, Any, Any, dict[str, Any], int]] = {
    "SGD": ("tanh", nn.binary_cross_entropy_with_logits, nn.SGD, {"lr": 0.3}, 10),
    "momentum": ("relu", nn.binary_cross_entropy_with_logits, nn.SGD, {"lr": 0.3, "momentum": 0.9}, 100),
    "RMSprop": ("sigmoid", nn.mse, nn.optim.RMSprop, {"lr": 0.01}, 7),
    "Adam": ("gelu", nn.hinge, nn.optim.Adam, {"lr": 0.05}, 10),
    "AdamW": ("softplus", nn.binary_cross_entropy_with_logits, nn.optim.AdamW, {"lr": 0.02}, 25),
    "Rprop": ("silu", nn.mse, nn.optim.Rprop, {"lr": 0.01}, 100),
}


class ByHand:
    """A loop of one's own: batches in the order of the rows, the mean of their gradients, a step."""

    def __init__(self, model: nn.MLP, playground: nn.Playground, loss: Any, optimizer: Any, size: int) -> None:
        self.model, self.loss, self.optimizer, self.size = model, loss, optimizer, size
        self.rows, self.targets = playground.data["sets"][0]["rows"], playground.data["targets"]
        self.at = 0

    def step(self) -> None:
        batch = self.rows[self.at : self.at + self.size]
        self.at = (self.at + self.size) % -(-len(self.rows) // self.size * self.size)
        self.at = 0 if self.at >= len(self.rows) else self.at
        self.optimizer.zero_grad()
        for x0, x1, second in batch:
            self.loss(self.model([x0, x1]), self.targets[second]).backward()
        for parameter in self.model.parameters():
            parameter.grad /= len(batch)
        self.optimizer.step()


@pytest.mark.parametrize("case", CASES)
def test_steps_in_the_page_are_steps_in_python(case: str, browser: Browser, tmp_path: Path) -> None:
    """To a few ulps a step, which steps enlarge: each operation is within 4 ulps of Python's."""
    activation, loss, make, options, size = CASES[case]
    model = nn.MLP(2, [5, 3, 1], activation, seed=2)
    optimizer = make(model.parameters(), **options)
    playground = nn.play(model, loss=loss, optimizer=optimizer, batch_size=size)
    opened(browser, playground, tmp_path)
    start = [p.data for p in model.parameters()]
    assert browser.run(f"{PLAY} return play.parameters()") == start
    hand = ByHand(model, playground, loss, optimizer, size)
    for steps, tolerated in ((1, 1e-14), (2, 1e-13), (20, 1e-12)):
        found = browser.run(f"{PLAY} play.step({steps}); return play.parameters()")
        for _ in range(steps):
            hand.step()
        expected = [p.data for p in model.parameters()]
        assert found == pytest.approx(expected, rel=tolerated, abs=tolerated)
    assert found != start
    losses = [loss(model([x0, x1]), hand.targets[second]).data for x0, x1, second in hand.rows]
    assert browser.run(f"{PLAY} return play.loss()") == pytest.approx(sum(losses) / len(losses), rel=1e-9)


# --- what is told ---


def test_the_chain_rule_is_told_in_numbers(browser: Browser, tmp_path: Path) -> None:
    model = nn.MLP(2, [3, 1], "tanh", seed=0)
    playground = nn.play(model, batch_size=5)
    opened(browser, playground, tmp_path)
    rows, targets = playground.data["sets"][0]["rows"], playground.data["targets"]
    x0, x1, second = rows[0]
    nn.binary_cross_entropy_with_logits(model([x0, x1]), targets[second]).backward()
    named = dict(zip([p["name"] for p in playground.data["parameters"]], model.parameters(), strict=True))
    for name in ("w2[1]", "b1", "w[2]"):
        browser.run(f"{PLAY} play.choose(arguments[0])", name)
        assert text(browser, "chain").endswith(f"= {shortened(named[name].grad)}")
        assert f"{name} = {shortened(named[name].data)}" in text(browser, "forward")
    model.zero_grad()
    for x0, x1, second in rows[:5]:
        nn.binary_cross_entropy_with_logits(model([x0, x1]), targets[second]).backward()
    browser.run(f"{PLAY} play.choose('w2[1]')")
    mean = named["w2[1]"].grad / 5
    said = text(browser, "batchwords")
    assert f"the mean is {shortened(mean)}." in said
    assert said.endswith(f" = {shortened(named['w2[1]'].data - 0.3 * mean)}")
    click(browser, "step")
    after = browser.run(f"{PLAY} return play.parameters()")
    place = list(named).index("w2[1]")
    assert after[place] == pytest.approx(named["w2[1]"].data - 0.3 * mean, rel=1e-12)


def test_a_gradient_that_comes_by_several_ways_is_their_sum(browser: Browser, tmp_path: Path) -> None:
    model = nn.MLP(2, [2, 2, 1], "tanh", seed=0)
    playground = nn.play(model)
    opened(browser, playground, tmp_path)
    x0, x1, second = playground.data["sets"][0]["rows"][0]
    x = [Value(x0), Value(x1)]
    hidden = model.layers[0].outputs(x)
    output = model.layers[2](model.layers[1].outputs(hidden))
    nn.binary_cross_entropy_with_logits(output, playground.data["targets"][second]).backward()
    browser.run(f"{PLAY} play.choose('h1')")
    said = text(browser, "chain")
    assert said.startswith("h1 goes into 2 places")
    assert said.endswith(f"dL/dh1 {shortened(hidden[0].grad)}")
    browser.run("document.querySelector('[data-part=\"chain\"] button').click()")
    assert browser.run("return document.querySelector('[data-part=\"pick\"]').value") == "s3"
    browser.run(f"{PLAY} play.choose('w1[0]')")
    assert "dL/dh1 a sum, below" in text(browser, "chain")


def test_a_unit_that_is_off_hands_nothing_on(browser: Browser, tmp_path: Path) -> None:
    model = nn.MLP(2, [2, 1], "relu", seed=0)
    model.layers[0].neurons[0].b.data = -9.0
    opened(browser, nn.play(model), tmp_path)
    browser.run(f"{PLAY} play.choose('w1[0]')")
    assert "∂h1/∂z1 1 if z1 > 0, else 0 0" in text(browser, "chain")
    assert text(browser, "chain").endswith("= 0")
    assert "no gradient passes: h1" in text(browser, "status")


# --- what is done ---


def test_it_starts_pauses_and_begins_again(browser: Browser, tmp_path: Path) -> None:
    opened(browser, nn.play(nn.MLP(2, [6, 1], "tanh", seed=0)), tmp_path)
    first = browser.run(f"{PLAY} return play.loss()")
    click(browser, "run")
    browser.until("return Number(document.querySelector('[data-part=\"count\"]').textContent) > 20")
    click(browser, "run")
    assert text(browser, "run") == "Start"
    count = text(browser, "count")
    assert browser.run(f"{PLAY} return play.loss()") < first
    numbers = browser.run(f"{PLAY} return play.parameters()")
    assert all(repr(x)[:6] in browser.run("return document.querySelector('textarea').value") for x in numbers)
    assert count == text(browser, "count"), "it has paused"
    click(browser, "reset")
    assert browser.run(f"{PLAY} return play.loss()") == first
    assert text(browser, "count") == "0"


def test_its_parameters_go_back_to_python(browser: Browser, tmp_path: Path) -> None:
    model = nn.MLP(2, [3, 1], "tanh", seed=0)
    opened(browser, nn.play(model), tmp_path)
    browser.run(f"{PLAY} play.step(3)")
    exec(browser.run("return document.querySelector('textarea').value"), {"model": model})
    assert [p.data for p in model.parameters()] == browser.run(f"{PLAY} return play.parameters()")


def test_a_row_is_chosen_on_the_plane_and_by_buttons(browser: Browser, tmp_path: Path) -> None:
    opened(browser, nn.play(nn.MLP(2, [3, 1], "tanh", seed=0)), tmp_path)
    click(browser, "after")
    assert text(browser, "row").startswith("row 2 of 100")
    click(browser, "before")
    click(browser, "before")
    assert text(browser, "row").startswith("row 100 of 100")
    click(browser, "worst")
    worst = float(text(browser, "row").rpartition("L = ")[2])
    for _ in range(5):
        click(browser, "after")
        assert float(text(browser, "row").rpartition("L = ")[2]) <= worst
    script = "const c = document.querySelector('[data-part=plane]'), r = c.getBoundingClientRect();"
    browser.run(f"{script} c.dispatchEvent(new MouseEvent('click', {{clientX: r.left + 5, clientY: r.top + 5}}))")
    x0, x1 = map(float, re.findall(r"\((\S+), (\S+)\)", text(browser, "row"))[0])
    assert x1 - x0 > 0.5, "the one that is nearest to the corner at the left, above"


def test_other_data_begin_anew(browser: Browser, tmp_path: Path) -> None:
    opened(browser, nn.play(nn.MLP(2, [3, 1], "tanh", seed=0), "xor"), tmp_path)
    before = browser.run(f"{PLAY} play.step(3); return play.loss()")
    options = browser.run("return [...document.querySelectorAll('[data-part=set] option')].map(o => o.textContent)")
    assert options == ["xor", "moons", "circles", "spirals"]
    browser.run(
        "const s = document.querySelector('[data-part=set]'); s.value = 1; s.dispatchEvent(new Event('change'))"
    )
    assert text(browser, "count") == "0"
    assert browser.run(f"{PLAY} return play.loss()") != before


def test_lines_show_the_gradients_of_the_next_step(browser: Browser, tmp_path: Path) -> None:
    model = nn.MLP(2, [3, 1], "tanh", seed=0)
    playground = nn.play(model, batch_size=100)
    opened(browser, playground, tmp_path)
    drawn = "[...document.querySelectorAll('.net svg path[stroke-width]:not(.chosen)')]"
    lines = f"return {drawn}.map(path => path.className.baseVal)"
    signs = {"plus": 1.0, "minus": -1.0}
    weights = [w for neuron in (*model.layers[0].neurons, *model.layers[1].neurons) for w in neuron.w]
    assert [signs[side] * w.data > 0 for side, w in zip(browser.run(lines), weights, strict=True)] == [True] * 9
    browser.run(
        "const choice = document.querySelector('[data-part=lines]'); choice.value = 'slopes';"
        "choice.dispatchEvent(new Event('change'))"
    )
    for x0, x1, second in playground.data["sets"][0]["rows"]:
        nn.binary_cross_entropy_with_logits(model([x0, x1]), playground.data["targets"][second]).backward()
    assert [signs[side] * w.grad > 0 for side, w in zip(browser.run(lines), weights, strict=True)] == [True] * 9


def test_it_says_when_numbers_are_no_longer_finite(browser: Browser, tmp_path: Path) -> None:
    model = nn.MLP(2, [3, 1], "relu", seed=0)
    playground = nn.play(model, loss=nn.mse, optimizer=nn.SGD(model.parameters(), lr=1e30))
    opened(browser, playground, tmp_path)
    browser.run(f"{PLAY} play.step(20)")
    assert "smaller learning rate" in text(browser, "status")


# --- how it looks ---


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_width_and_has_no_barriers(scheme: Any, browser: Browser, tmp_path: Path) -> None:
    playground = nn.play(nn.MLP(2, [8, 8, 1], "relu", seed=0))
    for width in WIDTHS:
        opened(browser, playground, tmp_path, width, scheme)
        assert browser.width_beyond() <= 0
        assert "[object" not in browser.run("return document.body.innerText")
        cut = browser.run(
            "return [...document.querySelectorAll('[data-part=live] button, [data-part=live] select, canvas')]"
            ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
        )
        assert not [tag for tag in cut if 'class="name"' not in tag], "tables alone scroll"
    if browsers.axe() is not None:
        assert not browser.violations()


def test_the_plane_has_the_colours_of_the_classes(browser: Browser, tmp_path: Path) -> None:
    opened(browser, nn.play(nn.MLP(2, [6, 1], "tanh", seed=0)), tmp_path)
    browser.run(f"{PLAY} play.step(300)")
    colours = browser.run(
        "const c = document.querySelector('[data-part=plane]'), pen = c.getContext('2d');"
        "return [0.02, 0.98].map(y => [...pen.getImageData(c.width / 2, y * c.height, 1, 1).data])"
    )
    above, below = colours
    assert above[0] > above[2], "orange, the class of the upper moon"
    assert below[2] > below[0], "blue"


def test_two_on_a_page_leave_each_other_alone(browser: Browser, tmp_path: Path) -> None:
    made = [nn.play(nn.MLP(2, [width, 1], "tanh", seed=0)) for width in (2, 3)]
    page = tmp_path / "two.html"
    page.write_text("<!DOCTYPE html><title>Two</title>" + "".join([one.html() for one in made]), encoding="utf-8")
    browser.open(page)
    plays = "const plays = [...document.querySelectorAll('[data-play]')].map(root => root.playground);"
    browser.until(f"{plays} return plays.length === 2 && plays.every(play => play)")
    counts = browser.run(f"{plays} plays[1].step(3); return plays.map(play => play.parameters())")
    assert counts[0] == [parameter["now"] for parameter in made[0].data["parameters"]]
    assert len(counts[1]) == 13
    assert counts[1] != [parameter["now"] for parameter in made[1].data["parameters"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_descent_fits_every_width_and_has_no_barriers(scheme: Any, browser: Browser, tmp_path: Path) -> None:
    paths = [
        nn.descend(lambda x: x * x, 3.0, steps=3),
        nn.descend(lambda p: p[0] ** 2 + p[1] ** 2, [3.0, 1.0], steps=3),
    ]
    for path in paths:
        page = path.save(tmp_path / "path.html")
        for width in WIDTHS:
            browser.open(page, width, scheme)
            browser.until("return document.querySelector('[data-animation]').dataset.ready")
            assert browser.width_beyond() <= 0
            assert "[object" not in browser.run("return document.body.innerText")
        if browsers.axe() is not None:
            assert not browser.violations()


def test_the_slider_of_a_descent_shows_its_steps(browser: Browser, tmp_path: Path) -> None:
    browser.open(nn.descend(lambda x: x * x, 3.0, lr=0.25, steps=3).save(tmp_path / "path.html"))
    browser.until("return document.querySelector('[data-animation]').dataset.ready")
    seen = []
    for step in range(5):
        browser.run(
            "const slider = document.querySelector('[data-part=slider]'); slider.value = arguments[0];"
            "slider.dispatchEvent(new Event('input'))",
            step,
        )
        seen.append(browser.run("return document.querySelectorAll('[data-from][visibility=\"visible\"]').length"))
    assert text(browser, "caption").startswith("End after 3 steps")
    assert seen[0] < seen[1] < seen[2] < seen[3]


def test_without_scripts_it_is_a_picture_and_a_table(browser: Browser, tmp_path: Path) -> None:
    page = nn.play(nn.MLP(2, [3, 1], "tanh", seed=0)).save(tmp_path / "play.html")
    browser.scripts(on=False)
    try:
        browser.open(page)
        said = browser.run("return document.body.innerText")
    finally:
        browser.scripts(on=True)
    assert "layers.0.neurons.0.w.0" in said
    assert "Start" not in said
    assert browser.run("return document.querySelector('img').naturalWidth") > 100
