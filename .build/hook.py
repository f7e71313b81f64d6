"""The build of the native core: hatchling's hook, run for every wheel, that of an editable installation too.

It compiles the sources in autodiff/native/src and its folders to one extension module, which goes into the wheel and,
so that a checkout can be tested and installed as editable, beside the sources. Where it cannot be compiled a note
stands in its place, one line that says why, and the wheel is pure Python: everything works, several times slower. pip
hides what a hook prints; `python -m autodiff --version` shows the note.

The compiler is $CC, else the one that built Python, else cc, gcc or clang; where there is none, the wheel `ziglang`
brings one along. $CFLAGS and $LDFLAGS are added to the flags below. On Windows it is MSVC, which setuptools finds.
"""

import os
import platform
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = "autodiff/native"
CORE = f"core{sysconfig.get_config_var('EXT_SUFFIX')}"  # its name says for which Python it is
NOTE = str(Path(CORE).with_suffix(".txt"))

EXACT = ["-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]  # no contraction: bits are Python's
FLAGS = ["-std=gnu11", "-O3", *EXACT, "-fPIC", "-fvisibility=hidden", "-pthread", "-DNDEBUG"]
SHARED = ["-shared", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared", "-pthread", "-lm"]
ZIG = [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline", "-g0"]  # for every machine of the kind, as others do
ZIG_PLATFORMS = [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "x86_64"), ("darwin", "arm64")]
ZIG_WHEEL = "ziglang>=0.13,<0.18"
MSVC_FLAGS = ["/std:c11", "/fp:precise"]


class NotBuiltError(Exception):
    """There is no core; the message says why."""


class CoreHook(BuildHookInterface[BuilderConfig]):
    """One wheel's build: `initialize`, then hatchling packs, then `finalize`."""

    def dependencies(self) -> list[str]:
        """What pip is to install first."""
        return requirements()

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the core, put it beside the sources, and into the wheel."""
        native = Path(self.root, NATIVE)
        self.folder = TemporaryDirectory(prefix="autodiff-")
        made = Path(self.folder.name, CORE)
        try:
            build(native / "src", made)
            build_data["pure_python"], build_data["infer_tag"] = False, True
        except NotBuiltError as reason:
            made = made.with_name(NOTE)
            made.write_text(f"{one_line(reason)}\n", encoding="utf-8")
            self.app.display_warning(f"The native core is not built; all works in Python, more slowly: {reason}")
        try:
            put(made, native)
        except OSError as error:  # a tree that is for reading alone; the wheel needs nothing of it
            self.app.display_warning(f"{native} cannot be written to: {error}")
        if version != "editable":  # its wheel leads to the tree
            build_data["force_include"][str(made)] = f"{NATIVE}/{made.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary folder."""
        self.folder.cleanup()

    def clean(self, versions: list[str]) -> None:
        """Remove what was built for this Python."""
        for name in (CORE, NOTE):
            Path(self.root, NATIVE, name).unlink(missing_ok=True)


def put(made: Path, native: Path) -> None:
    """Put the core, or the note, beside the sources; what there was, of an earlier build, goes."""
    (native / (NOTE if made.name == CORE else CORE)).unlink(missing_ok=True)
    whole = native / f"{made.name}.{os.getpid()}"
    try:
        whole.write_bytes(made.read_bytes())
        whole.replace(native / made.name)  # at once: another process may be importing it
    finally:
        whole.unlink(missing_ok=True)


def one_line(reason: Exception) -> str:
    """The line of a compiler's output that tells most."""
    lines = [line.strip() for line in str(reason).splitlines() if line.strip()] or [type(reason).__name__]
    return next((line for line in lines if "error" in line), lines[0])


# --- whether, and with which compiler ---


def obstacle() -> str | None:
    """Why no core can be built for this Python; None if one can."""
    if os.environ.get("AUTODIFF_PURE", "") not in ("", "0"):
        return "AUTODIFF_PURE was set when it was installed"
    if sys.implementation.name != "cpython":
        return f"it is written for CPython, and this is {platform.python_implementation()}"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "it relies on the global lock, and this Python is a free-threaded one"
    if not any(Path(folder, "Python.h").exists() for folder in includes()):
        return f"there is no Python.h in {includes()[0]}; a package such as python3-dev has it"
    return None


def includes() -> list[str]:
    """The folders of Python's headers."""
    paths = sysconfig.get_paths()
    return list(dict.fromkeys((paths["include"], paths["platinclude"])))


def requirements() -> list[str]:
    """The packages that bring or find a compiler; none where one is there, or would be of no use."""
    if obstacle():
        return []
    if sys.platform == "win32":
        return ["setuptools>=75"]
    has_wheel = (sys.platform, platform.machine()) in ZIG_PLATFORMS
    return [ZIG_WHEEL] if has_wheel and system_compiler() is None else []


def system_compiler() -> list[str] | None:
    """The command of a C compiler; None where there is none. $CC is taken at its word."""
    if asked := words("CC"):
        return asked
    pythons = shlex.split(sysconfig.get_config_var("CC") or "")
    return next((command for command in (pythons, ["cc"], ["gcc"], ["clang"]) if runs(command)), None)


def runs(command: Sequence[str]) -> bool:
    """Whether there is such a compiler. On macOS a `cc` is there, but fails, where the developer tools are not."""
    try:
        return bool(command) and subprocess.run([*command, "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


# --- compiling ---


def build(src: Path, to: Path) -> None:
    """Compile the sources into a core; NotBuiltError says why not."""
    if reason := obstacle():
        raise NotBuiltError(reason)
    if sys.platform == "win32":
        build_by_setuptools(src, to)
    else:
        build_by_command(src, to)


def build_by_command(src: Path, to: Path) -> None:
    """Compile by a compiler that takes the options of gcc."""
    compiler = system_compiler() or (ZIG if find_spec("ziglang") else None)
    if compiler is None:
        raise NotBuiltError("there is no C compiler")
    architectures, given = words("ARCHFLAGS"), words("CFLAGS")  # those of a universal2 Python are two
    flags = [*FLAGS, *architectures, *given, *(f"-I{folder}" for folder in includes()), f'-DSOURCES="{digest(src)}"']
    objects = {source: to.parent / f"{i}-{source.stem}.o" for i, source in enumerate(sorted(src.rglob("*.c")))}
    caches = {f"ZIG_{kind}_CACHE_DIR": str(to.parent / "zig") for kind in ("GLOBAL", "LOCAL")}  # 50 MB, used once

    def compile_one(source: Path) -> None:
        run(compiler, [*flags, "-c", str(source), "-o", str(objects[source])], caches)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(compile_one, sorted(objects, key=lambda source: -source.stat().st_size)):  # the largest first
            pass
    run(
        compiler,
        [*architectures, *given, *map(str, objects.values()), *SHARED, *words("LDFLAGS"), "-o", str(to)],
        caches,
    )


def run(compiler: Sequence[str], arguments: Sequence[str], environment: dict[str, str]) -> None:
    """Run a compiler; NotBuiltError says what it said."""
    try:
        command = [*compiler, *arguments]
        subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True, text=True)
    except OSError as error:
        raise NotBuiltError(f"the compiler {compiler[0]} cannot be run: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip() or f"status {error.returncode}"
        raise NotBuiltError(f"{shlex.join(compiler)} failed: {said}") from error


def words(variable: str) -> list[str]:
    """The words of an environment variable, as a shell reads them."""
    return shlex.split(os.environ.get(variable, ""))


def build_by_setuptools(src: Path, to: Path) -> None:
    """Compile by the compiler that setuptools finds: MSVC."""
    try:
        from setuptools import Distribution, Extension  # type: ignore[import-untyped,unused-ignore]

        sources, macros = sorted(map(str, src.rglob("*.c"))), [("SOURCES", f'"{digest(src)}"')]
        core = Extension("core", sources, define_macros=macros, extra_compile_args=MSVC_FLAGS)
        command: Any = Distribution({"ext_modules": [core]}).get_command_obj("build_ext")
        command.build_lib, command.build_temp = str(to.parent), str(to.parent / "objects")
        command.ensure_finalized()
        command.run()
    except Exception as error:  # of many classes
        raise NotBuiltError(f"MSVC failed: {error}") from error


def digest(src: Path) -> str:
    """A digest of the sources. The core has it as `sources`, by which a test finds one that is older than they are."""
    found = sha256()
    for path in sorted(src.rglob("*.[ch]")):
        found.update(b"%s\0%s\0" % (path.relative_to(src).as_posix().encode(), path.read_bytes()))
    return found.hexdigest()[:16]
