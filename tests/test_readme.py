"""The README: it opens with the two commands, it is short, its examples print what they say."""

import doctest
import io
import re
from codeop import compile_command
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from autodiff.primitives import TABLE

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
MOST = 12_000  # characters


def test_it_opens_with_the_two_commands() -> None:
    first = re.search(r"```console\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert first
    assert first[1].splitlines() == [
        'python -m pip install ".[all]" && python -m autodiff',
        'python -m pip install ".[all,test]" && python -m pytest',
    ]


def test_it_is_short() -> None:
    assert len(README.read_text(encoding="utf-8")) <= MOST, "what is longer has its place in the pages of notebooks/"


def test_examples_can_be_pasted_and_print_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # they save files
    text, names = README.read_text(encoding="utf-8"), {"__name__": "__main__"}
    examples = re.findall(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", text, re.DOTALL)
    assert len(examples) >= 5
    for code, expected in examples:
        assert ">>>" not in code, "plain code can be pasted"
        out = io.StringIO()
        with redirect_stdout(out):
            _paste(code, names)
        printed = "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
        same = doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS)
        assert same, f"{code}\nprints\n{printed}\nnot\n{expected}"


def _paste(code: str, names: dict[str, object]) -> None:
    """Run it line by line, as a prompt does: there a loop ends at an empty line, and not before the next statement."""
    typed: list[str] = []
    for line in [*code.splitlines(), ""]:
        typed.append(line)
        ready = compile_command("\n".join(typed), "README.md", "single")
        if ready is not None:
            exec(ready, names)
            typed.clear()
    assert not "".join(typed), typed


def test_the_first_example_is_short_and_needs_nothing_but_the_engine() -> None:
    first = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert first
    lines = [line for line in first[1].splitlines() if line]
    assert len(lines) <= 10
    assert {line.split()[1] for line in lines if line.startswith(("import ", "from "))} == {"autodiff"}


def test_it_counts_the_primitives_and_their_bounds() -> None:
    ulps = [primitive.ulps for primitive in TABLE.values()]
    counted = f"**{len(TABLE)} primitives within {min(ulps)} to {max(ulps)} ulps**"
    assert counted in README.read_text(encoding="utf-8"), counted


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert link.startswith("http") or Path(ROOT / link).exists(), link
