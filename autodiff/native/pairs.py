"""Pairs: a plain function of Python that says what is meant, and one of the core that does it fast.

`paired` puts the core's in the place of the plain one; a law holds each pair of `PAIRS` to the same results.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, TypeVar, cast

from autodiff import native

_F = TypeVar("_F", bound=Callable[..., Any])


class Pair(NamedTuple):
    """A plain function, and what stands in its place: the core's where there is one."""

    plain: Callable[..., Any]
    fast: Callable[..., Any]


PAIRS: dict[str, Pair] = {}


def paired(plain: _F) -> _F:
    """The core's function of this name; the plain one without a core, and where the core's gives NotImplemented.

    Raises ImportError for a core of other sources, which has no such function.
    """
    if native.core is None:
        PAIRS[plain.__name__] = Pair(plain, plain)
        return plain
    core = native.of_core(plain.__name__)

    @wraps(plain)
    def either(*args: Any) -> Any:
        result = core(*args)
        return plain(*args) if result is NotImplemented else result

    PAIRS[plain.__name__] = Pair(plain, either)
    return cast(_F, either)
