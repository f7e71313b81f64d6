"""Files of a record: one safetensors file each, read only if every byte is as written.

A record is anything that JSON can hold. Its lists of floats are the tensors of the file, in float64, named by the way
to them; the rest is text in its metadata, after the SHA-256 of the file, which is taken with zeros in its own place.

>>> decoded(encoded({"x": [1.0, -0.0], "made": {"by": "hand", "in": [2026]}}))
{'x': [1.0, -0.0], 'made': {'by': 'hand', 'in': [2026]}}
"""

import json
import re
from hashlib import sha256
from typing import Any

from nn.optional import optional

_BLANK = b"0" * 64
_SIGNATURE = re.compile(rb'"nn":"1 ([0-9a-f]{64}) ')  # the version of the format and the digest, in the header


class SavedFileError(ValueError):
    """A file that `nn.load` cannot read, or that fits no such model; the message says why, and nothing has changed."""


def encoded(record: Any) -> bytes:
    """The content of a file. The same record gives the same bytes. Raises ImportError without safetensors."""
    numpy, safetensors = optional("numpy", "saving"), optional("safetensors.numpy", "saving")
    lists: dict[str, list[float]] = {}
    text = json.dumps(_without_lists(record, "", lists))
    tensors = {name: numpy.array(numbers) for name, numbers in lists.items()}
    content: bytes = safetensors.save(tensors, metadata={"nn": f"1 {_BLANK.decode()} {text}"})
    return content.replace(_BLANK, sha256(content).hexdigest().encode(), 1)


def decoded(content: bytes) -> Any:
    """The record of a file with this content. Raises SavedFileError unless it is an encoded one, bit for bit."""
    safetensors = optional("safetensors.numpy", "loading")
    signature = _SIGNATURE.search(content)
    if signature is None:
        raise SavedFileError("is no file that this version of nn.load reads, or was cut off in its first bytes")
    try:
        tensors = safetensors.load(content)
    except Exception as error:  # of several kinds
        raise SavedFileError(f"is truncated, or its header is corrupted: {error}") from None
    start, end = signature.span(1)
    if sha256(content[:start] + _BLANK + content[end:]).hexdigest().encode() != signature[1]:
        raise SavedFileError("is corrupted: its digest is not the one that was saved with it")
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return json.loads(
        header["__metadata__"]["nn"].split(" ", 2)[2],
        object_hook=lambda part: tensors[part["tensor"]].tolist() if part.keys() == {"tensor"} else part,
    )


def _without_lists(part: Any, name: str, lists: dict[str, list[float]]) -> Any:
    """A part of a record with the names of tensors in place of its lists of floats, which are put aside."""
    if isinstance(part, dict):
        return {key: _without_lists(x, f"{name}.{key}".lstrip("."), lists) for key, x in part.items()}
    if not isinstance(part, list):
        return part
    if not part or not all(type(x) is float for x in part):
        return [_without_lists(x, f"{name}.{i}", lists) for i, x in enumerate(part)]
    lists[name] = part
    return {"tensor": name}
