"""The pages: which there are, and what stands in them."""

import re
from pathlib import Path

DIRECTORY = Path(__file__).parent.parent.parent / "notebooks"
PAGES = sorted(path for path in DIRECTORY.rglob("*.md") if ".ipynb_checkpoints" not in path.parts)

CODE = re.compile(r"(`+)(.+?)\1")


def place(path: Path) -> str:
    """The path below the folder of the pages."""
    return path.relative_to(DIRECTORY).as_posix()


def links(page: Path) -> list[str]:
    """Where the links and pictures of a page lead, within the project."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", text)) + re.findall(r'src="([^"]+)"', text)
    return [link for link in found if not link.startswith(("http:", "https:"))]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page whose first line says so: "python", "python torch"."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def tables(page: Path) -> list[list[list[str]]]:
    """The tables of a page: a list of rows each, the names of the columns first."""
    found, rows = [], []
    for line in [*page.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip()[1:-1])
            rows.append([cell.strip().replace("\\|", "|") for cell in cells])
        elif rows:
            head, _, *body = rows
            found, rows = [*found, [head, *body]], []
    return found
