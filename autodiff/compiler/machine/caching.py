"""Machine code on disk: compiled once per machine, and never used for sources that it was not made from.

numba sees when the file of a function changes, but not when another file does that the function depends on, as on the
table of primitives. So a fingerprint of all sources is part of the name under which each function is kept. And numba
raises for a file that is damaged, and for a disk that is full: here it does not.
"""

import hashlib
import os
import pickle
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc
from numba.core.serialize import dumps

_F = TypeVar("_F", bound=Callable[..., Any])
_PACKAGE = Path(__file__).parents[2]
# Folders all of whose modules count; not each of them is compiled, but so none is forgotten.
_FOLDERS = ("primitives", "compiler/machine", "compiler/passes", "compiler/nests", "compiler/backends/kernels")
_SOURCES = (
    *(path for folder in _FOLDERS for path in sorted((_PACKAGE / folder).glob("*.py"))),
    *(_PACKAGE / f"{name}.py" for name in ("floats", "compiler/programs/opcodes")),
)
_DIGEST = hashlib.sha256().digest_size


@cache
def fingerprint() -> str:
    """A name for the sources as they are, and for numba's version."""
    text = numba.__version__ + "".join(path.read_text("utf-8") for path in _SOURCES)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class _Files:
    """A file of machine code for each kind of arguments, with a digest: what else may be in it is not looked at."""

    def __init__(self, folder: str, name: str) -> None:
        self.folder, self.name = Path(folder), name

    def _path(self, key: Any) -> Path:
        return self.folder / f"{self.name}.{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.code"

    def _digest(self, key: Any, text: bytes) -> bytes:
        return hashlib.sha256(f"{self.name} {key!r}".encode() + text).digest()

    def load(self, key: Any) -> Any:
        """The data saved under this key; None if there is none, or something has happened to it since."""
        try:
            kept = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        digest, text = kept[:_DIGEST], kept[_DIGEST:]
        return pickle.loads(text) if digest == self._digest(key, text) else None

    def save(self, key: Any, data: Any) -> None:
        """Replace the file as a whole, so that no other process reads a part of it."""
        text = dumps(data)  # type: ignore[no-untyped-call]
        beside, name = tempfile.mkstemp(dir=self.folder, prefix=self.name)
        try:
            with open(beside, "wb") as file:
                file.write(self._digest(key, text) + text)
            os.replace(name, self._path(key))
        except BaseException:
            os.unlink(name)
            raise


class _Cache(FunctionCache):
    """numba's cache of a function, which may only ever cost time.

    What cannot be read is compiled once more, and what cannot be written is not kept.
    """

    def __init__(self, function: Any) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._cache_file: Any = _Files(self.cache_path, self._impl.filename_base)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The machine code for a signature; None where it has to be compiled."""
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception:  # such as a folder in the file's place, or a library that numba cannot link
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep machine code, if there is room for it."""
        with suppress(Exception):  # such as OSError, of a full disk
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


def _with_cache(made: Any, function: Any) -> Any:
    with suppress(RuntimeError, OSError):  # there is no folder to write to: then it is compiled in each process
        made._cache = _Cache(function)
    return made


def _named(function: Any) -> Any:
    function.__qualname__ = f"{function.__qualname__}_{fingerprint()}"
    return function


def cached(function: _F) -> _F:
    """Make machine code that Python can call, from the cache or compiled at the first call."""
    return cast(_F, _with_cache(numba.njit(_named(function)), function))


def compiled(function: Any, signature: Any) -> Any:
    """Make machine code that Python can call with these kinds of arguments, with no lock held."""
    made = _with_cache(numba.njit(error_model="numpy", nogil=True)(_named(function)), function)
    made.compile(signature)
    made.disable_compile()
    return made


def c_function(function: Any, signature: Any) -> Any:
    """Make machine code that has an `address`, for as long as it is kept."""
    sides = signature.args, signature.return_type
    made = _with_cache(CFunc(_named(function), sides, {}, {"error_model": "numpy"}), function)
    made.compile()
    return made
