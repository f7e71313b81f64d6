"""`python -m autodiff`, as a person runs it: the tour, and expressions."""

import io
import math
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import nn
from autodiff import __main__ as program
from autodiff import primitives
from autodiff.app import tour, version

ROOT = Path(__file__).parent.parent.parent


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
    assert version.engine() in " ".join(result.stdout.split())
    rows = re.findall(r"d/d(\w+) +(-?[\d.]+) +(-?[\d.]+)\n", result.stdout)
    assert [name for name, _, _ in rows] == ["w1", "x1", "w2", "x2", "b"]
    for _, analytic, numerical in rows:
        assert float(analytic) == pytest.approx(float(numerical), abs=1e-9)
    (line,) = [line for line in result.stdout.splitlines() if "held-out" in line]
    accuracy = re.match(r"held-out accuracy (\d+\.\d) %", line)
    assert accuracy
    assert float(accuracy[1]) >= 93.0
    drawing = tmp_path / "neuron.svg"
    assert str(drawing.resolve()) in result.stdout
    assert "<svg" in drawing.read_text()


def test_tour_trains_the_same_network_eagerly_and_compiled_and_shows_what_it_learnt(tmp_path: Path) -> None:
    output = run("--epochs", "10", "--seed", "3", cwd=tmp_path).stdout
    assert re.search(r"every number is a Value\.\n[\d,]+ samples in [\d.]+ s: [\d,]+ samples a second\.", output)
    assert re.search(r"The same code, compiled: .*\n[\d,]+ samples a second, [\d,]+ times as fast\.", output)
    (notes,) = [line for line in output.splitlines() if line.startswith("says")]
    assert re.fullmatch(r"(says \d +){3}says \d, it is \d", notes)
    pictures = output[: output.index(notes)].splitlines()[-8:]
    assert set("".join(pictures)) <= set(" ░▒▓█")
    assert "chain rule" in output
    assert "the sum over 2 paths" in output
    *_, heading, first, second, third, fourth = output.splitlines()
    assert heading == "Four things to try next:"
    assert all(line.startswith("  ") for line in (first, second, third, fourth))
    assert all(len(line) <= 80 or "neuron.svg" in line for line in output.splitlines())


def test_interrupt_ends_the_training_and_keeps_what_there_is(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "autodiff", "--epochs", "1000000"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:  # of the progress bar, too: a carriage return ends one
        if "epoch 2/" in line:
            break
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, rest
    assert re.search(r"Stopped after \d+ of 1000000 epochs; going on with the network as it is", rest)
    assert "held-out accuracy" in rest
    assert (tmp_path / "neuron.svg").exists()


class Interrupted(list[tour.Sample]):
    """Samples of which only so many can be taken before Ctrl-C."""

    left = 100

    def __getitem__(self, index: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().__getitem__(index)


def test_interrupt_of_eager_training_goes_on_with_the_network_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    model = nn.MLP(64, [10], seed=0)
    assert tour.train_eagerly(model, Interrupted(tour.digits(0)[0]), 0) is None
    assert "Stopped after 100 samples; going on with the network as it is." in capsys.readouterr().out


def test_what_takes_long_ticks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour, "TICK", 0.01)
    with tour.ticking("waiting"):
        time.sleep(0.2)
    assert re.fullmatch(r"waiting \.{5,}\n", capsys.readouterr().out)


def test_pictures_are_drawn_in_letters_where_there_are_no_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = [i / 63 for i in range(64)]
    assert len(set("".join(tour.blocks(ramp)))) == 5
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    plain = tour.blocks(ramp)
    assert [len(line) for line in plain] == [16] * 8
    assert set("".join(plain)) == set(" .:*#")


def test_a_network_that_is_always_right_is_shown_without_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    _, testing = tour.digits(0)
    last = tour.show_digits(testing, [digit for _, digit in testing])
    assert last in testing
    assert "it is" not in capsys.readouterr().out


def test_help_explains_itself(tmp_path: Path) -> None:
    result = run("--help", cwd=tmp_path)
    assert result.returncode == 0
    for word in (
        "handwritten digits",
        "--epochs",
        "--seed",
        "--out",
        "Ctrl-C",
        "--wrt",
        "--order",
        "--draw",
        "softmax",
    ):
        assert word in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 120


def test_examples_of_the_help_run(tmp_path: Path) -> None:
    examples = re.findall(r"^  python -m autodiff (\".*)$", program._DESCRIPTION, re.MULTILINE)
    assert len(examples) == 3
    for words in examples:
        result = run(*shlex.split(words), cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, ""), result.stderr
        assert "agree" in result.stdout
    assert "<svg" in (tmp_path / "neuron.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "-1"], "--epochs is at least 0, got -1"),
        (["--out", "neuron.gif"], "--out ends in .svg, .png, .pdf, .html or .dot, got neuron.gif"),
        (["--seed", "-1"], "--seed is from 0 to 2**32 - 1, got -1"),
        (["--seed", "5000000000"], "--seed is from 0 to 2**32 - 1, got 5000000000"),
        (["--out", "nowhere/neuron.svg"], "--out is in a directory that does not exist"),
        (["x", "x=1", "--draw", "x.gif"], "--draw ends in .svg, .png, .pdf, .html or .dot, got x.gif"),
        (["x", "x=1", "--draw", "nowhere/x.svg"], "--draw is in a directory that does not exist"),
        (["x", "x=1", "--epochs", "3"], "--epochs is of the tour; leave the expression out, or the option"),
        (["--draw", "x.svg"], '--draw needs an expression, such as "x**2" x=3'),
        (["--order", "2"], "--order needs an expression"),
        (["x", "x=1", "--order", "3"], "argument --order: invalid choice: 3"),
    ],
)
def test_bad_options_are_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        program.main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_drawing_over_a_directory_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d.svg").mkdir()
    with pytest.raises(SystemExit):
        program.main(["--out", str(tmp_path / "d.svg")])
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
    assert "held-out accuracy" in plain.stdout
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), text=True, **pipes) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 141


def test_a_reader_that_leaves_while_the_graph_is_laid_out_is_no_fault_of_the_drawing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaves(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(tour, "save_drawing", leaves)
    with pytest.raises(BrokenPipeError):
        program.main(["--out", str(tmp_path / "neuron.svg")])
    assert capsys.readouterr().err == ""


def test_without_the_train_extra_one_line_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tour, "find_spec", lambda name: None)
    assert program.main(["--out", str(tmp_path / "neuron.dot")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines.count('training needs scikit-learn and tqdm: python -m pip install "scalar-autodiff[train]"') == 1
    assert (tmp_path / "neuron.dot").exists()


# --- expressions ---


def numbers(output: str) -> dict[str, tuple[float, float]]:
    """Return (analytic, numerical) of each derivative that was printed."""
    rows = re.findall(r"^(d\S+) +(\S+) +(\S+)$", output, re.MULTILINE)
    return {name: (float(exact), float(numerical)) for name, exact, numerical in rows}


def test_an_expression_is_evaluated_differentiated_checked_and_drawn(tmp_path: Path) -> None:
    words = ["tanh(w*x + b)", "w=2", "x=1", "b=0.5", "--wrt", "w", "x", "--draw", "out.svg"]
    result = run(*words, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("tanh(w*x + b) = 0.9866142982\n")
    slope = 1.0 - math.tanh(2.5) ** 2
    found = numbers(result.stdout)
    assert list(found) == ["d/dw", "d/dx"]
    assert found["d/dw"] == pytest.approx((slope, slope), rel=1e-8)
    assert found["d/dx"] == pytest.approx((2 * slope, 2 * slope), rel=1e-8)
    assert "All agree." in result.stdout
    assert str((tmp_path / "out.svg").resolve()) in result.stdout
    assert "tanh" in (tmp_path / "out.svg").read_text()


def test_the_example_in_its_page_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "notebooks/reference/command.md").read_text(encoding="utf-8")
    examples = re.findall(r"```console\n\$ python -m autodiff (.*)\n((?:.*\n)*?)```", page)
    assert examples
    for words, output in examples:
        assert program.main(shlex.split(words)) == 0
        assert capsys.readouterr().out == output


def test_second_derivatives(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["x**2 * y", "x=3", "y=2", "--order", "2"]) == 0
    found = numbers(capsys.readouterr().out)
    assert {name: exact for name, (exact, _) in found.items()} == {
        "d/dx": 12.0,
        "d/dy": 9.0,
        "d²/dx²": 4.0,
        "d²/dydx": 6.0,
        "d²/dy²": 0.0,
    }
    for exact, numerical in found.values():
        assert exact == pytest.approx(numerical, abs=1e-6)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["-x**2", "x=-3"], "-x**2 = -9"),
        (["-1"], "-1 = -1"),
        (["9**9**9"], "9**9**9 = inf"),
        (["cos(a)", "a=pi/3"], "cos(a) = 0.5"),
        (["x + y", "--wrt", "x", "y", "x=1", "y=-2.5"], "x + y = -1.5"),
        (["x", "--order", "1", "x=1e3"], "x = 1000"),
        (["λ*x", "λ=2", "x=4"], "λ*x = 8"),
        (["relu(x)", "x=0"], "relu(x) = 0"),
        (["log(x)", "x=0"], "log(x) = -inf"),
        (["pi*x + e", "x=1"], "pi*x + e = 5.859874482"),
        (["e*x", "x=2", "e=3"], "e*x = 6"),
    ],
)
def test_words_in_any_order_and_numbers_of_any_kind(
    words: list[str], value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(words) == 0
    assert capsys.readouterr().out.splitlines()[0] == value


def test_a_kink_is_told_and_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["relu(x) + y", "x=0", "y=1"]) == 0
    out = capsys.readouterr().out
    assert "not smooth here: differences decide nothing" in out
    assert "agree" not in out


def test_a_wrong_derivative_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(primitives.TABLE["square"], "partials", [lambda out, x: 2.1 * x])
    assert program.main(["square(x)", "x=3"]) == 1
    assert "THEY DIFFER" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "row"),
    [
        (["sin(x)", "x=1e14"], "d/dx -0.977828288 -0.977828288 by mpmath: differences decide nothing"),
        (["x//y", "x=1e300", "y=1"], "d/dx 0 1 not smooth here: differences decide nothing"),
        (["log(x) + 1", "x=-1"], "d/dx -1 nan log(-1) is nan"),
        (["1/x", "x=0"], "d/dx -inf nan div(1, 0) is inf"),
        (["sqrt(x)", "x=0"], "d/dx inf nan not smooth here: differences decide nothing"),
        (["sigmoid(x)", "x=inf"], "d/dx 0 nan there are no differences at inf"),
    ],
)
def test_a_derivative_that_differences_cannot_confirm_is_not_accused(
    words: list[str], row: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(words) == 0
    assert row in [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_without_mpmath_it_is_not_accused_either(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "autodiff.testing.oracles", None)
    assert program.main(["sin(x)", "x=1e14", "--order", "2"]) == 0
    assert capsys.readouterr().out.count("differences decide nothing") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tahn(x)", "x=1"], "there is no function 'tahn'; did you mean 'tanh'?\n  tahn(x)\n  ^\n"),
        (["x.y", "x=1"], "the dot in .y has no place here\n  x.y\n   ^\nan expression holds names"),
        ([""], "there is nothing here to evaluate"),
        (["w*x", "w=1"], "x has no number; add x=1"),
        (["x^2", "x=1"], "^ is no power here; write **, as in x**2\n  x^2\n  ^\n"),
        (["2x", "x=1"], "invalid decimal literal; a product is written 2*x"),
        (["pi*x", "x=1", "--wrt", "pi"], "--wrt: pi is a constant, unless it is given a number: add pi=1"),
        (["x", "x=1", "z=2"], "there is no z in the expression; leave z= out"),
        (["weight", "weigth=1"], "there is no weigth in the expression; did you mean weight?"),
        (["x", "x=1", "x=2"], "x has two numbers; give it one"),
        (["x", "x"], "expected name=number, such as x=2, got 'x'; quote the expression as one word"),
        (["x", "x=a"], "x=a: expected a number, got the name a"),
        (["x", "x=1+"], "this is no expression: invalid syntax"),
        (["x", "x="], "there is nothing here to evaluate"),
        (["x", "x=1", "--wrt", "y"], "--wrt: there is no y in the expression"),
        (["(" * 300, "x=1"], "too many nested parentheses"),
        (["x" * 3000, "x=1"], "an expression has at most 2,000 characters, got 3,000"),
        (["+".join(f"x{i}" for i in range(60)), *(f"x{i}=1" for i in range(60))], "60 names are too many"),
    ],
)
def test_mistakes_are_told_with_status_2(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("python -m autodiff: ")
    assert message in printed.err


def test_nothing_is_run_but_arithmetic(tmp_path: Path) -> None:
    result = run("__import__('os').mkdir('harm')", cwd=tmp_path)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_an_expression_survives_ascii_terminals_and_closed_pipes(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "autodiff", "λ**2", "λ=3", "--order", "2"]
    plain = {**environment(), "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(words, cwd=tmp_path, env=plain, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("?**2 = 9\n")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, cwd=tmp_path, env=environment(), text=True, **pipes) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_an_expression_can_be_interrupted(tmp_path: Path) -> None:
    names = [f"x{i}" for i in range(50)]
    slow = "+".join(f"sin({a}*{b})*exp({a})" for a, b in pairwise(names))
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "autodiff", slow, *(f"{name}=0.5" for name in names)],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()  # the value; the derivatives take longer
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped." in out
    assert "Traceback" not in err


# --- terminals, disks and words that do not behave ---

ESCAPE = "\x1b[31m\x9b\x07"


@pytest.mark.parametrize(
    "words",
    [
        [f"x{ESCAPE}", "x=1"],
        ["x", f"x{ESCAPE}=1"],
        ["x", f"x={ESCAPE}"],
        ["x", "x=1", "--wrt", f"y{ESCAPE}"],
        ["x", "x=1", "--draw", f"{ESCAPE}.gif"],
        ["x", "x=1", "--draw", f"{ESCAPE}/x.svg"],
        ["x", "x=1", f"--{ESCAPE}"],
        ["x", "x=1", "--order", ESCAPE],
        ["x", "x=1", "--draw", f"{ESCAPE}.dot"],
    ],
)
def test_no_word_of_the_shell_is_obeyed_by_the_terminal(words: list[str], tmp_path: Path) -> None:
    result = run(*words, cwd=tmp_path)
    assert result.returncode == (0 if words[-1].endswith(".dot") else 2)
    said = result.stdout + result.stderr
    assert said
    assert all(c.isprintable() or c == "\n" for c in said)
    assert "Traceback" not in said


def test_a_name_that_is_too_long_for_a_file_is_refused(tmp_path: Path) -> None:
    for words in (["x", "x=1", "--draw", "a" * 300 + ".svg"], ["--out", "a" * 300 + ".svg"]):
        result = run(*words, cwd=tmp_path)
        assert result.returncode == 2
        assert "File name too long" in result.stderr
        assert "Traceback" not in result.stderr


def shell_run(redirected: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = f"{shlex.quote(sys.executable)} -m autodiff {redirected}"
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=60
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full disk to write to")
@pytest.mark.parametrize("words", ["x x=1", "--help", "x x=1 --order 2"])
def test_a_full_disk_ends_with_one_line_and_status_1(words: str, tmp_path: Path) -> None:
    result = shell_run(f"{words} > /dev/full", tmp_path)
    assert (result.returncode, result.stderr) == (
        1,
        "python -m autodiff: the output cannot be written: No space left on device\n",
    )


def test_a_closed_output_ends_with_one_line_and_status_1(tmp_path: Path) -> None:
    result = shell_run("x x=1 --draw x.dot >&-", tmp_path)
    assert (result.returncode, result.stderr) == (1, "python -m autodiff: standard output is closed\n")
    assert shell_run("x^2 x=1 2>&-", tmp_path).returncode == 2
    assert shell_run("x^2 x=1 >&- 2>&-", tmp_path).returncode == 1


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", "cp1252:strict"])
def test_a_terminal_of_few_characters_shows_the_others_as_question_marks(encoding: str, tmp_path: Path) -> None:
    for words, status in ((["λ**2", "λ=3", "--order", "2"], 0), (["λ + ", "λ=3"], 2), (["x", "x=1", "--wrt", "λ"], 2)):
        result = subprocess.run(
            [sys.executable, "-m", "autodiff", *words],
            cwd=tmp_path,
            env={**environment(), "PYTHONIOENCODING": encoding},
            capture_output=True,
            timeout=60,
        )
        assert result.returncode == status
        assert b"Traceback" not in result.stderr
        assert b"?" in result.stdout + result.stderr
