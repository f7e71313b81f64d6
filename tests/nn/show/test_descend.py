"""Descent: its path is the optimiser's own, its pictures have every point, its page no address."""

import re
import sys
import xml.etree.ElementTree as ElementTree
from functools import partial
from itertools import pairwise
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Value
from autodiff.show.animations import FROM, TO
from autodiff.show.words.theme import PALETTE
from nn.show.descent.film import captions
from tests.show.pictures import inlined

OPTIMIZERS = {
    "SGD": {},
    "Adam": {"betas": (0.8, 0.9)},
    "AdamW": {"weight_decay": 0.1},
    "RMSprop": {"momentum": 0.5},
    "Rprop": {},
}


def bowl(p: Any) -> Any:
    return (p[0] - 1.0) ** 2 + 3.0 * (p[1] + p[0]) ** 2


@pytest.mark.parametrize("name", OPTIMIZERS)
@given(start=st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=2), lr=st.sampled_from([0.01, 0.1]))
def test_the_path_is_that_of_a_loop_by_hand(name: str, start: list[float], lr: float) -> None:
    make, options = getattr(nn.optim, name), OPTIMIZERS[name]
    path = nn.descend(bowl, start, lr=lr, steps=5, optimizer=make, **options)
    xs = [Value(x) for x in start]
    optimizer = make(xs, lr=lr, **options)
    for point, value, gradient in zip(path.points, path.values, path.gradients, strict=True):
        assert point == [x.data for x in xs]
        optimizer.zero_grad()
        y = bowl(xs)
        y.backward()
        assert (value, gradient) == (y.data, [x.grad for x in xs])
        optimizer.step()


def test_momentum_and_functions_that_make_optimisers() -> None:
    by_option = nn.descend(bowl, [1.0, 2.0], lr=0.05, steps=4, momentum=0.9)
    by_function = nn.descend(bowl, [1.0, 2.0], lr=0.05, steps=4, optimizer=partial(nn.SGD, momentum=0.9))
    assert by_option.points == by_function.points != nn.descend(bowl, [1.0, 2.0], lr=0.05, steps=4).points
    assert by_option.optimizer == "SGD(lr=0.05, momentum=0.9)"
    assert (by_option.rate, by_function.rate) == (None, None)


def test_the_start_has_the_form_that_the_function_takes() -> None:
    matrix = np.array([[2.0, 1.0], [1.0, 3.0]])
    of_arrays = nn.descend(lambda x: x @ matrix @ x, np.array([1.0, -1.0]), steps=3)
    of_tuples = nn.descend(lambda x: 2 * x[0] ** 2 + 2 * x[0] * x[1] + 3 * x[1] ** 2, (1.0, -1.0), steps=3)
    assert np.allclose(of_arrays.points, of_tuples.points)
    assert nn.descend(lambda x: x * x, 3).points[0] == 3.0
    assert nn.descend(lambda x: x * x, np.float64(3.0)).points[0] == 3.0


def test_a_path_ends_where_numbers_do() -> None:
    path = nn.descend(lambda x: ad.exp(x * x), 2.0, lr=1.0, steps=9)
    assert len(path) == len(path.points) - 1 < 9
    assert all(map(isfinite, path.values))
    assert str(path.stopped).startswith("step ")
    assert "It ended early" in repr(path)
    assert captions(path)[-1].endswith(f" It goes no further: {path.stopped}.")


@pytest.mark.parametrize(
    ("f", "start", "options", "error", "words"),
    [
        (3.0, 1.0, {}, TypeError, "takes a function"),
        (bowl, "here", {}, TypeError, "from a number, or from a list of numbers"),
        (bowl, ["1", "2"], {}, TypeError, "from a number, or from a list of numbers"),
        (bowl, [[1.0], [2.0]], {}, TypeError, "from a number, or from a list of numbers"),
        (bowl, [], {}, TypeError, "from a number, or from a list of numbers"),
        (bowl, Value(1.0), {}, TypeError, "from a number, or from a list of numbers"),
        (bowl, [inf, 1.0], {}, ValueError, "finite numbers"),
        (ad.log, 0.0, {}, ValueError, "starts where f and its gradient are finite"),
        (bowl, [1.0, 1.0], {"steps": 0}, ValueError, "at least one step"),
        (bowl, [1.0, 1.0], {"steps": 2.5}, TypeError, "steps is a whole number, got 2.5"),
        (bowl, [1.0, 1.0], {"lr": -1.0}, ValueError, "learning rate"),
        (
            bowl,
            [1.0, 1.0],
            {"momentun": 0.9},
            TypeError,
            "SGD takes the options lr, .*unexpected keyword argument 'momentun'",
        ),
        (bowl, [1.0, 1.0], {"optimizer": "adam"}, TypeError, "a class of nn.optim"),
        (bowl, [1.0, 1.0], {"optimizer": lambda xs, lr: xs}, TypeError, "makes an nn.optim.Optimizer"),
        (lambda p: p, [1.0, 1.0], {}, TypeError, "one number"),
    ],
)
def test_mistakes_are_named(f: Any, start: Any, options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        nn.descend(f, start, **options)


# --- pictures ---

CASES = {
    "curve": (lambda x: x**4 - 3 * x**2 + x, 2.0, 0.03),
    "contour": (bowl, [2.0, 2.0], 0.05),
    "steps": (lambda p: ad.sum([x * x for x in p]), [1.0, 2.0, 3.0], 0.1),
    "flat": (lambda x: 0.0 * x, 1.0, 0.1),
    "plane": (lambda p: 0.0 * p[0] * p[1], [1.0, 1.0], 0.1),
    "pole": (lambda x: ad.log(x) + 1 / x, 3.0, 2.0),
    "far": (lambda x: x * x, 3.0, 1.1),
    "farther": (lambda x: x * x, 3.0, 1e70),
    "farther in the plane": (bowl, [3.0, 1.0], 1e40),
    "a list of one": (lambda p: p[0] ** 2, [3.0], 0.1),
    "nothing around": (lambda p: -ad.sqrt(1.0 - p[0] ** 2 - p[1] ** 2), [0.99, 0.1], 1e-5),
}


def shown(svg: str, scene: int) -> int:
    """How many marks a scene shows, of those that not all do."""
    marks = [mark for mark in ElementTree.fromstring(svg).iter() if FROM in mark.attrib]
    return sum([int(mark.attrib[FROM]) <= scene <= int(mark.attrib[TO]) for mark in marks])


@pytest.mark.parametrize("case", CASES)
def test_a_film_has_a_scene_for_each_step(case: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    f, start, lr = CASES[case]
    path = nn.descend(f, start, lr=lr, steps=4)
    film = path.animate()
    assert len(film.captions) == len(path) + 2
    html = inlined(film.html("mine"))
    [picture] = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    counts = [shown(picture, scene) for scene in range(len(path) + 2)]
    assert all(a < b for a, b in pairwise(counts[:-1])), "each step adds its point"
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", path.save(tmp_path / "path.html").read_text()))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r'id="([^"]+)"', html)) == {i for i in re.findall(r'id="([^"]+)"', html) if i[:4] == "mine"}
    assert "*{" not in html.replace(" ", ""), "no rule is for the whole page"
    moving = path.save(tmp_path / "path.svg").read_text()
    assert "@keyframes" in moving
    assert set(re.findall(r"url\(#([^)]+)\)", moving)) <= set(re.findall(r'id="(.*?)"', moving))


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_a_film_has_the_colours_of_drawings(theme: Any) -> None:
    pytest.importorskip("matplotlib")
    html = inlined(nn.descend(bowl, [2.0, 2.0], steps=2).animate(theme=theme).html())
    colours = {colour for _, colour in re.findall(r'(fill|stroke)="(#[0-9a-f]{6})"', html)}
    known = {pair[theme == "dark"] for pair in PALETTE.values()}
    assert colours
    assert colours <= known


def test_paths_are_plotted_in_the_same_axes() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    slow, fast = nn.descend(bowl, [2.0, 2.0], lr=0.01), nn.descend(bowl, [3.0, -4.0], lr=0.05)
    ax = fast.plot(slow.plot())
    handles, labels = ax.get_legend_handles_labels()
    assert labels == ["SGD(lr=0.01)", "SGD(lr=0.05)"]
    for path, line in zip((slow, fast), handles, strict=True):
        assert np.allclose(line.get_xydata(), path.points)
        low, high = ax.get_ylim()
        assert all(low < y < high for _, y in path.points)
    assert handles[0].get_color() != handles[1].get_color()
    matplotlib.pyplot.close("all")


def test_a_tangent_touches_its_curve() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    path = nn.descend(lambda x: x**3, 2.0, lr=0.05, steps=3)
    ax = path.plot()
    lines = [line.get_xydata() for line in ax.lines]
    for x, y, slope in zip(path.points, path.values, path.gradients, strict=True):
        [line] = [line for line in lines if len(line) == 2 and np.allclose(line.mean(axis=0), [x, y])]
        assert np.isclose((line[1, 1] - line[0, 1]) / (line[1, 0] - line[0, 0]), slope)
    matplotlib.pyplot.close("all")


def test_captions_say_what_was_computed() -> None:
    start, step, *_, end = captions(nn.descend(lambda x: x * x, -3.0, lr=0.5, steps=2))
    assert start == "Start: x = -3, f = 9; the slope there is -6, so f falls to the right."
    assert step == "x = -3 - 0.5 × (-6) = 0: f falls from 9 to 0."
    assert end == "End after 2 steps: x = 0, f = 0, slope 0."
    by_adam = captions(nn.descend(bowl, [1.0, 2.0], lr=0.5, steps=1, optimizer=nn.optim.Adam))
    assert by_adam[1].startswith("At the gradient (18, 18), p goes from (1, 2) to (0.5, 1.5): f falls from 27 to")


@pytest.mark.parametrize(
    ("f", "start"),
    [(lambda x: x * x, 3.0), (bowl, [1.0, 2.0]), (lambda x: ad.sum([a * a for a in x]), [1.0, 2.0, 3.0])],
)
def test_long_paths_are_pictures_in_notebooks(f: Any, start: Any) -> None:
    pytest.importorskip("matplotlib")
    path = nn.descend(f, start, lr=0.01, steps=300)
    with pytest.raises(ValueError, match=r"^theme is 'auto', 'light' or 'dark', got 'blue'$"):
        nn.descend(lambda x: x * x, 1.0, steps=1).animate(theme="blue")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^seconds, for which a step is shown, is a positive number, got 0$"):
        nn.descend(lambda x: x * x, 1.0, steps=1).animate(seconds=0)
    with pytest.raises(ValueError, match=r"at most 200 steps.*plot\(\) draws it"):
        path.animate()
    bundle = path._repr_mimebundle_()
    assert "300 steps of SGD(lr=0.01)" in bundle["text/html"]
    assert len(bundle["text/html"]) < 300_000
    assert "left out" in bundle["text/plain"]


def test_notebooks_get_film_picture_and_table() -> None:
    pytest.importorskip("matplotlib")
    bundle = nn.descend(lambda x: x * x, 3.0, steps=2)._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert "data-animation" in bundle["text/html"]
    assert bundle["text/plain"].startswith("Descent by SGD(lr=0.1)")


def test_without_matplotlib_it_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    path = nn.descend(lambda x: x * x, 3.0, steps=2)
    bundle = path._repr_mimebundle_()
    assert "<table" in bundle["text/html"]
    assert "needs matplotlib" in bundle["text/html"]
    with pytest.raises(ImportError, match="scalar-autodiff"):
        path.plot()
