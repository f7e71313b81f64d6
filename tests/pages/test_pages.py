"""The pages: their examples print what they say, their links lead somewhere, and every public name has its place."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import autodiff
import nn
from autodiff import compiler, show, testing
from autodiff.primitives import TABLE
from autodiff.show import live
from tests.pages.reading import DIRECTORY, PAGES, blocks, links, place


@pytest.mark.parametrize("page", PAGES, ids=place)
def test_examples_print_what_they_say(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # they save files
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8", optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
    assert (result.attempted > 0) == (">>> " in page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", sorted((DIRECTORY / "how_to").glob("[!i]*.md")), ids=place)
def test_a_how_to_has_code_that_runs(page: Path) -> None:
    assert page.read_text(encoding="utf-8").count(">>> ") >= 3


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python script")], ids=place)
def test_scripts_run(page: Path, tmp_path: Path) -> None:
    for number, script in enumerate(blocks(page, "python script")):
        (tmp_path / f"script{number}.py").write_text(script, encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(DIRECTORY.parent)}
        command = [sys.executable, f"script{number}.py"]
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", PAGES, ids=place)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{place(page)} links to {link}, which is not there"
        if anchor and target.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings], link


PUBLIC = {
    "autodiff": set(dir(autodiff)) - TABLE.keys(),
    "autodiff.compiler": set(compiler.__all__),
    "autodiff.show": set(show.__all__),
    "autodiff.show.live": set(live.__all__) - {"what_if"},  # which is autodiff's
    "autodiff.testing": set(testing.__all__),
    "nn": set(nn.__all__) - {"init", "metrics", "optim", "schedules"},
    "nn.optim": set(nn.optim.__all__) - {"l1", "l2", "schedules"},
}


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_stands_in_the_reference(package: str) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (DIRECTORY / "reference").glob("*.md"))
    listed = set(re.findall(r"^\.\. auto(?:function|class|exception|data):: (?:[\w.]+\.)?(\w+)$", text, re.MULTILINE))
    for names in re.findall(r"^ +:members: (.+)$", text, re.MULTILINE):
        listed |= set(names.split(", "))
    left = sorted(PUBLIC[package] - listed)
    assert not left, f"add these of {package} to a page of notebooks/reference: {left}"


@pytest.mark.parametrize("name", TABLE)
def test_every_primitive_stands_in_the_table(name: str) -> None:
    assert f"\n| `{name}` |" in (DIRECTORY / "reference/primitives.md").read_text(encoding="utf-8")
