"""Pictures of classifiers: regions are where the model says so, classes have their names, nothing warns."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nn
from autodiff import Value

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402
from matplotlib.colors import to_rgba  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.uniform(-1.0, 1.0, size=(40, 2))


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    pyplot.close("all")


def linear(rows: list[list[float]]) -> nn.Layer:
    """A layer with these weights, and no bias."""
    layer = nn.Layer(2, len(rows), "linear", seed=0)
    for neuron, row in zip(layer.neurons, rows, strict=True):
        for w, number in zip(neuron.w, row, strict=True):
            w.data = number
    return layer


RIGHT = linear([[1.0, 0.0]])  # above 0 right of the middle
THREE = linear([[-1.0, 0.0], [1.0, 0.5], [1.0, -0.5]])
THIRD = (X @ np.array([[-1.0, 0.0], [1.0, 0.5], [1.0, -0.5]]).T).argmax(axis=1)


def names(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def colour_at(ax: Any, x: float, y: float) -> tuple[int, ...]:
    """The colour of the picture at a place of the data."""
    ax.figure.canvas.draw()
    column, row = ax.transData.transform((x, y))
    picture = np.asarray(ax.figure.canvas.buffer_rgba())
    return tuple(picture[picture.shape[0] - 1 - round(row), round(column)].tolist())


def test_regions_lie_where_the_model_says_the_class() -> None:
    far = np.array([[-1.0, -1.0], [1.0, 1.0]])  # points in corners, away from the places that are looked at
    ax = nn.plot_boundary(RIGHT, far, [0, 1])
    left, right = colour_at(ax, -0.5, 0.0), colour_at(ax, 0.5, 0.0)
    assert left[2] > left[0]  # blue
    assert right[0] > right[2]  # orange
    assert colour_at(ax, -0.1, 0.8) == left
    assert colour_at(ax, 0.1, -0.8) == right


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ((X[:, 0] > 0).astype(int), ["0", "1"]),
        (X[:, 0] > 0, ["0", "1"]),
        (np.sign(X[:, 0]), ["-1", "1"]),
        ((X[:, :1] > 0).astype(int), ["0", "1"]),
        (["right" if x > 0 else "left" for x, _ in X], ["left", "right"]),
    ],
    ids=["integers", "bools", "signs", "column", "texts"],
)
def test_classes_of_one_output_have_their_names(y: Any, expected: list[str]) -> None:
    assert names(nn.plot_boundary(RIGHT, X, y)) == expected
    display = nn.plot_confusion(RIGHT, X, y)
    assert display.confusion_matrix.tolist() == [[int((X[:, 0] < 0).sum()), 0], [0, int((X[:, 0] > 0).sum())]]
    assert display.display_labels == expected


@pytest.mark.parametrize("y", [THIRD, np.eye(3)[THIRD], np.array(["a", "b", "c"])[THIRD]], ids=["int", "1-hot", "text"])
def test_classes_of_several_outputs_are_told_apart(y: Any) -> None:
    ax = nn.plot_boundary(THREE, X, y)
    assert len(names(ax)) == 3
    assert nn.plot_confusion(THREE, X, y).confusion_matrix.trace() == len(X)


def test_classes_name_the_outputs_where_some_are_missing_in_y() -> None:
    few = [i for i, c in enumerate(THIRD) if c != 1]
    y = np.array(["a", "b", "c"])[THIRD][few]
    assert names(nn.plot_boundary(THREE, X[few], y, classes=["a", "b", "c"])) == ["a", "b", "c"]
    assert nn.plot_confusion(THREE, X[few], y, classes=["a", "b", "c"]).confusion_matrix.trace() == len(few)
    with pytest.raises(ValueError, match=r"tells 3 classes apart, and y has \['a', 'c'\]; give classes="):
        nn.plot_boundary(THREE, X[few], y)


@pytest.mark.parametrize("y", [X[:, 0], 2 * (X[:, 0] > 0), THIRD], ids=["numbers", "0 and 2", "three for one output"])
def test_what_are_no_classes_of_the_outputs_is_refused(y: Any) -> None:
    with pytest.raises(ValueError, match="the model tells 2 classes apart"):
        nn.plot_boundary(RIGHT, X, y)
    with pytest.raises(ValueError, match="the model tells 2 classes apart"):
        nn.plot_confusion(RIGHT, X, y)


def test_other_widths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"models of two inputs, got rows of shape \(3,\)"):
        nn.plot_boundary(nn.Layer(3, 1), np.ones((2, 3)), [0, 1])


def test_axes_that_are_given_are_drawn_in() -> None:
    _, (one, other) = pyplot.subplots(1, 2)
    assert nn.plot_boundary(RIGHT, X, X[:, 0] > 0, ax=one) is one
    assert nn.plot_confusion(RIGHT, X, X[:, 0] > 0, ax=other).ax_ is other


def test_axes_are_labelled_by_the_columns_of_a_frame() -> None:
    pandas = pytest.importorskip("pandas")
    ax = nn.plot_boundary(RIGHT, pandas.DataFrame(X, columns=["length", "width"]), X[:, 0] > 0)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("length", "width")
    ax = nn.plot_boundary(RIGHT, X.tolist(), X[:, 0] > 0)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("first input", "second input")


def test_lines_can_be_read_on_light_and_on_dark() -> None:
    for style in ("default", "dark_background"):
        with pyplot.style.context(style):
            ax = nn.plot_boundary(RIGHT, X, X[:, 0] > 0)
            assert to_rgba(pyplot.rcParams["text.color"]) in map(tuple, ax.collections[1].get_edgecolors())


@pytest.mark.parametrize("rows", [[[1.0, 2.0]], [[1.0, 2.0], [1.0, 3.0]]])
def test_few_rows_and_one_region_are_drawn(rows: Any) -> None:
    ax = nn.plot_boundary(RIGHT, rows, [1] * len(rows))
    assert names(ax) == ["0", "1"]


def test_a_model_that_says_no_number_is_drawn() -> None:
    model = linear([[1.0, 0.0]])
    model.neurons[0].b = Value(float("nan"))
    nn.plot_boundary(model, X, X[:, 0] > 0)


def test_many_classes_are_drawn() -> None:
    angles = np.linspace(0.0, 2.0 * np.pi, 12, endpoint=False)
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert len(names(nn.plot_boundary(linear(corners.tolist()), corners, range(12)))) == 12


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(ImportError, match="needs sklearn: python -m pip install"):
        nn.plot_confusion(RIGHT, X, X[:, 0] > 0)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="needs matplotlib: python -m pip install"):
        nn.plot_boundary(RIGHT, X, X[:, 0] > 0)


def test_a_picture_is_written(tmp_path: Path) -> None:
    nn.plot_boundary(RIGHT, X, X[:, 0] > 0).figure.savefig(tmp_path / "boundary.png")
    assert (tmp_path / "boundary.png").stat().st_size > 1000
