"""The history of training, as text, table and plot; the bar of progress."""

import io
import json
from math import inf, nan
from typing import Any

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from nn.training.history import History, sparkline
from nn.training.progress import Progress

matplotlib.use("Agg")


def filled(epochs: int = 3) -> History:
    history = History()
    for i in range(epochs):
        history.append({"loss": 1 / (i + 1), "accuracy": i / 10, "val_loss": 2 / (i + 1), "lr": 0.1, "seconds": 0.5})
    return history


def test_a_history_is_a_mapping_of_lists_a_number_an_epoch() -> None:
    history = filled()
    assert history["loss"] == [1.0, 0.5, 1 / 3]
    assert list(history) == ["loss", "accuracy", "val_loss", "lr", "seconds"]
    assert (history.epochs, len(history)) == (3, 5)
    with pytest.raises(KeyError, match="the history has no 'acc'; it has loss, accuracy"):
        history["acc"]
    with pytest.raises(ValueError, match="an epoch has the figures"):
        history.append({"loss": 1.0})


def test_a_history_survives_json() -> None:
    history = filled()
    history.classes, history.compiled, history.stopped = ["a", "b"], True, "interrupted"
    again = History.from_dict(json.loads(json.dumps(history.to_dict())))
    assert again.to_dict() == history.to_dict()
    assert repr(again) == repr(history)


def test_the_repr_shows_first_and_last_and_the_way_between() -> None:
    assert repr(filled()) == "History(3 epochs: loss 1 → 0.333 █▃▁, accuracy 0 → 0.2 ▁▅█, val_loss 2 → 0.667 █▃▁)"
    assert repr(filled(1)) == "History(1 epoch: loss 1 ▁, accuracy 0 ▁, val_loss 2 ▁)"
    stopped = filled()
    stopped.stopped = "interrupted"
    assert repr(stopped).endswith("; interrupted)")


def test_the_table_escapes_what_it_shows() -> None:
    history = History()
    history.append({"loss": 1.0, "<b>": 2.0})
    history.stopped = "<i>"
    html = history._repr_html_()
    assert "<b>" not in html
    assert "<i>" not in html
    assert "&lt;b&gt;" in html


@given(st.lists(st.floats(), max_size=60))
def test_a_sparkline_has_a_bar_a_number_and_at_most_twenty(column: list[float]) -> None:
    assert len(sparkline(column)) == min(len(column), 20)


def test_a_sparkline_of_what_is_not_finite() -> None:
    assert sparkline([1.0, nan, inf, 2.0]) == "▁××█"
    assert sparkline([5.0, 5.0]) == "▁▁"
    assert sparkline([-1e308, 0.0, 1e308]) == "▁▅█"


def test_the_plot_has_the_losses_and_the_others_in_panels() -> None:
    losses, others = filled().plot()
    assert [line.get_label() for line in losses.get_lines()] == ["loss", "val_loss"]
    assert [line.get_label() for line in others.get_lines()] == ["accuracy"]
    assert losses.get_xlabel() == "epoch"
    assert list(losses.get_lines()[0].get_xdata()) == [1, 2, 3]
    alone = History()
    alone.append({"loss": 1.0})
    [ax] = alone.plot()
    assert ax.get_ylabel() == "loss"
    with pytest.raises(ValueError, match="no epoch to plot"):
        History().plot()


# --- progress ---


def run(**options: Any) -> None:
    model = nn.Neuron(1, "linear", seed=0)
    sgd = nn.optim.SGD(model.parameters(), lr=0.1)
    nn.fit(model, [[0.0], [1.0]], [0.0, 1.0], loss=nn.mse, optimizer=sgd, epochs=3, metrics=["mae"], **options)


def test_there_is_no_bar_where_nobody_looks(capsys: Any) -> None:
    run()
    run(progress=False)
    assert capsys.readouterr().err == ""


def test_a_bar_shows_epochs_and_figures(capsys: Any) -> None:
    run(progress=True)
    shown = capsys.readouterr().err
    assert "epoch 1/3, compiling" in shown
    assert "epoch 3/3" in shown
    assert "mae=" in shown.splitlines()[-1].split("\r")[-1]


def test_a_bar_shows_at_a_terminal(monkeypatch: Any) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", stream)
    run()
    assert "epoch 3/3" in stream.getvalue()


def test_another_wish_is_an_error() -> None:
    with pytest.raises(ValueError, match="progress is True, False or"):
        Progress("yes", 1, 1)
