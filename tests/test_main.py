"""`python -m autodiff`, as a person runs it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autodiff import __main__ as tour

ROOT = Path(__file__).parent.parent


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autodiff", *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


def test_tour_shows_gradients_trains_to_93_percent_and_draws(tmp_path: Path) -> None:
    result = run("--epochs", "4", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "tanh" in result.stdout
    rows = re.findall(r"d/d(\w+) +(-?[\d.]+) +(-?[\d.]+)\n", result.stdout)
    assert [name for name, _, _ in rows] == ["w1", "x1", "w2", "x2", "b"]
    for _, analytic, numerical in rows:
        assert float(analytic) == pytest.approx(float(numerical), abs=1e-9)
    accuracy = re.search(r"Accuracy on 360 digits it has never seen: ([\d.]+)%", result.stdout)
    assert accuracy
    assert float(accuracy[1]) >= 93.0
    drawing = tmp_path / "neuron.svg"
    assert str(drawing.resolve()) in result.stdout
    assert "<svg" in drawing.read_text()


def test_interrupt_ends_the_training_and_keeps_what_there_is(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "autodiff", "--epochs", "1000"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "digits:" in line:
            break
    time.sleep(2.0)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert re.search(r"Stopped after \d+ of 1437000 samples; going on with the network as it is", rest)
    assert "Accuracy on 360 digits" in rest
    assert (tmp_path / "neuron.svg").exists()


def test_help_explains_itself(tmp_path: Path) -> None:
    result = run("--help", cwd=tmp_path)
    assert result.returncode == 0
    for word in ("handwritten digits", "--epochs", "--seed", "--out", "Ctrl-C"):
        assert word in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "-1"], "--epochs is at least 0, got -1"),
        (["--out", "neuron.gif"], "--out ends in .svg, .png, .html or .dot, got neuron.gif"),
        (["--seed", "-1"], "--seed is from 0 to 2**32 - 1, got -1"),
        (["--seed", "5000000000"], "--seed is from 0 to 2**32 - 1, got 5000000000"),
        (["--out", "nowhere/neuron.svg"], "--out is in a directory that does not exist"),
    ],
)
def test_bad_options_are_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        tour.main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_drawing_over_a_directory_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d.svg").mkdir()
    with pytest.raises(SystemExit):
        tour.main(["--out", str(tmp_path / "d.svg")])
    assert "--out is a directory" in capsys.readouterr().err


def test_terminal_without_unicode_and_reader_that_leaves_early_see_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "autodiff", "--epochs", "0"]
    plain = subprocess.run(
        command,
        cwd=tmp_path,
        env={**environment(), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert plain.returncode == 0, plain.stderr
    assert "Traceback" not in plain.stderr
    assert "Accuracy" in plain.stdout
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), text=True, **pipes) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 141


def test_without_the_train_extra_one_line_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tour, "find_spec", lambda name: None)
    assert tour.main(["--out", str(tmp_path / "neuron.dot")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines.count('training needs scikit-learn and tqdm: python -m pip install "scalar-autodiff[train]"') == 1
    assert (tmp_path / "neuron.dot").exists()
