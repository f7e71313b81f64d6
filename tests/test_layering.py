"""The layout: which module may import which, and what `import autodiff` costs."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import autodiff

ROOT = Path(__file__).parent.parent

# A room is a module or a folder of `autodiff`: it may import itself, and the rooms in the rows above its own. The
# longest name that fits says where a module stands.
ROWS = """
hints  forks  floats  blocks  structures/containers
nothing  assigned
primitives  graph
modes
copying  arrays
value
functions
structures
transforms/sweeps
transforms/segments
transforms
testing  expression
show  compiler
app
__main__
"""
LAYER = {room: row for row, rooms in enumerate(ROWS.split("\n")) for room in rooms.split()}


def room_of(module: str) -> str:
    """Return the room of a module, or of a name in one, both written with slashes and without the package."""
    parts = module.split("/")
    return next((room for n in range(len(parts), 0, -1) if (room := "/".join(parts[:n])) in LAYER), "")


def imported(path: Path, *, everywhere: bool) -> set[str]:
    """Return the modules that a file imports: at its top level, or everywhere in it; not those for types alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    names: set[str] = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


MODULES = [p for p in (ROOT / "autodiff").rglob("*.py") if p != ROOT / "autodiff/__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    own = room_of(path.relative_to(ROOT / "autodiff").with_suffix("").as_posix().removesuffix("/__init__"))
    assert own, f"{path} has no place in the table of rooms"
    for name in imported(path, everywhere=True):
        package, _, rest = name.partition(".")
        assert package != "nn" or own == "app", f"{path} imports nn"
        target = room_of(rest.replace(".", "/"))
        if package == "autodiff" and target:
            assert target == own or LAYER[target] < LAYER[own], f"{own} imports {target}"


SUBPACKAGES = ["autodiff.compiler", "autodiff.testing"]


@pytest.mark.parametrize("path", list((ROOT / "nn").rglob("*.py")), ids=lambda p: p.name)
def test_nn_uses_only_what_autodiff_exports(path: Path) -> None:
    for name in imported(path, everywhere=True):
        package, _, rest = name.partition(".")
        if package == "autodiff" and rest:
            module, _, exported = f"autodiff.{rest}".rpartition(".")
            public = dir(autodiff) if module == "autodiff" else import_module(module).__all__
            assert exported in public or name in SUBPACKAGES, f"{path.name} imports {name}"


def test_import_loads_the_standard_library_alone() -> None:
    code = "import sys; old = set(sys.modules); import autodiff; print(*(set(sys.modules) - old))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert packages - sys.stdlib_module_names == {"autodiff"}
    assert not {"autodiff.show", "dataclasses", "inspect"} & set(loaded.stdout.split())  # slow to load


def test_public_names_are_listed_documented_and_there() -> None:
    assert sorted(autodiff.__all__) == sorted(set(autodiff.__all__))
    for name in dir(autodiff):
        assert getattr(autodiff, name).__doc__, name
    with pytest.raises(AttributeError, match="module 'autodiff' has no attribute 'nonsense'"):
        autodiff.nonsense  # noqa: B018


def test_every_primitive_is_a_public_function() -> None:
    from autodiff import primitives

    hidden = {"round"}  # Python's own round calls it
    assert set(primitives.TABLE) - hidden <= set(dir(autodiff))


def test_top_level_holds_the_agreed_names_alone() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = {line.partition("/")[0] for line in listed.stdout.splitlines()}
    agreed = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "autodiff", "nn", "tests", "notebooks"}
    assert {name for name in names if not name.startswith(".")} <= agreed
