"""The layout: which room may import which, how large rooms are, and what `import autodiff` costs."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

import pytest

import autodiff
from autodiff import hints

ROOT = Path(__file__).parent.parent

# The architecture, from the ground up. A room is a module or a folder, of `autodiff` unless it stands in `nn/`: it may
# import itself and the rooms in the rows above its own. The longest name that fits says where a module stands.
ROWS = """
hints  system  floats  sources  structures/containers     # these know of no graph
native                                                    # the storage of a node, in C where that was built
graph                                                     # nodes, known by their attributes alone: their order
chain                                                     # the chain rule on such nodes: the two sweeps
modes                                                     # what may watch recording, or take it over
primitives                                                # the table
arrays                                                    # numpy's functions, element by element
number                                                    # what Python asks of a number
backprop                                                  # a reverse sweep that adds to grad
copying
value                                                     # Value: all of the above in one class
functions                                                 # functions of numbers, Values and lists
fast                                                      # the hottest operations, in C or written out
structures                                                # many numbers as one argument
transforms/sweeps                                         # rules read again, on data as it is now
transforms/segments
transforms                                                # grad and its kin
testing  expression

show/words                                                # drawings: numbers, names and colours first,
show/folding  show/formulas
show/drawings  show/explanations
show/figures                                              # matplotlib's, as drawings

compiler/programs                                         # the compiler: the program first, then
compiler/trace  compiler/passes  compiler/nests           # what makes it, and makes it shorter,
compiler/backends                                         # what runs it,
compiler/calls                                            # how arguments reach it,
compiler/versions                                         # and which of several a call runs
compiler/rows  compiler/prepared
compiler

show/live                                                 # pictures that move: graphs as programs,
show/animations                                           # and films
show

nn/hints  nn/lists  nn/optional                           # neural networks: what knows of no module
nn/init  nn/modules
nn/losses
nn/layers  nn/metrics
nn/optim
nn/training/history
nn/training/batches                                       # sums over the rows of a batch
nn/training/saving  nn/training/diagnosis
nn/training
nn/show                                                   # pictures that move: descent, the playground
nn
nn/sklearn                                                # its estimators, on all of nn

app                                                       # python -m autodiff
__main__
"""
LAYER = {room: i for i, row in enumerate(ROWS.split("\n")) for room in row.partition("#")[0].split()}

MODULES = sorted(path for package in ("autodiff", "nn") for path in (ROOT / package).rglob("*.py"))
FOLDERS = sorted({path.parent for path in MODULES})


def place(path: Path) -> str:
    """The path as messages and parameters have it."""
    return path.relative_to(ROOT).as_posix()


def room_of(module: str) -> str:
    """The room of a module, or of a name in one: `autodiff.show.words.names.NAMES` is in show/words."""
    parts = module.removeprefix("autodiff.").split(".")
    return next((room for n in range(len(parts), 0, -1) if (room := "/".join(parts[:n])) in LAYER), "")


def imported(path: Path) -> set[str]:
    """The modules that a file imports, and the names in them; not those for types alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_imports_run_one_way(path: Path) -> None:
    if path == ROOT / "autodiff/__init__.py":
        pytest.skip("it opens the doors to all rooms, most of them lazily")
    own = room_of(place(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    assert own, f"{place(path)} has no place in the table of rooms"
    for name in imported(path):
        target = room_of(name)
        if name.partition(".")[0] in ("autodiff", "nn") and target:
            assert target == own or LAYER[target] < LAYER[own], f"{own} imports {target}, which does not stand above it"


MOST_LINES, MOST_BODY_LINES, MOST_IN_A_FOLDER, MOST_AT_THE_TOP, MOST_RETURN_WHAT = 400, 40, 12, 24, 5

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def documented(path: Path) -> Iterator[tuple[Documented, str]]:
    """The module, and the classes and functions in it, each with its docstring."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Documented):
            yield node, ast.get_docstring(node) or ""


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_modules_and_functions_are_short(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= MOST_LINES, f"{place(path)} has {lines} lines, {MOST_LINES} at most: split it by idea"
    for node, doc in documented(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if doc and len(node.body) > 1 else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1
            assert length <= MOST_BODY_LINES, (
                f"{place(path)}: {node.name} has {length} lines below its docstring, {MOST_BODY_LINES} at most"
            )


@pytest.mark.parametrize("folder", FOLDERS, ids=place)
def test_folders_hold_few_rooms(folder: Path) -> None:
    rooms = {path.name for path in MODULES if path.parent == folder and path.name != "__init__.py"}
    rooms |= {other.name for other in FOLDERS if other.parent == folder}
    most = MOST_AT_THE_TOP if folder == ROOT / "autodiff" else MOST_IN_A_FOLDER
    assert len(rooms) <= most, f"{place(folder)} holds {len(rooms)} modules and folders, {most} at most"


def test_summaries_say_what_a_thing_is() -> None:
    found = [
        f"{place(path)}: {doc.splitlines()[0]}"
        for path in MODULES
        for _, doc in documented(path)
        if doc.startswith("Return what")
    ]
    assert len(found) <= MOST_RETURN_WHAT, "'The gradient of f.' is better:\n" + "\n".join(found)


SUBPACKAGES = ["autodiff.compiler", "autodiff.testing"]


@pytest.mark.parametrize("path", [path for path in MODULES if path.is_relative_to(ROOT / "nn")], ids=place)
def test_nn_uses_only_what_autodiff_exports(path: Path) -> None:
    for name in imported(path):
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
    assert not {"autodiff.show", "dataclasses", "inspect", "linecache"} & set(loaded.stdout.split())  # slow to load


def test_drawings_do_without_the_compiler() -> None:
    code = "import sys, autodiff; print(autodiff.draw(autodiff.Value(1.0))); print('autodiff.compiler' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_public_names_are_listed_documented_and_there() -> None:
    assert sorted(autodiff.__all__) == sorted(set(autodiff.__all__))
    for name in dir(autodiff):
        assert getattr(autodiff, name).__doc__, name
    with pytest.raises(AttributeError, match="module 'autodiff' has no attribute 'nonsense'"):
        autodiff.nonsense  # noqa: B018


@pytest.mark.parametrize("name", ["compiler", "expression", "testing", "transforms"])
def test_what_the_readme_names_needs_no_import_of_its_own(name: str) -> None:
    code = f"import autodiff; print(autodiff.{name}.__name__)"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == f"autodiff.{name}"


@pytest.mark.parametrize("package", ["autodiff", "autodiff.testing", "autodiff.compiler", "autodiff.show"])
def test_no_module_hides_a_public_name_once_it_is_loaded(package: str) -> None:
    public = import_module(package)
    modules = {path.stem for path in (ROOT / package.replace(".", "/")).iterdir()}
    assert not modules & set(public.__all__)
    if public is autodiff:
        assert modules & hints.ELSEWHERE.keys() <= {"show"}  # nor the remark on what a name was meant to be


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


def test_files_that_the_settings_name_are_there() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    for pattern in settings["only_mutate"] + settings["pytest_add_cli_args_test_selection"]:
        assert list(ROOT.glob(pattern)), f"pyproject.toml names {pattern}, which is not there"


PACKAGES = {folder.name: place(folder.parent).replace("/", ".").strip(".") for folder in FOLDERS}


PAGES = [ROOT / "README.md", *sorted((ROOT / "notebooks").rglob("*.md"))]


@pytest.mark.parametrize("path", [*MODULES, *PAGES], ids=place)
def test_files_and_modules_that_are_mentioned_are_there(path: Path) -> None:
    """Files such as `chain.py` and `primitives/`; modules and what is in them, such as `passes.order` and `nn.fit`."""
    for name in re.findall(r"`([\w./]+)`", path.read_text(encoding="utf-8")):
        package = PACKAGES.get(name.partition(".")[0])
        if name.endswith((".py", ".pyi", "/")):
            assert list(ROOT.glob(name)) or list(ROOT.glob(f"*/**/{name}")), f"there is no {name}"
        elif package is not None and re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)+", name):
            module, _, last = f"{package}.{name}".strip(".").rpartition(".")
            here = resolve_name(module)
            assert hasattr(here, last) or find_spec(f"{module}.{last}"), f"there is no {name}"


def test_the_page_of_the_source_lists_the_rooms_from_the_ground_up() -> None:
    page = (ROOT / "notebooks/reference/source.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    listed = [name for cell in cells for name in re.findall(r"`(\S+?)(?:\.py|/)?`", cell)]
    rooms = {path.relative_to(ROOT).with_suffix("").as_posix() for path in MODULES if path.parent == ROOT / "autodiff"}
    rooms |= {place(folder) for folder in FOLDERS if folder.parent == ROOT / "autodiff"} | {"nn"}
    assert sorted(listed) == sorted(rooms - {"autodiff/__init__"})
    order = [LAYER[name.removeprefix("autodiff/")] for name in listed]
    assert order == sorted(order), "the rows of the table stand in the order of the layers"
