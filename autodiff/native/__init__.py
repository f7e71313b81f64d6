"""The native core: the storage of a node, and the hot paths on it, in C where they could be built.

`core` is the extension module, and None without it: then everything is Python, and the same to the last bit. `reason`
says why there is none. The environment variable AUTODIFF_PURE switches it off; it is read when autodiff is imported.

`Node` and `Operation` are the bases of Value and Primitive, from the core or from `storage.py`.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any


def _loaded() -> tuple[Any, str]:
    """The core, or None and the reason."""
    if os.environ.get("AUTODIFF_PURE", "0") not in ("", "0"):
        return None, "AUTODIFF_PURE is set"
    try:
        return import_module("autodiff.native.core"), ""
    except ModuleNotFoundError:
        return None, _why_it_was_not_built()
    except ImportError as error:
        return None, f"it cannot be loaded: {error}"


def _why_it_was_not_built() -> str:
    """The note that a build leaves beside this file in the place of a core."""
    from importlib.machinery import EXTENSION_SUFFIXES  # only asked for where there is no core

    name = os.path.splitext(f"core{EXTENSION_SUFFIXES[0]}")[0]
    try:
        with open(os.path.join(os.path.dirname(__file__), f"{name}.txt"), encoding="utf-8") as note:
            return note.read().strip()
    except OSError:
        return "it was not built for this Python"


core, reason = _loaded()


def of_core(name: str) -> Any:
    """What the core has by this name. Raises ImportError for a core of other sources."""
    try:
        return getattr(core, name)
    except AttributeError as error:
        raise of_other_sources() from error


def of_other_sources() -> ImportError:
    """The error that a core lacks something, or takes something else."""
    return ImportError(
        "the native core was built from other sources than these; build it again, by python -m pip install -e ., "
        "or set AUTODIFF_PURE=1 to do without"
    )


if TYPE_CHECKING or core is None:
    from autodiff.native.storage import Node as Node
    from autodiff.native.storage import Operation as Operation
else:
    Node, Operation = core.Node, core.Operation
