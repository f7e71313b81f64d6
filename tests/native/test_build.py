"""The build of the native core: what wheels hold, with a compiler and without, and what is left beside the sources."""

import importlib.machinery
import importlib.util
import platform
import shutil
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tarfile import open as open_tar
from typing import Any

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from autodiff import native

ROOT = Path(__file__).parent.parent.parent

PART = """
int sums_of_FOLDER(void);
int sums_of_FOLDER(void) { return 1; }
"""
SOURCE = """
#include "core.h"
int sums_of_src(void);
int sums_of_compiler(void);
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "core"};
PyMODINIT_FUNC PyInit_core(void)
{
    PyObject *module = sums_of_src() + sums_of_compiler() == 2 ? PyModule_Create(&definition) : NULL;
    if (module && PyModule_AddStringConstant(module, "sources", SOURCES) < 0)
        Py_CLEAR(module);
    return module;
}
"""


def load(name: str, loader: Any) -> Any:
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def load_hook() -> Any:
    path = str(ROOT / ".build/hook.py")
    return load("hook", importlib.machinery.SourceFileLoader("hook", path))


hook = load_hook()

can_build = hook.obstacle() is None and sys.platform != "win32" and hook.system_compiler() is not None
compiles = pytest.mark.skipif(not can_build, reason="there is no compiler, or there are no headers of Python")


class Project:
    """A copy of the project with a core of one page; its wheels are built in this process, without pip."""

    def __init__(self, root: Path) -> None:
        self.root, self.native = root, root / "autodiff/native"
        (self.native / "src/compiler").mkdir(parents=True)
        (root / ".build").mkdir()
        (root / "nn").mkdir()
        for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore", ".build/hook.py"):
            shutil.copy(ROOT / name, root / name)
        for name in ("autodiff/__init__.py", "autodiff/native/__init__.py", "nn/__init__.py"):
            (root / name).touch()
        (self.native / "src/core.h").write_text("#include <Python.h>\n")
        (self.native / "src/module.c").write_text(SOURCE)
        (self.native / "src/compiler/compiler.h").write_text('#include "../core.h"\n')
        for folder in ("", "compiler/"):  # files of one name
            (self.native / f"src/{folder}sums.c").write_text(PART.replace("FOLDER", folder[:-1] or "src"))

    def wheel(self, version: str = "standard") -> tuple[str, dict[str, bytes]]:
        """The name of a wheel, and its files."""
        path = next(WheelBuilder(str(self.root)).build(directory=str(self.root / "dist"), versions=[version]))
        with zipfile.ZipFile(path) as wheel:
            return Path(path).name, {name: wheel.read(name) for name in wheel.namelist()}

    def built(self) -> list[str]:
        """What a build has left beside the sources."""
        return sorted(path.name for path in self.native.iterdir() if path.name not in ("src", "__init__.py"))

    def note(self) -> str:
        """The note of a wheel without a core."""
        name, files = self.wheel()
        assert name.endswith("-py3-none-any.whl")
        assert self.built() == [hook.NOTE]
        assert files[f"autodiff/native/{hook.NOTE}"] == (self.native / hook.NOTE).read_bytes()
        assert not any(file.endswith((".so", ".pyd")) for file in files)
        return (self.native / hook.NOTE).read_text()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for name in ("AUTODIFF_PURE", "CC", "CFLAGS", "LDFLAGS", "ARCHFLAGS"):
        monkeypatch.delenv(name, raising=False)
    return Project(tmp_path / "project")


def without_compilers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ziglang", None)


# --- the core ---


@compiles
def test_the_wheel_has_the_core_of_this_python_and_neither_sources_nor_the_cores_of_others(project: Project) -> None:
    others = ["core.cpython-39-x86_64-linux-gnu.so", "core.cp39-win_amd64.pyd", "core.cpython-39-x86_64-linux-gnu.txt"]
    for other in others:
        (project.native / other).touch()
    name, files = project.wheel()
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert f"-{version}-{version}" in name
    assert "none-any" not in name
    assert [file for file in files if file.startswith("autodiff/native/")] == [
        "autodiff/native/__init__.py",
        f"autodiff/native/{hook.CORE}",
    ]
    assert project.built() == sorted([*others, hook.CORE])
    assert (project.native / hook.CORE).read_bytes() == files[f"autodiff/native/{hook.CORE}"]
    assert importlib.machinery.EXTENSION_SUFFIXES[0] == hook.CORE.removeprefix("core")


@compiles
def test_the_core_that_was_built_loads_and_has_the_digest_of_its_sources(project: Project) -> None:
    project.wheel()
    path = str(project.native / hook.CORE)
    core = load("core", importlib.machinery.ExtensionFileLoader("core", path))
    assert core.sources == hook.digest(project.native / "src")


@compiles
def test_an_editable_installation_has_the_core_in_the_tree_alone(project: Project) -> None:
    building = hook.CoreHook(str(project.root), {}, None, None, "", "wheel")
    data: dict[str, Any] = {"force_include": {}}
    building.initialize("editable", data)
    building.finalize("editable", data, "")
    assert data["force_include"] == {}
    assert project.built() == [hook.CORE]
    building.clean(["editable"])
    assert project.built() == []


@compiles
def test_a_tree_that_cannot_be_written_to_gives_the_same_wheel(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    _, files = project.wheel()
    assert f"autodiff/native/{hook.CORE}" in files
    assert project.built() == []
    assert "cannot be written to" in capsys.readouterr().err


@compiles
def test_flags_of_the_environment_come_last(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFLAGS", "-O0 -DWORD='\"of two words\"'")
    monkeypatch.setenv("LDFLAGS", "-Wl,-s")
    with (project.native / "src/module.c").open("a") as file:
        file.write('_Static_assert(sizeof(WORD) == sizeof("of two words"), "");\n#ifdef __OPTIMIZE__\n#error\n#endif\n')
    assert hook.CORE in "".join(project.wheel()[1])


@compiles
def test_setuptools_compiles_as_well(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    monkeypatch.setattr(hook, "MSVC_FLAGS", [])
    hook.build_by_setuptools(project.native / "src", tmp_path / hook.CORE)
    core = load("core", importlib.machinery.ExtensionFileLoader("core", str(tmp_path / hook.CORE)))
    assert core.sources == hook.digest(project.native / "src")


def test_a_digest_is_that_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int a;")
    first = hook.digest(tmp_path)
    assert first == hook.digest(tmp_path)
    (tmp_path / "a.c").rename(tmp_path / "b.c")
    second = hook.digest(tmp_path)
    (tmp_path / "core.h").write_text("int c;")
    third = hook.digest(tmp_path)
    (tmp_path / "b.c").write_text("int b;")
    fourth = hook.digest(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "b.c").rename(tmp_path / "folder/b.c")
    assert len({first, second, third, fourth, hook.digest(tmp_path)}) == 5


def test_the_core_is_that_of_the_sources() -> None:
    if native.core is None or not native.core.sources:
        pytest.skip("pure Python, or a core that was built by hand")
    assert native.core.sources == hook.digest(ROOT / hook.NATIVE / "src"), (
        "the core was built from other sources than those in autodiff/native/src: python -m pip install -e ."
    )


# --- no core ---


def test_pure_python_can_be_asked_for(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.native / hook.CORE).touch()
    monkeypatch.setenv("AUTODIFF_PURE", "1")
    assert project.note() == "AUTODIFF_PURE was set when it was installed\n"
    assert "The native core is not built; all works in Python, more slowly: AUTODIFF_PURE" in capsys.readouterr().err


@pytest.mark.parametrize(("setting", "asks"), [("", False), ("0", False), ("1", True), ("yes", True)])
def test_what_asks_for_pure_python(setting: str, asks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTODIFF_PURE", setting)
    assert ("AUTODIFF_PURE" in (hook.obstacle() or "")) is asks


def test_without_headers_there_is_no_core(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    paths = {**sysconfig.get_paths(), "include": str(tmp_path), "platinclude": str(tmp_path)}
    monkeypatch.setattr(sysconfig, "get_paths", lambda: paths)
    assert project.note() == f"there is no Python.h in {tmp_path}; a package such as python3-dev has it\n"
    assert hook.requirements() == []


@compiles
def test_sources_that_do_not_compile_leave_nothing_stale_and_are_forgotten_once_they_do(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.wheel()
    source = project.native / "src/module.c"
    source.write_text(SOURCE + "int broken(void) { return missing; }\n")
    said = project.note()
    assert "error" in said
    assert "missing" in said
    assert said.count("\n") == 1
    assert "return missing;" in capsys.readouterr().err  # the whole of what the compiler said
    source.write_text(SOURCE)
    project.wheel()
    assert project.built() == [hook.CORE]


@compiles
def test_a_compiler_that_was_asked_for_is_not_replaced(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    assert project.note() == "the compiler no-such-compiler cannot be run: No such file or directory\n"
    monkeypatch.setenv("CC", "false")
    assert project.note() == "false failed: status 1\n"


def test_without_a_compiler_there_is_no_core(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if hook.obstacle():
        pytest.skip("there are no headers of Python")
    without_compilers(monkeypatch, tmp_path)
    assert project.note() == "there is no C compiler\n"


def test_other_pythons_have_no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTODIFF_PURE", raising=False)
    variables = {**sysconfig.get_config_vars(), "Py_GIL_DISABLED": 1}
    with monkeypatch.context() as patched:
        patched.setattr(sysconfig, "get_config_var", variables.get)
        assert "a free-threaded one" in hook.obstacle()
        assert hook.requirements() == []
    monkeypatch.setattr(sys.implementation, "name", "pypy")
    assert "it is written for CPython" in hook.obstacle()


# --- what pip installs first ---


@pytest.mark.parametrize(
    ("system", "machine", "required"),
    [
        ("linux", "x86_64", [hook.ZIG_WHEEL]),
        ("darwin", "arm64", [hook.ZIG_WHEEL]),
        ("linux", "sparc64", []),  # there is no such wheel: to ask for it would be an error
        ("freebsd14", "x86_64", []),
        ("win32", "AMD64", ["setuptools>=75"]),
    ],
)
def test_a_compiler_is_brought_along_where_there_is_none(
    system: str, machine: str, required: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if hook.obstacle():
        pytest.skip("there are no headers of Python")
    monkeypatch.delenv("CC", raising=False)
    without_compilers(monkeypatch, tmp_path)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert hook.requirements() == required
    monkeypatch.setenv("AUTODIFF_PURE", "1")
    assert hook.requirements() == []


@compiles
def test_nothing_is_brought_along_where_there_is_one(project: Project) -> None:
    assert WheelBuilder(str(project.root)).config.dependencies == []
    assert SdistBuilder(str(project.root)).config.dependencies == []


# --- sources ---


def test_sources_are_packed_with_the_hook_and_without_what_was_built(project: Project) -> None:
    for name in (hook.CORE, hook.NOTE, "core.cp39-win_amd64.pyd"):
        (project.native / name).touch()
    path = next(SdistBuilder(str(project.root)).build(directory=str(project.root / "dist"), versions=["standard"]))
    with open_tar(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {"core.h", "module.c", "compiler/compiler.h", "compiler/sums.c"}
    assert {".build/hook.py", *(f"autodiff/native/src/{name}" for name in sources)} <= names
    assert not any(name.startswith("autodiff/native/core.") for name in names)
