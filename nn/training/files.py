"""A file of numbers and a record: one safetensors file, written in one step, and read only if every byte is as written.

The record, anything that JSON holds, stands in the file's metadata beside the SHA-256 of the file, taken while zeros
stand in its place.

>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as directory:
...     path = Path(directory) / "x.safetensors"
...     write(path, {"x": [1.0, -0.0], "y": 0.5}, {"made by": "hand"})
...     read(path)
({'x': [1.0, -0.0], 'y': 0.5}, {'made by': 'hand'})
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

Numbers = Mapping[str, float | list[float]]

VERSION = 1
_BLANK = "0" * 64
_LONGEST_HEADER = 100_000_000  # bytes that safetensors reads


class SavedFileError(ValueError):
    """A file that `nn.load` cannot read, or that fits no such model; the message says why, and nothing has changed."""


def write(path: Path, numbers: Numbers, record: Any) -> None:
    """Write numbers and a record: beside the file first, then in its place, so that a crash leaves the old or the new.

    A link stays a link, and permissions stay what they were. Raises OSError, after which everything is as it was, where
    the directory is missing or full, or takes no files, and for a file that is read-only, or is none.
    """
    path = path.resolve()
    _check_writable(path)
    beside = path.with_name(f".{uuid4().hex}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(_encoded(numbers, record))
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            beside.chmod(path.stat().st_mode)
        beside.replace(path)
    except BaseException:  # an interrupt, too, leaves nothing behind
        beside.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # not every system opens directories
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def read(path: Path) -> tuple[Numbers, Any]:
    """The numbers and the record of a file that `write` wrote.

    Raises SavedFileError for anything else: a file that was cut off, or has one other bit, or is another program's, or
    a newer version's; OSError if there is none, or it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise SavedFileError(f"{path} is no file{' but a directory' * path.is_dir()}; give the path that save wrote to")
    content = path.read_bytes()
    try:
        return _decoded(content)
    except SavedFileError as error:
        raise SavedFileError(f"{path} {error}") from error.__cause__


def _check_writable(path: Path) -> None:
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no directory {path.parent} to save {path.name} in; make it first")
    if path.exists() and not path.is_file():
        raise FileExistsError(f"{path} is there, and no file; give the path of a file, such as model.safetensors")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise PermissionError(f"{path} cannot be written: {'it' if path.exists() else path.parent} is read-only")


def _encoded(numbers: Numbers, record: Any) -> bytes:
    numpy, safetensors = _packages()
    signed = json.dumps({"version": VERSION, "sha256": _BLANK, "record": record})  # one text: of more, the order varies
    tensors = {name: numpy.array(x, dtype=numpy.float64) for name, x in numbers.items()}
    content: bytes = safetensors.save(tensors, metadata={"nn": signed})
    if int.from_bytes(content[:8], "little") > _LONGEST_HEADER:
        raise ValueError(f"{len(tensors):,} lists of numbers have more names than safetensors reads; save parts of it")
    return content.replace(_BLANK.encode(), sha256(content).hexdigest().encode(), 1)


def _decoded(content: bytes) -> tuple[Numbers, Any]:
    """Numbers and record, once the digest has shown that they are what was written."""
    signed, end = _header(content)
    if signed["version"] > VERSION:
        raise SavedFileError(f"is of version {signed['version']}, and this nn reads up to {VERSION}; upgrade it")
    if len(content) < end:
        raise SavedFileError(f"is truncated: {len(content):,} bytes of {end:,} are left")
    blank = content.replace(signed["sha256"].encode(), _BLANK.encode(), 1)
    if sha256(blank).hexdigest() != signed["sha256"]:
        raise SavedFileError("is corrupted: its digest is not the one that was saved with it")
    _, safetensors = _packages()
    return {name: tensor.tolist() for name, tensor in sorted(safetensors.load(content).items())}, signed["record"]


def _header(content: bytes) -> tuple[dict[str, Any], int]:
    """What the metadata say of the file, and how long it has to be."""
    start = 8 + int.from_bytes(content[:8], "little")
    if len(content) < 9:
        raise SavedFileError(f"is {f'cut off after {len(content)} bytes' if content else 'empty'}")
    if content[8:9] == b"{" and len(content) < start:
        raise SavedFileError("is truncated, or its first bytes are corrupted: it ends within its header")
    try:
        header = json.loads(content[8:start])
        signed = json.loads(header.pop("__metadata__")["nn"])
        if type(signed["version"]) is int and signed["sha256"].isascii() and "record" in signed:
            return signed, max((start + array["data_offsets"][1] for array in header.values()), default=start)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    raise SavedFileError("is no file that nn.load reads, or its header is corrupted")


def _packages() -> tuple[Any, Any]:
    try:
        import numpy
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("saving and loading need safetensors and numpy: pip install safetensors numpy") from error
    return numpy, safetensors.numpy
