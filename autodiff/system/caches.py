"""Files that spare work: in the user's cache directory, where they may be lost, damaged or unwritable at any time.

A file holds its content's digest, and is what it says or is not there: half a file, or one that anybody else wrote, is
as none. Many processes may read and write at once.

>>> import os, tempfile
>>> from unittest.mock import patch
>>> with tempfile.TemporaryDirectory() as directory, patch.dict(os.environ, {"XDG_CACHE_HOME": directory}):
...     keep("answer-1", b"42")
...     kept("answer-1"), kept("answer-2")
(b'42', None)
"""

import os
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from autodiff.system.files import write_whole

__all__ = ["keep", "kept"]

_DIGEST = 32  # bytes


def kept(name: str) -> bytes | None:
    """The content that was kept under a name, None if there is none that can be trusted."""
    try:
        path = _directory() / name
        if hasattr(os, "geteuid") and path.stat().st_uid != os.geteuid():
            return None
        file = path.read_bytes()
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None
    digest, content = file[:_DIGEST], file[_DIGEST:]
    return content if sha256(content).digest() == digest else None


def keep(name: str, content: bytes) -> None:
    """Keep a content under a name, if the disk and its owner let us."""
    with suppress(OSError, RuntimeError):
        directory = _directory()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(directory / name, sha256(content).digest() + content)


def _directory() -> Path:
    """The directory for caches, as each system has it."""
    if os.environ.get("XDG_CACHE_HOME"):
        caches = Path(os.environ["XDG_CACHE_HOME"])
    elif sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        caches = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return caches / "scalar-autodiff"
