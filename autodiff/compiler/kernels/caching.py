"""Machine code on disk: compiled once per machine, and never used for sources that it was not made from.

numba sees when the file of a function changes, but not when another file does that the function depends on, as on the
table of primitives. So a fingerprint of all sources is part of the name under which it keeps each function.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., Any])
_HERE = Path(__file__).parent
_SOURCES = (
    *sorted(_HERE.glob("*.py")),
    _HERE.parent / "opcodes.py",
    *(_HERE.parents[1] / f"{name}.py" for name in ("floats", "primitives")),
)


@cache
def fingerprint() -> str:
    """Return a name for the sources as they are, and for numba's version."""
    text = numba.__version__ + "".join(path.read_text("utf-8") for path in _SOURCES)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def kept(function: Any, compiled: Callable[[Any, bool], Any]) -> Any:
    """Return `compiled(function, True)`, named by its sources; without the cache if nothing can be written anywhere."""
    function.__qualname__ = f"{function.__qualname__}_{fingerprint()}"
    try:
        return compiled(function, True)
    except (RuntimeError, OSError):
        return compiled(function, False)


def cached(function: _F) -> _F:
    """Return the function as machine code that Python can call, from the cache or compiled at the first call."""
    return cast(_F, kept(function, lambda function, cache: numba.njit(function, cache=cache)))
