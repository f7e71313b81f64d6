"""The README: it opens with the two commands, its examples print what they say, its table is the code's."""

import doctest
import re
from pathlib import Path

import pytest

from tests.table import README, readme

ROOT = README.parent


def test_it_opens_with_the_two_commands() -> None:
    first = re.search(r"```console\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert first
    assert first[1].splitlines() == [
        'python -m pip install ".[all]" && python -m autodiff',
        'python -m pip install ".[all,test]" && python -m pytest',
    ]


def test_examples_print_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # they save files
    result = doctest.testfile(str(README), module_relative=False, encoding="utf-8", optionflags=doctest.ELLIPSIS)
    assert result.attempted > 10
    assert result.failed == 0


def test_table_of_primitives_is_the_codes() -> None:
    assert README.read_text(encoding="utf-8") == readme()


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert link.startswith("http") or Path(ROOT / link).exists(), link
