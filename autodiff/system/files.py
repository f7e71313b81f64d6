"""Files that are whole: what was there stays until what takes its place is on the disk.

>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as directory:
...     path = Path(directory) / "y.svg"
...     write_whole(path, b"<svg/>")
...     path.read_bytes()
b'<svg/>'
"""

import os
from contextlib import suppress
from errno import ENOENT
from pathlib import Path
from uuid import uuid4

__all__ = ["write_whole"]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file: beside it first, then in its place, in one step; a device or a pipe is written to as it is.

    A crash at any moment leaves the old file or the new one. A link stays a link, and permissions stay what they were.
    Raises OSError, after which everything is as it was, if the disk is full, the directory takes no files, or there is
    none (FileNotFoundError).
    """
    path = path.resolve()
    if not path.parent.is_dir():
        raise FileNotFoundError(ENOENT, "No such directory", str(path.parent))
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    beside = path.with_name(f".{uuid4().hex}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            beside.chmod(path.stat().st_mode)
        beside.replace(path)
    finally:  # after an interrupt, too
        with suppress(OSError):
            beside.unlink(missing_ok=True)
